//! What a process may do: capabilities, identity, no_new_privs, and its tie to its parent.
//!
//! All of it is a property of the calling *thread* for the kernel: for processes with one thread, before they start a program.

use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use crate::error::{Because, HostError};

/// Takes every capability that is not in `bits` from the bounding set: no program started from here on can gain it.
///
/// Bit n is capability number n of `linux/capability.h`. What this process holds already stays: [`limit_capabilities`].
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP`.
pub fn bound_capabilities(bits: u64) -> Result<(), HostError> {
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        // A number the kernel does not know ends the list: capabilities are numbered without gaps.
        match rustix::thread::capability_is_in_bounding_set(one) {
            Ok(true) if bits & (1 << number) == 0 => rustix::thread::remove_capability_from_bounding_set(one)
                .because("drop from the bounding set the capability", || number.to_string())?,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// Gives up every capability that is not in `bits`, for good.
///
/// # Errors
/// Not met in practice.
pub fn limit_capabilities(bits: u64) -> Result<(), HostError> {
    let wanted = CapabilitySet::from_bits_retain(bits);
    let now = rustix::thread::capabilities(None).because("read", || "the capabilities")?;
    let sets = CapabilitySets {
        effective: now.effective & wanted,
        permitted: now.permitted & wanted,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).because("limit", || "the capabilities")
}

/// Takes the identity of a user: supplementary groups, group, user, real and effective and saved.
///
/// # Errors
/// `EPERM` without `CAP_SETUID` and `CAP_SETGID`, `EINVAL` for a number the user namespace does not map.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> Result<(), HostError> {
    let list: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    rustix::thread::set_thread_groups(&list).because("set", || format!("the groups {groups:?}"))?;
    let (group, user) = (Gid::from_raw(gid), Uid::from_raw(uid));
    rustix::thread::set_thread_res_gid(group, group, group).because("become group", || gid.to_string())?;
    rustix::thread::set_thread_res_uid(user, user, user).because("become user", || uid.to_string())
}

/// Leaves all supplementary groups, where the user namespace allows it at all.
pub fn leave_groups() {
    // An ordinary user's namespace forbids setgroups(2); the groups it keeps are ones that user has anyway.
    let _ = rustix::thread::set_thread_groups(&[]);
}

/// No program started from here on gains privileges from its file (setuid, capabilities).
///
/// # Errors
/// Not met in practice.
pub fn no_new_privileges() -> Result<(), HostError> {
    rustix::thread::set_no_new_privs(true).because("set", || "no_new_privs")
}

/// This process is killed when the thread that started it ends.
///
/// # Errors
/// Not met in practice.
pub fn die_with_parent() -> Result<(), HostError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .because("tie", || "a process to its parent")
}

/// Nobody without `CAP_SYS_PTRACE` may look into this process (its memory, descriptors, program file) until it starts another
/// program. Children inherit it.
///
/// # Errors
/// Not met in practice.
pub fn hide_from_peers() -> Result<(), HostError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .because("hide", || "a process from its peers")
}
