//! Removing: names, and what no name and no lab needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use super::unpacked::remove_tree;
use super::{Kind, Named, Store, StoreError, because};
use crate::digest::Digest;

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// Blobs.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// What was begun and never finished.
    pub leftovers: u64,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Store {
    /// Takes the name away that `text` means. Its files go with the next [`gc`](Self::gc), if no other name has them.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while a lab runs it; [`StoreError::Unknown`], [`StoreError::Io`].
    pub fn remove(&self, text: &str) -> Result<Named, StoreError> {
        let named = self.find(text)?;
        let _using = self.using()?;
        let others = self.names()?.iter().filter(|other| other.manifest == named.manifest).count() > 1;
        let pins = self.pins()?;
        let mut by: Vec<String> = pins
            .into_iter()
            .filter(|pin| pin.manifests.contains(&named.manifest))
            .map(|pin| pin.owner)
            .collect();
        by.sort();
        by.dedup();
        if !by.is_empty() && !others {
            return Err(StoreError::InUse { name: named.name, by });
        }
        self.unname(&named.name)?;
        Ok(named)
    }

    /// Removes everything that no name and no living lab needs.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody adds something; [`StoreError::Io`].
    pub fn gc(&self) -> Result<Freed, StoreError> {
        let _alone = self.alone()?;
        let (blobs, layers) = self.needed()?;
        let mut freed = Freed::default();
        // Layers first: one without its blob is still whole, and the other way round it would be made anew.
        self.sweep("layers", |name| layers.contains(name), &mut freed.layers, &mut freed.bytes)?;
        self.sweep("blobs", |name| blobs.contains(name), &mut freed.blobs, &mut freed.bytes)?;
        self.sweep("partial", |_| false, &mut freed.leftovers, &mut freed.bytes)?;
        self.sweep("tmp", |_| false, &mut freed.leftovers, &mut freed.bytes)?;
        Ok(freed)
    }

    /// The file names of blobs and layers that are needed.
    fn needed(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), StoreError> {
        let (disks, images): (Vec<Named>, Vec<Named>) =
            self.names()?.into_iter().partition(|named| named.kind == Kind::Disk);
        let pinned: Vec<Digest> = self.pins()?.into_iter().flat_map(|pin| pin.manifests).collect();
        let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
        // A pin may be of a disk, which is no more than its file.
        blobs.extend(disks.iter().map(|named| named.manifest.hex()).chain(pinned.iter().map(Digest::hex)));
        let manifests: BTreeSet<Digest> = images.iter().map(|named| named.manifest).chain(pinned).collect();
        for digest in manifests {
            match self.image(digest) {
                Ok(image) => {
                    blobs.extend([digest.hex(), image.manifest.config.digest.hex()]);
                    blobs.extend(image.manifest.layers.iter().map(|layer| layer.digest.hex()));
                    layers.extend(image.config.rootfs.diff_ids.iter().map(Digest::hex));
                }
                // A name whose image is damaged keeps nothing; it goes when it is named.
                Err(
                    StoreError::Missing(_)
                    | StoreError::Document { .. }
                    | StoreError::Mismatch { .. }
                    | StoreError::Long { .. },
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((blobs, layers))
    }

    fn sweep(
        &self,
        dir: &str,
        keep: impl Fn(&str) -> bool,
        count: &mut u64,
        bytes: &mut u64,
    ) -> Result<(), StoreError> {
        let dir = self.root.join(dir);
        for entry in fs::read_dir(&dir).map_err(because("list", &dir))? {
            let entry = entry.map_err(because("list", &dir))?;
            if !entry.file_name().to_str().is_some_and(&keep) {
                *bytes += remove(&entry.path())?;
                *count += 1;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<u64, StoreError> {
    let meta = fs::symlink_metadata(path).map_err(because("look at", path))?;
    if meta.is_dir() {
        // Under another name first: half a layer must not be taken for a whole one.
        let dead = path.with_extension("dead");
        fs::rename(path, &dead).map_err(because("remove", path))?;
        return remove_tree(&dead);
    }
    fs::remove_file(path).map_err(because("remove", path))?;
    Ok(meta.len())
}
