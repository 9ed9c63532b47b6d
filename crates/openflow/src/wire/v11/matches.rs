//! The match of 1.1: a structure of fixed length with masks, in which a 1 means that the bit does not count.
//!
//! ```text
//! type:16 = 0 length:16 = 88 in_port:32 wildcards:32
//! dl_src:48 mask:48 dl_dst:48 mask:48 dl_vlan:16 dl_vlan_pcp:8 zero:8 dl_type:16 nw_tos:8 nw_proto:8
//! nw_src:32 mask:32 nw_dst:32 mask:32 tp_src:16 tp_dst:16 mpls_label:32 mpls_tc:8 zero:24
//! metadata:64 mask:64
//! ```
//!
//! A `dl_vlan` of 0xffff: no VLAN header; 0xfffe: any. Source: OpenFlow 1.1.0 §A.2.3.

use netloom_flow::{FieldId, FlowMatch};

use super::super::oxm::exact;
use super::super::port;
use super::super::reader::Reader;
use super::super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;

const IN_PORT: u32 = 1 << 0;
const DL_VLAN: u32 = 1 << 1;
const DL_VLAN_PCP: u32 = 1 << 2;
const DL_TYPE: u32 = 1 << 3;
const NW_TOS: u32 = 1 << 4;
const NW_PROTO: u32 = 1 << 5;
const TP_SRC: u32 = 1 << 6;
const TP_DST: u32 = 1 << 7;
const MPLS_LABEL: u32 = 1 << 8;
const MPLS_TC: u32 = 1 << 9;
const ALL: u32 = 0x3ff;

const NO_VLAN: u16 = 0xffff;
const ANY_VLAN: u16 = 0xfffe;
const ETH: u128 = 0xffff_ffff_ffff;
const IP: u128 = 0xffff_ffff;

/// The structure as it lies there.
#[derive(Default)]
struct Raw {
    in_port: u32,
    wildcards: u32,
    dl_src: (u128, u128),
    dl_dst: (u128, u128),
    dl_vlan: u16,
    dl_vlan_pcp: u8,
    dl_type: u16,
    nw_tos: u8,
    nw_proto: u8,
    nw_src: (u128, u128),
    nw_dst: (u128, u128),
    tp: (u16, u16),
    mpls_label: u32,
    mpls_tc: u8,
    metadata: (u64, u64),
}

/// Reads a match, type and length included: here as one of 1.1, or if it says so, as OXM.
pub(crate) fn read(r: &mut Reader<'_>) -> Result<FlowMatch> {
    let (kind, len) = (r.u16()?, r.u16()?);
    match (kind, len) {
        (0, 88) => matches(&read_raw(r)?),
        (0, _) => Err(OfError::BmcBadLen),
        (1, _) => super::super::oxm::read_match_body(r, len, super::super::oxm::Unknown::Refuse),
        _ => Err(OfError::BmcBadType),
    }
}

fn read_raw(r: &mut Reader<'_>) -> Result<Raw> {
    let raw = Raw {
        in_port: r.u32()?,
        wildcards: r.u32()?,
        dl_src: (r.number(6)?, r.number(6)?),
        dl_dst: (r.number(6)?, r.number(6)?),
        dl_vlan: r.u16()?,
        dl_vlan_pcp: r.u8()?,
        ..Raw::default()
    };
    r.skip(1)?;
    let raw = Raw {
        dl_type: r.u16()?,
        nw_tos: r.u8()?,
        nw_proto: r.u8()?,
        nw_src: (r.number(4)?, r.number(4)?),
        nw_dst: (r.number(4)?, r.number(4)?),
        tp: (r.u16()?, r.u16()?),
        mpls_label: r.u32()?,
        mpls_tc: r.u8()?,
        ..raw
    };
    r.skip(3)?;
    Ok(Raw { metadata: (r.u64()?, r.u64()?), ..raw })
}

fn matches(raw: &Raw) -> Result<FlowMatch> {
    let mut m = FlowMatch::any();
    let counts = |bit: u32| raw.wildcards & bit == 0;
    if counts(IN_PORT) {
        m.set(FieldId::InPortOxm, port::from_32(raw.in_port, OfError::BmcBadValue)?.0.into());
    }
    m.set_masked(FieldId::EthSrc, raw.dl_src.0, !raw.dl_src.1 & ETH);
    m.set_masked(FieldId::EthDst, raw.dl_dst.0, !raw.dl_dst.1 & ETH);
    vlan(&mut m, raw)?;
    m.set_masked(FieldId::Metadata, raw.metadata.0.into(), (!raw.metadata.1).into());
    if !counts(DL_TYPE) {
        return Ok(m);
    }
    m.set(FieldId::EthType, raw.dl_type.into());
    if matches!(raw.dl_type, 0x8847 | 0x8848) {
        return mpls(m, raw);
    }
    let arp = matches!(raw.dl_type, 0x0806 | 0x8035);
    if arp && counts(NW_PROTO) {
        m.set(FieldId::ArpOp, raw.nw_proto.into());
    }
    if arp || raw.dl_type == 0x0800 {
        m.set_masked(FieldId::Ipv4Src, raw.nw_src.0, !raw.nw_src.1 & IP);
        m.set_masked(FieldId::Ipv4Dst, raw.nw_dst.0, !raw.nw_dst.1 & IP);
    }
    if matches!(raw.dl_type, 0x0800 | 0x86dd) {
        ip(&mut m, raw)?;
    }
    Ok(m)
}

fn mpls(mut m: FlowMatch, raw: &Raw) -> Result<FlowMatch> {
    if raw.wildcards & MPLS_LABEL == 0 {
        if raw.mpls_label > 0xf_ffff {
            return Err(OfError::BmcBadValue);
        }
        m.set(FieldId::MplsLabel, raw.mpls_label.into());
    }
    if raw.wildcards & MPLS_TC == 0 {
        if raw.mpls_tc > 7 {
            return Err(OfError::BmcBadValue);
        }
        m.set(FieldId::MplsTc, raw.mpls_tc.into());
    }
    Ok(m)
}

fn vlan(m: &mut FlowMatch, raw: &Raw) -> Result<()> {
    if raw.wildcards & DL_VLAN != 0 {
        // Without an id, the priority does not count.
        return Ok(());
    }
    let (tci, mut mask) = match raw.dl_vlan {
        NO_VLAN => {
            m.set(FieldId::VlanTci, 0);
            return Ok(());
        }
        ANY_VLAN => (0x1000, 0x1000),
        id @ 0..=0xfff => (0x1000 | id, 0x1fff_u16),
        _ => return Err(OfError::BmcBadValue),
    };
    let mut pcp = 0;
    if raw.wildcards & DL_VLAN_PCP == 0 {
        if raw.dl_vlan_pcp > 7 {
            return Err(OfError::BmcBadValue);
        }
        pcp = u16::from(raw.dl_vlan_pcp) << 13;
        mask |= 0xe000;
    }
    m.set_masked(FieldId::VlanTci, (tci | pcp).into(), mask.into());
    Ok(())
}

fn ip(m: &mut FlowMatch, raw: &Raw) -> Result<()> {
    if raw.wildcards & NW_TOS == 0 {
        if raw.nw_tos & 3 != 0 {
            return Err(OfError::BmcBadValue);
        }
        m.set(FieldId::NwTos, raw.nw_tos.into());
    }
    if raw.wildcards & NW_PROTO != 0 {
        return Ok(());
    }
    m.set(FieldId::NwProto, raw.nw_proto.into());
    let Some((src, dst)) = ports(raw.dl_type, raw.nw_proto) else { return Ok(()) };
    if raw.wildcards & TP_SRC == 0 {
        set(m, src, raw.tp.0)?;
    }
    if raw.wildcards & TP_DST == 0 {
        set(m, dst, raw.tp.1)?;
    }
    Ok(())
}

/// The fields that `tp_src` and `tp_dst` stand for.
fn ports(dl_type: u16, proto: u8) -> Option<(FieldId, FieldId)> {
    Some(match (dl_type, proto) {
        (_, 6) => (FieldId::TcpSrc, FieldId::TcpDst),
        (_, 17) => (FieldId::UdpSrc, FieldId::UdpDst),
        (_, 132) => (FieldId::SctpSrc, FieldId::SctpDst),
        (0x0800, 1) => (FieldId::IcmpType, FieldId::IcmpCode),
        (0x86dd, 58) => (FieldId::Icmpv6Type, FieldId::Icmpv6Code),
        _ => return None,
    })
}

fn set(m: &mut FlowMatch, field: FieldId, value: u16) -> Result<()> {
    if u128::from(value) > field.field().max() {
        return Err(OfError::BmcBadField);
    }
    m.set(field, value.into());
    Ok(())
}

/// Whether the structure can say all of a match.
pub(crate) fn can_say(m: &FlowMatch) -> bool {
    let mut bytes = Out::new();
    put(&mut bytes, m);
    read(&mut Reader::new(&bytes, OfError::BmcBadLen)).is_ok_and(|read| read == *m)
}

/// Writes a match. What it cannot say is left out.
pub(crate) fn put(out: &mut Out, m: &FlowMatch) {
    let raw = raw(m);
    out.u16(0);
    out.u16(88);
    out.u32(raw.in_port);
    out.u32(raw.wildcards);
    for (value, mask) in [raw.dl_src, raw.dl_dst] {
        out.number(value, 6);
        out.number(!mask, 6);
    }
    out.u16(raw.dl_vlan);
    out.u8(raw.dl_vlan_pcp);
    out.zeros(1);
    out.u16(raw.dl_type);
    out.u8(raw.nw_tos);
    out.u8(raw.nw_proto);
    for (value, mask) in [raw.nw_src, raw.nw_dst] {
        out.number(value, 4);
        out.number(!mask, 4);
    }
    out.u16(raw.tp.0);
    out.u16(raw.tp.1);
    out.u32(raw.mpls_label);
    out.u8(raw.mpls_tc);
    out.zeros(3);
    out.u64(raw.metadata.0);
    out.u64(!raw.metadata.1);
}

/// The structure that says a match. The masks are the right way round here.
fn raw(m: &FlowMatch) -> Raw {
    let mut wildcards = ALL;
    let mut take = |bit: u32, id: FieldId| -> u128 {
        let value = exact(m, id);
        if value.is_some() {
            wildcards &= !bit;
        }
        value.unwrap_or(0)
    };
    let in_port = narrow(take(IN_PORT, FieldId::InPortOxm));
    let dl_type = narrow16(take(DL_TYPE, FieldId::EthType));
    let arp = matches!(dl_type, 0x0806 | 0x8035);
    let proto = take(NW_PROTO, if arp { FieldId::ArpOp } else { FieldId::NwProto });
    let nw_proto = u8::try_from(proto).unwrap_or(0);
    let nw_tos = u8::try_from(take(NW_TOS, FieldId::NwTos)).unwrap_or(0);
    let mpls_label = narrow(take(MPLS_LABEL, FieldId::MplsLabel));
    let mpls_tc = u8::try_from(take(MPLS_TC, FieldId::MplsTc)).unwrap_or(0);
    let tp = ports(dl_type, nw_proto)
        .map_or((0, 0), |(src, dst)| (narrow16(take(TP_SRC, src)), narrow16(take(TP_DST, dst))));
    let (dl_vlan, dl_vlan_pcp, vlan_bits) = vlan_of(m);
    let address = |id| if arp || dl_type == 0x0800 { m.field(id) } else { (0, 0) };
    let metadata = m.field(FieldId::Metadata);
    let wide = |n: u128| u64::try_from(n).unwrap_or(0);
    Raw {
        in_port,
        wildcards: wildcards & !vlan_bits,
        dl_src: m.field(FieldId::EthSrc),
        dl_dst: m.field(FieldId::EthDst),
        dl_vlan,
        dl_vlan_pcp,
        dl_type,
        nw_tos,
        nw_proto,
        nw_src: address(FieldId::Ipv4Src),
        nw_dst: address(FieldId::Ipv4Dst),
        tp,
        mpls_label,
        mpls_tc,
        metadata: (wide(metadata.0), wide(metadata.1)),
    }
}

/// `dl_vlan`, `dl_vlan_pcp`, and the bits of those that count.
fn vlan_of(m: &FlowMatch) -> (u16, u8, u32) {
    let (tci, mask) = m.field(FieldId::VlanTci);
    let (tci, mask) = (narrow16(tci), narrow16(mask));
    if mask & 0x1000 == 0 {
        return (0, 0, 0);
    }
    if tci & 0x1000 == 0 {
        return (NO_VLAN, 0, DL_VLAN);
    }
    let id = if mask & 0xfff == 0xfff { tci & 0xfff } else { ANY_VLAN };
    if mask & 0xe000 != 0xe000 {
        return (id, 0, DL_VLAN);
    }
    let [_, pcp] = (tci >> 13).to_be_bytes();
    (id, pcp, DL_VLAN | DL_VLAN_PCP)
}

fn narrow(n: u128) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

fn narrow16(n: u128) -> u16 {
    u16::try_from(n).unwrap_or(0)
}
