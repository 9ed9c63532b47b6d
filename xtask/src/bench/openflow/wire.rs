//! The few OpenFlow messages the bench sends, as bytes: both switches are given the same ones.
//!
//! Source: OpenFlow 1.3.5 §A and 1.4.1 §A; the two differ only in the version and in bundles.

/// `OFPT_*`.
pub(super) mod kind {
    pub(crate) const HELLO: u8 = 0;
    pub(crate) const ERROR: u8 = 1;
    pub(crate) const ECHO_REQUEST: u8 = 2;
    pub(crate) const ECHO_REPLY: u8 = 3;
    pub(crate) const SET_CONFIG: u8 = 9;
    pub(crate) const PACKET_IN: u8 = 10;
    pub(crate) const PACKET_OUT: u8 = 13;
    pub(crate) const FLOW_MOD: u8 = 14;
    pub(crate) const BARRIER_REQUEST: u8 = 20;
    pub(crate) const BARRIER_REPLY: u8 = 21;
    pub(crate) const BUNDLE_CONTROL: u8 = 33;
    pub(crate) const BUNDLE_ADD: u8 = 34;
}

/// Version 1.4.
pub(super) const VERSION: u8 = 5;
/// Bytes of a header.
pub(super) const HEADER: usize = 8;
/// No buffer, port or group.
const NONE: u32 = 0xffff_ffff;

/// `OFPXMT_OFB_*` with the bytes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    EthType,
    IpProto,
    Ipv4Src,
    Ipv4Dst,
    TcpSrc,
    TcpDst,
    UdpSrc,
    UdpDst,
}

impl Field {
    const fn number(self) -> u8 {
        match self {
            Self::EthType => 5,
            Self::IpProto => 10,
            Self::Ipv4Src => 11,
            Self::Ipv4Dst => 12,
            Self::TcpSrc => 13,
            Self::TcpDst => 14,
            Self::UdpSrc => 15,
            Self::UdpDst => 16,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Ipv4Src | Self::Ipv4Dst => 4,
            Self::IpProto => 1,
            _ => 2,
        }
    }
}

/// A value of a field, and its mask if it has one.
pub(super) type Demand = (Field, u64, Option<u64>);

/// A message of these parts.
pub(super) fn message(kind: u8, xid: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut bytes = vec![VERSION, kind];
    bytes.extend(length.to_be_bytes());
    bytes.extend(xid.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// The body of a flow mod that adds a flow.
pub(super) fn add_flow(priority: u16, demands: &[Demand], actions: &[u8]) -> Vec<u8> {
    flow_mod(0, priority, demands, actions)
}

/// The body of a flow mod that removes every flow.
pub(super) fn delete_all() -> Vec<u8> {
    let mut body = flow_mod(3, 0, &[], &[]);
    // The table: all of them.
    body[16] = 0xff;
    body
}

fn flow_mod(command: u8, priority: u16, demands: &[Demand], actions: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend([0, command, 0, 0, 0, 0]);
    body.extend(priority.to_be_bytes());
    body.extend([NONE; 3].map(u32::to_be_bytes).concat());
    body.extend([0; 4]);
    body.extend(matches(demands));
    if !actions.is_empty() {
        body.extend([0, 4]);
        body.extend(u16::try_from(8 + actions.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend([0; 4]);
        body.extend(actions);
    }
    body
}

fn matches(demands: &[Demand]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (field, value, mask) in demands {
        let size = field.bytes();
        let length = size * if mask.is_some() { 2 } else { 1 };
        fields.extend([0x80, 0x00, field.number() << 1 | u8::from(mask.is_some())]);
        fields.push(u8::try_from(length).unwrap_or(0));
        for number in [Some(*value), *mask].into_iter().flatten() {
            fields.extend(&number.to_be_bytes()[8 - size..]);
        }
    }
    let length = 4 + fields.len();
    let mut bytes = vec![0, 1];
    bytes.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(fields);
    bytes.resize(length.next_multiple_of(8), 0);
    bytes
}

/// The action `output`, to a controller with the whole packet.
pub(super) fn output(port: u32) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 16];
    bytes.extend(port.to_be_bytes());
    bytes.extend([0xff, 0xff]);
    bytes.extend([0; 6]);
    bytes
}

/// A packet-out of whole bytes.
pub(super) fn packet_out(in_port: u32, actions: &[u8], packet: &[u8]) -> Vec<u8> {
    let mut body = [NONE, in_port].map(u32::to_be_bytes).concat();
    body.extend(u16::try_from(actions.len()).unwrap_or(0).to_be_bytes());
    body.extend([0; 6]);
    body.extend(actions);
    body.extend(packet);
    body
}

/// Opens, closes or commits bundle 1: ordered and atomic.
pub(super) fn bundle_control(kind: u16) -> Vec<u8> {
    let mut body = 1_u32.to_be_bytes().to_vec();
    body.extend(kind.to_be_bytes());
    body.extend(3_u16.to_be_bytes());
    body
}

/// Adds a message to it.
pub(super) fn bundle_add(inner: &[u8]) -> Vec<u8> {
    let mut body = 1_u32.to_be_bytes().to_vec();
    body.extend([0, 0]);
    body.extend(3_u16.to_be_bytes());
    body.extend(inner);
    body
}
