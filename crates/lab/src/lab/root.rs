//! The lab as a whole: what it consists of, and how its parts are found.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use super::controller::Controller;
use super::event::Event;
use super::link::Link;
use super::node::Node;
use super::options::{ArpMode, Fidelity, Filesystem, Loops, Options};
use super::service::Service;
use super::switch::Switch;
use crate::address::Cidr;
use crate::expect::Expectation;
use crate::limits::Quota;
use crate::mac::Mac;

/// How long untimed expectations may take, unless the file says.
pub const SETTLE: Nanos = Nanos::from_secs(10);

/// A lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lab {
    /// Its name.
    pub name: String,
    /// The lab file.
    pub path: PathBuf,
    /// Every random choice comes from it.
    pub seed: u64,
    /// Tenants; the first is `default`, with the id 0.
    pub tenants: Vec<Tenant>,
    /// Nodes, in file order.
    pub nodes: Vec<Node>,
    /// Controllers that some switch has, in file order, those written at a switch last.
    #[serde(default)]
    pub controllers: Vec<Controller>,
    /// Switches, in file order, those of networks last.
    pub switches: Vec<Switch>,
    /// Links, in file order, those of networks first.
    pub links: Vec<Link>,
    /// Broadcast domains.
    pub domains: Vec<Domain>,
    /// What networks answer by themselves.
    #[serde(default)]
    pub services: Vec<Service>,
    /// What happens when.
    pub events: Vec<Event>,
    /// What must hold.
    pub expect: Vec<Expectation>,
    /// Settings of the lab as a whole.
    pub options: Options,
}

impl Lab {
    /// A lab without anything, for the plan that ends one.
    #[must_use]
    pub fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: PathBuf::new(),
            seed: 0,
            tenants: vec![Tenant {
                name: crate::names::DEFAULT_TENANT.to_owned(),
                id: 0,
                quota: Quota::default(),
            }],
            nodes: Vec::new(),
            controllers: Vec::new(),
            switches: Vec::new(),
            links: Vec::new(),
            domains: Vec::new(),
            services: Vec::new(),
            events: Vec::new(),
            expect: Vec::new(),
            options: Options {
                loops: Loops::default(),
                arp: ArpMode::default(),
                workers: 1,
                settle: SETTLE,
                fidelity: Fidelity::default(),
                filesystem: Filesystem::default(),
            },
        }
    }

    /// The folder of the lab file, read-write in the hosts; paths of `files:` are relative to it.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// `6 hosts  2 switches  8 links  2 tenants`: the head line of a report.
    #[must_use]
    pub fn summary(&self) -> String {
        let drawn = self.switches.iter().filter(|s| !s.implicit).count();
        let networks = self.switches.len() - drawn;
        let owning: std::collections::BTreeSet<&str> = self.nodes.iter().map(|n| n.tenant.as_str()).collect();
        let tenants =
            if owning.len() == 1 && owning.contains(crate::names::DEFAULT_TENANT) { 0 } else { owning.len() };
        let containers = self.nodes.iter().filter(|n| n.container.is_some()).count();
        let machines = self.nodes.iter().filter(|n| n.vm.is_some()).count();
        let nics = self.nodes.iter().filter(|n| n.is_nic()).count();
        let gateways = self.nodes.iter().filter(|n| n.is_gateway()).count();
        let counts = [
            (self.nodes.len() - containers - machines - nics - gateways, "host", "hosts"),
            (containers, "container", "containers"),
            (machines, "virtual machine", "virtual machines"),
            (nics, "interface", "interfaces"),
            (drawn, "switch", "switches"),
            (networks, "network", "networks"),
            (gateways, "gateway", "gateways"),
            (self.links.len(), "link", "links"),
            (tenants, "tenant", "tenants"),
        ];
        let words = counts.iter().filter(|(n, ..)| *n > 0);
        words
            .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
            .collect::<Vec<_>>()
            .join("  ")
    }

    /// A node by its full name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// A switch by its name.
    #[must_use]
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|s| s.name == name)
    }

    /// A controller by its name.
    #[must_use]
    pub fn controller(&self, name: &str) -> Option<&Controller> {
        self.controllers.iter().find(|c| c.name == name)
    }

    /// A tenant by its name.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.tenants.iter().find(|t| t.name == name)
    }

    /// The number of a tenant.
    #[must_use]
    pub fn tenant_id(&self, name: &str) -> Option<u16> {
        self.tenants.iter().find(|t| t.name == name).map(|t| t.id)
    }

    /// Links by id, or by the names of both ends in either order: none, one, or several if that is not unique.
    #[must_use]
    pub fn links_named(&self, name: &str) -> Vec<&Link> {
        let between = |link: &Link| {
            let (a, b) = (link.a.name(), link.b.name());
            name.split_once("--").is_some_and(|(x, y)| (x, y) == (a, b) || (x, y) == (b, a))
        };
        if let Some(link) = self.links.iter().find(|l| l.id == name && (l.named || name.contains('#'))) {
            return vec![link];
        }
        self.links.iter().filter(|link| between(link)).collect()
    }

    /// The permanent neighbour entries of a node under `arp: static`: interface, address, MAC.
    #[must_use]
    pub fn neighbours(&self, node: &Node) -> Vec<(String, IpAddr, Mac)> {
        let mut out = Vec::new();
        for own in &node.interfaces {
            let others = self.nodes.iter().filter(|n| n.name != node.name).flat_map(|n| &n.interfaces);
            for other in others.filter(|i| i.domain == own.domain) {
                out.extend(other.addresses.iter().map(|a| (own.name.clone(), a.ip, other.mac)));
            }
            for service in self.services.iter().filter(|service| service.domain == own.domain) {
                out.extend(service.addresses.iter().map(|a| (own.name.clone(), a.ip, service.mac)));
            }
        }
        out
    }

    /// The lab's part of /etc/hosts for nodes of a tenant: `10.0.0.2 db db.red other`, a line per address.
    #[must_use]
    pub fn hosts_file(&self, tenant: &str) -> String {
        let mut out = String::new();
        for node in self.nodes.iter().filter(|n| n.tenant == tenant) {
            let host = node.hostname();
            let others: String = node.aliases.iter().map(|alias| format!(" {alias}")).collect();
            for address in node.addresses() {
                out.push_str(&format!("{} {host} {host}.{tenant}{others}\n", address.ip));
            }
        }
        out
    }
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its number in the datapath; kept when the file is edited.
    pub id: u16,
    /// What its nodes may use together.
    #[serde(default)]
    pub quota: Quota,
}

/// A broadcast domain of one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// Whose.
    pub tenant: String,
    /// The VLAN, 0 if none.
    pub vlan: u16,
    /// What makes it: a network, a switch, or a link between two nodes.
    pub of: String,
    /// Where its addresses come from, one per family; empty if the lab hands none out there.
    pub subnets: Vec<Cidr>,
}
