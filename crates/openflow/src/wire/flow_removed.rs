//! `OFPT_FLOW_REMOVED` and `NXT_FLOW_REMOVED`.
//!
//! ```text
//! 1.0     match cookie:64 priority:16 reason:8 zero:8 duration:64 idle:16 zero:16 packets:64 bytes:64
//! 1.1     cookie:64 priority:16 reason:8 table:8 duration:64 idle:16 hard:16 (from 1.2) packets:64 bytes:64 match
//! 1.5     table:8 reason:8 priority:16 idle:16 hard:16 cookie:64 match, counters as OXS
//! Nicira  cookie:64 priority:16 reason:8 table + 1:8 duration:64 idle:16 match_len:16 packets:64 bytes:64 match
//! ```

use netloom_flow::TableId;

use super::counts::{Oxs, put_duration, put_oxs, read_duration, read_oxs};
use super::oxm::{self, Unknown};
use super::reader::Reader;
use super::writer::{Out, Put};
use super::{flow_mod, v10, v11};
use crate::error::Result;
use crate::msg::{Counts, FlowRemoved, FlowRemovedReason};
use crate::{OfError, Version};

pub(super) fn reason(number: u8) -> Result<FlowRemovedReason> {
    Ok(match number {
        0 => FlowRemovedReason::IdleTimeout,
        1 => FlowRemovedReason::HardTimeout,
        2 => FlowRemovedReason::Delete,
        3 => FlowRemovedReason::GroupDelete,
        4 => FlowRemovedReason::MeterDelete,
        5 => FlowRemovedReason::Eviction,
        _ => return Err(OfError::NxbrcBadReason),
    })
}

/// The number of a reason; what a version has no number for counts as a deletion.
pub(super) fn reason_number(version: Version, reason: FlowRemovedReason) -> u8 {
    let known = match version {
        Version::V10 | Version::V11 | Version::V12 => FlowRemovedReason::Delete,
        Version::V13 => FlowRemovedReason::GroupDelete,
        Version::V14 | Version::V15 => FlowRemovedReason::Eviction,
    };
    if reason <= known { reason as u8 } else { FlowRemovedReason::Delete as u8 }
}

fn read_counts(r: &mut Reader<'_>, counts: &mut Counts) -> Result<()> {
    (counts.packets, counts.bytes) = (r.u64()?, r.u64()?);
    Ok(())
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<FlowRemoved> {
    if version == Version::V15 {
        return read_15(r);
    }
    let early = if version == Version::V10 { Some(v10::matches::read(r)?) } else { None };
    let (cookie, priority, reason, table) = (r.u64()?, r.u16()?, reason(r.u8()?)?, r.u8()?);
    let mut counts = Counts { duration: read_duration(r)?, ..Counts::default() };
    let (idle_timeout, hard_timeout) = (r.u16()?, r.u16()?);
    read_counts(r, &mut counts)?;
    let is_10 = early.is_some();
    let matches = match early {
        Some(matches) => matches,
        None => v11::matches::read(r)?,
    };
    Ok(FlowRemoved {
        matches,
        cookie,
        priority,
        reason,
        table: (!is_10).then_some(TableId(table)),
        idle_timeout,
        hard_timeout: if version >= Version::V12 { hard_timeout } else { 0 },
        counts,
    })
}

fn read_15(r: &mut Reader<'_>) -> Result<FlowRemoved> {
    let ([table, reason], priority, idle_timeout) = (r.array()?, r.u16()?, r.u16()?);
    let (hard_timeout, cookie) = (r.u16()?, r.u64()?);
    let matches = oxm::read_match(r, Unknown::Refuse)?;
    Ok(FlowRemoved {
        matches,
        cookie,
        priority,
        reason: self::reason(reason)?,
        table: Some(TableId(table)),
        idle_timeout,
        hard_timeout,
        counts: read_oxs(r)?.counts,
    })
}

pub(super) fn read_nxt(r: &mut Reader<'_>) -> Result<FlowRemoved> {
    let (cookie, priority, reason, table) = (r.u64()?, r.u16()?, reason(r.u8()?)?, r.u8()?);
    let mut counts = Counts { duration: read_duration(r)?, ..Counts::default() };
    let (idle_timeout, match_len) = (r.u16()?, r.u16()?);
    read_counts(r, &mut counts)?;
    let matches = oxm::read_fields(&mut r.part_padded(match_len.into())?, Unknown::Refuse)?.matches;
    Ok(FlowRemoved {
        matches,
        cookie,
        priority,
        reason,
        table: table.checked_sub(1).map(TableId),
        idle_timeout,
        hard_timeout: 0,
        counts,
    })
}

pub(super) fn put(version: Version, out: &mut Out, removed: &FlowRemoved) {
    let reason = reason_number(version, removed.reason);
    let table = removed.table.map_or(0, |table| table.0);
    if version == Version::V15 {
        out.extend_from_slice(&[table, reason]);
        out.u16(removed.priority);
        out.u16(removed.idle_timeout);
        out.u16(removed.hard_timeout);
        out.u64(removed.cookie);
        oxm::put_match(out, &removed.matches);
        put_oxs(out, &Oxs { counts: removed.counts, ..Oxs::default() });
        return;
    }
    if version == Version::V10 {
        v10::matches::put(out, &removed.matches);
    }
    out.u64(removed.cookie);
    out.u16(removed.priority);
    out.u8(reason);
    out.u8(if version == Version::V10 { 0 } else { table });
    put_duration(out, removed.counts.duration);
    out.u16(removed.idle_timeout);
    out.u16(if version >= Version::V12 { removed.hard_timeout } else { 0 });
    out.u64(removed.counts.packets);
    out.u64(removed.counts.bytes);
    if version > Version::V10 {
        flow_mod::put_match(version, out, &removed.matches);
    }
}

pub(super) fn put_nxt(version: Version, out: &mut Out, removed: &FlowRemoved) {
    out.u64(removed.cookie);
    out.u16(removed.priority);
    out.u8(reason_number(version, removed.reason));
    out.u8(removed.table.map_or(0, |table| table.0.saturating_add(1)));
    put_duration(out, removed.counts.duration);
    out.u16(removed.idle_timeout);
    let len_at = out.len();
    out.zeros(2);
    out.u64(removed.counts.packets);
    out.u64(removed.counts.bytes);
    let len = oxm::put_nxm(out, &removed.matches, 0, 0);
    out.patch16(len_at, len);
}
