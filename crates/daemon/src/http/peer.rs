//! Who may ask.

use rustix::process::geteuid;
use tokio::net::UnixStream;

/// Whether the process at the other end may command this lab.
///
/// The socket's mode decides first: only the owner, root and, with `--group`, a group can open it at all. The
/// kernel's word on who they are then guards against a socket that was passed on. A user whom this user
/// namespace has no number for (`overflowuid`) is root or of the group, by that mode.
pub(crate) fn may_ask(stream: &UnixStream, group: bool) -> bool {
    let Ok(peer) = stream.peer_cred() else { return false };
    decide(peer.uid(), geteuid().as_raw(), group, rootless())
}

const fn decide(peer: u32, me: u32, group: bool, rootless: bool) -> bool {
    const OVERFLOW: u32 = 65_534;
    peer == me || peer == 0 || group || (rootless && peer == OVERFLOW)
}

/// Whether this process is in a user namespace that does not have all users.
fn rootless() -> bool {
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| !map.split_ascii_whitespace().eq(["0", "0", "4294967295"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_and_root_may_and_others_only_as_a_group() {
        assert!(decide(1000, 1000, false, false));
        assert!(decide(0, 1000, false, false));
        assert!(!decide(1001, 1000, false, false));
        assert!(decide(1001, 1000, true, false));
        assert!(!decide(65_534, 1000, false, false));
        assert!(decide(65_534, 0, false, true), "root seen from a user namespace");
    }
}
