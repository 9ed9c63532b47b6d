//! What `up` would do, as a list.

use netloom_api::{PlanReply, PlanStep};
use netloom_lab::Lab;
use netloom_lab::plan::{Action, Drifted, Plan, Present};

use crate::engine::Running;
use crate::engine::apply::drift;
use crate::engine::limits::lacking_here;
use crate::engine::{functions, interfaces};

impl Running {
    /// The difference between what runs and `wanted`.
    pub(super) fn plan_to(&self, wanted: &Lab, reset: bool) -> PlanReply {
        shown(&self.difference(&self.state(), wanted, reset), wanted)
    }
}

/// What `up` would make of a lab where nothing is.
#[must_use]
pub fn plan_from_nothing(wanted: &Lab) -> PlanReply {
    shown(&netloom_lab::plan::plan(None, wanted, &Present::default(), Drifted::Keep), wanted)
}

fn shown(plan: &Plan, wanted: &Lab) -> PlanReply {
    let step = |row: netloom_lab::plan::Row<'_>| PlanStep {
        sign: row.sign,
        kind: row.kind.to_owned(),
        name: row.name.to_owned(),
        detail: row.detail.to_owned(),
    };
    let mut notes = Vec::new();
    for step in &plan.steps {
        if let Action::AddNode(name) = &step.action
            && wanted.node(name).is_some_and(|node| node.privileged)
        {
            notes.push(format!("{name} is privileged: its programs may do whatever the user of the lab may"));
        }
    }
    notes.extend(lacking_here(wanted));
    notes.extend(interfaces::lacking_here(wanted));
    notes.extend(functions::said_here(wanted));
    notes.extend(netloom_lab::tunnel::warnings(wanted));
    PlanReply { steps: plan.rows().map(step).collect(), drift: drift(plan), notes }
}
