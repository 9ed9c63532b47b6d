//! `OFPT_PACKET_IN` of each version, and `NXT_PACKET_IN`.
//!
//! ```text
//! 1.0     buffer:32 total_len:16 in_port:16 reason:8 zero:8 packet
//! 1.1     buffer:32 in_port:32 in_phy_port:32 total_len:16 reason:8 table:8 packet
//! 1.2     buffer:32 total_len:16 reason:8 table:8 match zero:16 packet
//! 1.3     buffer:32 total_len:16 reason:8 table:8 cookie:64 match zero:16 packet
//! Nicira  buffer:32 total_len:16 reason:8 table:8 cookie:64 match_len:16 zero:48 match zero:16 packet
//! ```

use netloom_flow::{FieldId, FlowMatch, OfPort, TableId};

use super::oxm::{self, Unknown};
use super::port;
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::{PacketIn, PacketInReason};
use crate::{OfError, Version};

/// The number that means no buffer.
pub(super) const NO_BUFFER: u32 = u32::MAX;

pub(super) fn buffer(number: u32) -> Option<u32> {
    (number != NO_BUFFER).then_some(number)
}

pub(super) fn reason(number: u8) -> Result<PacketInReason> {
    Ok(match number {
        0 => PacketInReason::NoMatch,
        1 => PacketInReason::Action,
        2 => PacketInReason::InvalidTtl,
        3 => PacketInReason::ActionSet,
        4 => PacketInReason::Group,
        5 => PacketInReason::PacketOut,
        _ => return Err(OfError::NxbrcBadReason),
    })
}

/// The number of a reason in a version.
pub(super) const fn reason_number(version: Version, reason: PacketInReason) -> u8 {
    let action = PacketInReason::Action as u8;
    match reason {
        PacketInReason::NoMatch | PacketInReason::ImplicitMiss => PacketInReason::NoMatch as u8,
        PacketInReason::ExplicitMiss if version.wire() >= Version::V13.wire() => {
            PacketInReason::NoMatch as u8
        }
        PacketInReason::ExplicitMiss => action,
        PacketInReason::Action | PacketInReason::InvalidTtl => reason as u8,
        _ if version.wire() >= Version::V14.wire() => reason as u8,
        _ => action,
    }
}

/// A packet of which only an ingress port is known.
pub(super) fn ingress(port: OfPort) -> FlowMatch {
    let mut metadata = FlowMatch::any();
    metadata.set(FieldId::InPortOxm, port.0.into());
    metadata
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<PacketIn> {
    let buffer = buffer(r.u32()?);
    let mut table = TableId(0);
    let (mut cookie, total_len, reason, metadata);
    cookie = None;
    match version {
        Version::V10 => {
            total_len = r.u16()?;
            metadata = ingress(port::from_16(r.u16()?));
            reason = self::reason(r.u8()?)?;
            r.skip(1)?;
        }
        Version::V11 => {
            metadata = ingress(port::from_32(r.u32()?, OfError::BrcBadPort)?);
            r.skip(4)?;
            total_len = r.u16()?;
            reason = self::reason(r.u8()?)?;
            table = TableId(r.u8()?);
        }
        _ => {
            total_len = r.u16()?;
            reason = self::reason(r.u8()?)?;
            table = TableId(r.u8()?);
            if version >= Version::V13 {
                cookie = Some(r.u64()?).filter(|cookie| *cookie != u64::MAX);
            }
            metadata = oxm::read_match(r, Unknown::Ignore)?;
            r.skip(2)?;
        }
    }
    Ok(packet_in(buffer, total_len, reason, table, cookie, metadata, r.take_rest()))
}

fn packet_in(
    buffer: Option<u32>,
    total_len: u16,
    reason: PacketInReason,
    table: TableId,
    cookie: Option<u64>,
    metadata: FlowMatch,
    packet: &[u8],
) -> PacketIn {
    PacketIn {
        packet: packet.to_vec(),
        total_len: total_len.into(),
        buffer,
        reason,
        table,
        cookie,
        metadata,
        userdata: Vec::new(),
        continuation: None,
    }
}

pub(super) fn read_nxt(r: &mut Reader<'_>) -> Result<PacketIn> {
    let (buffer, total_len, reason) = (buffer(r.u32()?), r.u16()?, reason(r.u8()?)?);
    let (table, cookie) = (TableId(r.u8()?), Some(r.u64()?).filter(|cookie| *cookie != u64::MAX));
    let match_len = r.u16()?;
    r.skip(6)?;
    let metadata = oxm::read_fields(&mut r.part_padded(match_len.into())?, Unknown::Ignore)?.matches;
    r.skip(2)?;
    Ok(packet_in(buffer, total_len, reason, table, cookie, metadata, r.take_rest()))
}

/// How long a packet is said to be, in 16 bits.
fn total_len(message: &PacketIn) -> u16 {
    u16::try_from(message.total_len).unwrap_or(u16::MAX)
}

pub(super) fn put(version: Version, out: &mut Out, message: &PacketIn) {
    let in_port = message.in_port().unwrap_or(OfPort::NONE);
    let reason = reason_number(version, message.reason);
    out.u32(message.buffer.unwrap_or(NO_BUFFER));
    match version {
        Version::V10 => {
            out.u16(total_len(message));
            out.u16(port::to_16(in_port));
            out.u8(reason);
            out.zeros(1);
        }
        Version::V11 => {
            out.u32(in_port.0);
            out.u32(in_port.0);
            out.u16(total_len(message));
            out.u8(reason);
            out.u8(message.table.0);
        }
        _ => {
            out.u16(total_len(message));
            out.u8(reason);
            out.u8(message.table.0);
            if version >= Version::V13 {
                out.u64(message.cookie.unwrap_or(u64::MAX));
            }
            oxm::put_match(out, &message.metadata);
            out.zeros(2);
        }
    }
    out.extend_from_slice(&message.packet);
}

pub(super) fn put_nxt(version: Version, out: &mut Out, message: &PacketIn) {
    out.u32(message.buffer.unwrap_or(NO_BUFFER));
    out.u16(total_len(message));
    out.u8(reason_number(version, message.reason));
    out.u8(message.table.0);
    out.u64(message.cookie.unwrap_or(u64::MAX));
    let len_at = out.len();
    out.zeros(8);
    let len = oxm::put_nxm(out, &message.metadata, 0, 0);
    out.patch16(len_at, len);
    out.zeros(2);
    out.extend_from_slice(&message.packet);
}
