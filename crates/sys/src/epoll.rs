//! Waiting for many file descriptors at once, with a timeout in nanoseconds.

#![expect(
    unsafe_code,
    reason = "an event may hold a pointer, so rustix cannot promise that it may change threads; ours hold none"
)]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use crate::clock;
use crate::error::{Because, HostError};

/// What to wait for on one file descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, again and again until it is read (level-triggered).
    Read,
    /// Room to write, again and again until there is none.
    Write,
    /// Either.
    Both,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::Write => epoll::EventFlags::OUT,
            Self::Both => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

/// One file descriptor that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// What the fd was added with.
    pub token: u64,
    /// There is something to read, an error or an end of file included.
    pub readable: bool,
    /// There is room to write, or an error.
    pub writable: bool,
    /// The other side is gone or the device failed: reading will tell.
    pub closed: bool,
}

/// A set of file descriptors to wait for.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<epoll::Event>,
}

// SAFETY: the events are filled by the kernel from the tokens given to `add` and `modify`: numbers, never pointers.
unsafe impl Send for Epoll {}
// SAFETY: as above; and the events are only touched through `&mut`.
unsafe impl Sync for Epoll {}

impl Epoll {
    /// Makes an empty set; [`Epoll::wait`] returns up to `batch` fds at a time.
    ///
    /// # Errors
    /// No fd left.
    pub fn new(batch: usize) -> Result<Self, HostError> {
        let fd = epoll::create(epoll::CreateFlags::CLOEXEC).because("create", || "an epoll set")?;
        Ok(Self { fd, events: Vec::with_capacity(batch.max(1)) })
    }

    /// Adds `fd` under `token`.
    ///
    /// # Errors
    /// `EEXIST` when it is there already, `EPERM` for a file that cannot be waited for.
    pub fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<(), HostError> {
        epoll::add(&self.fd, fd, epoll::EventData::new_u64(token), interest.flags())
            .because("wait for the file descriptor with token", || token.to_string())
    }

    /// Changes what is waited for on `fd`.
    ///
    /// # Errors
    /// `ENOENT` when it was never added.
    pub fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> Result<(), HostError> {
        epoll::modify(&self.fd, fd, epoll::EventData::new_u64(token), interest.flags())
            .because("wait otherwise for the file descriptor with token", || token.to_string())
    }

    /// Removes `fd`. Closing the last copy of an fd removes it as well.
    ///
    /// # Errors
    /// `ENOENT` when it was never added.
    pub fn remove(&self, fd: impl AsFd) -> Result<(), HostError> {
        epoll::delete(&self.fd, fd).because("stop waiting for", || "a file descriptor")
    }

    /// Waits until something is ready or `timeout` nanoseconds are over (`None`: for ever, `Some(0)`: not at all), and
    /// calls `each` for every ready fd. Returns how many; 0 after a timeout or a signal.
    ///
    /// # Errors
    /// As epoll_pwait2(2); not met in practice.
    pub fn wait(&mut self, timeout: Option<u64>, mut each: impl FnMut(Ready)) -> Result<usize, HostError> {
        self.events.clear();
        let timeout = timeout.map(clock::timespec);
        let count = match epoll::wait(&self.fd, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(HostError::new("wait for", "an epoll set", errno)),
        };
        for event in self.events.drain(..) {
            let flags = event.flags;
            let closed = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            each(Ready {
                token: event.data.u64(),
                readable: closed || flags.contains(epoll::EventFlags::IN),
                writable: closed || flags.contains(epoll::EventFlags::OUT),
                closed,
            });
        }
        Ok(count)
    }
}

impl std::fmt::Debug for Epoll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoll").field("fd", &self.fd).field("batch", &self.events.capacity()).finish()
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventfd::EventFd;

    #[test]
    fn reports_the_token_of_what_is_ready() {
        let mut epoll = Epoll::new(8).unwrap();
        let (quiet, loud) = (EventFd::new().unwrap(), EventFd::new().unwrap());
        epoll.add(&quiet, 1, Interest::Read).unwrap();
        epoll.add(&loud, 2, Interest::Read).unwrap();
        loud.signal();
        let mut seen = Vec::new();
        assert_eq!(epoll.wait(Some(0), |ready| seen.push(ready)).unwrap(), 1);
        assert_eq!(seen, [Ready { token: 2, readable: true, writable: false, closed: false }]);
        loud.clear();
        assert_eq!(epoll.wait(Some(0), |_| ()).unwrap(), 0);
        epoll.remove(&loud).unwrap();
        loud.signal();
        assert_eq!(epoll.wait(Some(0), |_| ()).unwrap(), 0);
    }

    #[test]
    fn timeouts_below_a_millisecond_are_kept() {
        let mut epoll = Epoll::new(1).unwrap();
        let best = (0..20)
            .map(|_| {
                let start = clock::now();
                epoll.wait(Some(200_000), |_| ()).unwrap();
                clock::now() - start
            })
            .min()
            .unwrap();
        assert!((200_000..900_000).contains(&best), "{best} ns for 200,000");
    }
}
