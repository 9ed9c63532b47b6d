//! Index and manifest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DocumentError, MOST_LAYERS};
use crate::digest::Digest;
use crate::platform::Platform;

/// The name of a document's or blob's form, as registries and layouts give it.
pub type MediaType = String;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Points to a blob: its digest, its length, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: MediaType,
    /// Its name.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// In an index: for which machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Among them the tag of an image in a layout.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// One image for several platforms, or the images of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// What the document says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// What it holds.
    pub manifests: Vec<Descriptor>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// What the document says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// How its programs are run.
    pub config: Descriptor,
    /// Its files, the lowest layer first.
    pub layers: Vec<Descriptor>,
}

/// What a reference leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// To choose from.
    Index(Index),
    /// The image.
    Manifest(Manifest),
}

impl Descriptor {
    /// A descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The tag of an image in a layout.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.annotations.get("org.opencontainers.image.ref.name").map(String::as_str)
    }

    /// Whether it leads to an index rather than an image.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_LIST)
    }
}

impl Index {
    /// The image that serves `wanted` best, the first of equals. Entries without a platform serve everybody, badly.
    #[must_use]
    pub fn choose(&self, wanted: &Platform) -> Option<&Descriptor> {
        let fit = |entry: &Descriptor| match &entry.platform {
            Some(offered) => wanted.fit(offered).map(|fit| fit + 1),
            None => Some(0),
        };
        let mut best: Option<(u8, &Descriptor)> = None;
        for entry in &self.manifests {
            match (fit(entry), best) {
                (Some(fit), Some((before, _))) if fit <= before => {}
                (Some(fit), _) => best = Some((fit, entry)),
                (None, _) => {}
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// The platforms on offer, for messages.
    #[must_use]
    pub fn platforms(&self) -> Vec<String> {
        let known = self.manifests.iter().filter_map(|entry| entry.platform.as_ref());
        known.filter(|platform| platform.os != "unknown").map(ToString::to_string).collect()
    }
}

impl Manifest {
    /// The types a registry is asked for.
    pub const ACCEPT: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST];

    /// A manifest of parts that had none: what `docker save` wrote.
    #[must_use]
    pub fn made_of(mut config: Descriptor, layers: Vec<Descriptor>) -> Self {
        config.media_type = OCI_CONFIG.to_owned();
        let layers = layers
            .into_iter()
            .map(|layer| Descriptor { media_type: OCI_LAYER.to_owned(), ..layer })
            .collect();
        Self { schema_version: 2, media_type: Some(OCI_MANIFEST.to_owned()), config, layers }
    }

    /// Bytes of config and layers together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, layer| sum.saturating_add(layer.size))
    }

    fn check(self) -> Result<Self, DocumentError> {
        if !matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG | "") {
            return Err(DocumentError::Artifact(self.config.media_type));
        }
        if self.layers.len() > MOST_LAYERS {
            return Err(DocumentError::Layers(self.layers.len()));
        }
        Ok(self)
    }
}

impl Document {
    /// Reads an index or a manifest. What it is shows in its fields; what it says of itself must agree.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let head: Head = serde_json::from_slice(bytes)?;
        if head.schema_version == 1 {
            return Err(DocumentError::Schema1);
        }
        let says = head.media_type.as_deref();
        match (head.manifests.is_some(), head.config.is_some()) {
            (true, false) if matches!(says, None | Some(OCI_INDEX | DOCKER_LIST)) => {
                Ok(Self::Index(serde_json::from_slice(bytes)?))
            }
            (false, true) if matches!(says, None | Some(OCI_MANIFEST | DOCKER_MANIFEST)) => {
                let manifest: Manifest = serde_json::from_slice(bytes)?;
                manifest.check().map(Self::Manifest)
            }
            _ => Err(DocumentError::Kind(says.unwrap_or_default().to_owned())),
        }
    }
}

/// What tells the documents apart. Both bodies in one, or a body that belies its type, has been used to show a scanner
/// one image and a runtime another.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

/// `null` where a map or list belongs is what Go writes for an empty one.
pub(super) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn manifest(layers: usize, config: &str) -> String {
        let layer = format!(r#"{{"mediaType":"{OCI_LAYER}","digest":"{SUM}","size":3}}"#);
        let layers = vec![layer; layers].join(",");
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"{SUM}","size":3,"annotations":null}},"layers":[{layers}]}}"#
        )
    }

    #[test]
    fn a_manifest_is_read_and_every_truncation_refused() {
        let text = manifest(2, DOCKER_CONFIG);
        let Document::Manifest(read) = Document::parse(text.as_bytes()).unwrap() else { panic!("an index") };
        assert_eq!((read.layers.len(), read.size()), (2, 9));
        for end in 0..text.len() {
            assert!(Document::parse(&text.as_bytes()[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn what_is_no_image_is_named() {
        let said = |text: &str| Document::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(
            said(&manifest(0, "application/vnd.cncf.helm.config.v1+json")).contains("no container image")
        );
        assert!(said(&manifest(501, OCI_CONFIG)).contains("501 layers"));
        assert!(said(r#"{"schemaVersion":1,"fsLayers":[]}"#).contains("schema 1"));
        assert!(said(r#"{"schemaVersion":2}"#).contains("neither"));
        let both = manifest(0, OCI_CONFIG).replace("\"layers\"", "\"manifests\":[],\"layers\"");
        assert!(said(&both).contains("neither"));
        let belied = manifest(0, OCI_CONFIG).replacen('{', &format!("{{\"mediaType\":\"{OCI_INDEX}\","), 1);
        assert!(said(&belied).contains("neither"));
        let path = manifest(1, OCI_CONFIG).replace(SUM, "sha256:../../etc/passwd");
        assert!(said(&path).contains("64 hexadecimal digits"));
    }

    #[test]
    fn the_best_platform_is_chosen() {
        let entry = |platform: Option<&str>, size| Descriptor {
            platform: platform.map(|text| text.parse().unwrap()),
            size,
            ..Descriptor::of(OCI_MANIFEST, b"")
        };
        let index = Index {
            schema_version: 2,
            media_type: None,
            manifests: vec![
                entry(None, 1),
                entry(Some("linux/arm/v6"), 2),
                entry(Some("linux/arm"), 3),
                entry(Some("linux/arm/v7"), 4),
                entry(Some("unknown/unknown"), 5),
            ],
        };
        let chosen = |wanted: &str| index.choose(&wanted.parse().unwrap()).map(|entry| entry.size);
        assert_eq!(chosen("linux/arm/v7"), Some(4));
        assert_eq!(chosen("linux/arm/v5"), Some(3));
        assert_eq!(chosen("linux/amd64"), Some(1));
        assert_eq!(index.platforms(), ["linux/arm/v6", "linux/arm", "linux/arm/v7"]);
    }
}
