//! Reading big-endian numbers, each read checked.

use crate::OfError;
use crate::error::Result;

/// Bytes still to be read, and the error for when there are too few.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    short: OfError,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], short: OfError) -> Self {
        Self { bytes, short }
    }

    /// The same bytes, with another error.
    pub(crate) const fn or(self, short: OfError) -> Self {
        Self { bytes: self.bytes, short }
    }

    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is left, without reading it.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// What is left.
    pub(crate) const fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.bytes;
        self.bytes = &[];
        rest
    }

    /// The error for when there are too few bytes.
    pub(crate) const fn short(&self) -> OfError {
        self.short
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or(self.short)?;
        self.bytes = rest;
        Ok(taken)
    }

    /// The next `n` bytes as a reader of their own.
    pub(crate) fn part(&mut self, n: usize) -> Result<Self> {
        Ok(Self { bytes: self.bytes(n)?, short: self.short })
    }

    /// The next `n` bytes, and the padding to a multiple of 8 after them.
    pub(crate) fn part_padded(&mut self, n: usize) -> Result<Self> {
        let part = self.part(n)?;
        self.skip(n.next_multiple_of(8) - n)?;
        Ok(part)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(self.short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    pub(crate) fn skip(&mut self, n: usize) -> Result<()> {
        self.bytes(n).map(|_| ())
    }

    /// Skips `n` bytes that must be 0.
    pub(crate) fn zeros(&mut self, n: usize, error: OfError) -> Result<()> {
        if self.bytes(n)?.iter().all(|byte| *byte == 0) { Ok(()) } else { Err(error) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A number of `n` bytes, at most 16.
    pub(crate) fn number(&mut self, n: usize) -> Result<u128> {
        let bytes = self.bytes(n)?;
        if n > 8 {
            return Ok(bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte)));
        }
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)).into())
    }

    /// Text in a field of `n` bytes, up to the first 0.
    pub(crate) fn text(&mut self, n: usize) -> Result<String> {
        let bytes = self.bytes(n)?;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(bytes.get(..end).unwrap_or(&[])).into_owned())
    }

    /// Nothing may be left.
    pub(crate) const fn end(&self) -> Result<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.short) }
    }
}
