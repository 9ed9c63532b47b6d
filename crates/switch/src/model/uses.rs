//! What action lists refer to.

use netloom_flow::{Action, OfPort};

/// Whether a list has an action with a property, at any depth.
fn any(actions: &[Action], test: &impl Fn(&Action) -> bool) -> bool {
    actions.iter().any(|action| test(action) || any(action.nested(), test))
}

/// Whether actions send to a port by its number.
pub(crate) fn uses_port(actions: &[Action], port: OfPort) -> bool {
    any(actions, &|action| match action {
        Action::Output(to) | Action::OutputTrunc { port: to, .. } | Action::Enqueue { port: to, .. } => {
            *to == port
        }
        Action::Controller(_) => port == OfPort::CONTROLLER,
        _ => false,
    })
}

/// Whether actions use a group.
pub(crate) fn uses_group(actions: &[Action], group: u32) -> bool {
    any(actions, &|action| matches!(action, Action::Group(id) if *id == group))
}

/// Whether actions use a meter.
pub(crate) fn uses_meter(actions: &[Action], meter: u32) -> bool {
    any(actions, &|action| match action {
        Action::Meter(id) => *id == meter,
        Action::Controller(controller) => controller.meter_id == meter,
        _ => false,
    })
}

/// Calls `visit` for every action of a list, at any depth.
pub(crate) fn each_action<'a>(actions: &'a [Action], visit: &mut dyn FnMut(&'a Action)) {
    for action in actions {
        visit(action);
        each_action(action.nested(), visit);
    }
}
