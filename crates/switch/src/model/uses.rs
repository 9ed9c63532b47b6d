//! What action lists refer to.

use netloom_flow::{Action, OfPort};

/// Whether a list has an action with a property, at any depth.
fn any(actions: &[Action], test: &impl Fn(&Action) -> bool) -> bool {
    actions.iter().any(test)
}

/// Whether actions send to a port by its number.
pub(crate) fn uses_port(actions: &[Action], port: OfPort) -> bool {
    any(actions, &|action| match action {
        Action::Output(to) | Action::OutputTrunc { port: to, .. } => *to == port,
        Action::Controller(_) => port == OfPort::CONTROLLER,
        _ => false,
    })
}

/// Whether actions use a group.
pub(crate) fn uses_group(actions: &[Action], group: u32) -> bool {
    any(actions, &|action| matches!(action, Action::Group(id) if *id == group))
}
