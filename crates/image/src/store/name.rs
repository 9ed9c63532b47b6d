//! Names of images, and what they mean.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError, because};
use crate::digest::Digest;
use crate::document::{Document, DocumentError, ImageConfig, Manifest};
use crate::reference::Reference;

/// A name, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// In full: `docker.io/library/nginx:alpine`.
    pub name: String,
    /// What it means.
    pub manifest: Digest,
    /// When it was given, in seconds since 1970.
    pub since: u64,
    /// What that is.
    #[serde(default, skip_serializing_if = "Kind::is_image")]
    pub kind: Kind,
}

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A container image: the digest is that of its manifest.
    #[default]
    Image,
    /// The image of a virtual machine's disk, fetched from the address that is its name: the digest is that of the file.
    Disk,
}

impl Kind {
    // serde hands over a reference.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    const fn is_image(&self) -> bool {
        matches!(self, Self::Image)
    }
}

/// An image of the store: its documents, read and checked.
#[derive(Debug, Clone)]
pub struct Image {
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its parts.
    pub manifest: Manifest,
    /// How to run it.
    pub config: ImageConfig,
}

impl Store {
    /// Gives `name` to the image of `manifest`; before, it may have meant another.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn name(&self, name: &str, manifest: Digest, since: u64) -> Result<(), StoreError> {
        self.keep(&Named { name: name.to_owned(), manifest, since, kind: Kind::Image })
    }

    /// Has the file `digest` be what is to be had at the address `url`.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn name_disk(&self, url: &str, digest: Digest, since: u64) -> Result<(), StoreError> {
        self.keep(&Named { name: url.to_owned(), manifest: digest, since, kind: Kind::Disk })
    }

    fn keep(&self, named: &Named) -> Result<(), StoreError> {
        let text = serde_json::to_vec_pretty(named).unwrap_or_default();
        self.write_whole(&self.name_file(&named.name), &text)
    }

    /// Takes `name` away.
    pub(super) fn unname(&self, name: &str) -> Result<(), StoreError> {
        let path = self.name_file(name);
        fs::remove_file(&path).map_err(because("remove", &path))
    }

    /// All names, sorted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn names(&self) -> Result<Vec<Named>, StoreError> {
        let dir = self.root.join("names");
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).map_err(because("list", &dir))? {
            let path = entry.map_err(because("list", &dir))?.path();
            let text = match fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.map_err(because("read", &path))?,
            };
            // Files of other versions and other people are not ours to judge.
            if let Ok(named) = serde_json::from_slice::<Named>(&text) {
                names.push(named);
            }
        }
        names.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(names)
    }

    /// What a user means by `text`: a reference in any form, the digest of a manifest, or at least four digits it begins with.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`], [`StoreError::Io`].
    pub fn find(&self, text: &str) -> Result<Named, StoreError> {
        let names = self.names()?;
        let full = text.parse::<Reference>().map(|reference| reference.to_string());
        let full = full.unwrap_or_else(|_| text.to_owned());
        if let Some(named) = names.iter().find(|named| named.name == full || named.name == text) {
            return Ok(named.clone());
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut alike =
            names.iter().filter(|named| digits.len() >= 4 && named.manifest.hex().starts_with(digits));
        match (alike.next(), alike.next()) {
            (Some(one), Some(other)) if one.manifest != other.manifest => {
                Err(StoreError::Ambiguous(text.to_owned()))
            }
            (Some(one), _) => Ok(one.clone()),
            (None, _) => Err(StoreError::Unknown { near: near(&names, text), name: full }),
        }
    }

    /// Reads the image whose manifest is `digest`.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Document`], [`StoreError::Io`].
    pub fn image(&self, digest: Digest) -> Result<Image, StoreError> {
        let bad = |digest| move |source| StoreError::Document { digest, source };
        let manifest = match Document::parse(&self.document(&digest)?).map_err(bad(digest))? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Err(bad(digest)(DocumentError::Kind("an index".to_owned()))),
        };
        let id = manifest.config.digest;
        let config = ImageConfig::parse(&self.document(&id)?, &manifest).map_err(bad(id))?;
        Ok(Image { digest, manifest, config })
    }

    fn name_file(&self, name: &str) -> PathBuf {
        // Names have slashes, and may be longer than a file's.
        self.root.join("names").join(format!("{}.json", Digest::of(name.as_bytes()).hex()))
    }
}

/// Names of the same repository, or with the text in them.
fn near(names: &[Named], text: &str) -> Vec<String> {
    let word = text.rsplit('/').next().unwrap_or(text).split([':', '@']).next().unwrap_or(text);
    let alike = names.iter().filter(|named| !word.is_empty() && named.name.contains(word));
    alike.map(|named| named.name.clone()).take(3).collect()
}
