//! The configuration: how programs of the image are run, and the digests of its layers once decompressed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::manifest::or_default;
use super::{DocumentError, Manifest};
use crate::digest::Digest;
use crate::platform::Platform;

/// The configuration of an image. What is not here (history, labels, author) nothing depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// What it was built for.
    #[serde(flatten)]
    pub platform: Platform,
    /// When it was built, as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// How to run it.
    #[serde(default, deserialize_with = "or_default")]
    pub config: Run,
    /// Its layers.
    pub rootfs: RootFs,
}

/// How programs of the image are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Run {
    /// `NAME`, `UID`, `USER:GROUP`; empty: root.
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    /// `NAME=value`.
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// The program, in front of `cmd`.
    #[serde(deserialize_with = "or_default")]
    pub entrypoint: Vec<String>,
    /// Its arguments, or the program if there is no entrypoint.
    #[serde(deserialize_with = "or_default")]
    pub cmd: Vec<String>,
    /// Where it starts.
    #[serde(deserialize_with = "or_default")]
    pub working_dir: String,
    /// How it is asked to end: `SIGTERM`, `15`.
    #[serde(deserialize_with = "or_default")]
    pub stop_signal: String,
    /// Directories whose files are to outlive the container.
    #[serde(deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, serde_json::Value>,
    /// `80/tcp`: what it listens on.
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, serde_json::Value>,
    /// How it says that it is well: Docker's addition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
}

/// A command whose exit code 0 says that all is well. Times in nanoseconds; 0: as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and a program, or `CMD-SHELL` and a text for a shell.
    #[serde(deserialize_with = "or_default")]
    pub test: Vec<String>,
    /// From one answer to the next question.
    #[serde(deserialize_with = "or_default")]
    pub interval: u64,
    /// How long an answer may take.
    #[serde(deserialize_with = "or_default")]
    pub timeout: u64,
    /// How long after the start bad answers do not count.
    #[serde(deserialize_with = "or_default")]
    pub start_period: u64,
    /// So many bad answers in a row make it unhealthy.
    #[serde(deserialize_with = "or_default")]
    pub retries: u32,
}

impl Healthcheck {
    /// The program and its arguments, if there is one.
    #[must_use]
    pub fn command(&self) -> Option<Vec<String>> {
        match self.test.split_first() {
            Some((word, rest)) if word == "CMD" && !rest.is_empty() => Some(rest.to_vec()),
            Some((word, [text])) if word == "CMD-SHELL" => {
                Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), text.clone()])
            }
            _ => None,
        }
    }
}

/// The layers by what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// The digests of the tar files, the lowest layer first.
    #[serde(deserialize_with = "or_default")]
    pub diff_ids: Vec<Digest>,
}

impl ImageConfig {
    /// Reads a configuration, and holds it against the manifest it came with.
    ///
    /// # Errors
    /// [`DocumentError::Shape`] and [`DocumentError::Count`].
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, DocumentError> {
        let config: Self = serde_json::from_slice(bytes)?;
        let (manifest, found) = (manifest.layers.len(), config.rootfs.diff_ids.len());
        if manifest != found {
            return Err(DocumentError::Count { manifest, config: found });
        }
        Ok(config)
    }

    /// The whole command: entrypoint, then cmd.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        [&self.config.entrypoint[..], &self.config.cmd[..]].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Descriptor;

    const TEXT: &str = r#"{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","config":{"User":"www",
        "Env":["A=1","B="],"Entrypoint":null,"Cmd":["sh","-c","x"],"WorkingDir":"/srv","StopSignal":"SIGQUIT",
        "ExposedPorts":{"80/tcp":{}},"Volumes":null,"Labels":{"x":"y"}},"history":[{"empty_layer":true}],
        "rootfs":{"type":"layers","diff_ids":[]}}"#;

    #[test]
    fn a_configuration_with_nulls_is_read() {
        let manifest = Manifest::made_of(Descriptor::of("", b"{}"), Vec::new());
        let config = ImageConfig::parse(TEXT.as_bytes(), &manifest).unwrap();
        assert_eq!(config.platform.to_string(), "linux/amd64");
        assert_eq!(config.command(), ["sh", "-c", "x"]);
        assert_eq!((config.config.user.as_str(), config.config.working_dir.as_str()), ("www", "/srv"));
        let bare = r#"{"rootfs":{"type":"layers","diff_ids":null}}"#;
        assert!(ImageConfig::parse(bare.as_bytes(), &manifest).unwrap().command().is_empty());
    }

    #[test]
    fn a_health_check_is_a_program_or_for_a_shell() {
        let check =
            |test: &str| serde_json::from_str::<Healthcheck>(&format!(r#"{{"Test":{test},"Retries":null}}"#));
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        for (test, command) in [
            (r#"["CMD","a","b"]"#, words(&["a", "b"])),
            (r#"["CMD-SHELL","a b"]"#, words(&["/bin/sh", "-c", "a b"])),
            (r#"["NONE"]"#, None),
            (r#"["CMD"]"#, None),
            ("null", None),
        ] {
            assert_eq!(check(test).unwrap().command(), command, "{test}");
        }
    }

    #[test]
    fn layers_must_be_as_many_as_the_manifest_says() {
        let layer = Descriptor::of("", b"");
        let manifest = Manifest::made_of(layer.clone(), vec![layer]);
        let said = ImageConfig::parse(TEXT.as_bytes(), &manifest).unwrap_err().to_string();
        assert_eq!(said, "the manifest has 1 layers, the configuration 0");
    }
}
