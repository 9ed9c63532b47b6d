//! From bytes to a message: which types there are in each version.

use netloom_packet::bytes::be16;

use super::multipart;
use super::protocol::Protocol;
use super::reader::Reader;
use super::{
    asynchronous, bundle, controller, error, experimenter, features, flow_mod, flow_removed, group, hello,
    meter, packet_in, packet_out, port_desc, queue, role, table,
};
use crate::error::Result;
use crate::frame::{HEADER_LEN, Header};
use crate::msg::Message;
use crate::{OfError, Version};

/// Messages that are put together from several frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It stands alone.
    Single,
    /// A part of a request, and whether more follows.
    Request(bool),
    /// A part of a reply, and whether more follows.
    Reply(bool),
}

/// Whether a frame of this version is part of a multipart message.
pub(crate) fn shape(version: Version, kind: u8, body: &[u8]) -> Shape {
    let more = be16(body, 2).is_some_and(|flags| flags & 1 == 1);
    let (request, reply) = multipart_types(version);
    if kind == request {
        Shape::Request(more)
    } else if kind == reply {
        Shape::Reply(more)
    } else {
        Shape::Single
    }
}

/// The types of multipart requests and replies.
pub(super) const fn multipart_types(version: Version) -> (u8, u8) {
    if matches!(version, Version::V10) { (16, 17) } else { (18, 19) }
}

/// Reads one message. Its version must be that of `protocol`, but for a hello or an error.
///
/// `bytes` may be longer than a header can say: a multipart message put together from its frames.
///
/// # Errors
/// What the sender is to be told: `BrcBadLen` if it is shorter than its header says or its type demands, `BrcBadType` for an unknown
/// type, `BrcBadVersion`; and what each message has of its own.
pub fn decode(protocol: &Protocol, bytes: &[u8]) -> Result<Message> {
    let header = Header::parse(bytes).ok_or(OfError::BrcBadLen)?;
    if bytes.len() < usize::from(header.len) {
        return Err(OfError::BrcBadLen);
    }
    let body = bytes.get(HEADER_LEN..).unwrap_or(&[]);
    let r = &mut Reader::new(body, OfError::BrcBadLen);
    match header.kind {
        0 => return Ok(Message::Hello(hello::read(r))),
        1 => {
            let version = Version::from_wire(header.version).unwrap_or(protocol.version);
            return error::read(version, r).map(Message::Error);
        }
        _ => {}
    }
    if header.version != protocol.version.wire() {
        return Err(OfError::BrcBadVersion);
    }
    let message = match header.kind {
        2 => Message::EchoRequest(r.take_rest().to_vec()),
        3 => Message::EchoReply(r.take_rest().to_vec()),
        4 => experimenter::read(protocol, r)?,
        kind @ 5..=14 => read_common(protocol, kind, r)?,
        kind if protocol.version == Version::V10 => read_10(kind, r)?,
        kind @ 15..=23 => read_11(protocol.version, kind, r)?,
        kind => read_late(protocol, kind, r)?,
    };
    r.end()?;
    match &message {
        Message::BundleAdd(add) if add.xid != header.xid => Err(OfError::BfcMsgBadXid),
        _ => Ok(message),
    }
}

/// The types that all versions have.
fn read_common(protocol: &Protocol, kind: u8, r: &mut Reader<'_>) -> Result<Message> {
    let version = protocol.version;
    Ok(match kind {
        5 => Message::FeaturesRequest,
        6 => Message::FeaturesReply(Box::new(features::read(version, r)?)),
        7 => Message::GetConfigRequest,
        8 => Message::GetConfigReply(features::read_config(version, r)?),
        9 => Message::SetConfig(features::read_config(version, r)?),
        10 => Message::PacketIn(Box::new(packet_in::read(version, r)?)),
        11 => Message::FlowRemoved(Box::new(flow_removed::read(version, r)?)),
        12 => Message::PortStatus(Box::new(port_desc::read_status(version, r)?)),
        13 => Message::PacketOut(Box::new(packet_out::read(version, r)?)),
        _ => Message::FlowMod(Box::new(flow_mod::read(protocol, r)?)),
    })
}

fn read_10(kind: u8, r: &mut Reader<'_>) -> Result<Message> {
    let version = Version::V10;
    Ok(match kind {
        15 => Message::PortMod(port_desc::read_mod(version, r)?),
        16 => Message::MultipartRequest(multipart::read_request(version, r)?),
        17 => Message::MultipartReply(multipart::read_reply(version, r)?),
        18 => Message::BarrierRequest,
        19 => Message::BarrierReply,
        20 => Message::QueueGetConfigRequest(queue::read_config_request(version, r)?),
        21 => {
            let (port, queues) = queue::read_config_reply(version, r)?;
            Message::QueueGetConfigReply(port, queues)
        }
        _ => return Err(OfError::BrcBadType),
    })
}

fn read_11(version: Version, kind: u8, r: &mut Reader<'_>) -> Result<Message> {
    Ok(match kind {
        15 => Message::GroupMod(Box::new(group::read_mod(version, r)?)),
        16 => Message::PortMod(port_desc::read_mod(version, r)?),
        17 => Message::TableMod(table::read_mod(version, r)?),
        18 => Message::MultipartRequest(multipart::read_request(version, r)?),
        19 => Message::MultipartReply(multipart::read_reply(version, r)?),
        20 => Message::BarrierRequest,
        21 => Message::BarrierReply,
        22 if version <= Version::V13 => {
            Message::QueueGetConfigRequest(queue::read_config_request(version, r)?)
        }
        23 if version <= Version::V13 => {
            let (port, queues) = queue::read_config_reply(version, r)?;
            Message::QueueGetConfigReply(port, queues)
        }
        _ => return Err(OfError::BrcBadType),
    })
}

fn read_late(protocol: &Protocol, kind: u8, r: &mut Reader<'_>) -> Result<Message> {
    use Version::{V12, V13, V14, V15};
    use asynchronous::Strict;
    let version = protocol.version;
    Ok(match kind {
        24 if version >= V12 => Message::RoleRequest(role::read(r)?),
        25 if version >= V12 => Message::RoleReply(role::read(r)?),
        26 if version >= V13 => Message::GetAsyncRequest,
        27 if version == V13 => Message::GetAsyncReply(asynchronous::read_pairs(r)?),
        27 if version >= V14 => {
            Message::GetAsyncReply(asynchronous::read_properties(version, r, Strict::No)?)
        }
        28 if version == V13 => Message::SetAsync(asynchronous::read_pairs(r)?),
        28 if version >= V14 => Message::SetAsync(asynchronous::read_properties(version, r, Strict::Yes)?),
        29 if version >= V13 => Message::MeterMod(meter::read_mod(r)?),
        30 if version >= V14 => Message::RoleStatus(role::read_status(r)?),
        31 if version >= V14 => Message::TableStatus(table::read_status(version, r)?),
        32 if version >= V14 => Message::RequestForward(bundle::read_forward(protocol, r)?),
        33 if version >= V14 => Message::BundleControl(bundle::read_control(r)?),
        34 if version >= V14 => Message::BundleAdd(bundle::read_add(protocol, r)?),
        35 if version >= V15 => Message::ControllerStatus(controller::read(r)?),
        _ => return Err(OfError::BrcBadType),
    })
}
