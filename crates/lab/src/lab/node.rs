//! Nodes, and how they are joined.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::vf::Vf;
use super::vm::Vm;
use crate::address::{Cidr, Family};
use crate::container::{After, Container, HealthRule};
use crate::error::TextError;
use crate::limits::Limits;
use crate::mac::Mac;
use crate::publish::Published;

/// A node: a host, a container, a virtual machine or a real interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// `red/web`, or `h1` in the default tenant.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Interfaces, in order.
    pub interfaces: Vec<Interface>,
    /// Other names that nodes of its tenant reach it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Routes, gateways included, without those that addresses bring along.
    pub routes: Vec<Route>,
    /// Whether it forwards packets.
    pub forward: bool,
    /// Kernel settings of its network.
    pub sysctl: BTreeMap<String, String>,
    /// Path in the node to path beside the lab file.
    pub files: BTreeMap<String, String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Commands that start with the node.
    pub run: Vec<String>,
    /// What happens when they end.
    pub restart: Restart,
    /// Not bounded in its capabilities.
    pub privileged: bool,
    /// Name under /run/netns.
    pub netns: Option<String>,
    /// How it is joined.
    pub port: PortKind,
    /// What makes it a container.
    #[serde(default)]
    pub container: Option<Box<Container>>,
    /// What makes it a virtual machine.
    #[serde(default)]
    pub vm: Option<Box<Vm>>,
    /// The virtual function that is one of its interfaces.
    #[serde(default)]
    pub vf: Option<Box<Vf>>,
    /// The interface of the machine that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic: Option<String>,
    /// How its health is known.
    #[serde(default)]
    pub health: HealthRule,
    /// What its programs wait for.
    #[serde(default)]
    pub after: Vec<After>,
    /// What it may use of the machine.
    #[serde(default)]
    pub limits: Limits,
    /// Ports of the machine that lead into it.
    #[serde(default)]
    pub ports: Vec<Published>,
    /// The network that it leads out of, by its full name: then it is that network's gateway, which nobody wrote.
    #[serde(default)]
    pub gateway_of: Option<String>,
    /// Line of the file, from 1; 0: made by a topology.
    pub line: u32,
}

impl Node {
    /// The host name: without the tenant.
    #[must_use]
    pub fn hostname(&self) -> &str {
        crate::names::split_full(&self.name).1
    }

    /// Whether programs start with it, as far as the file tells: an image may turn out to have none.
    #[must_use]
    pub fn has_programs(&self) -> bool {
        !self.run.is_empty() || self.container.is_some()
    }

    /// Whether it is a network's gateway rather than a node of the file.
    #[must_use]
    pub const fn is_gateway(&self) -> bool {
        self.gateway_of.is_some()
    }

    /// Whether it is an interface of the machine: nobody is inside, and who is behind it is not known.
    #[must_use]
    pub const fn is_nic(&self) -> bool {
        self.nic.is_some()
    }

    /// What is said to whoever wants something done inside a real interface.
    #[must_use]
    pub fn nobody_inside(&self) -> TextError {
        let nic = self.nic.as_deref().unwrap_or_default();
        let said = format!("`{}` is the interface {nic} of this machine: nothing runs inside it", self.name);
        TextError::new(said).hint("name a host that is linked to the same switch")
    }

    /// An interface by its name.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.iter().find(|i| i.name == name)
    }

    /// Whether an interface is a virtual function of a network card, where the machine has one to give.
    #[must_use]
    pub fn is_function(&self, interface: &str) -> bool {
        self.vf.as_ref().is_some_and(|vf| vf.interface == interface)
    }

    /// All its addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = Cidr> {
        self.interfaces.iter().flat_map(|i| i.addresses.iter().copied())
    }

    /// Its first address of a family.
    #[must_use]
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses().find(|a| a.family() == family).map(|a| a.ip)
    }
}

/// An interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `eth0`
    pub name: String,
    /// Its MAC address.
    pub mac: Mac,
    /// Its MTU.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<Cidr>,
    /// Whether the addresses were handed out rather than written.
    pub automatic: bool,
    /// The tenant it belongs to, usually the node's.
    pub tenant: String,
    /// The link that ends here, [`Link::id`](super::Link::id); empty for a virtual function without `fallback`.
    pub link: String,
    /// The broadcast domain, an index into [`Lab::domains`](super::Lab::domains).
    pub domain: usize,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where to; a length of 0 is the default route.
    pub to: Cidr,
    /// Through which gateway.
    pub via: Option<IpAddr>,
    /// By which interface.
    pub dev: Option<String>,
    /// Preference, lower first.
    pub metric: Option<u32>,
}

words!(/// When a node's `run:` ends.
Restart {
    /// It stays so.
    #[default]
    Never,
    /// It starts again unless the exit code was 0.
    OnFailure,
    /// It starts again.
    Always,
});
words!(/// How a node is joined to the datapath.
PortKind {
    /// Whatever this machine does best.
    #[default]
    Auto,
    /// A TAP device.
    Tap,
    /// A packet socket.
    Packet,
});
