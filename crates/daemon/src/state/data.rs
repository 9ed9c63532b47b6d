//! Where images are kept: what outlives every lab.
//!
//! | who | directory |
//! |---|---|
//! | root | `/var/lib/netloom` |
//! | others | `$XDG_DATA_HOME/netloom`, else `~/.local/share/netloom` |
//!
//! `NETLOOM_DATA_DIR` names another directory, for tests and for disks with more room.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

use super::home::env;

/// The directory of this user; `None` without a home.
#[must_use]
pub fn data_dir() -> Option<PathBuf> {
    if let Some(dir) = env("NETLOOM_DATA_DIR") {
        return Some(dir.into());
    }
    // As for Homes: root of a user namespace is an ordinary user with a long name.
    if geteuid().is_root() && access("/var/lib", Access::WRITE_OK).is_ok() {
        return Some("/var/lib/netloom".into());
    }
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    base.map(|base| base.join("netloom"))
}

/// Certificates of authorities that this user keeps for one registry, `HOST[:PORT]`, where Docker and Podman look for them:
/// `*.crt` in the folder of its name, in the user's own folders and the machine's.
///
/// Source: Docker's documentation, "Verify repository client with certificates"; containers-certs.d(5).
#[must_use]
pub fn authorities(registry: &str) -> Vec<PathBuf> {
    let home = env("HOME").map(PathBuf::from);
    let config = env("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".config")));
    let own = config.into_iter().flat_map(|config| ["containers", "docker"].map(|name| config.join(name)));
    let all = own.chain(["/etc/containers", "/etc/docker"].map(PathBuf::from));
    let mut files: Vec<PathBuf> = all
        .filter_map(|place| std::fs::read_dir(place.join("certs.d").join(registry)).ok())
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "crt"))
        .collect();
    files.sort();
    files
}

/// The file of registry logins: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
#[must_use]
pub fn docker_config() -> Option<PathBuf> {
    let dir = env("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| env("HOME").map(|home| Path::new(&home).join(".docker")));
    dir.map(|dir| dir.join("config.json"))
}
