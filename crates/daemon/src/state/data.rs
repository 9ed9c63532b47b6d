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

/// The file of registry logins: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`.
#[must_use]
pub fn docker_config() -> Option<PathBuf> {
    let dir = env("DOCKER_CONFIG").map(PathBuf::from);
    let dir = dir.or_else(|| env("HOME").map(|home| Path::new(&home).join(".docker")));
    dir.map(|dir| dir.join("config.json"))
}
