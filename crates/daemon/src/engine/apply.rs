//! Making the lab be what a file says: plan, carry out, and take over what came of it.
//!
//! What is shown by `plan` is what is done here: both come from [`netloom_lab::plan`].

use std::sync::Arc;

use netloom_api::{ApiError, Applied, ErrorKind, PlanStep, Progress, Wanted};
use netloom_lab::Lab;
use netloom_lab::apply::{ApplyError, Progress as Report};
use netloom_lab::lab::Node;
use netloom_lab::limits::Limits;
use netloom_lab::plan::{Drifted, Phase, Plan, Present, PresentLink};

use super::execute::{Execution, Target};
use super::hints::refused;
use super::interfaces::Interfaces;
use super::moving::take_down;
use super::running::{Running, State};
use crate::{Sink, slowpath};

impl Running {
    /// Makes the lab be `lab`. `reset` also undoes what was changed by hand.
    ///
    /// # Errors
    /// What the host or the switch model refused; everything is as it was.
    pub(super) fn apply(
        &self,
        lab: Lab,
        wanted: Wanted,
        reset: bool,
        sink: &Sink,
    ) -> Result<Applied, ApiError> {
        let begin = netloom_sys::clock::now();
        let core = self
            .core_for(&lab)
            .map_err(|e| refused(ErrorKind::Machine, "Cannot start the lab's threads.", &e))?;
        let before = Arc::clone(&self.state().lab);
        // While images come everything else goes on. Only `up` changes the lab, and there is one at a time.
        Interfaces::prepare(&lab, &before)?;
        self.machines.prepare(&lab, &before, sink)?;
        let mut fresh = self.programs.containers().prepare(&lab, &before, sink)?;
        let prepared = self.programs.groups().prepare(&lab, &before)?;
        let seats = self.functions.prepare(&lab, &before, self.rootless)?;
        let published = match self.published.prepare(&lab, &self.outside) {
            Ok(published) => published,
            Err(error) => {
                self.functions.release(seats);
                return Err(error);
            }
        };
        let mut state = self.state();
        let plan = self.difference(&state, &lab, reset);
        let from = Arc::clone(&state.lab);
        let drifted = if reset { Drifted::Reset } else { Drifted::Keep };
        let by_hand = state.by_hand.kept(&from, &lab, drifted);
        let to = Target::new(self, &state.ports, (Arc::new(lab), by_hand), &seats.absent);
        let mut phases = Phases { sink, begun: begin };
        let mut execution = Execution::new(self, core, &mut state, to, sink);
        let lab = execution.lab();
        let done = netloom_lab::apply::apply(&plan, &from, &lab, &mut execution, &mut phases);
        if let Err(error) = done {
            self.published.put_back(published, &self.outside);
            let failure = execution.into_failure();
            self.functions.release(seats);
            return Err(failed(error, failure, sink));
        }
        execution.commit();
        prepared.keep();
        take_down(core, &mut state);
        state.wanted = wanted;
        let mut notes = std::mem::take(&mut fresh.notes);
        notes.extend(seats.notes);
        notes.extend(self.published.adopt(published, &self.outside, &state));
        let former = self.programs.containers().adopt(fresh, &state.lab);
        notes.extend(self.programs.run_controllers(&from, &state, &self.ports));
        notes.extend(self.programs.update(&from, &state, &former));
        notes.extend(self.machines.update(&state, self.programs.containers(), &self.functions));
        drop(former);
        notes.extend(self.doors.update(core, &self.home, &self.ledger, &state.lab));
        notes.extend(self.rows.update(core, &self.home, &self.ledger, &state.present_lab()));
        notes.extend(self.limits_not_kept(&state));
        self.control(core, &state);
        let count = |sign| plan.rows().filter(|row| row.sign == sign && is_thing(row.kind)).count() as u64;
        let mut applied = Applied {
            created: count('+'),
            changed: count('~'),
            removed: count('-'),
            drift: if reset { Vec::new() } else { drift(&plan) },
            lab: self.lab_row(&state),
            ms: milliseconds(begin),
            notes,
            ..Applied::default()
        };
        // Whoever gave a switch other controllers waits for them himself.
        let by_hand: Vec<String> = state.by_hand.controls.iter().map(|it| it.switch.clone()).collect();
        drop(state);
        // Packets and questions go on meanwhile.
        applied.notes.extend(self.await_controllers(core, (&lab, &by_hand), sink));
        applied.ms = milliseconds(begin);
        Ok(applied)
    }

    /// What to do to get from what runs to `wanted`.
    pub(super) fn difference(&self, state: &State, wanted: &Lab, reset: bool) -> Plan {
        let links = state.drift.iter().map(|(link, [forth, back])| PresentLink {
            link: link.clone(),
            forth: forth.clone(),
            back: back.clone(),
        });
        let limits = self.limits_by_hand(state);
        let present = Present {
            links: links.collect(),
            limits,
            vlans: state.by_hand.vlans.clone(),
            controls: state.by_hand.controls.clone(),
            flows: self.flow_drift(state, wanted),
        };
        let drifted = if reset { Drifted::Reset } else { Drifted::Keep };
        // The datapath of an empty lab is not configured yet: its settings are no change.
        let applied = (!state.wanted.path.is_empty()).then_some(&*state.lab);
        netloom_lab::plan::plan(applied, wanted, &present, drifted)
    }

    /// Limits that the machine does not keep, where the file says that it need not.
    fn limits_not_kept(&self, state: &State) -> Vec<String> {
        let groups = self.programs.groups();
        let node = |node: &Node| (node.name.clone(), groups.lacking(&node.name));
        let tenant = |tenant: &netloom_lab::lab::Tenant| {
            (format!("tenant {}", tenant.name), groups.tenant_lacking(&tenant.name))
        };
        let all = state.lab.tenants.iter().map(tenant).chain(state.lab.nodes.iter().map(node));
        let words = all.flat_map(|(name, why)| why.into_iter().map(move |why| (name.clone(), why)));
        words.map(|(name, why)| format!("{name} is not kept to {why}")).collect()
    }

    /// Nodes whose limits are not those of the file, with what they are.
    pub(super) fn limits_by_hand(&self, state: &State) -> Vec<(String, Limits)> {
        let now = |node: &Node| Some((node.name.clone(), self.programs.groups().now(&node.name)?));
        let differs = |(name, now): &(String, Limits)| {
            state.lab.node(name).is_some_and(|node| node.limits.list() != now.list())
        };
        state.lab.nodes.iter().filter_map(now).filter(differs).collect()
    }

    /// Switches that stay and whose flows were changed by hand, and how.
    fn flow_drift(&self, state: &State, wanted: &Lab) -> Vec<(String, String)> {
        let Some(core) = self.core() else { return Vec::new() };
        let model = slowpath::read(core.switch());
        let stays = state.lab.switches.iter().filter(|switch| wanted.switch(&switch.name).is_some());
        let drift = stays.filter_map(|switch| {
            let flows = model.flow_drift(&switch.name);
            let words: Vec<_> = flows.iter().map(ToString::to_string).collect();
            (!words.is_empty()).then(|| (switch.name.clone(), words.join(", ")))
        });
        drift.collect()
    }
}

/// What a plan says was changed by hand.
pub(super) fn drift(plan: &Plan) -> Vec<PlanStep> {
    let step = |drift: &netloom_lab::plan::Drift| PlanStep {
        sign: '!',
        kind: drift.kind.clone(),
        name: drift.name.clone(),
        detail: drift.detail.clone(),
    };
    plan.drift.iter().map(step).collect()
}

/// Whether a user counts it among the objects of a lab.
fn is_thing(kind: &str) -> bool {
    matches!(kind, "node" | "limits" | "switch" | "port" | "link" | "run" | "flows" | "controller")
}

/// Why a plan was not carried out, for the user.
fn failed(error: ApplyError, cause: Option<ApiError>, sink: &Sink) -> ApiError {
    match error {
        ApplyError::Invalid(obstacles) => {
            ApiError::new(ErrorKind::Unsupported, obstacles.join(" ")).hint("netloom down, then netloom up")
        }
        ApplyError::Failed { undone, left, .. } if sink.is_cancelled() => {
            let error = ApiError::new(ErrorKind::Cancelled, "Stopped before it was done.");
            with_aftermath(error, undone, &left)
        }
        ApplyError::Failed { ref failed, undone, ref left } => {
            let text =
                || failed.iter().map(|f| format!("Could not {}: {}", f.step, f.reason)).collect::<Vec<_>>();
            let error =
                cause.unwrap_or_else(|| ApiError::new(ErrorKind::Failed, format!("{}.", text().join("; "))));
            with_aftermath(error, undone, left)
        }
    }
}

fn with_aftermath(mut error: ApiError, undone: usize, left: &[netloom_lab::apply::Failure]) -> ApiError {
    error.detail.undone.push(match undone {
        0 => "nothing was changed".to_owned(),
        1 => "the one step that was done".to_owned(),
        n => format!("all {n} steps that were done"),
    });
    error.detail.left.extend(left.iter().map(|left| format!("{}: {}", left.step, left.reason)));
    error
}

fn milliseconds(begin: u64) -> f64 {
    netloom_flow::Nanos(netloom_sys::clock::now().saturating_sub(begin)).as_secs_f64() * 1e3
}

/// Tells the one who waits how far things are. Items are told by whoever makes them.
struct Phases<'a> {
    sink: &'a Sink,
    begun: u64,
}

impl Report for Phases<'_> {
    fn begin(&mut self, phase: Phase, steps: usize) {
        self.begun = netloom_sys::clock::now();
        self.sink.send(Progress::Phase { phase: phase.label().to_owned(), total: steps as u64 });
    }

    fn advance(&mut self, phase: Phase, done: usize) {
        let phase = phase.label().to_owned();
        self.sink.send(Progress::Item { phase, done: done as u64, item: String::new() });
    }

    fn end(&mut self, phase: Phase) {
        tracing::debug!(phase = phase.label(), ms = milliseconds(self.begun), "phase");
    }

    fn undoing(&mut self, steps: usize) {
        self.sink.send(Progress::Phase { phase: "undo".to_owned(), total: steps as u64 });
    }
}
