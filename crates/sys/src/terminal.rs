//! Pseudo-terminals: made in the caller's mount namespace, so that /dev/pts names them where the program runs.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::error::{Because, HostError};

/// Opens a new pseudo-terminal of /dev/ptmx: the master, and the terminal a program sees.
///
/// # Errors
/// `ENOENT` without /dev/ptmx, `ENOSPC` at the limit of terminals.
pub fn open() -> Result<(OwnedFd, OwnedFd), HostError> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::open("/dev/ptmx", flags, Mode::empty()).because("open", || "/dev/ptmx")?;
    rustix::pty::unlockpt(&master).because("unlock", || "a pseudo-terminal")?;
    let peer_flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = rustix::pty::ioctl_tiocgptpeer(&master, peer_flags)
        .because("open", || "the program's side of a pseudo-terminal")?;
    Ok((master, terminal))
}

/// Sets the size of the terminal behind either side and sends SIGWINCH to its foreground job if it changed.
///
/// # Errors
/// `ENOTTY` if `fd` is no terminal, `EIO` once the other side is gone.
pub fn resize(fd: impl AsFd, rows: u16, columns: u16) -> Result<(), HostError> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(fd, size).because("resize", || "a pseudo-terminal")
}

/// Starts a session whose controlling terminal is `terminal`, so that ^C and job control work.
///
/// # Errors
/// `EPERM` if the caller leads a process group already, or the terminal controls another session.
pub fn control(terminal: impl AsFd) -> Result<(), HostError> {
    rustix::process::setsid().because("start", || "a session")?;
    rustix::process::ioctl_tiocsctty(terminal).because("take", || "the controlling terminal")
}

/// Starts a session without a controlling terminal; the process leads a process group of its own.
///
/// # Errors
/// `EPERM` if the caller leads a process group already.
pub fn leave() -> Result<(), HostError> {
    rustix::process::setsid().because("start", || "a session")?;
    Ok(())
}
