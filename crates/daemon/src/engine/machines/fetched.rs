//! Images of disks that come from the net: fetched before anything is changed, and kept with the images of containers while the lab
//! lives.

use std::path::PathBuf;

use netloom_api::{ApiError, ErrorKind, Progress};
use netloom_image::download::{DownloadError, download};
use netloom_image::registry::Event;
use netloom_image::store::Pin;
use netloom_image::{Digest, Store, StoreError};
use netloom_lab::Lab;
use netloom_lab::lab::Node;
use netloom_sys::clock;

use crate::{Sink, authorities, data_dir};

/// Where the image with this digest is.
///
/// # Errors
/// It was never fetched, or somebody has taken it away.
pub(super) fn place(digest: &str) -> Result<PathBuf, ApiError> {
    let (digest, store) = (read(digest)?, open()?);
    Ok(store.file(&digest).map_err(|error| store_failed(&error))?.0)
}

/// Has all images of `lab` here that are to be had from the net, and keeps them, with those of `before`.
///
/// # Errors
/// What a server, the net or the disk refused, or something else came than what the file names. What came is kept for
/// another attempt.
pub(super) fn fetch(lab: &Lab, before: &Lab, sink: &Sink) -> Result<Option<Pin>, ApiError> {
    let wanted: Vec<(&Node, &str, &str)> = lab.nodes.iter().filter_map(source).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let store = open()?;
    // Until all are pinned nothing is removed.
    let using = store.using().map_err(|error| store_failed(&error))?;
    let mut digests = Vec::new();
    for (node, url, digest) in wanted {
        let digest = read(digest)?;
        one(&store, url, digest, sink).map_err(|error| match error.hint {
            Some(_) => error,
            None => error.hint(format!("line {} of the lab file has {}", node.line, node.name)),
        })?;
        digests.push(digest);
    }
    for (_, _, digest) in before.nodes.iter().filter_map(source) {
        digests.push(read(digest)?);
    }
    let pin = store.pin(&lab.name, &digests).map_err(|error| store_failed(&error))?;
    drop(using);
    Ok(Some(pin))
}

/// Where the image of a node's disk is to be had, and what it is.
fn source(node: &Node) -> Option<(&Node, &str, &str)> {
    let vm = node.vm.as_deref()?;
    Some((node, vm.url.as_deref()?, vm.sha256.as_deref()?))
}

fn one(store: &Store, url: &str, digest: Digest, sink: &Sink) -> Result<(), ApiError> {
    let host = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let name = url.rsplit('/').next().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
    let phase = format!("fetch {name} (KiB)");
    let watch = |event: Event| {
        match event {
            Event::Wanted(_, size) => sink.send(Progress::Phase { phase: phase.clone(), total: size >> 10 }),
            Event::Bytes(digest, have) => {
                sink.send(Progress::Item { phase: phase.clone(), done: have >> 10, item: digest.short() });
            }
            Event::Done(_) | Event::Present(_) => {}
        }
        !sink.is_cancelled()
    };
    download(store, url, digest, &authorities(host), &watch).map_err(|error| failed(&error))?;
    let since = clock::wall() / 1_000_000_000;
    store.name_disk(url, digest, since).map_err(|error| store_failed(&error))
}

fn read(digest: &str) -> Result<Digest, ApiError> {
    // The lab file was refused if it is none.
    Digest::from_hex(digest)
        .map_err(|error| ApiError::new(ErrorKind::InvalidFile, format!("{digest}: {error}.")))
}

fn open() -> Result<Store, ApiError> {
    let data = data_dir().ok_or_else(|| {
        ApiError::new(ErrorKind::Failed, "This user has no directory to keep images in.")
            .hint("set HOME, or NETLOOM_DATA_DIR to a directory of yours")
    })?;
    Store::open(&data).map_err(|error| store_failed(&error))
}

fn failed(error: &DownloadError) -> ApiError {
    let kind = match error {
        DownloadError::Store(error) => return store_failed(error),
        DownloadError::Stopped { .. } => ErrorKind::Cancelled,
        DownloadError::Status { status: 404, .. } => ErrorKind::NotFound,
        _ => ErrorKind::Failed,
    };
    let said = ApiError::caused(kind, format!("{error}."), error);
    match error {
        DownloadError::Another { .. } => {
            said.hint("was it exchanged there, or is `sha256` that of another file?")
        }
        DownloadError::BrokeOff { .. } | DownloadError::Stopped { .. } => {
            said.hint("what has come is kept: the same command goes on from there")
        }
        _ => said,
    }
}

fn store_failed(error: &StoreError) -> ApiError {
    let said = ApiError::caused(ErrorKind::Failed, format!("{error}."), error);
    if error.is_full_disk() {
        said.hint("the disk is full: `netloom image gc` frees what nobody needs")
    } else {
        said
    }
}
