//! Capabilities by name: what a host's processes may do.
//!
//! Source: `linux/capability.h`; capabilities(7).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A set of capabilities; bit n stands for capability number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(u64);

impl Capabilities {
    /// Every capability there is.
    pub const ALL: Self = Self(u64::MAX);

    /// What a host may do unless it is privileged: all of its own network, nothing of the machine.
    #[must_use]
    pub fn of_a_host() -> Self {
        HOST.iter().filter_map(|name| Self::named(name)).fold(Self::default(), Self::with)
    }

    /// What a container may do unless it is privileged: what Docker allows, but for the making of device files, which there
    /// is nothing to hold in check here.
    #[must_use]
    pub fn of_a_container() -> Self {
        CONTAINER.iter().filter_map(|name| Self::named(name)).fold(Self::default(), Self::with)
    }

    /// The set of the one capability called `name`, in lower case and without `cap_`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(|number| Self(1 << number))
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as the kernel writes it.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("all");
        }
        let names = NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) != 0);
        for (index, (_, name)) in names.enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

const HOST: [&str; 11] = [
    "net_admin",
    "net_raw",
    "net_bind_service",
    "chown",
    "dac_override",
    "fowner",
    "setuid",
    "setgid",
    "kill",
    "sys_chroot",
    "audit_write",
];

const CONTAINER: [&str; 13] = [
    "audit_write",
    "chown",
    "dac_override",
    "fowner",
    "fsetid",
    "kill",
    "net_bind_service",
    "net_raw",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_chroot",
];

/// In the order of their numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernel() {
        for (name, number) in
            [("chown", 0), ("net_admin", 12), ("sys_admin", 21), ("mknod", 27), ("checkpoint_restore", 40)]
        {
            assert_eq!(Capabilities::named(name).map(Capabilities::bits), Some(1 << number), "{name}");
        }
        assert_eq!(Capabilities::named("cap_chown"), None);
    }

    #[test]
    fn a_host_owns_its_network_and_nothing_of_the_machine() {
        let host = Capabilities::of_a_host();
        assert_eq!(host.bits().count_ones(), 11);
        for name in ["net_admin", "net_raw", "kill", "setuid"] {
            assert!(Capabilities::named(name).is_some_and(|one| host.contains(one)), "{name}");
        }
        for name in ["sys_admin", "sys_module", "sys_ptrace", "mknod", "sys_rawio", "bpf", "sys_boot"] {
            assert!(Capabilities::named(name).is_some_and(|one| !host.contains(one)), "{name}");
        }
    }

    #[test]
    fn a_container_has_no_power_over_its_network() {
        let container = Capabilities::of_a_container();
        assert_eq!(container.bits().count_ones(), 13);
        for name in ["net_admin", "sys_admin", "mknod", "sys_ptrace", "sys_module"] {
            assert!(Capabilities::named(name).is_some_and(|one| !container.contains(one)), "{name}");
        }
    }

    #[test]
    fn sets_print_as_names() {
        let set = Capabilities::named("kill").into_iter().chain(Capabilities::named("chown"));
        assert_eq!(set.fold(Capabilities::default(), Capabilities::with).to_string(), "chown kill");
        assert_eq!(Capabilities::ALL.to_string(), "all");
    }
}
