//! `NXT_PACKET_IN2` and `NXT_RESUME`: properties.
//!
//! Source: `nicira-ext.h` (`NXPINT_*`); the properties of a continuation are those OVS has (`NXCPT_*`), so that
//! `ovs-ofctl monitor` shows them.

use netloom_flow::{FlowMatch, TableId};

use super::action::{self, Context, property, read_property};
use super::oxm::{self, Style, Unknown};
use super::packet_in::{reason, reason_number};
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::{Continuation, PacketIn, PacketInReason};
use crate::{OfError, Version};

const PACKET: u16 = 0;
const FULL_LEN: u16 = 1;
const BUFFER_ID: u16 = 2;
const TABLE_ID: u16 = 3;
const COOKIE: u16 = 4;
const REASON: u16 = 5;
const METADATA: u16 = 6;
const USERDATA: u16 = 7;
const CONTINUATION: u16 = 8;

const BRIDGE: u16 = 0x8000;
const STACK: u16 = 0x8001;
const MIRRORS: u16 = 0x8002;
const CONNTRACKED: u16 = 0x8003;
const TABLE: u16 = 0x8004;
const FLOW_COOKIE: u16 = 0x8005;
const ACTIONS: u16 = 0x8006;
const ACTION_SET: u16 = 0x8007;
const ODP_PORT: u16 = 0x8008;
/// Actions with instructions among them: ours, as the property of OVS can hold actions only.
const INSTRUCTIONS: u16 = 0x8009;

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<PacketIn> {
    let mut message = PacketIn {
        packet: Vec::new(),
        total_len: 0,
        buffer: None,
        reason: PacketInReason::NoMatch,
        table: TableId(0),
        cookie: None,
        metadata: FlowMatch::any(),
        userdata: Vec::new(),
        continuation: None,
    };
    let mut full_len = None;
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            PACKET => message.packet = p.take_rest().to_vec(),
            FULL_LEN => full_len = Some(p.u32()?),
            BUFFER_ID => message.buffer = Some(p.u32()?),
            TABLE_ID => message.table = TableId(p.u8()?),
            COOKIE => message.cookie = Some(read_u64(&mut p)?),
            REASON => message.reason = reason(p.u8()?)?,
            METADATA => message.metadata = oxm::read_fields(&mut p, Unknown::Ignore)?.matches,
            USERDATA => message.userdata = p.take_rest().to_vec(),
            CONTINUATION => message.continuation = Some(read_continuation(version, &mut p)?),
            _ => return Err(OfError::BpcBadType),
        }
    }
    if message.packet.is_empty() {
        return Err(OfError::BrcBadLen);
    }
    let len = u32::try_from(message.packet.len()).unwrap_or(u32::MAX);
    message.total_len = full_len.unwrap_or(len);
    if message.total_len < len { Err(OfError::BrcBadLen) } else { Ok(message) }
}

/// 64 bits in a property stand behind 4 bytes of padding.
fn read_u64(p: &mut Reader<'_>) -> Result<u64> {
    p.skip(4)?;
    p.u64()
}

fn read_continuation(version: Version, r: &mut Reader<'_>) -> Result<Continuation> {
    let mut c = Continuation::default();
    // Nested properties begin behind 4 bytes of padding.
    r.skip(4)?;
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            BRIDGE => c.bridge = p.array()?,
            STACK if p.len() <= 128 => c.stack.push(p.take_rest().to_vec()),
            STACK => return Err(OfError::BpcBadLen),
            MIRRORS => c.mirrors = p.u32()?,
            CONNTRACKED => c.conntracked = true,
            TABLE => c.table = Some(TableId(p.u8()?)),
            FLOW_COOKIE => c.cookie = read_u64(&mut p)?,
            ACTIONS => {
                p.skip(4)?;
                c.actions.extend(action::read_list(version, &mut p)?);
            }
            INSTRUCTIONS => {
                p.skip(4)?;
                c.actions.extend(super::instruction::read_list(version, &mut p)?);
            }
            ACTION_SET => {
                p.skip(4)?;
                c.action_set.extend(action::read_list(version, &mut p)?);
            }
            ODP_PORT => c.odp_port = Some(p.u32()?),
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(c)
}

pub(super) fn put(version: Version, out: &mut Out, message: &PacketIn) {
    property(out, PACKET, |out| out.extend_from_slice(&message.packet));
    if usize::try_from(message.total_len).is_ok_and(|len| len > message.packet.len()) {
        property(out, FULL_LEN, |out| out.u32(message.total_len));
    }
    if let Some(buffer) = message.buffer {
        property(out, BUFFER_ID, |out| out.u32(buffer));
    }
    property(out, TABLE_ID, |out| out.u8(message.table.0));
    if let Some(cookie) = message.cookie {
        property(out, COOKIE, |out| put_u64(out, cookie));
    }
    property(out, REASON, |out| out.u8(reason_number(version, message.reason)));
    property(out, METADATA, |out| oxm::put_fields(out, &message.metadata, Style::Oxm));
    if !message.userdata.is_empty() {
        property(out, USERDATA, |out| out.extend_from_slice(&message.userdata));
    }
    if let Some(continuation) = &message.continuation {
        property(out, CONTINUATION, |out| put_continuation(version, out, continuation));
    }
}

fn put_u64(out: &mut Out, value: u64) {
    out.zeros(4);
    out.u64(value);
}

fn put_continuation(version: Version, out: &mut Out, c: &Continuation) {
    out.zeros(4);
    if c.bridge != [0; 16] {
        property(out, BRIDGE, |out| out.extend_from_slice(&c.bridge));
    }
    for value in &c.stack {
        property(out, STACK, |out| out.extend_from_slice(value));
    }
    if c.mirrors != 0 {
        property(out, MIRRORS, |out| out.u32(c.mirrors));
    }
    if c.conntracked {
        property(out, CONNTRACKED, |_| {});
    }
    if let Some(table) = c.table {
        property(out, TABLE, |out| out.u8(table.0));
    }
    if c.cookie != 0 {
        property(out, FLOW_COOKIE, |out| put_u64(out, c.cookie));
    }
    if !c.actions.is_empty() {
        let plain = version == Version::V10 || !super::instruction::has_any(version, &c.actions);
        property(out, if plain { ACTIONS } else { INSTRUCTIONS }, |out| {
            out.zeros(4);
            if plain {
                action::put_list(out, Context::any(version), &c.actions);
            } else {
                super::instruction::put_list(out, Context::any(version), &c.actions);
            }
        });
    }
    if !c.action_set.is_empty() {
        property(out, ACTION_SET, |out| {
            out.zeros(4);
            action::put_list(out, Context::any(version), &c.action_set);
        });
    }
    if let Some(port) = c.odp_port {
        property(out, ODP_PORT, |out| out.u32(port));
    }
}
