//! `<bridge>.mgmt` and `<bridge>.snoop` in the directory of sockets.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use netloom_ovsdb::Uuid;

use crate::openflow::Service;

/// The sockets that are there.
#[derive(Debug)]
pub(super) struct Doors {
    dir: PathBuf,
    /// By bridge: which one of that name, and its sockets.
    open: BTreeMap<String, (Uuid, Vec<PathBuf>)>,
}

impl Doors {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self { dir, open: BTreeMap::new() }
    }

    /// Closes the sockets of bridges that are gone, and ends their connections; also of one whose name another one has now.
    pub(super) fn close(&mut self, service: &Service, stays: impl Fn(&str, Uuid) -> bool) {
        self.open.retain(|bridge, (uuid, paths)| {
            let stays = stays(bridge, *uuid);
            if !stays {
                service.close(bridge);
                paths.iter().for_each(|path| remove(path));
            }
            stays
        });
    }

    /// Opens the sockets of a bridge, if they are not open.
    pub(super) fn open(&mut self, service: &Service, bridge: &str, uuid: Uuid) {
        if self.open.contains_key(bridge) || bridge.contains('/') {
            return;
        }
        let mut paths = Vec::new();
        let mut serve = |end: &str, hand_over: &dyn Fn(UnixListener)| {
            let path = self.dir.join(format!("{bridge}.{end}"));
            match listen(&path) {
                Ok(listener) => {
                    hand_over(listener);
                    paths.push(path);
                }
                Err(error) => tracing::error!(bridge, path = %path.display(), %error, "no OpenFlow"),
            }
        };
        serve("mgmt", &|listener| service.open(bridge, listener));
        serve("snoop", &|listener| service.show(bridge, listener));
        self.open.insert(bridge.to_owned(), (uuid, paths));
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.open.values().flat_map(|(_, paths)| paths).for_each(|path| remove(path));
    }
}

/// A socket for its owner. One at which nobody listens any more is replaced, and nothing else.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    Ok(listener)
}

/// It may have been removed by somebody else.
fn remove(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "a socket stays");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_left_behind_is_replaced_and_one_that_is_served_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("br0.mgmt");
        let first = listen(&path).unwrap();
        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        let second = listen(&path).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        drop(second);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "kept").unwrap();
        assert!(listen(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
