//! A file from the net, known by its digest: the image of a disk.
//!
//! Nobody on the way is believed: the file is held against its digest while it comes, so plain HTTP will do. What has come is kept
//! when it breaks off, and gone on with where the server lets one.
//!
//! Source: RFC 9110, sections 14 (range requests) and 15.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::digest::Digest;
use crate::document::Descriptor;
use crate::registry::http::{self, Lost};
use crate::registry::{Event, PullError, goes_on};
use crate::store::{Partial, Store, StoreError};

/// Bytes of the longest file that is taken: 1 TiB.
const MOST: u64 = 1 << 40;
/// How often it may break off without having got on.
const TRIES: u32 = 3;
/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a file cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No answer, or none that is HTTP.
    #[error("Cannot reach {url}: {source}")]
    Reach {
        /// Its address.
        url: String,
        /// The cause.
        source: Box<ureq::Error>,
    },
    /// An answer nobody asked for.
    #[error("The server answered {status} to {url}")]
    Status {
        /// Its address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// Redirected in circles, or to plain HTTP.
    #[error("The server redirects {url} {reason}")]
    Redirect {
        /// Its address.
        url: String,
        /// How.
        reason: &'static str,
    },
    /// It broke off, time and again.
    #[error("It broke off at {have} bytes of {url}: {reason}")]
    BrokeOff {
        /// Its address.
        url: String,
        /// How far it came.
        have: u64,
        /// What happened.
        reason: String,
    },
    /// It is something else.
    #[error("What is at {url} is not what it must be: its SHA-256 is {}, not {}", .found.hex(), .wanted.hex())]
    Another {
        /// Its address.
        url: String,
        /// What it must be.
        wanted: Digest,
        /// What it is.
        found: Digest,
    },
    /// Somebody wanted no more of it.
    #[error("It was stopped at {have} bytes of {url}")]
    Stopped {
        /// Its address.
        url: String,
        /// How far it came.
        have: u64,
    },
    /// TLS cannot be spoken.
    #[error(transparent)]
    Tls(PullError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fetches the file at `url` into the store, unless it is there. To be called under [`Store::using`]. `watch` is told how far it is
/// ([`Event::Wanted`] again if its length turns out to be another), and says whether to go on.
///
/// # Errors
/// [`DownloadError`]. What has come until then stays for another attempt, unless it is something else.
pub fn download(
    store: &Store,
    url: &str,
    digest: Digest,
    authorities: &[PathBuf],
    watch: &dyn Fn(Event) -> bool,
) -> Result<(), DownloadError> {
    if store.has_blob(&digest) {
        watch(Event::Present(digest));
        return Ok(());
    }
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let authorities = url.starts_with("https://").then_some(authorities);
    let agent = http::agent(http::is_loopback(host), authorities, PATIENCE).map_err(DownloadError::Tls)?;
    let partial = store.partial(&Descriptor { digest, size: MOST, ..Descriptor::of("", b"") })?;
    One { agent, url, digest, watch }.fetch(partial)
}

struct One<'a> {
    agent: Agent,
    url: &'a str,
    digest: Digest,
    watch: &'a dyn Fn(Event) -> bool,
}

/// How a stretch ended.
enum End {
    /// All of it is here, as far as the server says.
    Whole,
    /// It goes on.
    Broken(String),
}

impl One<'_> {
    fn fetch(&self, mut partial: Partial) -> Result<(), DownloadError> {
        let mut failures = 0;
        while !partial.is_done() {
            let before = partial.have();
            let reason = match self.stretch(&mut partial) {
                Ok(End::Whole) => return self.finish(partial),
                Ok(End::Broken(reason)) => reason,
                Err(DownloadError::Reach { source, .. }) if before > 0 => source.to_string(),
                Err(error) => return Err(error),
            };
            failures = if partial.have() > before { 0 } else { failures + 1 };
            if failures >= TRIES {
                return Err(DownloadError::BrokeOff {
                    url: self.url.to_owned(),
                    have: partial.have(),
                    reason,
                });
            }
        }
        (self.watch)(Event::Done(self.digest));
        Ok(())
    }

    fn finish(&self, mut partial: Partial) -> Result<(), DownloadError> {
        partial.announce(partial.have());
        partial.finish().map_err(|error| match error {
            StoreError::Mismatch { wanted, found } => {
                DownloadError::Another { url: self.url.to_owned(), wanted, found }
            }
            error => DownloadError::Store(error),
        })?;
        (self.watch)(Event::Done(self.digest));
        Ok(())
    }

    /// One answer's worth.
    fn stretch(&self, partial: &mut Partial) -> Result<End, DownloadError> {
        let have = partial.have();
        let response = self.ask(have)?;
        match response.status() {
            StatusCode::OK => partial.restart()?,
            StatusCode::PARTIAL_CONTENT if have > 0 && goes_on(&response, have) => {}
            // There is nothing behind what is here, or it is of something else: its digest tells.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(End::Whole),
            StatusCode::PARTIAL_CONTENT => {
                partial.restart()?;
                return Ok(End::Broken("another part was sent than was asked for".to_owned()));
            }
            status => {
                return Err(DownloadError::Status { url: self.url.to_owned(), status: status.as_u16() });
            }
        }
        let total = length(&response).map(|length| partial.have().saturating_add(length));
        if let Some(total) = total {
            if total > MOST {
                let digest = self.digest;
                return Err(StoreError::Length { digest, wanted: MOST, found: total }.into());
            }
            (self.watch)(Event::Wanted(self.digest, total));
        }
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 128 << 10];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => partial.add(buffer.get(..length).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Ok(End::Broken(error.to_string())),
            }
            if !(self.watch)(Event::Bytes(self.digest, partial.have())) {
                return Err(DownloadError::Stopped { url: self.url.to_owned(), have: partial.have() });
            }
        }
        let is_whole = total.is_none_or(|total| partial.have() >= total);
        Ok(if is_whole { End::Whole } else { End::Broken("it ended early".to_owned()) })
    }

    fn ask(&self, from: u64) -> Result<Response<Body>, DownloadError> {
        let headers = |_: &str| {
            // As it lies there: what a server packs for the way has another length.
            let plain = (header::ACCEPT_ENCODING, "identity".to_owned());
            [plain].into_iter().chain((from > 0).then(|| (header::RANGE, format!("bytes={from}-")))).collect()
        };
        let url = || self.url.to_owned();
        http::follow(&self.agent, self.url, headers).map_err(|lost| match lost {
            Lost::Reach(error) => DownloadError::Reach { url: url(), source: Box::new(error) },
            Lost::Redirect(reason) => DownloadError::Redirect { url: url(), reason },
        })
    }
}

/// Bytes of an answer, if it says so.
fn length<B>(response: &Response<B>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
