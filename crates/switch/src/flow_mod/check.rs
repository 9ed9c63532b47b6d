//! What a flow may ask for.

use netloom_flow::action::Encap;
use netloom_flow::{Action, FieldId, FlowText, OfPort, TableId};

use super::FlowError;
use crate::model::{Bridge, Group, each_action};
use crate::tables::Known;
use crate::translate::has_room;

/// Refuses what the translation would have to ignore, and references to what is not there.
pub(crate) fn check_flow(bridge: Option<&Bridge>, flow: &FlowText) -> Result<(), FlowError> {
    check_matches(flow)?;
    check_actions(bridge, &flow.actions)?;
    check_goto(flow)?;
    match bridge.and_then(|bridge| bridge.first_egress) {
        Some(first) => check_stage(first, flow),
        None => Ok(()),
    }
}

/// The same for a flow of a configuration, with the groups and meters that are written there.
pub(crate) fn check_configured(known: &Known, flow: &FlowText) -> Result<(), FlowError> {
    check_matches(flow)?;
    check_listed(known, &flow.actions)?;
    check_goto(flow)
}

/// The numbers of recirculation are the switch's own.
fn check_matches(flow: &FlowText) -> Result<(), FlowError> {
    match flow.matches.field(FieldId::RecircId) {
        (_, 0) => Ok(()),
        _ => Err(FlowError::Hidden("recirc_id")),
    }
}

fn check_goto(flow: &FlowText) -> Result<(), FlowError> {
    let goes_back = |action: &Action| matches!(action, Action::GotoTable(next) if *next <= flow.table);
    match flow.actions.iter().find(|action| goes_back(action)) {
        Some(Action::GotoTable(TableId(next))) => Err(FlowError::BadGoto(*next)),
        _ => Ok(()),
    }
}

/// Ingress and egress are apart: no flow leads from the one to the other, and what leaves by a port leaves by that.
pub(crate) fn check_stage(first: TableId, flow: &FlowText) -> Result<(), FlowError> {
    let is_egress = flow.table >= first;
    for action in &*flow.actions {
        match action {
            Action::GotoTable(next) if !is_egress && *next >= first => {
                return Err(FlowError::GotoEgress(next.0));
            }
            Action::WriteActions(set) if is_egress && set.iter().any(sends) => {
                return Err(FlowError::EgressOutput(flow.table.0));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an action of a set decides where the packet goes.
const fn sends(action: &Action) -> bool {
    matches!(
        action,
        Action::Output(_)
            | Action::OutputMax { .. }
            | Action::OutputReg { .. }
            | Action::OutputTrunc { .. }
            | Action::Controller(_)
            | Action::Group(_)
            | Action::Bundle(_)
            | Action::Resubmit { .. }
            | Action::Ct(_)
    )
}

/// The same for a list that is in no flow: a bucket, or a packet-out.
pub(crate) fn check_actions(bridge: Option<&Bridge>, actions: &[Action]) -> Result<(), FlowError> {
    let has_group = |id| bridge.is_some_and(|bridge| bridge.groups.contains_key(&id));
    let has_meter = |id| bridge.is_some_and(|bridge| bridge.meters.contains_key(&id));
    check_all(&has_group, &has_meter, actions)
}

/// The same for a bucket: as in OVS, a group that it names may come later.
pub(crate) fn check_bucket(bridge: &Bridge, actions: &[Action]) -> Result<(), FlowError> {
    check_all(&|_| true, &|id| bridge.meters.contains_key(&id), actions)
}

/// The same with groups and meters that are not there yet.
pub(crate) fn check_listed(known: &Known, actions: &[Action]) -> Result<(), FlowError> {
    check_all(&|id| known.groups.contains(&id), &|id| known.meters.contains(&id), actions)
}

fn check_all(
    has_group: &dyn Fn(u32) -> bool,
    has_meter: &dyn Fn(u32) -> bool,
    actions: &[Action],
) -> Result<(), FlowError> {
    let mut result = Ok(());
    each_action(actions, &mut |action| {
        if result.is_ok() {
            result = check(has_group, has_meter, action);
        }
    });
    result
}

fn check(
    has_group: &dyn Fn(u32) -> bool,
    has_meter: &dyn Fn(u32) -> bool,
    action: &Action,
) -> Result<(), FlowError> {
    if let Some(name) = unsupported(action) {
        return Err(FlowError::Unsupported(name));
    }
    match action {
        Action::Group(id) if *id > Group::MAX || !has_group(*id) => Err(FlowError::UnknownGroup(*id)),
        Action::Meter(id) if !has_meter(*id) => Err(FlowError::UnknownMeter(*id)),
        Action::Output(OfPort(0))
        | Action::OutputMax { port: OfPort(0), .. }
        | Action::OutputTrunc { port: OfPort(0), .. } => Err(FlowError::BadPort(0)),
        Action::Output(OfPort(port)) | Action::OutputMax { port: OfPort(port), .. }
            if is_unknown_reserved(*port) =>
        {
            Err(FlowError::BadPort(*port))
        }
        Action::WriteActions(list) if list.iter().any(|action| !is_settable(action)) => {
            Err(FlowError::Unsupported("write_actions of such an action"))
        }
        Action::Conjunction { clause, n_clauses, .. } if clause >= n_clauses || *n_clauses > 64 => {
            Err(FlowError::Unsupported("conjunction of so many clauses"))
        }
        _ => Ok(()),
    }
}

/// Numbers above those of ordinary ports that stand for nothing one can send to.
fn is_unknown_reserved(port: u32) -> bool {
    port >= OfPort::MAX.0 && !(OfPort::IN_PORT.0..=OfPort::LOCAL.0).contains(&port) && port != OfPort::NONE.0
}

/// Whether an action may be in an action set. Source: `ofpact_is_allowed_in_actions_set` of OVS.
const fn is_settable(action: &Action) -> bool {
    !matches!(
        action,
        Action::WriteActions(_)
            | Action::ClearActions
            | Action::GotoTable(_)
            | Action::WriteMetadata { .. }
            | Action::Meter(_)
            | Action::StatTrigger(_)
            | Action::Exit
            | Action::Learn(_)
            | Action::Conjunction { .. }
            | Action::FinTimeout { .. }
            | Action::Multipath(_)
            | Action::StackPush(_)
            | Action::StackPop(_)
            | Action::Clone(_)
            | Action::CheckPktLarger { .. }
    )
}

/// What a field belongs to, if no datapath can write it.
pub(crate) fn unwritable(field: FieldId) -> Option<&'static str> {
    let is_unwritable = matches!(field, FieldId::NdReserved | FieldId::NdOptionsType);
    is_unwritable.then_some("set_field of nd_reserved or nd_options_type")
}

/// The name of an action that is understood but not carried out.
fn unsupported(action: &Action) -> Option<&'static str> {
    if let Some(name) = action.writes().and_then(unwritable) {
        return Some(name);
    }
    match action {
        Action::Encap(Encap::Nsh { md_type, tlvs }) if !has_room(*md_type, tlvs) => {
            Some("encap(nsh) with more than 40 bytes of metadata")
        }
        _ => None,
    }
}

/// Refuses a flow that matches some of the packets of another one with the same priority. The one it replaces is none.
pub(super) fn check_overlap(bridge: &Bridge, flow: &FlowText) -> Result<(), FlowError> {
    let Some(table) = bridge.tables.get(&flow.table) else { return Ok(()) };
    if table.rules.get(&flow.matches, u32::from(flow.priority)).is_some() {
        return Ok(());
    }
    match table.rules.overlapping(&flow.matches, u32::from(flow.priority)) {
        Some(other) => Err(FlowError::Overlap(other.flow.to_string())),
        None => Ok(()),
    }
}
