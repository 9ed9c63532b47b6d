//! How busy the machine is, and how much of it is its own.

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

/// The share of its processors' time, since it started, that a virtual machine wanted and its host gave to others: 0
/// to 1, 0 on a machine of its own.
///
/// Source: the field `steal` of `/proc/stat`, proc_stat(5).
#[must_use]
pub fn stolen() -> f64 {
    std::fs::read_to_string("/proc/stat").ok().and_then(|text| stolen_of(&text)).unwrap_or(0.0)
}

/// The first line: `cpu  user nice system idle iowait irq softirq steal guest guest_nice`.
#[expect(clippy::cast_precision_loss, reason = "a share of clock ticks")]
fn stolen_of(text: &str) -> Option<f64> {
    let fields = text.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    // What guests use is part of `user`.
    let ticks: Vec<u64> = fields.take(8).map_while(|field| field.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    (all > 0).then(|| *ticks.get(7).unwrap_or(&0) as f64 / all as f64)
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
    fn stolen_time_is_the_eighth_number() {
        assert_eq!(stolen_of("cpu  10 0 20 50 10 0 0 10 7 0\ncpu0 1 2\n"), Some(0.1));
        assert_eq!(stolen_of("cpu  10 0 20 70\n"), Some(0.0), "an old kernel");
        assert_eq!(stolen_of("cpu  0 0 0 0 0 0 0 0 0 0\n"), None);
        assert!((0.0..=1.0).contains(&stolen()));
    }

    #[test]
    fn at_least_the_reader_runs() {
        assert!(Runnable::open().unwrap().count() >= Some(1));
    }
}
