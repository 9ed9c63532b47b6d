//! TLS as the tools of Open vSwitch use it: both sides show a certificate, and one authority has signed both. Names in
//! certificates say nothing, since switches and controllers are called by address.
//!
//! Source: ovs-vsctl(8), `set-ssl`; `stream-ssl.c` of OVS.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// What is wrong with files of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not a private key.
    #[error("The key cannot be read")]
    Key(#[source] io::Error),
    /// Not a certificate.
    #[error("The certificate cannot be read")]
    Certificate(#[source] io::Error),
    /// Not the certificate of an authority.
    #[error("The certificate of the authority cannot be read")]
    Authority(#[source] io::Error),
    /// They do not fit each other.
    #[error("Key and certificates do not fit each other")]
    Unfit(#[source] Error),
}

/// Who we are, and whom we trust.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
    /// The three files: what makes two of these equal.
    pems: Arc<[Vec<u8>; 3]>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the key.
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.pems == other.pems
    }
}

impl Tls {
    /// From the private key, the certificate with those between it and the authority, and the authority's, all PEM.
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn new(key: Vec<u8>, certificate: Vec<u8>, authority: Vec<u8>) -> Result<Self, TlsError> {
        let private = || PrivateKeyDer::from_pem_slice(&key).map_err(|e| TlsError::Key(io::Error::other(e)));
        let chain = all(&certificate).map_err(TlsError::Certificate)?;
        let mut roots = RootCertStore::empty();
        for root in all(&authority).map_err(TlsError::Authority)? {
            roots.add(root).map_err(|e| TlsError::Authority(io::Error::other(e)))?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(crypto::ring::default_provider());
        let unfit = TlsError::Unfit;
        let verifier = Arc::new(Signed { roots: Arc::clone(&roots), provider: Arc::clone(&provider) });
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain.clone(), private()?)
            .map_err(unfit)?;
        let callers = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|e| TlsError::Authority(io::Error::other(e)))?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .with_client_cert_verifier(callers)
            .with_single_cert(chain, private()?)
            .map_err(unfit)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            pems: Arc::new([key, certificate, authority]),
        })
    }

    /// From the private key and its certificate, both PEM: whoever has a certificate is let in, whoever has signed it. For
    /// `--ca-cert=none`, and to learn from the first peer [who signs](Self::authority_of).
    ///
    /// # Errors
    /// [`TlsError`]
    pub fn trusting_anybody(key: Vec<u8>, certificate: Vec<u8>) -> Result<Self, TlsError> {
        let private = || PrivateKeyDer::from_pem_slice(&key).map_err(|e| TlsError::Key(io::Error::other(e)));
        let chain = all(&certificate).map_err(TlsError::Certificate)?;
        let provider = Arc::new(crypto::ring::default_provider());
        let anybody = Arc::new(Anybody(Arc::clone(&provider)));
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unfit)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Anybody>::clone(&anybody))
            .with_client_auth_cert(chain.clone(), private()?)
            .map_err(TlsError::Unfit)?;
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unfit)?
            .with_client_cert_verifier(anybody)
            .with_single_cert(chain, private()?)
            .map_err(TlsError::Unfit)?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            acceptor: TlsAcceptor::from(Arc::new(server)),
            pems: Arc::new([key, certificate, Vec::new()]),
        })
    }

    /// The certificate of the authority that a peer has shown behind its own, as PEM: the last one, if it has signed the
    /// others.
    #[must_use]
    pub fn authority_of(connection: &CommonState) -> Option<Vec<u8>> {
        let (own, signers) = connection.peer_certificates()?.split_first()?;
        let (authority, between) = signers.split_last()?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone()).ok()?;
        let provider = crypto::ring::default_provider();
        let certificate = ParsedCertificate::try_from(own).ok()?;
        let algorithms = provider.signature_verification_algorithms.all;
        let now = UnixTime::now();
        verify_server_cert_signed_by_trust_anchor(&certificate, &roots, between, now, algorithms).ok()?;
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let text = BASE64_STANDARD.encode(authority);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        Some((pem + "-----END CERTIFICATE-----\n").into_bytes())
    }

    /// Shakes hands as the one who called.
    ///
    /// # Errors
    /// The stream's, or that the peer is not trusted.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: std::net::IpAddr,
    ) -> io::Result<client::TlsStream<S>> {
        self.connector.connect(ServerName::IpAddress(peer.into()), stream).await
    }

    /// Shakes hands as the one who was called.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<server::TlsStream<S>> {
        self.acceptor.accept(stream).await
    }
}

/// All certificates of a file; at least one.
fn all(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(io::Error::other)?;
    if all.is_empty() { Err(io::Error::other("there is no certificate in it")) } else { Ok(all) }
}

/// Trusts everybody who has the key of the certificate he shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        crypto::verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}

/// Trusts whom the authority has signed, whatever he is called.
#[derive(Debug)]
struct Signed {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Signed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
