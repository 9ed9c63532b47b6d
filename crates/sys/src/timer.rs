//! A file descriptor that becomes ready at a moment, for who waits for descriptors only.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::clock;
use crate::error::{Because, HostError};

/// See the module. It is readable from its moment on, until it is set anew.
#[derive(Debug)]
pub struct Timer {
    fd: OwnedFd,
    at: Option<u64>,
}

impl Timer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// No fd left.
    pub fn new() -> Result<Self, HostError> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags).because("create", || "a timer")?;
        Ok(Self { fd, at: None })
    }

    /// Sets it to a moment, in nanoseconds of [`clock::now`]; `None`: to none.
    pub fn set(&mut self, at: Option<u64>) {
        if self.at == at {
            return;
        }
        self.at = at;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A moment of 0 would be none.
        let it_value = at.map_or(zero, |at| clock::timespec(at.max(1)));
        let spec = Itimerspec { it_interval: zero, it_value };
        // Cannot fail: the fd is a timer, and the time is one.
        let _ = timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec);
    }

    /// Whether it is set, be its moment past or to come.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.at.is_some()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epoll::{Epoll, Interest};

    #[test]
    fn it_is_ready_from_its_moment_on() {
        let mut timer = Timer::new().unwrap();
        let mut epoll = Epoll::new(1).unwrap();
        epoll.add(&timer, 7, Interest::Read).unwrap();
        let mut ready = |timeout| epoll.wait(timeout, |_| {}).unwrap();
        assert_eq!(ready(Some(0)), 0);
        timer.set(Some(clock::now() + 20_000_000));
        assert!(timer.is_set());
        assert_eq!(ready(Some(0)), 0);
        assert_eq!(ready(Some(5_000_000_000)), 1);
        assert_eq!(ready(Some(0)), 1, "until it is set anew");
        timer.set(None);
        assert_eq!(ready(Some(0)), 0);
    }
}
