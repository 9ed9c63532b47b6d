//! From a message to bytes: which types there are in each version.

use super::decode::multipart_types;
use super::protocol::Protocol;
use super::writer::{Out, Put};
use super::{
    asynchronous, bundle, controller, error, features, flow_mod, flow_removed, group, hello, meter,
    multipart, nicira, packet_in, packet_in2, packet_out, port_desc, queue, role, table,
};
use crate::error::{NICIRA, ONF};
use crate::frame::{HEADER_LEN, Header};
use crate::msg::{FlowFormat, Message, PacketInFormat};
use crate::{Version, Xid};

/// Why a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The version has no such message, nor has an extension of it.
    #[error("This version of OpenFlow has no such message")]
    NotInVersion,
    /// A frame holds 65,535 bytes.
    #[error("The message is {0} bytes long; a frame holds 65,535")]
    TooLong(usize),
}

/// What stands between header and body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    /// A type of the standard.
    Standard(u8),
    /// A message of an experimenter.
    Experimenter(u32, u32),
}

/// The type of experimenters' messages.
const EXPERIMENTER: u8 = 4;

/// Writes a message behind what `out` holds: one frame, or for a long multipart reply several. After an error, `out`
/// is as before.
///
/// # Errors
/// [`EncodeError`]
pub fn encode(
    protocol: &Protocol,
    xid: Xid,
    message: &Message,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let written = match message {
        Message::MultipartReply(reply) => {
            let (_, type_number) = multipart_types(protocol.version);
            multipart::put_reply(protocol, xid, type_number, reply, out)
        }
        _ => frame(protocol, xid, message, out),
    };
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn frame(protocol: &Protocol, xid: Xid, message: &Message, out: &mut Out) -> Result<(), EncodeError> {
    let kind = type_of(protocol, message)?;
    let number = match kind {
        Type::Standard(number) => number,
        Type::Experimenter(..) => EXPERIMENTER,
    };
    let start = out.len();
    let header = Header { version: protocol.version.wire(), kind: number, len: 0, xid };
    out.extend_from_slice(&header.emit());
    if let Type::Experimenter(id, subtype) = kind {
        out.u32(id);
        out.u32(subtype);
    }
    body(protocol, xid, kind, message, out)?;
    let len = out.len() - start;
    debug_assert!(len >= HEADER_LEN, "the header was written");
    match u16::try_from(len) {
        Ok(_) => out.patch16(start + 2, len),
        Err(_) => return Err(EncodeError::TooLong(len)),
    }
    Ok(())
}

/// A type with a number in 1.0 and another later.
fn renumbered(version: Version, old: u8, new: u8) -> Type {
    Type::Standard(if version == Version::V10 { old } else { new })
}

/// The type a message has.
fn type_of(protocol: &Protocol, message: &Message) -> Result<Type, EncodeError> {
    use Message as M;
    use Version::V10;
    let version = protocol.version;
    Ok(match message {
        M::Hello(_) => Type::Standard(0),
        M::Error(_) => Type::Standard(1),
        M::EchoRequest(_) => Type::Standard(2),
        M::EchoReply(_) => Type::Standard(3),
        M::Experimenter(message) => Type::Experimenter(message.id, message.kind),
        M::FeaturesRequest => Type::Standard(5),
        M::FeaturesReply(_) => Type::Standard(6),
        M::GetConfigRequest => Type::Standard(7),
        M::GetConfigReply(_) => Type::Standard(8),
        M::SetConfig(_) => Type::Standard(9),
        M::PacketIn(_) => match protocol.packet_in_format {
            PacketInFormat::Standard => Type::Standard(10),
            PacketInFormat::Nxt => Type::Experimenter(NICIRA, 17),
            PacketInFormat::Nxt2 => Type::Experimenter(NICIRA, 30),
        },
        M::FlowRemoved(_) if version == V10 && protocol.flow_format == FlowFormat::Nxm => {
            Type::Experimenter(NICIRA, 14)
        }
        M::FlowRemoved(_) => Type::Standard(11),
        M::PortStatus(_) => Type::Standard(12),
        M::PacketOut(_) => Type::Standard(13),
        M::FlowMod(_) if flow_mod::is_nxt(protocol) => Type::Experimenter(NICIRA, 13),
        M::FlowMod(_) => Type::Standard(14),
        M::GroupMod(_) if version == V10 => Type::Experimenter(NICIRA, 31),
        M::GroupMod(_) => Type::Standard(15),
        M::PortMod(_) => renumbered(version, 15, 16),
        M::MultipartRequest(_) => Type::Standard(multipart_types(version).0),
        M::MultipartReply(_) => Type::Standard(multipart_types(version).1),
        M::BarrierRequest => renumbered(version, 18, 20),
        M::BarrierReply => renumbered(version, 19, 21),
        _ => return type_of_late(version, message),
    })
}

/// Those that came with later versions.
fn type_of_late(version: Version, message: &Message) -> Result<Type, EncodeError> {
    use Message as M;
    use Version::{V10, V11, V12, V13, V14, V15};
    let standard = |number| Ok(Type::Standard(number));
    let from = |first: Version, number| {
        if version >= first { Ok(Type::Standard(number)) } else { Err(EncodeError::NotInVersion) }
    };
    // In 1.3 as an extension of the ONF.
    let from_13 = |number, extension| match version {
        V13 => Ok(Type::Experimenter(ONF, extension)),
        _ => from(V14, number),
    };
    match message {
        M::TableMod(_) => from(V11, 17),
        M::QueueGetConfigRequest(_) | M::QueueGetConfigReply(..) if version >= V14 => {
            Err(EncodeError::NotInVersion)
        }
        M::QueueGetConfigRequest(_) => Ok(renumbered(version, 20, 22)),
        M::QueueGetConfigReply(..) => Ok(renumbered(version, 21, 23)),
        M::RoleRequest(role) if role.nicira || version < V12 => Ok(Type::Experimenter(NICIRA, 10)),
        M::RoleReply(role) if role.nicira || version < V12 => Ok(Type::Experimenter(NICIRA, 11)),
        M::RoleRequest(_) => standard(24),
        M::RoleReply(_) => standard(25),
        M::GetAsyncRequest => from(V13, 26),
        M::GetAsyncReply(_) => from(V13, 27),
        M::SetAsync(_) if version < V13 => Ok(Type::Experimenter(NICIRA, 19)),
        M::SetAsync(_) => standard(28),
        M::MeterMod(_) => from(V13, 29),
        M::RoleStatus(_) => from_13(30, 1911),
        M::TableStatus(_) => from(V14, 31),
        M::RequestForward(_) if version <= V12 => Ok(Type::Experimenter(NICIRA, 132)),
        M::RequestForward(_) => from_13(32, 2350),
        M::BundleControl(_) => from_13(33, 2300),
        M::BundleAdd(_) => from_13(34, 2301),
        M::ControllerStatus(_) => from(V15, 35),
        M::FlowMonitorCancel(_) | M::FlowMonitorPaused | M::FlowMonitorResumed if version >= V14 => {
            Err(EncodeError::NotInVersion)
        }
        M::SetFlowFormat(_) if version != V10 => Err(EncodeError::NotInVersion),
        _ => type_of_nicira(version, message),
    }
}

/// Those that only extensions have.
fn type_of_nicira(version: Version, message: &Message) -> Result<Type, EncodeError> {
    use Message as M;
    let onf = version == Version::V13;
    let subtype = match message {
        M::SetFlowFormat(_) => 12,
        M::FlowModTableId(_) => 15,
        M::SetPacketInFormat(_) => 16,
        M::FlowAge => 18,
        M::SetControllerId(_) => 20,
        M::FlowMonitorCancel(_) if onf => return Ok(Type::Experimenter(ONF, 1870)),
        M::FlowMonitorPaused if onf => return Ok(Type::Experimenter(ONF, 1871)),
        M::FlowMonitorResumed if onf => return Ok(Type::Experimenter(ONF, 1872)),
        M::FlowMonitorCancel(_) => 21,
        M::FlowMonitorPaused => 22,
        M::FlowMonitorResumed => 23,
        M::TlvTableMod(_) => 24,
        M::TlvTableRequest => 25,
        M::TlvTableReply(_) => 26,
        M::Resume(_) => 28,
        M::CtFlushZone(_) => 29,
        M::CtFlush(_) => 32,
        _ => return Err(EncodeError::NotInVersion),
    };
    Ok(Type::Experimenter(NICIRA, subtype))
}

fn body(
    protocol: &Protocol,
    xid: Xid,
    kind: Type,
    message: &Message,
    out: &mut Out,
) -> Result<(), EncodeError> {
    use Message as M;
    let version = protocol.version;
    let extension = matches!(kind, Type::Experimenter(..));
    match message {
        M::Hello(message) => hello::put(out, message),
        M::Error(message) => error::put(version, out, message),
        M::EchoRequest(bytes) | M::EchoReply(bytes) => out.extend_from_slice(bytes),
        M::Experimenter(message) => out.extend_from_slice(&message.body),
        M::FeaturesReply(message) => features::put(version, out, message),
        M::GetConfigReply(message) | M::SetConfig(message) => features::put_config(version, out, message),
        M::PacketIn(message) => match protocol.packet_in_format {
            PacketInFormat::Standard => packet_in::put(version, out, message),
            PacketInFormat::Nxt => packet_in::put_nxt(version, out, message),
            PacketInFormat::Nxt2 => packet_in2::put(version, out, message),
        },
        M::FlowRemoved(message) if extension => flow_removed::put_nxt(version, out, message),
        M::FlowRemoved(message) => flow_removed::put(version, out, message),
        M::PortStatus(message) => port_desc::put_status(version, out, message),
        M::PacketOut(message) => packet_out::put(version, out, message),
        M::FlowMod(message) => flow_mod::put(protocol, out, message),
        M::GroupMod(message) => group::put_mod(version, out, message),
        M::PortMod(message) => port_desc::put_mod(version, out, message),
        M::TableMod(message) => table::put_mod(version, out, message),
        M::MultipartRequest(message) => multipart::put_request(protocol, out, message)?,
        M::QueueGetConfigRequest(port) => queue::put_config_request(version, out, *port),
        M::QueueGetConfigReply(port, queues) => queue::put_config_reply(version, out, *port, queues),
        M::RoleRequest(message) | M::RoleReply(message) if extension => role::put_nicira(out, message),
        M::RoleRequest(message) | M::RoleReply(message) => role::put(out, message),
        M::GetAsyncReply(message) | M::SetAsync(message) if version <= Version::V13 => {
            asynchronous::put_pairs(out, message);
        }
        M::GetAsyncReply(message) | M::SetAsync(message) => {
            asynchronous::put_properties(version, out, message)
        }
        M::MeterMod(message) => meter::put_mod(out, message),
        M::RoleStatus(message) => role::put_status(out, message),
        M::TableStatus(message) => table::put_status(version, out, message),
        M::RequestForward(message) => bundle::put_forward(protocol, out, message)?,
        M::BundleControl(message) => bundle::put_control(out, message),
        M::ControllerStatus(message) => controller::put(out, message),
        M::BundleAdd(message) => bundle::put_add(protocol, xid, out, message)?,
        _ => body_of_nicira(version, message, out),
    }
    Ok(())
}

fn body_of_nicira(version: Version, message: &Message, out: &mut Out) {
    use Message as M;
    match message {
        M::SetFlowFormat(format) => nicira::put_flow_format(out, *format),
        M::FlowModTableId(set) => {
            out.u8(u8::from(*set));
            out.zeros(7);
        }
        M::SetPacketInFormat(format) => nicira::put_packet_in_format(out, *format),
        M::SetControllerId(number) | M::CtFlushZone(number) => nicira::put_number(out, *number),
        M::FlowMonitorCancel(monitor) => out.u32(*monitor),
        M::TlvTableMod(message) => nicira::put_tlv_mod(out, message),
        M::TlvTableReply(message) => nicira::put_tlv_table(out, message),
        M::Resume(message) => packet_in2::put(version, out, &message.packet_in),
        M::CtFlush(message) => nicira::put_ct_flush(out, message),
        // Without a body: requests for features, configuration, TLV table; barriers, ages, pauses.
        _ => {}
    }
}
