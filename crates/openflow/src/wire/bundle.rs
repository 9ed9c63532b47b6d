//! Bundles and what other controllers changed: messages inside of messages.
//!
//! ```text
//! bundle:32 command:16 flags:16, properties         control
//! bundle:32 zero:16 flags:16 message, properties    add
//! message                                           forwarded request
//! ```
//!
//! Source: OpenFlow 1.4.0 §7.3.9; for 1.3, extensions EXT-230 of the ONF.

use super::action::read_property;
use super::protocol::Protocol;
use super::reader::Reader;
use super::writer::{Out, Put};
use super::{EncodeError, decode, encode};
use crate::error::Result;
use crate::frame::{Head, Header};
use crate::msg::{BundleAdd, BundleCommand, BundleControl, BundleFlags, Message, RequestForward};
use crate::{OfError, Xid};

fn flags(bits: u16) -> Result<BundleFlags> {
    let flags = BundleFlags(bits);
    let known = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    if flags.without(known).is_empty() { Ok(flags) } else { Err(OfError::BfcBadFlags) }
}

pub(super) fn read_control(r: &mut Reader<'_>) -> Result<BundleControl> {
    let bundle = r.u32()?;
    let command = match r.u16()? {
        0 => BundleCommand::OpenRequest,
        1 => BundleCommand::OpenReply,
        2 => BundleCommand::CloseRequest,
        3 => BundleCommand::CloseReply,
        4 => BundleCommand::CommitRequest,
        5 => BundleCommand::CommitReply,
        6 => BundleCommand::DiscardRequest,
        7 => BundleCommand::DiscardReply,
        _ => return Err(OfError::BfcBadType),
    };
    let flags = flags(r.u16()?)?;
    if !r.is_empty() {
        let (kind, _) = read_property(r)?;
        return Err(if kind == 0xffff { OfError::BpcBadExperimenter } else { OfError::BpcBadType });
    }
    Ok(BundleControl { bundle, command, flags })
}

pub(super) fn put_control(out: &mut Out, control: &BundleControl) {
    out.u32(control.bundle);
    out.u16(control.command as u16);
    out.u16(control.flags.0);
}

/// The message that lies at the front of `r`.
fn inner<'a>(r: &mut Reader<'a>) -> Result<&'a [u8]> {
    let header = Header::parse(r.rest()).ok_or(OfError::BfcMsgBadLen)?;
    let len = usize::from(header.len);
    if len < crate::frame::HEADER_LEN || len > r.len() {
        return Err(OfError::BfcMsgBadLen);
    }
    r.bytes(len)
}

pub(super) fn read_add(protocol: &Protocol, r: &mut Reader<'_>) -> Result<BundleAdd> {
    let bundle = r.u32()?;
    r.skip(2)?;
    let flags = flags(r.u16()?)?;
    let bytes = inner(r)?;
    r.take_rest();
    let header = Header::parse(bytes).ok_or(OfError::BfcMsgBadLen)?;
    if header.version != protocol.version.wire() {
        return Err(OfError::BfcBadVersion);
    }
    if !may_be_bundled(protocol, header.kind) {
        return Err(OfError::BfcMsgUnsup);
    }
    let message = Box::new(decode(protocol, bytes)?);
    Ok(BundleAdd { bundle, flags, xid: header.xid, message, head: Head::of(bytes) })
}

/// Whether a message of this type can be part of a bundle: packet-out, flow, group and port mod.
fn may_be_bundled(protocol: &Protocol, kind: u8) -> bool {
    match protocol.version {
        crate::Version::V10 => matches!(kind, 4 | 13..=15),
        _ => matches!(kind, 4 | 13..=16),
    }
}

pub(super) fn put_add(
    protocol: &Protocol,
    xid: Xid,
    out: &mut Out,
    add: &BundleAdd,
) -> std::result::Result<(), EncodeError> {
    out.u32(add.bundle);
    out.zeros(2);
    out.u16(add.flags.0);
    encode(protocol, xid, &add.message, out)
}

pub(super) fn read_forward(protocol: &Protocol, r: &mut Reader<'_>) -> Result<RequestForward> {
    let bytes = inner(r)?;
    r.take_rest();
    let header = Header::parse(bytes).ok_or(OfError::BfcMsgBadLen)?;
    let request = Box::new(decode(protocol, bytes)?);
    match *request {
        Message::GroupMod(_) | Message::MeterMod(_) => Ok(RequestForward { xid: header.xid, request }),
        _ => Err(OfError::BfcMsgUnsup),
    }
}

pub(super) fn put_forward(
    protocol: &Protocol,
    out: &mut Out,
    forward: &RequestForward,
) -> std::result::Result<(), EncodeError> {
    encode(protocol, forward.xid, &forward.request, out)
}
