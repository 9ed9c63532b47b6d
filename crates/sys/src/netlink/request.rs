//! What to change, as values: built by planners, recorded by tests, turned into messages here and nowhere else.

use std::net::IpAddr;
use std::os::fd::RawFd;

use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage, Prop,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::tc::{TcAttribute, TcBpfFlags, TcFilterBpfOption, TcHandle, TcMessage, TcOption};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::vf::VfSetting;

/// One change to a namespace's network configuration. Interfaces are named by index: set one for a new link to refer to
/// it in the same batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Makes a pair of joined Ethernet interfaces.
    AddVeth {
        /// The end in this namespace, or the one its `netns` says.
        end: NewLink,
        /// The other end.
        peer: NewLink,
    },
    /// Changes what `change` says of an interface.
    SetLink {
        /// Interface index.
        index: u32,
        /// What shall be different.
        change: LinkChange,
    },
    /// Moves an interface to another namespace, where it is down, without addresses, and called `name`.
    MoveLink {
        /// Interface index.
        index: u32,
        /// The namespace. Hold it until the batch is answered.
        netns: RawFd,
        /// 1 to 15 bytes.
        name: String,
    },
    /// Sets one thing of a virtual function.
    SetVf {
        /// Index of the physical function's interface.
        index: u32,
        /// The number of the virtual function.
        vf: u32,
        /// What of it.
        setting: VfSetting,
    },
    /// Gives an interface a further name (up to 127 bytes).
    AddAltName {
        /// Interface index.
        index: u32,
        /// The further name.
        name: String,
    },
    /// Deletes an interface (a pair goes as a whole). Slow, 20 ms: prefer to drop the namespace.
    DeleteLink {
        /// Interface index.
        index: u32,
    },
    /// Gives an interface an address, usable at once (no duplicate address detection).
    AddAddress {
        /// Interface index.
        index: u32,
        /// IPv4 or IPv6.
        address: IpAddr,
        /// Length of the on-link prefix in bits.
        prefix: u8,
    },
    /// Takes an address away.
    DeleteAddress {
        /// Interface index.
        index: u32,
        /// IPv4 or IPv6.
        address: IpAddr,
        /// Length of the on-link prefix in bits, as it was given.
        prefix: u8,
    },
    /// Adds or replaces a route of the main table.
    SetRoute(RouteSpec),
    /// Removes a route of the main table.
    DeleteRoute(RouteSpec),
    /// Adds or replaces a neighbour entry that never ages.
    SetNeighbour {
        /// Interface index.
        index: u32,
        /// IPv4 or IPv6.
        address: IpAddr,
        /// Its Ethernet address.
        mac: [u8; 6],
    },
    /// Removes a neighbour entry of any state.
    DeleteNeighbour {
        /// Interface index.
        index: u32,
        /// IPv4 or IPv6.
        address: IpAddr,
    },
    /// Hands what an interface sends to its driver at once, without a queue of the kernel's in front.
    NoQueue {
        /// Interface index. Best while the interface is down: when raised it gets the default queue.
        index: u32,
    },
    /// Drops all an interface receives before the namespace's own stack sees it; packet sockets still do.
    DropIngress {
        /// Interface index.
        index: u32,
    },
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// Network address; the unspecified address with prefix 0 is the default route.
    pub destination: IpAddr,
    /// Length of the destination prefix in bits.
    pub prefix: u8,
    /// Next hop; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Interface index; may be left out with a gateway.
    pub index: Option<u32>,
    /// Smaller is preferred; none leaves the kernel's default (IPv4 0, IPv6 1024).
    pub metric: Option<u32>,
}

/// One end of a pair to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewLink {
    /// 1 to 15 bytes.
    pub name: String,
    /// The index to take; none lets the kernel choose.
    pub index: Option<u32>,
    /// The namespace to make it in; none: the socket's. Hold the `NetNs` until the batch is answered.
    pub netns: Option<RawFd>,
    /// The properties it starts with. `name` there is ignored; of an end with a `netns` only `mtu`, `mac` and `tx_queue_len`
    /// count, the rest is to be set from inside.
    pub with: LinkChange,
}

/// Properties of an interface; `None` leaves one as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// Administratively up or down.
    pub up: Option<bool>,
    /// Layer 3 bytes.
    pub mtu: Option<u32>,
    /// Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Rename; only while it is down, on kernels before 6.2.
    pub name: Option<String>,
    /// Free text shown by `ip link`, up to 255 bytes: netloom's mark `netloom:<lab>`.
    pub alias: Option<String>,
    /// Packets the interface queues towards a slow reader.
    pub tx_queue_len: Option<u32>,
    /// No IPv6 link-local address of the kernel's own making, and with it none of its chatter.
    pub no_ipv6_autoconf: bool,
}

impl LinkChange {
    /// Only up.
    #[must_use]
    pub fn up() -> Self {
        Self { up: Some(true), ..Self::default() }
    }
}

/// A message with its flags beyond REQUEST and ACK.
pub(super) type Message = (RouteNetlinkMessage, u16);

impl Request {
    /// The messages that carry this out, in order.
    pub(super) fn messages(&self, emit: &mut dyn FnMut(Message)) {
        match self {
            Self::AddVeth { end, peer } => {
                emit((veth(end, peer), NLM_F_CREATE | NLM_F_EXCL));
                end.finish(emit);
                peer.finish(emit);
            }
            Self::SetLink { index, change } => {
                let mut message = LinkMessage::default();
                message.header.index = *index;
                if change.no_ipv6_autoconf {
                    emit((no_autoconf(message.clone()), 0));
                }
                change.fill(&mut message, true);
                emit((RouteNetlinkMessage::SetLink(message), 0));
            }
            Self::MoveLink { index, netns, name } => {
                let mut message = LinkMessage::default();
                message.header.index = *index;
                message.attributes.push(LinkAttribute::NetNsFd(*netns));
                message.attributes.push(LinkAttribute::IfName(name.clone()));
                emit((RouteNetlinkMessage::SetLink(message), 0));
            }
            Self::SetVf { index, vf, setting } => emit((super::vf::set(*index, *vf, setting), 0)),
            Self::AddAltName { index, name } => {
                let mut message = LinkMessage::default();
                message.header.index = *index;
                message.attributes.push(LinkAttribute::PropList(vec![Prop::AltIfName(name.clone())]));
                emit((RouteNetlinkMessage::NewLinkProp(message), NLM_F_CREATE | NLM_F_EXCL));
            }
            Self::DeleteLink { index } => {
                let mut message = LinkMessage::default();
                message.header.index = *index;
                emit((RouteNetlinkMessage::DelLink(message), 0));
            }
            Self::AddAddress { index, address, prefix } => {
                let message = address_message(*index, *address, *prefix);
                emit((RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL));
            }
            Self::DeleteAddress { index, address, prefix } => {
                emit((RouteNetlinkMessage::DelAddress(address_message(*index, *address, *prefix)), 0));
            }
            Self::SetRoute(route) => {
                emit((RouteNetlinkMessage::NewRoute(route.message(true)), NLM_F_CREATE | NLM_F_REPLACE));
            }
            Self::DeleteRoute(route) => emit((RouteNetlinkMessage::DelRoute(route.message(false)), 0)),
            Self::SetNeighbour { index, address, mac } => {
                let mut message = neighbour(*index, *address);
                message.header.state = NeighbourState::Permanent;
                message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.to_vec()));
                emit((RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE));
            }
            Self::DeleteNeighbour { index, address } => {
                emit((RouteNetlinkMessage::DelNeighbour(neighbour(*index, *address)), 0));
            }
            Self::NoQueue { index } => {
                let message = RouteNetlinkMessage::NewQueueDiscipline(no_queue(*index));
                emit((message, NLM_F_CREATE | NLM_F_REPLACE));
            }
            Self::DropIngress { index } => {
                emit((RouteNetlinkMessage::NewQueueDiscipline(ingress(*index)), NLM_F_CREATE | NLM_F_EXCL));
                emit((RouteNetlinkMessage::NewTrafficFilter(drop_all(*index)), NLM_F_CREATE | NLM_F_EXCL));
            }
        }
    }

    /// What to say when the host refuses it: operation and object.
    pub(super) fn describe(&self) -> (&'static str, String) {
        match self {
            Self::AddVeth { end, peer } => {
                ("create the veth pair", format!("{} and {}", end.name, peer.name))
            }
            Self::SetLink { index, .. } => ("configure the interface", format!("with index {index}")),
            Self::MoveLink { name, .. } => ("move the interface that will be", name.clone()),
            Self::SetVf { vf, setting, .. } => {
                ("set", format!("{} of virtual function {vf}", setting.name()))
            }
            Self::AddAltName { name, .. } => ("name an interface also", name.clone()),
            Self::DeleteLink { index } => ("delete the interface", format!("with index {index}")),
            Self::AddAddress { address, prefix, .. } => ("add the address", format!("{address}/{prefix}")),
            Self::DeleteAddress { address, prefix, .. } => {
                ("remove the address", format!("{address}/{prefix}"))
            }
            Self::SetRoute(route) => ("set the route", route.to_string()),
            Self::DeleteRoute(route) => ("remove the route", route.to_string()),
            Self::SetNeighbour { address, .. } => ("set the neighbour", address.to_string()),
            Self::DeleteNeighbour { address, .. } => ("remove the neighbour", address.to_string()),
            Self::NoQueue { index } => {
                ("take away the queue of the interface", format!("with index {index}"))
            }
            Self::DropIngress { index } => {
                ("shield the namespace from the interface", format!("with index {index}"))
            }
        }
    }
}

impl NewLink {
    /// Emits what the kernel ignores in the message that makes the link, or refuses before its other end exists: all that can
    /// be said of an end in this namespace only.
    fn finish(&self, emit: &mut dyn FnMut(Message)) {
        if self.netns.is_some() {
            return;
        }
        if self.with.no_ipv6_autoconf {
            emit((no_autoconf(self.by_name()), 0));
        }
        let rest = LinkChange { up: self.with.up, alias: self.with.alias.clone(), ..LinkChange::default() };
        if rest != LinkChange::default() {
            let mut message = self.by_name();
            rest.fill(&mut message, false);
            emit((RouteNetlinkMessage::SetLink(message), 0));
        }
    }

    fn by_name(&self) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(self.name.clone()));
        message
    }
}

impl LinkChange {
    fn fill(&self, message: &mut LinkMessage, rename: bool) {
        if let Some(up) = self.up {
            message.header.change_mask = LinkFlags::Up;
            message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        }
        let attributes = &mut message.attributes;
        attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.to_vec())));
        attributes.extend(self.name.clone().filter(|_| rename).map(LinkAttribute::IfName));
        attributes.extend(self.alias.clone().map(LinkAttribute::IfAlias));
        attributes.extend(self.tx_queue_len.map(LinkAttribute::TxQueueLen));
    }
}

impl RouteSpec {
    /// The default route through `gateway`, of its family.
    #[must_use]
    pub fn default_via(gateway: IpAddr) -> Self {
        let destination = match gateway {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        Self { destination, prefix: 0, gateway: Some(gateway), index: None, metric: None }
    }

    fn message(&self, adding: bool) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = family(self.destination);
        message.header.destination_prefix_length = self.prefix;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        if adding {
            message.header.protocol = RouteProtocol::Static;
            message.header.kind = RouteType::Unicast;
            message.header.scope =
                if self.gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
        } else {
            message.header.scope = RouteScope::NoWhere;
        }
        if self.prefix > 0 {
            message.attributes.push(RouteAttribute::Destination(route_address(self.destination)));
        }
        message.attributes.extend(self.gateway.map(|ip| RouteAttribute::Gateway(route_address(ip))));
        message.attributes.extend(self.index.map(RouteAttribute::Oif));
        message.attributes.extend(self.metric.map(RouteAttribute::Priority));
        message
    }
}

impl std::fmt::Display for RouteSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.destination, self.prefix)?;
        self.gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))
    }
}

fn veth(end: &NewLink, peer: &NewLink) -> RouteNetlinkMessage {
    let mut message = new_link(end);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(new_link(peer)))),
    ]));
    RouteNetlinkMessage::NewLink(message)
}

/// The kernel heeds this only on an existing interface, and makes the addresses when it comes up: so it must be a message of
/// its own, between making and raising.
fn no_autoconf(mut message: LinkMessage) -> RouteNetlinkMessage {
    message.attributes.push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![
        AfSpecInet6::AddrGenMode(In6AddrGenMode::None),
    ])]));
    RouteNetlinkMessage::SetLink(message)
}

fn new_link(link: &NewLink) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.index.unwrap_or(0);
    message.attributes.push(LinkAttribute::IfName(link.name.clone()));
    message.attributes.extend(link.netns.map(LinkAttribute::NetNsFd));
    LinkChange { up: None, alias: None, ..link.with.clone() }.fill(&mut message, false);
    message
}

fn address_message(index: u32, address: IpAddr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.header.flags = AddressHeaderFlags::Nodad | AddressHeaderFlags::Permanent;
    message.header.scope = if address.is_loopback() { AddressScope::Host } else { AddressScope::Universe };
    message.attributes.push(AddressAttribute::Local(address));
    message.attributes.push(AddressAttribute::Address(address));
    message
}

pub(super) fn neighbour(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = family(address);
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(match address {
        IpAddr::V4(ip) => NeighbourAddress::Inet(ip),
        IpAddr::V6(ip) => NeighbourAddress::Inet6(ip),
    }));
    message
}

fn no_queue(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = signed(index);
    message.header.parent = TcHandle::ROOT;
    message.attributes.push(TcAttribute::Kind("noqueue".to_owned()));
    message
}

fn ingress(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = signed(index);
    message.header.handle = TcHandle { major: 0xffff, minor: 0 };
    message.header.parent = TcHandle::INGRESS;
    message.attributes.push(TcAttribute::Kind("ingress".to_owned()));
    message
}

/// A filter that drops everything: a classic BPF program of one instruction, whose return value is taken as the verdict.
///
/// `matchall` and `gact` would say it more plainly, but small kernels lack them, and an eBPF program needs privileges that
/// classic BPF does not.
fn drop_all(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = signed(index);
    message.header.parent = TcHandle { major: 0xffff, minor: 0 };
    message.header.info = u32::from(ETH_P_ALL.to_be()) | (1 << 16);
    message.attributes.push(TcAttribute::Kind("bpf".to_owned()));
    message.attributes.push(TcAttribute::Options(vec![
        TcOption::Bpf(TcFilterBpfOption::Other(DefaultNla::new(
            TCA_BPF_OPS_LEN,
            1_u16.to_ne_bytes().to_vec(),
        ))),
        TcOption::Bpf(TcFilterBpfOption::Other(DefaultNla::new(TCA_BPF_OPS, return_constant(TC_ACT_SHOT)))),
        TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::from_bits_retain(TCA_BPF_FLAG_ACT_DIRECT))),
    ]));
    message
}

/// `struct sock_filter`: code u16 (`BPF_RET | BPF_K`), jt u8, jf u8, k u32.
fn return_constant(k: u32) -> Vec<u8> {
    let mut instruction = 0x0006_u16.to_ne_bytes().to_vec();
    instruction.extend([0, 0]);
    instruction.extend(k.to_ne_bytes());
    instruction
}

pub(super) fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

pub(super) fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(ip) => RouteAddress::Inet(ip),
        IpAddr::V6(ip) => RouteAddress::Inet6(ip),
    }
}

/// Traffic control numbers interfaces with a sign; the kernel hands out positive ones only.
fn signed(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(0)
}

const ETH_P_ALL: u16 = 0x0003;
const TC_ACT_SHOT: u32 = 2;
const TCA_BPF_OPS_LEN: u16 = 4;
const TCA_BPF_OPS: u16 = 5;
const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;
