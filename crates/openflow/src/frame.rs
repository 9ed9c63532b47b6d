//! Messages in a stream of bytes.
//!
//! ```text
//! version:8 type:8 length:16 xid:32, then length - 8 bytes; all big-endian
//! ```

use netloom_packet::bytes::{be16, be32, u8_at};

use crate::Xid;

/// Length of the header.
pub const HEADER_LEN: usize = 8;

/// The header of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version's number, which need not be one we know.
    pub version: u8,
    /// The type; what it means depends on the version.
    pub kind: u8,
    /// The length of the whole message.
    pub len: u16,
    /// The transaction id.
    pub xid: Xid,
}

impl Header {
    /// Reads the header at the front of `bytes`; `None` under 8 bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            version: u8_at(bytes, 0)?,
            kind: u8_at(bytes, 1)?,
            len: be16(bytes, 2)?,
            xid: Xid(be32(bytes, 4)?),
        })
    }

    /// The header as bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let ([l0, l1], [x0, x1, x2, x3]) = (self.len.to_be_bytes(), self.xid.0.to_be_bytes());
        [self.version, self.kind, l0, l1, x0, x1, x2, x3]
    }
}

/// The first bytes of a message, at most 64: what an error message quotes of the request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl Head {
    /// How many bytes it holds at most.
    pub const MAX: usize = 64;

    /// The first bytes of `message`.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        let mut head = Self::default();
        let kept = message.get(..Self::MAX).unwrap_or(message);
        if let Some(bytes) = head.bytes.get_mut(..kept.len()) {
            bytes.copy_from_slice(kept);
        }
        head.len = u8::try_from(kept.len()).unwrap_or(0);
        head
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    /// The transaction id of the message it is of.
    #[must_use]
    pub fn xid(&self) -> Xid {
        Header::parse(self.bytes()).map_or(Xid::NONE, |header| header.xid)
    }
}

impl Default for Head {
    fn default() -> Self {
        Self { len: 0, bytes: [0; Self::MAX] }
    }
}

impl std::fmt::Debug for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Head({:02x?})", self.bytes())
    }
}

/// Bytes as they arrive, cut into messages.
///
/// It never holds more than what was pushed and not yet taken; a message has at most 65,535 bytes.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    taken: usize,
}

/// A length that no message can have: under 8. The stream cannot be cut any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A message says that it is {0} bytes long; its header alone has 8")]
pub struct TooShort(pub u16);

impl Frames {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, with its header.
    ///
    /// # Errors
    /// [`TooShort`], then and ever after.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, TooShort> {
        let rest = self.buffer.get(self.taken..).unwrap_or(&[]);
        let Some(header) = Header::parse(rest) else { return Ok(None) };
        let len = usize::from(header.len);
        if len < HEADER_LEN {
            return Err(TooShort(header.len));
        }
        if rest.len() < len {
            return Ok(None);
        }
        let start = self.taken;
        self.taken += len;
        Ok(self.buffer.get(start..self.taken))
    }

    /// Cuts whole messages off the front, as many as are `wanted` one after the other and have no more than `most` bytes
    /// together. `None`: they have fewer than `least`; then nothing is cut.
    pub fn cut(&mut self, least: usize, most: usize, wanted: impl Fn(&Header) -> bool) -> Option<Vec<u8>> {
        let rest = self.buffer.get(self.taken..).unwrap_or(&[]);
        let mut end = 0;
        while let Some(header) = rest.get(end..).and_then(Header::parse) {
            let next = end + usize::from(header.len);
            if usize::from(header.len) < HEADER_LEN || next > rest.len().min(most) || !wanted(&header) {
                break;
            }
            end = next;
        }
        let cut = rest.get(..end).filter(|cut| cut.len() >= least)?.to_vec();
        self.taken += end;
        Some(cut)
    }

    /// How many bytes wait.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: [u8; 10] = [4, 2, 0, 10, 0, 0, 0, 7, 0xaa, 0xbb];
    const HELLO: [u8; 8] = [4, 0, 0, 8, 0, 0, 0, 1];

    #[test]
    fn a_header_is_read_and_written() {
        let header = Header::parse(&ECHO).expect("8 bytes");
        assert_eq!(header, Header { version: 4, kind: 2, len: 10, xid: Xid(7) });
        assert_eq!(header.emit(), ECHO[..8]);
        for len in 0..8 {
            assert_eq!(Header::parse(&ECHO[..len]), None);
        }
    }

    #[test]
    fn messages_are_cut_wherever_the_bytes_break() {
        let stream: Vec<u8> = [&HELLO[..], &ECHO, &HELLO].concat();
        for step in 1..stream.len() {
            let (mut frames, mut seen) = (Frames::default(), Vec::new());
            for piece in stream.chunks(step) {
                frames.push(piece);
                while let Some(frame) = frames.next_frame().expect("lengths are right") {
                    seen.push(frame.to_vec());
                }
            }
            assert_eq!(seen, [HELLO.to_vec(), ECHO.to_vec(), HELLO.to_vec()]);
            assert_eq!(frames.pending(), 0);
        }
    }

    #[test]
    fn whole_messages_are_cut_off_the_front_as_long_as_they_are_wanted() {
        let mut frames = Frames::default();
        frames.push(&[&ECHO[..], &ECHO, &HELLO, &ECHO, &ECHO[..5]].concat());
        let echo = |header: &Header| header.kind == 2;
        assert_eq!(frames.cut(21, 100, echo), None, "a hello comes before there is enough");
        assert_eq!(frames.cut(10, 19, echo), Some(ECHO.to_vec()), "no more than asked for");
        assert_eq!(frames.cut(1, 100, echo), Some(ECHO.to_vec()));
        assert_eq!(frames.cut(1, 100, echo), None);
        assert_eq!(frames.next_frame(), Ok(Some(&HELLO[..])));
        assert_eq!(frames.cut(1, 100, echo), Some(ECHO.to_vec()), "what has not all come stays");
        assert_eq!(frames.pending(), 5);
        let mut broken = Frames::default();
        broken.push(&[4, 2, 0, 7, 0, 0, 0, 1]);
        assert_eq!(broken.cut(0, 100, echo), Some(Vec::new()));
        assert_eq!(broken.next_frame(), Err(TooShort(7)));
    }

    #[test]
    fn a_length_under_8_ends_the_stream() {
        let mut frames = Frames::default();
        frames.push(&[4, 0, 0, 7, 0, 0, 0, 1, 4, 0, 0, 8]);
        assert_eq!(frames.next_frame(), Err(TooShort(7)));
        assert_eq!(frames.next_frame(), Err(TooShort(7)));
    }

    #[test]
    fn heads_hold_64_bytes() {
        assert_eq!(Head::of(&ECHO).bytes(), ECHO);
        assert_eq!(Head::of(&ECHO).xid(), Xid(7));
        assert_eq!(Head::of(&[1; 100]).bytes(), [1; 64]);
        assert_eq!(Head::default().xid(), Xid::NONE);
    }
}
