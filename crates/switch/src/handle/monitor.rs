//! Flow monitors: a connection is told of every change of the flows that it watches.
//!
//! ```text
//!   changes ──▶ queue ──▶ updates() as the peer takes them
//!                 │ over 128 KiB                      ▲
//!                 ▼                                   │ all taken: what is different now, RESUMED
//!              PAUSED, then only which flows changed ─┘
//! ```
//!
//! Who does not read makes nothing grow without end: while paused, a flow is noted at most once, and only what was there
//! before the pause is told gone at once. What the peer did itself is told as the id of its request, unless it wants all.
//!
//! Source: OpenFlow 1.5.1 §7.3.5.18; `ofmonitor_report`, `ofmonitor_flush` and `ofmonitor_resume` of OVS. OVS numbers
//! all rules to know what changed during a pause, and looks through all of them at its end; here the connection notes
//! which did.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use netloom_flow::{FlowText, OfPort, RuleId};
use netloom_openflow::msg::group::GROUP_ANY;
use netloom_openflow::msg::{
    FlowChange as FlowChangeMessage, FlowEvent, FlowUpdate, MonitorCommand, MonitorFlags, MonitorRequest,
    MultipartReply,
};
use netloom_openflow::{Message, OfError, Version, Xid};

use super::Connection;
use super::flow::removed_reason;
use crate::config::Origin;
use crate::events::{Change, FlowChanged};
use crate::model::{Bridge, Rule};
use crate::switch::Switch;

/// Bytes of updates that may wait before a monitor pauses. Source: `ofmonitor_flush` of OVS.
const PAUSE: usize = 128 << 10;
/// Most monitors of a connection.
const MOST: usize = 1_024;
/// Tables 0 to 253.
const TABLES: u8 = 254;

/// An update that waits. The flow is shared with the model as long as it is there.
#[derive(Debug)]
enum Update {
    Flow { rule: Arc<Rule>, event: FlowEvent, has_actions: bool },
    Abbreviated(Xid),
    Paused,
    Resumed,
}

/// What happened to a flow during a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    /// It is new: the peer has not heard of it.
    New,
    /// It took the place of one that the peer knows.
    Again,
    /// It changed.
    Modified,
}

/// The monitors of a connection.
#[derive(Debug, Default)]
pub(super) struct Monitors {
    wanted: BTreeMap<u32, MonitorRequest>,
    queue: VecDeque<Update>,
    /// How long the queue is on the wire, roughly.
    bytes: usize,
    /// While paused: the flows that have changed since.
    missed: Option<BTreeMap<RuleId, Missed>>,
}

/// Flags that want a change told.
const fn wish(change: Change) -> MonitorFlags {
    match change {
        Change::Added => MonitorFlags::ADD,
        Change::Modified => MonitorFlags::MODIFY,
        Change::Removed(_) => MonitorFlags::REMOVED,
    }
}

/// Whether a monitor is about a flow.
fn is_about(request: &MonitorRequest, flow: &FlowText, old: Option<&FlowText>) -> bool {
    let any = |test: &dyn Fn(&FlowText) -> bool| test(flow) || old.is_some_and(test);
    let port = request.out_port;
    let group = request.out_group;
    request.table.is_none_or(|table| table == flow.table)
        && (port == OfPort::NONE || any(&|flow| flow.actions.iter().any(|action| action.outputs_to(port))))
        && (group == GROUP_ANY || any(&|flow| flow.actions.iter().any(|action| action.uses_group(group))))
        && request.matches.covers(&flow.matches)
}

impl Monitors {
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn remove(&mut self, monitor: u32) -> Result<(), OfError> {
        self.wanted.remove(&monitor).map(drop).ok_or(OfError::MofcUnknownMonitor)
    }

    /// Updates that wait, and flows noted during a pause.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() + self.missed.as_ref().map_or(0, BTreeMap::len)
    }

    /// The flags of all monitors that are about a flow and have one of `wishes`.
    fn flags(
        &self,
        wishes: MonitorFlags,
        is_own: bool,
        flow: &FlowText,
        old: Option<&FlowText>,
    ) -> MonitorFlags {
        let wants = |it: &&MonitorRequest| {
            it.flags.0 & wishes.0 != 0
                && (is_own || !it.flags.has(MonitorFlags::ONLY_OWN))
                && is_about(it, flow, old)
        };
        self.wanted.values().filter(wants).fold(MonitorFlags::default(), |all, it| all | it.flags)
    }

    fn push(&mut self, update: Update) {
        self.bytes += weight(&update);
        self.queue.push_back(update);
    }

    fn push_flow(&mut self, rule: &Arc<Rule>, event: FlowEvent, flags: MonitorFlags) {
        let has_actions = flags.has(MonitorFlags::INSTRUCTIONS);
        self.push(Update::Flow { rule: Arc::clone(rule), event, has_actions });
    }

    fn pop(&mut self) -> Option<Update> {
        let update = self.queue.pop_front()?;
        self.bytes = self.bytes.saturating_sub(weight(&update));
        Some(update)
    }

    /// Takes note of a change. `is_told` says whether the peer was told of its request before.
    fn note(&mut self, change: &FlowChanged, number: u64, is_told: &mut bool) {
        let own = change.author.filter(|author| author.connection == number);
        if let Some(missed) = &mut self.missed {
            if note_missed(missed, change) {
                self.tell(change, own.is_some());
            }
            return;
        }
        let flags = self.flags_for(change, own.is_some());
        match own {
            Some(author) if !flags.is_empty() && !flags.has(MonitorFlags::NO_ABBREV) => {
                if !std::mem::replace(is_told, true) {
                    self.push(Update::Abbreviated(author.xid));
                }
            }
            _ => self.tell(change, own.is_some()),
        }
        if self.bytes > PAUSE {
            self.push(Update::Paused);
            self.missed = Some(BTreeMap::new());
        }
    }

    fn flags_for(&self, change: &FlowChanged, is_own: bool) -> MonitorFlags {
        let old = change.old.as_deref().map(|old| &old.flow);
        self.flags(wish(change.change), is_own, &change.rule.flow, old)
    }

    fn tell(&mut self, change: &FlowChanged, is_own: bool) {
        let flags = self.flags_for(change, is_own);
        if !flags.is_empty() {
            self.push_flow(&change.rule, event_of(change.change), flags);
        }
    }

    /// What waits, as messages of at most so many bytes, roughly.
    fn take(&mut self, version: Version, bytes: usize) -> Option<Message> {
        let mut updates = Vec::new();
        let mut taken = 0;
        while taken < bytes {
            // Before 1.4, pauses are messages of their own.
            let is_message = version < Version::V14
                && matches!(self.queue.front(), Some(Update::Paused | Update::Resumed));
            if is_message && !updates.is_empty() {
                break;
            }
            let Some(update) = self.pop() else { break };
            taken += weight(&update);
            match update {
                Update::Paused if is_message => return Some(Message::FlowMonitorPaused),
                Update::Resumed if is_message => return Some(Message::FlowMonitorResumed),
                other => updates.push(said(&other)),
            }
        }
        (!updates.is_empty()).then_some(Message::MultipartReply(MultipartReply::FlowMonitor(updates)))
    }
}

/// Notes a change during a pause, and says whether it must be told at once: a flow that the peer knows is gone.
fn note_missed(missed: &mut BTreeMap<RuleId, Missed>, change: &FlowChanged) -> bool {
    let id = change.rule.id;
    match change.change {
        Change::Added => {
            let known = change.old.as_ref().map(|old| missed.remove(&old.id));
            let is_known = known.is_some_and(|before| before != Some(Missed::New));
            missed.insert(id, if is_known { Missed::Again } else { Missed::New });
            false
        }
        Change::Modified => {
            missed.entry(id).or_insert(Missed::Modified);
            false
        }
        Change::Removed(_) => missed.remove(&id) != Some(Missed::New),
    }
}

const fn event_of(change: Change) -> FlowEvent {
    match change {
        Change::Added => FlowEvent::Added,
        Change::Modified => FlowEvent::Modified,
        Change::Removed(reason) => FlowEvent::Removed(removed_reason(reason)),
    }
}

/// How long an update is on the wire, roughly: a field of a match and an action have some 16 bytes.
fn weight(update: &Update) -> usize {
    match update {
        Update::Flow { rule, has_actions, .. } => {
            let actions = if *has_actions { rule.flow.actions.len() } else { 0 };
            40 + 16 * (rule.flow.matches.words().len() + actions)
        }
        Update::Abbreviated(_) | Update::Paused | Update::Resumed => 8,
    }
}

fn said(update: &Update) -> FlowUpdate {
    match update {
        Update::Flow { rule, event, has_actions } => full(&rule.flow, *event, *has_actions),
        Update::Abbreviated(xid) => FlowUpdate::Abbreviated(*xid),
        Update::Paused => FlowUpdate::Paused,
        Update::Resumed => FlowUpdate::Resumed,
    }
}

fn full(flow: &FlowText, event: FlowEvent, has_actions: bool) -> FlowUpdate {
    FlowUpdate::Full(Box::new(FlowChangeMessage {
        event,
        table: flow.table,
        priority: flow.priority,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        cookie: flow.cookie,
        matches: flow.matches.clone(),
        actions: if has_actions { flow.actions.to_vec() } else { Vec::new() },
    }))
}

impl Connection {
    /// Takes note of what happened to the flows of its bridge, if it watches them. Tell it [`Self::updates`] then.
    pub fn watch<'e>(&mut self, changes: impl IntoIterator<Item = &'e FlowChanged>) {
        if self.monitors.is_empty() {
            return;
        }
        let (number, mut is_told) = (self.author().connection, false);
        changes.into_iter().for_each(|change| self.monitors.note(change, number, &mut is_told));
    }

    /// Whether it watches flows.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Whether there are [`Self::updates`], or will be once the peer has taken all of them.
    #[must_use]
    pub fn has_updates(&self) -> bool {
        !self.monitors.queue.is_empty() || self.monitors.missed.is_some()
    }

    /// What it is to be told of the flows that it watches: a message of so many bytes, roughly.
    pub fn updates(&mut self, bytes: usize) -> Option<Message> {
        self.monitors.take(self.version, bytes)
    }
}

impl Switch {
    /// Ends the pause of a connection's monitors, if there is one and all its updates were taken. Call it when the peer
    /// has read them.
    pub fn resume_monitors(&self, connection: &mut Connection) {
        let monitors = &mut connection.monitors;
        if !monitors.queue.is_empty() {
            return;
        }
        for (id, missed) in monitors.missed.take().into_iter().flatten() {
            let Some(state) = self.rules.get(id) else { continue };
            let (event, wishes) = match missed {
                Missed::New | Missed::Again => (FlowEvent::Added, MonitorFlags::ADD | MonitorFlags::MODIFY),
                Missed::Modified => (FlowEvent::Modified, MonitorFlags::MODIFY),
            };
            let flags = monitors.flags(wishes, true, &state.rule.flow, None);
            if !flags.is_empty() {
                monitors.push_flow(&state.rule, event, flags);
            }
        }
        monitors.push(Update::Resumed);
    }

    /// Begins, changes and ends monitors: all that are asked for, or none. Returns the flows there are.
    pub(super) fn monitor(
        &self,
        bridge: &Bridge,
        connection: &mut Connection,
        requests: Vec<MonitorRequest>,
    ) -> Result<Vec<FlowUpdate>, OfError> {
        let wanted = &mut connection.monitors.wanted;
        let before = wanted.clone();
        let mut begun = Vec::new();
        for request in requests {
            match put(wanted, request) {
                Ok(monitor) => begun.extend(monitor),
                Err(error) => {
                    *wanted = before;
                    return Err(error);
                }
            }
        }
        begun.retain(|request| request.flags.has(MonitorFlags::INITIAL));
        Ok(initial(bridge, &begun))
    }
}

/// Carries out one request; returns the monitor that begins.
fn put(
    wanted: &mut BTreeMap<u32, MonitorRequest>,
    mut request: MonitorRequest,
) -> Result<Option<MonitorRequest>, OfError> {
    let is_known = wanted.contains_key(&request.monitor);
    match request.command {
        MonitorCommand::Add if is_known => return Err(OfError::MofcMonitorExists),
        MonitorCommand::Add if wanted.len() >= MOST => return Err(OfError::MofcUnknown),
        MonitorCommand::Modify | MonitorCommand::Delete if !is_known => {
            return Err(OfError::MofcUnknownMonitor);
        }
        MonitorCommand::Add | MonitorCommand::Modify => {}
        MonitorCommand::Delete => {
            wanted.remove(&request.monitor);
            return Ok(None);
        }
    }
    if request.table.is_some_and(|table| table.0 >= TABLES) {
        return Err(OfError::MofcBadTableId);
    }
    request.flags = meant(request.flags);
    wanted.insert(request.monitor, request.clone());
    Ok(Some(request))
}

/// What the flags mean. OVS reads and writes `ONLY_OWN` as Nicira's `OWN`: its own changes in full, and those of others.
/// By itself it would leave next to nothing to be told, so alone it means that, and with `NO_ABBREV` what it says.
const fn meant(flags: MonitorFlags) -> MonitorFlags {
    if flags.has(MonitorFlags::ONLY_OWN) && !flags.has(MonitorFlags::NO_ABBREV) {
        return flags.without(MonitorFlags::ONLY_OWN).with(MonitorFlags::NO_ABBREV);
    }
    flags
}

/// The flows that monitors are about when they begin, each once: by table, priority from the highest, then age.
fn initial(bridge: &Bridge, begun: &[MonitorRequest]) -> Vec<FlowUpdate> {
    let mut found = BTreeMap::new();
    for request in begun {
        let tables = bridge.tables.iter().filter(|(id, _)| request.table.is_none_or(|table| table == **id));
        let rules = tables.flat_map(|(_, table)| table.rules.rules());
        for rule in rules.filter(|it| *it.origin != Origin::FailOpen && is_about(request, &it.flow, None)) {
            let place = (rule.flow.table, Reverse(rule.flow.priority), rule.id);
            let (_, has_actions) = found.entry(place).or_insert((rule, false));
            *has_actions |= request.flags.has(MonitorFlags::INSTRUCTIONS);
        }
    }
    found.values().map(|(rule, has_actions)| full(&rule.flow, FlowEvent::Initial, *has_actions)).collect()
}
