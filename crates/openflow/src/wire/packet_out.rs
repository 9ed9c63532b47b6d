//! `OFPT_PACKET_OUT`.
//!
//! ```text
//! 1.0  buffer:32 in_port:16 actions_len:16 actions packet
//! 1.1  buffer:32 in_port:32 actions_len:16 zero:48 actions packet
//! 1.5  buffer:32 actions_len:16 zero:16 match actions packet
//! ```

use netloom_flow::{FieldId, OfPort};

use super::action::{self, Context};
use super::oxm::{self, Unknown};
use super::packet_in::{NO_BUFFER, buffer, ingress};
use super::port;
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::PacketOut;
use crate::{OfError, Version};

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<PacketOut> {
    let buffer = buffer(r.u32()?);
    let (metadata, actions_len);
    match version {
        Version::V10 => {
            metadata = ingress(port::from_16(r.u16()?));
            actions_len = r.u16()?;
        }
        Version::V15 => {
            actions_len = r.u16()?;
            r.skip(2)?;
            metadata = oxm::read_match(r, Unknown::Refuse)?;
            if metadata.exact(FieldId::InPortOxm).is_none() {
                return Err(OfError::BrcBadPort);
            }
        }
        _ => {
            metadata = ingress(port::from_32(r.u32()?, OfError::BrcBadPort)?);
            actions_len = r.u16()?;
            r.skip(6)?;
        }
    }
    let in_port = metadata.exact(FieldId::InPortOxm).unwrap_or(0);
    if !may_come_from(in_port) {
        return Err(OfError::BrcBadPort);
    }
    let actions = action::read_list(version, &mut r.part(actions_len.into())?)?;
    Ok(PacketOut { buffer, packet: r.take_rest().to_vec(), metadata, actions })
}

/// Ordinary ports, and of the reserved ones those that a packet can be said to come from.
fn may_come_from(port: u128) -> bool {
    let reserved = [OfPort::LOCAL, OfPort::NONE, OfPort::CONTROLLER];
    port < u128::from(OfPort::MAX.0) || reserved.iter().any(|known| u128::from(known.0) == port)
}

pub(super) fn put(version: Version, out: &mut Out, message: &PacketOut) {
    let port = message.metadata.exact(FieldId::InPortOxm).and_then(|port| u32::try_from(port).ok());
    let in_port = port.map_or(OfPort::NONE, OfPort);
    out.u32(message.buffer.unwrap_or(NO_BUFFER));
    let len_at;
    match version {
        Version::V10 => {
            out.u16(port::to_16(in_port));
            len_at = out.len();
            out.zeros(2);
        }
        Version::V15 => {
            len_at = out.len();
            out.zeros(4);
            let mut metadata = message.metadata.clone();
            metadata.set(FieldId::InPortOxm, in_port.0.into());
            oxm::put_match(out, &metadata);
        }
        _ => {
            out.u32(in_port.0);
            len_at = out.len();
            out.zeros(8);
        }
    }
    let start = out.len();
    action::put_list(out, Context::any(version), &message.actions);
    let len = out.len() - start;
    out.patch16(len_at, len);
    out.extend_from_slice(&message.packet);
}
