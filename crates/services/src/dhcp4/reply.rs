//! What the server says.

use std::net::Ipv4Addr;

use super::message::Request;
use super::{COOKIE, FIXED, option};

/// Every client takes as much (RFC 2131 section 2), IP and UDP headers included.
const LEAST: usize = 576;
/// IP and UDP headers.
const HEADERS: usize = 28;
/// Some clients take no shorter message: the size of BOOTP's.
const SHORTEST: usize = 300;

/// A message in the making.
pub(super) struct Reply {
    bytes: Vec<u8>,
    /// Bytes that it may have.
    room: usize,
}

impl Reply {
    /// An answer of some kind that gives `yiaddr`, to a client whose link takes `mtu` bytes.
    pub(super) fn new(kind: u8, request: &Request<'_>, server: Ipv4Addr, yiaddr: Ipv4Addr, mtu: u16) -> Self {
        let taken = request.max_len.map_or(LEAST, usize::from).max(LEAST).min(usize::from(mtu).max(LEAST));
        let mut bytes = vec![2, 1, 6, 0];
        bytes.extend(request.xid.to_be_bytes());
        bytes.extend(0u16.to_be_bytes());
        bytes.extend(if request.broadcast { [0x80, 0] } else { [0, 0] });
        bytes.extend(request.ciaddr.octets());
        bytes.extend(yiaddr.octets());
        bytes.resize(28, 0);
        bytes.extend(request.mac.0);
        bytes.resize(FIXED - 4, 0);
        bytes.extend(COOKIE);
        let mut reply = Self { bytes, room: taken - HEADERS };
        reply.put(option::KIND, &[kind]);
        reply.put(option::SERVER_ID, &server.octets());
        if let Some(id) = request.client_id {
            reply.put(option::CLIENT_ID, id);
        }
        reply
    }

    /// Adds an option if there is room for all of it and for the end; a long one in pieces (RFC 3396).
    pub(super) fn put(&mut self, code: u8, value: &[u8]) {
        let pieces = value.chunks(255);
        let len = value.len() + 2 * pieces.len();
        if self.bytes.len() + len + 1 > self.room {
            return;
        }
        for piece in pieces {
            self.bytes.push(code);
            self.bytes.push(u8::try_from(piece.len()).unwrap_or(0));
            self.bytes.extend(piece);
        }
    }

    /// Adds a number.
    pub(super) fn put_long(&mut self, code: u8, value: u32) {
        self.put(code, &value.to_be_bytes());
    }

    /// The message.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(option::END);
        let len = self.bytes.len().max(SHORTEST);
        self.bytes.resize(len, 0);
        self.bytes
    }
}
