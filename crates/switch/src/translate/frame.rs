//! What is still to be done with a packet, as data: a stack of frames, the top one first.
//!
//! So a packet can be put aside in the middle of its way and taken up again: for the other side of a choice that only
//! the packet decides, or when the datapath has parsed it anew. And no nesting of tables, groups and copies takes any
//! of the thread's own stack.

use std::rc::Rc;

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, RuleId, TableId};

use super::copy::Kept;
use super::egress::Departure;
use crate::model::Group;

/// Where actions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// The table of the flow.
    pub(crate) table: TableId,
    /// The flow; `None`: a packet-out.
    pub(crate) rule: Option<RuleId>,
    /// Its cookie.
    pub(crate) cookie: Option<u64>,
    /// It matches everything with priority 0.
    pub(crate) is_miss_flow: bool,
    /// Lookups nested around it.
    pub(crate) depth: u32,
    /// Why its outputs to a controller are made.
    pub(crate) reason: PacketInReason,
}

impl Place {
    /// What a controller sends along with a packet.
    pub(crate) const fn packet_out() -> Self {
        Self {
            table: TableId(0),
            rule: None,
            cookie: None,
            is_miss_flow: false,
            depth: 0,
            reason: PacketInReason::PacketOut,
        }
    }
}

/// Actions in the order in which they are carried out.
#[derive(Debug, Clone)]
pub(crate) enum Actions<'a> {
    /// As they were written.
    Written(&'a [Action]),
    /// As an action set orders them.
    Ordered(Rc<[&'a Action]>),
}

impl<'a> Actions<'a> {
    pub(crate) fn get(&self, at: usize) -> Option<&'a Action> {
        match self {
            Self::Written(list) => list.get(at),
            Self::Ordered(list) => list.get(at).copied(),
        }
    }
}

/// A list of actions, some of which have been carried out.
#[derive(Debug, Clone)]
pub(crate) struct List<'a> {
    pub(crate) actions: Actions<'a>,
    /// How many have been.
    pub(crate) at: usize,
    pub(crate) place: Place,
}

/// One thing to be done.
#[derive(Debug, Clone)]
pub(crate) enum Frame<'a> {
    /// The rest of a list.
    List(List<'a>),
    /// The action set, and whatever comes of it.
    Set(Place),
    /// A copy for a bucket of a group, by its place in the group.
    Bucket(&'a Group, usize, Place),
    /// A lookup in a table, as the beginning of a pipeline.
    Enter(TableId),
    /// A copy for the egress tables.
    Egress(Box<Departure<'a>>),
    /// The end of a copy: the packet is again what it was.
    Restore(Box<Kept<'a>>),
}

impl<'a> Frame<'a> {
    /// A list from its beginning.
    pub(crate) const fn list(actions: Actions<'a>, place: Place) -> Self {
        Self::List(List { actions, at: 0, place })
    }
}
