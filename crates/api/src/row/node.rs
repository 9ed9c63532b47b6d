//! A node in a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeRow {
    /// `tenant/name`, or `name` for the tenant `default`.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// `host`, `container`, `gateway`, `vm`, `interface` or `controller`.
    pub kind: String,
    /// `up`, `stopped`, `paused`, `failed`, `exited`: the program of a container has ended well, or the guest of a virtual
    /// machine has switched itself off; or `booting`. The program of a container is `waiting` for others, or about to be
    /// started again, `restarting`.
    pub state: String,
    /// Interfaces, in order.
    #[serde(default)]
    pub interfaces: Vec<InterfaceRow>,
    /// Process id of its `run:` program, as the machine sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The `run:` program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The image of a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What a virtual machine is: `para, cpu 1, memory 256MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// `starting`, `healthy` or `unhealthy`, while a program runs that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<String>,
    /// The exit code of a container's program that does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why the kernel ended its program: `out of memory: its limit is 32MiB`; or why a virtual machine is not up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What it may use of the machine now: `cpu 0.5, memory 128MiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<String>,
    /// Set when that was changed by hand: what the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits_in_file: Option<String>,
    /// Limits that this machine does not keep, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// How often that program was started again.
    #[serde(default)]
    pub restarts: u32,
    /// Whether it forwards packets.
    #[serde(default)]
    pub forward: bool,
    /// Routes beyond those of its addresses: `default via 10.0.0.1 dev eth0`.
    #[serde(default)]
    pub routes: Vec<String>,
    /// Ports of the machine that lead into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<PublishedRow>,
    /// What a network's gateway has carried, refused and dropped, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gateway: BTreeMap<String, u64>,
}

/// A port of the machine that leads into a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublishedRow {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Where the machine listens: `127.0.0.1:8080`, `[::1]:8080`.
    pub listen: String,
    /// The node's port.
    pub target: u16,
    /// Whether the machine does listen.
    pub listening: bool,
    /// Connections, or senders of datagrams, that were let in.
    #[serde(default)]
    pub taken: u64,
    /// Those of them that are there now.
    #[serde(default)]
    pub open: u64,
    /// Those at whose port nobody in the node listened.
    #[serde(default)]
    pub refused: u64,
    /// Those that could not be let in for want of something on the machine.
    #[serde(default)]
    pub failed: u64,
    /// Datagrams that found no room.
    #[serde(default)]
    pub dropped: u64,
    /// Bytes into the node.
    #[serde(default)]
    pub bytes_in: u64,
    /// Bytes out of the node.
    #[serde(default)]
    pub bytes_out: u64,
}

/// An interface of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InterfaceRow {
    /// Its name in the node.
    pub name: String,
    /// `02:00:00:00:00:01`.
    pub mac: String,
    /// With length: `10.0.0.1/8`, `fd00::1/64`.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// The other end of its link, `s1:s1-eth1`; `None`: not linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// The link's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whether its link is up.
    #[serde(default)]
    pub up: bool,
    /// Longest packet in bytes.
    #[serde(default)]
    pub mtu: u32,
    /// Packets received by the node, as they were on the wire.
    #[serde(default)]
    pub rx_packets: u64,
    /// Bytes received by the node, L2 without FCS.
    #[serde(default)]
    pub rx_bytes: u64,
    /// Packets sent by the node.
    #[serde(default)]
    pub tx_packets: u64,
    /// Bytes sent by the node.
    #[serde(default)]
    pub tx_bytes: u64,
    /// What is told of a virtual machine's card whose rings the switch serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<CardRow>,
}

/// A virtual machine's card whose rings the switch serves, over vhost-user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CardRow {
    /// Whether the guest's driver runs.
    pub ready: bool,
    /// Pairs of queues that are served.
    pub pairs: u64,
    /// What was agreed on with the guest: `csum`, `tso4`, `mergeable`.
    #[serde(default)]
    pub features: Vec<String>,
    /// How often the machine has called at the card's socket.
    pub calls: u64,
    /// Super-packets from the guest, each of many packets.
    pub super_packets_out: u64,
    /// Super-packets to the guest.
    pub super_packets_in: u64,
    /// Bytes copied from the guest into memory of the switch.
    pub copied_out: u64,
    /// Bytes copied from memory of the switch into the guest.
    pub copied_in: u64,
    /// Bytes copied straight from another guest.
    pub copied_across: u64,
}

impl NodeRow {
    /// The first IPv4 address without its length, which is what `h1` means in a command line.
    #[must_use]
    pub fn ipv4(&self) -> Option<&str> {
        self.addresses().find(|address| !address.contains(':'))
    }

    /// The first IPv6 address without its length.
    #[must_use]
    pub fn ipv6(&self) -> Option<&str> {
        self.addresses().find(|address| address.contains(':'))
    }

    /// All addresses without their lengths.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        self.interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .map(|address| address.split('/').next().unwrap_or(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_a_family_is_taken_without_its_length() {
        let node = NodeRow {
            interfaces: vec![InterfaceRow {
                addresses: vec!["fd00::1/64".into(), "10.0.0.1/8".into()],
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!((node.ipv4(), node.ipv6()), (Some("10.0.0.1"), Some("fd00::1")));
        assert_eq!(NodeRow::default().ipv4(), None);
    }
}
