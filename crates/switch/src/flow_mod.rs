//! Adding, changing and removing flows.
//!
//! Every change is noted in the log against which old translations are checked; a change that could match no
//! cached flow costs no cached flow a translation.

use std::cmp::Reverse;
use std::sync::Arc;

use netloom_flow::text::DEFAULT_PRIORITY;
use netloom_flow::{
    Action, BridgeId, FieldId, FlowFilter, FlowModText, FlowText, FlowTextError, Nanos, OfPort, Prerequisite,
    RuleId, parse_filter, parse_flow_mod, parse_flow_with,
};

use crate::config::Origin;
use crate::model::{Bridge, Rule, RuleState};
use crate::switch::Switch;

/// Why flows were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// There is no such bridge.
    #[error("There is no bridge called {0}")]
    NoBridge(String),
    /// The text is not a flow.
    #[error("{0}")]
    Text(#[from] FlowTextError),
    /// An action that is understood but cannot be carried out.
    #[error("The action '{0}' is not supported yet")]
    Unsupported(&'static str),
    /// `check_overlap` was asked for, and another flow of this priority matches some of the same packets.
    #[error("It overlaps with a flow of the same priority: {0}")]
    Overlap(String),
}

/// Whether a change of flows means those that match the given one exactly, or all those for a part of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// All flows for a part of the packets, whatever their priority.
    #[default]
    Loose,
    /// The one with this match and priority.
    Strict,
}

impl Switch {
    /// Adds a flow in the syntax of `ovs-ofctl add-flow`. It replaces one with the same match and priority.
    ///
    /// # Errors
    /// The text is no flow, an action is not supported, or `check_overlap` was asked for and found one.
    pub fn add_flow(
        &mut self,
        bridge: &str,
        text: &str,
        origin: Origin,
        now: Nanos,
    ) -> Result<(), FlowError> {
        let bridge = self.named(bridge)?;
        let flow = read(bridge, text)?;
        if flow.flags.check_overlap {
            check_overlap(bridge, &flow)?;
        }
        let id = bridge.id;
        self.put_flow(id, flow, origin, now);
        self.advance();
        Ok(())
    }

    /// Gives the flows that match new actions; their counters and timeouts stay. If none matches, it is added, unless a
    /// cookie with a mask was to choose among them. Returns how many there were.
    ///
    /// Source: `modify_flows_loose` and `modify_flow_strict` of OVS, as OpenFlow 1.0 has it.
    ///
    /// # Errors
    /// As for [`Self::add_flow`].
    pub fn mod_flows(
        &mut self,
        bridge: &str,
        text: &str,
        matching: Matching,
        origin: Origin,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        let bridge = self.named(bridge)?;
        let FlowModText { flow, cookie } = parse_flow_mod(text, &|name| bridge.port_named(name))?;
        check_actions(&flow)?;
        let filter = FlowFilter {
            cookie,
            table: Some(flow.table),
            priority: Some(flow.priority),
            matches: flow.matches,
            ..FlowFilter::default()
        };
        let (id, rules) = (bridge.id, select(bridge, &filter, matching));
        for rule in &rules {
            let actions = flow.actions.clone();
            // A cookie that was to choose is not one to give.
            let cookie = if cookie.is_some() { rule.flow.cookie } else { flow.cookie };
            let changed = FlowText { actions, cookie, ..rule.flow.clone() };
            self.replace(rule, changed, origin.clone(), now);
        }
        if rules.is_empty() && cookie.is_none() {
            self.put_flow(id, flow, origin, now);
        }
        self.advance();
        Ok(rules.len())
    }

    /// Removes the flows that `text`, in the syntax of `ovs-ofctl del-flows`, means. Returns how many.
    ///
    /// # Errors
    /// There is no such bridge, or the text means nothing.
    pub fn del_flows(&mut self, bridge: &str, text: &str, matching: Matching) -> Result<usize, FlowError> {
        let bridge = self.named(bridge)?;
        let filter = parse_filter(text, &|name| bridge.port_named(name))?;
        let rules = select(bridge, &filter, matching);
        for rule in &rules {
            self.remove_rule(rule.id);
        }
        if !rules.is_empty() {
            self.advance();
        }
        Ok(rules.len())
    }

    /// The flows of a bridge with their counters as they stand: by table, priority from the highest, then age.
    ///
    /// # Errors
    /// There is no such bridge, or the filter means nothing.
    pub fn flows(&self, bridge: &str, filter: &str) -> Result<Vec<FlowEntry>, FlowError> {
        let bridge = self.named(bridge)?;
        let filter = parse_filter(filter, &|name| bridge.port_named(name))?;
        let mut rules = select(bridge, &filter, Matching::Loose);
        rules.sort_by_key(|rule| (rule.flow.table, Reverse(rule.flow.priority), rule.id));
        Ok(rules.iter().filter_map(|rule| self.rules.get(rule.id)).map(FlowEntry::new).collect())
    }

    /// Adds a flow, or replaces the one with the same match and priority.
    pub(crate) fn put_flow(&mut self, id: BridgeId, flow: FlowText, origin: Origin, now: Nanos) {
        let (priority, matches, table) = (u32::from(flow.priority), flow.matches, flow.table);
        let Some(bridge) = self.bridges.get_mut(id) else { return };
        let rules = &mut bridge.tables.entry(table).or_default().rules;
        let rule = self.rules.add(now, |rule| Rule { id: rule, bridge: id, flow, origin });
        let old = rules.insert(&matches, priority, Arc::clone(&rule));
        if let Some(old) = old {
            // Counters begin at 0, as OpenFlow 1.0 to 1.2 have it.
            self.rules.remove(old.id);
        }
        self.log.push(id, table, matches);
        self.schedule(rule.id);
    }

    /// Gives a rule another flow with the same match and priority; its counters stay.
    pub(crate) fn replace(&mut self, rule: &Rule, flow: FlowText, origin: Origin, now: Nanos) {
        let Rule { id, bridge, .. } = *rule;
        let new = Arc::new(Rule { id, bridge, flow, origin });
        let Some(table) =
            self.bridges.get_mut(bridge).and_then(|bridge| bridge.tables.get_mut(&new.flow.table))
        else {
            return;
        };
        table.rules.insert(&new.flow.matches, u32::from(new.flow.priority), Arc::clone(&new));
        self.log.push(bridge, new.flow.table, new.flow.matches);
        if let Some(state) = self.rules.get_mut(id) {
            state.rule = new;
            state.modified = now;
        }
        self.schedule(id);
    }

    /// Notes that a flow is written elsewhere. Nothing that a packet could tell.
    pub(crate) fn set_origin(&mut self, id: RuleId, origin: &Origin) {
        let Some(state) = self.rules.get_mut(id) else { return };
        let new = Arc::new(Rule { origin: origin.clone(), ..Rule::clone(&state.rule) });
        state.rule = Arc::clone(&new);
        let bridge = self.bridges.get_mut(new.bridge);
        if let Some(table) = bridge.and_then(|bridge| bridge.tables.get_mut(&new.flow.table)) {
            table.rules.insert(&new.flow.matches, u32::from(new.flow.priority), Arc::clone(&new));
        }
    }

    pub(crate) fn remove_rule(&mut self, id: RuleId) {
        let Some(RuleState { rule, .. }) = self.rules.remove(id) else { return };
        let flow = &rule.flow;
        let bridge = self.bridges.get_mut(rule.bridge);
        if let Some(table) = bridge.and_then(|bridge| bridge.tables.get_mut(&flow.table)) {
            table.rules.remove(&flow.matches, u32::from(flow.priority));
        }
        self.log.push(rule.bridge, flow.table, flow.matches);
    }

    /// Removes the flows whose time has come, and tells whether there were any.
    pub(crate) fn expire_rules(&mut self, now: Nanos) -> bool {
        let mut any = false;
        while let Some(Reverse((date, id))) = self.due.peek().copied() {
            if date > now {
                break;
            }
            self.due.pop();
            match self.rules.get(id).and_then(RuleState::expires) {
                Some(date) if date > now => self.due.push(Reverse((date, id))),
                Some(_) => {
                    any = true;
                    self.remove_rule(id);
                }
                None => {}
            }
        }
        any
    }

    fn schedule(&mut self, id: RuleId) {
        if let Some(date) = self.rules.get(id).and_then(RuleState::expires) {
            self.due.push(Reverse((date, id)));
        }
    }

    fn named(&self, bridge: &str) -> Result<&Bridge, FlowError> {
        self.bridge_named(bridge).ok_or_else(|| FlowError::NoBridge(bridge.to_owned()))
    }
}

/// Reads a flow for a bridge: its ports may be named.
fn read(bridge: &Bridge, text: &str) -> Result<FlowText, FlowError> {
    let flow = parse_flow_with(text, &|name| bridge.port_named(name))?;
    check_actions(&flow)?;
    Ok(flow)
}

/// Refuses what the translation would have to ignore, in lists within the list too.
pub(crate) fn check_actions(flow: &FlowText) -> Result<(), FlowError> {
    unsupported(&flow.actions).map_or(Ok(()), |name| Err(FlowError::Unsupported(name)))
}

/// The first action of a list that the translation does not know.
fn unsupported(actions: &[Action]) -> Option<&'static str> {
    actions.iter().find_map(|action| match action {
        Action::Output(port) if *port != OfPort::CONTROLLER => None,
        Action::Output(_) => Some("controller"),
        Action::OutputTrunc { .. } => Some("output with max_len"),
        Action::Resubmit { ct: true, .. } => Some("resubmit with ct"),
        Action::DecTtl { controllers } if !controllers.is_empty() => Some("dec_ttl with controllers"),
        Action::SetField { field, .. } => unwritable(*field),
        Action::Load { target, .. } | Action::Move { target, .. } => unwritable(target.field),
        Action::OutputReg { .. }
        | Action::Resubmit { .. }
        | Action::DecTtl { .. }
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::PushVlan { .. }
        | Action::PopVlan
        | Action::PopQueue
        | Action::Note(_)
        | Action::Exit
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_) => None,
        other => Some(other.name()),
    })
}

/// What a field belongs to, if no datapath can write it.
pub(crate) fn unwritable(field: FieldId) -> Option<&'static str> {
    match field.field().prerequisite {
        Prerequisite::Mpls => Some("set_field of an MPLS field"),
        Prerequisite::Nsh => Some("set_field of an NSH field"),
        Prerequisite::Pbb => Some("set_field of a PBB field"),
        _ if matches!(field, FieldId::NdReserved | FieldId::NdOptionsType) => {
            Some("set_field of nd_reserved or nd_options_type")
        }
        _ => None,
    }
}

fn check_overlap(bridge: &Bridge, flow: &FlowText) -> Result<(), FlowError> {
    let Some(table) = bridge.tables.get(&flow.table) else { return Ok(()) };
    let mut others = table.rules.overlapping(&flow.matches, u32::from(flow.priority));
    match others.find(|(matches, _)| *matches != flow.matches) {
        Some((_, other)) => Err(FlowError::Overlap(other.flow.to_string())),
        None => Ok(()),
    }
}

/// The rules a filter means.
fn select(bridge: &Bridge, filter: &FlowFilter, matching: Matching) -> Vec<Arc<Rule>> {
    let tables = bridge.tables.iter().filter(|(id, _)| filter.table.is_none_or(|table| table == **id));
    let rules = tables.flat_map(|(_, table)| table.rules.iter().map(|(_, _, rule)| rule));
    let is_meant = |rule: &&Arc<Rule>| {
        let flow = &rule.flow;
        let is_matched = match matching {
            Matching::Loose => filter.matches.covers(&flow.matches),
            Matching::Strict => {
                filter.matches == flow.matches && filter.priority.unwrap_or(DEFAULT_PRIORITY) == flow.priority
            }
        };
        is_matched
            && filter.cookie.is_none_or(|(value, mask)| flow.cookie & mask == value & mask)
            && filter.out_port.is_none_or(|port| flow.actions.iter().any(|action| action.outputs_to(port)))
            && filter.out_group.is_none_or(|group| flow.actions.iter().any(|action| action.uses_group(group)))
    };
    rules.filter(is_meant).cloned().collect()
}

/// A flow with its counters as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowEntry {
    /// The flow, and who asked for it.
    pub rule: Arc<Rule>,
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes, as the packets were here.
    pub bytes: u64,
    /// When it was added.
    pub created: Nanos,
    /// When a packet last hit it; when it was added, if none has.
    pub used: Nanos,
}

impl FlowEntry {
    fn new(state: &RuleState) -> Self {
        Self {
            rule: Arc::clone(&state.rule),
            packets: state.packets,
            bytes: state.bytes,
            created: state.created,
            used: state.used,
        }
    }

    /// A line as `ovs-ofctl dump-flows` prints it, without the leading blank.
    #[must_use]
    pub fn line(&self, now: Nanos) -> String {
        let flow = &self.rule.flow;
        let mut line = format!(
            "cookie={:#x}, duration={:.3}s, table={}, n_packets={}, n_bytes={}, ",
            flow.cookie,
            now.since(self.created).as_secs_f64(),
            flow.table,
            self.packets,
            self.bytes,
        );
        for (name, seconds) in [("idle_timeout", flow.idle_timeout), ("hard_timeout", flow.hard_timeout)] {
            if seconds != 0 {
                line += &format!("{name}={seconds}, ");
            }
        }
        if flow.flags.send_flow_rem {
            line += "send_flow_rem, ";
        }
        let (priority, matches, actions) = (flow.priority, &flow.matches, flow.actions.as_slice());
        line + &netloom_flow::text::Rule { priority, matches, actions }.to_string()
    }
}
