//! What to do about a refusal of the host.

use std::error::Error;

use netloom_api::{ApiError, ErrorKind};

/// An error with its causes, and a hint where the kernel's number says what is lacking. Wherever in the chain it stands:
/// the operation that ran out of something is rarely the one that used it up.
pub(super) fn refused(
    kind: ErrorKind,
    message: impl Into<String>,
    error: &(dyn Error + 'static),
) -> ApiError {
    let mut out = ApiError::caused(kind, message, error);
    let numbers = out.detail.causes.iter().filter_map(|cause| number(cause));
    if let Some((kind, hint)) = numbers.filter_map(advice).next() {
        out.kind = kind.unwrap_or(out.kind);
        out.hint = Some(hint.to_owned());
    }
    out
}

/// The number that std and rustix put behind the kernel's words.
fn number(cause: &str) -> Option<i32> {
    cause.split_once("(os error ")?.1.split_once(')')?.0.parse().ok()
}

fn advice(errno: i32) -> Option<(Option<ErrorKind>, &'static str)> {
    let machine = Some(ErrorKind::Machine);
    match errno {
        // EMFILE, ENFILE
        24 => Some((
            machine,
            "raise the limit of open files: `ulimit -n 65536` (a host takes two, a lab some 30)",
        )),
        23 => Some((machine, "the machine has too many open files: see the sysctl fs.file-max")),
        // ENOMEM, EAGAIN of a thread or process
        12 => Some((machine, "the machine is short of memory")),
        11 => Some((
            machine,
            "no thread or process can be started: see `ulimit -u` and the sysctl kernel.threads-max",
        )),
        // ENOSPC is a full disk as well as a limit of namespaces, whose sysctls are alike.
        28 => Some((
            None,
            "either a file system is full (`df`), or a limit of namespaces is reached (`sysctl user | grep max_`)",
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_found_below_other_causes() {
        let cause = netloom_sys::HostError::new("open", "x", netloom_sys::Errno::MFILE);
        let error = refused(ErrorKind::Failed, "Cannot do it.", &cause);
        assert_eq!(error.kind, ErrorKind::Machine);
        assert!(error.hint.is_some_and(|hint| hint.contains("ulimit -n")));
        let other = netloom_sys::HostError::new("open", "x", netloom_sys::Errno::EXIST);
        assert_eq!(refused(ErrorKind::Failed, "Cannot do it.", &other).hint, None);
    }
}
