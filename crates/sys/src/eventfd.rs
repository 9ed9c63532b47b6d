//! A counter one thread raises to wake another from epoll.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

use crate::error::{Because, HostError};

/// A wake-up call. Signals given before the sleeper looks add up to one.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    /// Makes one, not signalled.
    ///
    /// # Errors
    /// No fd left.
    pub fn new() -> Result<Self, HostError> {
        let fd =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).because("create", || "an eventfd")?;
        Ok(Self { fd })
    }

    /// Wakes the sleeper.
    pub fn signal(&self) {
        // The only failure is a full counter (EAGAIN), and then the sleeper is awake already.
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Takes all signals given so far; whether there was any.
    pub fn clear(&self) -> bool {
        rustix::io::read(&self.fd, &mut [0_u8; 8]).is_ok()
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A counter that another process made: whatever it is, using it never waits.
#[derive(Debug)]
pub struct ForeignEvent(OwnedFd);

impl ForeignEvent {
    /// Takes it over, and makes it non-blocking.
    ///
    /// # Errors
    /// As fcntl(2); not met in practice.
    pub fn new(fd: OwnedFd) -> Result<Self, HostError> {
        let flags = rustix::fs::fcntl_getfl(&fd).because("ask for the flags of", || "an eventfd")?;
        rustix::fs::fcntl_setfl(&fd, flags | rustix::fs::OFlags::NONBLOCK)
            .because("set the flags of", || "an eventfd")?;
        Ok(Self(fd))
    }

    /// Wakes whoever sleeps on the other side.
    pub fn signal(&self) {
        // A full counter wakes as well; what is no eventfd at all is its maker's loss.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Takes all signals given so far.
    pub fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for ForeignEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_signals_are_one() {
        let event = EventFd::new().unwrap();
        assert!(!event.clear());
        event.signal();
        event.signal();
        assert!(event.clear());
        assert!(!event.clear());
    }

    #[test]
    fn what_another_process_made_never_waits() {
        let blocking = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let event = ForeignEvent::new(blocking).unwrap();
        event.clear();
        event.signal();
        assert_eq!(rustix::io::read(&event, &mut [0_u8; 8]), Ok(8));
        event.clear();
    }
}
