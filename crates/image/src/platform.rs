//! Which variant of an image: the operating system and the processor it was built for.
//!
//! Source: OCI image specification, image-index.md, "Platform Variants"; Go's names of processors.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `linux/arm64/v8`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// `v7` of `arm`, and the like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no platform: write OS/PROCESSOR or OS/PROCESSOR/VARIANT, such as linux/amd64")]
pub struct PlatformError(String);

impl Platform {
    /// That of this machine.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            same => same,
        };
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// How well `offered` serves where `self` is wanted: the variant asked for, else none, else any; `None`: not at all.
    #[must_use]
    pub fn fit(&self, offered: &Self) -> Option<u8> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        match (self.wanted_variant(), offered.wanted_variant()) {
            (wanted, offered) if wanted == offered => Some(2),
            (_, None) => Some(1),
            (None, Some(_)) => Some(0),
            (Some(_), Some(_)) => None,
        }
    }

    /// `v8` of `arm64` is the only one there is, so that some leave it out.
    fn wanted_variant(&self) -> Option<&str> {
        self.variant.as_deref().filter(|variant| !(self.architecture == "arm64" && *variant == "v8"))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let bad = || PlatformError(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if !parts.iter().all(|part| word(part)) {
            return Err(bad());
        }
        let (os, architecture, variant) = match *parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant.to_owned())),
            _ => return Err(bad()),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant })
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(wanted: &str, offered: &str) -> Option<u8> {
        wanted.parse::<Platform>().unwrap().fit(&offered.parse().unwrap())
    }

    #[test]
    fn the_wanted_variant_is_better_than_none_and_another_is_no_good() {
        assert_eq!(fit("linux/arm/v7", "linux/arm/v7"), Some(2));
        assert_eq!(fit("linux/arm/v7", "linux/arm"), Some(1));
        assert_eq!(fit("linux/arm/v7", "linux/arm/v6"), None);
        assert_eq!(fit("linux/amd64", "linux/arm64"), None);
        assert_eq!(fit("linux/arm64", "linux/arm64/v8"), Some(2));
        assert_eq!(fit("linux/amd64", "linux/amd64/v3"), Some(0));
    }

    #[test]
    fn texts_are_read_and_written() {
        for good in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(good.parse::<Platform>().unwrap().to_string(), good);
        }
        for bad in ["", "linux", "linux/", "linux/a/b/c", "linux/AMD64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        assert_eq!(Platform::host().os, "linux");
    }
}
