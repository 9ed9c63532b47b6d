//! What daemon and agent say to each other over a port of the machine, for many programs at once.
//!
//! A frame is the number of a session (u32), a kind (u8), a length (u32, big-endian, at most [`MAX_PAYLOAD`]) and that many
//! bytes. The sessions' numbers are the daemon's; 0 is the machine itself.
//!
//! | kind | from | payload |
//! |---|---|---|
//! | 0 open | daemon | JSON, an [`Open`] |
//! | 1 stdin | daemon | bytes; none: end of input |
//! | 2 resize | daemon | rows u16, columns u16 |
//! | 3 signal | daemon | signal number u8 |
//! | 4 taken | both | one frame of bytes was taken |
//! | 5 power off | daemon | none; session 0 |
//! | 16 hello | agent | none; session 0: it listens |
//! | 17 stdout, 18 stderr | agent | bytes |
//! | 19 exit | agent | status i32, as a shell's `$?`; the last frame of the session |
//!
//! Of a session at most [`WINDOW`] frames of bytes are on their way in one direction: a slow reader keeps its own program
//! waiting, and no other.

use serde::{Deserialize, Serialize};

/// Bytes in front of a payload.
pub const HEADER: usize = 9;
/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 64 << 10;
/// Most bytes that senders put into one frame.
pub const CHUNK: usize = 16 << 10;
/// Frames of bytes that a session may have on the way, in each direction.
pub const WINDOW: usize = 8;

/// A program to be run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Open {
    /// The program and its arguments; empty: a shell.
    pub argv: Vec<String>,
    /// Its environment, beside what every program of the guest has.
    pub env: Vec<(String, String)>,
    /// Where it starts.
    pub cwd: Option<String>,
    /// Whom it runs as, `NAME[:GROUP]`, by the guest's own names.
    pub user: Option<String>,
    /// Rows and columns of the terminal it is to have.
    pub terminal: Option<(u16, u16)>,
    /// The words are netloom's own, as after `netloom guest`: no program of the guest.
    #[serde(default)]
    pub own: bool,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Run a program.
    Open(Box<Open>),
    /// Its input; empty: the end of it.
    Stdin(Vec<u8>),
    /// Its terminal has another size, rows and columns.
    Resize(u16, u16),
    /// Send it a signal.
    Signal(u8),
    /// A frame of bytes was taken.
    Taken,
    /// End the machine.
    PowerOff,
    /// The agent listens.
    Hello,
    /// Its output.
    Stdout(Vec<u8>),
    /// Its error output.
    Stderr(Vec<u8>),
    /// It has ended.
    Exit(i32),
}

/// What cannot be understood; nothing after it can be either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// No frame has this kind.
    #[error("Frame kind {0} does not exist")]
    Kind(u8),
    /// Longer than [`MAX_PAYLOAD`].
    #[error("A frame of {0} bytes is longer than {MAX_PAYLOAD}")]
    TooLong(u32),
    /// A payload of the wrong length or form for its kind.
    #[error("The payload of a frame of kind {0} has the wrong form")]
    Payload(u8),
}

impl Frame {
    const fn kind(&self) -> u8 {
        match self {
            Self::Open(_) => 0,
            Self::Stdin(_) => 1,
            Self::Resize(..) => 2,
            Self::Signal(_) => 3,
            Self::Taken => 4,
            Self::PowerOff => 5,
            Self::Hello => 16,
            Self::Stdout(_) => 17,
            Self::Stderr(_) => 18,
            Self::Exit(_) => 19,
        }
    }

    /// Appends the frame to `out`.
    ///
    /// # Panics
    /// With a payload longer than [`MAX_PAYLOAD`]: senders cut bytes, and ask [`Self::fits`] of an [`Open`].
    pub fn emit(&self, session: u32, out: &mut Vec<u8>) {
        let json;
        let (small, bytes): ([u8; 4], Option<&[u8]>) = match self {
            Self::Open(open) => {
                json = serde_json::to_vec(open).unwrap_or_default();
                ([0; 4], Some(&json))
            }
            Self::Stdin(bytes) | Self::Stdout(bytes) | Self::Stderr(bytes) => ([0; 4], Some(bytes)),
            Self::Resize(rows, columns) => {
                let ([a, b], [c, d]) = (rows.to_be_bytes(), columns.to_be_bytes());
                ([a, b, c, d], None)
            }
            Self::Exit(status) => (status.to_be_bytes(), None),
            Self::Signal(number) => ([*number, 0, 0, 0], None),
            Self::Taken | Self::PowerOff | Self::Hello => ([0; 4], None),
        };
        let length = match self {
            Self::Resize(..) | Self::Exit(_) => 4,
            Self::Signal(_) => 1,
            _ => 0,
        };
        let payload = bytes.unwrap_or_else(|| small.get(..length).unwrap_or_default());
        assert!(payload.len() <= MAX_PAYLOAD, "senders cut what they send");
        out.extend_from_slice(&session.to_be_bytes());
        out.push(self.kind());
        out.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// Whether what is to be run fits into a frame.
    #[must_use]
    pub fn fits(open: &Open) -> bool {
        serde_json::to_vec(open).is_ok_and(|json| json.len() <= MAX_PAYLOAD)
    }

    /// Reads a payload of the given kind.
    ///
    /// # Errors
    /// [`BadFrame::Kind`] and [`BadFrame::Payload`].
    pub fn parse(kind: u8, payload: &[u8]) -> Result<Self, BadFrame> {
        let bad = BadFrame::Payload(kind);
        let nothing = |frame: Self| if payload.is_empty() { Ok(frame) } else { Err(bad) };
        match kind {
            0 => serde_json::from_slice(payload).map(|open| Self::Open(Box::new(open))).map_err(|_| bad),
            1 => Ok(Self::Stdin(payload.to_vec())),
            2 => match *payload {
                [a, b, c, d] => Ok(Self::Resize(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
                _ => Err(bad),
            },
            3 => match *payload {
                [number] => Ok(Self::Signal(number)),
                _ => Err(bad),
            },
            4 => nothing(Self::Taken),
            5 => nothing(Self::PowerOff),
            16 => nothing(Self::Hello),
            17 => Ok(Self::Stdout(payload.to_vec())),
            18 => Ok(Self::Stderr(payload.to_vec())),
            19 => payload.try_into().map(|status| Self::Exit(i32::from_be_bytes(status))).map_err(|_| bad),
            _ => Err(BadFrame::Kind(kind)),
        }
    }

    /// Whether it counts for the window.
    #[must_use]
    pub const fn is_bytes(&self) -> bool {
        matches!(self, Self::Stdin(_) | Self::Stdout(_) | Self::Stderr(_))
    }
}

/// Puts frames together from what was read. It keeps no more than one frame and one read.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    used: usize,
    bad: Option<BadFrame>,
}

impl Decoder {
    /// Takes what was read. Take out all frames with [`Self::poll`] before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bad.is_none() {
            self.bytes.drain(..self.used);
            self.used = 0;
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next whole frame with its session; `None`: more must be read.
    ///
    /// # Errors
    /// [`BadFrame`], now and ever after: where the next frame starts is not known.
    pub fn poll(&mut self) -> Result<Option<(u32, Frame)>, BadFrame> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        self.next().inspect_err(|&bad| {
            self.bad = Some(bad);
            self.bytes = Vec::new();
            self.used = 0;
        })
    }

    fn next(&mut self) -> Result<Option<(u32, Frame)>, BadFrame> {
        let rest = self.bytes.get(self.used..).unwrap_or_default();
        let Some((&[s0, s1, s2, s3, kind, l0, l1, l2, l3], rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(BadFrame::TooLong(announced));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::parse(kind, payload)?;
        self.used += HEADER + length;
        Ok(Some((u32::from_be_bytes([s0, s1, s2, s3]), frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<(u32, Frame)> {
        let open = Open {
            argv: vec!["ls".to_owned()],
            env: vec![("A".to_owned(), "1".to_owned())],
            cwd: Some("/".to_owned()),
            user: None,
            terminal: Some((24, 80)),
            own: false,
        };
        vec![
            (0, Frame::Hello),
            (1, Frame::Open(Box::new(open))),
            (1, Frame::Stdin(b"x\n".to_vec())),
            (1, Frame::Stdin(Vec::new())),
            (7, Frame::Stdout(vec![0, 255])),
            (7, Frame::Stderr(b"oops".to_vec())),
            (7, Frame::Taken),
            (7, Frame::Resize(24, 80)),
            (7, Frame::Signal(15)),
            (u32::MAX, Frame::Exit(-1)),
            (0, Frame::PowerOff),
        ]
    }

    #[test]
    fn frames_survive_any_cut() {
        let mut wire = Vec::new();
        all().iter().for_each(|(session, frame)| frame.emit(*session, &mut wire));
        for size in [1, 2, 5, 9, 10, 64, wire.len()] {
            let (mut decoder, mut got) = (Decoder::default(), Vec::new());
            for piece in wire.chunks(size) {
                decoder.push(piece);
                while let Some(frame) = decoder.poll().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, all(), "pieces of {size}");
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let mut out = Vec::new();
        Frame::Exit(127).emit(258, &mut out);
        assert_eq!(out, [0, 0, 1, 2, 19, 0, 0, 0, 4, 0, 0, 0, 127]);
    }

    #[test]
    fn nonsense_is_refused_for_good() {
        for (kind, length, payload, bad) in [
            (99, 0, &[][..], BadFrame::Kind(99)),
            (17, 0x1_0001, &[], BadFrame::TooLong(0x1_0001)),
            (19, 1, &[1], BadFrame::Payload(19)),
            (4, 1, &[1], BadFrame::Payload(4)),
            (0, 1, b"{", BadFrame::Payload(0)),
        ] {
            let mut wire = vec![0, 0, 0, 1, kind];
            wire.extend_from_slice(&u32::to_be_bytes(length));
            wire.extend_from_slice(payload);
            let mut decoder = Decoder::default();
            decoder.push(&wire);
            assert_eq!(decoder.poll(), Err(bad));
            decoder.push(&[0; 64]);
            assert_eq!(decoder.poll(), Err(bad), "still");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_is_bounded(pieces in proptest::collection::vec(
            proptest::collection::vec(proptest::num::u8::ANY, 0..64), 0..32)) {
            let mut decoder = Decoder::default();
            for piece in pieces {
                decoder.push(&piece);
                while let Ok(Some((session, frame))) = decoder.poll() {
                    let mut out = Vec::new();
                    frame.emit(session, &mut out);
                    proptest::prop_assert!(out.len() >= HEADER);
                }
                proptest::prop_assert!(decoder.bytes.len() <= HEADER + MAX_PAYLOAD + 64);
            }
        }
    }
}
