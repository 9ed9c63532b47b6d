//! `OFPT_FLOW_MOD` and `NXT_FLOW_MOD`.
//!
//! ```text
//! 1.0     match cookie:64 command:16 idle:16 hard:16 priority:16 buffer:32 out_port:16 flags:16 actions
//! 1.1     cookie:64 cookie_mask:64 table:8 command:8 idle:16 hard:16 priority:16 buffer:32 out_port:32
//!         out_group:32 flags:16 importance:16 (from 1.4) match instructions
//! Nicira  cookie:64 command:16 idle:16 hard:16 priority:16 buffer:32 out_port:16 flags:16 match_len:16 zero:48
//!         match actions
//! ```
//!
//! With `NXT_FLOW_MOD_TABLE_ID`, the upper byte of a 16-bit command is the table.

use netloom_flow::{FieldId, FlowMatch, OfPort, TableId};

use super::action::{self, Context};
use super::oxm::{self, Unknown};
use super::packet_in::{NO_BUFFER, buffer};
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::{Out, Put};
use super::{instruction, port, v10, v11};
use crate::error::Result;
use crate::msg::group::GROUP_ANY;
use crate::msg::{FlowCommand, FlowFlags, FlowFormat, FlowMod};
use crate::{OfError, Version};

/// The number that means no table in particular.
const ANY_TABLE: u8 = 0xff;
/// The flag of 1.0 for the emergency flow cache, which nobody has.
const EMERGENCY: u16 = 1 << 2;
/// Of 1.0: the bits of the wildcards; a match without any has the highest priority.
const WILDCARDS_10: u32 = 0x3f_ffff;

pub(super) fn table(number: u8) -> Option<TableId> {
    (number != ANY_TABLE).then_some(TableId(number))
}

pub(super) fn table_number(table: Option<TableId>) -> u8 {
    table.map_or(ANY_TABLE, |table| table.0)
}

fn command(number: u8) -> Result<FlowCommand> {
    Ok(match number {
        0 => FlowCommand::Add,
        1 => FlowCommand::Modify,
        2 => FlowCommand::ModifyStrict,
        3 => FlowCommand::Delete,
        4 => FlowCommand::DeleteStrict,
        _ => return Err(OfError::FmfcBadCommand),
    })
}

fn deletes(command: FlowCommand) -> bool {
    matches!(command, FlowCommand::Delete | FlowCommand::DeleteStrict)
}

/// The flags a version has.
pub(super) fn known_flags(version: Version) -> FlowFlags {
    FlowFlags(match version {
        Version::V10 | Version::V11 => 0x03,
        Version::V12 => 0x07,
        _ => 0x1f,
    })
}

/// The flags of a flow mod; a count begins anew in an addition of 1.0 and 1.1.
fn flags(version: Version, bits: u16, command: FlowCommand) -> Result<FlowFlags> {
    let flags = FlowFlags(bits);
    if !flags.without(known_flags(version)).is_empty() {
        return Err(OfError::FmfcBadFlags);
    }
    let resets = version <= Version::V11 && command == FlowCommand::Add;
    Ok(if resets { flags.with(FlowFlags::RESET_COUNTS) } else { flags })
}

pub(super) fn read(protocol: &Protocol, r: &mut Reader<'_>) -> Result<FlowMod> {
    let flow =
        if protocol.version == Version::V10 { read_10(protocol, r)? } else { read_11(protocol.version, r)? };
    check_connection(&flow.matches)?;
    Ok(flow)
}

/// Addresses of a connection's first packet are those of IP: that it is tracked does not say that it is IP.
fn check_connection(matches: &FlowMatch) -> Result<()> {
    let asked = [FieldId::CtIpv6Src, FieldId::CtIpv6Dst].iter().any(|id| matches.field(*id).1 != 0);
    let is_ip = matches!(matches.exact(FieldId::EthType), Some(0x0800 | 0x86dd));
    if asked && !is_ip { Err(OfError::BacMatchInconsistent) } else { Ok(()) }
}

/// Table and command of a message that has 16 bits for both.
fn command_16(protocol: &Protocol, bits: u16) -> Result<(Option<TableId>, FlowCommand)> {
    let [high, low] = bits.to_be_bytes();
    if protocol.flow_mod_table_id {
        Ok((table(high), command(low)?))
    } else if high == 0 {
        Ok((None, command(low)?))
    } else {
        Err(OfError::FmfcBadCommand)
    }
}

/// What 1.0 and Nicira have alike, from the timeouts on.
struct Common {
    idle: u16,
    hard: u16,
    priority: u16,
    buffer: Option<u32>,
    out_port: OfPort,
    flags: u16,
}

fn read_common(r: &mut Reader<'_>) -> Result<Common> {
    Ok(Common {
        idle: r.u16()?,
        hard: r.u16()?,
        priority: r.u16()?,
        buffer: buffer(r.u32()?),
        out_port: port::from_16(r.u16()?),
        flags: r.u16()?,
    })
}

impl Common {
    /// A flow mod without match and actions.
    fn flow_mod(
        &self,
        version: Version,
        (table, command): (Option<TableId>, FlowCommand),
        cookie: u64,
    ) -> Result<FlowMod> {
        if version == Version::V10 && self.flags & EMERGENCY != 0 {
            let timed = self.idle != 0 || self.hard != 0;
            return Err(if timed { OfError::FmfcBadEmergTimeout } else { OfError::FmfcTableFull });
        }
        let sets_cookie = !deletes(command) && (command == FlowCommand::Add || cookie != u64::MAX);
        Ok(FlowMod {
            command,
            table,
            priority: self.priority,
            new_cookie: sets_cookie.then_some(cookie),
            idle_timeout: self.idle,
            hard_timeout: self.hard,
            buffer: self.buffer,
            out_port: if deletes(command) { self.out_port } else { OfPort::NONE },
            flags: flags(version, self.flags, command)?,
            ..FlowMod::default()
        })
    }
}

fn read_10(protocol: &Protocol, r: &mut Reader<'_>) -> Result<FlowMod> {
    let wildcards = r.clone().u32()?;
    let matches = v10::matches::read(r)?;
    let cookie = r.u64()?;
    let command = command_16(protocol, r.u16()?)?;
    let mut common = read_common(r)?;
    if wildcards & WILDCARDS_10 == 0 {
        common.priority = u16::MAX;
    }
    let flow = common.flow_mod(Version::V10, command, cookie)?;
    Ok(FlowMod { matches, actions: action::read_list(Version::V10, r)?, ..flow })
}

pub(super) fn read_nxt(protocol: &Protocol, r: &mut Reader<'_>) -> Result<FlowMod> {
    let cookie = r.u64()?;
    let command = command_16(protocol, r.u16()?)?;
    let common = read_common(r)?;
    let match_len = r.u16()?;
    r.skip(6)?;
    let mut body = r.clone().or(OfError::BmcBadLen);
    let fields = oxm::read_fields(&mut body.part_padded(match_len.into())?, Unknown::Refuse)?;
    if command.1 == FlowCommand::Add && fields.cookie.is_some_and(|(_, mask)| mask != 0) {
        return Err(OfError::NxbrcNxmInvalid);
    }
    let flow = common.flow_mod(protocol.version, command, cookie)?;
    let (cookie, cookie_mask) = fields.cookie.unwrap_or((0, 0));
    let actions = if protocol.version == Version::V10 {
        action::read_list(protocol.version, &mut body)?
    } else {
        instruction::read_list(protocol.version, &mut body)?
    };
    r.take_rest();
    check_connection(&fields.matches)?;
    Ok(FlowMod { matches: fields.matches, cookie, cookie_mask, actions, ..flow })
}

fn read_11(version: Version, r: &mut Reader<'_>) -> Result<FlowMod> {
    let (cookie, mask, [table_id, command_number]) = (r.u64()?, r.u64()?, r.array()?);
    let command = command(command_number)?;
    let modifies = matches!(command, FlowCommand::Modify | FlowCommand::ModifyStrict);
    // 1.1 alone: a change that does not look at cookies adds the flow if there is none.
    let adds = command == FlowCommand::Add || version == Version::V11 && modifies && mask == 0;
    let (idle_timeout, hard_timeout, priority, buffer) = (r.u16()?, r.u16()?, r.u16()?, buffer(r.u32()?));
    let (out_port, out_group, bits, importance) = (r.u32()?, r.u32()?, r.u16()?, r.u16()?);
    let matches = v11::matches::read(r)?;
    if table_id == ANY_TABLE && (version == Version::V11 || !deletes(command)) {
        return Err(OfError::FmfcBadTableId);
    }
    let out_port = port::from_32(out_port, OfError::BacBadOutPort)?;
    let actions = instruction::read_list(version, r)?;
    r.take_rest();
    Ok(FlowMod {
        command,
        table: table(table_id),
        priority,
        matches,
        new_cookie: adds.then_some(cookie),
        cookie: if adds { 0 } else { cookie & mask },
        cookie_mask: if adds { 0 } else { mask },
        idle_timeout,
        hard_timeout,
        importance: if version >= Version::V14 && command == FlowCommand::Add { importance } else { 0 },
        buffer,
        out_port: if deletes(command) { out_port } else { OfPort::NONE },
        out_group: if deletes(command) { out_group } else { GROUP_ANY },
        flags: flags(version, bits, command)?,
        actions,
    })
}

/// Whether it takes the message of Nicira.
pub(super) fn is_nxt(protocol: &Protocol) -> bool {
    protocol.version == Version::V10 && protocol.flow_format == FlowFormat::Nxm
}

fn put_command_16(protocol: &Protocol, out: &mut Out, flow: &FlowMod) {
    out.u8(if protocol.flow_mod_table_id { table_number(flow.table) } else { 0 });
    out.u8(flow.command as u8);
}

fn put_common(version: Version, out: &mut Out, flow: &FlowMod) {
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
    out.u16(flow.priority);
    out.u32(flow.buffer.unwrap_or(NO_BUFFER));
    out.u16(port::to_16(flow.out_port));
    out.u16(flow.flags.0 & known_flags(version).0);
}

pub(super) fn put(protocol: &Protocol, out: &mut Out, flow: &FlowMod) {
    let context = Context::of(protocol.version, &flow.matches);
    if protocol.version > Version::V10 {
        put_11(context, out, flow);
    } else if is_nxt(protocol) {
        put_nxt(protocol, context, out, flow);
    } else {
        v10::matches::put(out, &flow.matches);
        out.u64(flow.new_cookie.unwrap_or(0));
        put_command_16(protocol, out, flow);
        put_common(Version::V10, out, flow);
        action::put_list(out, context, &flow.actions);
    }
}

fn put_nxt(protocol: &Protocol, context: Context, out: &mut Out, flow: &FlowMod) {
    out.u64(flow.new_cookie.unwrap_or(u64::MAX));
    put_command_16(protocol, out, flow);
    put_common(Version::V10, out, flow);
    let len_at = out.len();
    out.zeros(8);
    let len = oxm::put_nxm(out, &flow.matches, flow.cookie, flow.cookie_mask);
    out.patch16(len_at, len);
    action::put_list(out, context, &flow.actions);
}

fn put_11(context: Context, out: &mut Out, flow: &FlowMod) {
    // From 1.2 on, a change cannot give flows another cookie.
    let sets = flow.command == FlowCommand::Add || context.version == Version::V11 && !deletes(flow.command);
    let (cookie, mask) = match flow.new_cookie.filter(|_| sets) {
        Some(cookie) => (cookie, 0),
        None => (flow.cookie, flow.cookie_mask),
    };
    out.u64(cookie);
    out.u64(mask);
    out.u8(match (flow.table, deletes(flow.command)) {
        (None, false) => 0,
        (table, _) => table_number(table),
    });
    out.u8(flow.command as u8);
    out.u16(flow.idle_timeout);
    out.u16(flow.hard_timeout);
    out.u16(flow.priority);
    out.u32(flow.buffer.unwrap_or(NO_BUFFER));
    out.u32(flow.out_port.0);
    out.u32(flow.out_group);
    out.u16(flow.flags.0 & known_flags(context.version).0);
    out.u16(if context.version >= Version::V14 { flow.importance } else { 0 });
    put_match(context.version, out, &flow.matches);
    instruction::put_list(out, context, &flow.actions);
}

/// Writes a match as 1.1 and later have it.
pub(super) fn put_match(version: Version, out: &mut Out, matches: &FlowMatch) {
    if version == Version::V11 {
        v11::matches::put(out, matches);
    } else {
        oxm::put_match(out, matches);
    }
}
