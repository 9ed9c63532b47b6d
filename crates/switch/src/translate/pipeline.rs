//! Table after table, action after action.

use std::sync::Arc;

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, Dependency, DropReason, Effect, FlowKey, FlowMask, OfPort, TableId, word};

use netloom_openflow::msg::TableMiss;

use super::conntrack::{original, seen_of_original};
use super::egress::Stage;
use super::fragment::unseen;
use super::frame::{Actions, Frame, Place};
use super::{MAX_DEPTH, Translator, Visiting};
use crate::model::Rule;
use crate::recorder::Event;

/// Tables 0 to 253.
const TABLES: u8 = 254;
/// Resubmits in all in one bridge. Source: `MAX_RESUBMITS` of OVS.
const MAX_RESUBMITS: u32 = 4096;

/// What a lookup is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The way through the tables: if nothing is found, the table's miss counts.
    Pipeline,
    /// A lookup beside it: if nothing is found, nothing happens.
    Resubmit,
    /// The same, with addresses and ports of the connection's first packet instead of the packet's own.
    Original,
}

impl<'a> Translator<'a> {
    pub(super) fn start_pipeline(&mut self, visiting: &mut Visiting<'a>) {
        let (in_port, table) = (visiting.flow.in_port(), TableId(0));
        visiting.frames.push(Frame::Set(Place { reason: PacketInReason::ActionSet, ..Place::packet_out() }));
        self.enter(visiting, in_port, table, 0, Lookup::Pipeline);
    }

    /// Does what is to be done, until nothing is left.
    pub(super) fn go(&mut self, visiting: &mut Visiting<'a>) {
        while let Some(frame) = visiting.frames.last_mut() {
            if let Frame::List(list) = frame {
                let place = list.place;
                match list.actions.get(list.at) {
                    Some(action)
                        if visiting.is_opaque && !Self::is_shallow(action)
                            || visiting.is_remarked && Self::sees_dscp(action) =>
                    {
                        self.recirculate(visiting);
                    }
                    Some(action) => {
                        list.at += 1;
                        self.act(visiting, action, place);
                    }
                    None => _ = visiting.frames.pop(),
                }
                continue;
            }
            match visiting.frames.pop() {
                Some(Frame::Set(place)) => {
                    self.end_egress(visiting);
                    Self::carry_out_set(visiting, place);
                }
                Some(Frame::Bucket(group, at, place)) => self.bucket(visiting, group, at, place),
                Some(Frame::Enter(table)) => {
                    self.enter(visiting, visiting.flow.in_port(), table, 0, Lookup::Pipeline);
                }
                Some(Frame::Egress(departure)) => self.start_egress(visiting, *departure),
                Some(Frame::Restore(kept)) => self.end_copy(visiting, *kept),
                Some(Frame::List(_)) | None => {}
            }
        }
    }

    /// Looks up in a table; what it says comes next.
    pub(super) fn enter(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
        depth: u32,
        why: Lookup,
    ) {
        match self.lookup(visiting, in_port, table, depth, why) {
            Some(rule) => {
                let rule: &'a Rule = rule;
                let is_miss_flow = rule.flow.priority == 0 && rule.flow.matches.is_any();
                let place = Place {
                    table,
                    rule: Some(rule.id),
                    cookie: Some(rule.flow.cookie),
                    is_miss_flow,
                    depth,
                    reason: if is_miss_flow { PacketInReason::NoMatch } else { PacketInReason::Action },
                };
                if let Some(Frame::Set(set)) = visiting.frames.last_mut() {
                    *set = Place { reason: PacketInReason::ActionSet, ..place };
                }
                visiting.frames.push(Frame::list(Actions::Written(&rule.flow.actions), place));
            }
            None if why == Lookup::Pipeline => self.miss(visiting, table),
            None => {}
        }
    }

    /// Nothing was found on the way through the tables: the packet is at its end.
    pub(super) fn miss(&mut self, visiting: &mut Visiting<'a>, table: TableId) {
        let miss = visiting.bridge.tables.get(&table).map(|table| table.miss).unwrap_or_default();
        let goes_on = miss == TableMiss::Continue && table.0 + 1 < TABLES;
        if matches!(visiting.stage, Stage::Egress { .. }) && !goes_on {
            // What no flow of the port lets out stays.
            visiting.set.clear();
        }
        match miss {
            TableMiss::Continue if table.0 + 1 < TABLES && visiting.may_enter(TableId(table.0 + 1)) => {
                visiting.missed = false;
                visiting.frames.push(Frame::Enter(TableId(table.0 + 1)));
            }
            TableMiss::Continue | TableMiss::Drop => {}
            TableMiss::Controller | TableMiss::Default => {
                let is_set = miss == TableMiss::Controller;
                if self.asks_about_misses(visiting, is_set) {
                    self.miss_to_controllers(visiting, table, is_set);
                }
            }
        }
    }

    fn lookup(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
        depth: u32,
        why: Lookup,
    ) -> Option<&'a Arc<Rule>> {
        let bridge = visiting.bridge;
        let mut seen = FlowMask::default();
        let mut key = visiting.flow.key;
        key.0[word::IN_PORT] = u64::from(in_port.0) << 32;
        if why == Lookup::Original {
            original(&mut key);
        }
        let is_bare = visiting.flow.is_bare();
        if is_bare {
            hide_ethernet(&mut key);
        }
        let hides_ports = self.hide_ports(visiting, &mut key);
        let found = bridge.tables.get(&table).and_then(|table| table.lookup(&key, &mut seen));
        let mut rewritten = visiting.flow.rewritten();
        if why == Lookup::Original {
            rewritten |= seen_of_original(&mut seen);
        }
        if is_bare {
            rewritten |= unseen_ethernet(&mut seen);
        }
        if hides_ports {
            rewritten |= unseen(&mut seen);
        }
        self.look_at(&visiting.flow, &seen);
        self.depend(Dependency::Table { bridge: bridge.id, table, in_port, rewritten });
        if let Some(conjunction) = found.and_then(|(_, conjunction)| conjunction) {
            visiting.flow.write(word::CONJ, u64::from(conjunction) << 32, !0 << 32);
        }
        let rule = found.map(|(rule, _)| rule);
        let (bridge, extra) = (bridge.id, self.extra(&visiting.flow));
        self.effects.push(match rule {
            Some(rule) => Effect::Match { bridge, table, rule: rule.id, extra },
            None => Effect::Miss { bridge, table },
        });
        self.recorder.record(Event::Table { table, rule: rule.map(Arc::as_ref), depth });
        visiting.missed = rule.is_none();
        rule
    }

    fn act(&mut self, visiting: &mut Visiting<'a>, action: &'a Action, place: Place) {
        if self.is_watched {
            self.act_watched(visiting, action, place);
        } else {
            self.carry_out(visiting, action, place);
        }
    }

    /// The same, with notes about what it changed.
    #[cold]
    fn act_watched(&mut self, visiting: &mut Visiting<'a>, action: &'a Action, place: Place) {
        self.recorder.record(Event::Action { action, depth: place.depth });
        let before = visiting.flow.key;
        self.carry_out(visiting, action, place);
        // Behind a choice that only the packet makes there are two of it: each was told on its side.
        if visiting.flow.key != before && !matches!(action, Action::CheckPktLarger { .. }) {
            self.recorder.record(Event::Changed { before: &before, after: &visiting.flow.key });
        }
    }

    fn carry_out(&mut self, visiting: &mut Visiting<'a>, action: &'a Action, place: Place) {
        match action {
            Action::Output(port) | Action::OutputMax { port, .. } => self.output(visiting, *port, place),
            Action::Enqueue { port, queue } => self.enqueue(visiting, *port, *queue, place),
            Action::OutputReg { source, max_len } => {
                let port = self.read(visiting, *source);
                match OfPort(u32::try_from(port).unwrap_or(u32::MAX)) {
                    OfPort::CONTROLLER => self.tell_controllers(visiting, *max_len, place),
                    port => self.output(visiting, port, place),
                }
            }
            Action::OutputTrunc { port, max_len } => self.output_first(visiting, *port, *max_len, place),
            Action::Controller(controller) => self.controller(visiting, controller, place),
            Action::Bundle(bundle) => self.bundle(visiting, bundle, place),
            Action::Group(group) => self.group(visiting, *group, place),
            Action::Resubmit { port, table, ct: true } => {
                let port = port.unwrap_or(visiting.flow.in_port());
                self.resubmit_original(visiting, port, table.unwrap_or(place.table), place.depth);
            }
            Action::Resubmit { port, table, ct: false } => {
                let port = port.unwrap_or(visiting.flow.in_port());
                self.resubmit(visiting, port, table.unwrap_or(place.table), place.depth);
            }
            Action::GotoTable(next) => {
                visiting.frames.pop();
                if *next > place.table && visiting.may_enter(*next) {
                    let in_port = visiting.flow.in_port();
                    self.enter(visiting, in_port, *next, place.depth, Lookup::Pipeline);
                }
            }
            Action::Clone(actions) => {
                self.begin_copy(visiting);
                visiting.frames.push(Frame::list(Actions::Written(actions), place));
            }
            Action::Meter(meter) => self.meter(visiting, *meter),
            Action::CheckPktLarger { len, target } => self.check_larger(visiting, *len, *target),
            Action::DecTtl { controllers } if !self.dec_ttl(visiting) => {
                self.ttl_to_controllers(visiting, controllers, place);
                visiting.frames.pop();
            }
            Action::DecMplsTtl if !self.dec_mpls_ttl(visiting) => {
                self.ttl_to_controllers(visiting, &[], place);
                visiting.frames.pop();
            }
            Action::DecNshTtl if !self.dec_nsh_ttl(visiting) => {
                self.ttl_to_controllers(visiting, &[], place);
                visiting.frames.pop();
            }
            Action::Exit => visiting.exit(),
            Action::ClearActions => Self::clear_actions(visiting),
            Action::WriteActions(actions) => self.write_actions(visiting, actions),
            Action::Ct(ct) => self.ct(visiting, ct),
            Action::CtClear => self.ct_clear(visiting),
            Action::Learn(learn) => self.learn_flow(visiting, learn, place),
            Action::FinTimeout { idle, hard } => self.fin_timeout(visiting, *idle, *hard, place),
            edit => self.edit(visiting, edit),
        }
    }

    pub(super) fn resubmit(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
        depth: u32,
    ) {
        self.resubmit_as(visiting, in_port, table, depth, Lookup::Resubmit);
    }

    pub(super) fn resubmit_as(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
        depth: u32,
        why: Lookup,
    ) {
        visiting.resubmits += 1;
        if depth >= MAX_DEPTH || visiting.resubmits > MAX_RESUBMITS {
            visiting.stop();
            let port = visiting.flow.in_port();
            return self.drop(visiting, DropReason::ResubmitLimit, port);
        }
        self.enter(visiting, in_port, table, depth + 1, why);
    }
}

/// The words of the Ethernet header.
const ETHERNET: std::ops::RangeInclusive<usize> = word::ETH_DST..=word::VLAN;

/// Hides from a lookup what a bare packet does not have. Its Ethernet type is among it: a flow for IP is, as in OVS, for
/// IP behind Ethernet, unless it names the packet type, which stands for both.
fn hide_ethernet(key: &mut FlowKey) {
    ETHERNET.for_each(|index| key.0[index] = 0);
}

/// What a lookup saw of a header that was hidden was nothing of the packet's.
fn unseen_ethernet(seen: &mut FlowMask) -> u64 {
    ETHERNET.fold(0, |map, index| {
        seen.0[index] = 0;
        map | 1 << index
    })
}
