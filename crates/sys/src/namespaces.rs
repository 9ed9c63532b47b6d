//! Entering the namespaces of a running process, and starting children inside its PID namespace.

#![expect(unsafe_code, reason = "unshare(2) is unsafe in general; here only for CLONE_NEWCGROUP")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::PidfdFlags;
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};

use crate::error::{Because, HostError};

/// The mount, UTS, IPC and PID namespace of a process, and the one of control groups where it has its own, held open.
///
/// Why not its pidfd, which setns(2) takes as well: that needs the right to look into the process, which nobody outside has
/// over one that hid itself ([`hide_from_peers`](crate::privileges::hide_from_peers)) after its user namespace was made
/// without an exec in between.
#[derive(Debug)]
pub struct Namespaces {
    mount: OwnedFd,
    uts: OwnedFd,
    ipc: OwnedFd,
    pid: OwnedFd,
    cgroup: Option<OwnedFd>,
}

impl Namespaces {
    /// Those of this process; that of control groups only `with_cgroup`.
    ///
    /// # Errors
    /// When /proc is not mounted or no descriptor is left.
    pub fn of_this_process(with_cgroup: bool) -> Result<Self, HostError> {
        let open = |name: &str| {
            let path = format!("/proc/self/ns/{name}");
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .because("open the namespace", || path.clone())
        };
        let cgroup = if with_cgroup { Some(open("cgroup")?) } else { None };
        Ok(Self { mount: open("mnt")?, uts: open("uts")?, ipc: open("ipc")?, pid: open("pid")?, cgroup })
    }

    /// The descriptors, in the order that [`Namespaces::from_fds`] takes.
    #[must_use]
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let four = [self.mount.as_fd(), self.uts.as_fd(), self.ipc.as_fd(), self.pid.as_fd()];
        four.into_iter().chain(self.cgroup.as_ref().map(AsFd::as_fd)).collect()
    }

    /// Namespaces that came over a socket; `None` unless there are four or five.
    #[must_use]
    pub fn from_fds(fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = fds.into_iter();
        let (mount, uts, ipc, pid) = (fds.next()?, fds.next()?, fds.next()?, fds.next()?);
        let cgroup = fds.next();
        fds.next().is_none().then_some(Self { mount, uts, ipc, pid, cgroup })
    }

    /// Moves this process into all of them but the PID namespace. Root and working directory become the root of the mount
    /// namespace. One thread only.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` over them.
    pub fn enter(&self) -> Result<(), HostError> {
        let kinds = [
            (&self.uts, LinkNameSpaceType::HostNameAndNISDomainName),
            (&self.ipc, LinkNameSpaceType::InterProcessCommunication),
            (&self.mount, LinkNameSpaceType::Mount),
        ];
        let cgroup = self.cgroup.as_ref().map(|fd| (fd, LinkNameSpaceType::ControlGroup));
        for (fd, kind) in cgroup.into_iter().chain(kinds) {
            rustix::thread::move_into_link_name_space(fd.as_fd(), Some(kind))
                .because("enter", || "the namespaces of a node")?;
        }
        Ok(())
    }
}

/// Moves this process into a network namespace for good. One thread only; else [`NetNs::run`](crate::netns::NetNs::run).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over it, `EINVAL` when `netns` is none.
pub fn enter_net(netns: BorrowedFd<'_>) -> Result<(), HostError> {
    // Where one is already, one needs no privilege: an ordinary user has none over the machine's own.
    let here = rustix::fs::stat("/proc/self/ns/net").ok();
    let there = rustix::fs::fstat(netns).ok();
    if let (Some(here), Some(there)) = (here, there)
        && (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
    {
        return Ok(());
    }
    rustix::thread::move_into_link_name_space(netns, Some(LinkNameSpaceType::Network))
        .because("enter", || "the network namespace of a node")
}

/// The way back into a process's own PID namespace after it has put children into others.
#[derive(Debug)]
pub struct OwnPidNamespace {
    pidfd: OwnedFd,
}

impl OwnPidNamespace {
    /// Remembers the namespace this process is in.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new() -> Result<Self, HostError> {
        let pidfd = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .because("open a descriptor of", || "this process")?;
        Ok(Self { pidfd })
    }

    /// Calls `start` while children are born into the PID namespace of `node`; they stay children of this process, which
    /// waits for them. The calling process itself stays where it is.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` over either namespace.
    pub fn with_children_in<R>(&self, node: &Namespaces, start: impl FnOnce() -> R) -> Result<R, HostError> {
        rustix::thread::move_into_link_name_space(node.pid.as_fd(), Some(LinkNameSpaceType::ProcessID))
            .because("enter", || "the PID namespace of a node")?;
        let started = start();
        rustix::thread::move_into_thread_name_spaces(self.pidfd.as_fd(), ThreadNameSpaceType::PROCESS_ID)
            .because("return to", || "the spawner's PID namespace")?;
        Ok(started)
    }
}

/// Gives this process a view of control groups whose root is the group it is in.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`, `ENOSPC` at the limit of such namespaces.
pub fn own_cgroups() -> Result<(), HostError> {
    // SAFETY: unshare(2) is unsafe only because of CLONE_FILES, which would give this thread a file table of its own.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }
        .because("make a namespace of", || "control groups")
}

/// Sets the host name of this process's UTS namespace.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over it, `EINVAL` over 64 bytes.
pub fn set_hostname(name: &str) -> Result<(), HostError> {
    rustix::system::sethostname(name.as_bytes()).because("set the host name", || name)
}

/// Files this process creates get exactly the permissions asked for, or the usual 0022 less.
pub fn set_umask(mask: u32) {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
}

/// Names this process as `ps` shows it, up to 15 bytes.
pub fn set_process_name(name: &std::ffi::CStr) {
    // It only helps people who look; a refusal changes nothing.
    let _ = rustix::thread::set_name(name);
}
