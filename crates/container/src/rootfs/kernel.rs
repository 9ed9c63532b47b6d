//! /proc and /sys of a host: views of the kernel, for its own namespaces, without the switches of the machine.

use std::path::Path;

use netloom_sys::mount_tree::{Limits, Tree};
use netloom_sys::{Errno, HostError};

use crate::spec::HostSpec;

/// Files of /proc that show or change the machine: an empty file is seen instead.
const MASKED: [&str; 7] = [
    "/proc/kcore",
    "/proc/kmsg",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
];

/// Directories of /proc whose files change the machine.
const READ_ONLY: [&str; 6] =
    ["/proc/acpi", "/proc/asound", "/proc/bus", "/proc/driver", "/proc/fs", "/proc/irq"];

/// Mounts both; the calling process must be in the host's PID and network namespace.
pub(super) fn attach(host: &HostSpec) -> Result<(), HostError> {
    let proc = Limits { read_only: false, ..Limits::ALL };
    let sys = Limits { read_only: !host.privileged, ..Limits::ALL };
    fresh("proc", Path::new("/proc"), proc)?;
    fresh("sysfs", Path::new("/sys"), sys)?;
    if host.privileged { Ok(()) } else { close_proc() }
}

/// Mounts a new instance. Inside a container whose own is partly hidden the kernel refuses that to a user namespace; then the
/// machine's stays in sight, which shows foreign process numbers but gives no power over them.
fn fresh(kind: &str, target: &Path, limits: Limits) -> Result<(), HostError> {
    match Tree::new(kind, &[], limits) {
        Ok(tree) => tree.attach(target),
        Err(error) if error.errno == Errno::PERM => {
            let machine = Tree::of(target)?;
            machine.limit(limits)?;
            machine.attach(target)
        }
        Err(error) => Err(error),
    }
}

fn close_proc() -> Result<(), HostError> {
    let net = Tree::of(Path::new("/proc/sys/net"))?;
    read_only(Path::new("/proc/sys"))?;
    net.attach(Path::new("/proc/sys/net"))?;
    for dir in READ_ONLY.map(Path::new) {
        if dir.is_dir() {
            read_only(dir)?;
        }
    }
    for file in MASKED.map(Path::new) {
        if file.exists() {
            let nothing = Tree::of(Path::new("/dev/null"))?;
            nothing.attach(file)?;
        }
    }
    Ok(())
}

fn read_only(dir: &Path) -> Result<(), HostError> {
    let tree = Tree::of(dir)?;
    tree.limit(Limits { read_only: true, ..Limits::default() })?;
    tree.attach(dir)
}
