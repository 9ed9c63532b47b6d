//! A pair of connected sockets that keep frames apart: what joins a port with a program that has the other end.
//!
//! Neither end ever waits. Unix sockets limit how many datagrams may wait for somebody (`net.unix.max_dgram_qlen`), but not
//! between two that are connected with each other: there only bytes count.
//!
//! Source: unix(7); Linux, `unix_dgram_sendmsg` in `net/unix/af_unix.c`.

#![expect(unsafe_code, reason = "sendmmsg has no safe form")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use crate::error::{Because, HostError};
use crate::packet_socket::{BATCH, ReceiveBatch};
use crate::sockopt::last_errno;

/// One end.
#[derive(Debug)]
pub struct Datagrams {
    fd: OwnedFd,
}

impl Datagrams {
    /// Makes a pair, each end with room for `bytes` that wait to be read by the other, as far as the machine allows.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn pair(bytes: usize) -> Result<(Self, Self), HostError> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)
            .because("make", || "a pair of sockets")?;
        for end in [&one, &other] {
            // Less room only means that more is dropped under load.
            if sockopt::set_socket_send_buffer_size_force(end, bytes).is_err() {
                let _ = sockopt::set_socket_send_buffer_size(end, bytes);
            }
        }
        Ok((Self { fd: one }, Self { fd: other }))
    }

    /// The same end again.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn try_clone(&self) -> Result<Self, HostError> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).because("duplicate", || "a socket")?;
        Ok(Self { fd })
    }

    /// Receives up to `max` frames into `batch`; returns how many. In front of each there is no header.
    ///
    /// # Errors
    /// `EAGAIN` when there is none.
    pub fn receive(&self, batch: &mut ReceiveBatch, max: usize) -> Result<usize, Errno> {
        batch.fill(self.fd.as_fd(), 0, max.min(BATCH))
    }

    /// Sends frames; returns how many the other end took before the first it did not.
    ///
    /// # Errors
    /// Why it took none: `EAGAIN` when it has no room, `ECONNREFUSED` or `ECONNRESET` when it is gone.
    pub fn send<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Result<usize, Errno> {
        let mut parts = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
        // SAFETY: mmsghdr is numbers and pointers; all zero means "nothing".
        let mut messages: [libc::mmsghdr; BATCH] = unsafe { std::mem::zeroed() };
        let mut count = 0;
        for ((frame, part), message) in frames.into_iter().zip(&mut parts).zip(&mut messages) {
            *part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        loop {
            // SAFETY: `count` messages point to parts that point to slices, all of which outlive the call; sendmmsg does not
            // write to the frames.
            let sent = unsafe { libc::sendmmsg(self.fd.as_raw_fd(), messages.as_mut_ptr(), count, flags) };
            match usize::try_from(sent) {
                Ok(sent) => return Ok(sent),
                Err(_) => match last_errno() {
                    Errno::INTR => {}
                    errno => return Err(errno),
                },
            }
        }
    }

    /// Throws away what waits to be read here.
    pub fn drain(&self) {
        let mut byte = [0; 1];
        while rustix::net::recv(&self.fd, &mut byte, RecvFlags::DONTWAIT | RecvFlags::TRUNC).is_ok() {}
    }
}

impl AsFd for Datagrams {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet_socket::FRONT;

    #[test]
    fn frames_arrive_one_by_one_and_more_than_the_machine_lets_strangers_send() {
        let (one, other) = Datagrams::pair(1 << 20).unwrap();
        let frames: Vec<Vec<u8>> = (0..100_u8).map(|n| vec![n; 60 + usize::from(n)]).collect();
        let mut sent = 0;
        while sent < frames.len() {
            sent += one.send(frames[sent..].iter().map(Vec::as_slice)).unwrap();
        }
        let mut batch = ReceiveBatch::new();
        let mut got = Vec::new();
        while let Ok(count) = other.receive(&mut batch, BATCH) {
            for n in 0..count {
                let frame = batch.frame(n).unwrap();
                assert!(!frame.truncated && frame.tag.is_none());
                got.push(frame.buffer[FRONT..FRONT + frame.length].to_vec());
            }
        }
        assert_eq!(got, frames);
    }

    #[test]
    fn nobody_waits_for_a_reader_and_what_waits_can_be_thrown_away() {
        let (one, other) = Datagrams::pair(1 << 16).unwrap();
        let frame = [7; 1_500];
        let refused = (0..10_000).find_map(|_| one.send([&frame[..]]).err());
        assert_eq!(refused, Some(Errno::AGAIN));
        other.drain();
        assert_eq!(one.send([&frame[..]]), Ok(1));
        drop(other);
        assert!(matches!(one.send([&frame[..]]), Err(Errno::CONNREFUSED | Errno::CONNRESET)));
    }
}
