//! The match of 1.0: a structure of fixed length, with a bit for each field that does not count.
//!
//! ```text
//! wildcards:32 in_port:16 dl_src:48 dl_dst:48 dl_vlan:16 dl_vlan_pcp:8 zero:8
//! dl_type:16 nw_tos:8 nw_proto:8 zero:16 nw_src:32 nw_dst:32 tp_src:16 tp_dst:16      40 bytes
//! ```
//!
//! A field whose prerequisite is not there is left out silently. A `dl_vlan` of 0xffff: no VLAN header. The standard
//! knows no IPv6; as in OVS, `nw_tos`, `nw_proto` and the ports count with it too, the addresses do not.
//!
//! Source: OpenFlow 1.0.0 §5.2.3.

use netloom_flow::{FieldId, FlowMatch, OfPort};

use super::super::oxm::exact;
use super::super::port;
use super::super::reader::Reader;
use super::super::writer::{Out, Put};
use crate::error::Result;

const IN_PORT: u32 = 1 << 0;
const DL_VLAN: u32 = 1 << 1;
const DL_SRC: u32 = 1 << 2;
const DL_DST: u32 = 1 << 3;
const DL_TYPE: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const NW_SRC_SHIFT: u32 = 8;
const NW_DST_SHIFT: u32 = 14;
const DL_VLAN_PCP: u32 = 1 << 20;
const NW_TOS: u32 = 1 << 21;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// `dl_vlan` of a packet without a VLAN header.
const NO_VLAN: u16 = 0xffff;

/// Reads a match.
pub(crate) fn read(r: &mut Reader<'_>) -> Result<FlowMatch> {
    let mut m = FlowMatch::any();
    let wildcards = r.u32()?;
    let counts = |bit: u32| wildcards & bit == 0;
    let (in_port, dl_src, dl_dst) = (r.u16()?, r.number(6)?, r.number(6)?);
    let (vlan, [pcp, _], dl_type, [tos, proto]) = (r.u16()?, r.array()?, r.u16()?, r.array()?);
    r.skip(2)?;
    let (nw_src, nw_dst, tp_src, tp_dst) = (r.u32()?, r.u32()?, r.u16()?, r.u16()?);
    if counts(IN_PORT) {
        m.set(FieldId::InPortOxm, port::from_16(in_port).0.into());
    }
    if counts(DL_SRC) {
        m.set(FieldId::EthSrc, dl_src);
    }
    if counts(DL_DST) {
        m.set(FieldId::EthDst, dl_dst);
    }
    let (tci, tci_mask) = tci(vlan, pcp, counts(DL_VLAN), counts(DL_VLAN_PCP));
    m.set_masked(FieldId::VlanTci, tci.into(), tci_mask.into());
    if !counts(DL_TYPE) {
        return Ok(m);
    }
    m.set(FieldId::EthType, dl_type.into());
    let (addresses, protocol) = match dl_type {
        IPV4 => (Some((FieldId::Ipv4Src, FieldId::Ipv4Dst)), FieldId::NwProto),
        IPV6 => (None, FieldId::NwProto),
        0x0806 | 0x8035 => (Some((FieldId::ArpSpa, FieldId::ArpTpa)), FieldId::ArpOp),
        _ => return Ok(m),
    };
    if let Some((src, dst)) = addresses {
        m.set_masked(src, nw_src.into(), prefix(wildcards >> NW_SRC_SHIFT).into());
        m.set_masked(dst, nw_dst.into(), prefix(wildcards >> NW_DST_SHIFT).into());
    }
    if counts(NW_PROTO) {
        m.set(protocol, proto.into());
    }
    if !matches!(dl_type, IPV4 | IPV6) {
        return Ok(m);
    }
    if counts(NW_TOS) {
        m.set(FieldId::NwTos, (tos & 0xfc).into());
    }
    if let Some((src, dst)) = ports(dl_type, counts(NW_PROTO).then_some(proto)) {
        if counts(TP_SRC) {
            m.set(src, tp_src.into());
        }
        if counts(TP_DST) {
            m.set(dst, tp_dst.into());
        }
    }
    Ok(m)
}

/// The fields that `tp_src` and `tp_dst` stand for.
fn ports(dl_type: u16, proto: Option<u8>) -> Option<(FieldId, FieldId)> {
    Some(match proto? {
        1 if dl_type == IPV4 => (FieldId::IcmpType, FieldId::IcmpCode),
        58 if dl_type == IPV6 => (FieldId::Icmpv6Type, FieldId::Icmpv6Code),
        6 => (FieldId::TcpSrc, FieldId::TcpDst),
        17 => (FieldId::UdpSrc, FieldId::UdpDst),
        132 => (FieldId::SctpSrc, FieldId::SctpDst),
        _ => return None,
    })
}

/// Value and mask of the tag as OVS has it, with the bit that says that it is there.
fn tci(vlan: u16, pcp: u8, has_vlan: bool, has_pcp: bool) -> (u16, u16) {
    if has_vlan && vlan == NO_VLAN {
        return (0, 0xffff);
    }
    let present = if has_vlan || has_pcp { 0x1000 } else { 0 };
    let mask = present | if has_vlan { 0x0fff } else { 0 } | if has_pcp { 0xe000 } else { 0 };
    ((vlan & 0x0fff | 0x1000 | u16::from(pcp & 7) << 13) & mask, mask)
}

/// The mask of an address of which the low `wild` bits do not count; from 32 on, none does.
fn prefix(wild: u32) -> u32 {
    u32::MAX.checked_shl(wild & 0x3f).unwrap_or(0)
}

/// Whether the structure can say all of a match.
pub(crate) fn can_say(m: &FlowMatch) -> bool {
    let mut bytes = Out::new();
    put(&mut bytes, m);
    let mut r = Reader::new(&bytes, crate::OfError::BmcBadLen);
    read(&mut r).is_ok_and(|read| read == *m)
}

/// Writes a match. What it cannot say is left out.
pub(crate) fn put(out: &mut Out, m: &FlowMatch) {
    let start = out.len();
    let mut wildcards = NW_TOS | DL_VLAN_PCP | 0xff;
    let mut take = |bit: u32, id: FieldId| -> u128 {
        let value = exact(m, id);
        if value.is_some() {
            wildcards &= !bit;
        }
        value.unwrap_or(0)
    };
    let in_port = take(IN_PORT, FieldId::InPortOxm);
    let (dl_src, dl_dst) = (take(DL_SRC, FieldId::EthSrc), take(DL_DST, FieldId::EthDst));
    let dl_type = take(DL_TYPE, FieldId::EthType);
    let arp = matches!(dl_type, 0x0806 | 0x8035);
    let ipv4 = dl_type == u128::from(IPV4);
    let ip = ipv4 || dl_type == u128::from(IPV6);
    let tos = if ip { take(NW_TOS, FieldId::NwTos) } else { 0 };
    let proto = match (ip, arp) {
        (true, _) => take(NW_PROTO, FieldId::NwProto),
        (_, true) => take(NW_PROTO, FieldId::ArpOp),
        _ => 0,
    };
    let kind = if ipv4 { IPV4 } else { IPV6 };
    let l4 = if ip { ports(kind, u8::try_from(proto).ok()) } else { None };
    let (tp_src, tp_dst) = l4.map_or((0, 0), |(src, dst)| (take(TP_SRC, src), take(TP_DST, dst)));
    let (vlan, pcp, vlan_bits) = vlan(m);
    wildcards &= !vlan_bits;
    let address = |id: FieldId| if ipv4 || arp { m.field(id) } else { (0, 0) };
    let (nw_src, src_mask) = address(FieldId::Ipv4Src);
    let (nw_dst, dst_mask) = address(FieldId::Ipv4Dst);
    wildcards |= wild(src_mask) << NW_SRC_SHIFT | wild(dst_mask) << NW_DST_SHIFT;
    out.u32(wildcards);
    out.u16(port::to_16(OfPort(u32::try_from(in_port).unwrap_or(0))));
    out.number(dl_src, 6);
    out.number(dl_dst, 6);
    out.u16(vlan);
    out.u8(pcp);
    out.zeros(1);
    out.number(dl_type, 2);
    out.number(tos, 1);
    out.number(proto, 1);
    out.zeros(2);
    out.number(nw_src, 4);
    out.number(nw_dst, 4);
    out.number(tp_src, 2);
    out.number(tp_dst, 2);
    debug_assert_eq!(out.len() - start, 40, "the structure has a fixed length");
}

/// `dl_vlan`, `dl_vlan_pcp`, and the bits of those that count.
fn vlan(m: &FlowMatch) -> (u16, u8, u32) {
    let (tci, mask) = m.field(FieldId::VlanTci);
    let narrow = |n: u128| u16::try_from(n).unwrap_or(0);
    let (tci, mask) = (narrow(tci), narrow(mask));
    if mask & 0x1000 == 0 {
        return (0, 0, 0);
    }
    if tci & 0x1000 == 0 {
        return (NO_VLAN, 0, DL_VLAN);
    }
    let has_vlan = mask & 0x0fff == 0x0fff;
    let has_pcp = mask & 0xe000 == 0xe000;
    let vlan = if has_vlan { tci & 0x0fff } else { 0 };
    let [_, pcp] = (tci >> 13).to_be_bytes();
    let bits = if has_vlan { DL_VLAN } else { 0 } | if has_pcp { DL_VLAN_PCP } else { 0 };
    (vlan, if has_pcp { pcp } else { 0 }, bits)
}

/// How many low bits of an address do not count: 32 if the mask is no prefix.
fn wild(mask: u128) -> u32 {
    let mask = u32::try_from(mask).unwrap_or(0);
    let wild = mask.trailing_zeros();
    if prefix(wild) == mask { wild } else { 32 }
}

#[cfg(test)]
mod tests {
    use super::{Out, can_say, put, read};
    use crate::wire::reader::Reader;
    use netloom_flow::{FieldId, FlowMatch};

    #[test]
    fn ports_and_protocol_count_with_ipv6_as_well_its_addresses_cannot_be_said() {
        for (proto, src) in [(6, FieldId::TcpSrc), (17, FieldId::UdpSrc), (58, FieldId::Icmpv6Type)] {
            let mut m = FlowMatch::any();
            m.set(FieldId::EthType, 0x86dd);
            m.set(FieldId::NwProto, proto);
            m.set(FieldId::NwTos, 0x20);
            m.set(src, 77);
            let mut bytes = Out::new();
            put(&mut bytes, &m);
            assert_eq!(bytes[22..26], [0x86, 0xdd, 0x20, u8::try_from(proto).unwrap()]);
            assert_eq!(bytes[36..38], [0, 77]);
            assert_eq!(read(&mut Reader::new(&bytes, crate::OfError::BmcBadLen)).unwrap(), m);
            assert!(can_say(&m));
            m.set(FieldId::Ipv6Src, 1);
            assert!(!can_say(&m));
        }
    }
}
