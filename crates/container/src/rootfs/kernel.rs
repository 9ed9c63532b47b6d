//! /proc and /sys of a node: views of the kernel, for its own namespaces, without the switches of the machine.

use std::path::Path;

use netloom_sys::mount_tree::{Limits, Tree};
use netloom_sys::{Errno, HostError};

use crate::spec::HostSpec;

/// What shows or changes the machine: nothing is seen instead.
const MASKED: [&str; 7] = [
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
];

/// What Docker hides of the machine beside that.
const MASKED_FROM_CONTAINERS: [&str; 7] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/scsi",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Directories of /proc whose files change the machine.
const READ_ONLY: [&str; 6] =
    ["/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver", "/proc/fs", "/proc/irq"];

/// Both, not attached yet.
pub(super) struct Kernel {
    proc: Tree,
    sys: Tree,
}

impl Kernel {
    /// Makes both; the calling process must be in the node's PID and network namespace.
    pub(super) fn take(host: &HostSpec) -> Result<Self, HostError> {
        let proc = Limits { read_only: false, ..Limits::ALL };
        let sys = Limits { read_only: !host.privileged, ..Limits::ALL };
        Ok(Self {
            proc: fresh("proc", Path::new("/proc"), proc)?,
            sys: fresh("sysfs", Path::new("/sys"), sys)?,
        })
    }

    /// Mounts both, and closes what changes the machine.
    pub(super) fn attach(self, host: &HostSpec) -> Result<(), HostError> {
        self.proc.attach(Path::new("/proc"))?;
        self.sys.attach(Path::new("/sys"))?;
        if host.privileged {
            return Ok(());
        }
        close_proc(host)?;
        let more = if host.image.is_some() { &MASKED_FROM_CONTAINERS[..] } else { &[] };
        MASKED.iter().chain(more).try_for_each(|path| mask(Path::new(path)))
    }
}

/// Makes a new instance. Inside a container whose own is partly hidden the kernel refuses that to a user namespace; then the
/// machine's stays in sight, which shows foreign process numbers but gives no power over them.
fn fresh(kind: &str, target: &Path, limits: Limits) -> Result<Tree, HostError> {
    match Tree::new(kind, &[], limits) {
        Err(error) if error.errno == Errno::PERM => {
            let machine = Tree::of(target)?;
            machine.limit(limits)?;
            Ok(machine)
        }
        other => other,
    }
}

fn close_proc(host: &HostSpec) -> Result<(), HostError> {
    // A host owns its network, and so its settings; those of a container are the lab file's.
    let net = if host.image.is_none() { Some(Tree::of(Path::new("/proc/sys/net"))?) } else { None };
    read_only(Path::new("/proc/sys"))?;
    if let Some(net) = net {
        net.attach(Path::new("/proc/sys/net"))?;
    }
    for dir in READ_ONLY.map(Path::new) {
        if dir.is_dir() {
            read_only(dir)?;
        }
    }
    Ok(())
}

/// Nothing is seen at `path`: an empty file, or an empty directory.
fn mask(path: &Path) -> Result<(), HostError> {
    let Ok(meta) = path.metadata() else { return Ok(()) };
    if meta.is_dir() {
        return Tree::new("tmpfs", &[("size", "0"), ("nr_inodes", "1"), ("mode", "0555")], Limits::ALL)?
            .attach(path);
    }
    Tree::of(Path::new("/dev/null"))?.attach(path)
}

fn read_only(dir: &Path) -> Result<(), HostError> {
    let tree = Tree::of(dir)?;
    tree.limit(Limits { read_only: true, ..Limits::default() })?;
    tree.attach(dir)
}
