//! What a flow may ask for.

use netloom_flow::{Action, FlowText, OfPort, word};

use super::FlowError;
use crate::model::Bridge;

/// Refuses what the translation would have to ignore.
pub(crate) fn check_actions(actions: &[Action]) -> Result<(), FlowError> {
    let unsupported = actions.iter().find_map(|action| match action {
        Action::Output(OfPort::CONTROLLER) | Action::Controller(_) => Some("controller"),
        Action::OutputTrunc { .. } => Some("output with max_len"),
        Action::SetQueue(_) => Some("set_queue"),
        Action::Group(_) => Some("group"),
        other => other
            .writes()
            .filter(|field| usize::from(field.field().word) == word::MPLS)
            .map(|_| "set_field of an MPLS field"),
    });
    unsupported.map_or(Ok(()), |name| Err(FlowError::Unsupported(name)))
}

/// Refuses a flow that matches some of the packets of another one with the same priority. The one it replaces is none.
pub(super) fn check_overlap(bridge: &Bridge, flow: &FlowText) -> Result<(), FlowError> {
    let Some(table) = bridge.tables.get(&flow.table) else { return Ok(()) };
    if table.rules.get(&flow.matches, u32::from(flow.priority)).is_some() {
        return Ok(());
    }
    match table.rules.overlapping(&flow.matches, u32::from(flow.priority)).next() {
        Some((_, other)) => Err(FlowError::Overlap(other.flow.to_string())),
        None => Ok(()),
    }
}
