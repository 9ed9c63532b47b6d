//! A control group with limits.

use netloom_sys::cgroup::{Cgroup, Controller};
use netloom_sys::{Errno, HostError};

use super::stat::{self, Usage};
use super::write::{Write, writes};
use super::{Limits, Part};

/// A control group whose limits are set and whose counters are read.
#[derive(Debug, Clone)]
pub struct Group {
    cgroup: Cgroup,
}

/// A limit could not be set; all are as they were.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// More memory is in use than is asked for, and cannot be freed.
    #[error("{used} bytes of memory are in use, which is more than {asked}")]
    InUse {
        /// Bytes that cannot be freed.
        used: u64,
        /// Bytes that were asked for.
        asked: u64,
    },
    /// The group above has less.
    #[error("The control group above has less {}", part.word())]
    Above {
        /// Of what.
        part: Part,
    },
    /// The kernel refused it.
    #[error("The limit of {} could not be set", part.word())]
    Refused {
        /// Of what.
        part: Part,
        /// Why.
        source: HostError,
    },
}

impl Group {
    /// Around a group that was made.
    #[must_use]
    pub const fn new(cgroup: Cgroup) -> Self {
        Self { cgroup }
    }

    /// The group.
    #[must_use]
    pub const fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Brings the group from limits to others, and returns those that the machine cannot keep.
    ///
    /// Memory that is in use is never taken from a process by force: then the limit stays.
    ///
    /// # Errors
    /// As [`SetError`]; what was written by then is taken back.
    pub fn set(&self, from: &Limits, to: &Limits) -> Result<Vec<Part>, SetError> {
        let version = |controller| self.cgroup.is_unified(controller);
        let writes = writes(from, to, &version);
        let mut missing = writes.missing;
        for write in &writes.list {
            match self.write(write, to) {
                Ok(true) => {}
                Ok(false) if write.needed => missing.push(write.part),
                Ok(false) => {}
                Err(error) => {
                    self.take_back(to, from);
                    return Err(error);
                }
            }
        }
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    /// What the group uses.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let get = |controller, legacy: &str, unified: &str| {
            let is_unified = self.cgroup.is_unified(controller)?;
            let text = self.cgroup.get(controller, if is_unified { unified } else { legacy })?;
            Some((text, is_unified))
        };
        let cpu = get(Controller::Accounting, "cpuacct.usage", "cpu.stat");
        let memory = get(Controller::Memory, "memory.usage_in_bytes", "memory.current");
        let stat = get(Controller::Memory, "memory.stat", "memory.stat").unwrap_or_default().0;
        let pids = get(Controller::Pids, "pids.current", "pids.current");
        Usage {
            cpu_nanos: cpu.and_then(|(text, unified)| stat::cpu_nanos(&text, unified)),
            memory: memory.and_then(|(text, unified)| stat::memory(&text, &stat, unified)),
            pids: pids.and_then(|(text, _)| stat::number(&text)),
            oom_kills: self.oom_kills(),
        }
    }

    /// How many of its processes were killed for lack of memory so far.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let file = match self.cgroup.is_unified(Controller::Memory) {
            Some(true) => "memory.events",
            Some(false) => "memory.oom_control",
            None => return 0,
        };
        let text = self.cgroup.get(Controller::Memory, file).unwrap_or_default();
        stat::keyed(&text, "oom_kill").unwrap_or(0)
    }

    /// Writes one file; whether it is there.
    fn write(&self, write: &Write, to: &Limits) -> Result<bool, SetError> {
        if write.file == "memory.max"
            && let Some(asked) = to.memory
        {
            self.make_room(asked)?;
        }
        let value = self.value(write);
        let set = self.cgroup.set(write.controller, write.file, &value);
        if write.file == "memory.max" {
            // Whatever was to keep it low is not needed any more.
            let _ = self.cgroup.set(Controller::Memory, HIGH, "max");
        }
        set.map_err(|source| self.refused(write.part, source, to))
    }

    /// Version 1 has no word for all processors of the group above: they are looked up there.
    fn value(&self, write: &Write) -> String {
        match (write.file, self.cgroup.is_unified(write.controller)) {
            (CPUS, Some(false)) if write.value.is_empty() => {
                self.cgroup.get_above(write.controller, CPUS).unwrap_or_default().trim().to_owned()
            }
            // Nothing at all would be no write.
            (_, _) if write.value.is_empty() => "\n".to_owned(),
            _ => write.value.clone(),
        }
    }

    fn refused(&self, part: Part, source: HostError, to: &Limits) -> SetError {
        match (part, source.errno) {
            (Part::Memory | Part::Swap, Errno::BUSY) => {
                let usage = self.cgroup.get(Controller::Memory, "memory.usage_in_bytes");
                let used = usage.and_then(|text| stat::number(&text)).unwrap_or(0);
                SetError::InUse { used, asked: to.memory.unwrap_or(0) }
            }
            // Version 1 wants no group to have more than the one above (sched-bwc.rst), nor other processors (cpusets.rst).
            (Part::Cpu, Errno::INVAL) | (Part::Cpuset, Errno::ACCESS | Errno::INVAL | Errno::RANGE) => {
                SetError::Above { part }
            }
            _ => SetError::Refused { part, source },
        }
    }

    /// Version 2 kills at once what is above a new limit. So it is asked before to free what it can: a write to `memory.high`
    /// does so, and returns when it has tried.
    fn make_room(&self, asked: u64) -> Result<(), SetError> {
        let used = || self.cgroup.get(Controller::Memory, "memory.current").as_deref().and_then(stat::number);
        if used().is_none_or(|used| used <= asked) {
            return Ok(());
        }
        // Without the file there is no way to be careful: then what is in use decides.
        let _ = self.cgroup.set(Controller::Memory, HIGH, &asked.to_string());
        match used() {
            Some(used) if used > asked => {
                let _ = self.cgroup.set(Controller::Memory, HIGH, "max");
                Err(SetError::InUse { used, asked })
            }
            _ => Ok(()),
        }
    }

    /// As much as can be had of what was before.
    fn take_back(&self, from: &Limits, to: &Limits) {
        for write in writes(from, to, &|controller| self.cgroup.is_unified(controller)).list {
            if let Err(error) = self.cgroup.set(write.controller, write.file, &self.value(&write)) {
                tracing::warn!(%error, "a limit could not be taken back");
            }
        }
    }
}

const HIGH: &str = "memory.high";
const CPUS: &str = "cpuset.cpus";
