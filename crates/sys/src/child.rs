//! Child processes of a single-threaded parent: clone3(2) with namespaces, execve(2), waitpid(2).
//!
//! A forked child of a process with several threads may call almost nothing: another thread may have held the allocator's
//! lock. So this file is for a parent that has one thread, which is then free to run any Rust code in the child; the check
//! is [`is_single_threaded`]. `std::process` is for everybody else.

#![expect(unsafe_code, reason = "clone3, execve, close_range and dup2 have no safe form")]

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use crate::error::{Because, HostError};

/// Namespaces a child may be born into, beside those of its parent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewNamespaces {
    /// A mount namespace with a copy of all mounts.
    pub mount: bool,
    /// A PID namespace whose first process the child is.
    pub pid: bool,
    /// A host name of its own, at first a copy.
    pub uts: bool,
    /// System V IPC and message queues of its own.
    pub ipc: bool,
}

impl NewNamespaces {
    fn flags(self) -> u64 {
        let mut flags = 0;
        for (wanted, flag) in [
            (self.mount, libc::CLONE_NEWNS),
            (self.pid, libc::CLONE_NEWPID),
            (self.uts, libc::CLONE_NEWUTS),
            (self.ipc, libc::CLONE_NEWIPC),
        ] {
            if wanted {
                flags |= u64::from(flag.cast_unsigned());
            }
        }
        flags
    }
}

/// A child process that is not yet waited for, so neither its number nor its pidfd can mean another process.
#[derive(Debug)]
pub struct Child {
    /// Its number in the caller's PID namespace.
    pub pid: i32,
    /// A descriptor of it: readable when it has ended.
    pub pidfd: OwnedFd,
}

/// Whether this process has exactly one thread, so that [`fork`] may be called.
///
/// # Errors
/// When /proc is not mounted, where the kernel's quicker answer is forbidden too.
pub fn is_single_threaded() -> Result<bool, HostError> {
    // Unsharing memory does nothing to a process with one thread, and is refused to one with more.
    // SAFETY: either way nothing changes.
    if unsafe { libc::unshare(libc::CLONE_VM) } == 0 {
        return Ok(true);
    }
    if last_errno() == Errno::INVAL {
        return Ok(false);
    }
    let threads = std::fs::read_dir("/proc/self/task").because("count the threads of", || "this process")?;
    Ok(threads.count() == 1)
}

/// Starts a child that runs `work` and exits with what it returns (101 if it panics); SIGCHLD tells the parent.
///
/// The child keeps stdin, stdout, stderr and the descriptors of `keep`, every other one is closed in it, so `work` must
/// not touch another. It never returns into the caller's code: nothing the caller owns is dropped in the child.
///
/// # Errors
/// `EBUSY` when this process has several threads; `EPERM` for a namespace without `CAP_SYS_ADMIN`, `EAGAIN` or `ENOSPC` at a limit of processes or namespaces.
pub fn fork(
    namespaces: NewNamespaces,
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce() -> i32,
) -> Result<Child, HostError> {
    if !is_single_threaded()? {
        return Err(Errno::BUSY).because("start a child of", || "a process with several threads");
    }
    let mut pidfd: RawFd = -1;
    // SAFETY: all zero is a valid `clone_args`: plain numbers, 0 meaning "not used".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces.flags() | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    args.pidfd = std::ptr::from_mut(&mut pidfd).expose_provenance() as u64;
    args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM the child gets a copy of the memory and of this stack, as after fork(2); `args` and `pidfd`
    // outlive the call. The parent has one thread, as was just checked by the only one that could start another, so no lock is held for ever.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match pid {
        0 => {
            let code = catch_unwind(AssertUnwindSafe(|| {
                close_all_but(keep);
                work()
            }));
            // SAFETY: _exit(2) ends the process at once and has no precondition.
            unsafe { libc::_exit(code.unwrap_or(101)) }
        }
        1.. => {
            // SAFETY: clone3 with CLONE_PIDFD stored a new descriptor there that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child { pid: i32::try_from(pid).unwrap_or(i32::MAX), pidfd })
        }
        _ => Err(last_errno()).because("start", || "a child process"),
    }
}

/// Replaces this process's program by the file `path` and returns only on failure. Descriptors above 2 are closed, but for the
/// `kept` next ones ([`set_extra`]).
///
/// # Errors
/// As execve(2): `ENOENT`, `EACCES`, `ENOEXEC`, `E2BIG` ...
#[must_use]
pub fn exec(path: &CStr, argv: &[CString], env: &[CString], kept: usize) -> Errno {
    let argv: Vec<_> = argv.iter().map(|arg| arg.as_ptr()).chain([std::ptr::null()]).collect();
    let env: Vec<_> = env.iter().map(|pair| pair.as_ptr()).chain([std::ptr::null()]).collect();
    let first = libc::c_uint::try_from(kept).unwrap_or(0).saturating_add(3);
    // SAFETY: CLOSE_RANGE_CLOEXEC closes nothing now; after a failed exec every descriptor is still its owner's.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    // SAFETY: `path` and every element are NUL-terminated strings that outlive the call, both arrays end in a null pointer.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    last_errno()
}

/// Makes `fds` this process's stdin, stdout and stderr.
///
/// # Errors
/// As dup2(2); not met in practice.
pub fn set_stdio(fds: [BorrowedFd<'_>; 3]) -> Result<(), HostError> {
    // A descriptor that is itself 0, 1 or 2 would be overwritten before its turn: take copies above first.
    let high = fds.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 3));
    for (target, fd) in (0..).zip(high) {
        let fd = fd.because("set", || "the standard streams")?;
        // SAFETY: 0, 1 and 2 are nobody's property in Rust's I/O safety; dup2 leaves a valid descriptor there at any time.
        if unsafe { libc::dup2(fd.as_raw_fd(), target) } < 0 {
            return Err(last_errno()).because("set", || "the standard streams");
        }
    }
    Ok(())
}

/// Makes `fds` the descriptors 3 and so on of the program that comes next. Whatever had these numbers is closed, so that only
/// [`exec`] may follow.
///
/// # Errors
/// No descriptor left.
pub fn set_extra(fds: &[BorrowedFd<'_>]) -> Result<(), HostError> {
    let object = || "the descriptors of a program";
    let above = i32::try_from(fds.len()).unwrap_or(i32::MAX).saturating_add(3);
    // One that has such a number itself would be overwritten before its turn: take copies above first.
    let high: Result<Vec<OwnedFd>, Errno> =
        fds.iter().map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, above)).collect();
    let high = high.because("set", object)?;
    for (target, fd) in (3..).zip(&high) {
        // SAFETY: whoever owned the number does not use it any more, since exec follows or the process ends; the copies
        // have higher numbers.
        if unsafe { libc::dup2(fd.as_raw_fd(), target) } < 0 {
            return Err(last_errno()).because("set", object);
        }
    }
    Ok(())
}

/// Gives stdin, stdout and stderr to the user `uid`, where they are pipes or terminals and that is allowed: else programs that
/// open them anew by name could not.
pub fn give_stdio(uid: u32) {
    let uid = Some(rustix::process::Uid::from_raw(uid));
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        let kind = rustix::fs::fstat(fd).map(|found| rustix::fs::FileType::from_raw_mode(found.st_mode));
        if rustix::termios::isatty(fd) || kind == Ok(rustix::fs::FileType::Fifo) {
            // A program that never opens them does not care.
            let _ = rustix::fs::fchown(fd, uid, None);
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code of 8 bits.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Takes one child that has ended, if there is one.
///
/// # Errors
/// `ECHILD` when there is no child at all.
pub fn reap() -> Result<Option<(i32, Ended)>, Errno> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(None) => return Ok(None),
            Ok(Some((pid, status))) => {
                let pid = pid.as_raw_nonzero().get();
                if let Some(code) = status.exit_status() {
                    return Ok(Some((pid, Ended::Exited(code))));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(Some((pid, Ended::Signaled(signal))));
                }
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits for the child `pid` to end.
///
/// # Errors
/// `ECHILD` when it is not a child of this process, or was waited for already.
pub fn wait(pid: i32) -> Result<Ended, Errno> {
    loop {
        match rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                if let Some(code) = status.exit_status() {
                    return Ok(Ended::Exited(code));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(Ended::Signaled(signal));
                }
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Sends the signal `number` to the process `pid`, or to the whole process group it leads.
///
/// # Errors
/// `EINVAL` for a number that is no signal, `ESRCH` when there is no such process, `EPERM`.
pub fn kill(pid: i32, number: i32, group: bool) -> Result<(), Errno> {
    // 0, 1 and negative numbers mean "everybody" or "init" to kill(2): never what a caller of this function wants.
    if pid <= 1 {
        return Err(Errno::SRCH);
    }
    let target = if group { -pid } else { pid };
    // SAFETY: kill(2) takes two numbers and touches no memory.
    if unsafe { libc::kill(target, number) } < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Sends the signal `number` to every process of the PID namespace whose first process this is, except itself.
///
/// # Errors
/// `EPERM` when this is not the first process of a namespace: there "every process" would be the machine's.
pub fn kill_all(number: i32) -> Result<(), Errno> {
    if rustix::process::getpid() != Pid::INIT {
        return Err(Errno::PERM);
    }
    // SAFETY: kill(2) takes two numbers and touches no memory.
    match unsafe { libc::kill(-1, number) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// Ends the process behind `pidfd` at once.
///
/// # Errors
/// `ESRCH` when it has ended and was waited for.
pub fn kill_now(pidfd: impl AsFd) -> Result<(), Errno> {
    rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL)
}

/// The number, in the PID namespace of the caller's /proc, of the process behind `pidfd`; `None` once it was waited for.
#[must_use]
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}

/// Closes every descriptor above 2 that is not in `keep`.
fn close_all_but(keep: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(fd.as_raw_fd()).ok()).collect();
    kept.sort_unstable();
    let mut next = 3;
    for fd in kept {
        if fd > next {
            close_range(next, fd - 1);
        }
        next = next.max(fd.saturating_add(1));
    }
    close_range(next, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: called only in a forked child, whose copies of the parent's descriptors have no owner that could still use
    // them: `fork` documents that its closure touches only those kept, and the child never returns to other code.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_process_of_a_namespace_signals_all() {
        assert_eq!(kill_all(0), Err(Errno::PERM));
    }

    #[test]
    fn a_process_with_threads_has_no_children_here() {
        // The test harness has a thread for each test and one of its own.
        std::thread::spawn(|| {
            assert!(!is_single_threaded().unwrap());
            let refused = fork(NewNamespaces::default(), &[], || 0).unwrap_err();
            assert_eq!(refused.errno, Errno::BUSY);
        })
        .join()
        .unwrap();
    }
}
