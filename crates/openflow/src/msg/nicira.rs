//! Messages that only Nicira's extensions have.

use std::net::Ipv6Addr;

use super::packet_in::PacketIn;

/// How flows are spoken of on a connection of 1.0 (`NXT_SET_FLOW_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlowFormat {
    /// As the standard has it.
    #[default]
    OpenFlow10,
    /// As NXM (`NXT_FLOW_MOD` and its like).
    Nxm,
}

/// How packets are sent to the controller (`NXT_SET_PACKET_IN_FORMAT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketInFormat {
    /// As the version has it.
    #[default]
    Standard,
    /// `NXT_PACKET_IN`
    Nxt,
    /// `NXT_PACKET_IN2`
    Nxt2,
}

/// What to do with the table of tunnel options (`NXTTMC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum TlvCommand {
    /// Add.
    Add = 0,
    /// Delete.
    Delete = 1,
    /// Delete all.
    Clear = 2,
}

/// A tunnel option that a field stands for (`nx_tlv_map`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TlvMap {
    /// The class of the option.
    pub class: u16,
    /// Its type.
    pub kind: u8,
    /// Its length in bytes: a multiple of 4, from 4 to 124.
    pub len: u8,
    /// The field: `tun_metadata` with this number.
    pub index: u16,
}

/// Changes which options the fields stand for (`NXT_TLV_TABLE_MOD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlvTableMod {
    /// What to do.
    pub command: TlvCommand,
    /// With which.
    pub maps: Vec<TlvMap>,
}

/// Which options the fields stand for (`NXT_TLV_TABLE_REPLY`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlvTable {
    /// How many bytes all options may have.
    pub max_space: u32,
    /// How many fields there are.
    pub max_fields: u16,
    /// The options.
    pub maps: Vec<TlvMap>,
}

/// Lets a packet that waits go on (`NXT_RESUME`); the packet and its metadata may be others than those sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// What [`PacketIn`] carried.
    pub packet_in: Box<PacketIn>,
}

/// One direction of a connection, or a part of it (`NXT_CT_TUPLE_*`); what is not given matches all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CtTuple {
    /// Source; IPv4 as IPv4-mapped.
    pub source: Option<Ipv6Addr>,
    /// Destination.
    pub destination: Option<Ipv6Addr>,
    /// Source port.
    pub source_port: Option<u16>,
    /// Destination port.
    pub destination_port: Option<u16>,
    /// ICMP id.
    pub icmp_id: Option<u16>,
    /// ICMP type.
    pub icmp_type: Option<u8>,
    /// ICMP code.
    pub icmp_code: Option<u8>,
}

/// Forgets connections (`NXT_CT_FLUSH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CtFlush {
    /// IP protocol; 0: all.
    pub protocol: u8,
    /// Only of this zone.
    pub zone: Option<u16>,
    /// Only with this mark, and mask.
    pub mark: Option<(u32, u32)>,
    /// Only with this label, and mask.
    pub label: Option<(u128, u128)>,
    /// Only with this first packet.
    pub original: CtTuple,
    /// Only with this answer.
    pub reply: CtTuple,
}
