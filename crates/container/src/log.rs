//! Where the output of a `run:` process goes: a file with a bound, and one older file beside it.
//!
//! ```text
//!  h1.log      the newest lines, at most half of the bound
//!  h1.log.1    the lines before those, at most the other half
//! ```
//!
//! When the newer file is full it replaces the older one. So between half and all of the bound is kept, a reader that follows
//! never waits for a rewrite, and a service that prints without end fills no disk. A full disk loses lines, counted, and never
//! stops the service.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The log of one service.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    half: u64,
    lost: u64,
}

impl Log {
    /// Opens the log at `path`, going on where an earlier run ended; both files together hold at most `bound` bytes.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(path: impl Into<PathBuf>, bound: u64) -> io::Result<Self> {
        let path = path.into();
        let file = append_to(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file: Some(file), bytes, half: (bound / 2).max(1), lost: 0 })
    }

    /// Adds what the service printed.
    pub fn write(&mut self, mut output: &[u8]) {
        while !output.is_empty() {
            let room = usize::try_from(self.half.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
            let fitting = match cut(output, room) {
                // A line longer than a whole file is torn; any other waits for the next file.
                0 if self.bytes == 0 => room,
                0 => {
                    self.rotate();
                    continue;
                }
                fitting => fitting,
            };
            let (now, later) = output.split_at(fitting);
            self.append(now);
            output = later;
        }
    }

    /// How many bytes could not be written.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// What is kept, oldest first.
    ///
    /// # Errors
    /// As reading a file; missing ones count as empty.
    pub fn read(path: &Path) -> io::Result<Vec<u8>> {
        let mut all = read_or_nothing(&older(path))?;
        all.append(&mut read_or_nothing(path)?);
        Ok(all)
    }

    fn append(&mut self, output: &[u8]) {
        let written = self.file.as_mut().is_some_and(|file| file.write_all(output).is_ok());
        let length = u64::try_from(output.len()).unwrap_or(u64::MAX);
        // Lost bytes count for the rotation as well, which makes room where the disk is full of this log.
        self.bytes = self.bytes.saturating_add(length);
        if !written {
            self.lost = self.lost.saturating_add(length);
        }
    }

    fn rotate(&mut self) {
        self.bytes = 0;
        self.file = None;
        // If it cannot be moved it is cut: the bound is kept whatever happens.
        if fs::rename(&self.path, older(&self.path)).is_err() {
            let _ = fs::remove_file(&self.path);
        }
        self.file = append_to(&self.path).ok();
    }
}

/// How much of `output` goes into `room` bytes: all of it, or up to the end of the last line that fits.
fn cut(output: &[u8], room: usize) -> usize {
    match output.get(..room) {
        Some(fitting) if fitting.len() < output.len() => {
            fitting.iter().rposition(|byte| *byte == b'\n').map_or(0, |index| index + 1)
        }
        _ => output.len(),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

fn read_or_nothing(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of a test's own, gone with it.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("netloom-log-{name}-{}", std::process::id()));
            fs::create_dir_all(&dir).expect("a directory");
            Self(dir)
        }

        fn log(&self) -> PathBuf {
            self.0.join("h1.log")
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_written_can_be_read_across_reopening() {
        let dir = Dir::new("reopen");
        Log::open(dir.log(), 1_000).expect("a log").write(b"one\n");
        Log::open(dir.log(), 1_000).expect("a log").write(b"two\n");
        assert_eq!(Log::read(&dir.log()).expect("both"), b"one\ntwo\n");
    }

    #[test]
    fn the_bound_holds_and_the_newest_lines_stay_whole() {
        let dir = Dir::new("bound");
        let mut log = Log::open(dir.log(), 200).expect("a log");
        for number in 0..1_000 {
            log.write(format!("line {number}\n").as_bytes());
            let kept = Log::read(&dir.log()).expect("the log").len();
            assert!(kept <= 200, "{kept} bytes");
        }
        let kept = String::from_utf8(Log::read(&dir.log()).expect("the log")).expect("text");
        assert!(kept.ends_with("line 998\nline 999\n"), "{kept}");
        assert!(kept.len() > 80, "too little is kept: {kept}");
    }

    #[test]
    fn a_flood_without_lines_is_bounded_too() {
        let dir = Dir::new("flood");
        let mut log = Log::open(dir.log(), 100).expect("a log");
        log.write(&[b'x'; 10_000]);
        assert_eq!(Log::read(&dir.log()).expect("the log"), [b'x'; 100]);
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn cuts_fall_behind_lines() {
        assert_eq!(cut(b"ab\ncd\nef", 7), 6);
        assert_eq!(cut(b"abcdefgh", 3), 0);
        assert_eq!(cut(b"ab", 3), 2);
        assert_eq!(cut(b"ab\n", 3), 3);
    }

    #[test]
    fn lines_that_fit_are_never_torn() {
        let dir = Dir::new("torn");
        let mut log = Log::open(dir.log(), 40).expect("a log");
        for _ in 0..50 {
            log.write(b"seven 7\nfour\n");
            let kept = String::from_utf8(Log::read(&dir.log()).expect("the log")).expect("text");
            assert!(kept.lines().all(|line| line == "seven 7" || line == "four"), "{kept}");
        }
    }
}
