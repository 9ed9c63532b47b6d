//! ICMP messages that a gateway sends to nodes.
//!
//! ```text
//! error: type code checksum:16 unused:32 | the packet it is about, from its IP header
//! reply: type code checksum:16 id:16 sequence:16 | data
//! ```
//!
//! Source: RFC 792, RFC 1812 §5.2.7, RFC 4443 §3.1 and §4.2.

use netloom_packet::checksum::checksum;
use netloom_sys::icmp::kind;

/// Why a destination is not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// The machine knows no way.
    Network,
    /// Nobody answers on the last link.
    Host,
    /// The machine does not let its users.
    Prohibited,
}

/// The error about a packet; the checksum of ICMPv6 is the kernel's to fill in.
pub(super) fn unreachable(v6: bool, why: Unreachable, quote: &[u8]) -> Vec<u8> {
    let (kind, code) = match (v6, why) {
        (false, Unreachable::Network) => (3, 0),
        (false, Unreachable::Host) => (3, 1),
        (false, Unreachable::Prohibited) => (3, 13),
        (true, Unreachable::Network) => (1, 0),
        (true, Unreachable::Host) => (1, 3),
        (true, Unreachable::Prohibited) => (1, 1),
    };
    let message = [&[kind, code, 0, 0, 0, 0, 0, 0], quote].concat();
    finished(v6, message)
}

/// The reply to an echo request.
pub(super) fn echo_reply(v6: bool, id: u16, sequence: u16, data: &[u8]) -> Vec<u8> {
    echo(if v6 { kind::REPLY_V6 } else { kind::REPLY }, v6, id, sequence, data)
}

/// An echo request; a ping socket puts in its own identifier.
pub(super) fn echo_request(v6: bool, sequence: u16, data: &[u8]) -> Vec<u8> {
    echo(if v6 { kind::REQUEST_V6 } else { kind::REQUEST }, v6, 0, sequence, data)
}

/// Sequence number and data of an echo reply.
pub(super) fn read_reply(v6: bool, message: &[u8]) -> Option<(u16, &[u8])> {
    let (&[kind, _, _, _, _, _, s, q], data) = message.split_first_chunk::<8>()?;
    let is_reply = kind == if v6 { kind::REPLY_V6 } else { kind::REPLY };
    is_reply.then_some((u16::from_be_bytes([s, q]), data))
}

fn echo(kind: u8, v6: bool, id: u16, sequence: u16, data: &[u8]) -> Vec<u8> {
    let ([i, d], [s, q]) = (id.to_be_bytes(), sequence.to_be_bytes());
    finished(v6, [&[kind, 0, 0, 0, i, d, s, q], data].concat())
}

fn finished(v6: bool, mut message: Vec<u8>) -> Vec<u8> {
    if !v6 {
        let sum = checksum(&message).to_be_bytes();
        if let Some(field) = message.get_mut(2..4) {
            field.copy_from_slice(&sum);
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_add_up() {
        let error = unreachable(false, Unreachable::Host, &[0x45, 0, 0, 20]);
        assert_eq!((&error[..2], checksum(&error)), (&[3, 1][..], 0));
        let reply = echo_reply(false, 7, 9, b"filler");
        assert_eq!(checksum(&reply), 0);
        assert_eq!(read_reply(false, &reply), Some((9, &b"filler"[..])));
        assert_eq!(read_reply(true, &reply), None);
        assert_eq!(read_reply(false, &reply[..7]), None);
        assert_eq!(echo_request(true, 1, b"x"), [128, 0, 0, 0, 0, 0, 0, 1, b'x']);
    }
}
