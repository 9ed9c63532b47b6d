//! What action lists refer to.

use netloom_flow::Action;

/// Whether a list has an action with a property, at any depth.
fn any(actions: &[Action], test: &impl Fn(&Action) -> bool) -> bool {
    actions.iter().any(|action| test(action) || any(action.nested(), test))
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
