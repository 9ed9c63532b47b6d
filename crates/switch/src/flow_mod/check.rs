//! What a flow may ask for.

use netloom_flow::{Action, FieldId, FlowText, OfPort, word};

use super::FlowError;
use crate::model::Bridge;

/// Refuses what the translation would have to ignore, in lists within the list too.
pub(crate) fn check_actions(actions: &[Action]) -> Result<(), FlowError> {
    unsupported(actions).map_or(Ok(()), |name| Err(FlowError::Unsupported(name)))
}

/// The first action of a list that the translation does not know.
fn unsupported(actions: &[Action]) -> Option<&'static str> {
    actions.iter().find_map(|action| match action {
        Action::Output(port) if *port != OfPort::CONTROLLER => None,
        Action::Output(_) => Some("controller"),
        Action::OutputTrunc { .. } => Some("output with max_len"),
        Action::Resubmit { ct: true, .. } => Some("resubmit with ct"),
        Action::DecTtl { controllers } if !controllers.is_empty() => Some("dec_ttl with controllers"),
        Action::SetField { field, .. } => is_mpls(*field).then_some("set_field of an MPLS field"),
        Action::Load { target, .. } | Action::Move { target, .. } => {
            is_mpls(target.field).then_some("set_field of an MPLS field")
        }
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

fn is_mpls(field: FieldId) -> bool {
    usize::from(field.field().word) == word::MPLS
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
