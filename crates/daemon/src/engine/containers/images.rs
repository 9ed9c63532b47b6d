//! Images for containers: found, pulled or loaded, unpacked, and kept while the lab lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use netloom_api::{ApiError, ErrorKind, Progress};
use netloom_image::document::Run;
use netloom_image::registry::{self, Credentials, Event, Pull, PullError};
use netloom_image::store::{Image, Layer, Pin, StoreError};
use netloom_image::{Digest, Platform, Reference, Remote, Store, source};
use netloom_lab::container::Container;
use netloom_lab::lab::Node;

use super::super::hints::refused;
use crate::{Sink, authorities, data_dir, docker_config};

/// An image whose layers can be mounted.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::engine) struct Ready {
    /// As the lab file calls it.
    pub(in crate::engine) name: String,
    /// The digest of its manifest; `None` for a plain directory.
    pub(in crate::engine) digest: Option<Digest>,
    /// Its layers, the lowest first.
    pub(in crate::engine) layers: Vec<PathBuf>,
    /// How its programs are run.
    pub(in crate::engine) run: Run,
}

/// What came of fetching.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// By the words of the lab file.
    pub(super) ready: BTreeMap<String, Arc<Ready>>,
    /// Keeps all of them, and those in use.
    pub(super) pin: Option<Pin>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

/// Fetches the images of `wanted`; `kept` are those in use, which the pin is to keep, too.
///
/// # Errors
/// What a registry, a file or the disk refused, with the line that names the image.
pub(super) fn fetch(
    lab: &str,
    wanted: &[(&Node, &Container)],
    dir: &Path,
    kept: &[Arc<Ready>],
    sink: &Sink,
) -> Result<Fetched, ApiError> {
    let mut names: BTreeMap<&str, &Node> = BTreeMap::new();
    for (node, container) in wanted {
        names.entry(&container.image).or_insert(node);
    }
    let mut fetched = Fetched::default();
    if names.keys().all(|name| name.starts_with("dir:")) && kept.iter().all(|image| image.digest.is_none()) {
        // Plain directories need no store.
        for name in names.into_keys() {
            let root = name.trim_start_matches("dir:");
            fetched.ready.insert(name.to_owned(), Arc::new(plain(name, &dir.join(root))?));
        }
        return Ok(fetched);
    }
    let store = Store::open(&data()?).map_err(|error| store_failed(&error))?;
    // Until everything is pinned nothing is removed.
    let using = store.using().map_err(|error| store_failed(&error))?;
    let phase = "images".to_owned();
    sink.send(Progress::Phase { phase: phase.clone(), total: names.len() as u64 });
    for (done, (name, node)) in names.into_iter().enumerate() {
        if sink.is_cancelled() {
            return Err(ApiError::new(ErrorKind::Cancelled, "Stopped before it was done."));
        }
        sink.send(Progress::Item { phase: phase.clone(), done: done as u64, item: name.to_owned() });
        let ready = one(&store, name, dir, sink, &mut fetched.notes);
        let ready = ready.map_err(|error| match error.hint {
            None => error.hint(format!("line {} of the lab file names it, for {}", node.line, node.name)),
            Some(_) => error,
        })?;
        fetched.ready.insert(name.to_owned(), Arc::new(ready));
    }
    let all = fetched.ready.values().chain(kept).filter_map(|image| image.digest);
    let manifests: Vec<Digest> = all.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    fetched.pin = Some(store.pin(lab, &manifests).map_err(|error| store_failed(&error))?);
    drop(using);
    Ok(fetched)
}

fn one(
    store: &Store,
    name: &str,
    dir: &Path,
    sink: &Sink,
    notes: &mut Vec<String>,
) -> Result<Ready, ApiError> {
    let reference = name.parse::<Reference>();
    let reference = reference.map_err(|error| ApiError::new(ErrorKind::InvalidFile, format!("{error}.")))?;
    let manifest = match reference {
        Reference::Dir(root) => return plain(name, &dir.join(root)),
        Reference::Remote(remote) => remote_image(store, name, &remote, sink)?,
        Reference::OciDir { dir: layout, tag } => {
            let loaded = source::load_oci_dir(store, &dir.join(layout), tag.as_deref(), &Platform::host());
            loaded.map_err(|error| source_failed(name, &error))?.manifest
        }
        Reference::DockerArchive(file) => {
            let loaded = source::load_docker_archive(store, &dir.join(file));
            match loaded.map_err(|error| source_failed(name, &error))?.as_slice() {
                [one] => one.manifest,
                several => {
                    let said = format!("The archive {name} has {} images.", several.len());
                    return Err(ApiError::new(ErrorKind::Failed, said)
                        .hint("`netloom image load` takes all of them, each under its name"));
                }
            }
        }
    };
    let image = store.image(manifest).map_err(|error| store_failed(&error))?;
    let layers = unpack(store, name, &image, sink)?;
    notes.extend(lost(name, &layers));
    Ok(Ready {
        name: name.to_owned(),
        digest: Some(manifest),
        layers: layers.into_iter().map(|layer| layer.dir).collect(),
        run: image.config.config,
    })
}

/// A root file system as it lies there.
fn plain(name: &str, root: &Path) -> Result<Ready, ApiError> {
    let found = std::fs::canonicalize(root).and_then(|root| {
        let is_dir = std::fs::metadata(&root)?.is_dir();
        if is_dir { Ok(root) } else { Err(std::io::Error::from(std::io::ErrorKind::NotADirectory)) }
    });
    let root = found.map_err(|error| {
        ApiError::caused(
            ErrorKind::Failed,
            format!("Cannot use the root file system {}.", root.display()),
            &error,
        )
    })?;
    Ok(Ready { name: name.to_owned(), digest: None, layers: vec![root], run: Run::default() })
}

/// What the store has under the name, or what the registry has.
fn remote_image(store: &Store, name: &str, remote: &Remote, sink: &Sink) -> Result<Digest, ApiError> {
    let full = remote.to_string();
    let names = store.names().map_err(|error| store_failed(&error))?;
    // What the file names is meant exactly, not what begins like it.
    if let Some(known) = names.iter().find(|known| known.name == full)
        && store.image(known.manifest).is_ok()
    {
        return Ok(known.manifest);
    }
    let logins = docker_config().map_or(Ok(Credentials::default()), |file| Credentials::load(&file));
    let logins = logins.map_err(|error| pull_failed(&error.into()))?;
    let bytes = Bytes::new(name, sink);
    let options = Pull { authorities: authorities(&remote.registry), ..Pull::new(&logins) };
    let pulled = registry::pull(store, remote, &options, &|event| bytes.show(event));
    let manifest = pulled.map_err(|error| pull_failed(&error))?;
    let since = netloom_sys::clock::wall() / 1_000_000_000;
    store.name(&full, manifest, since).map_err(|error| store_failed(&error))?;
    Ok(manifest)
}

fn unpack(store: &Store, name: &str, image: &Image, sink: &Sink) -> Result<Vec<Layer>, ApiError> {
    let (phase, total) = (format!("unpack {name}"), image.manifest.layers.len() as u64);
    sink.send(Progress::Phase { phase: phase.clone(), total });
    let mut done = 0;
    let layers = store.unpack(image, netloom_image::layer::Bounds::default(), |layer| {
        done += 1;
        sink.send(Progress::Item { phase: phase.clone(), done, item: layer.diff_id.short() });
    });
    layers.map_err(|error| store_failed(&error))
}

/// What this user cannot have of an image.
fn lost(name: &str, layers: &[Layer]) -> Option<String> {
    let files: u64 = layers.iter().map(|layer| layer.report.owners_lost).sum();
    let first = layers.iter().flat_map(|layer| &layer.report.first_owners_lost).take(3).cloned();
    let first: Vec<String> = first.collect();
    let (what, owners) = if files == 1 {
        ("1 file".to_owned(), "its owner")
    } else {
        (format!("{files} files"), "their owners")
    };
    let more = if files > 3 { ", ..." } else { "" };
    (files > 0).then(|| {
        format!(
            "{what} of {name} went to root instead of {owners} ({}{more}). With subordinate ids (`netloom check`) an \
             ordinary user has owners, too, once the image is removed and unpacked anew",
            first.join(", ")
        )
    })
}

/// How far a pull is.
struct Bytes<'a> {
    phase: String,
    sink: &'a Sink,
    layers: Mutex<BTreeMap<Digest, u64>>,
    total: AtomicU64,
}

impl<'a> Bytes<'a> {
    fn new(name: &str, sink: &'a Sink) -> Self {
        Self { phase: format!("pull {name} (KiB)"), sink, layers: Mutex::default(), total: AtomicU64::new(0) }
    }

    fn show(&self, event: Event) {
        let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Wanted(digest, size) => {
                layers.insert(digest, 0);
                let total = self.total.fetch_add(size, Ordering::Relaxed) + size;
                self.sink.send(Progress::Phase { phase: self.phase.clone(), total: total >> 10 });
            }
            Event::Bytes(digest, have) => {
                layers.insert(digest, have);
                let done = layers.values().sum::<u64>() >> 10;
                self.sink.send(Progress::Item { phase: self.phase.clone(), done, item: digest.short() });
            }
            Event::Done(_) | Event::Present(_) => {}
        }
    }
}

/// The directory of images and containers.
pub(super) fn data() -> Result<PathBuf, ApiError> {
    data_dir().ok_or_else(|| {
        ApiError::new(ErrorKind::Failed, "This user has no directory to keep images in.")
            .hint("set HOME, or NETLOOM_DATA_DIR to a directory of yours")
    })
}

fn store_failed(error: &StoreError) -> ApiError {
    let kind =
        if matches!(error, StoreError::Unknown { .. }) { ErrorKind::NotFound } else { ErrorKind::Failed };
    let said = refused(kind, format!("{error}."), error);
    if error.is_full_disk() {
        return said.hint("the disk is full: `netloom image gc` frees what nobody needs");
    }
    said
}

fn source_failed(name: &str, error: &source::SourceError) -> ApiError {
    if let source::SourceError::Store(error) = error {
        return store_failed(error);
    }
    ApiError::caused(ErrorKind::Failed, format!("Cannot use the image {name}: {error}."), error)
}

fn pull_failed(error: &PullError) -> ApiError {
    let kind = match error {
        PullError::Store(error) => return store_failed(error),
        PullError::Missing { .. } | PullError::Platform { .. } => ErrorKind::NotFound,
        PullError::Denied { .. } => ErrorKind::Denied,
        _ => ErrorKind::Failed,
    };
    let said = ApiError::caused(kind, format!("{error}."), error);
    match error {
        PullError::Missing { .. } => said.hint("is the name right, and the tag?"),
        PullError::Denied { registry, .. } => said.hint(format!(
            "the name may be wrong, too; `docker login {registry}` or `podman login` makes a login"
        )),
        PullError::BrokeOff { .. } => said.hint("what has come is kept: the same command goes on from there"),
        PullError::Reach { registry, .. } if error.is_untrusted() => said.hint(untrusted(registry)),
        PullError::Reach { .. } => said.hint("`netloom image load` takes images from files"),
        _ => said,
    }
}

/// What to do about a registry whose certificate is signed by nobody known.
fn untrusted(registry: &str) -> String {
    format!(
        "put the certificate of its authority into /etc/docker/certs.d/{registry}/ca.crt, if it is to be trusted"
    )
}
