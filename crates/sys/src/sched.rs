//! How soon a thread gets a processor that it wants.

#![expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper elsewhere")]

use rustix::io::Errno;

use crate::error::HostError;

/// The standing of a thread among those that want a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Ahead of ordinary threads, at once (`SCHED_RR`, the lowest of its priorities).
    Prompt,
    /// As everybody else (`SCHED_OTHER`).
    Ordinary,
}

/// Gives the calling thread a standing. Its children have the ordinary one.
///
/// Source: sched(7).
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, where `RLIMIT_RTPRIO` is 0.
pub fn set_standing(standing: Standing) -> Result<(), HostError> {
    let (policy, sched_priority) = match standing {
        Standing::Prompt => (libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, 1),
        Standing::Ordinary => (libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK, 0),
    };
    let parameters = libc::sched_param { sched_priority };
    // SAFETY: 0 is the calling thread; the parameters are read during the call only.
    match unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) } {
        0 => Ok(()),
        _ => {
            let errno = Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::PERM);
            Err(HostError::new("schedule", "this thread ahead of others", errno))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_can_be_given_up_again() {
        std::thread::spawn(|| {
            // Refused to ordinary users, and that is no harm.
            let _ = set_standing(Standing::Prompt);
            set_standing(Standing::Ordinary).unwrap();
            // SAFETY: asks for the calling thread's policy; takes no pointer.
            let policy = unsafe { libc::sched_getscheduler(0) };
            assert_eq!(policy & !libc::SCHED_RESET_ON_FORK, libc::SCHED_OTHER);
        })
        .join()
        .unwrap();
    }
}
