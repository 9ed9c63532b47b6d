//! The framed stream of `exec`, `logs`, `capture` and `top`.
//!
//! A frame is a kind (u8), a length (u32, big-endian, at most [`MAX_PAYLOAD`]) and that many bytes:
//!
//! | kind | from | payload |
//! |---|---|---|
//! | 0 stdin | client | bytes; none: end of input |
//! | 1 stdout, 2 stderr | lab | bytes |
//! | 3 resize | client | rows u16, columns u16 |
//! | 4 signal | client | signal number u8 |
//! | 5 exit | lab | exit status i32, as a shell's `$?` (128 + signal); the last frame |
//! | 6 event | lab | JSON |
//! | 7 error | lab | JSON, an [`ApiError`]; the last frame |
//!
//! This is bytes in, bytes out: [`Frame::emit`] appends to a buffer, [`Decoder`] takes what was read in any
//! pieces. Whatever the other side sends, the decoder keeps no more than one frame and never panics.

use crate::{ApiError, TermSize};

/// Bytes in front of a payload.
pub const HEADER: usize = 5;
/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Input for the program; empty: end of input.
    Stdin(Vec<u8>),
    /// The program's output.
    Stdout(Vec<u8>),
    /// The program's error output.
    Stderr(Vec<u8>),
    /// The terminal has a new size.
    Resize(TermSize),
    /// Send the program a signal.
    Signal(u8),
    /// The program ended.
    Exit(i32),
    /// JSON.
    Event(String),
    /// The command could not be done.
    Error(Box<ApiError>),
}

/// Why a stream cannot be understood; nothing after it can be either.
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
    /// The frame's kind as sent.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Stdin(_) => 0,
            Self::Stdout(_) => 1,
            Self::Stderr(_) => 2,
            Self::Resize(_) => 3,
            Self::Signal(_) => 4,
            Self::Exit(_) => 5,
            Self::Event(_) => 6,
            Self::Error(_) => 7,
        }
    }

    /// Appends the frame to `out`. A payload longer than [`MAX_PAYLOAD`] goes out as several frames if it is
    /// plain bytes; an event or error that long is cut to an empty one, which no caller of ours produces.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Stdin(bytes) | Self::Stdout(bytes) | Self::Stderr(bytes) => {
                emit_bytes(self.kind(), bytes, out)
            }
            Self::Resize(size) => {
                let [r0, r1] = size.rows.to_be_bytes();
                let [c0, c1] = size.columns.to_be_bytes();
                emit_one(3, &[r0, r1, c0, c1], out);
            }
            Self::Signal(number) => emit_one(4, &[*number], out),
            Self::Exit(status) => emit_one(5, &status.to_be_bytes(), out),
            Self::Event(text) => emit_one(6, text.as_bytes(), out),
            Self::Error(error) => emit_one(7, &serde_json::to_vec(error).unwrap_or_default(), out),
        }
    }

    /// Reads a payload of the given kind.
    ///
    /// # Errors
    /// [`BadFrame::Kind`] and [`BadFrame::Payload`].
    pub fn parse(kind: u8, payload: &[u8]) -> Result<Self, BadFrame> {
        let bad = BadFrame::Payload(kind);
        Ok(match kind {
            0 => Self::Stdin(payload.to_vec()),
            1 => Self::Stdout(payload.to_vec()),
            2 => Self::Stderr(payload.to_vec()),
            3 => {
                let &[r0, r1, c0, c1] = payload else { return Err(bad) };
                Self::Resize(TermSize {
                    rows: u16::from_be_bytes([r0, r1]),
                    columns: u16::from_be_bytes([c0, c1]),
                })
            }
            4 => {
                let &[number] = payload else { return Err(bad) };
                Self::Signal(number)
            }
            5 => Self::Exit(i32::from_be_bytes(payload.try_into().map_err(|_| bad)?)),
            6 => Self::Event(String::from_utf8(payload.to_vec()).map_err(|_| bad)?),
            7 => Self::Error(serde_json::from_slice(payload).map_err(|_| bad)?),
            _ => return Err(BadFrame::Kind(kind)),
        })
    }
}

/// Appends `bytes` as frames of `kind` (0, 1 or 2) without building a [`Frame`] first.
pub fn emit_bytes(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        emit_one(kind, bytes, out);
    }
    for part in bytes.chunks(MAX_PAYLOAD) {
        emit_one(kind, part, out);
    }
}

fn emit_one(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let payload = if payload.len() > MAX_PAYLOAD { &[] } else { payload };
    let length = u32::try_from(payload.len()).unwrap_or(0);
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Puts frames together from what was read.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// How much of the front is used up.
    used: usize,
    bad: Option<BadFrame>,
}

impl Decoder {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. Take out all frames with [`Self::poll`] before the next call: that is what bounds
    /// the memory to one frame and one read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.bad.is_some() {
            return;
        }
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; `None`: more must be read.
    ///
    /// # Errors
    /// [`BadFrame`], now and ever after: where the next frame starts is not known.
    pub fn poll(&mut self) -> Result<Option<Frame>, BadFrame> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        self.next().inspect_err(|&bad| {
            self.bad = Some(bad);
            self.bytes = Vec::new();
            self.used = 0;
        })
    }

    fn next(&mut self) -> Result<Option<Frame>, BadFrame> {
        let rest = self.bytes.get(self.used..).unwrap_or_default();
        let Some((&[kind, l0, l1, l2, l3], rest)) = rest.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        if kind > 7 {
            return Err(BadFrame::Kind(kind));
        }
        let announced = u32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(BadFrame::TooLong(announced));
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let frame = Frame::parse(kind, payload)?;
        self.used += HEADER + length;
        Ok(Some(frame))
    }

    /// Whether the stream stops in the middle of a frame.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.used < self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn all() -> Vec<Frame> {
        vec![
            Frame::Stdin(vec![]),
            Frame::Stdin(b"ls\n".to_vec()),
            Frame::Stdout(vec![0, 255, 7]),
            Frame::Stderr(b"oops".to_vec()),
            Frame::Resize(TermSize { rows: 24, columns: 80 }),
            Frame::Signal(15),
            Frame::Event(r#"{"pps":3}"#.into()),
            Frame::Error(Box::new(ApiError::new(ErrorKind::NotFound, "No node h9."))),
            Frame::Exit(-1),
        ]
    }

    fn bytes(frames: &[Frame]) -> Vec<u8> {
        let mut out = vec![];
        frames.iter().for_each(|frame| frame.emit(&mut out));
        out
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        assert_eq!(
            bytes(&[Frame::Resize(TermSize { rows: 24, columns: 80 })]),
            [3, 0, 0, 0, 4, 0, 24, 0, 80]
        );
        assert_eq!(bytes(&[Frame::Exit(127)]), [5, 0, 0, 0, 4, 0, 0, 0, 127]);
        assert_eq!(bytes(&[Frame::Stdin(b"x".to_vec())]), [0, 0, 0, 0, 1, b'x']);
    }

    #[test]
    fn frames_survive_any_cut() {
        let wire = bytes(&all());
        for size in [1, 2, 3, 5, 7, 64, wire.len()] {
            let (mut decoder, mut got) = (Decoder::new(), vec![]);
            for piece in wire.chunks(size) {
                decoder.push(piece);
                while let Some(frame) = decoder.poll().unwrap() {
                    got.push(frame);
                }
            }
            assert_eq!(got, all(), "pieces of {size}");
            assert!(!decoder.is_torn());
        }
    }

    #[test]
    fn a_torn_end_is_noticed() {
        let wire = bytes(&[Frame::Stdout(b"abc".to_vec())]);
        for length in 1..wire.len() {
            let mut decoder = Decoder::new();
            decoder.push(&wire[..length]);
            assert_eq!(decoder.poll(), Ok(None));
            assert!(decoder.is_torn(), "{length} bytes");
        }
    }

    #[test]
    fn nonsense_is_refused_for_good() {
        for (wire, bad) in [
            (&[8, 0, 0, 0, 0][..], BadFrame::Kind(8)),
            (&[1, 0, 16, 0, 1], BadFrame::TooLong(0x10_0001)),
            (&[3, 0, 0, 0, 1, 9], BadFrame::Payload(3)),
            (&[4, 0, 0, 0, 0], BadFrame::Payload(4)),
            (&[5, 0, 0, 0, 1, 0], BadFrame::Payload(5)),
            (&[6, 0, 0, 0, 1, 0xff], BadFrame::Payload(6)),
            (&[7, 0, 0, 0, 1, b'{'], BadFrame::Payload(7)),
        ] {
            let mut decoder = Decoder::new();
            decoder.push(wire);
            assert_eq!(decoder.poll(), Err(bad));
            decoder.push(&bytes(&[Frame::Exit(0)]));
            assert_eq!(decoder.poll(), Err(bad), "still");
        }
    }

    #[test]
    fn long_output_goes_out_in_several_frames() {
        let long = vec![7; MAX_PAYLOAD + 3];
        let mut decoder = Decoder::new();
        decoder.push(&bytes(&[Frame::Stdout(long)]));
        let lengths: Vec<_> = std::iter::from_fn(|| decoder.poll().unwrap())
            .map(|frame| match frame {
                Frame::Stdout(part) => part.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(lengths, [MAX_PAYLOAD, 3]);
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_in_is_bounded(pieces in proptest::collection::vec(
            proptest::collection::vec(proptest::num::u8::ANY, 0..64), 0..32)) {
            let mut decoder = Decoder::new();
            for piece in pieces {
                decoder.push(&piece);
                while let Ok(Some(frame)) = decoder.poll() {
                    let mut out = vec![];
                    frame.emit(&mut out);
                    proptest::prop_assert!(out.len() >= HEADER);
                }
                proptest::prop_assert!(decoder.bytes.len() <= HEADER + MAX_PAYLOAD + 64);
            }
        }
    }
}
