//! A whole flow: match, actions and what surrounds them.

use std::fmt;

use super::error::FlowTextError;
use super::piece::{Item, Items, Piece};
use super::port::{self, PortNames, no_names};
use super::{action, matches, value};
use crate::{Action, ActionList, FlowMatch, OfPort, TableId};

/// The priority of a flow that names none.
pub const DEFAULT_PRIORITY: u16 = 32768;
/// Tables a flow may be in are below this.
const TABLES: u8 = 254;

/// Flags of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent flags of the protocol")]
pub struct FlowFlags {
    /// Tell the controllers when it goes.
    pub send_flow_rem: bool,
    /// Refuse it if another of the same priority overlaps.
    pub check_overlap: bool,
    /// Begin its counters at 0.
    pub reset_counts: bool,
    /// Its packets need not be counted.
    pub no_packet_counts: bool,
    /// Its bytes need not be counted.
    pub no_byte_counts: bool,
}

impl FlowFlags {
    const NAMES: [&'static str; 5] =
        ["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"];

    fn named(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "send_flow_rem" => &mut self.send_flow_rem,
            "check_overlap" => &mut self.check_overlap,
            "reset_counts" => &mut self.reset_counts,
            "no_packet_counts" => &mut self.no_packet_counts,
            "no_byte_counts" => &mut self.no_byte_counts,
            _ => return None,
        })
    }
}

/// A flow as `ovs-ofctl add-flow` takes it. `Display` prints it as `ovs-ofctl --no-stats dump-flows` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowText {
    /// The table, 0 unless given.
    pub table: TableId,
    /// The priority, 32,768 unless given.
    pub priority: u16,
    /// A number of the user's choice.
    pub cookie: u64,
    /// Seconds without a packet after which it goes; 0: never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; 0: never.
    pub hard_timeout: u16,
    /// Flows of higher importance are evicted later.
    pub importance: u16,
    /// Its flags.
    pub flags: FlowFlags,
    /// Which packets it is for.
    pub matches: FlowMatch,
    /// What it does with them; none: it drops them.
    pub actions: ActionList,
}

impl Default for FlowText {
    fn default() -> Self {
        Self {
            table: TableId(0),
            priority: DEFAULT_PRIORITY,
            cookie: 0,
            idle_timeout: 0,
            hard_timeout: 0,
            importance: 0,
            flags: FlowFlags::default(),
            matches: FlowMatch::any(),
            actions: ActionList::default(),
        }
    }
}

/// New actions for flows, as `ovs-ofctl mod-flows` takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowModText {
    /// The flows that match this get its actions.
    pub flow: FlowText,
    /// Only those whose cookie has these bits: value and mask.
    pub cookie: Option<(u64, u64)>,
}

/// Which flows are meant, as `ovs-ofctl dump-flows` and `del-flows` take it: no actions, and nothing is default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowFilter {
    /// Only in this table.
    pub table: Option<TableId>,
    /// Only of this priority: for commands with `--strict`.
    pub priority: Option<u16>,
    /// Only those whose cookie has these bits: value and mask.
    pub cookie: Option<(u64, u64)>,
    /// Only those that output to this port.
    pub out_port: Option<OfPort>,
    /// Only those that use this group.
    pub out_group: Option<u32>,
    /// Only those for a part of these packets.
    pub matches: FlowMatch,
}

/// Reads a flow without names of ports. See [`parse_flow_with`].
///
/// # Errors
/// The first thing that is wrong, with its place and, where possible, what would be right.
pub fn parse_flow(text: &str) -> Result<FlowText, FlowTextError> {
    parse_flow_with(text, &no_names)
}

/// Reads a flow in the syntax of `ovs-ofctl add-flow`; the statistics that `dump-flows` prints are ignored.
///
/// Stricter than OVS where OVS guesses: bits outside a mask, missing prerequisites and contradictions are errors.
///
/// # Errors
/// The first thing that is wrong, with its place and, where possible, what would be right.
pub fn parse_flow_with(text: &str, ports: PortNames<'_>) -> Result<FlowText, FlowTextError> {
    parse(text, ports, |_| Ok(false))
}

/// Reads new actions for flows in the syntax of `ovs-ofctl mod-flows`: as a flow, but that a cookie with a mask says
/// which flows are meant.
///
/// # Errors
/// As [`parse_flow_with`].
pub fn parse_flow_mod(text: &str, ports: PortNames<'_>) -> Result<FlowModText, FlowTextError> {
    let mut cookie = None;
    let flow = parse(text, ports, |item| match item.value {
        Some(value) if item.key.text == "cookie" && value.text.contains('/') => {
            cookie = Some(masked_cookie(value)?);
            Ok(true)
        }
        _ => Ok(false),
    })?;
    Ok(FlowModText { flow, cookie })
}

/// Reads a flow. `first` may take items that a flow would not.
fn parse(
    text: &str,
    ports: PortNames<'_>,
    mut first: impl FnMut(Item<'_>) -> Result<bool, FlowTextError>,
) -> Result<FlowText, FlowTextError> {
    let mut flow = FlowText::default();
    let mut parser = matches::Parser::default();
    let mut list = None;
    for item in Items::new(Piece::new(text)) {
        if matches!(item.key.text, "actions" | "action") {
            let is_given = item.value.is_some() && item.rest.text.len() < text.len();
            list = is_given.then_some(item.rest);
            if list.is_none() {
                return Err(FlowTextError::new(item.key, "'actions' needs a list")
                    .hint("write actions=drop, or actions=normal"));
            }
            break;
        }
        if !first(item)? && !flow.take(item)? && !parser.take(item)? {
            return Err(unknown(item));
        }
    }
    let Some(list) = list else {
        let end = Piece::new(text).slice(text.len(), text.len());
        return Err(
            FlowTextError::new(end, "The flow has no actions").hint("add actions=drop, or actions=normal")
        );
    };
    flow.matches = parser.finish(ports)?;
    flow.actions = action::parse(list, &flow.matches, flow.table, ports)?.into();
    Ok(flow)
}

/// Reads which flows are meant.
///
/// # Errors
/// As [`parse_flow_with`]; actions, timeouts and flags do not belong here.
pub fn parse_filter(text: &str, ports: PortNames<'_>) -> Result<FlowFilter, FlowTextError> {
    let mut filter = FlowFilter::default();
    let mut parser = matches::Parser::default();
    for item in Items::new(Piece::new(text)) {
        let Some(known) = filter.take(item, ports).transpose() else {
            if !parser.take(item)? {
                return Err(unknown(item));
            }
            continue;
        };
        known?;
    }
    filter.matches = parser.finish(ports)?;
    Ok(filter)
}

impl FlowText {
    /// Takes an item that is neither of the match nor of the actions.
    fn take(&mut self, item: Item<'_>) -> Result<bool, FlowTextError> {
        let key = item.key.text;
        if let Some(flag) = self.flags.named(key) {
            *flag = true;
            return match item.value {
                Some(value) => Err(FlowTextError::new(value, format!("'{key}' takes no value"))),
                None => Ok(true),
            };
        }
        match key {
            "table" => self.table = table(item)?,
            "priority" => self.priority = value::small(needed(item)?)?,
            "cookie" => self.cookie = cookie(needed(item)?)?,
            "idle_timeout" => self.idle_timeout = value::small(needed(item)?)?,
            "hard_timeout" => self.hard_timeout = value::small(needed(item)?)?,
            "importance" => self.importance = value::small(needed(item)?)?,
            // What `dump-flows` prints besides: nothing to set.
            "duration" | "n_packets" | "n_bytes" | "idle_age" | "hard_age" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl FlowFilter {
    fn take(&mut self, item: Item<'_>, ports: PortNames<'_>) -> Result<Option<()>, FlowTextError> {
        match item.key.text {
            "table" => self.table = Some(table(item)?),
            "priority" => self.priority = Some(value::small(needed(item)?)?),
            "out_port" => self.out_port = Some(port::parse(needed(item)?, ports)?),
            "out_group" => self.out_group = Some(value::small(needed(item)?)?),
            "cookie" => self.cookie = Some(masked_cookie(needed(item)?)?),
            _ => return Ok(None),
        }
        Ok(Some(()))
    }
}

/// The cookie a flow gets.
fn cookie(text: Piece<'_>) -> Result<u64, FlowTextError> {
    match text.split_once("/") {
        Some((_, mask)) => Err(FlowTextError::new(mask, "The cookie of a new flow has no mask")
            .hint("a mask says which flows are meant: when flows are changed, deleted or listed")),
        None => value::small(text),
    }
}

/// `0x10/0xf0`; `-1` is a mask of all bits, as is none.
fn masked_cookie(text: Piece<'_>) -> Result<(u64, u64), FlowTextError> {
    Ok(match text.split_once("/") {
        Some((value, mask)) if mask.text == "-1" => (value::small(value)?, u64::MAX),
        Some((value, mask)) => (value::small(value)?, value::small(mask)?),
        None => (value::small(text)?, u64::MAX),
    })
}

fn needed(item: Item<'_>) -> Result<Piece<'_>, FlowTextError> {
    item.value.ok_or_else(|| {
        let key = item.key.text;
        FlowTextError::new(item.whole, format!("'{key}' needs a value")).hint(format!("write {key}=VALUE"))
    })
}

fn table(item: Item<'_>) -> Result<TableId, FlowTextError> {
    table_id(needed(item)?)
}

/// Reads the number of a table.
pub(super) fn table_id(text: Piece<'_>) -> Result<TableId, FlowTextError> {
    let id = value::number(text, u128::from(TABLES) - 1)?;
    Ok(TableId(u8::try_from(id).unwrap_or(u8::MAX)))
}

/// Reads the number of a table where packets may go on: 254 is there, though no flow can be; 255 is the present one.
pub(super) fn table_ref(text: Piece<'_>) -> Result<Option<TableId>, FlowTextError> {
    let id = value::number(text, 255)?;
    Ok(u8::try_from(id).ok().filter(|id| *id != 255).map(TableId))
}

fn unknown(item: Item<'_>) -> FlowTextError {
    const OTHERS: [&str; 10] = [
        "table",
        "priority",
        "cookie",
        "idle_timeout",
        "hard_timeout",
        "importance",
        "actions",
        "out_port",
        "out_group",
        "in_port",
    ];
    let name = item.key.text;
    let what = match item.value {
        Some(_) => format!("Unknown field '{name}'"),
        None => format!("Unknown word '{name}'"),
    };
    let known = OTHERS.into_iter().chain(FlowFlags::NAMES).chain(matches::names());
    let error = FlowTextError::new(item.key, what);
    if action::is_known(name) {
        return error.hint("this is an action: it stands behind actions=");
    }
    error.did_you_mean(name, known)
}

impl fmt::Display for FlowText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cookie={}", if self.cookie == 0 { "0x0".into() } else { format!("{:#x}", self.cookie) })?;
        if self.table.0 != 0 {
            write!(f, ", table={}", self.table)?;
        }
        for (name, value) in [("idle_timeout", self.idle_timeout), ("hard_timeout", self.hard_timeout)] {
            if value != 0 {
                write!(f, ", {name}={value}")?;
            }
        }
        let mut flags = self.flags;
        for name in FlowFlags::NAMES {
            if flags.named(name).is_some_and(|flag| *flag) {
                write!(f, ", {name}")?;
            }
        }
        if self.importance != 0 {
            write!(f, ", importance={}", self.importance)?;
        }
        f.write_str(",")?;
        write!(f, " {}", Rule { priority: self.priority, matches: &self.matches, actions: &self.actions })
    }
}

/// The part of a flow that `dump-flows` prints last: priority, match and actions.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// The priority; 32,768 is not printed.
    pub priority: u16,
    /// The match.
    pub matches: &'a FlowMatch,
    /// The actions.
    pub actions: &'a [Action],
}

impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_default, is_any) = (self.priority == DEFAULT_PRIORITY, self.matches.is_any());
        if !is_default {
            write!(f, "priority={}{}", self.priority, if is_any { "" } else { "," })?;
        }
        write!(f, "{}", self.matches)?;
        if !(is_default && is_any) {
            f.write_str(" ")?;
        }
        write!(f, "actions={}", action::Shown(self.actions))
    }
}
