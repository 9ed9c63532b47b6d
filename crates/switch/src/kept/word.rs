//! The words of a line.

use std::fmt;
use std::str::FromStr;

use netloom_flow::Nanos;

use crate::model::Carried;

/// What is left of a line, taken word by word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'t>(&'t str);

impl<'t> Words<'t> {
    pub(super) const fn new(line: &'t str) -> Self {
        Self(line)
    }

    /// The next word.
    pub(super) fn next(&mut self, what: &str) -> Result<&'t str, String> {
        let (word, rest) = self.0.split_once(' ').unwrap_or((self.0, ""));
        self.0 = rest;
        if word.is_empty() { Err(format!("{what} is missing")) } else { Ok(word) }
    }

    /// The next word as a number.
    pub(super) fn number<N: FromStr>(&mut self, what: &str) -> Result<N, String> {
        let word = self.next(what)?;
        word.parse().map_err(|_| format!("{what} is no such number: {}", Shown(word)))
    }

    /// The next word as so many nanoseconds.
    pub(super) fn span(&mut self, what: &str) -> Result<Nanos, String> {
        self.number(what).map(Nanos)
    }

    /// The next two words as packets and bytes.
    pub(super) fn carried(&mut self) -> Result<Carried, String> {
        Ok(Carried {
            packets: self.number("the number of packets")?,
            bytes: self.number("the number of bytes")?,
        })
    }

    /// The next word as a list of packets and bytes, `-` if there are none.
    pub(super) fn all_carried(&mut self) -> Result<Vec<Carried>, String> {
        let word = self.next("the list of counters")?;
        if word == "-" {
            return Ok(Vec::new());
        }
        let one = |pair: &str| {
            let (packets, bytes) = pair.split_once('/')?;
            Some(Carried { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
        };
        let all: Option<Vec<Carried>> = word.split(',').map(one).collect();
        all.ok_or_else(|| format!("these are no counters: {}", Shown(word)))
    }

    /// The next word, as [`Escaped`] wrote it.
    pub(super) fn text(&mut self, what: &str) -> Result<String, String> {
        unescaped(self.next(what)?).ok_or_else(|| format!("{what} is not as it is written"))
    }

    /// All that is left.
    pub(super) const fn rest(self) -> &'t str {
        self.0
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("too much: {}", Shown(self.0))) }
    }
}

/// Counters as a list.
pub(super) struct List<'c>(pub(super) &'c [Carried]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("-");
        }
        for (at, Carried { packets, bytes }) in self.0.iter().enumerate() {
            write!(f, "{}{packets}/{bytes}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A text as one word: bytes other than letters, digits and a few signs are written as `%` and two digits. An empty one is
/// `%`.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("%");
        }
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn unescaped(word: &str) -> Option<String> {
    if word == "%" {
        return Some(String::new());
    }
    let mut parts = word.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(plain.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The beginning of a text that somebody wrote: an error is to be short.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        match self.0.char_indices().nth(MOST) {
            Some((end, _)) => write!(f, "{:?} ...", self.0.get(..end).unwrap_or_default()),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_a_word_and_a_text_again() {
        for text in ["", "br0", "tcp:10.0.0.1:6653", "two words", "100%", "ä\n"] {
            let word = Escaped(text).to_string();
            assert!(!word.is_empty() && !word.contains([' ', '\n']), "{word}");
            assert_eq!(unescaped(&word).as_deref(), Some(text));
        }
        for wrong in ["%f", "a%", "%zz", "%ff", "%é"] {
            assert_eq!(unescaped(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn counters_are_read_as_they_are_written() {
        let all = [Carried { packets: 1, bytes: 60 }, Carried { packets: 0, bytes: u64::MAX }];
        let word = List(&all).to_string();
        assert_eq!(word, "1/60,0/18446744073709551615");
        assert_eq!(Words::new(&word).all_carried().unwrap(), all);
        assert_eq!(Words::new(&List(&[]).to_string()).all_carried().unwrap(), []);
        for wrong in ["", "1", "1/", "1/2,", "1/2/3", "-1/2"] {
            assert!(Words::new(wrong).all_carried().is_err(), "{wrong}");
        }
    }
}
