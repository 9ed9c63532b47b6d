//! Unix stream sockets whose bytes come with file descriptors beside them (`SCM_RIGHTS`), without ever waiting.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::error::{Because, HostError};

/// The most descriptors that are taken beside one piece of bytes.
pub const MAX_FDS: usize = 16;

/// A socket that is called.
#[derive(Debug)]
pub struct FdListener(UnixListener);

impl FdListener {
    /// Listens at `path`, where nothing may be yet.
    ///
    /// # Errors
    /// As bind(2): `EADDRINUSE`, `ENOENT`, `EACCES`; `ENAMETOOLONG` beyond 107 bytes.
    pub fn bind(path: &Path) -> Result<Self, HostError> {
        let listener = UnixListener::bind(path).because("listen at", || path.display().to_string())?;
        listener.set_nonblocking(true).because("listen at", || path.display().to_string())?;
        Ok(Self(listener))
    }

    /// The next caller.
    ///
    /// # Errors
    /// `EAGAIN` if there is none.
    pub fn accept(&self) -> Result<FdStream, Errno> {
        let (stream, _) =
            self.0.accept().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        stream.set_nonblocking(true).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok(FdStream(stream.into()))
    }
}

impl AsFd for FdListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A connection.
#[derive(Debug)]
pub struct FdStream(OwnedFd);

impl FdStream {
    /// A connected stream socket, made non-blocking.
    ///
    /// # Errors
    /// As fcntl(2); not met in practice.
    pub fn new(socket: OwnedFd) -> Result<Self, HostError> {
        let flags = rustix::fs::fcntl_getfl(&socket).because("ask for the flags of", || "a socket")?;
        rustix::fs::fcntl_setfl(&socket, flags | rustix::fs::OFlags::NONBLOCK)
            .because("set the flags of", || "a socket")?;
        Ok(Self(socket))
    }

    /// Reads into `buffer`, and adds the descriptors that came along to `fds`; 0 at the end of the stream.
    ///
    /// # Errors
    /// `EAGAIN` if nothing is there, `EMSGSIZE` if more than [`MAX_FDS`] descriptors came.
    pub fn receive(&self, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = loop {
            match rustix::net::recvmsg(&self.0, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) { Err(Errno::MSGSIZE) } else { Ok(received.bytes) }
    }

    /// Writes all of `bytes` with `fds` beside the first of them.
    ///
    /// # Errors
    /// `EAGAIN` if the other end does not read, `EPIPE` if it is gone, `EMSGSIZE` if only a part was taken.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::MSGSIZE);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        loop {
            match rustix::net::sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, flags) {
                Err(Errno::INTR) => {}
                Ok(sent) if sent < bytes.len() => return Err(Errno::MSGSIZE),
                other => return other.map(drop),
            }
        }
    }
}

impl AsFd for FdStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::eventfd::EventFd;

    #[test]
    fn descriptors_arrive_with_their_bytes() {
        let (one, other) = UnixStream::pair().unwrap();
        let (one, other) = (FdStream::new(one.into()).unwrap(), FdStream::new(other.into()).unwrap());
        let event = EventFd::new().unwrap();
        one.send(b"ab", &[event.as_fd(), event.as_fd()]).unwrap();
        let (mut bytes, mut fds) = ([0; 8], Vec::new());
        assert_eq!(other.receive(&mut bytes, &mut fds), Ok(2));
        assert_eq!((&bytes[..2], fds.len()), (b"ab".as_slice(), 2));
        assert_eq!(other.receive(&mut bytes, &mut fds), Err(Errno::AGAIN));
        drop(one);
        assert_eq!(other.receive(&mut bytes, &mut fds), Ok(0));
        assert_eq!(other.send(b"x", &[]), Err(Errno::PIPE));
    }

    #[test]
    fn a_flood_of_descriptors_is_refused() {
        let (one, other) = UnixStream::pair().unwrap();
        let other = FdStream::new(other.into()).unwrap();
        let event = EventFd::new().unwrap();
        let many = vec![event.as_fd(); 2 * MAX_FDS];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2 * MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        rustix::net::sendmsg(&one, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        assert_eq!(other.receive(&mut [0; 8], &mut Vec::new()), Err(Errno::MSGSIZE));
    }

    #[test]
    fn nobody_calls_at_first() {
        let folder = std::env::temp_dir().join(format!("netloom-fd-stream-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("socket");
        let listener = FdListener::bind(&path).unwrap();
        assert_eq!(listener.accept().unwrap_err(), Errno::AGAIN);
        let _caller = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().is_ok());
        assert!(FdListener::bind(&path).is_err(), "taken");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
