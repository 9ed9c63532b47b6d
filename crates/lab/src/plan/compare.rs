//! What differs between two states of a thing, apart from where the file has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::address::Cidr;
use crate::lab::{ArpMode, End, Interface, Lab, Node, Route};
use crate::mac::Mac;

/// What changes about a node in place.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeDelta {
    /// Interfaces that come, by name.
    pub added: Vec<String>,
    /// Interfaces that go, by name.
    pub removed: Vec<String>,
    /// Interfaces whose MAC, MTU or addresses change, by name.
    pub changed: Vec<String>,
    /// Routes that come.
    pub routes_added: Vec<Route>,
    /// Routes that go.
    pub routes_removed: Vec<Route>,
    /// Forwarding or kernel settings change.
    pub sysctl: bool,
    /// Files laid over the node's change.
    pub files: bool,
    /// Environment, privileges: for what is started from now on.
    pub process: bool,
    /// What makes it a container changes: it is made anew, and what it wrote is gone.
    pub container: bool,
    /// Ports of the machine that come to lead into it, or no more.
    pub ports: bool,
    /// What its virtual function is set to changes.
    pub function: bool,
    /// The name under /run/netns changes.
    pub netns: bool,
    /// Those it has to know for ever change (`arp: static`).
    pub neighbours: bool,
}

impl NodeDelta {
    /// What changes from `old` to `new`.
    #[must_use]
    pub fn between(old: &Node, new: &Node) -> Self {
        let same =
            |a: &Interface, b: &Interface| (a.mac, a.mtu, &a.addresses) == (b.mac, b.mtu, &b.addresses);
        let names = |list: Vec<&Interface>| list.into_iter().map(|i| i.name.clone()).collect::<Vec<_>>();
        let missing = |here: &Node, there: &Node| {
            names(here.interfaces.iter().filter(|i| there.interface(&i.name).is_none()).collect())
        };
        let changed = new.interfaces.iter().filter(|i| old.interface(&i.name).is_some_and(|o| !same(o, i)));
        let routes = |here: &Node, there: &Node| -> Vec<Route> {
            if here.routes == there.routes {
                return Vec::new();
            }
            let others: std::collections::BTreeSet<_> = there.routes.iter().map(key).collect();
            here.routes.iter().filter(|r| !others.contains(&key(r))).cloned().collect()
        };
        Self {
            added: missing(new, old),
            removed: missing(old, new),
            changed: names(changed.collect()),
            routes_added: routes(new, old),
            routes_removed: routes(old, new),
            sysctl: (old.forward, &old.sysctl) != (new.forward, &new.sysctl),
            files: old.files != new.files,
            process: (old.privileged, &old.env) != (new.privileged, &new.env),
            container: old.container != new.container,
            ports: old.ports != new.ports,
            function: old.vf != new.vf,
            netns: old.netns != new.netns,
            neighbours: false,
        }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The way back.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            added: self.removed,
            removed: self.added,
            routes_added: self.routes_removed,
            routes_removed: self.routes_added,
            ..self
        }
    }
}

fn key(route: &Route) -> (Cidr, Option<IpAddr>, Option<&str>, Option<u32>) {
    (route.to, route.via, route.dev.as_deref(), route.metric)
}

/// Who is in each broadcast domain, by what nodes of it call each other, where neighbours are static.
pub(super) fn neighbourhoods(lab: &Lab) -> Vec<BTreeSet<(Mac, &[Cidr])>> {
    let mut all = vec![BTreeSet::new(); lab.domains.len()];
    if lab.options.arp == ArpMode::Static {
        for interface in lab.nodes.iter().flat_map(|node| &node.interfaces) {
            if let Some(domain) = all.get_mut(interface.domain) {
                domain.insert((interface.mac, interface.addresses.as_slice()));
            }
        }
    }
    all
}

/// For each link the tenants of its ends at nodes: what a datapath port is told.
pub(super) fn tenants(lab: &Lab) -> BTreeMap<&str, Vec<&str>> {
    let mut out: BTreeMap<&str, Vec<&str>> = lab.links.iter().map(|l| (l.id.as_str(), Vec::new())).collect();
    for interface in lab.nodes.iter().flat_map(|n| &n.interfaces) {
        if let Some(tenants) = out.get_mut(interface.link.as_str()) {
            tenants.push(&interface.tenant);
        }
    }
    out
}

/// The names and addresses of a tenant's nodes: what its hosts file is made of.
pub(super) fn names<'l>(lab: &'l Lab, tenant: &str) -> Vec<(&'l str, &'l [String], Vec<IpAddr>)> {
    let of = lab.nodes.iter().filter(|n| n.tenant == tenant);
    of.map(|n| (n.name.as_str(), n.aliases.as_slice(), n.addresses().map(|a| a.ip).collect())).collect()
}

/// The name a table gives to an end.
pub(super) fn end(end: &End) -> String {
    match end {
        End::Node { node, interface } => format!("{node}:{interface}"),
        End::Switch { switch, port } => format!("{switch}:{port}"),
        End::Tunnel { peer, .. } => peer.clone(),
    }
}
