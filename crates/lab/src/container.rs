//! What a container is, beside what every node is: an image, and how its program runs.

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use crate::lab::nanos;

/// How long a program may take to end after its stop signal, unless the file says: that of Docker.
pub const STOP_TIMEOUT: Nanos = Nanos::from_secs(10);

/// What makes a node a container. What is `None` is as the image has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// The image, as the file writes it: `nginx:alpine`, `oci:DIR`, `dir:ROOTFS` ...
    pub image: String,
    /// The program, in front of `cmd`; with it the image's own `cmd` does not count.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments.
    pub cmd: Option<Vec<String>>,
    /// `NAME` or number, perhaps with `:GROUP`.
    pub user: Option<String>,
    /// Where it starts.
    pub workdir: Option<String>,
    /// Directories and files from outside.
    pub volumes: Vec<Volume>,
    /// File systems in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Nothing but volumes and `tmpfs` can be written.
    pub read_only: bool,
    /// The signal that asks it to end.
    pub stop_signal: Option<i32>,
    /// How long it may take to end, in nanoseconds.
    #[serde(with = "nanos")]
    pub stop_timeout: Nanos,
}

/// Something of the machine's that a container sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// What is seen.
    pub source: VolumeSource,
    /// Where: an absolute path.
    pub target: String,
    /// It cannot be written.
    pub read_only: bool,
    /// A directory that is made beside the lab file if it is not there, and stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub make: bool,
}

/// What a volume shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeSource {
    /// A file or directory; a relative path begins at the lab file.
    Path(String),
    /// A directory of the lab's own by this name, which outlives `down`.
    Named(String),
}

/// A file system in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// Where: an absolute path.
    pub target: String,
    /// The most it holds, in bytes.
    pub bytes: u64,
    /// Permissions of its root.
    pub mode: u32,
}

/// What is known of the health of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthRule {
    /// What its image says, if it has one that says anything.
    #[default]
    Image,
    /// It is not looked at.
    Never,
    /// A command says.
    Check(Health),
}

/// A command that says whether a node is well: by the exit code 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Nanoseconds from one answer to the next question.
    #[serde(with = "nanos")]
    pub interval: Nanos,
    /// Nanoseconds an answer may take.
    #[serde(with = "nanos")]
    pub timeout: Nanos,
    /// So many bad answers in a row make a node unhealthy.
    pub retries: u32,
    /// Nanoseconds after the start in which bad answers do not count.
    #[serde(with = "nanos")]
    pub start_period: Nanos,
}

impl Health {
    /// A check with the times that hold when nothing is said.
    #[must_use]
    pub const fn new(command: Vec<String>) -> Self {
        Self {
            command,
            interval: Nanos::from_secs(10),
            timeout: Nanos::from_secs(5),
            retries: 3,
            start_period: Nanos(0),
        }
    }
}

/// What must be before a node's programs start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// The full name of another node.
    pub node: String,
    /// What of it.
    pub when: Condition,
}

/// What of another node is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Its programs have been started.
    Started,
    /// It is healthy.
    Healthy,
    /// Its program has ended with exit code 0.
    Done,
}

impl Condition {
    /// The word of the lab file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Done => "done",
        }
    }
}

/// The number of a signal by its name, with or without `SIG`, or in digits: `SIGTERM`, `QUIT`, `15`, `RTMIN+3`.
///
/// The numbers are those of the processors Linux calls generic, x86 and ARM among them.
#[must_use]
pub fn signal(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=LAST_SIGNAL).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(rest) = name.strip_prefix("RTMIN") {
        let above = if rest.is_empty() { 0 } else { rest.strip_prefix('+')?.parse::<i32>().ok()? };
        return Some(RTMIN.checked_add(above)?).filter(|number| (RTMIN..=LAST_SIGNAL).contains(number));
    }
    let index = SIGNALS.iter().position(|known| *known == name)?;
    i32::try_from(index + 1).ok()
}

const LAST_SIGNAL: i32 = 64;
/// The first that programs may use for themselves; the C library keeps two to itself.
const RTMIN: i32 = 34;
/// In the order of their numbers, from 1. Source: signal(7).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_go_by_name_and_number() {
        for (text, number) in [
            ("SIGTERM", 15),
            ("quit", 3),
            ("9", 9),
            ("SIGRTMIN+3", 37),
            ("RTMIN", 34),
            ("WINCH", 28),
            ("SYS", 31),
        ] {
            assert_eq!(signal(text), Some(number), "{text}");
        }
        for text in ["", "0", "65", "-1", "SIGNAL", "RTMIN+31", "RTMIN-1", "99999999999"] {
            assert_eq!(signal(text), None, "{text}");
        }
    }
}
