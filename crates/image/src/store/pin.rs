//! Pins: a lab that runs keeps its images.
//!
//! A pin is a file that its owner holds locked. When the owner dies, however it dies, the lock is gone, and with the next
//! [`Store::gc`] the pin.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::lock::open;
use super::{Store, StoreError, because};
use crate::digest::Digest;

/// While this lives, its images are kept. Dropping it removes the pin.
#[derive(Debug)]
pub struct Pin {
    file: File,
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) owner: String,
    pub(super) manifests: Vec<Digest>,
}

impl Store {
    /// Keeps the images of `manifests` for `owner`, a lab's name.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn pin(&self, owner: &str, manifests: &[Digest]) -> Result<Pin, StoreError> {
        // No removal between the making of the file and its lock.
        let _using = self.using()?;
        let name = self.fresh().file_name().map(ToOwned::to_owned).unwrap_or_default();
        let path = self.root.join("pins").join(name);
        let content = Content { owner: owner.to_owned(), manifests: manifests.to_vec() };
        let mut file = open(&path)?;
        let written = flock(&file, FlockOperation::LockExclusive)
            .map_err(Into::into)
            .and_then(|()| file.set_len(0))
            .and_then(|()| file.write_all(&serde_json::to_vec(&content).unwrap_or_default()));
        written.map_err(because("write", &path))?;
        Ok(Pin { file, path })
    }

    /// The pins whose owner lives. Those of the dead are removed.
    pub(super) fn pins(&self) -> Result<Vec<Content>, StoreError> {
        let dir = self.root.join("pins");
        let mut live = Vec::new();
        for entry in fs::read_dir(&dir).map_err(because("list", &dir))? {
            let path = entry.map_err(because("list", &dir))?.path();
            if let Some(content) = read(&path)? {
                live.push(content);
            }
        }
        Ok(live)
    }
}

/// What a live owner pins; `None` if it is dead.
fn read(path: &Path) -> Result<Option<Content>, StoreError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(because("open", path))?,
    };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        fs::remove_file(path).map_err(because("remove", path))?;
        return Ok(None);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(because("read", path))?;
    Ok(serde_json::from_slice(&text).ok())
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Without the file the lock means nothing; the other way round it would be a dead one for a moment.
        let _ = fs::remove_file(&self.path);
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
