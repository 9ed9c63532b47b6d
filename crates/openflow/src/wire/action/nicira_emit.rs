//! Writing the actions of Nicira.

use std::net::IpAddr;

use netloom_flow::action::{
    Bundle, Ct, Encap, Learn, LearnSpec, Multipath, Nat, NatRange, Operand, PacketInReason, PortSelection,
    Sample, SampleDirection,
};
use netloom_flow::{Action, Controller, FieldId, OfPort, Subfield};

use super::super::oxm::{self, Style};
use super::super::port;
use super::super::writer::{Out, Put};
use super::nicira::{NEXT_PROTOCOL, PORTS};
use super::property::property;
use super::subfield::{joined, put_field, put_operand};
use super::{Context, nicira_action as put_action};
use crate::Version;

/// Writes an action that the standard of this version does not have. Instructions are left out: they are written
/// where instructions stand.
pub(super) fn put(out: &mut Out, context: &Context, action: &Action) {
    match action {
        Action::OutputReg { source, max_len } => output_reg(out, *source, *max_len),
        Action::OutputTrunc { port, max_len } => put_action(out, 39, |out| {
            out.u16(port::to_16(*port));
            out.u32(*max_len);
        }),
        Action::Controller(action) => controller(out, action),
        Action::Bundle(action) => bundle(out, action),
        Action::SetField { field, value, mask, .. } => set_field(out, *field, *value, *mask),
        Action::Load { value, target } => load(out, *value, *target),
        Action::Move { source, target } => put_action(out, 6, |out| {
            out.u16(source.bits.into());
            out.u16(source.offset.into());
            out.u16(target.offset.into());
            put_field(out, *source);
            put_field(out, *target);
        }),
        Action::StackPush(part) => stack(out, 27, *part),
        Action::StackPop(part) => stack(out, 28, *part),
        Action::DeleteField(field) => put_action(out, 50, |out| {
            let start = out.len();
            put_field(out, Subfield::whole(*field));
            out.zeros(14usize.saturating_sub(out.len() - start));
        }),
        Action::DecTtl { controllers } if !controllers.is_empty() => put_action(out, 21, |out| {
            out.u16(count(controllers.len()));
            out.zeros(4);
            controllers.iter().for_each(|id| out.u16(*id));
        }),
        Action::PopQueue => put_action(out, 5, |_| {}),
        Action::CheckPktLarger { len, target } => put_action(out, 49, |out| {
            out.u16(*len);
            out.u16(target.offset.into());
            put_field(out, *target);
        }),
        Action::Multipath(action) => multipath(out, action),
        Action::Resubmit { port, table, ct } => {
            let subtype = match (table, ct) {
                (_, true) => 44,
                (None, false) => 1,
                (Some(_), false) => 14,
            };
            put_action(out, subtype, |out| {
                out.u16(port::to_16(port.unwrap_or(OfPort::IN_PORT)));
                out.u8(table.map_or(if subtype == 1 { 0 } else { 0xff }, |table| table.0));
            });
        }
        Action::Learn(action) => learn(out, action),
        Action::Conjunction { id, clause, n_clauses } => put_action(out, 34, |out| {
            out.extend_from_slice(&[*clause, *n_clauses]);
            out.u32(*id);
        }),
        Action::FinTimeout { idle, hard } => put_action(out, 19, |out| {
            out.u16(*idle);
            out.u16(*hard);
        }),
        Action::Ct(action) => ct(out, context, action),
        Action::CtClear => put_action(out, 43, |_| {}),
        Action::Clone(list) => put_action(out, 42, |out| {
            out.zeros(6);
            super::put_list(out, *context, list);
        }),
        Action::Sample(action) => sample(out, action),
        Action::Note(bytes) => put_action(out, 8, |out| out.extend_from_slice(bytes)),
        Action::Exit => put_action(out, 17, |_| {}),
        Action::Encap(action) => encap(out, action),
        Action::Decap { packet_type } => put_action(out, 47, |out| {
            out.zeros(2);
            out.u32(packet_type.unwrap_or(NEXT_PROTOCOL));
        }),
        Action::DecNshTtl => put_action(out, 48, |_| {}),
        _ if context.version == Version::V10 => put_10(out, action),
        _ => {}
    }
}

/// What later standards have actions or instructions for.
fn put_10(out: &mut Out, action: &Action) {
    match action {
        Action::Group(group) => put_action(out, 40, |out| {
            out.zeros(2);
            out.u32(*group);
        }),
        Action::SetQueue(queue) => put_action(out, 4, |out| {
            out.zeros(2);
            out.u32(*queue);
        }),
        Action::PushMpls { ethertype } => put_action(out, 23, |out| out.u16(*ethertype)),
        Action::PopMpls { ethertype } => put_action(out, 24, |out| out.u16(*ethertype)),
        Action::DecMplsTtl => put_action(out, 26, |_| {}),
        Action::DecTtl { .. } => put_action(out, 18, |_| {}),
        Action::WriteMetadata { value, mask } => put_action(out, 22, |out| {
            out.zeros(6);
            out.u64(*value);
            out.u64(*mask);
        }),
        Action::GotoTable(table) => put_action(out, 14, |out| {
            out.u16(port::to_16(OfPort::IN_PORT));
            out.u8(table.0);
        }),
        _ => {}
    }
}

fn count(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn output_reg(out: &mut Out, source: Subfield, max_len: u16) {
    put_action(out, 15, |out| {
        out.u16(joined(source));
        put_field(out, source);
        out.u16(max_len);
    });
}

fn stack(out: &mut Out, subtype: u16, part: Subfield) {
    put_action(out, subtype, |out| {
        out.u16(part.offset.into());
        put_field(out, part);
        out.u16(part.bits.into());
    });
}

/// A field that the standard cannot set so: with the action for tunnel ids, else with a value and a mask.
fn set_field(out: &mut Out, field: FieldId, value: u128, mask: u128) {
    if field == FieldId::TunId && mask == field.field().max() {
        if value <= u128::from(u32::MAX) {
            put_action(out, 2, |out| {
                out.zeros(2);
                out.number(value, 4);
            });
        } else {
            put_action(out, 9, |out| {
                out.zeros(6);
                out.number(value, 8);
            });
        }
        return;
    }
    put_action(out, 33, |out| oxm::put_value(out, field, Style::Oxm, value, mask));
}

/// Constants of more than 64 bits take two actions.
fn load(out: &mut Out, value: u128, target: Subfield) {
    let part = |out: &mut Out, part: Subfield, value: u128| {
        put_action(out, 7, |out| {
            out.u16(joined(part));
            put_field(out, part);
            out.number(value, 8);
        });
    };
    if target.bits <= 64 {
        part(out, target, value);
        return;
    }
    part(out, Subfield { bits: 64, ..target }, value & u128::from(u64::MAX));
    let high = Subfield { offset: target.offset.saturating_add(64), bits: target.bits - 64, ..target };
    part(out, high, value >> 64);
}

fn controller(out: &mut Out, action: &Controller) {
    if action.userdata.is_empty() && !action.pause && action.meter_id == 0 {
        put_action(out, 20, |out| {
            out.u16(action.max_len);
            out.u16(action.id);
            out.u8(action.reason.number());
        });
        return;
    }
    put_action(out, 37, |out| {
        out.zeros(6);
        if action.max_len != u16::MAX {
            property(out, 0, |out| out.u16(action.max_len));
        }
        if action.id != 0 {
            property(out, 1, |out| out.u16(action.id));
        }
        if action.reason != PacketInReason::Action {
            property(out, 2, |out| out.u8(action.reason.number()));
        }
        if !action.userdata.is_empty() {
            property(out, 3, |out| out.extend_from_slice(&action.userdata));
        }
        if action.pause {
            property(out, 4, |_| {});
        }
        if action.meter_id != 0 {
            property(out, 5, |out| out.u32(action.meter_id));
        }
    });
}

fn bundle(out: &mut Out, action: &Bundle) {
    put_action(out, if action.target.is_some() { 13 } else { 12 }, |out| {
        out.u16(action.algorithm.number());
        out.u16(action.fields.number());
        out.u16(action.basis);
        out.u32(PORTS);
        out.u16(count(action.members.len()));
        match action.target {
            Some(target) => {
                out.u16(joined(target));
                put_field(out, target);
            }
            None => out.zeros(6),
        }
        out.zeros(4);
        action.members.iter().for_each(|member| out.u16(port::to_16(*member)));
    });
}

fn multipath(out: &mut Out, action: &Multipath) {
    put_action(out, 10, |out| {
        out.u16(action.fields.number());
        out.u16(action.basis);
        out.zeros(2);
        out.u16(action.algorithm.number());
        out.u16(action.max_link);
        out.u32(action.arg);
        out.zeros(2);
        out.u16(joined(action.target));
        put_field(out, action.target);
    });
}

fn learn(out: &mut Out, action: &Learn) {
    let second = action.limit != 0 || action.result.is_some();
    let flags = u16::from(action.send_flow_rem)
        | u16::from(action.delete_learned) << 1
        | u16::from(action.result.is_some()) << 2;
    put_action(out, if second { 45 } else { 16 }, |out| {
        out.u16(action.idle_timeout);
        out.u16(action.hard_timeout);
        out.u16(action.priority);
        out.u64(action.cookie);
        out.u16(flags);
        out.u8(action.table.0);
        out.u8(0);
        out.u16(action.fin_idle_timeout);
        out.u16(action.fin_hard_timeout);
        if second {
            out.u32(action.limit);
            out.u16(action.result.map_or(0, |result| result.offset.into()));
            out.zeros(2);
            if let Some(result) = action.result {
                put_field(out, result);
            }
        }
        action.specs.iter().for_each(|spec| learn_spec(out, spec));
    });
}

fn learn_spec(out: &mut Out, spec: &LearnSpec) {
    let (kind, target, source) = match spec {
        LearnSpec::Match { target, source } => (0, Some(*target), *source),
        LearnSpec::Load { target, source } => (1, Some(*target), *source),
        LearnSpec::Output(part) => (2, None, Operand::Field(*part)),
    };
    let bits = match (target, source) {
        (Some(part), _) | (None, Operand::Field(part)) => part.bits,
        (None, Operand::Value(_)) => 0,
    };
    let constant = u16::from(matches!(source, Operand::Value(_)));
    out.u16(constant << 13 | kind << 11 | u16::from(bits));
    match source {
        Operand::Value(value) => out.number(value, 2 * usize::from(bits).div_ceil(16)),
        Operand::Field(part) => {
            put_field(out, part);
            out.u16(part.offset.into());
        }
    }
    if let Some(target) = target {
        put_field(out, target);
        out.u16(target.offset.into());
    }
}

fn ct(out: &mut Out, context: &Context, action: &Ct) {
    put_action(out, 35, |out| {
        out.u16(u16::from(action.commit) | u16::from(action.force) << 1);
        put_operand(out, action.zone);
        out.u8(action.table.map_or(0xff, |table| table.0));
        out.zeros(3);
        out.u16(action.alg.map_or(0, netloom_flow::action::CtAlg::number));
        if let Some(translation) = action.nat {
            nat(out, translation);
        }
        super::put_list(out, *context, &action.exec);
    });
}

fn nat(out: &mut Out, action: Nat) {
    let (direction, range) = match action {
        Nat::Existing => (0, NatRange::default()),
        Nat::Source(range) => (1, range),
        Nat::Destination(range) => (2, range),
    };
    let selection = match range.selection {
        None => 0,
        Some(PortSelection::Hash) => 8,
        Some(PortSelection::Random) => 16,
    };
    let addresses = match range.addresses {
        None => 0,
        Some((min, max)) => (if min == max { 1 } else { 3 }) << if min.is_ipv4() { 0 } else { 2 },
    };
    let ports = match range.ports {
        None => 0,
        Some((min, max)) if min == max => 0x10,
        Some(_) => 0x30,
    };
    put_action(out, 36, |out| {
        out.zeros(2);
        out.u16(direction | u16::from(range.persistent) << 2 | selection);
        out.u16(addresses | ports);
        if let Some((min, max)) = range.addresses {
            address(out, min);
            if min != max {
                address(out, max);
            }
        }
        if let Some((min, max)) = range.ports {
            out.u16(min);
            if min != max {
                out.u16(max);
            }
        }
    });
}

fn address(out: &mut Out, address: IpAddr) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}

fn sample(out: &mut Out, action: &Sample) {
    // A domain or point out of a field has no number in the versions described here.
    let constant = |operand| match operand {
        Operand::Value(value) => value,
        Operand::Field(_) => 0,
    };
    let subtype = match (action.sampling_port, action.direction) {
        (None, SampleDirection::Default) => 29,
        (Some(_), SampleDirection::Default) => 38,
        _ => 41,
    };
    put_action(out, subtype, |out| {
        out.u16(action.probability);
        out.u32(action.collector_set_id);
        out.u32(constant(action.obs_domain_id));
        out.u32(constant(action.obs_point_id));
        if subtype != 29 {
            out.u16(port::to_16(action.sampling_port.unwrap_or(OfPort::NONE)));
            out.u8(action.direction as u8);
            out.zeros(5);
        }
    });
}

fn encap(out: &mut Out, action: &Encap) {
    put_action(out, 46, |out| {
        out.u16(0);
        out.u32(action.packet_type());
        let Encap::Nsh { md_type, tlvs } = action else { return };
        if let Some(md_type) = md_type {
            encap_property(out, 1, |out| out.u8(*md_type));
        }
        for tlv in tlvs {
            encap_property(out, 2, |out| {
                out.u16(tlv.class);
                out.u8(tlv.kind);
                out.u8(u8::try_from(tlv.value.len()).unwrap_or(u8::MAX));
                let start = out.len();
                out.extend_from_slice(&tlv.value);
                out.pad(start, 8);
            });
        }
    });
}

/// `class:16 = 4 (NSH) type:8 length:8 (without padding) ...`
fn encap_property(out: &mut Out, kind: u8, body: impl FnOnce(&mut Out)) {
    let start = out.len();
    out.u16(4);
    out.u8(kind);
    out.u8(0);
    body(out);
    let len = u8::try_from(out.len() - start).unwrap_or(u8::MAX);
    netloom_packet::bytes::put(out, start + 3, [len]);
    out.pad(start, 8);
}
