//! Entering the namespaces of a running process, and starting children inside its PID namespace.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::process::PidfdFlags;
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};

use crate::error::{Because, HostError};

/// Moves this process into the mount, UTS, IPC and network namespaces of the process behind `pidfd`.
///
/// Root and working directory become the root of that mount namespace. One thread only.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over them, `ESRCH` when the process has ended.
pub fn enter_all_but_pid(pidfd: BorrowedFd<'_>) -> Result<(), HostError> {
    let which = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::NETWORK;
    rustix::thread::move_into_thread_name_spaces(pidfd, which).because("enter", || "the namespaces of a node")
}

/// Moves this process into a network namespace for good. One thread only; else [`NetNs::run`](crate::netns::NetNs::run).
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN` over it, `EINVAL` when `netns` is none.
pub fn enter_net(netns: BorrowedFd<'_>) -> Result<(), HostError> {
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

    /// Calls `start` while children are born into the PID namespace of the process behind `pidfd`; they stay children of
    /// this process, which waits for them. The calling process itself stays where it is.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` over either namespace, `ESRCH` when the process has ended.
    pub fn with_children_in<R>(
        &self,
        pidfd: BorrowedFd<'_>,
        start: impl FnOnce() -> R,
    ) -> Result<R, HostError> {
        let pid_only = ThreadNameSpaceType::PROCESS_ID;
        rustix::thread::move_into_thread_name_spaces(pidfd, pid_only)
            .because("enter", || "the PID namespace of a node")?;
        let started = start();
        let own = std::os::fd::AsFd::as_fd(&self.pidfd);
        rustix::thread::move_into_thread_name_spaces(own, pid_only)
            .because("return to", || "the spawner's PID namespace")?;
        Ok(started)
    }
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
