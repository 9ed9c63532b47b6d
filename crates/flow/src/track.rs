//! What a datapath does with connections: tracking a packet, forgetting connections, and showing them.

use std::net::{IpAddr, Ipv6Addr};

use crate::action::{CtAlg, Nat};
use crate::{BridgeId, TenantId};

/// The bits of `ct_state`, as in OVS.
///
/// Source: ovs-fields(7); `CS_*` of OVS.
pub mod ct_state {
    /// No connection is committed for it, or no answer has been seen yet.
    pub const NEW: u32 = 0x01;
    /// Both directions have been seen.
    pub const EST: u32 = 0x02;
    /// It belongs to a connection that another one is the reason for, or it is an error about one.
    pub const REL: u32 = 0x04;
    /// It goes against the direction of the first packet.
    pub const RPL: u32 = 0x08;
    /// It fits no connection.
    pub const INV: u32 = 0x10;
    /// It was tracked.
    pub const TRK: u32 = 0x20;
    /// Its source was translated.
    pub const SNAT: u32 = 0x40;
    /// Its destination was translated.
    pub const DNAT: u32 = 0x80;
}

/// How a packet is tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Track {
    /// The bridge: each has zones of its own.
    pub bridge: BridgeId,
    /// The zone.
    pub zone: u16,
    /// Whether the connection is remembered.
    pub commit: bool,
    /// Whether a connection that began in the other direction is forgotten first.
    pub force: bool,
    /// What is written to the mark of the connection: value, and which bits.
    pub mark: (u32, u32),
    /// The same for its label.
    pub label: (u128, u128),
    /// The protocol whose further connections are expected.
    pub alg: Option<CtAlg>,
    /// How addresses are translated; `None`: they are not.
    pub nat: Option<Nat>,
}

/// One direction of a connection, or what is wanted of one: whatever is not given matches everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TuplePattern {
    /// Source; IPv4 as IPv4-mapped.
    pub src: Option<Ipv6Addr>,
    /// Destination.
    pub dst: Option<Ipv6Addr>,
    /// Source port, or the id of an ICMP message.
    pub src_port: Option<u16>,
    /// Destination port.
    pub dst_port: Option<u16>,
    /// ICMP type.
    pub icmp_type: Option<u8>,
    /// ICMP code.
    pub icmp_code: Option<u8>,
}

/// Which connections of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConnectionFilter {
    /// The bridge; `None`: all.
    pub bridge: Option<BridgeId>,
    /// Only of this zone.
    pub zone: Option<u16>,
    /// Only of this IP protocol.
    pub protocol: Option<u8>,
    /// Only with these bits of the mark: value and mask.
    pub mark: Option<(u32, u32)>,
    /// Only with these bits of the label.
    pub label: Option<(u128, u128)>,
    /// Only with such a first packet.
    pub original: TuplePattern,
    /// Only with such an answer.
    pub reply: TuplePattern,
}

/// One direction of a connection, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TupleRow {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Source port, or the id of an ICMP message.
    pub src_port: u16,
    /// Destination port, or the id of an ICMP message.
    pub dst_port: u16,
    /// Type and code of an ICMP message.
    pub icmp: Option<(u8, u8)>,
}

/// A connection, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionRow {
    /// The bridge.
    pub bridge: BridgeId,
    /// The tenant of its packets.
    pub tenant: TenantId,
    /// The zone.
    pub zone: u16,
    /// IP protocol.
    pub protocol: u8,
    /// The first packet.
    pub original: TupleRow,
    /// The answer to it.
    pub reply: TupleRow,
    /// The state of the protocol, in words.
    pub state: &'static str,
    /// Whether both directions have been seen.
    pub is_answered: bool,
    /// `ct_mark`
    pub mark: u32,
    /// `ct_label`
    pub label: u128,
    /// The helper that watches it.
    pub helper: Option<CtAlg>,
    /// Seconds until it is forgotten, if no packet comes.
    pub timeout: u64,
    /// Frames in both directions, super-packets counted once.
    pub packets: [u64; 2],
}
