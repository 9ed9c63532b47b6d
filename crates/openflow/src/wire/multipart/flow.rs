//! `OFPMP_FLOW`, `OFPMP_AGGREGATE`, and `NXST_FLOW`, `NXST_AGGREGATE`.
//!
//! Requests:
//!
//! ```text
//! 1.0     match table:8 zero:8 out_port:16
//! 1.1     table:8 zero:24 out_port:32 out_group:32 zero:32 cookie:64 mask:64 match
//! Nicira  out_port:16 match_len:16 table:8 zero:24 match
//! ```
//!
//! Flows:
//!
//! ```text
//! 1.0     length:16 table:8 zero:8 match duration:64 priority:16 idle:16 hard:16 zero:48 cookie packets bytes actions
//! 1.1     length:16 table:8 zero:8 duration:64 priority:16 idle:16 hard:16 flags:16 importance:16 zero:16
//!         cookie:64 packets:64 bytes:64 match instructions
//! 1.5     length:16 zero:16 table:8 zero:8 priority:16 idle:16 hard:16 flags:16 importance:16 cookie:64
//!         match, counters as OXS, instructions
//! counts  length:16 zero:16 table:8 reason:8 priority:16 match, counters as OXS (1.5's `OFPMP_FLOW_STATS`)
//! Nicira  length:16 table:8 zero:8 duration:64 priority:16 idle:16 hard:16 match_len:16 idle_age + 1:16
//!         hard_age + 1:16 cookie packets bytes match actions
//! ```

use netloom_flow::{FlowMatch, TableId};

use super::super::action::{self, Context};
use super::super::counts::{Oxs, put_duration, put_oxs, read_duration, read_oxs};
use super::super::flow_mod::{known_flags, put_match, table, table_number};
use super::super::oxm::{self, Unknown};
use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_len};
use super::super::{instruction, port, v10, v11};
use crate::error::Result;
use crate::msg::group::GROUP_ANY;
use crate::msg::{Counts, FlowFlags, FlowStats, FlowStatsRequest};
use crate::{OfError, Version};

pub(super) fn read_request(version: Version, r: &mut Reader<'_>) -> Result<FlowStatsRequest> {
    if version == Version::V10 {
        let matches = v10::matches::read(r)?;
        let number = r.u8()?;
        r.skip(1)?;
        let out_port = port::from_16(r.u16()?);
        let table = table(number);
        return Ok(FlowStatsRequest {
            table,
            matches,
            out_port,
            out_group: GROUP_ANY,
            cookie: 0,
            cookie_mask: 0,
        });
    }
    let number = r.u8()?;
    r.skip(3)?;
    let (out_port, out_group) = (port::from_32(r.u32()?, OfError::BacBadOutPort)?, r.u32()?);
    r.skip(4)?;
    let (cookie, cookie_mask) = (r.u64()?, r.u64()?);
    let matches = v11::matches::read(r)?;
    let table = table(number);
    Ok(FlowStatsRequest { table, matches, out_port, out_group, cookie: cookie & cookie_mask, cookie_mask })
}

pub(super) fn read_request_nxt(r: &mut Reader<'_>) -> Result<FlowStatsRequest> {
    let (out_port, match_len, number) = (port::from_16(r.u16()?), r.u16()?, r.u8()?);
    r.skip(3)?;
    let fields = oxm::read_fields(&mut r.part_padded(match_len.into())?, Unknown::Refuse)?;
    let (cookie, cookie_mask) = fields.cookie.unwrap_or((0, 0));
    let (table, matches) = (table(number), fields.matches);
    Ok(FlowStatsRequest { table, matches, out_port, out_group: GROUP_ANY, cookie, cookie_mask })
}

pub(super) fn put_request(version: Version, out: &mut Out, request: &FlowStatsRequest) {
    if version == Version::V10 {
        v10::matches::put(out, &request.matches);
        out.u8(table_number(request.table));
        out.u8(0);
        out.u16(port::to_16(request.out_port));
        return;
    }
    out.u8(table_number(request.table));
    out.zeros(3);
    out.u32(request.out_port.0);
    out.u32(request.out_group);
    out.zeros(4);
    out.u64(request.cookie);
    out.u64(request.cookie_mask);
    put_match(version, out, &request.matches);
}

pub(super) fn put_request_nxt(out: &mut Out, request: &FlowStatsRequest) {
    out.u16(port::to_16(request.out_port));
    let len_at = out.len();
    out.zeros(2);
    out.u8(table_number(request.table));
    out.zeros(3);
    let len = oxm::put_nxm(out, &request.matches, request.cookie, request.cookie_mask);
    out.patch16(len_at, len);
}

/// A flow, of which most is still to be read.
fn flow(table: u8) -> FlowStats {
    FlowStats {
        table: TableId(table),
        priority: 0,
        matches: FlowMatch::any(),
        cookie: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        importance: 0,
        flags: FlowFlags::default(),
        counts: Counts::default(),
        idle_age: None,
        hard_age: None,
        actions: Vec::new(),
        is_triggered: false,
    }
}

/// Cuts off what the length at the front says.
fn element<'a>(r: &mut Reader<'a>) -> Result<Reader<'a>> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    r.part(len)
}

fn read_numbers(flow: &mut FlowStats, r: &mut Reader<'_>) -> Result<()> {
    flow.cookie = r.u64()?;
    (flow.counts.packets, flow.counts.bytes) = (r.u64()?, r.u64()?);
    Ok(())
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<FlowStats> {
    let mut r = element(r)?;
    match version {
        Version::V10 => read_10(&mut r),
        Version::V15 => read_15(&mut r),
        _ => read_11(version, &mut r),
    }
}

fn read_10(r: &mut Reader<'_>) -> Result<FlowStats> {
    let mut flow = flow(r.u8()?);
    r.skip(1)?;
    flow.matches = v10::matches::read(r)?;
    flow.counts.duration = read_duration(r)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (r.u16()?, r.u16()?, r.u16()?);
    r.skip(6)?;
    read_numbers(&mut flow, r)?;
    flow.actions = action::read_list(Version::V10, r)?;
    Ok(flow)
}

fn read_11(version: Version, r: &mut Reader<'_>) -> Result<FlowStats> {
    let mut flow = flow(r.u8()?);
    r.skip(1)?;
    flow.counts.duration = read_duration(r)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (r.u16()?, r.u16()?, r.u16()?);
    let (flags, importance) = (r.u16()?, r.u16()?);
    r.skip(2)?;
    flow.flags = if version >= Version::V13 { FlowFlags(flags) } else { FlowFlags::default() };
    flow.importance = if version >= Version::V14 { importance } else { 0 };
    read_numbers(&mut flow, r)?;
    flow.matches = v11::matches::read(r)?;
    flow.actions = instruction::read_list(version, r)?;
    Ok(flow)
}

fn read_15(r: &mut Reader<'_>) -> Result<FlowStats> {
    r.skip(2)?;
    let mut flow = flow(r.u8()?);
    r.skip(1)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (r.u16()?, r.u16()?, r.u16()?);
    (flow.flags, flow.importance, flow.cookie) = (FlowFlags(r.u16()?), r.u16()?, r.u64()?);
    flow.matches = v11::matches::read(r)?;
    let oxs = read_oxs(r)?;
    (flow.counts, flow.idle_age) = (oxs.counts, oxs.idle_age);
    flow.actions = instruction::read_list(Version::V15, r)?;
    Ok(flow)
}

pub(super) fn read_nxt(r: &mut Reader<'_>) -> Result<FlowStats> {
    let mut r = element(r)?;
    let mut flow = flow(r.u8()?);
    r.skip(1)?;
    flow.counts.duration = read_duration(&mut r)?;
    (flow.priority, flow.idle_timeout, flow.hard_timeout) = (r.u16()?, r.u16()?, r.u16()?);
    let match_len = r.u16()?;
    flow.idle_age = r.u16()?.checked_sub(1).map(u32::from);
    flow.hard_age = r.u16()?.checked_sub(1).map(u32::from);
    read_numbers(&mut flow, &mut r)?;
    flow.matches = oxm::read_fields(&mut r.part_padded(match_len.into())?, Unknown::Refuse)?.matches;
    flow.actions = action::read_list(Version::V10, &mut r)?;
    Ok(flow)
}

fn put_times(out: &mut Out, flow: &FlowStats) {
    out.u16(flow.priority);
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
}

fn put_numbers(out: &mut Out, flow: &FlowStats) {
    out.u64(flow.cookie);
    out.u64(flow.counts.packets);
    out.u64(flow.counts.bytes);
}

pub(super) fn put(version: Version, out: &mut Out, flow: &FlowStats) {
    let context = Context::of(version, &flow.matches);
    with_len(out, 0, |out| {
        out.u16(0);
        match version {
            Version::V10 => {
                out.u8(flow.table.0);
                out.u8(0);
                v10::matches::put(out, &flow.matches);
                put_duration(out, flow.counts.duration);
                put_times(out, flow);
                out.zeros(6);
                put_numbers(out, flow);
                action::put_list(out, context, &flow.actions);
            }
            Version::V15 => put_15(context, out, flow),
            _ => put_11(context, out, flow),
        }
    });
}

fn put_11(context: Context, out: &mut Out, flow: &FlowStats) {
    let version = context.version;
    out.u8(flow.table.0);
    out.u8(0);
    put_duration(out, flow.counts.duration);
    put_times(out, flow);
    out.u16(if version >= Version::V13 { flow.flags.0 & known_flags(version).0 } else { 0 });
    out.u16(if version >= Version::V14 { flow.importance } else { 0 });
    out.zeros(2);
    put_numbers(out, flow);
    put_match(version, out, &flow.matches);
    instruction::put_list(out, context, &flow.actions);
}

fn put_15(context: Context, out: &mut Out, flow: &FlowStats) {
    out.zeros(2);
    out.u8(flow.table.0);
    out.u8(0);
    put_times(out, flow);
    out.u16(flow.flags.0);
    out.u16(flow.importance);
    out.u64(flow.cookie);
    put_match(Version::V15, out, &flow.matches);
    put_oxs(out, &Oxs { counts: flow.counts, idle_age: flow.idle_age, flows: 0 });
    instruction::put_list(out, context, &flow.actions);
}

pub(super) fn put_nxt(out: &mut Out, flow: &FlowStats) {
    let age =
        |age: Option<u32>| age.map_or(0, |age| u16::try_from(age.saturating_add(1)).unwrap_or(u16::MAX));
    with_len(out, 0, |out| {
        out.u16(0);
        out.u8(flow.table.0);
        out.u8(0);
        put_duration(out, flow.counts.duration);
        put_times(out, flow);
        let len_at = out.len();
        out.zeros(2);
        out.u16(age(flow.idle_age));
        out.u16(age(flow.hard_age));
        put_numbers(out, flow);
        let len = oxm::put_nxm(out, &flow.matches, 0, 0);
        out.patch16(len_at, len);
        action::put_list(out, Context::of(Version::V10, &flow.matches), &flow.actions);
    });
}

/// Why a flow is told (`OFPFSR_STAT_TRIGGER`); 0: it was asked for.
const TRIGGERED: u8 = 1;

/// A flow without what it does.
pub(super) fn read_counts(r: &mut Reader<'_>) -> Result<FlowStats> {
    let mut r = element(r)?;
    r.skip(2)?;
    let mut flow = flow(r.u8()?);
    flow.is_triggered = r.u8()? == TRIGGERED;
    flow.priority = r.u16()?;
    flow.matches = v11::matches::read(&mut r)?;
    let oxs = read_oxs(&mut r)?;
    (flow.counts, flow.idle_age) = (oxs.counts, oxs.idle_age);
    Ok(flow)
}

pub(super) fn put_counts(out: &mut Out, flow: &FlowStats) {
    with_len(out, 0, |out| {
        out.u16(0);
        out.zeros(2);
        out.u8(flow.table.0);
        out.u8(if flow.is_triggered { TRIGGERED } else { 0 });
        out.u16(flow.priority);
        put_match(Version::V15, out, &flow.matches);
        let oxs = Oxs { counts: flow.counts, idle_age: flow.idle_age, ..Oxs::default() };
        put_oxs(out, &oxs);
    });
}
