//! Reading a list.

use super::super::error::FlowTextError;
use super::super::flow::table_id;
use super::super::matches::{check, field_names, vlan_vid_is_present};
use super::super::piece::{Item, Items, Piece};
use super::super::port::{self, PortNames};
use super::super::value;
use super::controller::reason_name;
use super::field::MODS;
use crate::action::PacketInReason;
use crate::{Action, Controller, FieldId, FlowMatch, OfPort, Prerequisite, Spelling, Subfield, TableId};

/// Every action that is read.
const NAMES: &[&str] = &[
    "output",
    "drop",
    "normal",
    "flood",
    "all",
    "in_port",
    "local",
    "controller",
    "set_field",
    "load",
    "move",
    "mod_vlan_vid",
    "mod_vlan_pcp",
    "mod_dl_src",
    "mod_dl_dst",
    "mod_nw_src",
    "mod_nw_dst",
    "mod_nw_tos",
    "mod_nw_ecn",
    "mod_nw_ttl",
    "mod_tp_src",
    "mod_tp_dst",
    "push_vlan",
    "pop_vlan",
    "strip_vlan",
    "dec_ttl",
    "resubmit",
    "goto_table",
    "write_metadata",
    "set_tunnel",
    "set_tunnel64",
    "set_queue",
    "pop_queue",
    "group",
    "note",
    "exit",
];

/// Actions of OVS that are not read yet.
const UNSUPPORTED: &[&str] = &[
    "ct",
    "ct_clear",
    "nat",
    "learn",
    "push_mpls",
    "pop_mpls",
    "set_mpls_label",
    "set_mpls_tc",
    "set_mpls_ttl",
    "dec_mpls_ttl",
    "encap",
    "decap",
    "sample",
    "clone",
    "conjunction",
    "write_actions",
    "clear_actions",
    "apply_actions",
    "push",
    "pop",
    "check_pkt_larger",
    "enqueue",
    "bundle",
    "bundle_load",
    "meter",
    "multipath",
    "fin_timeout",
    "delete_field",
    "dec_nsh_ttl",
    "debug_recirc",
    "debug_slow",
];

/// Whether a name is that of an action, read or not.
pub(in crate::text) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || UNSUPPORTED.contains(&name)
}

/// Reads the list behind `actions=`.
pub(in crate::text) fn parse(
    text: Piece<'_>,
    matches: &FlowMatch,
    table: TableId,
    ports: PortNames<'_>,
) -> Result<Vec<Action>, FlowTextError> {
    let mut parser = Parser { seen: *matches, table, ports, actions: Vec::new() };
    let mut drop = None;
    let mut last: Option<Item<'_>> = None;
    let mut count = 0;
    for item in Items::new(text) {
        count += 1;
        if matches!(parser.actions.last(), Some(Action::GotoTable(_))) {
            let at = last.map_or(item.whole, |item| item.whole);
            return Err(FlowTextError::new(at, "'goto_table' must be the last action"));
        }
        if item.key.text == "drop" && item.value.is_none() {
            drop = Some(item.whole);
        } else {
            parser.action(item)?;
        }
        last = Some(item);
    }
    match drop {
        Some(drop) if count > 1 => Err(FlowTextError::new(drop, "'drop' must be the only action")
            .hint("a flow drops what no action outputs")),
        None if count == 0 => {
            Err(FlowTextError::new(text, "The list of actions is empty").hint("write actions=drop"))
        }
        _ => Ok(parser.actions),
    }
}

struct Parser<'a> {
    /// What is known of a packet at this point of the list.
    seen: FlowMatch,
    table: TableId,
    ports: PortNames<'a>,
    actions: Vec<Action>,
}

impl Parser<'_> {
    fn action(&mut self, item: Item<'_>) -> Result<(), FlowTextError> {
        let action = match item.value {
            None => self.bare(item)?,
            Some(value) => self.with_value(item, value)?,
        };
        self.follow(&action);
        self.actions.push(action);
        Ok(())
    }

    /// Keeps track of the VLAN header, on which later actions may depend.
    fn follow(&mut self, action: &Action) {
        match action {
            Action::PushVlan { .. } | Action::SetVlanVid(_) | Action::SetVlanPcp(_) => {
                self.seen.clear(FieldId::VlanTci);
                self.seen.set_masked(FieldId::VlanTci, 0x1000, 0x1000);
            }
            Action::PopVlan => self.seen.clear(FieldId::VlanTci),
            _ => {}
        }
    }

    fn bare(&self, item: Item<'_>) -> Result<Action, FlowTextError> {
        let name = item.key.text;
        Ok(match name.to_ascii_lowercase().as_str() {
            "strip_vlan" | "pop_vlan" => Action::PopVlan,
            "dec_ttl" => Action::dec_ttl(),
            "pop_queue" => Action::PopQueue,
            "exit" => Action::Exit,
            "note" => Action::Note(Box::default()),
            "controller" => Action::Controller(Controller::default()),
            _ if port::reserved(name).is_some() => output(item.key, self.ports)?,
            lower if NAMES.contains(&lower) => return Err(needs_value(item)),
            lower if UNSUPPORTED.contains(&lower) => return Err(unsupported(item)),
            // `actions=2`, `actions=eth1`
            _ => match output(item.key, self.ports) {
                Ok(action) => action,
                Err(error) if name.starts_with(|c: char| c.is_ascii_digit()) => return Err(error),
                Err(_) => return Err(unknown(item)),
            },
        })
    }

    fn with_value(&self, item: Item<'_>, value: Piece<'_>) -> Result<Action, FlowTextError> {
        let name = item.key.text.to_ascii_lowercase();
        if let Some((_, field)) = MODS.iter().find(|(known, _)| *known == name) {
            return self.modify(value, *field);
        }
        let at = value.trim();
        Ok(match name.as_str() {
            "output" => self.output(at)?,
            "controller" => controller(at)?,
            "set_field" => self.set_field(at)?,
            "load" => self.load(at)?,
            "move" => self.copy(at)?,
            "mod_vlan_vid" => Action::SetVlanVid(fitting(at, 0xfff)?),
            "mod_vlan_pcp" => Action::SetVlanPcp(u8::try_from(fitting(at, 7)?).unwrap_or(7)),
            "push_vlan" => push_vlan(at)?,
            "resubmit" => self.resubmit(at)?,
            "goto_table" => self.goto_table(at)?,
            "write_metadata" => write_metadata(at)?,
            "set_queue" => Action::SetQueue(value::small(at)?),
            "group" => Action::Group(value::small(at)?),
            "note" => note(at)?,
            _ if UNSUPPORTED.contains(&name.as_str()) => return Err(unsupported(item)),
            _ if NAMES.contains(&name.as_str()) => {
                return Err(FlowTextError::new(at, format!("'{name}' takes no value")));
            }
            _ => return Err(unknown(item)),
        })
    }

    fn output(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        if let Some(inner) = text.in_parentheses() {
            let (mut to, mut max_len) = (None, None);
            for item in Items::new(inner) {
                match (item.key.text, item.value) {
                    ("port", Some(value)) => to = Some(port::parse(value, self.ports)?),
                    ("max_len", Some(value)) => max_len = Some((value, value::small::<u32>(value)?)),
                    _ => return Err(FlowTextError::new(item.whole, "'output(...)' takes port and max_len")),
                }
            }
            return match (to, max_len) {
                (Some(port), Some((_, max_len))) if max_len >= 14 => {
                    Ok(Action::OutputTrunc { port, max_len })
                }
                (Some(_), Some((at, _))) => {
                    Err(FlowTextError::new(at, "max_len is at least 14, an Ethernet header"))
                }
                _ => Err(FlowTextError::new(text, "'output(...)' needs port and max_len")
                    .hint("as in output(port=2,max_len=100)")),
            };
        }
        if text.text.contains('[') {
            let source = subfield(text)?;
            self.exists(text, source)?;
            return Ok(Action::OutputReg { source, max_len: u16::MAX });
        }
        output(text, self.ports)
    }

    /// `mod_nw_src:10.0.0.1`. Packets without the field are left alone, as in OpenFlow 1.0.
    fn modify(&self, text: Piece<'_>, id: FieldId) -> Result<Action, FlowTextError> {
        let field = id.field();
        let value = value::plain(field, text, self.ports)?;
        Ok(Action::SetField { field: id, value, mask: field.max(), spelling: Spelling::Mod })
    }

    /// `set_field:VALUE[/MASK]->FIELD`
    fn set_field(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let (text, target) = arrow(text, "set_field:VALUE->FIELD")?;
        let target = target.slice(0, target.text.strip_suffix("[]").unwrap_or(target.text).len());
        let id = writable(target)?;
        let (value, mask) = value::masked(id.field(), text, self.ports)?;
        check(target, target.text, id.field().prerequisite, &self.seen)?;
        if id == FieldId::VlanVid {
            check(target, target.text, Prerequisite::Vlan, &self.seen)?;
            vlan_vid_is_present(text, value, mask)?;
        }
        Ok(Action::SetField { field: id, value, mask, spelling: Spelling::SetField })
    }

    /// `load:VALUE->FIELD[BITS]`
    fn load(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let (text, target_text) = arrow(text, "load:VALUE->FIELD[BITS]")?;
        let target = subfield(target_text)?;
        writable(target_text.split_once("[").map_or(target_text, |(name, _)| name))?;
        self.exists(target_text, target)?;
        let max = target.mask() >> target.offset;
        let value = value::number(text, u128::MAX)?;
        if value > max {
            return Err(FlowTextError::new(
                text,
                format!("{} does not fit in {} bits", text.trim().text, target.bits),
            ));
        }
        Ok(Action::Load { value, target })
    }

    /// `move:FIELD[BITS]->FIELD[BITS]`
    fn copy(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let (from, to) = arrow(text, "move:FIELD[BITS]->FIELD[BITS]")?;
        let (source, target) = (subfield(from)?, subfield(to)?);
        writable(to.split_once("[").map_or(to, |(name, _)| name))?;
        self.exists(from, source)?;
        self.exists(to, target)?;
        if source.bits != target.bits {
            return Err(FlowTextError::new(
                text,
                format!("The source has {} bits and the destination {}", source.bits, target.bits),
            ));
        }
        Ok(Action::Move { source, target })
    }

    /// An error unless every packet of the flow has the field.
    fn exists(&self, at: Piece<'_>, subfield: Subfield) -> Result<(), FlowTextError> {
        let field = subfield.field.field();
        check(at, field.name, field.prerequisite, &self.seen)
    }

    /// `resubmit:PORT`, `resubmit([PORT],[TABLE])`
    fn resubmit(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let Some(inner) = text.in_parentheses() else {
            return Ok(Action::Resubmit { port: self.resubmit_port(text)?, table: None, ct: false });
        };
        let (port, table) =
            inner.split_once(",").unwrap_or((inner, inner.slice(inner.text.len(), inner.text.len())));
        if table.text.contains(',') {
            return Err(FlowTextError::new(table, "'resubmit' takes a port and a table")
                .hint("as in resubmit(,2); resubmit with ct is not supported yet"));
        }
        let port = if port.trim().text.is_empty() { None } else { self.resubmit_port(port)? };
        let table = if table.trim().text.is_empty() { None } else { Some(table_id(table)?) };
        if port.is_none() && table.is_none() {
            return Err(
                FlowTextError::new(text, "'resubmit' needs a port or a table").hint("as in resubmit(,2)")
            );
        }
        Ok(Action::Resubmit { port, table, ct: false })
    }

    fn resubmit_port(&self, text: Piece<'_>) -> Result<Option<OfPort>, FlowTextError> {
        Ok(Some(port::parse(text, self.ports)?).filter(|port| *port != OfPort::IN_PORT))
    }

    fn goto_table(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let table = table_id(text)?;
        if table <= self.table {
            return Err(FlowTextError::new(
                text,
                format!("'goto_table' goes forward only, and this flow is in table {}", self.table),
            )
            .hint(format!("write resubmit(,{table})")));
        }
        Ok(Action::GotoTable(table))
    }
}

fn output(text: Piece<'_>, ports: PortNames<'_>) -> Result<Action, FlowTextError> {
    Ok(match port::parse(text, ports)? {
        OfPort::CONTROLLER => Action::Controller(Controller::default()),
        port @ (OfPort::NONE | OfPort::TABLE) => {
            return Err(FlowTextError::new(text, format!("A flow cannot output to {}", port::Shown(port))));
        }
        port => Action::Output(port),
    })
}

/// `controller:128`, `controller(max_len=128,reason=no_match,id=1)`
fn controller(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let mut controller = Controller::default();
    let Some(inner) = text.in_parentheses() else {
        controller.max_len = value::small(text)?;
        return Ok(Action::Controller(controller));
    };
    for item in Items::new(inner) {
        match (item.key.text, item.value) {
            ("max_len", Some(value)) => controller.max_len = value::small(value)?,
            ("id", Some(value)) => controller.id = value::small(value)?,
            ("reason", Some(value)) => {
                let named = PacketInReason::ALL.into_iter().find(|reason| reason_name(*reason) == value.text);
                controller.reason = named.ok_or_else(|| {
                    FlowTextError::new(value, format!("'{}' is not a reason", value.text))
                        .hint("one of no_match, action, invalid_ttl, action_set, group, packet_out")
                })?;
            }
            ("userdata" | "pause" | "meter_id", _) => return Err(unsupported(item)),
            _ => {
                return Err(FlowTextError::new(item.whole, "'controller(...)' takes max_len, id and reason"));
            }
        }
    }
    Ok(Action::Controller(controller))
}

fn push_vlan(text: Piece<'_>) -> Result<Action, FlowTextError> {
    match value::small::<u16>(text)? {
        tpid @ (0x8100 | 0x88a8) => Ok(Action::PushVlan { tpid }),
        _ => Err(FlowTextError::new(text, format!("'{}' is not the type of a VLAN header", text.text))
            .hint("0x8100 (802.1Q) or 0x88a8 (802.1ad)")),
    }
}

fn write_metadata(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let (value, mask) = value::masked(FieldId::Metadata.field(), text, &port::no_names)?;
    let narrow = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
    Ok(Action::WriteMetadata { value: narrow(value), mask: narrow(mask) })
}

/// `note:01.02.ff`
fn note(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let byte =
        |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| part.len() <= 2 && !part.starts_with('+'));
    let bytes: Option<Vec<u8>> = text.text.split('.').filter(|part| !part.is_empty()).map(byte).collect();
    let bytes = bytes.ok_or_else(|| {
        FlowTextError::new(text, "A note is a list of hexadecimal bytes").hint("as in note:01.02.ff")
    })?;
    Ok(Action::Note(bytes.into()))
}

fn fitting(text: Piece<'_>, max: u16) -> Result<u16, FlowTextError> {
    let value = value::number(text, u128::from(max))?;
    Ok(u16::try_from(value).unwrap_or(max))
}

fn arrow<'a>(text: Piece<'a>, form: &str) -> Result<(Piece<'a>, Piece<'a>), FlowTextError> {
    let (left, right) = text
        .rsplit_once("->")
        .ok_or_else(|| FlowTextError::new(text, "'->' is missing").hint(format!("write {form}")))?;
    Ok((left.trim(), right.trim()))
}

/// A field that actions may write.
fn writable(name: Piece<'_>) -> Result<FieldId, FlowTextError> {
    let id = field(name)?;
    if id.field().writable {
        return Ok(id);
    }
    Err(FlowTextError::new(name, format!("'{}' is read-only", name.text)))
}

fn field(name: Piece<'_>) -> Result<FieldId, FlowTextError> {
    FieldId::named(name.text).ok_or_else(|| {
        FlowTextError::new(name, format!("Unknown field '{}'", name.text))
            .did_you_mean(name.text, field_names())
    })
}

/// `reg0[3]`, `reg0[0..7]`, `reg0[]`, `reg0`
fn subfield(text: Piece<'_>) -> Result<Subfield, FlowTextError> {
    let Some((name, range)) = text.split_once("[") else { return Ok(Subfield::whole(field(text)?)) };
    let whole = Subfield::whole(field(name)?);
    let bad = || {
        FlowTextError::new(text, format!("'{}' is not a part of a field", text.text))
            .hint("as in reg0[0..15], reg0[3] or reg0[]")
    };
    let range = range.slice(0, range.text.strip_suffix(']').ok_or_else(bad)?.len());
    if range.trim().text.is_empty() {
        return Ok(whole);
    }
    let (from, to) = range.split_once("..").unwrap_or((range, range));
    let bit = |text| value::number(text, 127).map(|n| u8::try_from(n).unwrap_or(127));
    let (from, to) = (bit(from)?, bit(to)?);
    if from > to {
        return Err(FlowTextError::new(range, format!("The first bit, {from}, is above the last, {to}")));
    }
    if to >= whole.bits {
        return Err(FlowTextError::new(
            range,
            format!("{} has {} bits, 0 to {}", name.text, whole.bits, whole.bits - 1),
        ));
    }
    Ok(Subfield { offset: from, bits: to - from + 1, ..whole })
}

fn needs_value(item: Item<'_>) -> FlowTextError {
    let name = item.key.text;
    FlowTextError::new(item.whole, format!("'{name}' needs a value")).hint(match name {
        "resubmit" => "as in resubmit(,2)".to_owned(),
        "set_field" => "as in set_field:10.0.0.1->ip_src".to_owned(),
        _ => format!("write {name}:VALUE"),
    })
}

fn unsupported(item: Item<'_>) -> FlowTextError {
    FlowTextError::new(item.key, format!("'{}' is not supported yet", item.key.text))
}

fn unknown(item: Item<'_>) -> FlowTextError {
    let name = item.key.text;
    let error = FlowTextError::new(item.key, format!("Unknown action '{name}'"));
    if item.value.is_some() && (FieldId::named(name).is_some() || name == "priority" || name == "table") {
        return error.hint("fields stand before actions=");
    }
    error.did_you_mean(name, NAMES.iter().copied())
}
