//! Sockets in the file system, as Open vSwitch's daemons have them: for their owner, and gone when nobody listens.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;

/// The longest path that fits into the address of a socket.
const LONGEST: usize = 107;

/// A socket that is listened at. It is removed when this is dropped.
#[derive(Debug)]
pub struct Listening {
    path: PathBuf,
    listener: UnixListener,
}

impl Listening {
    /// Listens at `path`: its owner may connect (mode 0750). A socket at which nobody listens any more is replaced,
    /// nothing else is.
    ///
    /// # Errors
    /// The system's; [`io::ErrorKind::AddrInUse`] if somebody listens there, or it is no socket.
    pub fn at(path: &Path) -> io::Result<Self> {
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
        if is_socket && connect(path).is_err() {
            std::fs::remove_file(path)?;
        }
        let before = rustix::process::umask(Mode::from_raw_mode(0o027));
        let listener = reached(path, |path| UnixListener::bind(path));
        rustix::process::umask(before);
        let listener = listener?;
        listener.set_nonblocking(true)?;
        Ok(Self { path: path.to_owned(), listener })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It, for tokio; to be called inside a runtime. The socket goes with `self`, not with what this returns.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn accepting(&self) -> io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Connects to the socket at `path`.
///
/// # Errors
/// The system's.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    reached(path, |path| UnixStream::connect(path))
}

/// Does something at a path of any length: one too long for an address is reached through its folder's descriptor.
fn reached<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    if path.as_os_str().len() <= LONGEST {
        return act(path);
    }
    let folder = File::open(folder)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_socket_is_for_its_owner_goes_with_its_listener_and_a_dead_one_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        // Longer than an address.
        let folder = place.path().join("f".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        for path in [place.path().join("s"), folder.join("s")] {
            drop(reached(&path, |path| UnixListener::bind(path)).unwrap());
            assert!(path.exists(), "dead");
            let listening = Listening::at(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
            assert!(connect(&path).is_ok());
            let again = Listening::at(&path).unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AddrInUse);
            drop(listening);
            assert!(!path.exists());
            std::fs::write(&path, "no socket").unwrap();
            assert_eq!(Listening::at(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
    }
}
