//! `OFPMP_FLOW_MONITOR`, `NXST_FLOW_MONITOR`, and the ONF's extension of 1.3.
//!
//! Requests:
//!
//! ```text
//! 1.4     monitor:32 out_port:32 out_group:32 flags:16 table:8 command:8 match
//! ONF     monitor:32 flags:16 match_len:16 out_port:32 table:8 zero:24 fields, padding
//! Nicira  monitor:32 flags:16 out_port:16 match_len:16 table:8 zero:40 fields, padding
//! ```
//!
//! Updates:
//!
//! ```text
//! 1.4     length:16 event:16 table:8 reason:8 idle:16 hard:16 priority:16 zero:32 cookie:64 match instructions
//! before  length:16 event:16 reason:16 priority:16 idle:16 hard:16 match_len:16 table:8 zero:8 cookie:64 fields,
//!         padding, actions (ONF: instructions)
//! both    length:16 event:16 xid:32, one's own change; zero:32 for pauses, which are messages before 1.4
//! ```

use netloom_flow::{FlowMatch, OfPort, TableId};

use super::super::action::{self, Context};
use super::super::flow_mod::{put_match, table, table_number};
use super::super::flow_removed::{reason, reason_number};
use super::super::oxm::{self, Unknown};
use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_len};
use super::super::{instruction, port, v11};
use crate::error::Result;
use crate::msg::group::GROUP_ANY;
use crate::msg::{FlowChange, FlowEvent, FlowUpdate, MonitorCommand, MonitorFlags, MonitorRequest};
use crate::{OfError, Version, Xid};

/// The flags of the extensions: the fifth is that for one's own changes, and there is no sixth.
const KNOWN_BEFORE_14: u16 = 0x3f;

pub(super) fn read_request(version: Version, r: &mut Reader<'_>) -> Result<MonitorRequest> {
    match version {
        Version::V14 | Version::V15 => read_request_14(r),
        Version::V13 => {
            let (monitor, flags, match_len) = (r.u32()?, r.u16()?, r.u16()?);
            let (out_port, number) = (port::from_32(r.u32()?, OfError::BacBadOutPort)?, r.u8()?);
            r.zeros(3, OfError::NxbrcMustBeZero)?;
            read_fields(version, monitor, flags, out_port, number, match_len, r)
        }
        _ => {
            let (monitor, flags, out_port) = (r.u32()?, r.u16()?, port::from_16(r.u16()?));
            let (match_len, number) = (r.u16()?, r.u8()?);
            r.zeros(5, OfError::NxbrcMustBeZero)?;
            read_fields(version, monitor, flags, out_port, number, match_len, r)
        }
    }
}

fn read_fields(
    version: Version,
    monitor: u32,
    flags: u16,
    out_port: OfPort,
    number: u8,
    match_len: u16,
    r: &mut Reader<'_>,
) -> Result<MonitorRequest> {
    if flags == 0 || flags & !KNOWN_BEFORE_14 != 0 {
        return Err(OfError::MofcBadFlags);
    }
    Ok(MonitorRequest {
        monitor,
        command: MonitorCommand::Add,
        flags: MonitorFlags(flags),
        out_port,
        out_group: GROUP_ANY,
        table: table(number),
        matches: read_match(version, match_len, r)?,
    })
}

/// A match of the forms before 1.4: that of the ONF begins with type and length.
fn read_match(version: Version, len: u16, r: &mut Reader<'_>) -> Result<FlowMatch> {
    if version == Version::V13 {
        return v11::matches::read(r);
    }
    Ok(oxm::read_fields(&mut r.part_padded(len.into())?, Unknown::Refuse)?.matches)
}

/// The opposite; writes the length to the 16 bits at `len_at`.
fn put_fields(version: Version, len_at: usize, out: &mut Out, matches: &FlowMatch) {
    let len = if version == Version::V13 {
        let start = out.len();
        oxm::put_match(out, matches);
        netloom_packet::bytes::be16(out, start + 2).unwrap_or(0).into()
    } else {
        oxm::put_nxm(out, matches, 0, 0)
    };
    out.patch16(len_at, len);
}

fn read_request_14(r: &mut Reader<'_>) -> Result<MonitorRequest> {
    let (monitor, out_port, out_group, flags) = (r.u32()?, r.u32()?, r.u32()?, r.u16()?);
    let [number, command] = r.array()?;
    let command = match command {
        0 => MonitorCommand::Add,
        1 => MonitorCommand::Modify,
        2 => MonitorCommand::Delete,
        _ => return Err(OfError::MofcBadCommand),
    };
    if flags & !0x7f != 0 || flags == 0 && command == MonitorCommand::Add {
        return Err(OfError::MofcBadFlags);
    }
    let matches = v11::matches::read(r)?;
    Ok(MonitorRequest {
        monitor,
        command,
        flags: MonitorFlags(flags),
        out_port: port::from_32(out_port, OfError::MofcBadOut)?,
        out_group,
        table: table(number),
        matches,
    })
}

pub(super) fn put_request(version: Version, out: &mut Out, request: &MonitorRequest) {
    let flags = request.flags.0;
    out.u32(request.monitor);
    let len_at;
    match version {
        Version::V14 | Version::V15 => {
            out.u32(request.out_port.0);
            out.u32(request.out_group);
            out.u16(flags);
            out.u8(table_number(request.table));
            out.u8(request.command as u8);
            put_match(version, out, &request.matches);
            return;
        }
        Version::V13 => {
            out.u16(flags & KNOWN_BEFORE_14);
            len_at = out.len();
            out.zeros(2);
            out.u32(request.out_port.0);
            out.u8(table_number(request.table));
            out.zeros(3);
        }
        _ => {
            out.u16(flags & KNOWN_BEFORE_14);
            out.u16(port::to_16(request.out_port));
            len_at = out.len();
            out.zeros(2);
            out.u8(table_number(request.table));
            out.zeros(5);
        }
    }
    put_fields(version, len_at, out, &request.matches);
}

pub(super) fn read_update(version: Version, r: &mut Reader<'_>) -> Result<FlowUpdate> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    let event = body.u16()?;
    let abbreviated = if version >= Version::V14 { 4 } else { 3 };
    match event {
        _ if event == abbreviated => Ok(FlowUpdate::Abbreviated(Xid(body.u32()?))),
        5 if version >= Version::V14 => Ok(FlowUpdate::Paused),
        6 if version >= Version::V14 => Ok(FlowUpdate::Resumed),
        _ if version >= Version::V14 => read_full_14(version, event, &mut body),
        _ => read_full(version, event, &mut body),
    }
}

/// Added, removed, modified: the order of both forms, with the first before it from 1.4 on.
fn event(number: u16, reason_number: u16) -> Result<FlowEvent> {
    Ok(match number {
        0 => FlowEvent::Added,
        1 => {
            let number = u8::try_from(reason_number).map_err(|_| OfError::NxbrcBadReason)?;
            FlowEvent::Removed(reason(number)?)
        }
        2 => FlowEvent::Modified,
        _ => return Err(OfError::NxbrcFmBadEvent),
    })
}

fn read_full_14(version: Version, number: u16, r: &mut Reader<'_>) -> Result<FlowUpdate> {
    let [table, reason] = r.array()?;
    let event = match number.checked_sub(1) {
        None => FlowEvent::Initial,
        Some(number) => event(number, reason.into())?,
    };
    let (idle_timeout, hard_timeout, priority) = (r.u16()?, r.u16()?, r.u16()?);
    r.skip(4)?;
    let cookie = r.u64()?;
    let matches = v11::matches::read(r)?;
    let actions = instruction::read_list(version, r)?;
    let table = TableId(table);
    Ok(FlowUpdate::Full(Box::new(FlowChange {
        event,
        table,
        priority,
        idle_timeout,
        hard_timeout,
        cookie,
        matches,
        actions,
    })))
}

fn read_full(version: Version, number: u16, r: &mut Reader<'_>) -> Result<FlowUpdate> {
    let event = event(number, r.u16()?)?;
    let (priority, idle_timeout, hard_timeout, match_len) = (r.u16()?, r.u16()?, r.u16()?, r.u16()?);
    let table = TableId(r.u8()?);
    r.skip(1)?;
    let cookie = r.u64()?;
    let matches = read_match(version, match_len, r)?;
    let actions = if version == Version::V13 {
        instruction::read_list(version, r)?
    } else {
        action::read_list(version, r)?
    };
    Ok(FlowUpdate::Full(Box::new(FlowChange {
        event,
        table,
        priority,
        idle_timeout,
        hard_timeout,
        cookie,
        matches,
        actions,
    })))
}

/// Writes an update. Pauses before 1.4 are messages of their own, and left out here.
pub(super) fn put_update(version: Version, out: &mut Out, update: &FlowUpdate) {
    let new = version >= Version::V14;
    match update {
        FlowUpdate::Full(change) if new => put_full_14(version, out, change),
        FlowUpdate::Full(change) => put_full(version, out, change),
        FlowUpdate::Abbreviated(xid) => short(out, if new { 4 } else { 3 }, xid.0),
        FlowUpdate::Paused if new => short(out, 5, 0),
        FlowUpdate::Resumed if new => short(out, 6, 0),
        FlowUpdate::Paused | FlowUpdate::Resumed => {}
    }
}

fn short(out: &mut Out, event: u16, rest: u32) {
    out.u16(8);
    out.u16(event);
    out.u32(rest);
}

/// The number of an event in the form before 1.4, and its reason.
fn event_number(version: Version, event: FlowEvent) -> (u16, u8) {
    match event {
        FlowEvent::Initial | FlowEvent::Added => (0, 0),
        FlowEvent::Removed(reason) => (1, reason_number(version, reason)),
        FlowEvent::Modified => (2, 0),
    }
}

fn put_full_14(version: Version, out: &mut Out, change: &FlowChange) {
    let (number, reason) = event_number(version, change.event);
    with_len(out, 0, |out| {
        out.u16(0);
        out.u16(if change.event == FlowEvent::Initial { 0 } else { number + 1 });
        out.extend_from_slice(&[change.table.0, reason]);
        out.u16(change.idle_timeout);
        out.u16(change.hard_timeout);
        out.u16(change.priority);
        out.zeros(4);
        out.u64(change.cookie);
        put_match(version, out, &change.matches);
        instruction::put_list(out, Context::of(version, &change.matches), &change.actions);
    });
}

fn put_full(version: Version, out: &mut Out, change: &FlowChange) {
    let (number, reason) = event_number(version, change.event);
    with_len(out, 0, |out| {
        out.u16(0);
        out.u16(number);
        out.u16(reason.into());
        out.u16(change.priority);
        out.u16(change.idle_timeout);
        out.u16(change.hard_timeout);
        let len_at = out.len();
        out.zeros(2);
        out.extend_from_slice(&[change.table.0, 0]);
        out.u64(change.cookie);
        put_fields(version, len_at, out, &change.matches);
        let context = Context::of(version, &change.matches);
        if version == Version::V13 {
            instruction::put_list(out, context, &change.actions);
        } else {
            action::put_list(out, context, &change.actions);
        }
    });
}
