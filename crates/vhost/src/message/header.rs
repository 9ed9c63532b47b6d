//! The 12 bytes in front of every message.

/// Bytes of a header.
pub const HEADER: usize = 12;

/// The front of a message: request u32, flags u32, payload size u32, in the machine's own byte order.
///
/// | bits of flags | |
/// |---|---|
/// | 0-1 | version, always 1 |
/// | 2 | this is a reply |
/// | 3 | the sender wants an acknowledgement ([`protocol::REPLY_ACK`](crate::feature::protocol::REPLY_ACK)) |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The number of the request.
    pub request: u32,
    /// Version and bits.
    pub flags: u32,
    /// Bytes of payload that follow.
    pub size: u32,
}

impl Header {
    /// Reads one.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER]) -> Self {
        let [r0, r1, r2, r3, f0, f1, f2, f3, s0, s1, s2, s3] = *bytes;
        Self {
            request: u32::from_ne_bytes([r0, r1, r2, r3]),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            size: u32::from_ne_bytes([s0, s1, s2, s3]),
        }
    }

    /// Whether the version is the one there is.
    #[must_use]
    pub fn is_version_1(&self) -> bool {
        self.flags & VERSION_MASK == VERSION
    }

    /// Whether the sender waits for an acknowledgement.
    #[must_use]
    pub fn needs_reply(&self) -> bool {
        self.flags & NEED_REPLY != 0
    }
}

/// A whole reply to `request`.
pub(crate) fn reply(request: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    for word in [request, VERSION | REPLY, size] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(payload);
    bytes
}

const VERSION: u32 = 1;
const VERSION_MASK: u32 = 0x3;
const REPLY: u32 = 1 << 2;
const NEED_REPLY: u32 = 1 << 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_reads_back() {
        let bytes = reply(11, &[1, 2, 3]);
        let header = Header::parse(bytes.first_chunk().unwrap());
        assert_eq!(header, Header { request: 11, flags: 5, size: 3 });
        assert!(header.is_version_1() && !header.needs_reply());
        assert_eq!(bytes[HEADER..], [1, 2, 3]);
    }
}
