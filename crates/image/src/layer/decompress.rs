//! Decompression. The first bytes say what a blob is; media types are often wrong, and the digest of the result is checked
//! anyway.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// A layer's tar file.
pub(crate) enum Unpacked<R: Read> {
    Plain(BufReader<R>),
    Gzip(Box<MultiGzDecoder<BufReader<R>>>),
    Zstd(Zstd<BufReader<R>>),
}

impl<R: Read> Unpacked<R> {
    pub(crate) fn new(inner: R) -> io::Result<Self> {
        let mut inner = BufReader::with_capacity(64 << 10, inner);
        let head = inner.fill_buf()?;
        Ok(if head.starts_with(&GZIP) {
            Self::Gzip(Box::new(MultiGzDecoder::new(inner)))
        } else if head.starts_with(&ZSTD) || is_skippable(head) {
            Self::Zstd(Zstd { state: Some(State::Between(inner)) })
        } else {
            Self::Plain(inner)
        })
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(buffer),
            Self::Gzip(inner) => inner.read(buffer),
            Self::Zstd(inner) => inner.read(buffer),
        }
    }
}

/// RFC 1952 §2.3.1.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// RFC 8878 §3.1.1.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// RFC 8878 §3.1.2: 0x184d2a50 to 0x184d2a5f, little-endian.
fn is_skippable(head: &[u8]) -> bool {
    matches!(head, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Frames one after the other, as parallel compressors write them; between them such that hold no data.
pub(crate) struct Zstd<R: BufRead> {
    state: Option<State<R>>,
}

/// The first bytes of a frame are put back in front.
type Frame<R> = StreamingDecoder<Chain<Cursor<[u8; 4]>, R>, FrameDecoder>;

enum State<R: BufRead> {
    Between(R),
    Inside(Box<Frame<R>>),
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state.take() {
                None => return Err(io::Error::other("the layer failed before")),
                Some(State::Inside(mut decoder)) => {
                    let n = decoder.read(buffer)?;
                    if n > 0 || buffer.is_empty() {
                        self.state = Some(State::Inside(decoder));
                        return Ok(n);
                    }
                    self.state = Some(State::Between(decoder.into_inner().into_inner().1));
                }
                Some(State::Between(mut inner)) => {
                    if inner.fill_buf()?.is_empty() {
                        self.state = Some(State::Between(inner));
                        return Ok(0);
                    }
                    self.state = Some(next_frame(inner)?);
                }
            }
        }
    }
}

fn next_frame<R: BufRead>(mut inner: R) -> io::Result<State<R>> {
    // A decoder that meets a frame without data gives up, and has eaten its head: so we look first.
    let mut head = [0; 4];
    inner.read_exact(&mut head)?;
    if is_skippable(&head) {
        let mut length = [0; 4];
        inner.read_exact(&mut length)?;
        let length = u64::from(u32::from_le_bytes(length));
        if io::copy(&mut inner.by_ref().take(length), &mut io::sink())? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        return Ok(State::Between(inner));
    }
    // A frame's window is bounded by the decoder, at 128 MiB.
    let decoder = StreamingDecoder::new(Cursor::new(head).chain(inner)).map_err(io::Error::other)?;
    Ok(State::Inside(Box::new(decoder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Unpacked::new(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
        let mut out = Vec::new();
        encoder.read_to_end(&mut out).unwrap();
        out
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn the_first_bytes_decide() {
        let text = b"layer ".repeat(1_000);
        assert_eq!(unpacked(&text).unwrap(), text);
        assert_eq!(unpacked(&gzip(&text)).unwrap(), text);
        assert_eq!(unpacked(&zstd(&text)).unwrap(), text);
        assert_eq!(unpacked(b"").unwrap(), b"");
    }

    #[test]
    fn pieces_are_joined_and_frames_without_data_passed_over() {
        assert_eq!(unpacked(&[gzip(b"one"), gzip(b"two")].concat()).unwrap(), b"onetwo");
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"toc"].concat();
        let whole = [&skippable[..], &zstd(b"one"), &skippable, &zstd(b"two"), &skippable].concat();
        assert_eq!(unpacked(&whole).unwrap(), b"onetwo");
    }

    #[test]
    fn every_truncation_is_noticed() {
        let text: Vec<u8> =
            (0..2_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        for whole in [gzip(&text), zstd(&text)] {
            for end in (4..whole.len()).step_by(97) {
                assert!(unpacked(&whole[..end]).is_err(), "cut at {end} of {}", whole.len());
            }
        }
    }
}
