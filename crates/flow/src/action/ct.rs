//! `ct(...)`: connection tracking and address translation.

use std::net::IpAddr;

use super::{Action, Operand};
use crate::TableId;

/// What connection tracking does with the packet.
///
/// Source: `NXAST_CT` and `NXAST_NAT` in ovs-actions(7).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Ct {
    /// Whether the connection is remembered beyond this packet.
    pub commit: bool,
    /// Whether a connection that began in the other direction is forgotten first. Only with `commit`.
    pub force: bool,
    /// The zone.
    pub zone: Operand<u16>,
    /// Where a copy of the packet goes on, its `ct_*` fields filled in; `None`: nowhere.
    pub table: Option<TableId>,
    /// The protocol whose further connections are expected.
    pub alg: Option<CtAlg>,
    /// How addresses are translated; `None`: they are not.
    pub nat: Option<Nat>,
    /// What is written to `ct_mark` and `ct_label` of the connection. Only with `commit`.
    pub exec: Box<[Action]>,
}

/// A protocol whose packets name the addresses of further connections. Its number on the wire is its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum CtAlg {
    /// FTP.
    Ftp = 21,
    /// TFTP.
    Tftp = 69,
}

impl CtAlg {
    /// The protocol of a number, if it is a known one.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            21 => Some(Self::Ftp),
            69 => Some(Self::Tftp),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }
}

/// How addresses are translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Nat {
    /// As was decided for the connection when it was committed: `nat`.
    Existing,
    /// A new connection gets another source: `nat(src=...)`.
    Source(NatRange),
    /// A new connection gets another destination: `nat(dst=...)`.
    Destination(NatRange),
}

/// What the new address and port are chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NatRange {
    /// First and last address, both of one family; `None`: the address stays.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// First and last port; `None`: any, preferably the old one. Only with addresses.
    pub ports: Option<(u16, u16)>,
    /// How a port is chosen; `None`: as the datapath likes.
    pub selection: Option<PortSelection>,
    /// Whether the same address should be chosen after a restart.
    pub persistent: bool,
}

/// How a port is chosen from a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortSelection {
    /// By a hash of addresses and the other port.
    Hash,
    /// By chance.
    Random,
}
