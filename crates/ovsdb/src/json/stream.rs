//! Messages in a stream: JSON objects one after the other, with nothing between them that would say where one ends.
//!
//! A scanner counts brackets outside of strings; what it cuts out is parsed as a whole. So a peer that sends byte by
//! byte costs each byte one look, and what waits for its end is bounded in bytes and depth.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use serde_json::Value;

/// What a peer may make us hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Brackets within brackets. At most 127, where the parser itself ends.
    pub depth: usize,
}

impl Default for Limits {
    /// 64 MiB and 100 levels: a snapshot of a large database fits, and none of its rows is deeper than 10.
    fn default() -> Self {
        Self { message_bytes: 64 << 20, depth: 100 }
    }
}

/// Why a stream cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Something other than an object between two messages.
    #[error("A message begins with byte {0:#04x} instead of an object")]
    NotAnObject(u8),
    /// Longer than allowed.
    #[error("A message has more than {0} bytes")]
    TooLong(usize),
    /// Nested deeper than allowed.
    #[error("A message is nested more than {0} deep")]
    TooDeep(usize),
    /// Not JSON, or not UTF-8.
    #[error("A message is not JSON: {0}")]
    NotJson(String),
    /// JSON, but not a JSON-RPC message.
    #[error("Not a JSON-RPC message: {0}")]
    NotRpc(String),
}

/// Collects bytes and gives messages.
#[derive(Debug)]
pub(crate) struct MessageReader {
    limits: Limits,
    bytes: Vec<u8>,
    /// Where the message under way begins.
    start: usize,
    /// How far the scanner is.
    at: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    any_escape: bool,
}

impl MessageReader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: Vec::new(),
            start: 0,
            at: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            any_escape: false,
        }
    }

    /// Takes what was received.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.at -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes that are not part of a message given out.
    pub(crate) fn waiting(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// The next message that is complete, as `read` reads its text.
    ///
    /// # Errors
    /// [`StreamError`], that of `read` included; the stream is of no use after it.
    pub(crate) fn next<T>(
        &mut self,
        read: impl FnOnce(&[u8]) -> Result<T, StreamError>,
    ) -> Result<Option<T>, StreamError> {
        if !self.scan()? {
            return match self.at - self.start > self.limits.message_bytes {
                true => Err(StreamError::TooLong(self.limits.message_bytes)),
                false => Ok(None),
            };
        }
        let message = self.bytes.get(self.start..self.at).unwrap_or_default();
        if message.len() > self.limits.message_bytes {
            return Err(StreamError::TooLong(self.limits.message_bytes));
        }
        if self.any_escape && has_nul(message) {
            return Err(StreamError::NotJson("null bytes not supported in quoted strings".to_owned()));
        }
        let message = read(message)?;
        self.start = self.at;
        self.any_escape = false;
        Ok(Some(message))
    }

    /// Looks for the end of the message under way; whether it is there.
    fn scan(&mut self) -> Result<bool, StreamError> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.depth == 0 {
                match byte {
                    b' ' | b'\t' | b'\r' | b'\n' => self.start += 1,
                    b'{' => self.depth = 1,
                    other => return Err(StreamError::NotAnObject(other)),
                }
                self.at += 1;
                continue;
            }
            self.at += 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => (self.escaped, self.any_escape) = (true, true),
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > self.limits.depth {
                        return Err(StreamError::TooDeep(self.limits.depth));
                    }
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Ok(true);
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Whether a string of the message has the escape of the character 0: Open vSwitch's programs, to whom it would be
/// passed on, hang up at it.
fn has_nul(message: &[u8]) -> bool {
    let mut bytes = message.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'\\' {
            continue;
        }
        let kind = bytes.next();
        if kind == Some(&b'u') && bytes.as_slice().starts_with(b"0000") {
            return true;
        }
    }
    false
}

/// The integer that a JSON number is: 1 and 1.0 and 1e0 are the same (RFC 7047 §3.1 has 64 bits).
pub(crate) fn integer(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let real = number.as_f64().filter(|real| !number.is_u64() && real.fract() == 0.0)?;
        // Every f64 without a fraction below 2^63 is an i64, so the text of it is one.
        (real.abs() < 9.2e18).then(|| format!("{real:.0}").parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &[u8]) -> Result<Value, StreamError> {
        serde_json::from_slice(text).map_err(|error| StreamError::NotJson(error.to_string()))
    }

    fn all(reader: &mut MessageReader) -> Vec<Value> {
        std::iter::from_fn(|| reader.next(value).unwrap()).collect()
    }

    #[test]
    fn messages_come_out_however_the_bytes_come_in() {
        let text = "{\"a\":\"}{\\\"\\\\\"} \n{\"b\":[{},[1]]}{}";
        let wanted = vec![json!({"a": "}{\"\\"}), json!({"b": [{}, [1]]}), json!({})];
        for size in 1..text.len() {
            let mut reader = MessageReader::new(Limits::default());
            let mut messages = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                reader.push(piece);
                messages.extend(all(&mut reader));
            }
            assert_eq!(messages, wanted, "pieces of {size}");
            assert_eq!(reader.waiting(), 0);
        }
    }

    #[test]
    fn hostile_bytes_end_the_stream() {
        let limits = Limits { message_bytes: 40, depth: 4 };
        let error = |bytes: &[u8]| {
            let mut reader = MessageReader::new(limits);
            reader.push(bytes);
            reader.next(value).unwrap_err()
        };
        assert_eq!(error(b" [1]"), StreamError::NotAnObject(b'['));
        assert_eq!(error(b"\xff"), StreamError::NotAnObject(0xff));
        assert_eq!(error(b"{\"a\":[[[[["), StreamError::TooDeep(4));
        assert_eq!(error(&[b"{\"".as_slice(), &[b'a'; 50]].concat()), StreamError::TooLong(40));
        assert_eq!(error(&[b"{\"".as_slice(), &[b'a'; 50], b"\":1}"].concat()), StreamError::TooLong(40));
        for wrong in [b"{]".as_slice(), b"{\"a\"}", b"{\"\xff\":1}", b"{\"a\":\"\\u0000\"}", b"{\"a\":1e999}"]
        {
            assert!(matches!(error(wrong), StreamError::NotJson(_)), "{wrong:?}");
        }
    }

    #[test]
    fn an_escaped_backslash_is_no_nul() {
        let mut reader = MessageReader::new(Limits::default());
        reader.push(br#"{"a":"\\u0000"}"#);
        assert_eq!(reader.next(value).unwrap(), Some(json!({"a": "\\u0000"})));
    }

    #[test]
    fn an_integer_may_look_like_a_real() {
        let read = |text: &str| integer(&serde_json::from_str(text).unwrap());
        assert_eq!(read("1"), Some(1));
        assert_eq!(read("-1.0e2"), Some(-100));
        assert_eq!(read("1.5"), None);
        assert_eq!(read("9223372036854775807"), Some(i64::MAX));
        assert_eq!(read("9223372036854775808"), None);
        assert_eq!(read("\"1\""), None);
    }
}
