//! Signals as bytes in a pipe, so that a wait for an answer can also wait for Ctrl-C.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};

/// Signals caught while this lives; they have their default effect again afterwards.
#[derive(Debug)]
pub(crate) struct Signals {
    pipes: Vec<(i32, UnixStream, SigId)>,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn ends() -> io::Result<Self> {
        Self::catch(&[SIGINT, SIGTERM, SIGHUP])
    }

    /// Catches SIGTERM and SIGHUP: what ends a program that keeps Ctrl-C to itself.
    pub(crate) fn kills() -> io::Result<Self> {
        Self::catch(&[SIGTERM, SIGHUP])
    }

    /// Waits until one comes.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        while self.take().is_empty() {
            let mut fds: Vec<_> = self.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Catches SIGWINCH as well.
    pub(crate) fn terminal() -> io::Result<Self> {
        Self::catch(&[SIGINT, SIGTERM, SIGHUP, SIGWINCH])
    }

    fn catch(numbers: &[i32]) -> io::Result<Self> {
        let mut pipes = Vec::new();
        for &number in numbers {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            pipes.push((number, read, signal_hook::low_level::pipe::register(number, write)?));
        }
        Ok(Self { pipes })
    }

    /// What becomes readable when a signal comes.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(_, read, _)| read.as_fd())
    }

    /// The signals that came since the last call.
    pub(crate) fn take(&mut self) -> Vec<i32> {
        let mut came = Vec::new();
        for (number, read, _) in &mut self.pipes {
            let mut bytes = [0; 64];
            if matches!(read.read(&mut bytes), Ok(1..)) {
                came.push(*number);
            }
        }
        came
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for (_, _, id) in &self.pipes {
            signal_hook::low_level::unregister(*id);
        }
    }
}

/// Whether a signal asks for an end.
pub(crate) const fn is_end(number: i32) -> bool {
    matches!(number, SIGINT | SIGTERM | SIGHUP)
}

/// Whether a signal says that the terminal has a new size.
pub(crate) const fn is_resize(number: i32) -> bool {
    number == SIGWINCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_arrives_as_a_number() {
        let mut signals = Signals::catch(&[SIGWINCH]).unwrap();
        assert!(signals.take().is_empty());
        signal_hook::low_level::raise(SIGWINCH).unwrap();
        assert_eq!(signals.take(), [SIGWINCH]);
        assert!(is_resize(SIGWINCH) && is_end(SIGINT) && !is_end(SIGWINCH));
    }
}
