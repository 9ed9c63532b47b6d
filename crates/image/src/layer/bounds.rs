//! How much a layer may grow: a few kilobytes can decompress to more than any disk.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// What a layer may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Entries: files, directories, links, whiteouts.
    pub entries: u64,
    /// Bytes once decompressed.
    pub bytes: u64,
    /// Bytes that come of one compressed byte, above `free_bytes`.
    pub ratio: u64,
    /// Bytes from which on the ratio counts: small layers of zeros are harmless, and met.
    pub free_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 128 << 30, ratio: 250, free_bytes: 1 << 30 }
    }
}

/// Counts what is read from below the decompression.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

/// Counts what is read above it, and stops at the bounds.
#[derive(Debug)]
pub(super) struct Output<R> {
    inner: R,
    read: Rc<Cell<u64>>,
    bytes: u64,
    bounds: Bounds,
    broken: Rc<Cell<Option<(&'static str, u64)>>>,
}

/// What the two share with who applies the layer.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter {
    read: Rc<Cell<u64>>,
    broken: Rc<Cell<Option<(&'static str, u64)>>>,
}

impl Meter {
    pub(super) fn input<R>(&self, inner: R) -> Input<R> {
        Input { inner, read: Rc::clone(&self.read) }
    }

    pub(super) fn output<R>(&self, inner: R, bounds: Bounds) -> Output<R> {
        Output { inner, read: Rc::clone(&self.read), bytes: 0, bounds, broken: Rc::clone(&self.broken) }
    }

    /// The bound that was passed: of what, how much.
    pub(super) fn broken(&self) -> Option<(&'static str, u64)> {
        self.broken.get()
    }
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.set(self.read.get() + n as u64);
        Ok(n)
    }
}

impl<R: Read> Read for Output<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.bytes += n as u64;
        let grown = self.read.get().saturating_mul(self.bounds.ratio).max(self.bounds.free_bytes);
        if self.bytes > self.bounds.bytes {
            self.broken.set(Some(("bytes", self.bounds.bytes)));
        } else if self.bytes > grown {
            self.broken.set(Some(("times the bytes it had compressed", self.bounds.ratio)));
        } else {
            return Ok(n);
        }
        Err(io::Error::other("the layer grows beyond its bounds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bounds: Bounds, compressed: u64, bytes: u64) -> Option<(&'static str, u64)> {
        let meter = Meter::default();
        io::copy(&mut meter.input(io::repeat(0).take(compressed)), &mut io::sink()).unwrap();
        let read = io::copy(&mut meter.output(io::repeat(0).take(bytes), bounds), &mut io::sink());
        assert_eq!(read.is_err(), meter.broken().is_some());
        meter.broken()
    }

    #[test]
    fn size_and_ratio_are_bounded() {
        let bounds = Bounds { entries: 1, bytes: 1_000_000, ratio: 10, free_bytes: 50_000 };
        assert_eq!(read(bounds, 1, 50_000), None);
        assert_eq!(read(bounds, 1, 50_001).map(|broken| broken.1), Some(10));
        assert_eq!(read(bounds, 100_000, 1_000_000), None);
        assert_eq!(read(bounds, 900_000, 1_000_001), Some(("bytes", 1_000_000)));
    }
}
