//! The wanted configuration of all switches of a lab: one value, with the column names of OVS.
//!
//! Whoever wants something different edits a copy of this value and hands it to
//! [`Switch::reconfigure`](crate::Switch::reconfigure); there is no other way. What came of it flows back as
//! [`Status`](crate::Status).
//!
//! Source of the names and their meaning: ovs-vswitchd.conf.db(5), tables Bridge, Port, QoS, Queue and Interface.

mod check;
mod error;
mod id;
mod origin;
mod service;
mod uuid;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV4};

use netloom_flow::{PortId, Qos, TenantId};
use serde::{Deserialize, Serialize};

pub(crate) use check::{Numbers, check, is_sound};
pub use error::{BadFlow, ConfigError};
pub use origin::Origin;
pub use service::Service;
pub use uuid::Uuid;

/// All switches of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// What is done about loops between switches.
    #[serde(default)]
    pub loops: Loops,
    /// The bridges, in any order; names are unique.
    pub bridges: Vec<Bridge>,
}

/// What is done about loops between switches that have no controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loops {
    /// A spanning tree; the links outside it are blocked.
    #[default]
    Tree,
    /// Static shortest paths with a hash per flow; floods keep to a spanning tree.
    Ecmp,
    /// Nothing.
    Allow,
}

/// A bridge: what users call a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bridge {
    /// Unique within the lab.
    pub name: String,
    /// Stable identity: a bridge that keeps it keeps its flows, ports and counters.
    pub uuid: Uuid,
    /// What it does without flows and controller.
    #[serde(default)]
    pub fail_mode: FailMode,
    /// Controller targets, such as `tcp:127.0.0.1:6653`. A bridge with one stays out of the spanning tree.
    #[serde(default)]
    pub controller: Vec<String>,
    /// Versions of OpenFlow it may speak, such as `OpenFlow13`; none stands for all.
    #[serde(default)]
    pub protocols: Vec<String>,
    /// Controllers whose traffic with switches is forwarded by NORMAL whatever the flows say (in-band control).
    #[serde(default)]
    pub in_band: Vec<SocketAddrV4>,
    /// What is answered here and not forwarded, whatever the flows say.
    #[serde(default)]
    pub service: Option<Service>,
    /// How NORMAL treats ARP requests and neighbour solicitations.
    #[serde(default)]
    pub arp: Arp,
    /// Flows the configuration asks for. With none, and `fail_mode` standalone, table 0 gets one NORMAL flow.
    #[serde(default)]
    pub flows: Vec<Flow>,
    /// Groups, in the syntax of `ovs-ofctl add-group`. One may use those before it.
    #[serde(default)]
    pub groups: Vec<Flow>,
    /// Meters, in the syntax of `ovs-ofctl add-meter`.
    #[serde(default)]
    pub meters: Vec<Flow>,
    /// The ports.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Seconds after which an unused MAC entry is forgotten (`other_config:mac-aging-time`); 0 stands for 300.
    #[serde(default)]
    pub mac_aging_time: u32,
    /// VLANs in which nothing is learned and everything is flooded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flood_vlans: Vec<u16>,
    /// What copies of packets are made for; 32 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Mirror>,
    /// Most MAC entries (`other_config:mac-table-size`); 0 stands for 8,192.
    #[serde(default)]
    pub mac_table_size: u32,
    /// Further settings, kept and shown.
    #[serde(default)]
    pub other_config: BTreeMap<String, String>,
    /// Marks for other programs, kept and shown.
    #[serde(default)]
    pub external_ids: BTreeMap<String, String>,
}

/// What a bridge does while no flow and no controller tells it. With controllers, `Standalone` takes effect once all of
/// them are missed: [`Switch::set_fail_open`](crate::Switch::set_fail_open).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailMode {
    /// Forward as a learning switch.
    #[default]
    Standalone,
    /// Forward nothing that no flow forwards.
    Secure,
}

/// How NORMAL treats requests for a link-layer address (ARP who-has, ICMPv6 neighbour solicitation).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arp {
    /// To the owner of the address only, if the lab assigned it; an unassigned address of the lab's own subnets
    /// is dropped, anything else flooded.
    Local,
    /// Like any other broadcast.
    #[default]
    Flood,
    /// Hosts have permanent entries. What they send nevertheless is treated as under `Flood`.
    Static,
}

/// A flow in the syntax of `ovs-ofctl add-flow`, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flow {
    /// The text.
    pub text: String,
    /// Who asked for it.
    #[serde(default)]
    pub origin: Origin,
}

/// A port of a bridge. VLANs and the tenant are the port's, not its interfaces'.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Port {
    /// Unique within the bridge.
    pub name: String,
    /// `None` stands for access if `tag` is set, else trunk.
    #[serde(default)]
    pub vlan_mode: Option<VlanMode>,
    /// The VLAN of an access port, the native VLAN of the native modes.
    #[serde(default)]
    pub tag: Option<u16>,
    /// The VLANs of a trunk; empty stands for all.
    #[serde(default)]
    pub trunks: Vec<u16>,
    /// On a QinQ port: the customers' VLANs that it takes; empty stands for all. 0: untagged frames.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cvlans: Vec<u16>,
    /// On a QinQ port: the Ethernet type of the header that is put in front (`other_config:qinq-ethtype`).
    #[serde(default)]
    pub qinq_ethtype: QinqType,
    /// Whether frames without a VLAN leave with a header that has a priority only (`other_config:priority-tags`).
    #[serde(default)]
    pub priority_tags: PriorityTags,
    /// NORMAL sends nothing from one protected port to another.
    #[serde(default)]
    pub protected: bool,
    /// Whose port it is; `None`: it carries every tenant, as links between switches do.
    #[serde(default, with = "id")]
    pub tenant: Option<TenantId>,
    /// The queues it sends by, with the columns of the QoS record and its Queue records; `None`: one for all.
    #[serde(default)]
    pub qos: Option<Qos>,
    /// Exactly one for now: bonds are not supported yet.
    pub interfaces: Vec<Interface>,
}

/// How a port treats VLAN tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VlanMode {
    /// Untagged outside, `tag` inside; tagged frames are refused.
    Access,
    /// Tagged, in the VLANs of `trunks`.
    Trunk,
    /// A trunk that puts untagged frames into VLAN `tag` and sends that VLAN tagged.
    NativeTagged,
    /// A trunk that puts untagged frames into VLAN `tag` and sends that VLAN untagged.
    NativeUntagged,
    /// Whatever comes in gets a header of VLAN `tag` in front of its own; what leaves loses it (QinQ).
    Dot1qTunnel,
}

/// The Ethernet type of a service's VLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum QinqType {
    /// 0x88a8.
    #[default]
    #[serde(rename = "802.1ad")]
    Ad,
    /// 0x8100.
    #[serde(rename = "802.1q")]
    Q,
}

/// Whether frames that leave without a VLAN have a header for their priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PriorityTags {
    /// No.
    #[default]
    Never,
    /// If the priority is not 0.
    IfNonzero,
    /// Yes.
    Always,
}

/// A mirror: copies of packets that pass some ports, or are in some VLANs there, go to a port or a VLAN of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mirror {
    /// For people.
    pub name: String,
    /// Stable identity: a mirror that keeps it keeps its counters.
    pub uuid: Uuid,
    /// Whatever comes in or leaves by any port.
    #[serde(default)]
    pub select_all: bool,
    /// Ports by which it comes in.
    #[serde(default)]
    pub select_src_port: Vec<String>,
    /// Ports by which it leaves.
    #[serde(default)]
    pub select_dst_port: Vec<String>,
    /// Only in these VLANs; empty stands for all.
    #[serde(default)]
    pub select_vlan: Vec<u16>,
    /// The port that copies leave by; it is for nothing else.
    #[serde(default)]
    pub output_port: Option<String>,
    /// Without a port: the VLAN that copies are flooded in.
    #[serde(default)]
    pub output_vlan: Option<u16>,
    /// Copies are cut to so many bytes.
    #[serde(default)]
    pub snaplen: Option<u16>,
}

/// The device, or the end of a link to another switch, behind a port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interface {
    /// Unique within the lab's switches together with its bridge.
    pub name: String,
    /// What it is.
    #[serde(default, rename = "type")]
    pub kind: InterfaceType,
    /// The wanted OpenFlow port number, 1 to 0xfeff; `None`: the lowest free one.
    #[serde(default)]
    pub ofport_request: Option<u16>,
    /// The datapath port. Unique within the lab.
    #[serde(with = "id")]
    pub dp_port: PortId,
    /// On a link to another switch: the datapath port of the other end.
    #[serde(default, with = "id")]
    pub peer: Option<PortId>,
    /// Longest payload in bytes, for display; the link enforces it.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Its Ethernet address, as controllers are told; `None`: one made of the bridge's identity and the port's number.
    #[serde(default)]
    pub mac: Option<[u8; 6]>,
    /// The link to the other switch is a tunnel.
    #[serde(default)]
    pub inner: Option<Inner>,
}

/// One end of a tunnel whose other end is a switch of the lab too: nothing is put in front of packets, but what would be
/// there is said to the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inner {
    /// The key of packets that leave here; `None`: what flows say.
    pub key: Option<u64>,
    /// Keys of tenants' packets, before [`Self::key`].
    pub keys: Vec<(u16, u64)>,
    /// This end.
    pub src: IpAddr,
    /// The other end.
    pub dst: IpAddr,
    /// DSCP and ECN of the outer header.
    pub tos: u8,
    /// TTL of the outer header.
    pub ttl: u8,
    /// Group policy travels along.
    pub gbp: bool,
    /// Options travel along.
    pub options: bool,
    /// The longest IP packet that fits in; `None`: any.
    pub mtu: Option<u16>,
    /// The segment size that TCP announces is lowered to what fits.
    pub clamp: bool,
}

/// What an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceType {
    /// A device of the machine or of a host.
    #[default]
    System,
    /// A TAP device.
    Tap,
    /// The end of a link to another switch.
    Patch,
    /// The bridge's own device; with the bridge's name it is the LOCAL port.
    Internal,
    /// A tunnel whose configuration says all.
    Tunnel,
    /// A tunnel of which flows say some: key, peer, group policy.
    FlowTunnel,
}
