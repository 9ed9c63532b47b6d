//! What controllers may want to be told, collected until somebody asks.

use std::collections::VecDeque;
use std::sync::Arc;

use netloom_flow::{BridgeId, Nanos, OfPort, TableId};
use netloom_openflow::msg::TableReason;
use netloom_openflow::{Message, Xid};

use crate::config::Origin;
use crate::flow_mod::FlowEntry;
use crate::model::{Rule, RuleState};
use crate::switch::Switch;

/// Most events kept. Whoever falls behind by more has missed some, and is told how many.
const KEPT: usize = 1 << 16;

/// Why a flow is gone. The numbers are those of `OFPRR_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Removed {
    /// No packet came for its idle timeout.
    Idle = 0,
    /// Its hard timeout has passed.
    Hard = 1,
    /// Somebody removed it.
    Delete = 2,
    /// A group it used was removed.
    GroupDelete = 3,
    /// A meter it used was removed.
    MeterDelete = 4,
    /// It had to make room for another.
    Eviction = 5,
}

/// A flow is gone, and it asked that this be told (`send_flow_rem`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRemoved {
    /// The flow as it was.
    pub rule: Arc<Rule>,
    /// Why it is gone.
    pub reason: Removed,
    /// How long it was there.
    pub duration: Nanos,
    /// Wire packets it matched.
    pub packets: u64,
    /// Wire bytes, as the packets were in its table.
    pub bytes: u64,
}

/// Whose request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author {
    /// The connection's number.
    pub connection: u64,
    /// The request's transaction id.
    pub xid: Xid,
}

/// What happened to a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new, or was added once more.
    Added,
    /// It has other actions, or another cookie.
    Modified,
    /// It is gone.
    Removed(Removed),
}

/// A flow of a bridge whose flows are [watched](Switch::set_watched) came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowChanged {
    /// The flow as it is now, or was last.
    pub rule: Arc<Rule>,
    /// What happened.
    pub change: Change,
    /// What it was before, or the flow it took the place of.
    pub old: Option<Arc<Rule>>,
    /// Whose request it was; `None`: nobody's.
    pub author: Option<Author>,
}

/// Something a controller of the bridge may want to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A flow is gone.
    FlowRemoved(FlowRemoved),
    /// A port came, went or is another now.
    Port {
        /// Its number.
        port: OfPort,
        /// What happened.
        reason: PortStatusReason,
    },
    /// A table fills up, or has room again.
    Table {
        /// Which.
        table: TableId,
        /// Which of both.
        reason: TableReason,
    },
    /// A flow has counted as much as it was to tell.
    Stats {
        /// The flow with its counters.
        entry: FlowEntry,
        /// How long it was there then.
        duration: Nanos,
    },
    /// A change of groups or meters was carried out.
    Request {
        /// Who asked for it.
        author: Author,
        /// The request.
        request: Arc<Message>,
    },
    /// A flow came, went or changed. Not limited in number: there are not more than flows that changed.
    Flow(FlowChanged),
}

/// What happened to a port. The numbers are those of `OFPPR_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PortStatusReason {
    /// It is new.
    Add = 0,
    /// It is gone.
    Delete = 1,
    /// Its configuration or its link changed.
    Modify = 2,
}

/// Events that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    notices: VecDeque<(BridgeId, Notice)>,
    lost: u64,
}

impl Outbox {
    pub(crate) fn push(&mut self, bridge: BridgeId, notice: Notice) {
        if self.notices.len() < KEPT || matches!(notice, Notice::Flow(_)) {
            self.notices.push_back((bridge, notice));
        } else {
            self.lost += 1;
        }
    }

    /// Adds what another has collected.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.lost += std::mem::take(&mut other.lost);
        other.notices.drain(..).for_each(|(bridge, notice)| self.push(bridge, notice));
    }

    /// Notes that a flow is gone, if it wants that.
    pub(crate) fn removed(&mut self, state: &RuleState, reason: Removed, now: Nanos) {
        if !state.rule.flow.flags.send_flow_rem {
            return;
        }
        let notice = FlowRemoved {
            rule: Arc::clone(&state.rule),
            reason,
            duration: now.since(state.created),
            packets: state.packets,
            bytes: state.bytes,
        };
        self.push(state.rule.bridge, Notice::FlowRemoved(notice));
    }
}

impl Switch {
    /// What happened since the last call, in order, and at which bridge. Kept are 65,536 events, and all those of
    /// [watched](Self::set_watched) flows: call it after every change and after [`Self::tick`].
    pub fn take_events(&mut self) -> Vec<(BridgeId, Notice)> {
        self.outbox.notices.drain(..).collect()
    }

    /// Says whether somebody watches the flows of a bridge. Only then their changes are among the events.
    pub fn set_watched(&mut self, bridge: BridgeId, is_watched: bool) {
        if let Some(bridge) = self.bridges.get_mut(bridge) {
            bridge.is_watched = is_watched;
        }
    }

    /// Notes a request that was carried out, for other controllers who want to see it.
    pub(crate) fn note_request(&mut self, bridge: BridgeId, request: Message) {
        if let Some(author) = self.author {
            self.outbox.push(bridge, Notice::Request { author, request: Arc::new(request) });
        }
    }

    /// Notes that a flow came, went or changed, if somebody watches.
    pub(crate) fn note_flow(&mut self, rule: &Arc<Rule>, change: Change, old: Option<&Arc<Rule>>) {
        let is_watched = self.bridges.get(rule.bridge).is_some_and(|bridge| bridge.is_watched);
        if is_watched && *rule.origin != Origin::FailOpen {
            let (rule, old, author) = (Arc::clone(rule), old.cloned(), self.author);
            self.outbox.push(rule.bridge, Notice::Flow(FlowChanged { rule, change, old, author }));
        }
    }

    /// How many events were lost because nobody took those before them.
    #[must_use]
    pub const fn lost_events(&self) -> u64 {
        self.outbox.lost
    }
}
