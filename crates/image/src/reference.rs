//! What `image:` and the command line take for an image.
//!
//! | text | means |
//! |---|---|
//! | `nginx`, `nginx:alpine` | `docker.io/library/nginx`, tag `latest` unless given |
//! | `quay.io/team/app:1`, `localhost:5000/app@sha256:..` | a repository of that registry |
//! | `oci:DIR[:TAG]` | an OCI image layout, as `skopeo copy .. oci:DIR` writes it |
//! | `docker-archive:FILE` | what `docker save` or `podman save` wrote |
//! | `dir:ROOTFS` | a root file system as it lies there |
//!
//! Source: the reference grammar of the distribution project; `skopeo(1)` for the words before the colon.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::{Digest, DigestError};

/// An image, as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// In a registry, or pulled from there before.
    Remote(Remote),
    /// An OCI image layout, and which image of it if it has several.
    OciDir {
        /// The directory with the file `oci-layout`.
        dir: PathBuf,
        /// The value of `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// A tar file of `docker save`.
    DockerArchive(PathBuf),
    /// A root file system.
    Dir(PathBuf),
}

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Host, and port if it has one: `docker.io`, `localhost:5000`.
    pub registry: String,
    /// `library/nginx`.
    pub repository: String,
    /// `latest` if neither tag nor digest was given.
    pub tag: Option<String>,
    /// Pins the image: what is pulled must have it.
    pub digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} names no image: {problem}")]
pub struct ReferenceError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// `https://..` in front.
    #[error("a reference has no {0} in front")]
    Scheme(String),
    /// Nothing after `oci:`, `docker-archive:` or `dir:`.
    #[error("a path is missing after {0}:")]
    NoPath(&'static str),
    /// An upper-case letter where none may be.
    #[error("repositories are in lower case; did you mean {0}?")]
    UpperCase(String),
    /// A part of the repository is not as it must be.
    #[error("{0:?} is no part of a repository: a-z and 0-9, joined by one of . _ __ or dashes")]
    Component(String),
    /// Longer than 255 bytes.
    #[error("a repository has 255 characters at most")]
    Long,
    /// Not a host and a port.
    #[error("{0:?} is no registry: a host name or address, and perhaps :PORT")]
    Registry(String),
    /// Not a tag.
    #[error("{0:?} is no tag: up to 128 of a-z, A-Z, 0-9, _ . and -, not . or - first")]
    Tag(String),
    /// Not a digest.
    #[error("{0}")]
    Digest(DigestError),
}

const DOCKER_HUB: &str = "docker.io";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|problem| ReferenceError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<Reference, Problem> {
    if text.is_empty() {
        return Err(Problem::Empty);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(Problem::Scheme(format!("{scheme}://")));
    }
    if let Some(rest) = text.strip_prefix("oci:") {
        let (dir, tag) = match rest.rsplit_once(':') {
            // A colon in a directory's name is not a tag if a slash follows.
            Some((dir, tag)) if !tag.contains('/') => (dir, Some(check_tag(tag)?)),
            _ => (rest, None),
        };
        return Ok(Reference::OciDir { dir: path("oci", dir)?, tag });
    }
    if let Some(rest) = text.strip_prefix("docker-archive:") {
        return Ok(Reference::DockerArchive(path("docker-archive", rest)?));
    }
    if let Some(rest) = text.strip_prefix("dir:") {
        return Ok(Reference::Dir(path("dir", rest)?));
    }
    remote(text).map(Reference::Remote)
}

fn path(word: &'static str, text: &str) -> Result<PathBuf, Problem> {
    if text.is_empty() { Err(Problem::NoPath(word)) } else { Ok(PathBuf::from(text)) }
}

fn remote(text: &str) -> Result<Remote, Problem> {
    let (text, digest) = match text.split_once('@') {
        Some((text, digest)) => (text, Some(digest.parse().map_err(Problem::Digest)?)),
        None => (text, None),
    };
    let (name, tag) = match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(check_tag(tag)?)),
        _ => (text, None),
    };
    let (registry, repository) = split_registry(name);
    let registry = match registry {
        None | Some("index.docker.io" | "registry-1.docker.io") => DOCKER_HUB.to_owned(),
        Some(registry) => check_registry(registry)?,
    };
    check_repository(repository)?;
    let repository = if registry == DOCKER_HUB && !repository.contains('/') {
        format!("library/{repository}")
    } else {
        repository.to_owned()
    };
    // Of the whole name: the short one may be shorter.
    if repository.len() > 255 {
        return Err(Problem::Long);
    }
    let tag = tag.or_else(|| digest.is_none().then(|| "latest".to_owned()));
    Ok(Remote { registry, repository, tag, digest })
}

/// The first part is a registry if no repository could look like it.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    }
}

fn check_registry(text: &str) -> Result<String, Problem> {
    let bad = || Problem::Registry(text.to_owned());
    let (host, port) = match text.rsplit_once(':') {
        // A bare IPv6 address stands in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
        return Err(bad());
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_host_label),
    };
    if good { Ok(text.to_ascii_lowercase()) } else { Err(bad()) }
}

fn is_host_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_repository(text: &str) -> Result<(), Problem> {
    if text.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(Problem::UpperCase(text.to_ascii_lowercase()));
    }
    match text.split('/').find(|part| !is_component(part)) {
        Some(part) => Err(Problem::Component(part.to_owned())),
        None => Ok(()),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(part: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = part;
    loop {
        let after = rest.trim_start_matches(word);
        if after.len() == rest.len() {
            return false;
        }
        if after.is_empty() {
            return true;
        }
        let end = after.find(word).unwrap_or(after.len());
        let (joint, next) = after.split_at(end);
        if !matches!(joint, "." | "_" | "__") && !joint.bytes().all(|c| c == b'-') {
            return false;
        }
        rest = next;
    }
}

fn check_tag(text: &str) -> Result<String, Problem> {
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let good = (1..=128).contains(&text.len())
        && text.bytes().all(|c| word(c) || matches!(c, b'.' | b'-'))
        && text.bytes().next().is_some_and(word);
    if good { Ok(text.to_owned()) } else { Err(Problem::Tag(text.to_owned())) }
}

impl Reference {
    /// The same with paths made absolute, seen from `base`: how a lab file means them.
    #[must_use]
    pub fn seen_from(self, base: &Path) -> Self {
        match self {
            Self::Remote(_) => self,
            Self::OciDir { dir, tag } => Self::OciDir { dir: base.join(dir), tag },
            Self::DockerArchive(file) => Self::DockerArchive(base.join(file)),
            Self::Dir(dir) => Self::Dir(base.join(dir)),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(remote) => remote.fmt(f),
            Self::OciDir { dir, tag: Some(tag) } => write!(f, "oci:{}:{tag}", dir.display()),
            Self::OciDir { dir, tag: None } => write!(f, "oci:{}", dir.display()),
            Self::DockerArchive(file) => write!(f, "docker-archive:{}", file.display()),
            Self::Dir(dir) => write!(f, "dir:{}", dir.display()),
        }
    }
}

/// The full form, in which images are kept: `docker.io/library/nginx:alpine`.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn full(text: &str) -> String {
        text.parse::<Reference>().map_or_else(|error| error.to_string(), |good| good.to_string())
    }

    #[test]
    fn short_names_become_full_ones() {
        for (short, wanted) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:alpine", "docker.io/library/nginx:alpine"),
            ("team/app", "docker.io/team/app:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("localhost/app:1", "localhost/app:1"),
            ("localhost:5000/app", "localhost:5000/app:latest"),
            ("Quay.IO/a/b/c:V1.2", "quay.io/a/b/c:V1.2"),
            ("[::1]:5000/app:1", "[::1]:5000/app:1"),
            ("a__b/c--d.e_f:_", "docker.io/a__b/c--d.e_f:_"),
        ] {
            assert_eq!(full(short), wanted);
            assert_eq!(full(wanted), wanted, "the full form means itself");
        }
    }

    #[test]
    fn a_name_is_as_long_as_it_is_in_full() {
        let of = |length: usize| "a".repeat(length).parse::<Reference>();
        assert!(of(255 - "library/".len()).is_ok());
        assert_eq!(of(256 - "library/".len()).unwrap_err().problem, Problem::Long);
        assert!("a/".repeat(150).parse::<Reference>().is_err());
    }

    #[test]
    fn a_digest_needs_no_tag_and_may_have_one() {
        assert_eq!(full(&format!("nginx@{DIGEST}")), format!("docker.io/library/nginx@{DIGEST}"));
        assert_eq!(full(&format!("nginx:1@{DIGEST}")), format!("docker.io/library/nginx:1@{DIGEST}"));
    }

    #[test]
    fn files_and_directories_are_taken_as_they_are() {
        let parse = |text: &str| text.parse::<Reference>().unwrap();
        assert_eq!(
            parse("oci:/a:b/c:1.0"),
            Reference::OciDir { dir: "/a:b/c".into(), tag: Some("1.0".into()) }
        );
        assert_eq!(parse("oci:/a:b/c"), Reference::OciDir { dir: "/a:b/c".into(), tag: None });
        assert_eq!(parse("docker-archive:x:y.tar"), Reference::DockerArchive("x:y.tar".into()));
        assert_eq!(parse("dir:root"), Reference::Dir("root".into()));
        assert_eq!(parse("dir:root").seen_from(Path::new("/lab")).to_string(), "dir:/lab/root");
        assert_eq!(parse("dir:/root").seen_from(Path::new("/lab")).to_string(), "dir:/root");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, wanted) in [
            ("", "\"\" names no image: it is empty"),
            ("https://quay.io/a", "a reference has no https:// in front"),
            ("oci:", "a path is missing after oci:"),
            ("docker-archive:", "a path is missing after docker-archive:"),
            ("Nginx", "did you mean nginx?"),
            ("a/b_-c", "\"b_-c\" is no part of a repository"),
            ("a//b", "\"\" is no part of a repository"),
            ("a/../b", "\"..\" is no part of a repository"),
            ("nginx:", "\"\" is no tag"),
            ("nginx:-x", "\"-x\" is no tag"),
            ("nginx@sha512:00", "begins with sha256:"),
            ("nginx@sha256:00", "64 hexadecimal digits"),
            ("a.b:70000/x", "\"a.b:70000\" is no registry"),
            ("a.-b/x", "\"a.-b\" is no registry"),
            ("[::g]:1/x", "is no registry"),
        ] {
            let said = full(text);
            assert!(said.contains(wanted), "{text}: {said}");
        }
        assert!(full(&"a".repeat(256)).contains("255 characters at most"));
        assert!(full(&format!("a:{}", "x".repeat(129))).contains("is no tag"));
    }
}
