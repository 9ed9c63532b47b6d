//! TLS as the tools of Open vSwitch use it: both sides show a certificate, and one authority has signed both. Names in
//! certificates say nothing, since switches and controllers are called by address.
//!
//! Source: ovs-vsctl(8), `set-ssl`; `stream-ssl.c` of OVS.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::{self, CryptoProvider};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, ServerConfig, SignatureScheme,
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
