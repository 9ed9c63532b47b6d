//! What a namespace has, as plain values read from the kernel's messages.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Prop};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};

pub use netlink_packet_route::neighbour::NeighbourState;

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Unique in the namespace as long as the interface lives.
    pub index: u32,
    /// Up to 15 bytes.
    pub name: String,
    /// Further names.
    pub alt_names: Vec<String>,
    /// Free text: netloom's mark `netloom:<lab>`.
    pub alias: Option<String>,
    /// Ethernet address; none on interfaces without.
    pub mac: Option<[u8; 6]>,
    /// Layer 3 bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Up, and the other side is there.
    pub carrier: bool,
    /// "veth", "tun", "bridge" ..; empty for `lo` and hardware.
    pub kind: String,
    /// Packets queued towards a slow reader.
    pub tx_queue_len: u32,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Interface index.
    pub index: u32,
    /// IPv4 or IPv6.
    pub address: IpAddr,
    /// Length of the on-link prefix in bits.
    pub prefix: u8,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Network address.
    pub destination: IpAddr,
    /// Length of the destination prefix in bits.
    pub prefix: u8,
    /// Next hop, when not on the link.
    pub gateway: Option<IpAddr>,
    /// Interface index, when there is one.
    pub index: Option<u32>,
    /// Smaller is preferred.
    pub metric: u32,
}

/// A neighbour entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Interface index.
    pub index: u32,
    /// IPv4 or IPv6.
    pub address: IpAddr,
    /// Ethernet address, when resolved.
    pub mac: Option<[u8; 6]>,
    /// How the kernel stands to it.
    pub state: NeighbourState,
}

impl Link {
    pub(super) fn read(message: LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            up: message.header.flags.contains(LinkFlags::Up),
            // The kernel's "running" follows a second later.
            carrier: message.header.flags.contains(LinkFlags::LowerUp),
            ..Self::default()
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
                LinkAttribute::Address(mac) => link.mac = mac.try_into().ok(),
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::TxQueueLen(length) => link.tx_queue_len = length,
                LinkAttribute::PropList(list) => {
                    link.alt_names.extend(list.into_iter().filter_map(|property| match property {
                        Prop::AltIfName(name) => Some(name),
                        _ => None,
                    }));
                }
                LinkAttribute::LinkInfo(info) => {
                    for part in info {
                        if let LinkInfo::Kind(kind) = part {
                            link.kind = kind_name(&kind);
                        }
                    }
                }
                _ => {}
            }
        }
        link
    }
}

impl Address {
    pub(super) fn read(message: &AddressMessage) -> Option<Self> {
        let mut address = None;
        for attribute in &message.attributes {
            match attribute {
                // On a point-to-point link Address is the far end's; Local is ours wherever it is given.
                AddressAttribute::Local(ip) => address = Some(*ip),
                AddressAttribute::Address(ip) => address = address.or(Some(*ip)),
                _ => {}
            }
        }
        Some(Self { index: message.header.index, address: address?, prefix: message.header.prefix_len })
    }
}

impl Route {
    pub(super) fn read(message: &RouteMessage) -> Option<Self> {
        let mut table = u32::from(message.header.table);
        let mut route = Self {
            destination: match message.header.address_family {
                netlink_packet_route::AddressFamily::Inet => IpAddr::from([0; 4]),
                netlink_packet_route::AddressFamily::Inet6 => IpAddr::from([0; 16]),
                _ => return None,
            },
            prefix: message.header.destination_prefix_length,
            gateway: None,
            index: None,
            metric: 0,
        };
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => route.destination = ip(address)?,
                RouteAttribute::Gateway(address) => route.gateway = ip(address),
                RouteAttribute::Oif(index) => route.index = Some(*index),
                RouteAttribute::Priority(metric) => route.metric = *metric,
                RouteAttribute::Table(number) => table = *number,
                _ => {}
            }
        }
        (table == u32::from(RouteHeader::RT_TABLE_MAIN)).then_some(route)
    }
}

impl Neighbour {
    pub(super) fn read(message: &NeighbourMessage) -> Option<Self> {
        let (mut address, mut mac) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => {
                    address = Some(IpAddr::V4(*ip))
                }
                NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => {
                    address = Some(IpAddr::V6(*ip));
                }
                NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
                _ => {}
            }
        }
        Some(Self { index: message.header.ifindex, address: address?, mac, state: message.header.state })
    }
}

pub(super) fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

fn kind_name(kind: &InfoKind) -> String {
    kind.to_string()
}
