//! Reading a list.

use super::super::error::FlowTextError;
use super::super::flow::{table_id, table_ref};
use super::super::piece::{Item, Items, Piece};
use super::super::port::{self, PortNames};
use super::super::value;
use super::field::MODS;
use super::place::{Place, field};
use super::{
    bundle, controller, ct, encap, field as fields, learn, multipath, output, sample, simple, stat_trigger,
};
use crate::action::MAX_NESTING;
use crate::check::{ActionError, Checker, Consistency, Scope};
use crate::{Action, FieldId, FlowMatch, OfPort, TableId};

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
    "enqueue",
    "bundle",
    "bundle_load",
    "group",
    "set_field",
    "load",
    "move",
    "push",
    "pop",
    "delete_field",
    "mod_vlan_vid",
    "mod_vlan_pcp",
    "set_vlan_vid",
    "set_vlan_pcp",
    "mod_dl_src",
    "mod_dl_dst",
    "mod_nw_src",
    "mod_nw_dst",
    "mod_nw_tos",
    "mod_nw_ecn",
    "mod_nw_ttl",
    "mod_tp_src",
    "mod_tp_dst",
    "set_tunnel",
    "set_tunnel64",
    "set_mpls_label",
    "set_mpls_tc",
    "set_mpls_ttl",
    "push_vlan",
    "pop_vlan",
    "strip_vlan",
    "push_mpls",
    "pop_mpls",
    "push_pbb",
    "pop_pbb",
    "encap",
    "decap",
    "dec_ttl",
    "dec_mpls_ttl",
    "dec_nsh_ttl",
    "copy_ttl_out",
    "copy_ttl_in",
    "set_queue",
    "pop_queue",
    "check_pkt_larger",
    "multipath",
    "resubmit",
    "learn",
    "conjunction",
    "fin_timeout",
    "ct",
    "ct_clear",
    "clone",
    "sample",
    "note",
    "exit",
    "meter",
    "stat_trigger",
    "clear_actions",
    "write_actions",
    "write_metadata",
    "goto_table",
];

/// Actions of OVS that are not read: they are for its own tests.
const UNSUPPORTED: &[&str] = &["debug_recirc", "debug_slow"];

/// Whether a name is that of an action, read or not.
pub(in crate::text) fn is_known(name: &str) -> bool {
    NAMES.contains(&name) || UNSUPPORTED.contains(&name)
}

/// Reads the list behind `actions=` of a flow.
pub(in crate::text) fn parse(
    text: Piece<'_>,
    matches: &FlowMatch,
    table: TableId,
    ports: PortNames<'_>,
) -> Result<Vec<Action>, FlowTextError> {
    let place = Place { seen: matches.clone(), table, ports, scope: Scope::Flow, depth: 0 };
    parse_in(text, place)
}

/// Reads the actions of a bucket.
pub(in crate::text) fn parse_bucket(
    text: Piece<'_>,
    ports: PortNames<'_>,
) -> Result<Vec<Action>, FlowTextError> {
    let place = Place { seen: FlowMatch::any(), table: TableId(0), ports, scope: Scope::Bucket, depth: 0 };
    parse_in(text, place)
}

/// Reads a list that stands in parentheses behind the name of an action.
pub(super) fn nested(
    text: Piece<'_>,
    place: &Place<'_>,
    scope: Scope,
) -> Result<Box<[Action]>, FlowTextError> {
    let inner = text.in_parentheses().ok_or_else(|| {
        FlowTextError::new(text, "A list in parentheses is missing").hint("as in clone(output:1)")
    })?;
    let depth = place.depth + 1;
    if depth > MAX_NESTING {
        return Err(FlowTextError::new(text, format!("More than {MAX_NESTING} lists in each other")));
    }
    if inner.trim().text.is_empty() {
        return Ok(Box::default());
    }
    Ok(parse_in(inner, Place { scope, depth, ..place.clone() })?.into())
}

fn parse_in(text: Piece<'_>, place: Place<'_>) -> Result<Vec<Action>, FlowTextError> {
    let checker = Checker::new(&place.seen, Some(place.table), place.scope, Consistency::Loose);
    let mut parser = Parser { place, checker, actions: Vec::new() };
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
    place: Place<'a>,
    checker: Checker,
    actions: Vec<Action>,
}

impl Parser<'_> {
    fn action(&mut self, item: Item<'_>) -> Result<(), FlowTextError> {
        let action = match item.value {
            None => self.bare(item)?,
            Some(value) => self.with_value(item, value)?,
        };
        self.checker.check(&action).map_err(|error| refused(item, error))?;
        self.place.seen = self.checker.seen().clone();
        self.actions.push(action);
        Ok(())
    }

    fn bare(&self, item: Item<'_>) -> Result<Action, FlowTextError> {
        let name = item.key.text;
        Ok(match name.to_ascii_lowercase().as_str() {
            "note" => Action::Note(Box::default()),
            "controller" => Action::Controller(crate::Controller::default()),
            _ if port::reserved(name).is_some() => output::to_port(item.key, &self.place)?,
            "learn" | "ct" => return self.with_value(item, item.key.slice(0, 0)),
            lower if simple::bare(lower).is_some() => simple::bare(lower).unwrap_or(Action::Exit),
            lower if NAMES.contains(&lower) => return Err(needs_value(item)),
            lower if UNSUPPORTED.contains(&lower) => return Err(unsupported(item)),
            "apply_actions" => return Err(unknown(item)),
            // `actions=2`, `actions=eth1`
            _ => match output::to_port(item.key, &self.place) {
                Ok(action) => action,
                Err(error) if name.starts_with(|c: char| c.is_ascii_digit()) => return Err(error),
                Err(_) => return Err(unknown(item)),
            },
        })
    }

    fn with_value(&self, item: Item<'_>, value: Piece<'_>) -> Result<Action, FlowTextError> {
        let (name, place) = (item.key.text.to_ascii_lowercase(), &self.place);
        let at = value.trim();
        if let Some((_, field)) = MODS.iter().find(|(known, _)| *known == name) {
            return fields::modify(at.in_parentheses().unwrap_or(at), *field, place);
        }
        Ok(match name.as_str() {
            "output" => output::parse(at, place)?,
            "enqueue" => output::enqueue(at, place)?,
            "controller" => controller::parse(at)?,
            "bundle" | "bundle_load" => bundle::parse(at, name == "bundle_load", place)?,
            "group" => Action::Group(value::small(at)?),
            "set_field" => fields::set(at, place)?,
            "load" => fields::load(at, place)?,
            "move" => fields::copy(at, place)?,
            "push" => Action::StackPush(place.source(at.in_parentheses().unwrap_or(at))?),
            "pop" => Action::StackPop(place.target(at.in_parentheses().unwrap_or(at))?),
            "delete_field" => Action::DeleteField(field(at)?),
            "encap" => encap::parse(at)?,
            "decap" => encap::parse_decap(at)?,
            "dec_ttl" => simple::dec_ttl(at)?,
            "check_pkt_larger" => simple::check_pkt_larger(at, place)?,
            "multipath" => multipath::parse(at, place)?,
            "resubmit" => self.resubmit(at)?,
            "learn" => learn::parse(at, place)?,
            "conjunction" => simple::conjunction(at)?,
            "fin_timeout" => simple::fin_timeout(at)?,
            "ct" => ct::parse(at, place)?,
            "clone" => Action::Clone(nested(at, place, Scope::Clone)?),
            "sample" => sample::parse(at, place)?,
            "note" => simple::note(at)?,
            "meter" => Action::Meter(value::small(at)?),
            "stat_trigger" => Action::StatTrigger(Box::new(stat_trigger::parse(at)?)),
            "write_actions" => Action::WriteActions(nested(at, place, Scope::ActionSet)?),
            "goto_table" => self.goto_table(at)?,
            other => match simple::with_number(other, at) {
                Some(action) => action?,
                None if at.text == "()" && simple::bare(other).is_some() => return self.bare(item),
                None if UNSUPPORTED.contains(&other) => return Err(unsupported(item)),
                None if NAMES.contains(&other) => {
                    return Err(FlowTextError::new(at, format!("'{other}' takes no value")));
                }
                None => return Err(unknown(item)),
            },
        })
    }

    /// `resubmit:PORT`, `resubmit([PORT],[TABLE][,ct])`
    fn resubmit(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let Some(inner) = text.in_parentheses() else {
            return Ok(Action::Resubmit { port: self.resubmit_port(text)?, table: None, ct: false });
        };
        let none = inner.slice(inner.text.len(), inner.text.len());
        let (port, rest) = inner.split_once(",").unwrap_or((inner, none));
        let (table, ct) = rest.split_once(",").unwrap_or((rest, none));
        let ct = match ct.trim().text {
            "" => false,
            "ct" => true,
            _ => {
                return Err(FlowTextError::new(ct, "'resubmit' takes a port, a table and ct")
                    .hint("as in resubmit(,2) or resubmit(,2,ct)"));
            }
        };
        let port = if port.trim().text.is_empty() { None } else { self.resubmit_port(port)? };
        let is_given = !table.trim().text.is_empty();
        let table = if is_given { table_ref(table)? } else { None };
        if port.is_none() && !is_given {
            return Err(
                FlowTextError::new(text, "'resubmit' needs a port or a table").hint("as in resubmit(,2)")
            );
        }
        // With a table of 255, it is the present one; without a port, too, nothing would be left to print.
        let table = if port.is_none() { Some(table.unwrap_or(self.place.table)) } else { table };
        Ok(Action::Resubmit { port, table, ct })
    }

    fn resubmit_port(&self, text: Piece<'_>) -> Result<Option<OfPort>, FlowTextError> {
        Ok(Some(port::parse(text, self.place.ports)?).filter(|port| *port != OfPort::IN_PORT))
    }

    fn goto_table(&self, text: Piece<'_>) -> Result<Action, FlowTextError> {
        let table = table_id(text)?;
        if table <= self.place.table {
            return Err(FlowTextError::new(
                text,
                format!("'goto_table' goes forward only, and this flow is in table {}", self.place.table),
            )
            .hint(format!("write resubmit(,{table})")));
        }
        Ok(Action::GotoTable(table))
    }
}

/// What is wrong, in the words of a person who wrote it.
fn refused(item: Item<'_>, error: ActionError) -> FlowTextError {
    let text = FlowTextError::new(item.whole, error.to_string());
    match error {
        ActionError::NoField(_, needs) | ActionError::Inconsistent(_, needs) => {
            text.hint(format!("add {}", needs.to_add()))
        }
        ActionError::BadConjunction(_) => text.hint("what shall be done stands in the flow with the conj_id"),
        _ => text,
    }
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
    match name {
        "apply_actions" => error.hint("its actions stand in the list as they are"),
        "nat" => error.hint("it stands inside of ct, as in ct(nat)"),
        _ => error.did_you_mean(name, NAMES.iter().copied()),
    }
}
