//! What netloom is measured against: each peer joins two hosts by one switch, as its users would.

mod bridge;
mod netloom;
pub(crate) mod ovs;
mod veth;

pub(crate) use netloom::{Lab, measure, program};

use super::shell::Netns;
use crate::run::Failed;

/// A peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Peer {
    /// netloom itself.
    Netloom,
    /// A Linux bridge with veth.
    Bridge,
    /// Open vSwitch in userspace, default settings.
    Ovs,
    /// Open vSwitch in userspace, `userspace-tso-enable=true`.
    OvsTso,
    /// A bare veth pair: no switch at all, the limit.
    Veth,
}

impl Peer {
    /// All of them, in the order of a round.
    pub(super) const ALL: [Self; 5] = [Self::Netloom, Self::Bridge, Self::Ovs, Self::OvsTso, Self::Veth];

    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Netloom => "netloom",
            Self::Bridge => "Linux bridge",
            Self::Ovs => "OVS netdev",
            Self::OvsTso => "OVS netdev + TSO",
            Self::Veth => "veth pair",
        }
    }

    /// Brings up two hosts, 10.0.0.1 and 10.0.0.2, joined by this peer.
    ///
    /// # Errors
    /// [`Failed::Check`] with the command that failed.
    pub(super) fn up(self) -> Result<Bed, Failed> {
        match self {
            Self::Netloom => netloom::up(),
            Self::Bridge => bridge::up(),
            Self::Ovs => ovs::up(false),
            Self::OvsTso => ovs::up(true),
            Self::Veth => veth::up(),
        }
    }
}

/// Two hosts and what joins them; everything goes when it is dropped.
#[derive(Debug)]
pub(super) struct Bed {
    /// The hosts' namespaces.
    pub(super) hosts: [Netns; 2],
    /// The processes that move packets, to be pinned.
    pub(super) switch: Vec<u32>,
    /// What else must be removed, first to last.
    pub(super) rest: Rest,
}

/// What a bed holds besides its hosts.
#[derive(Debug)]
pub(super) enum Rest {
    /// Nothing.
    Nothing,
    /// A namespace of the switch.
    Netns {
        /// Kept for its removal.
        _switch: Netns,
    },
    /// Open vSwitch's daemons and folder.
    Ovs {
        /// Its daemons.
        daemons: ovs::Daemons,
        /// Where they run.
        switch: Netns,
    },
    /// A lab.
    Lab {
        /// Kept for its removal.
        _lab: netloom::Lab,
    },
}

impl Bed {
    /// Pins the switch's processes to `cpus` (as `taskset --cpu-list` takes them).
    ///
    /// # Errors
    /// [`Failed::Check`] if `taskset` refuses.
    pub(super) fn pin(&self, cpus: &str) -> Result<(), Failed> {
        for pid in &self.switch {
            super::shell::sh(&format!("taskset --all-tasks --cpu-list --pid {cpus} {pid}"))?;
        }
        Ok(())
    }

    /// Runs a line of `ovs-ofctl` that names the bridge `br0`.
    ///
    /// # Errors
    /// [`Failed::Check`] with what it printed, or if this is not Open vSwitch.
    pub(super) fn ofctl(&self, line: &str) -> Result<String, Failed> {
        match &self.rest {
            Rest::Ovs { daemons, switch } => {
                let mut command = daemons.command(switch, "ovs-ofctl");
                super::shell::finish(line, command.args(line.split_whitespace()))
            }
            _ => Err(Failed::Check(format!("no Open vSwitch to be told `{line}`"))),
        }
    }
}

/// Gives each host its address and waits for nothing: neighbours are permanent.
pub(super) fn address(hosts: &[Netns; 2], device: &str) -> Result<(), Failed> {
    for (host, n) in hosts.iter().zip(1..) {
        host.ip(&format!("link set {device} address 02:00:00:00:00:0{n}"))?;
        host.ip(&format!("addr add 10.0.0.{n}/24 dev {device}"))?;
        host.ip(&format!("link set {device} up"))?;
        let other = 3 - n;
        host.ip(&format!(
            "neigh replace 10.0.0.{other} lladdr 02:00:00:00:00:0{other} nud permanent dev {device}"
        ))?;
    }
    Ok(())
}

/// Joins a host to the switch's namespace by a veth pair: `eth0` there, `port<n>` here.
pub(super) fn join(switch: &Netns, host: &Netns, n: usize) -> Result<(), Failed> {
    switch.ip(&format!("link add port{n} type veth peer name eth0 netns {}", host.name))?;
    switch.ip(&format!("link set port{n} up"))?;
    Ok(())
}
