//! Writing actions with the means of the standard.

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, Controller, FieldId, OfPort, Spelling};

use super::super::oxm::{self, Style};
use super::super::port;
use super::super::writer::{Out, Put};
use super::{Context, standard};
use crate::Version;

/// Writes an action, if the standard of this version has it.
pub(super) fn put(out: &mut Out, context: &Context, action: &Action) -> bool {
    match action {
        Action::Output(port) => output(out, context.version, *port, 0),
        Action::OutputMax { port, max_len } => output(out, context.version, *port, *max_len),
        Action::Controller(controller) => match plain(controller) {
            Some(max_len) => output(out, context.version, OfPort::CONTROLLER, max_len),
            None => return false,
        },
        Action::SetVlanVid(vid) => vlan(out, context, FieldId::VlanVid, *vid | 0x1000),
        Action::SetVlanPcp(pcp) => vlan(out, context, FieldId::VlanPcp, (*pcp).into()),
        Action::SetField { field: FieldId::NwTtl, value, spelling: Spelling::Mod, .. }
            if context.version > Version::V10 =>
        {
            standard(out, 23, |out| out.number(*value, 1));
        }
        Action::SetField { field: FieldId::MplsTtl, value, spelling: Spelling::Mod, .. }
            if context.version > Version::V10 =>
        {
            standard(out, 15, |out| out.number(*value, 1));
        }
        Action::SetField { field, value, mask, .. } => return set_field(out, context, *field, *value, *mask),
        _ if context.version == Version::V10 => return put_10(out, action),
        _ => return put_11(out, context, action),
    }
    true
}

/// The number of bytes for the controller, if nothing else is asked for.
fn plain(controller: &Controller) -> Option<u16> {
    let asks_more = controller.id != 0
        || controller.reason != PacketInReason::Action
        || !controller.userdata.is_empty()
        || controller.pause
        || controller.meter_id != 0;
    (!asks_more).then_some(controller.max_len)
}

fn output(out: &mut Out, version: Version, port: OfPort, max_len: u16) {
    standard(out, 0, |out| {
        if version == Version::V10 {
            out.u16(port::to_16(port));
        } else {
            out.u32(port.0);
        }
        out.u16(max_len);
    });
}

/// Sets part of a VLAN header; where 1.0 pushes one first if there is none, later versions are told so.
fn vlan(out: &mut Out, context: &Context, field: FieldId, value: u16) {
    if context.version == Version::V10 {
        match field {
            FieldId::VlanVid => standard(out, 1, |out| out.u16(value & 0xfff)),
            _ => standard(out, 2, |out| out.u8(value.to_be_bytes()[1])),
        }
        return;
    }
    if !context.has_vlan {
        standard(out, 17, |out| out.u16(0x8100));
    }
    set_field(out, context, field, value.into(), field.field().max());
}

fn put_10(out: &mut Out, action: &Action) -> bool {
    match action {
        Action::PopVlan => standard(out, 3, |_| {}),
        Action::Enqueue { port, queue } => standard(out, 11, |out| {
            out.u16(port::to_16(*port));
            out.zeros(6);
            out.u32(*queue);
        }),
        _ => return false,
    }
    true
}

fn put_11(out: &mut Out, context: &Context, action: &Action) -> bool {
    match action {
        Action::CopyTtlOut => standard(out, 11, |_| {}),
        Action::CopyTtlIn => standard(out, 12, |_| {}),
        Action::DecMplsTtl => standard(out, 16, |_| {}),
        Action::PushVlan { tpid } => standard(out, 17, |out| out.u16(*tpid)),
        Action::PopVlan => standard(out, 18, |_| {}),
        Action::PushMpls { ethertype } => standard(out, 19, |out| out.u16(*ethertype)),
        Action::PopMpls { ethertype } => standard(out, 20, |out| out.u16(*ethertype)),
        Action::SetQueue(queue) => standard(out, 21, |out| out.u32(*queue)),
        Action::Group(group) => standard(out, 22, |out| out.u32(*group)),
        Action::DecTtl { controllers } if controllers.is_empty() => standard(out, 24, |_| {}),
        Action::PushPbb if context.version >= Version::V13 => standard(out, 26, |out| out.u16(0x88e7)),
        Action::PopPbb if context.version >= Version::V13 => standard(out, 27, |_| {}),
        Action::Move { source, target } if context.version >= Version::V15 => standard(out, 28, |out| {
            out.u16(source.bits.into());
            out.u16(source.offset.into());
            out.u16(target.offset.into());
            out.zeros(2);
            oxm::put_field(out, *source, Style::Oxm);
            oxm::put_field(out, *target, Style::Oxm);
        }),
        Action::Load { value, target } if context.version >= Version::V15 => {
            let (value, mask) = (*value << target.offset.min(127), target.mask());
            standard(out, 25, |out| oxm::put_value(out, target.field, Style::Oxm, value, mask));
        }
        Action::Meter(meter) if context.version >= Version::V15 => standard(out, 29, |out| out.u32(*meter)),
        Action::Enqueue { port, queue } => {
            standard(out, 21, |out| out.u32(*queue));
            output(out, context.version, *port, 0);
            super::nicira_emit::put(out, context, &Action::PopQueue);
        }
        _ => return false,
    }
    true
}

/// Writes what sets a field.
fn set_field(out: &mut Out, context: &Context, field: FieldId, value: u128, mask: u128) -> bool {
    let whole = mask == field.field().max();
    match context.version {
        Version::V10 | Version::V11 if !whole => false,
        Version::V10 => modify_10(out, field, value),
        Version::V11 => modify_11(out, field, value),
        Version::V12 | Version::V13 | Version::V14 if !whole => false,
        _ => {
            let (field, value, mask) = with_header(context, field, value, mask);
            standard(out, 25, |out| oxm::put_value(out, field, Style::Oxm, value, mask));
            true
        }
    }
}

/// The same assignment to a field that has a header in OXM.
fn with_header(context: &Context, field: FieldId, value: u128, mask: u128) -> (FieldId, u128, u128) {
    let ports = |tcp, udp, sctp| match context.ip_proto {
        17 => udp,
        132 => sctp,
        _ => tcp,
    };
    match field {
        FieldId::NwTos => (FieldId::IpDscp, value >> 2, mask >> 2),
        FieldId::TpSrc => (ports(FieldId::TcpSrc, FieldId::UdpSrc, FieldId::SctpSrc), value, mask),
        FieldId::TpDst => (ports(FieldId::TcpDst, FieldId::UdpDst, FieldId::SctpDst), value, mask),
        FieldId::DlVlan => (FieldId::VlanVid, value | 0x1000, FieldId::VlanVid.field().max()),
        FieldId::DlVlanPcp => (FieldId::VlanPcp, value, mask),
        _ => (field, value, mask),
    }
}

/// The number that 1.0 has for setting a field, and the bytes of the value.
fn modify_10(out: &mut Out, field: FieldId, value: u128) -> bool {
    let (kind, len) = match field {
        FieldId::EthSrc => (4, 6),
        FieldId::EthDst => (5, 6),
        FieldId::Ipv4Src => (6, 4),
        FieldId::Ipv4Dst => (7, 4),
        FieldId::NwTos => (8, 1),
        FieldId::IpDscp => {
            standard(out, 8, |out| out.number(value << 2, 1));
            return true;
        }
        FieldId::TpSrc | FieldId::TcpSrc | FieldId::UdpSrc => (9, 2),
        FieldId::TpDst | FieldId::TcpDst | FieldId::UdpDst => (10, 2),
        _ => return false,
    };
    standard(out, kind, |out| out.number(value, len));
    true
}

/// Likewise for 1.1.
fn modify_11(out: &mut Out, field: FieldId, value: u128) -> bool {
    let (kind, len) = match field {
        FieldId::VlanVid | FieldId::DlVlan => {
            standard(out, 1, |out| out.number(value & 0xfff, 2));
            return true;
        }
        FieldId::IpDscp => {
            standard(out, 7, |out| out.number(value << 2, 1));
            return true;
        }
        FieldId::VlanPcp | FieldId::DlVlanPcp => (2, 1),
        FieldId::EthSrc => (3, 6),
        FieldId::EthDst => (4, 6),
        FieldId::Ipv4Src => (5, 4),
        FieldId::Ipv4Dst => (6, 4),
        FieldId::NwTos => (7, 1),
        FieldId::NwEcn => (8, 1),
        FieldId::TpSrc | FieldId::TcpSrc | FieldId::UdpSrc => (9, 2),
        FieldId::TpDst | FieldId::TcpDst | FieldId::UdpDst => (10, 2),
        FieldId::MplsLabel => (13, 4),
        FieldId::MplsTc => (14, 1),
        FieldId::MplsTtl => (15, 1),
        FieldId::NwTtl => (23, 1),
        _ => return false,
    };
    standard(out, kind, |out| out.number(value, len));
    true
}
