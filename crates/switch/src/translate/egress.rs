//! Egress processing: a packet that is sent by a port goes through tables of its own first, in the context of that port.
//!
//! ```text
//! ingress tables ─► output: port 2 ─► a copy: action set { output: port 2 } ─► egress tables ─► action set ─► port 2
//! ```
//!
//! The copy keeps headers, registers and metadata; its action set begins with the output. A flow may change the packet,
//! or clear the set: then it goes nowhere. What egress flows send themselves, by `output` in a list, leaves at once.
//!
//! Source: OpenFlow 1.5.1 §5.1, §5.6, `OFPTFF_FIRST_EGRESS`. OVS has no egress tables.

use netloom_flow::action::PacketInReason;
use netloom_flow::{DropReason, OfPort, TableId};

use super::action_set::show_output;
use super::flow::Flow;
use super::frame::{Frame, Place};
use super::pipeline::Lookup;
use super::{Translator, Visiting};
use crate::model::Port;

/// Where a packet is in the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// In the tables it came in by.
    Ingress,
    /// In the tables of the port it leaves by.
    Egress {
        /// The port.
        port: OfPort,
        /// So many of its bytes are sent.
        max_len: Option<u32>,
    },
    /// No tables are for it: it is between a controller and its switches.
    Beside,
}

/// A packet that is to go through the egress tables.
#[derive(Debug, Clone)]
pub(super) struct Departure<'a> {
    flow: Box<Flow>,
    port: &'a Port,
    table: TableId,
    max_len: Option<u32>,
}

impl<'a> Translator<'a> {
    /// Puts a packet that is sent by a port before the egress tables, if there are any; `false`: it leaves at once.
    pub(super) fn depart(&self, visiting: &mut Visiting<'a>, port: &'a Port) -> bool {
        let (Stage::Ingress, Some(table)) = (visiting.stage, visiting.bridge.first_egress) else {
            return false;
        };
        visiting.settled = true;
        let departure = Departure { flow: visiting.flow.clone(), port, table, max_len: self.max_len };
        visiting.frames.push(Frame::Egress(Box::new(departure)));
        true
    }

    /// Begins the way through the egress tables.
    pub(super) fn start_egress(&mut self, visiting: &mut Visiting<'a>, departure: Departure<'a>) {
        let Departure { flow, port, table, max_len } = departure;
        self.begin_copy(visiting);
        visiting.flow = flow;
        visiting.stage = Stage::Egress { port: port.number, max_len };
        visiting.set = vec![&port.output];
        show_output(visiting);
        visiting.frames.push(Frame::Set(Place { reason: PacketInReason::ActionSet, ..Place::packet_out() }));
        if visiting.is_opaque || visiting.is_remarked {
            visiting.frames.push(Frame::Enter(table));
            return self.recirculate(visiting);
        }
        self.enter(visiting, visiting.flow.in_port(), table, 0, Lookup::Pipeline);
    }

    /// The end of the egress tables, where the set is still to be carried out: a packet whose set sends it nowhere was
    /// dropped.
    pub(super) fn end_egress(&mut self, visiting: &mut Visiting<'a>) {
        if let (Stage::Egress { port, .. }, true) = (visiting.stage, visiting.set.is_empty()) {
            let reason = if visiting.missed { DropReason::TableMiss } else { DropReason::FlowAction };
            self.drop(visiting, reason, port);
        }
    }
}

impl Visiting<'_> {
    /// Whether the way through the tables may go on in a later one.
    pub(super) fn may_enter(&self, table: TableId) -> bool {
        self.stage != Stage::Ingress || self.bridge.first_egress.is_none_or(|first| table < first)
    }
}
