//! The files of TLS: named on the command line, or by a database.
//!
//! They are read at every handshake, so that a certificate that was renewed counts at once.
//!
//! Source: ovsdb-server(1), "Public Key Infrastructure Options".

use std::path::{Path, PathBuf};

use netloom_ovsdb::Server;
use netloom_transport::Tls;

use super::column;
use super::target::Column;

/// Where a file is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// On the command line.
    File(PathBuf),
    /// In a column of a database: `db:DB,TABLE,COLUMN`.
    Column(String),
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        if text.starts_with("db:") { Self::Column(text.to_owned()) } else { Self::File(text.into()) }
    }
}

/// The three files, and what if there is no authority yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// The private key.
    pub key: Option<Source>,
    /// Its certificate.
    pub certificate: Option<Source>,
    /// The certificate of the authority that has signed those of peers. `none`: nobody is checked.
    pub authority: Option<Source>,
    /// Whether a missing file of the authority is made from what the first peer shows.
    pub bootstrap: bool,
}

/// What a handshake is made with.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) tls: Tls,
    /// The authority is to be learned from the peer, and written here.
    pub(super) learns: Option<PathBuf>,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// Which is missing or wrong, with its cause.
    pub(super) fn read(&self, server: &Server) -> Result<Identity, String> {
        let [key, certificate, authority] = [
            ("private key", &self.key),
            ("certificate", &self.certificate),
            ("CA certificate", &self.authority),
        ]
        .map(|(what, source)| path(server, what, source.as_ref()));
        let (key, certificate, authority) = (contents(&key?)?, contents(&certificate?)?, authority?);
        let wrong = |error: netloom_transport::TlsError| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let learns = self.bootstrap && !authority.exists();
        if learns || authority == Path::new("none") {
            let tls = Tls::trusting_anybody(key, certificate).map_err(wrong)?;
            return Ok(Identity { tls, learns: learns.then_some(authority) });
        }
        let tls = Tls::new(key, certificate, contents(&authority)?).map_err(wrong)?;
        Ok(Identity { tls, learns: None })
    }
}

fn path(server: &Server, what: &str, source: Option<&Source>) -> Result<PathBuf, String> {
    match source {
        None => Err(format!("TLS needs a {what}: none was configured")),
        Some(Source::File(path)) => Ok(path.clone()),
        Some(Source::Column(text)) => {
            let column = Column::parse(text).unwrap_or_else(|| Err(format!("\"{text}\": invalid syntax")))?;
            let named = column::text(server, &column).map(PathBuf::from);
            named.ok_or_else(|| format!("TLS needs a {what}: {text} names none"))
        }
    }
}

fn contents(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

impl Identity {
    /// Keeps the authority that a peer has shown, if one was to be learned. The connection then ends: the next one is
    /// checked by it.
    pub(super) fn learn(&self, shown: Option<Vec<u8>>) -> Result<(), String> {
        let Some(path) = &self.learns else { return Ok(()) };
        let shown = shown.ok_or("the peer shows no certificate of its authority, so it cannot be learned")?;
        // `create_new`: whoever else has learned it meanwhile was first.
        let mut file = std::fs::File::options().write(true).create_new(true).open(path);
        let written = file
            .as_mut()
            .map_err(|error| error.to_string())
            .and_then(|file| std::io::Write::write_all(file, &shown).map_err(|error| error.to_string()));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        Err(format!("the certificate of the authority was learned and is in {}", path.display()))
    }
}
