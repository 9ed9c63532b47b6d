//! Sockets of the lab's own kinds, waited for by tokio.

use std::io;
use std::net::UdpSocket as Plain;
use std::os::fd::{AsFd, OwnedFd};

use netloom_sys::underlay::{BATCH, Datagrams, Outgoing, UnderlaySocket};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A socket for datagrams by the batch.
#[derive(Debug)]
pub(super) struct Waited {
    socket: UnderlaySocket,
    /// A second descriptor of the same socket: tokio waits for sockets of its own kinds only.
    ready: UdpSocket,
}

impl Waited {
    /// Waits for `socket`.
    ///
    /// # Errors
    /// No fd left.
    pub(super) fn new(socket: UnderlaySocket) -> io::Result<Self> {
        let ready = wait_for(socket.as_fd().try_clone_to_owned()?)?;
        Ok(Self { socket, ready })
    }

    /// Receives at least one datagram, or an error about an earlier one.
    pub(super) async fn receive(&self, batch: &mut Datagrams) -> io::Result<usize> {
        loop {
            self.ready.readable().await?;
            let receive = || self.socket.receive(batch, BATCH).map_err(io::Error::from);
            match self.ready.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    /// Sends a datagram at once; whether the kernel took it.
    pub(super) fn send(&self, datagram: Outgoing<'_>) -> bool {
        self.socket.send([datagram]).is_ok()
    }
}

/// Any datagram socket, so that it can be waited for.
///
/// # Errors
/// No fd left.
pub(super) fn wait_for(fd: OwnedFd) -> io::Result<UdpSocket> {
    let socket = Plain::from(fd);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
