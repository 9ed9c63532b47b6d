//! As much of an HTTP/1.1 client as a command needs: one request, one answer, no runtime.
//!
//! A blocking client that starts nothing keeps `exec` at a few milliseconds.

use std::io::{self, BufRead, BufReader, Read, Write};

/// Longest header block of an answer in bytes; ours have some hundred.
const HEAD: usize = 16 << 10;

/// An answer, its body not read.
#[derive(Debug)]
pub(crate) struct Answer<R> {
    pub(crate) status: u16,
    pub(crate) body: Body<BufReader<R>>,
}

/// A body, whatever its framing.
#[derive(Debug)]
pub(crate) struct Body<R> {
    read: R,
    framing: Framing,
    /// Bytes left of the chunk, or of the body.
    left: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// `content-length`.
    Length,
    /// `transfer-encoding: chunked`; before the first chunk.
    First,
    /// Inside, or after a chunk whose line end is not read.
    Chunked,
    /// Until the connection closes.
    Close,
    /// All read.
    Done,
}

/// Sends a POST; with `upgrade`, asks for that protocol.
pub(crate) fn post(to: &mut impl Write, path: &str, body: &[u8], upgrade: Option<&str>) -> io::Result<()> {
    let connection = match upgrade {
        Some(protocol) => format!("connection: upgrade\r\nupgrade: {protocol}"),
        None => "connection: close".to_owned(),
    };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{connection}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    to.write_all(&request)
}

/// Reads the head of an answer.
pub(crate) fn read<R: Read>(from: R) -> io::Result<Answer<R>> {
    let mut read = BufReader::with_capacity(32 << 10, from);
    let mut head = read.by_ref().take(HEAD as u64);
    let first = line(&mut head)?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| bad("no status line"))?;
    let (mut framing, mut left) = (Framing::Close, 0);
    loop {
        let line = line(&mut head)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            left = value.parse().map_err(|_| bad("a length that is no number"))?;
            framing = Framing::Length;
        } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            framing = Framing::First;
        }
    }
    Ok(Answer { status, body: Body { read, framing, left } })
}

fn line(read: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    read.read_line(&mut line)?;
    let Some(text) = line.strip_suffix('\n') else { return Err(bad("the answer stops in its head")) };
    Ok(text.trim_end_matches('\r').to_owned())
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            match self.framing {
                Framing::Close => return self.read.read(into),
                Framing::Length | Framing::Done => return Ok(0),
                Framing::First | Framing::Chunked => self.next_chunk()?,
            }
            if self.left == 0 {
                return Ok(0);
            }
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let length = self.read.read(into.get_mut(..most).unwrap_or_default())?;
        if length == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer stops in its body"));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

impl<R: BufRead> Body<R> {
    fn next_chunk(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            line(&mut self.read)?;
        }
        let size = line(&mut self.read)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        self.left = u64::from_str_radix(digits, 16).map_err(|_| bad("a chunk without a size"))?;
        self.framing = if self.left == 0 { Framing::Done } else { Framing::Chunked };
        Ok(())
    }

    /// What is left of the connection after a `101`: the bytes read too far.
    pub(crate) fn into_inner(self) -> R {
        self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(answer: &str) -> io::Result<(u16, String)> {
        let mut answer = read(answer.as_bytes())?;
        let mut text = String::new();
        answer.body.read_to_string(&mut text)?;
        Ok((answer.status, text))
    }

    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nab\nc\r\n2\r\nd\n\r\n0\r\n\r\n";

    #[test]
    fn every_framing_is_read() {
        assert_eq!(
            whole("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nabcX").unwrap(),
            (400, "abc".into())
        );
        assert_eq!(whole(CHUNKED).unwrap(), (200, "ab\ncd\n".into()));
        assert_eq!(whole("HTTP/1.1 200 OK\r\n\r\nrest").unwrap(), (200, "rest".into()));
    }

    #[test]
    fn every_truncation_is_an_error_and_none_panics() {
        let end = CHUNKED.len() - "\r\n".len();
        for length in 0..end {
            assert!(whole(&CHUNKED[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "",
            "SSH-2.0\r\n\r\n",
            "HTTP/1.1 2",
            "HTTP/1.1 200 OK\r\nbroken\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        ] {
            assert!(whole(text).is_err(), "{text:?}");
        }
    }
}
