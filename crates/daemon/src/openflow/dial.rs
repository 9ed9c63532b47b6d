//! Streams to controllers.

use std::io;
use std::net::{SocketAddr, TcpStream as Blocking};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use netloom_sys::netns::NetNs;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use super::{Way, learn};

/// A stream of bytes, whatever carries it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How long an address in a node may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Calls a controller.
pub(super) async fn call(way: &Way) -> io::Result<Pin<Box<dyn Stream>>> {
    match way {
        Way::Tcp(addresses, netns) => {
            let stream = match netns {
                Some(netns) => inside(addresses.clone(), Arc::clone(netns)).await?,
                None => TcpStream::connect(&addresses[..]).await?,
            };
            stream.set_nodelay(true)?;
            Ok(Box::pin(stream))
        }
        Way::Tls(at, tls) => {
            let stream = TcpStream::connect(at).await?;
            stream.set_nodelay(true)?;
            Ok(Box::pin(tls.connect(stream, at.ip()).await?))
        }
        Way::Unix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
        Way::Learn => {
            let (ours, theirs) = UnixStream::pair()?;
            drop(tokio::spawn(learn::serve(theirs)));
            Ok(Box::pin(ours))
        }
        Way::Listen(..) | Way::ListenUnix(_) | Way::Never(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// A socket that was opened inside a network namespace stays there.
async fn inside(addresses: Vec<SocketAddr>, netns: Arc<NetNs>) -> io::Result<TcpStream> {
    let work = move || {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let connect = |address: &SocketAddr| Blocking::connect_timeout(address, PATIENCE);
        let called = netns.run(|| {
            for address in &addresses {
                match connect(address) {
                    Ok(stream) => return Some(stream),
                    Err(error) => last = error,
                }
            }
            None
        });
        called.map_err(io::Error::other)?.ok_or(last)
    };
    let stream = tokio::task::spawn_blocking(work).await.map_err(io::Error::other)??;
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// A socket in the file system, which goes when it is dropped.
pub(super) struct Socket(pub(super) PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Somebody else may have removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens at a path for the owner. A socket at which nobody listens any more is replaced, and nothing else.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
