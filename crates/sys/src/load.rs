//! How busy the machine is at this moment.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::error::{Because, HostError};

/// Reads how many threads of the machine run or want to.
///
/// Source: `/proc/loadavg`, proc_loadavg(5): the number before the slash. One reading takes about a microsecond.
#[derive(Debug)]
pub struct Runnable {
    file: OwnedFd,
}

impl Runnable {
    /// Opens the file once for all readings.
    ///
    /// # Errors
    /// If /proc is not mounted, or no fd is left.
    pub fn open() -> Result<Self, HostError> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(FILE, flags, Mode::empty()).because("open", || FILE).map(|file| Self { file })
    }

    /// How many threads run or want to, the calling one included; `None` if the file says nothing.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        let mut buffer = [0; 64];
        let length = rustix::io::pread(&self.file, &mut buffer, 0).ok()?;
        parse(buffer.get(..length)?)
    }
}

/// The fourth field up to its slash: `0.20 0.18 0.12 1/80 11206`.
fn parse(text: &[u8]) -> Option<usize> {
    let field = text.split(|byte| *byte == b' ').nth(3)?;
    let number = field.split(|byte| *byte == b'/').next()?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

const FILE: &str = "/proc/loadavg";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_field_counts() {
        assert_eq!(parse(b"0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(parse(b"0.20 0.18"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn at_least_the_reader_runs() {
        assert!(Runnable::open().unwrap().count() >= Some(1));
    }
}
