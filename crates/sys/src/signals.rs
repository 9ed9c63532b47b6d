//! Signals as a file descriptor, and their state before a foreign program is started.

#![expect(unsafe_code, reason = "sigprocmask, signal and signalfd have no safe form")]

use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use crate::error::{Because, HostError};

/// Signals of the calling thread, blocked and read from a descriptor instead.
#[derive(Debug)]
pub struct SignalFd(OwnedFd);

impl SignalFd {
    /// Blocks the signals `numbers` and opens a non-blocking descriptor for them.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn block(numbers: &[i32]) -> Result<Self, HostError> {
        let set = signal_set(numbers);
        // SAFETY: `set` is an initialised signal set that outlives both calls; no old set is asked for.
        let fd = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if fd < 0 {
            return Err(std::io::Error::last_os_error()).because("open", || "a descriptor for signals");
        }
        // SAFETY: signalfd returned a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes the number of one pending signal, if there is one.
    #[must_use]
    pub fn take(&self) -> Option<i32> {
        let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.0, &mut record) {
                Ok(length) if length == record.len() => {
                    let number = record.first_chunk().map(|word| u32::from_ne_bytes(*word))?;
                    return i32::try_from(number).ok();
                }
                Err(Errno::INTR) => {}
                _ => return None,
            }
        }
    }
}

impl AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Gives every signal its default effect and blocks none: what a program may expect at its start.
///
/// Rust programs ignore SIGPIPE, and whoever reads signals from a descriptor blocks them; both would be inherited.
pub fn reset() {
    let none = signal_set(&[]);
    // SAFETY: SIG_DFL is a valid action for every number; those that cannot be changed only return an error. `none` is an
    // initialised set that outlives the call.
    unsafe {
        for number in 1..=64 {
            libc::signal(number, libc::SIG_DFL);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

fn signal_set(numbers: &[i32]) -> libc::sigset_t {
    // SAFETY: all zero is valid memory for a `sigset_t`, and sigemptyset initialises it; sigaddset refuses a bad number.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for number in numbers {
            libc::sigaddset(&raw mut set, *number);
        }
        set
    }
}
