//! Kernel receive stamps: when a datagram reached the machine's stack, not when a program got round to reading it.
//!
//! Source: Linux `Documentation/networking/timestamping.rst`, `SO_TIMESTAMPNS`.

#![expect(unsafe_code, reason = "recvmsg with this control message is in no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

use crate::error::{Because, HostError};
use crate::sockopt::{last_errno, set_int};

/// Has the kernel stamp every datagram `socket` receives from now on.
///
/// # Errors
/// Not met in practice.
pub fn enable(socket: impl AsFd) -> Result<(), HostError> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
        .because("ask for receive stamps of", || "a socket")
}

/// Receives a datagram: its bytes in `buffer` (a longer one is cut), and its stamp in nanoseconds since 1970 as
/// [`crate::clock::wall`] counts, if there is one.
///
/// # Errors
/// As recvmsg(2): `EAGAIN` when the socket does not block and nothing is there.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<(usize, Option<u64>), Errno> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut control = [0_u64; CONTROL / 8];
    // SAFETY: msghdr is numbers and pointers; all zero means "nothing".
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = CONTROL;
    loop {
        // SAFETY: `message` points to one part, which points to `buffer`, and to `control`; all outlive the call and say how
        // long they are.
        let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, 0) };
        match usize::try_from(received) {
            Ok(length) => return Ok((length, stamp_of(&control, message.msg_controllen))),
            Err(_) => match last_errno() {
                Errno::INTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// cmsghdr: length u64, level i32, type i32; then seconds i64, nanoseconds i64.
fn stamp_of(control: &[u64; CONTROL / 8], length: usize) -> Option<u64> {
    let [_, kind, seconds, nanos, ..] = *control;
    let [a, b, c, d, e, f, g, h] = kind.to_ne_bytes();
    let level = i32::from_ne_bytes([a, b, c, d]);
    let kind = i32::from_ne_bytes([e, f, g, h]);
    let ours = length >= 32 && level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS;
    ours.then(|| seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

const CONTROL: usize = 64;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::clock;

    #[test]
    fn the_stamp_lies_between_sending_and_reading() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = receiver.local_addr().unwrap();
        enable(&receiver).unwrap();
        let before = clock::wall();
        sender.send_to(b"hello", to).unwrap();
        let sent = clock::wall();
        let mut buffer = [0; 16];
        let (length, stamp) = receive(&receiver, &mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");
        let stamp = stamp.unwrap();
        // The kernel switches stamping on in the background; until then it stamps at reading.
        assert!(stamp >= before && stamp <= clock::wall().max(sent), "{before} {stamp}");
        receiver.set_nonblocking(true).unwrap();
        assert_eq!(receive(&receiver, &mut buffer), Err(Errno::AGAIN));
    }

    #[test]
    fn other_control_messages_are_no_stamps() {
        assert_eq!(stamp_of(&[32, 0, 5, 6, 0, 0, 0, 0], 32), None);
        assert_eq!(stamp_of(&[0; 8], 0), None);
    }
}
