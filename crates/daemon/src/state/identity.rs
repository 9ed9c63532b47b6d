//! Who a daemon is, such that a later process with the same number is not taken for it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A process, named so that it cannot be confused with a later one: process ids are used again, also after a
/// reboot, but not with the same start time in the same boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Clock ticks since boot at which it started (`/proc/<pid>/stat`, field 22).
    pub start: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
}

impl Identity {
    /// This process.
    ///
    /// # Errors
    /// If /proc is not mounted.
    pub fn mine() -> io::Result<Self> {
        Self::of(std::process::id())
    }

    /// The process that has this number now.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, start: start_of(pid)?, boot: boot_id()? })
    }

    /// Whether the process still runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        boot_id().is_ok_and(|boot| boot == self.boot)
            && start_of(self.pid).is_ok_and(|start| start == self.start)
    }

    /// Reads what [`Self::write`] wrote; `None`: no such file, or not readable as one.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// Writes it, so that a reader sees all of it or nothing.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let torn = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&torn)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(torn, path)
    }
}

/// Which boot of the machine this is.
pub(crate) fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// When a process started, in clock ticks since boot.
pub(crate) fn start_of(pid: u32) -> io::Result<u64> {
    parse_start(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc/<pid>/stat"))
}

/// Field 22 of `stat`; `None` also for a zombie, which holds nothing any more. The second field, the name in
/// parentheses, may itself hold spaces and parentheses, so counting starts at the last one.
fn parse_start(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str =
        "4242 (net) loom ) S 1 4242 4242 0 -1 4194304 900 0 0 0 1 2 0 0 20 0 3 0 98765 1000 2 3";

    #[test]
    fn the_start_is_found_behind_a_hostile_name() {
        assert_eq!(parse_start(STAT), Some(98765));
        assert_eq!(parse_start(&STAT.replace(" S ", " Z ")), None);
        for length in 0..40 {
            assert_eq!(parse_start(&STAT[..length]), None);
        }
    }

    #[test]
    fn this_process_is_alive_and_its_namesakes_are_not() {
        let me = Identity::mine().unwrap();
        assert!(me.is_alive());
        assert!(!Identity { start: me.start + 1, ..me.clone() }.is_alive());
        assert!(!Identity { boot: "another".into(), ..me.clone() }.is_alive());
    }

    #[test]
    fn it_survives_the_file_and_a_torn_file_is_nobody() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("daemon.pid");
        let me = Identity::mine().unwrap();
        me.write(&path).unwrap();
        assert_eq!(Identity::read(&path), Some(me));
        fs::write(&path, "{\"pid\":1").unwrap();
        assert_eq!(Identity::read(&path), None);
    }
}
