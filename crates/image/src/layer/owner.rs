//! Who files belong to, and what of it an ordinary user can keep.

use netloom_sys::{Errno, HostError};

use super::apply::Report;

/// What this process may do with owners, devices and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// Root of the machine: everything is kept.
    Root,
    /// Anybody else: what belongs to root belongs to this user, who is root in a lab of theirs. Other owners are tried, for a
    /// user namespace with several numbers, and counted where that fails.
    User,
}

impl Owners {
    pub(super) fn of_this_process() -> Self {
        let root = rustix::process::geteuid().is_root() && netloom_sys::userns::is_first();
        if root { Self::Root } else { Self::User }
    }

    /// Runs `own` if it is needed; whether the owner is now what it should be.
    pub(super) fn give(
        self,
        (uid, gid): (u32, u32),
        path: &str,
        report: &mut Report,
        own: impl FnOnce(u32, u32) -> Result<(), HostError>,
    ) -> Result<bool, HostError> {
        if self == Self::User && (uid, gid) == (0, 0) {
            return Ok(true);
        }
        match own(uid, gid) {
            Err(error) if self == Self::User && matches!(error.errno, Errno::PERM | Errno::INVAL) => {
                report.owner_lost(path, uid, gid);
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }
}
