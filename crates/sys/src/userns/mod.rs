//! User namespaces: how an ordinary user becomes root of a lab of their own.
//!
//! Source: user_namespaces(7), "Defining user and group ID mappings".

#![expect(unsafe_code, reason = "unshare(2) is unsafe in general; here only for CLONE_NEWUSER")]

mod subordinate;

use std::fs;

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::error::{Because, HostError};

pub use subordinate::{Lack, Subordinates};

/// Makes this process root of a new user namespace: its own user and group are number 0 there. Others exist as far as the
/// machine has set numbers aside for this user; if it has none, or they are refused, why is returned.
///
/// What it makes from now on (network namespaces, mounts) belongs to that namespace; devices and files of the machine are
/// as closed to it as before. To be called before any thread is started; there is no way back.
///
/// # Errors
/// `EINVAL` with several threads; `EPERM`, `ENOSPC`, `EUSERS` where the machine forbids it ([`obstacle`] knows why).
pub fn become_root() -> Result<Option<Lack>, HostError> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let writer = Subordinates::of_this_user().and_then(|own| own.prepare());
    // SAFETY: unshare(2) is unsafe only because of CLONE_FILES.
    let entered = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }
        .because("create", || "a user namespace");
    let lack = match (entered, writer) {
        (Ok(()), Ok(writer)) => match writer.write() {
            Ok(()) => return Ok(None),
            Err(lack) => lack,
        },
        (Ok(()), Err(lack)) => lack,
        (Err(error), _) => return Err(error),
    };
    if is_empty("gid_map") {
        // Without it no one without privileges may map groups: dropping a group could gain rights.
        write("setgroups", "deny")?;
        write("gid_map", &format!("0 {gid} 1\n"))?;
    }
    write("uid_map", &format!("0 {uid} 1\n"))?;
    Ok(Some(lack))
}

/// Whether a map was not written yet.
fn is_empty(file: &str) -> bool {
    fs::read_to_string(format!("/proc/self/{file}")).is_ok_and(|text| text.trim().is_empty())
}

/// What on this machine speaks against [`become_root`], as far as settings tell, in words for a person; `None`: nothing
/// known. A security module may still refuse.
#[must_use]
pub fn obstacle() -> Option<String> {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if fs::metadata("/proc/self/ns/user").is_err() {
        return Some("this kernel has no user namespaces".to_owned());
    }
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Some("user.max_user_namespaces is 0".to_owned());
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Some("kernel.unprivileged_userns_clone is 0".to_owned());
    }
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return Some("kernel.apparmor_restrict_unprivileged_userns is 1".to_owned());
    }
    None
}

/// The last of the groups 0 and up that this process can name without a gap.
#[must_use]
pub fn last_group() -> u32 {
    last_mapped(&fs::read_to_string("/proc/self/gid_map").unwrap_or_default())
}

/// Rows of a map are: first number inside, first number outside, how many (user_namespaces(7)).
fn last_mapped(map: &str) -> u32 {
    let row = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
        Some((first, count))
    };
    let mut rows: Vec<(u32, u32)> = map.lines().filter_map(row).collect();
    rows.sort_unstable();
    let end = rows.into_iter().fold(
        0_u32,
        |end, (first, count)| {
            if first == end { end.saturating_add(count) } else { end }
        },
    );
    end.saturating_sub(1)
}

/// Whether this process lives in the machine's first user namespace, where root is the real one.
#[must_use]
pub fn is_first() -> bool {
    // The first namespace maps all numbers to themselves.
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| maps_everything(&map))
}

fn maps_everything(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn write(file: &'static str, text: &str) -> Result<(), HostError> {
    let path = format!("/proc/self/{file}");
    match fs::write(&path, text) {
        // Kernels before 3.19 have no setgroups file and need none.
        Err(error) if file == "setgroups" && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.because("write", || path),
    }
}

/// The errno of a machine that forbids user namespaces, for callers that fall back.
#[must_use]
pub fn is_forbidden(errno: Errno) -> bool {
    matches!(errno, Errno::PERM | Errno::NOSPC | Errno::USERS | Errno::NOSYS | Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_cannot_change_its_user_namespace() {
        // The test harness has a thread for each test and one of its own.
        let before = fs::read_link("/proc/self/ns/user").unwrap();
        let error = std::thread::spawn(become_root).join().unwrap().unwrap_err();
        assert_eq!(error.errno, Errno::INVAL);
        assert!(is_forbidden(error.errno));
        assert_eq!(fs::read_link("/proc/self/ns/user").unwrap(), before);
    }

    #[test]
    fn only_the_whole_identity_map_is_the_first_namespace() {
        assert!(maps_everything("         0          0 4294967295\n"));
        assert!(!maps_everything("         0       1000          1\n"));
        assert!(!maps_everything(""));
    }

    #[test]
    fn groups_count_up_to_the_first_that_is_not_mapped() {
        assert_eq!(last_mapped("         0          0 4294967295\n"), 4_294_967_294);
        assert_eq!(last_mapped("         0       1000          1\n"), 0);
        assert_eq!(last_mapped("1 100000 65536\n0 1000 1\n70000 200000 5\n"), 65_536);
        for broken in ["", "0", "0 x y", "5 5 5"] {
            assert_eq!(last_mapped(broken), 0, "{broken}");
        }
    }
}
