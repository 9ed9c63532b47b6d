//! Socket options that no safe wrapper knows.

#![expect(unsafe_code, reason = "setsockopt(2) and getsockopt(2)")]

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// Sets an option that takes an int.
pub(crate) fn set_int(fd: impl AsFd, level: libc::c_int, name: libc::c_int, value: i32) -> Result<(), Errno> {
    set_bytes(fd, level, name, &value.to_ne_bytes())
}

/// Sets an option that takes `value` as it lies in memory.
pub(crate) fn set_bytes(
    fd: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &[u8],
) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the fd is open; `value` is readable for `length` bytes and outlives the call.
    match unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), length) } {
        0 => Ok(()),
        _ => Err(last_errno()),
    }
}

/// The errno of the system call that just failed.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
