//! Limits in words: what is not kept and why, and what a node or tenant may use beside what it uses.

use netloom_container::limits::{Limits as Kept, Part};
use netloom_lab::Lab;
use netloom_lab::limits::Limits;
use netloom_sys::cgroup::{Controller, Grounds};

use super::{grounds, kept};

/// Limits of a row of `top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::engine) struct Bound {
    /// Thousandths of a processor.
    pub(in crate::engine) cpu: Option<u64>,
    /// Bytes.
    pub(in crate::engine) memory: Option<u64>,
    /// Processes.
    pub(in crate::engine) pids: Option<u64>,
}

impl Bound {
    /// Of limits.
    pub(in crate::engine) fn of(limits: &Limits) -> Self {
        Self {
            cpu: limits.cpu.map(|cpu| cpu.start),
            memory: limits.memory.map(|memory| memory.start),
            pids: limits.pids,
        }
    }
}

/// Why a limit is not kept: `memory 128MiB: the machine has no memory controller mounted`.
pub(super) fn why(part: Part, limits: &Limits, kept: &Kept, grounds: &Grounds) -> String {
    let what = limits.list().into_iter().find(|words| words.split(' ').next() == Some(part.word()));
    let what = what.unwrap_or_else(|| part.word().to_owned());
    let controller = match part {
        Part::Cpu => Controller::Cpu,
        Part::Memory | Part::Swap => Controller::Memory,
        Part::Pids => Controller::Pids,
        Part::Io => Controller::Io,
        Part::Cpuset => Controller::Cpuset,
    };
    let why = match (grounds.of(controller), part) {
        (Err(why), _) => why,
        (Ok(_), Part::Io) if kept.io.disks.is_empty() => {
            "what is read and written here is on no disk of its own"
        }
        (Ok(ground), Part::Swap) if !ground.unified && limits.memory.is_none() => {
            "version 1 of control groups limits swap only together with memory"
        }
        (Ok(_), Part::Swap) => "this kernel does not count swap",
        (Ok(_), _) => "this kernel has no such limit",
    };
    format!("{what}: {why}")
}

/// What of a lab's limits would not be kept on this machine, by node and tenant, as far as can be told without making a
/// group.
pub(in crate::engine) fn lacking_here(lab: &Lab) -> Vec<String> {
    let nodes = lab.nodes.iter().filter(|node| !node.limits.is_unlimited());
    let nodes = nodes.map(|node| (node.name.clone(), node.limits.clone()));
    let tenants = lab.tenants.iter().map(|tenant| (format!("tenant {}", tenant.name), tenant.quota.limits()));
    let all: Vec<(String, Limits)> =
        tenants.filter(|(_, limits)| !limits.is_unlimited()).chain(nodes).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let grounds = grounds();
    let version = |controller| grounds.of(controller).ok().map(|ground| ground.unified);
    let mut out = Vec::new();
    for (name, limits) in all {
        let wanted = kept(&limits);
        let missing = netloom_container::limits::write::writes(&Kept::default(), &wanted, &version).missing;
        for part in missing {
            let refused = if limits.best_effort { "" } else { "; `up` refuses it" };
            out.push(format!("{name} is not kept to {}{refused}", why(part, &limits, &wanted, &grounds)));
        }
    }
    out
}
