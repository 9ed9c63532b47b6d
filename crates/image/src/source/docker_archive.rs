//! What `docker save`, `podman save` and `skopeo copy .. docker-archive:` write: a tar file, perhaps compressed, with
//! `manifest.json`, the configurations and the layers.
//!
//! Source: the Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format".

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::{Loaded, SourceError, full_name};
use crate::document::{Descriptor, DocumentError, ImageConfig, LONGEST, MOST_LAYERS, Manifest};
use crate::layer::Opened;
use crate::layer::tar::{Archive, Kind};
use crate::store::Store;

/// Adds all images of the archive `file` to the store. To be called under [`Store::using`].
///
/// # Errors
/// [`SourceError`].
pub fn load(store: &Store, file: &Path) -> Result<Vec<Loaded>, SourceError> {
    let (listed, links) = list(file)?;
    let wanted: BTreeSet<&str> = listed
        .iter()
        .flat_map(|image| image.layers.iter().chain([&image.config]))
        .map(|path| links.get(path.as_str()).map_or(path.as_str(), String::as_str))
        .collect();
    let parts = Parts { file, links: &links, found: take(store, file, &wanted)? };
    listed.iter().map(|image| parts.image(store, image)).collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

type Links = BTreeMap<String, String>;

/// Reads manifest.json, which comes last, and the links: former versions of Docker wrote equal layers once.
fn list(file: &Path) -> Result<(Vec<Listed>, Links), SourceError> {
    let mut links = Links::new();
    let mut found = None;
    each(file, |path, kind, data| {
        match kind {
            Kind::Link(to) if links.len() < MOST_LAYERS * 8 => {
                links.insert(path.clone(), beside(&path, &to.to_string_lossy()));
            }
            Kind::File(size) if path == "manifest.json" && *size <= LONGEST => {
                let mut text = Vec::new();
                data.read_to_end(&mut text).map_err(|source| read(file, source))?;
                found = Some(text);
            }
            _ => {}
        }
        Ok(())
    })?;
    let kind =
        |reason: String| SourceError::Kind { path: file.to_owned(), what: "archive of docker save", reason };
    let text = found.ok_or_else(|| kind("it has no manifest.json".to_owned()))?;
    let listed: Vec<Listed> = serde_json::from_slice(&text).map_err(|error| kind(error.to_string()))?;
    if listed.is_empty() {
        return Err(kind("it has no image".to_owned()));
    }
    if let Some(image) = listed.iter().find(|image| image.layers.len() > MOST_LAYERS) {
        return Err(SourceError::Document {
            path: file.to_owned(),
            name: "manifest.json".to_owned(),
            source: DocumentError::Layers(image.layers.len()),
        });
    }
    Ok((listed, links))
}

/// Adds the files of the paths `wanted`.
fn take(
    store: &Store,
    file: &Path,
    wanted: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Descriptor>, SourceError> {
    let mut found = BTreeMap::new();
    each(file, |path, kind, data| {
        if matches!(kind, Kind::File(_)) && wanted.contains(path.as_str()) {
            found.insert(path, store.add_unknown(data)?);
        }
        Ok(())
    })?;
    Ok(found)
}

struct Parts<'a> {
    file: &'a Path,
    links: &'a Links,
    found: BTreeMap<String, Descriptor>,
}

impl Parts<'_> {
    fn part(&self, path: &str) -> Result<Descriptor, SourceError> {
        let path = self.links.get(path).map_or(path, String::as_str);
        let lacks = || SourceError::Lacks { path: self.file.to_owned(), name: path.to_owned() };
        self.found.get(path).cloned().ok_or_else(lacks)
    }

    fn image(&self, store: &Store, listed: &Listed) -> Result<Loaded, SourceError> {
        let config = self.part(&listed.config)?;
        let layers = listed.layers.iter().map(|path| self.part(path)).collect::<Result<_, _>>()?;
        let manifest = Manifest::made_of(config, layers);
        let bad = |source| SourceError::Document {
            path: self.file.to_owned(),
            name: listed.config.clone(),
            source,
        };
        ImageConfig::parse(&store.document(&manifest.config.digest)?, &manifest).map_err(bad)?;
        let text = serde_json::to_vec(&manifest).map_err(|error| bad(error.into()))?;
        let tags = listed.repo_tags.iter().flatten();
        let mut names: Vec<_> = tags.filter_map(|tag| full_name(tag, self.file)).collect();
        if names.is_empty() {
            names.extend(full_name("latest", self.file));
        }
        Ok(Loaded { manifest: store.add_document(&text)?, names })
    }
}

/// Calls `take` for each entry with its path, without `./` in front.
fn each(
    file: &Path,
    mut take: impl FnMut(String, &Kind, &mut dyn Read) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let opened = File::open(file).map_err(|source| read(file, source))?;
    let opened = Opened::new(opened).map_err(|source| read(file, source))?;
    let mut archive = Archive::new(opened);
    let bad = |source| SourceError::Tar { path: file.to_owned(), source };
    while let Some(entry) = archive.advance().map_err(bad)? {
        let path = entry.path.to_string_lossy();
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        take(path, &entry.kind, &mut archive.data())?;
    }
    Ok(())
}

/// Where the link `to` in the directory of `path` leads, as text: nothing of it is ever opened.
fn beside(path: &str, to: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for step in to.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            step => parts.push(step),
        }
    }
    parts.join("/")
}

fn read(file: &Path, source: io::Error) -> SourceError {
    SourceError::Read { path: file.to_owned(), source }
}
