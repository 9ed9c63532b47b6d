//! What the nodes of a tenant may take together, held against its quota.
//!
//! A node counts with the most it can be set to (`cpu: 1..4` with 4), a link with its rate. One without a limit of its own
//! counts nothing: it shares what the tenant has, which is kept when the lab runs.

use crate::lab::{End, Lab, Link, Node};
use crate::limits::{Amount, Quota};
use crate::quantity::{show_processors, show_rate, show_size};

/// A part of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// How many nodes.
    Nodes,
    /// What they may send.
    Bandwidth,
}

impl Part {
    /// The key of the lab file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Nodes => "nodes",
            Self::Bandwidth => "bandwidth",
        }
    }

    fn show(self, amount: u64) -> String {
        match self {
            Self::Cpu => show_processors(amount),
            Self::Memory => show_size(amount),
            Self::Nodes => amount.to_string(),
            Self::Bandwidth => show_rate(amount),
        }
    }

    fn of(self, quota: &Quota) -> Option<u64> {
        match self {
            Self::Cpu => quota.cpu,
            Self::Memory => quota.memory,
            Self::Nodes => quota.nodes,
            Self::Bandwidth => quota.bandwidth,
        }
    }
}

/// More than a tenant has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdraft {
    /// Of what.
    pub part: Part,
    /// What is wrong, with sum and limit.
    pub message: String,
    /// What takes the most of it.
    pub hint: Option<String>,
}

/// What of its quota a tenant overdraws.
#[must_use]
pub fn overdrafts(lab: &Lab, tenant: &str) -> Vec<Overdraft> {
    let Some(quota) = lab.tenant(tenant).map(|tenant| tenant.quota) else { return Vec::new() };
    let nodes: Vec<&Node> = lab.nodes.iter().filter(|node| node.tenant == tenant).collect();
    let reserved = |amount: Option<Amount>| amount.map_or(0, |amount| amount.reserved());
    let sums = [Part::Cpu, Part::Memory, Part::Nodes].into_iter().filter_map(|part| {
        let limit = part.of(&quota)?;
        let of = |node: &&Node| match (part, &node.vm) {
            (Part::Cpu, Some(vm)) => u64::from(vm.most_cpus) * 1_000,
            (Part::Memory, Some(vm)) => vm.most_memory,
            (Part::Cpu, None) => reserved(node.limits.cpu),
            (Part::Memory, None) => reserved(node.limits.memory),
            (Part::Nodes | Part::Bandwidth, _) => 1,
        };
        overdraft(tenant, part, limit, nodes.iter().map(|node| (node.name.clone(), of(node))).collect())
    });
    let bandwidth =
        quota.bandwidth.and_then(|limit| overdraft(tenant, Part::Bandwidth, limit, sent(lab, tenant)));
    sums.chain(bandwidth).collect()
}

fn overdraft(tenant: &str, part: Part, limit: u64, mut list: Vec<(String, u64)>) -> Option<Overdraft> {
    let sum = list.iter().fold(0u64, |sum, (_, amount)| sum.saturating_add(*amount));
    if sum <= limit {
        return None;
    }
    let (sum_, limit_) = (part.show(sum), part.show(limit));
    let message = match part {
        Part::Cpu => format!("the nodes of `{tenant}` may take {sum_} processors, its quota is {limit_}"),
        Part::Memory => format!("the nodes of `{tenant}` may take {sum_} of memory, its quota is {limit_}"),
        Part::Nodes => format!("`{tenant}` has {sum_} nodes, its quota is {limit_}"),
        Part::Bandwidth => format!("the nodes of `{tenant}` may send {sum_}, its quota is {limit_}"),
    };
    list.retain(|(_, amount)| *amount > 0);
    // A stable sort: of equals the first of the file stands first.
    list.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
    let most = list.iter().take(3).map(|(name, amount)| format!("{name} {}", part.show(*amount)));
    let most: Vec<String> = most.collect();
    let more = if list.len() > most.len() { " .." } else { "" };
    let hint = (part != Part::Nodes).then(|| format!("{}{more}", most.join(", ")));
    Some(Overdraft { part, message, hint })
}

/// What each interface of a tenant may send; 0 for one whose link has no rate.
fn sent(lab: &Lab, tenant: &str) -> Vec<(String, u64)> {
    let links: std::collections::BTreeMap<&str, &Link> =
        lab.links.iter().map(|link| (link.id.as_str(), link)).collect();
    let mut all = Vec::new();
    for node in &lab.nodes {
        for interface in node.interfaces.iter().filter(|interface| interface.tenant == tenant) {
            let Some(link) = links.get(interface.link.as_str()) else { continue };
            let here = matches!(&link.a, End::Node { node: name, interface: own }
                if *name == node.name && *own == interface.name);
            let (settings, far) = if here { (&link.forth, &link.b) } else { (&link.back, &link.a) };
            let police = match far {
                End::Switch { switch, port } => lab.switch(switch).and_then(|it| it.port(*port)),
                End::Node { .. } | End::Tunnel { .. } => None,
            };
            let police = police.and_then(|port| port.policing.as_ref()).and_then(|police| police.rate);
            let rate = settings.rate.into_iter().chain(police).min();
            all.push((format!("{}:{}", node.name, interface.name), rate.unwrap_or(0)));
        }
    }
    all
}
