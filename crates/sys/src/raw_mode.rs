//! The user's own terminal in raw mode: what `exec -t`, `shell` and `console` need on the near side.

use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Because, HostError};

/// A terminal in raw mode: every key comes through at once, nothing is echoed. Restored when dropped.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: rustix::termios::Termios,
}

impl<'a> RawMode<'a> {
    /// Puts the terminal into raw mode.
    ///
    /// # Errors
    /// `ENOTTY` when it is no terminal.
    pub fn enter(terminal: BorrowedFd<'a>) -> Result<Self, HostError> {
        let before = rustix::termios::tcgetattr(terminal).because("read the mode of", || "a terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(terminal, rustix::termios::OptionalActions::Now, &raw)
            .because("set the mode of", || "a terminal")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        let _ =
            rustix::termios::tcsetattr(self.terminal, rustix::termios::OptionalActions::Drain, &self.before);
    }
}

/// Rows and columns of a terminal.
///
/// # Errors
/// `ENOTTY` when it is no terminal.
pub fn size(terminal: impl AsFd) -> Result<(u16, u16), HostError> {
    let size = rustix::termios::tcgetwinsize(terminal.as_fd()).because("measure", || "a terminal")?;
    Ok((size.ws_row, size.ws_col))
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use rustix::pty::OpenptFlags;

    use super::*;

    fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let near = rustix::pty::openpt(flags)?;
        rustix::pty::unlockpt(&near)?;
        let far = rustix::pty::ioctl_tiocgptpeer(&near, flags)?;
        Ok((near, far))
    }

    #[test]
    fn raw_while_it_lives_and_as_before_afterwards() {
        let (near, far) = match pair() {
            Ok(pair) => pair,
            Err(error) => {
                eprintln!("skipped: no pseudo terminal: {error}");
                return;
            }
        };
        let mode = RawMode::enter(far.as_fd()).unwrap();
        rustix::io::write(&near, b"a\r").unwrap();
        let mut buffer = [0; 8];
        let read = rustix::io::read(&far, &mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"a\r", "no line editing, no CR to LF");
        drop(mode);
        rustix::io::write(&far, b"x\n").unwrap();
        let read = rustix::io::read(&near, &mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"x\r\n", "cooked again, and nothing was echoed before");
    }

    #[test]
    fn a_file_is_no_terminal() {
        let null = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(size(&null).unwrap_err().errno, rustix::io::Errno::NOTTY);
        assert_eq!(RawMode::enter(null.as_fd()).unwrap_err().errno, rustix::io::Errno::NOTTY);
    }
}
