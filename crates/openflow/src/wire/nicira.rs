//! The messages that only Nicira's extensions have.
//!
//! Source: `nicira-ext.h` of Open vSwitch.

use std::net::Ipv6Addr;

use super::action::{property, read_property};
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;
use crate::msg::{CtFlush, CtTuple, FlowFormat, PacketInFormat, TlvCommand, TlvMap, TlvTable, TlvTableMod};

/// `format:32`: 0 as OpenFlow 1.0 has it, 2 as NXM.
pub(super) fn read_flow_format(r: &mut Reader<'_>) -> Result<FlowFormat> {
    match r.u32()? {
        0 => Ok(FlowFormat::OpenFlow10),
        2 => Ok(FlowFormat::Nxm),
        _ => Err(OfError::BrcEperm),
    }
}

pub(super) fn put_flow_format(out: &mut Out, format: FlowFormat) {
    out.u32(match format {
        FlowFormat::OpenFlow10 => 0,
        FlowFormat::Nxm => 2,
    });
}

/// `format:32`
pub(super) fn read_packet_in_format(r: &mut Reader<'_>) -> Result<PacketInFormat> {
    match r.u32()? {
        0 => Ok(PacketInFormat::Standard),
        1 => Ok(PacketInFormat::Nxt),
        2 => Ok(PacketInFormat::Nxt2),
        _ => Err(OfError::BrcEperm),
    }
}

pub(super) fn put_packet_in_format(out: &mut Out, format: PacketInFormat) {
    out.u32(format as u32);
}

/// `zero:48 number:16`: the id of a controller, or a zone.
pub(super) fn read_number(r: &mut Reader<'_>) -> Result<u16> {
    r.zeros(6, OfError::NxbrcMustBeZero)?;
    r.u16()
}

pub(super) fn put_number(out: &mut Out, number: u16) {
    out.zeros(6);
    out.u16(number);
}

fn read_maps(r: &mut Reader<'_>) -> Result<Vec<TlvMap>> {
    let mut maps = Vec::new();
    while !r.is_empty() {
        let (class, [kind, len], index) = (r.u16()?, r.array()?, r.u16()?);
        r.skip(2)?;
        if len == 0 || len % 4 != 0 || len > 124 {
            return Err(OfError::NxttmfcBadOptLen);
        }
        if index >= 64 {
            return Err(OfError::NxttmfcBadFieldIdx);
        }
        maps.push(TlvMap { class, kind, len, index });
    }
    Ok(maps)
}

fn put_maps(out: &mut Out, maps: &[TlvMap]) {
    for map in maps {
        out.u16(map.class);
        out.extend_from_slice(&[map.kind, map.len]);
        out.u16(map.index);
        out.zeros(2);
    }
}

/// `command:16 zero:48`, then for each `class:16 type:8 length:8 index:16 zero:16`
pub(super) fn read_tlv_mod(r: &mut Reader<'_>) -> Result<TlvTableMod> {
    let command = match r.u16()? {
        0 => TlvCommand::Add,
        1 => TlvCommand::Delete,
        2 => TlvCommand::Clear,
        _ => return Err(OfError::NxttmfcBadCommand),
    };
    r.skip(6)?;
    Ok(TlvTableMod { command, maps: read_maps(r)? })
}

pub(super) fn put_tlv_mod(out: &mut Out, change: &TlvTableMod) {
    out.u16(change.command as u16);
    out.zeros(6);
    put_maps(out, &change.maps);
}

/// `max_space:32 max_fields:16 zero:80`, then as in changes
pub(super) fn read_tlv_table(r: &mut Reader<'_>) -> Result<TlvTable> {
    let (max_space, max_fields) = (r.u32()?, r.u16()?);
    r.skip(10)?;
    Ok(TlvTable { max_space, max_fields, maps: read_maps(r)? })
}

pub(super) fn put_tlv_table(out: &mut Out, table: &TlvTable) {
    out.u32(table.max_space);
    out.u16(table.max_fields);
    out.zeros(10);
    put_maps(out, &table.maps);
}

/// `protocol:8 zero:56`, properties: 0 first packet, 1 answer, 2 zone:16, 3 mark:32, 4 its mask, 5 label:128, 6 its mask
pub(super) fn read_ct_flush(r: &mut Reader<'_>) -> Result<CtFlush> {
    let mut flush = CtFlush { protocol: r.u8()?, ..CtFlush::default() };
    r.zeros(7, OfError::NxbrcMustBeZero)?;
    let (mut mark_mask, mut label_mask) = (None, None);
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            0 => flush.original = read_tuple(flush.protocol, &mut p)?,
            1 => flush.reply = read_tuple(flush.protocol, &mut p)?,
            2 => flush.zone = Some(p.u16()?),
            3 => flush.mark = Some((p.u32()?, u32::MAX)),
            4 => mark_mask = Some(p.u32()?),
            5 => flush.label = Some((p.number(16)?, u128::MAX)),
            6 => label_mask = Some(p.number(16)?),
            _ => return Err(OfError::BpcBadType),
        }
    }
    if let (Some((_, all)), Some(mask)) = (&mut flush.mark, mark_mask) {
        *all = mask;
    }
    if let (Some((_, all)), Some(mask)) = (&mut flush.label, label_mask) {
        *all = mask;
    }
    Ok(flush)
}

/// IP protocols whose connections have ICMP ids instead of ports.
const fn is_icmp(protocol: u8) -> bool {
    matches!(protocol, 1 | 58)
}

fn read_tuple(protocol: u8, r: &mut Reader<'_>) -> Result<CtTuple> {
    r.skip(4)?;
    let mut tuple = CtTuple::default();
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        if kind >= 4 && !is_icmp(protocol) {
            return Err(OfError::BpcBadType);
        }
        match kind {
            0 => tuple.source = Some(Ipv6Addr::from(p.array::<16>()?)),
            1 => tuple.destination = Some(Ipv6Addr::from(p.array::<16>()?)),
            2 => tuple.source_port = Some(p.u16()?),
            3 => tuple.destination_port = Some(p.u16()?),
            4 => tuple.icmp_id = Some(p.u16()?),
            5 => tuple.icmp_type = Some(p.u8()?),
            6 => tuple.icmp_code = Some(p.u8()?),
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(tuple)
}

pub(super) fn put_ct_flush(out: &mut Out, flush: &CtFlush) {
    out.u8(flush.protocol);
    out.zeros(7);
    for (kind, tuple) in [(0, &flush.original), (1, &flush.reply)] {
        if *tuple != CtTuple::default() {
            property(out, kind, |out| put_tuple(out, tuple));
        }
    }
    if let Some(zone) = flush.zone {
        property(out, 2, |out| out.u16(zone));
    }
    if let Some((mark, mask)) = flush.mark {
        property(out, 3, |out| out.u32(mark));
        property(out, 4, |out| out.u32(mask));
    }
    if let Some((label, mask)) = flush.label {
        property(out, 5, |out| out.number(label, 16));
        property(out, 6, |out| out.number(mask, 16));
    }
}

fn put_tuple(out: &mut Out, tuple: &CtTuple) {
    out.zeros(4);
    for (kind, address) in [(0, tuple.source), (1, tuple.destination)] {
        if let Some(address) = address {
            property(out, kind, |out| out.extend_from_slice(&address.octets()));
        }
    }
    for (kind, number) in [(2, tuple.source_port), (3, tuple.destination_port), (4, tuple.icmp_id)] {
        if let Some(number) = number {
            property(out, kind, |out| out.u16(number));
        }
    }
    for (kind, number) in [(5, tuple.icmp_type), (6, tuple.icmp_code)] {
        if let Some(number) = number {
            property(out, kind, |out| out.u8(number));
        }
    }
}
