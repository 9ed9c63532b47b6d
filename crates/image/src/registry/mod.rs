//! Pulling from a registry: a small client of the distribution protocol.
//!
//! ```text
//! reference -> manifest, or index -> manifest of the platform -> config, and layers side by side -> store
//! ```
//!
//! A registry is not believed: documents are bounded, blobs end at the announced length, everything is held against its
//! digest, redirects are counted and never lead from HTTPS to plain HTTP, and credentials go to nobody else.
//!
//! Why not the crate oci-client: some 295 crates for what is five requests. Source: OCI distribution specification 1.1;
//! Docker Registry v2 authentication, "Token Authentication Specification".

mod auth;
mod client;
mod credentials;
pub(crate) mod http;
mod pull;

pub use credentials::{Credentials, CredentialsError, Login};
pub(crate) use pull::goes_on;
pub use pull::{Event, Pull, pull};

use crate::digest::Digest;
use crate::document::DocumentError;
use crate::platform::Platform;
use crate::store::StoreError;

/// Why an image cannot be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// No answer, or none that is HTTP.
    #[error("Cannot reach the registry {registry}: {source}")]
    Reach {
        /// Host and port.
        registry: String,
        /// The cause.
        source: Box<ureq::Error>,
    },
    /// An answer nobody asked for.
    #[error("The registry {registry} answered {status} to {what}{}", .said.as_deref().map(|said| format!(": {said}")).unwrap_or_default())]
    Status {
        /// Host and port.
        registry: String,
        /// The HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// The first error in its words.
        said: Option<String>,
    },
    /// No such image.
    #[error("The registry {registry} has no {what}")]
    Missing {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
    },
    /// Credentials are missing or wrong.
    #[error("The registry {registry} lets nobody read {what} without a login{}", if *.had { ", and refused the one it was given" } else { "" })]
    Denied {
        /// Host and port.
        registry: String,
        /// What was asked for.
        what: String,
        /// Whether credentials were given.
        had: bool,
    },
    /// Redirected in circles, or to plain HTTP.
    #[error("The registry {registry} redirects {reason}")]
    Redirect {
        /// Host and port.
        registry: String,
        /// How.
        reason: &'static str,
    },
    /// A challenge that is not understood.
    #[error("The registry {registry} asks for a login of an unknown kind: {challenge:?}")]
    Challenge {
        /// Host and port.
        registry: String,
        /// Its words.
        challenge: String,
    },
    /// It broke off, time and again.
    #[error("The registry {registry} broke off in {digest}, at {have} of {size} bytes: {reason}")]
    BrokeOff {
        /// Host and port.
        registry: String,
        /// Of which blob.
        digest: Digest,
        /// How far it came.
        have: u64,
        /// How long it is.
        size: u64,
        /// What happened.
        reason: String,
    },
    /// A document is no good.
    #[error("The registry {registry} has a document that is no good, {what}: {source}")]
    Document {
        /// Host and port.
        registry: String,
        /// Which.
        what: String,
        /// Why.
        source: DocumentError,
    },
    /// None for this platform.
    #[error("The image {name} is not made for {wanted}")]
    Platform {
        /// Which.
        name: String,
        /// What was asked for.
        wanted: Platform,
        /// What it is made for.
        has: Vec<String>,
    },
    /// A file of certificates is no good.
    #[error("Cannot use the certificates of {}: {source}", .file.display())]
    Authority {
        /// Which.
        file: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate authorities on this machine.
    #[error("No certificates of authorities were found on this machine")]
    NoAuthorities,
    /// The login cannot be read.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl PullError {
    /// Whether the registry's certificate is signed by nobody who is trusted here.
    #[must_use]
    pub fn is_untrusted(&self) -> bool {
        let Self::Reach { source, .. } = self else { return false };
        let error = match source.as_ref() {
            ureq::Error::Rustls(error) => Some(error),
            // A handshake is made with the first bytes that are read or written.
            ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
            _ => None,
        };
        // An authority of the same name, but with another key, is another one.
        let unknown = [rustls::CertificateError::UnknownIssuer, rustls::CertificateError::BadSignature];
        error.is_some_and(|error| unknown.map(rustls::Error::InvalidCertificate).contains(error))
    }
}
