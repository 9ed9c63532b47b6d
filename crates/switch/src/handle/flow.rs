//! Flows: changes, statistics, and those that are gone.

use std::sync::Arc;

use netloom_flow::check::{Checker, Consistency, Scope};
use netloom_flow::text::FlowFlags;
use netloom_flow::{Action, ActionList, BridgeId, FlowMatch, Nanos, OfPort, TableId};
use netloom_openflow::msg::group::GROUP_ANY;
use netloom_openflow::msg::stats::Counts;
use netloom_openflow::msg::{
    self, AggregateStats, FlowRemovedReason, FlowStats, FlowStatsRequest, MultipartReply,
};
use netloom_openflow::{Message, OfError, Version};

use super::Connection;
use super::error::{of_action, of_flow};
use crate::events::{FlowRemoved, Removed};
use crate::flow_mod::{FlowCommand, FlowEntry, FlowMod, FlowQuery};
use crate::switch::Switch;

impl Switch {
    /// Asks for the memory that some messages to come are going to need: then they wait for it together. Changes nothing.
    pub fn foresee<'m>(&self, bridge: BridgeId, messages: impl IntoIterator<Item = &'m Message>) {
        let Some(bridge) = self.bridges.get(bridge) else { return };
        for message in messages {
            if let Message::FlowMod(request) = message
                && request.command == msg::FlowCommand::Add
                && let Some(table) = bridge.tables.get(&request.table.unwrap_or_default())
            {
                table.rules.touch(&request.matches);
            }
        }
    }

    pub(super) fn handle_flow_mod(
        &mut self,
        bridge: BridgeId,
        connection: &Connection,
        request: msg::FlowMod,
        now: Nanos,
    ) -> Result<(), OfError> {
        self.check_tlv(bridge, &request)?;
        let buffer = request.buffer;
        let has_actions =
            !matches!(request.command, msg::FlowCommand::Delete | msg::FlowCommand::DeleteStrict);
        if has_actions {
            check_list(&request.actions, &request.matches, request.table, Scope::Flow, connection.version)?;
        }
        let actions = self.action_lists.share(&request.actions);
        let change = of_message(request, actions, connection.version);
        self.flow_mod(bridge, change, Arc::clone(&connection.origin), now)
            .map_err(|error| of_flow(&error, connection.version))?;
        // No packet is ever kept for a controller. The flow stays, as in OVS.
        if buffer.is_some() { Err(OfError::BrcBufferUnknown) } else { Ok(()) }
    }

    pub(super) fn flow_stats(
        &self,
        bridge: BridgeId,
        request: &FlowStatsRequest,
        now: Nanos,
    ) -> Vec<FlowStats> {
        let entries = self.flow_entries(bridge, &of_request(request));
        entries.iter().map(|entry| stats_of(entry, now)).collect()
    }

    pub(super) fn aggregate(&self, bridge: BridgeId, request: &FlowStatsRequest) -> AggregateStats {
        let entries = self.flow_entries(bridge, &of_request(request));
        AggregateStats {
            packets: entries.iter().map(|entry| entry.packets).sum(),
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            flows: u32::try_from(entries.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Refuses actions that the packets of a flow cannot have, or that cannot stand so.
pub(super) fn check_list(
    actions: &[Action],
    matches: &FlowMatch,
    table: Option<TableId>,
    scope: Scope,
    version: Version,
) -> Result<(), OfError> {
    // Nothing but numbered ports, as most flows: there is nothing to be wrong but what is checked anyway.
    let is_plain = |action: &Action| match action {
        Action::Output(port) | Action::OutputMax { port, .. } => *port < OfPort::MAX,
        _ => false,
    };
    if actions.iter().all(is_plain) {
        return Ok(());
    }
    let consistency = if version == Version::V10 { Consistency::Loose } else { Consistency::Strict };
    let mut checker = Checker::new(matches, table, scope, consistency);
    // From 1.5 on a meter is an action as others, and may stand anywhere.
    let is_free = |action: &&Action| version >= Version::V15 && matches!(action, Action::Meter(_));
    let ordered = actions.iter().filter(|action| !is_free(action));
    ordered.into_iter().try_for_each(|action| checker.check(action)).map_err(|error| of_action(&error))
}

fn of_message(request: msg::FlowMod, actions: ActionList, version: Version) -> FlowMod {
    let command = match request.command {
        msg::FlowCommand::Add => FlowCommand::Add,
        msg::FlowCommand::Modify => FlowCommand::Modify,
        msg::FlowCommand::ModifyStrict => FlowCommand::ModifyStrict,
        msg::FlowCommand::Delete => FlowCommand::Delete,
        msg::FlowCommand::DeleteStrict => FlowCommand::DeleteStrict,
    };
    // Before 1.2 there was no flag: what is added begins at 0.
    let resets = version < Version::V12 && command == FlowCommand::Add;
    let flags = flags(request.flags);
    FlowMod {
        command,
        table: request.table,
        matches: request.matches,
        priority: request.priority,
        actions,
        cookie: request.new_cookie,
        cookie_filter: (request.cookie, request.cookie_mask),
        idle_timeout: request.idle_timeout,
        hard_timeout: request.hard_timeout,
        importance: request.importance,
        flags: FlowFlags { reset_counts: flags.reset_counts || resets, ..flags },
        tells_flags: true,
        out_port: port_filter(request.out_port),
        out_group: group_filter(request.out_group),
    }
}

/// The flows that a change is about.
pub(super) fn query_of(request: &msg::FlowMod) -> FlowQuery {
    let is_strict = request.command == msg::FlowCommand::DeleteStrict;
    FlowQuery {
        table: request.table,
        matches: request.matches.clone(),
        strict: is_strict.then_some(request.priority),
        cookie: (request.cookie, request.cookie_mask),
        out_port: port_filter(request.out_port),
        out_group: group_filter(request.out_group),
    }
}

fn of_request(request: &FlowStatsRequest) -> FlowQuery {
    FlowQuery {
        table: request.table,
        matches: request.matches.clone(),
        strict: None,
        cookie: (request.cookie, request.cookie_mask),
        out_port: port_filter(request.out_port),
        out_group: group_filter(request.out_group),
    }
}

fn port_filter(port: OfPort) -> Option<OfPort> {
    (port != OfPort::NONE).then_some(port)
}

fn group_filter(group: u32) -> Option<u32> {
    (group != GROUP_ANY).then_some(group)
}

fn flags(flags: msg::FlowFlags) -> FlowFlags {
    FlowFlags {
        send_flow_rem: flags.has(msg::FlowFlags::SEND_FLOW_REM),
        check_overlap: flags.has(msg::FlowFlags::CHECK_OVERLAP),
        reset_counts: flags.has(msg::FlowFlags::RESET_COUNTS),
        no_packet_counts: flags.has(msg::FlowFlags::NO_PKT_COUNTS),
        no_byte_counts: flags.has(msg::FlowFlags::NO_BYT_COUNTS),
    }
}

fn told(flags: FlowFlags) -> msg::FlowFlags {
    let of = |is_set: bool, flag: msg::FlowFlags| if is_set { flag } else { msg::FlowFlags::default() };
    of(flags.send_flow_rem, msg::FlowFlags::SEND_FLOW_REM)
        | of(flags.check_overlap, msg::FlowFlags::CHECK_OVERLAP)
        | of(flags.reset_counts, msg::FlowFlags::RESET_COUNTS)
        | of(flags.no_packet_counts, msg::FlowFlags::NO_PKT_COUNTS)
        | of(flags.no_byte_counts, msg::FlowFlags::NO_BYT_COUNTS)
}

fn stats_of(entry: &FlowEntry, now: Nanos) -> FlowStats {
    let flow = &entry.rule.flow;
    let age = |from: Nanos| {
        let seconds = now.since(from).0 / 1_000_000_000;
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    };
    FlowStats {
        table: flow.table,
        priority: flow.priority,
        matches: flow.matches.clone(),
        cookie: flow.cookie,
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        importance: flow.importance,
        flags: told(flow.flags),
        counts: Counts { packets: entry.packets, bytes: entry.bytes, duration: now.since(entry.created) },
        idle_age: age(entry.used),
        hard_age: age(entry.modified),
        actions: flow.actions.to_vec(),
        is_triggered: false,
    }
}

pub(super) const fn removed_reason(reason: Removed) -> FlowRemovedReason {
    match reason {
        Removed::Idle => FlowRemovedReason::IdleTimeout,
        Removed::Hard => FlowRemovedReason::HardTimeout,
        Removed::Delete => FlowRemovedReason::Delete,
        Removed::GroupDelete => FlowRemovedReason::GroupDelete,
        Removed::MeterDelete => FlowRemovedReason::MeterDelete,
        Removed::Eviction => FlowRemovedReason::Eviction,
    }
}

impl Connection {
    /// The message for a flow that has counted as much as it was to tell, if this connection wants it.
    pub(super) fn triggered(&self, entry: &FlowEntry, duration: Nanos) -> Option<Message> {
        let stats = || FlowStats { is_triggered: true, ..stats_of(entry, entry.created + duration) };
        self.wants_triggered().then(|| Message::MultipartReply(MultipartReply::FlowCounts(vec![stats()])))
    }

    /// A flow is gone: the message for this connection, if it wants one.
    #[must_use]
    pub fn flow_removed(&self, gone: &FlowRemoved) -> Option<Message> {
        let reason = removed_reason(gone.reason);
        let flow = &gone.rule.flow;
        self.wants_flow_removed(reason as u8).then(|| {
            Message::FlowRemoved(Box::new(msg::FlowRemoved {
                matches: flow.matches.clone(),
                cookie: flow.cookie,
                priority: flow.priority,
                reason,
                table: Some(flow.table),
                idle_timeout: flow.idle_timeout,
                hard_timeout: flow.hard_timeout,
                counts: Counts { packets: gone.packets, bytes: gone.bytes, duration: gone.duration },
            }))
        })
    }
}
