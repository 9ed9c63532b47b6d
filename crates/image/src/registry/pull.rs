//! The pull: documents first, then layers side by side, each gone on with where it broke off.

use std::collections::VecDeque;
use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::http::{StatusCode, header};

use super::client::Client;
use super::{Credentials, PullError};
use crate::digest::Digest;
use crate::document::{Descriptor, Document, DocumentError, ImageConfig, LONGEST, Manifest};
use crate::platform::Platform;
use crate::reference::Remote;
use crate::store::{Store, StoreError};

/// How to pull.
#[derive(Debug)]
pub struct Pull<'a> {
    /// Which of several.
    pub platform: Platform,
    /// The user's logins.
    pub credentials: &'a Credentials,
    /// Plain HTTP, as to registries on this machine.
    pub plain_http: bool,
    /// Files with certificates of authorities of this registry's own, trusted beside those of the machine. With one, a
    /// registry on this machine is spoken to in HTTPS, too.
    pub authorities: Vec<PathBuf>,
    /// How long a registry may be silent.
    pub patience: Duration,
    /// How many layers at a time.
    pub streams: usize,
}

impl<'a> Pull<'a> {
    /// For this machine, three layers at a time.
    #[must_use]
    pub fn new(credentials: &'a Credentials) -> Self {
        Self {
            platform: Platform::host(),
            credentials,
            plain_http: false,
            authorities: Vec::new(),
            patience: Duration::from_secs(30),
            streams: 3,
        }
    }
}

/// What happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A layer that will be pulled, of so many bytes.
    Wanted(Digest, u64),
    /// A layer that is here already.
    Present(Digest),
    /// So many bytes of it are here.
    Bytes(Digest, u64),
    /// It is here, and what it should be.
    Done(Digest),
}

/// How often a blob may break off without having got on.
const TRIES: u32 = 3;

/// Pulls an image into the store and returns the digest of its manifest. To be called under [`Store::using`].
///
/// # Errors
/// [`PullError`]. What was pulled until then stays for another attempt.
pub fn pull(
    store: &Store,
    remote: &Remote,
    options: &Pull<'_>,
    watch: &(dyn Fn(Event) + Sync),
) -> Result<Digest, PullError> {
    let one = One { client: Client::new(remote, options)?, store, remote, options, watch };
    let (bytes, manifest) = one.manifest()?;
    let config = one.config(&manifest)?;
    one.layers(&manifest)?;
    store.add_document(&config)?;
    Ok(store.add_document(&bytes)?)
}

struct One<'a> {
    client: Client,
    store: &'a Store,
    remote: &'a Remote,
    options: &'a Pull<'a>,
    watch: &'a (dyn Fn(Event) + Sync),
}

impl One<'_> {
    /// The manifest for the platform, through one index at most.
    fn manifest(&self) -> Result<(Vec<u8>, Manifest), PullError> {
        let tag = self.remote.tag.as_deref().unwrap_or("latest");
        let name = self.remote.digest.map_or_else(|| tag.to_owned(), |digest| digest.to_string());
        let bytes = self.document(&name, self.remote.digest)?;
        let index = match Document::parse(&bytes).map_err(self.bad(&name))? {
            Document::Manifest(manifest) => return Ok((bytes, manifest)),
            Document::Index(index) => index,
        };
        let chosen = index.choose(&self.options.platform).ok_or_else(|| PullError::Platform {
            name: self.remote.to_string(),
            wanted: self.options.platform.clone(),
            has: index.platforms(),
        })?;
        let name = chosen.digest.to_string();
        let bytes = self.document(&name, Some(chosen.digest))?;
        match Document::parse(&bytes).map_err(self.bad(&name))? {
            Document::Manifest(manifest) => Ok((bytes, manifest)),
            Document::Index(_) => {
                Err(self.bad(&name)(DocumentError::Kind("an index in an index".to_owned())))
            }
        }
    }

    fn document(&self, name: &str, wanted: Option<Digest>) -> Result<Vec<u8>, PullError> {
        let (bytes, header) = self.client.manifest(name, LONGEST + 1)?;
        let found = Digest::of(&bytes);
        let size = bytes.len() as u64;
        if size > LONGEST {
            return Err(StoreError::Long { digest: wanted.unwrap_or(found), size, most: LONGEST }.into());
        }
        let wanted = wanted.or_else(|| header.and_then(|text| text.parse().ok())).unwrap_or(found);
        if found == wanted { Ok(bytes) } else { Err(StoreError::Mismatch { wanted, found }.into()) }
    }

    fn config(&self, manifest: &Manifest) -> Result<Vec<u8>, PullError> {
        let wanted = &manifest.config;
        if wanted.size > LONGEST {
            return Err(StoreError::Long { digest: wanted.digest, size: wanted.size, most: LONGEST }.into());
        }
        if !self.store.has_blob(&wanted.digest) {
            self.blob(wanted, &AtomicBool::new(false))?;
        }
        let bytes = self.store.document(&wanted.digest)?;
        let config = ImageConfig::parse(&bytes, manifest).map_err(self.bad(&wanted.digest.to_string()))?;
        // An image for one platform only has no index that would have said so.
        let made_for = &config.platform;
        if !made_for.architecture.is_empty() && self.options.platform.fit(made_for).is_none() {
            return Err(PullError::Platform {
                name: self.remote.to_string(),
                wanted: self.options.platform.clone(),
                has: vec![made_for.to_string()],
            });
        }
        Ok(bytes)
    }

    fn layers(&self, manifest: &Manifest) -> Result<(), PullError> {
        let mut wanted: VecDeque<&Descriptor> = VecDeque::new();
        for layer in &manifest.layers {
            if self.store.has_blob(&layer.digest) {
                (self.watch)(Event::Present(layer.digest));
            } else if !wanted.iter().any(|other| other.digest == layer.digest) {
                (self.watch)(Event::Wanted(layer.digest, layer.size));
                wanted.push_back(layer);
            }
        }
        let streams = self.options.streams.clamp(1, wanted.len().max(1));
        let (queue, failed, stop) = (Mutex::new(wanted), Mutex::new(None), AtomicBool::new(false));
        let work = || {
            while !stop.load(Ordering::Relaxed) {
                let Some(layer) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
                    return;
                };
                if let Err(error) = self.blob(layer, &stop) {
                    stop.store(true, Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..streams {
                scope.spawn(work);
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Pulls one blob, going on where it broke off, as long as that gets it anywhere.
    fn blob(&self, wanted: &Descriptor, stop: &AtomicBool) -> Result<(), PullError> {
        let mut partial = self.store.partial(wanted)?;
        let mut failures = 0;
        while partial.have() < wanted.size && !partial.is_done() {
            let before = partial.have();
            let reason = match self.stretch(&mut partial, wanted, stop) {
                Ok(()) => "it ended early".to_owned(),
                Err(PullError::Reach { source, .. }) => source.to_string(),
                Err(error) => return Err(error),
            };
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            failures = if partial.have() > before { 0 } else { failures + 1 };
            if failures >= TRIES {
                return Err(PullError::BrokeOff {
                    registry: self.client.registry.clone(),
                    digest: wanted.digest,
                    have: partial.have(),
                    size: wanted.size,
                    reason,
                });
            }
        }
        if !partial.is_done() {
            partial.finish()?;
        }
        (self.watch)(Event::Done(wanted.digest));
        Ok(())
    }

    /// One answer's worth of a blob.
    fn stretch(
        &self,
        partial: &mut crate::store::Partial,
        wanted: &Descriptor,
        stop: &AtomicBool,
    ) -> Result<(), PullError> {
        let response = self.client.blob(&wanted.digest.to_string(), partial.have())?;
        if partial.have() > 0 && !goes_on(&response, partial.have()) {
            // It does not know ranges, or gives another one: from the start, then.
            partial.restart()?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Ok(());
            }
        }
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut buffer = vec![0; 128 << 10];
        while !stop.load(Ordering::Relaxed) {
            let n =
                body.read(&mut buffer).map_err(|error| self.client.unreachable(ureq::Error::Io(error)))?;
            if n == 0 {
                break;
            }
            partial.add(buffer.get(..n).unwrap_or_default())?;
            (self.watch)(Event::Bytes(wanted.digest, partial.have()));
        }
        Ok(())
    }

    fn bad(&self, what: &str) -> impl Fn(DocumentError) -> PullError + use<> {
        let (registry, what) = (self.client.registry.clone(), what.to_owned());
        move |source| PullError::Document { registry: registry.clone(), what: what.clone(), source }
    }
}

/// Whether an answer begins at the byte `from`.
pub(crate) fn goes_on<B>(response: &ureq::http::Response<B>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start =
        range.and_then(|range| range.strip_prefix("bytes ")).and_then(|range| range.split('-').next());
    response.status() == StatusCode::PARTIAL_CONTENT
        && start.and_then(|start| start.parse().ok()) == Some(from)
}
