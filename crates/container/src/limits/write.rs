//! From limits to what is written into which file, for each version.

use netloom_sys::cgroup::Controller;

use super::{Io, Limits, Part};

/// One file, and what is written into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What it limits.
    pub part: Part,
    /// Whose file it is.
    pub controller: Controller,
    /// Its name.
    pub file: &'static str,
    /// The text.
    pub value: String,
    /// Without the file the limit is not kept. Else it is about what nobody asked for.
    pub needed: bool,
}

/// What is to be written, in this order, and what cannot be limited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Writes {
    /// In the order in which the kernel takes them.
    pub list: Vec<Write>,
    /// Limits that no file can keep.
    pub missing: Vec<Part>,
}

/// What brings a group from limits to other limits. `version` says whether a controller is of version 2; `None`: it is not
/// there. Where nothing is limited before nor after, nothing is written.
#[must_use]
pub fn writes(from: &Limits, to: &Limits, version: &dyn Fn(Controller) -> Option<bool>) -> Writes {
    let mut out = Writes::default();
    cpu(&mut out, from, to, version(Controller::Cpu));
    memory(&mut out, from, to, version(Controller::Memory));
    if from.pids != to.pids {
        out.add(Part::Pids, version(Controller::Pids), to.pids.is_some(), |_| {
            vec![(Controller::Pids, "pids.max", or_max(to.pids))]
        });
    }
    io(&mut out, &from.io, &to.io, version(Controller::Io));
    if from.cpuset != to.cpuset {
        // An empty list means all of the group above, in version 2; version 1 takes no empty one, who writes fills it in.
        let value = to.cpuset.clone().unwrap_or_default();
        out.add(Part::Cpuset, version(Controller::Cpuset), to.cpuset.is_some(), |_| {
            vec![(Controller::Cpuset, "cpuset.cpus", value)]
        });
    }
    out
}

type File = (Controller, &'static str, String);

impl Writes {
    /// Adds files of a limit; without its controller, a limit that is wanted is missing.
    fn add(
        &mut self,
        part: Part,
        version: Option<bool>,
        wanted: bool,
        files: impl FnOnce(bool) -> Vec<File>,
    ) {
        match version {
            Some(unified) => {
                let write =
                    |(controller, file, value)| Write { part, controller, file, value, needed: wanted };
                self.list.extend(files(unified).into_iter().map(write));
            }
            None if wanted => self.missing.push(part),
            None => {}
        }
    }
}

/// So much of each [`PERIOD_MICROS`] (sched-bwc.rst).
fn cpu(out: &mut Writes, from: &Limits, to: &Limits, version: Option<bool>) {
    if from.cpu == to.cpu {
        return;
    }
    let quota = to.cpu.map(|thousandths| thousandths.saturating_mul(PERIOD_MICROS) / 1_000);
    out.add(Part::Cpu, version, quota.is_some(), |unified| match unified {
        true => vec![(Controller::Cpu, "cpu.max", format!("{} {PERIOD_MICROS}", or_max(quota)))],
        false => {
            let quota = quota.map_or_else(|| "-1".to_owned(), |quota| quota.to_string());
            vec![(Controller::Cpu, "cpu.cfs_quota_us", quota)]
        }
    });
}

fn memory(out: &mut Writes, from: &Limits, to: &Limits, version: Option<bool>) {
    if (from.memory, from.swap) == (to.memory, to.swap) {
        return;
    }
    let Some(unified) = version else {
        out.missing.extend(to.memory.map(|_| Part::Memory));
        out.missing.extend(to.swap.map(|_| Part::Swap));
        return;
    };
    let mut write = |part, file, value, needed| {
        out.list.push(Write { part, controller: Controller::Memory, file, value, needed });
    };
    if unified {
        // Swap first: what a lower limit pushes out must have found where it may go.
        let swap = |limits: &Limits| limits.swap.or(limits.memory.map(|_| 0));
        if swap(from) != swap(to) {
            write(Part::Swap, "memory.swap.max", or_max(swap(to)), to.swap.is_some());
        }
        if from.memory != to.memory {
            write(Part::Memory, "memory.max", or_max(to.memory), to.memory.is_some());
        }
        return;
    }
    // Version 1 limits memory, and memory and swap together, which may never be less.
    let both = |limits: &Limits| limits.memory.map(|memory| memory.saturating_add(limits.swap.unwrap_or(0)));
    let limit = (Part::Memory, "memory.limit_in_bytes", or_none(to.memory), to.memory.is_some());
    let together = (Part::Swap, "memory.memsw.limit_in_bytes", or_none(both(to)), to.swap.is_some());
    let raised = both(to).unwrap_or(u64::MAX) >= both(from).unwrap_or(u64::MAX);
    let order = if raised { [together, limit] } else { [limit, together] };
    for (part, file, value, needed) in order {
        write(part, file, value, needed);
    }
    if to.swap.is_some() && to.memory.is_none() {
        out.missing.push(Part::Swap);
    }
}

fn io(out: &mut Writes, from: &Io, to: &Io, version: Option<bool>) {
    if from == to {
        return;
    }
    let wanted = !to.is_unlimited();
    if wanted && to.disks.is_empty() {
        out.missing.push(Part::Io);
        return;
    }
    let mut disks = to.disks.clone();
    disks.extend(from.disks.iter().filter(|disk| !to.disks.contains(disk)));
    out.add(Part::Io, version, wanted, |unified| {
        let files = disks.iter().map(|disk| {
            let none = Io::default();
            let io = if to.disks.contains(disk) { to } else { &none };
            if unified { unified_io(*disk, io) } else { legacy_io(*disk, io) }
        });
        files.flatten().collect()
    });
}

fn unified_io((major, minor): (u32, u32), io: &Io) -> Vec<File> {
    let [read, write, reads, writes] = [io.read, io.write, io.reads, io.writes].map(or_max);
    let value = format!("{major}:{minor} rbps={read} wbps={write} riops={reads} wiops={writes}");
    vec![(Controller::Io, "io.max", value)]
}

/// 0 takes a limit away (blkio-controller.rst).
fn legacy_io((major, minor): (u32, u32), io: &Io) -> Vec<File> {
    let all = [
        ("blkio.throttle.read_bps_device", io.read),
        ("blkio.throttle.write_bps_device", io.write),
        ("blkio.throttle.read_iops_device", io.reads),
        ("blkio.throttle.write_iops_device", io.writes),
    ];
    let file = |(file, limit): (&'static str, Option<u64>)| {
        (Controller::Io, file, format!("{major}:{minor} {}", limit.unwrap_or(0)))
    };
    all.into_iter().map(file).collect()
}

fn or_max(limit: Option<u64>) -> String {
    limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string())
}

fn or_none(limit: Option<u64>) -> String {
    limit.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
}

/// The kernel's own, in both versions.
const PERIOD_MICROS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(from: &Limits, to: &Limits, version: Option<bool>) -> Vec<String> {
        let all = writes(from, to, &|_| version);
        assert!(all.missing.is_empty(), "{all:?}");
        all.list.iter().map(|write| format!("{} {}", write.file, write.value)).collect()
    }

    fn whole() -> Limits {
        Limits {
            cpu: Some(1_250),
            memory: Some(100),
            swap: Some(20),
            pids: Some(7),
            io: Io { read: Some(5), writes: Some(9), disks: vec![(254, 0)], ..Io::default() },
            cpuset: Some("0-1".into()),
        }
    }

    #[test]
    fn version_2_has_a_file_for_each() {
        assert_eq!(
            texts(&Limits::default(), &whole(), Some(true)),
            [
                "cpu.max 125000 100000",
                "memory.swap.max 20",
                "memory.max 100",
                "pids.max 7",
                "io.max 254:0 rbps=5 wbps=max riops=max wiops=9",
                "cpuset.cpus 0-1",
            ]
        );
        assert_eq!(
            texts(&whole(), &Limits::default(), Some(true)),
            [
                "cpu.max max 100000",
                "memory.swap.max max",
                "memory.max max",
                "pids.max max",
                "io.max 254:0 rbps=max wbps=max riops=max wiops=max",
                "cpuset.cpus ",
            ]
        );
    }

    #[test]
    fn version_1_has_others() {
        assert_eq!(
            texts(&Limits::default(), &whole(), Some(false)),
            [
                "cpu.cfs_quota_us 125000",
                "memory.limit_in_bytes 100",
                "memory.memsw.limit_in_bytes 120",
                "pids.max 7",
                "blkio.throttle.read_bps_device 254:0 5",
                "blkio.throttle.write_bps_device 254:0 0",
                "blkio.throttle.read_iops_device 254:0 0",
                "blkio.throttle.write_iops_device 254:0 9",
                "cpuset.cpus 0-1",
            ]
        );
        let memory = |memory, swap| Limits { memory, swap, ..Limits::default() };
        assert_eq!(
            texts(&memory(Some(100), None), &memory(Some(200), None), Some(false)),
            ["memory.memsw.limit_in_bytes 200", "memory.limit_in_bytes 200"],
            "the sum is never less than the part"
        );
        assert_eq!(
            texts(&memory(Some(200), None), &memory(Some(100), None), Some(false)),
            ["memory.limit_in_bytes 100", "memory.memsw.limit_in_bytes 100"]
        );
        assert_eq!(
            texts(&memory(Some(100), Some(500)), &memory(Some(200), Some(0)), Some(false)),
            ["memory.limit_in_bytes 200", "memory.memsw.limit_in_bytes 200"]
        );
        assert_eq!(
            texts(&memory(Some(200), None), &memory(None, None), Some(false)),
            ["memory.memsw.limit_in_bytes -1", "memory.limit_in_bytes -1"]
        );
    }

    #[test]
    fn what_no_file_keeps_is_missing() {
        let all = writes(&Limits::default(), &whole(), &|_| None);
        assert!(all.list.is_empty());
        assert_eq!(all.missing, [Part::Cpu, Part::Memory, Part::Swap, Part::Pids, Part::Io, Part::Cpuset]);
        let nowhere = Io { disks: Vec::new(), ..whole().io };
        let limits = Limits { io: nowhere, ..Limits::default() };
        assert_eq!(writes(&Limits::default(), &limits, &|_| Some(true)).missing, [Part::Io]);
        let swap = Limits { swap: Some(1), ..Limits::default() };
        assert_eq!(writes(&Limits::default(), &swap, &|_| Some(false)).missing, [Part::Swap]);
        assert!(writes(&Limits::default(), &swap, &|_| Some(true)).missing.is_empty());
    }

    #[test]
    fn what_is_as_it_was_is_not_written() {
        assert_eq!(writes(&whole(), &whole(), &|_| Some(true)), Writes::default());
        let more = Limits { pids: Some(8), ..whole() };
        assert_eq!(texts(&whole(), &more, Some(true)), ["pids.max 8"]);
        let unasked =
            writes(&Limits::default(), &Limits { memory: Some(1), ..Limits::default() }, &|_| Some(true));
        let swap = unasked.list.iter().find(|write| write.part == Part::Swap);
        assert_eq!(swap.map(|write| write.needed), Some(false), "a machine without swap keeps it anyway");
    }
}
