//! Layers, unpacked once for all images and labs: so their pages are in memory once, too.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use netloom_sys::beneath::{self, Root};
use rustix::fs::FlockOperation;

use super::lock::{open, wait};
use super::{Image, Store, StoreError, because, rename};
use crate::digest::{Digest, Hashing};
use crate::document::Descriptor;
use crate::layer::{self, Bounds, Report};

/// An unpacked layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its tar file.
    pub diff_id: Digest,
    /// The directory overlayfs stacks.
    pub dir: PathBuf,
    /// What became of it.
    pub report: Report,
}

impl Store {
    /// The layers of `image`, the lowest first; those missing are unpacked. `done` hears of each.
    ///
    /// # Errors
    /// [`StoreError::Layer`], [`StoreError::Mismatch`], [`StoreError::Missing`], [`StoreError::Io`].
    pub fn unpack(
        &self,
        image: &Image,
        bounds: Bounds,
        mut done: impl FnMut(&Layer),
    ) -> Result<Vec<Layer>, StoreError> {
        let _using = self.using()?;
        let pairs = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
        pairs
            .map(|(blob, diff_id)| {
                let layer = self.unpack_one(blob, *diff_id, bounds)?;
                done(&layer);
                Ok(layer)
            })
            .collect()
    }

    fn unpack_one(&self, blob: &Descriptor, diff_id: Digest, bounds: Bounds) -> Result<Layer, StoreError> {
        let place = self.place("layers", &diff_id);
        if let Some(layer) = unpacked(&place, diff_id)? {
            return Ok(layer);
        }
        // Two that want the same layer: the second one finds it done.
        let lock = self.root.join("tmp").join(format!("{}.lock", diff_id.hex()));
        let lock_file = open(&lock)?;
        wait(&lock_file, FlockOperation::LockExclusive).map_err(because("lock", &lock))?;
        if let Some(layer) = unpacked(&place, diff_id)? {
            return Ok(layer);
        }
        let fresh = self.fresh();
        let made = self.unpack_into(&fresh, blob, diff_id, bounds).and_then(|()| rename(&fresh, &place));
        if made.is_err() {
            // The error at hand is the one to tell.
            let _ = remove_tree(&fresh);
        }
        let _ = fs::remove_file(&lock);
        made?;
        unpacked(&place, diff_id)?.ok_or(StoreError::Missing(diff_id))
    }

    fn unpack_into(
        &self,
        fresh: &Path,
        blob: &Descriptor,
        diff_id: Digest,
        bounds: Bounds,
    ) -> Result<(), StoreError> {
        let files = fresh.join("fs");
        make_dir(fresh, 0o700)?;
        make_dir(&files, 0o755)?;
        let bad = |source| StoreError::Layer { digest: blob.digest, source };
        let root =
            Root::open(&files).map_err(|source| bad(layer::LayerError::Host { path: "/".into(), source }))?;
        // Read by the same eyes that verify it: a blob that rotted on the disk is not unpacked.
        let mut input = Hashing::new(self.blob(&blob.digest)?);
        let (report, found) = layer::apply(&mut input, &root, bounds).map_err(bad)?;
        std::io::copy(&mut input.by_ref(), &mut std::io::sink())
            .map_err(because("read", &self.place("blobs", &blob.digest)))?;
        let (blob_found, _) = input.finish();
        if blob_found != blob.digest {
            return Err(StoreError::Mismatch { wanted: blob.digest, found: blob_found });
        }
        if found != diff_id {
            return Err(StoreError::Mismatch { wanted: diff_id, found });
        }
        let path = fresh.join("report.json");
        fs::write(&path, serde_json::to_vec(&report).unwrap_or_default()).map_err(because("write", &path))?;
        // Before the name of the whole appears, its parts are on the disk.
        beneath::sync_all(fresh).map_err(|error| because("write to the disk", fresh)(error.errno.into()))
    }
}

fn unpacked(place: &Path, diff_id: Digest) -> Result<Option<Layer>, StoreError> {
    let path = place.join("report.json");
    match fs::read(&path) {
        Ok(text) => {
            let report = serde_json::from_slice(&text).unwrap_or_default();
            Ok(Some(Layer { diff_id, dir: place.join("fs"), report }))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(because("read", &path)(error)),
    }
}

fn make_dir(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::DirBuilder::new().mode(mode).create(path).map_err(because("make", path))?;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(because("set the permissions of", path))
}

/// Removes a tree of which some directories may be closed even to their owner; returns the bytes it took.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove_tree(path: &Path) -> Result<u64, StoreError> {
    let bytes = open_up(path);
    fs::remove_dir_all(path).map_err(because("remove", path))?;
    Ok(bytes)
}

/// Opens closed directories, so that what is in them can be removed; counts the bytes.
fn open_up(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        if let Ok(meta) = fs::symlink_metadata(&dir)
            && meta.mode() & 0o700 != 0o700
        {
            // Where it fails the removal will say so.
            let _ = fs::set_permissions(&dir, Permissions::from_mode(0o700));
        }
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => todo.push(entry.path()),
                Ok(meta) => bytes += meta.blocks() * 512 / meta.nlink().max(1),
                Err(_) => {}
            }
        }
    }
    bytes
}
