//! Unix sockets that keep message boundaries and carry file descriptors (`SOCK_SEQPACKET`, `SCM_RIGHTS`).

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::error::{Because, HostError};

/// The most descriptors one message may carry here.
pub const MAX_FDS: usize = 64;

/// One end of a connected pair.
#[derive(Debug)]
pub struct SeqPacket {
    fd: OwnedFd,
}

/// A message that was received.
#[derive(Debug)]
pub struct Message {
    /// How many bytes of the buffer it filled.
    pub length: usize,
    /// The descriptors it carried, close-on-exec.
    pub fds: Vec<OwnedFd>,
    /// Whether bytes or descriptors were cut off because they did not fit.
    pub truncated: bool,
}

impl SeqPacket {
    /// Makes a connected pair.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn pair() -> Result<(Self, Self), HostError> {
        let (one, other) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .because("make", || "a pair of sockets")?;
        Ok((Self { fd: one }, Self { fd: other }))
    }

    /// Makes room for `bytes` waiting to be read by the other end, as far as the machine's limit allows.
    ///
    /// # Errors
    /// As setsockopt(2); not met in practice.
    pub fn set_send_room(&self, bytes: usize) -> Result<(), HostError> {
        rustix::net::sockopt::set_socket_send_buffer_size(&self.fd, bytes)
            .because("enlarge", || "a socket buffer")
    }

    /// The same end by another number, `least` or above.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn duplicate(&self, least: i32) -> Result<Self, HostError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, least).because("duplicate", || "a socket")?;
        Ok(Self { fd })
    }

    /// Sends `bytes` and `fds` as one message; waits for room unless `at_once`.
    ///
    /// # Errors
    /// `EAGAIN` when it would wait, `EPIPE` or `ECONNRESET` when the other end is gone, `EMSGSIZE` when too long.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>], at_once: bool) -> Result<(), Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::MSGSIZE);
        }
        let flags = if at_once { SendFlags::NOSIGNAL | SendFlags::DONTWAIT } else { SendFlags::NOSIGNAL };
        loop {
            match rustix::net::sendmsg(&self.fd, &[IoSlice::new(bytes)], &mut control, flags) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Receives one message into `buffer`; `None` when the other end is closed. Waits unless `at_once`.
    ///
    /// # Errors
    /// `EAGAIN` when it would wait.
    pub fn receive(&self, buffer: &mut [u8], at_once: bool) -> Result<Option<Message>, Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags =
            if at_once { RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT } else { RecvFlags::CMSG_CLOEXEC };
        let received = loop {
            match rustix::net::recvmsg(&self.fd, &mut [IoSliceMut::new(buffer)], &mut control, flags) {
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(None),
                other => break other?,
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        let truncated = received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC);
        // An empty message is not in our protocols: no bytes and no descriptors means closed.
        if received.bytes == 0 && fds.is_empty() {
            return Ok(None);
        }
        Ok(Some(Message { length: received.bytes, fds, truncated }))
    }

    /// Closes both directions, so that every holder of either end sees the end.
    pub fn shut_down(&self) {
        // It fails only if the other end did so first, which is what was asked for.
        let _ = rustix::net::shutdown(&self.fd, rustix::net::Shutdown::Both);
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for SeqPacket {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}
