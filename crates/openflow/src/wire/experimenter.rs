//! `OFPT_VENDOR` and `OFPT_EXPERIMENTER`: the messages of Nicira and of the ONF, and those of others as they came.
//!
//! ```text
//! experimenter:32 subtype:32 ...
//! ```

use super::protocol::Protocol;
use super::reader::Reader;
use super::{asynchronous, bundle, flow_mod, flow_removed, group, nicira, packet_in, packet_in2, role};
use crate::error::{NICIRA, ONF, Result};
use crate::msg::{Experimenter, Message, Resume};
use crate::{OfError, Version};

pub(super) fn read(protocol: &Protocol, r: &mut Reader<'_>) -> Result<Message> {
    let id = r.u32()?;
    match id {
        NICIRA => {
            let subtype = r.u32()?;
            read_nicira(protocol, subtype, r)
        }
        ONF => {
            let subtype = r.u32()?;
            read_onf(protocol, subtype, r)
        }
        _ => {
            let kind = if r.len() >= 4 { r.u32()? } else { 0 };
            Ok(Message::Experimenter(Experimenter { id, kind, body: r.take_rest().to_vec() }))
        }
    }
}

fn read_nicira(protocol: &Protocol, subtype: u32, r: &mut Reader<'_>) -> Result<Message> {
    use Version::{V10, V12, V13};
    use asynchronous::Strict;
    let version = protocol.version;
    Ok(match subtype {
        10 => Message::RoleRequest(role::read_nicira(r)?),
        11 => Message::RoleReply(role::read_nicira(r)?),
        12 if version == V10 => Message::SetFlowFormat(nicira::read_flow_format(r)?),
        13 => Message::FlowMod(Box::new(flow_mod::read_nxt(protocol, r)?)),
        14 => Message::FlowRemoved(Box::new(flow_removed::read_nxt(r)?)),
        15 => {
            let set = r.u8()?;
            r.skip(7)?;
            if set > 1 {
                return Err(OfError::BrcBadLen);
            }
            Message::FlowModTableId(set == 1)
        }
        16 => Message::SetPacketInFormat(nicira::read_packet_in_format(r)?),
        17 => Message::PacketIn(Box::new(packet_in::read_nxt(r)?)),
        18 => Message::FlowAge,
        19 => Message::SetAsync(asynchronous::read_pairs(r)?),
        20 => Message::SetControllerId(nicira::read_number(r)?),
        21 => Message::FlowMonitorCancel(r.u32()?),
        22 => Message::FlowMonitorPaused,
        23 => Message::FlowMonitorResumed,
        24 => Message::TlvTableMod(nicira::read_tlv_mod(r)?),
        25 => Message::TlvTableRequest,
        26 => Message::TlvTableReply(nicira::read_tlv_table(r)?),
        27 if version <= V13 => Message::SetAsync(asynchronous::read_properties(version, r, Strict::Yes)?),
        28 => Message::Resume(Resume { packet_in: Box::new(packet_in2::read(version, r)?) }),
        29 => Message::CtFlushZone(nicira::read_number(r)?),
        30 => Message::PacketIn(Box::new(packet_in2::read(version, r)?)),
        31 if version == V10 => Message::GroupMod(Box::new(group::read_mod(version, r)?)),
        32 => Message::CtFlush(Box::new(nicira::read_ct_flush(r)?)),
        132 if version <= V12 => Message::RequestForward(bundle::read_forward(protocol, r)?),
        _ => return Err(OfError::BrcBadSubtype),
    })
}

fn read_onf(protocol: &Protocol, subtype: u32, r: &mut Reader<'_>) -> Result<Message> {
    if protocol.version != Version::V13 {
        return Err(OfError::BrcBadSubtype);
    }
    Ok(match subtype {
        1870 => Message::FlowMonitorCancel(r.u32()?),
        1871 => Message::FlowMonitorPaused,
        1872 => Message::FlowMonitorResumed,
        1911 => Message::RoleStatus(role::read_status(r)?),
        2300 => Message::BundleControl(bundle::read_control(r)?),
        2301 => Message::BundleAdd(bundle::read_add(protocol, r)?),
        2350 => Message::RequestForward(bundle::read_forward(protocol, r)?),
        _ => return Err(OfError::BrcBadSubtype),
    })
}
