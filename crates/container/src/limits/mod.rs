//! What the processes of a node may use of the machine: limits as values, the files of control groups they become, and
//! what the counters there say.
//!
//! ```text
//!  Limits (from, to) ──writes──► [controller, file, value]  ──Group::set──► the kernel
//!  Usage             ◄──stat───  text of files              ◄──Group::usage──
//! ```
//! [`mod@write`] and [`stat`] know the files of both versions and touch none; [`Group`] is the thin rest.
//!
//! Source: Linux `Documentation/admin-guide/cgroup-v2.rst`; `cgroup-v1/{memory,cpusets,blkio-controller,pids}.rst`;
//! `Documentation/scheduler/sched-bwc.rst`.

mod group;
pub mod stat;
pub mod write;

pub use group::{Group, SetError};

/// What the processes of a node may use together. What is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// Processor time, in thousandths of a processor.
    pub cpu: Option<u64>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Swap besides, in bytes; where `memory` is limited and this is not said, none.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Disks.
    pub io: Io,
    /// Processors, as the kernel lists them.
    pub cpuset: Option<String>,
}

/// How much may go to disks and come from them, each second.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Io {
    /// Bytes read.
    pub read: Option<u64>,
    /// Bytes written.
    pub write: Option<u64>,
    /// Reads.
    pub reads: Option<u64>,
    /// Writes.
    pub writes: Option<u64>,
    /// Which disks: major and minor numbers of whole ones.
    pub disks: Vec<(u32, u32)>,
}

impl Io {
    /// Whether nothing is limited.
    #[must_use]
    pub const fn is_unlimited(&self) -> bool {
        self.read.is_none() && self.write.is_none() && self.reads.is_none() && self.writes.is_none()
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Swap.
    Swap,
    /// Processes.
    Pids,
    /// Disks.
    Io,
    /// Processors.
    Cpuset,
}

impl Part {
    /// The word of the lab file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Pids => "pids",
            Self::Io => "io",
            Self::Cpuset => "cpuset",
        }
    }
}
