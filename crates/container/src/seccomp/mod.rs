//! The system calls of a container: what Docker's default profile allows; all others fail with `EPERM`.
//!
//! Two filters, since one knows one answer: calls of `calls` are allowed, and `clone3` and calls younger than the list fail
//! with `ENOSYS`. `clone3` passes its flags by pointer, which no filter can follow, and the C library then takes `clone`,
//! whose flags can be looked at: no new namespace is made with it. The kernel remembers which calls pass whatever their
//! arguments, so that most of them cost nothing.
//!
//! Built by the crate seccompiler: jumps over two hundred calls are no place for another assembler.
//!
//! Source: Docker's documentation, "Seccomp security profiles for Docker"; seccomp(2).

mod calls;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

/// The filters, in the order in which they are put in place; or why there are none.
static FILTERS: OnceLock<Result<[BpfProgram; 2], String>> = OnceLock::new();

/// Builds the filters, so that processes forked from here on have them built.
pub(crate) fn prepare() {
    FILTERS.get_or_init(|| build().map_err(|error| error.to_string()));
}

/// Puts them in place for this process and what it starts. It must have `no_new_privs`, or `CAP_SYS_ADMIN`.
///
/// # Errors
/// One sentence: a kernel without seccomp, or an architecture without a list.
pub(crate) fn confine() -> Result<(), String> {
    prepare();
    let failed = |why: &str| format!("The system calls of a container cannot be bounded: {why}");
    let filters = FILTERS.get().and_then(|built| built.as_ref().ok());
    let filters = filters.ok_or_else(|| match FILTERS.get() {
        Some(Err(why)) => failed(why),
        _ => failed("they were not built"),
    })?;
    filters
        .iter()
        .try_for_each(|filter| seccompiler::apply_filter(filter).map_err(|error| failed(&error.to_string())))
}

fn build() -> Result<[BpfProgram; 2], BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    let unknown = calls::UNKNOWN.chain([libc::SYS_clone3]).map(|call| (call, Vec::new())).collect();
    let unknown =
        SeccompFilter::new(unknown, SeccompAction::Allow, SeccompAction::Errno(errno(libc::ENOSYS)), arch)?;
    let mut allowed: BTreeMap<i64, Vec<SeccompRule>> =
        calls::ALLOWED.iter().chain(calls::OF_THIS_PROCESSOR).map(|call| (*call, Vec::new())).collect();
    // These pass so that the other filter decides.
    allowed.extend(calls::UNKNOWN.chain([libc::SYS_clone3]).map(|call| (call, Vec::new())));
    allowed.insert(libc::SYS_clone, vec![rule(0, SeccompCmpOp::MaskedEq(calls::NEW_NAMESPACES), 0)?]);
    let plain = calls::PERSONALITIES.map(|persona| rule(0, SeccompCmpOp::Eq, persona));
    allowed.insert(libc::SYS_personality, plain.into_iter().collect::<Result<_, _>>()?);
    // The kernel's own cryptography is a place of many holes, and the host's sockets to hypervisors are not a container's.
    let families = |family: i32| u64::from(family.unsigned_abs());
    let not = |family| condition(0, SeccompCmpOp::Ne, families(family));
    let sockets = SeccompRule::new(vec![not(libc::AF_ALG)?, not(libc::AF_VSOCK)?])?;
    allowed.insert(libc::SYS_socket, vec![sockets]);
    let others = SeccompAction::Errno(errno(libc::EPERM));
    let allowed = SeccompFilter::new(allowed, others, SeccompAction::Allow, arch)?;
    Ok([unknown.try_into()?, allowed.try_into()?])
}

fn rule(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(argument, compare, value)?])
}

fn condition(argument: u8, compare: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compare, value)
}

const fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_into_the_kernel() {
        let filters = build().expect("a list for this processor");
        for filter in &filters {
            assert!(filter.len() > 50 && filter.len() < 4_096, "{} instructions", filter.len());
        }
    }

    #[test]
    fn what_reaches_beyond_a_container_is_not_in_the_list() {
        let all: Vec<i64> = calls::ALLOWED.iter().chain(calls::OF_THIS_PROCESSOR).copied().collect();
        for call in [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_setns,
            libc::SYS_unshare,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_add_key,
            libc::SYS_keyctl,
            libc::SYS_request_key,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_settimeofday,
            libc::SYS_open_by_handle_at,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_quotactl,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_fsopen,
        ] {
            assert!(!all.contains(&call), "{call}");
        }
        let unique: std::collections::BTreeSet<i64> = all.iter().copied().collect();
        assert_eq!(unique.len(), all.len(), "none is there twice");
    }
}
