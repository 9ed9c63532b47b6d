//! OCI image layouts: a directory with `oci-layout`, `index.json` and `blobs/sha256/..`.
//!
//! Source: OCI image specification, image-layout.md.

use std::ffi::CString;
use std::io::{self, Read};
use std::path::Path;

use netloom_sys::beneath::Root;
use serde::Deserialize;

use super::{Loaded, SourceError, full_name};
use crate::digest::Digest;
use crate::document::{Descriptor, Document, DocumentError, ImageConfig, Index, LONGEST, Manifest};
use crate::platform::Platform;
use crate::store::Store;

/// Adds one image of the layout in `dir` to the store. To be called under [`Store::using`].
///
/// # Errors
/// [`SourceError`].
pub fn load(
    store: &Store,
    dir: &Path,
    tag: Option<&str>,
    platform: &Platform,
) -> Result<Loaded, SourceError> {
    let layout = Layout::open(dir)?;
    let entry = choose(&layout.index()?, dir, tag, platform)?;
    let (bytes, manifest) = layout.manifest(&entry, platform)?;
    let config = layout.document(&manifest.config)?;
    ImageConfig::parse(&config, &manifest).map_err(layout.bad(&manifest.config.digest.to_string()))?;
    for layer in &manifest.layers {
        if !store.has_blob(&layer.digest) {
            store.add_blob(layer, layout.blob(&layer.digest)?)?;
        }
    }
    store.add_document(&config)?;
    let names = full_name(entry.tag().unwrap_or("latest"), dir).into_iter().collect();
    Ok(Loaded { manifest: store.add_document(&bytes)?, names })
}

/// The image meant: that of the tag, or the only one, or the best for the platform if nothing else tells them apart.
fn choose(
    index: &Index,
    dir: &Path,
    tag: Option<&str>,
    platform: &Platform,
) -> Result<Descriptor, SourceError> {
    let path = || dir.to_owned();
    let has = || index.manifests.iter().filter_map(Descriptor::tag).map(str::to_owned).collect();
    let entries = index.manifests.iter();
    let mut wanted: Vec<_> = entries.filter(|entry| tag.is_none() || entry.tag() == tag).cloned().collect();
    wanted.dedup_by_key(|entry| entry.digest);
    match (wanted.as_slice(), tag) {
        ([one], _) => return Ok(one.clone()),
        ([], Some(tag)) => return Err(SourceError::Tag { path: path(), tag: tag.to_owned(), has: has() }),
        ([], None) => return Err(SourceError::Lacks { path: path(), name: "any image".to_owned() }),
        ([first, rest @ ..], _) if rest.iter().any(|other| other.tag() != first.tag()) => {
            return Err(SourceError::Several { path: path(), has: has() });
        }
        _ => {}
    }
    let several = Index { manifests: wanted, ..index.clone() };
    several.choose(platform).cloned().ok_or_else(|| SourceError::Platform {
        path: path(),
        wanted: platform.clone(),
        has: several.platforms(),
    })
}

struct Layout<'a> {
    dir: &'a Path,
    root: Root,
}

impl<'a> Layout<'a> {
    fn open(dir: &'a Path) -> Result<Self, SourceError> {
        let root = Root::open(dir)
            .map_err(|error| SourceError::Read { path: dir.to_owned(), source: error.errno.into() })?;
        let layout = Self { dir, root };
        let kind =
            |reason: String| SourceError::Kind { path: dir.to_owned(), what: "OCI image layout", reason };
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Marker {
            image_layout_version: String,
        }
        let text = match layout.read("oci-layout") {
            Err(SourceError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(kind("it has no file oci-layout".to_owned()));
            }
            other => other?,
        };
        let marker: Marker = serde_json::from_slice(&text).map_err(|error| kind(error.to_string()))?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(kind(format!("it is of version {}", marker.image_layout_version)));
        }
        Ok(layout)
    }

    fn index(&self) -> Result<Index, SourceError> {
        match Document::parse(&self.read("index.json")?).map_err(self.bad("index.json"))? {
            Document::Index(index) => Ok(index),
            Document::Manifest(_) => {
                Err(self.bad("index.json")(DocumentError::Kind("a manifest".to_owned())))
            }
        }
    }

    /// Follows one index of platforms at most: layouts nest no deeper.
    fn manifest(&self, entry: &Descriptor, platform: &Platform) -> Result<(Vec<u8>, Manifest), SourceError> {
        let bytes = self.document(entry)?;
        let bad = self.bad(&entry.digest.to_string());
        let index = match Document::parse(&bytes).map_err(bad)? {
            Document::Manifest(manifest) => return Ok((bytes, manifest)),
            Document::Index(index) => index,
        };
        let chosen = index.choose(platform).ok_or_else(|| SourceError::Platform {
            path: self.dir.to_owned(),
            wanted: platform.clone(),
            has: index.platforms(),
        })?;
        let bytes = self.document(chosen)?;
        let bad = self.bad(&chosen.digest.to_string());
        match Document::parse(&bytes).map_err(&bad)? {
            Document::Manifest(manifest) => Ok((bytes, manifest)),
            Document::Index(_) => Err(bad(DocumentError::Kind("an index in an index".to_owned()))),
        }
    }

    fn document(&self, wanted: &Descriptor) -> Result<Vec<u8>, SourceError> {
        let bytes = self.read(&blob_path(&wanted.digest))?;
        let found = Digest::of(&bytes);
        if found == wanted.digest {
            return Ok(bytes);
        }
        Err(crate::StoreError::Mismatch { wanted: wanted.digest, found }.into())
    }

    fn blob(&self, digest: &Digest) -> Result<std::fs::File, SourceError> {
        self.open_file(&blob_path(digest))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, SourceError> {
        let mut bytes = Vec::new();
        let read = self.open_file(name)?.take(LONGEST + 1).read_to_end(&mut bytes);
        read.map_err(|source| SourceError::Read { path: self.dir.join(name), source })?;
        if bytes.len() as u64 > LONGEST {
            let source = io::Error::new(io::ErrorKind::FileTooLarge, "longer than documents are");
            return Err(SourceError::Read { path: self.dir.join(name), source });
        }
        Ok(bytes)
    }

    fn open_file(&self, name: &str) -> Result<std::fs::File, SourceError> {
        let c_name = CString::new(name).unwrap_or_default();
        self.root
            .file(&c_name)
            .map_err(|error| SourceError::Read { path: self.dir.join(name), source: error.errno.into() })
    }

    fn bad(&self, name: &str) -> impl Fn(DocumentError) -> SourceError + use<> {
        let (path, name) = (self.dir.to_owned(), name.to_owned());
        move |source| SourceError::Document { path: path.clone(), name: name.clone(), source }
    }
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}
