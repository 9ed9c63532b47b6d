//! Which messages look at what flows have carried.

use netloom_flow::BridgeId;
use netloom_openflow::Message;
use netloom_openflow::msg::{BundleCommand, FlowCommand, FlowFlags, FlowMod};

use super::flow;
use crate::model::Bridge;
use crate::switch::Switch;

impl Switch {
    /// Whether the answer to a message, or what is told because of it, has counters in it: then pull all hits before
    /// [`Switch::handle`]. For other messages it makes no difference.
    #[must_use]
    pub fn reads_hits(&self, bridge: BridgeId, message: &Message) -> bool {
        let Some(bridge) = self.bridges.get(bridge) else { return false };
        match message {
            Message::FlowMod(request) => match request.command {
                FlowCommand::Add => adding_reads(bridge, request),
                // The counters of a flow stay when its actions change: what comes later is credited to it, too.
                FlowCommand::Modify | FlowCommand::ModifyStrict => {
                    request.flags.has(FlowFlags::RESET_COUNTS) || has_no_room(bridge, request)
                }
                FlowCommand::Delete | FlowCommand::DeleteStrict => {
                    let rules = flow::query_of(request).rules(bridge);
                    rules.iter().any(|rule| rule.flow.flags.send_flow_rem)
                }
            },
            Message::BundleControl(control) => control.command == BundleCommand::CommitRequest,
            Message::GroupMod(_) | Message::MeterMod(_) | Message::MultipartRequest(_) => true,
            // Of the rest, none tells counters.
            _ => false,
        }
    }
}

/// An addition does where it takes counters over from the flow it replaces, or sends another away.
fn adding_reads(bridge: &Bridge, request: &FlowMod) -> bool {
    if request.flags.has(FlowFlags::RESET_COUNTS) {
        return has_no_room(bridge, request);
    }
    let table = bridge.tables.get(&request.table.unwrap_or_default());
    let replaced = table.and_then(|table| table.rules.get(&request.matches, request.priority.into()));
    replaced.is_some() || has_no_room(bridge, request)
}

fn has_no_room(bridge: &Bridge, request: &FlowMod) -> bool {
    let table = bridge.tables.get(&request.table.unwrap_or_default());
    table.is_some_and(|table| table.limit.evicts && table.rules.len() >= table.limit.max_flows as usize)
}
