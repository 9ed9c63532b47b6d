//! Carries a plan out: validates all of it, then acts phase by phase; on failure what was done is undone in
//! reverse. Whoever owns the host implements [`Executor`].

use crate::lab::Lab;
use crate::plan::{Phase, Plan, Step};

/// Does steps. The daemon's does them to the host; tests record them.
pub trait Executor {
    /// Looks whether a plan can be carried out, and changes nothing: files there, privileges, limits of the host.
    ///
    /// Returns a sentence for every obstacle.
    fn validate(&mut self, plan: &Plan, labs: Labs<'_>) -> Vec<String>;

    /// Does a batch of steps of one phase, which touch different things and may be done in any order or at once.
    /// Calls `progress` whenever more of them are finished, with their number.
    ///
    /// Returns a result for each step, in their order. A step that failed has changed nothing.
    fn run(
        &mut self,
        phase: Phase,
        steps: &[Step],
        labs: Labs<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<(), String>>;
}

/// The two labs of a plan. When steps are undone the two have changed places.
#[derive(Debug, Clone, Copy)]
pub struct Labs<'l> {
    /// What things are in it that the step removes or changes.
    pub from: &'l Lab,
    /// What things are in it that the step adds or changes.
    pub to: &'l Lab,
}

impl Labs<'_> {
    const fn swapped(self) -> Self {
        Self { from: self.to, to: self.from }
    }
}

/// Is told how far things are.
pub trait Progress {
    /// A phase begins with this many steps.
    fn begin(&mut self, phase: Phase, steps: usize);
    /// So many of its steps are done.
    fn advance(&mut self, phase: Phase, done: usize);
    /// A phase ended.
    fn end(&mut self, phase: Phase);
    /// A failure is being undone.
    fn undoing(&mut self, steps: usize);
}

/// Progress that nobody looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: Phase, _: usize) {}
    fn advance(&mut self, _: Phase, _: usize) {}
    fn end(&mut self, _: Phase) {}
    fn undoing(&mut self, _: usize) {}
}

/// Why a plan was not carried out, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The host cannot do it; nothing was changed.
    #[error("It cannot be done here: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// Steps failed; what was done before was undone.
    #[error("{}{}", failures(.failed), aftermath(*.undone, .left))]
    Failed {
        /// Which steps failed, and why.
        failed: Vec<Failure>,
        /// How many steps were undone.
        undone: usize,
        /// What could not be undone.
        left: Vec<Failure>,
    },
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// [`Step::label`].
    pub step: String,
    /// The host's reason.
    pub reason: String,
}

fn failures(failed: &[Failure]) -> String {
    let mut lines: Vec<_> =
        failed.iter().take(5).map(|f| format!("Could not {}: {}", f.step, f.reason)).collect();
    if failed.len() > 5 {
        lines.push(format!("and {} more", failed.len() - 5));
    }
    lines.join("; ")
}

fn aftermath(undone: usize, left: &[Failure]) -> String {
    if left.is_empty() {
        return format!("; {undone} steps were undone");
    }
    format!("; {undone} steps were undone, {} could not be: {}", left.len(), failures(left))
}

/// Carries a plan out.
///
/// # Errors
/// What the host cannot do, before anything is done; or what failed, after everything was undone that could be.
pub fn apply(
    plan: &Plan,
    from: &Lab,
    to: &Lab,
    executor: &mut dyn Executor,
    progress: &mut dyn Progress,
) -> Result<(), ApplyError> {
    let labs = Labs { from, to };
    let obstacles = executor.validate(plan, labs);
    if !obstacles.is_empty() {
        return Err(ApplyError::Invalid(obstacles));
    }
    let mut done: Vec<&Step> = Vec::new();
    for (phase, steps) in plan.phases() {
        progress.begin(phase, steps.len());
        let results = executor.run(phase, steps, labs, &mut |count| progress.advance(phase, count));
        progress.end(phase);
        let failed = sort_out(steps, results, &mut done);
        if !failed.is_empty() {
            progress.undoing(done.len());
            let (undone, left) = undo(&done, labs.swapped(), executor);
            return Err(ApplyError::Failed { failed, undone, left });
        }
    }
    Ok(())
}

/// Splits a batch into what was done and what failed; a missing result is a failure.
fn sort_out<'s>(
    steps: &'s [Step],
    results: Vec<Result<(), String>>,
    done: &mut Vec<&'s Step>,
) -> Vec<Failure> {
    let missing = std::iter::repeat_with(|| Err("no result".to_owned()));
    let mut failed = Vec::new();
    for (step, result) in steps.iter().zip(results.into_iter().chain(missing)) {
        match result {
            Ok(()) => done.push(step),
            Err(reason) => failed.push(Failure { step: step.label(), reason }),
        }
    }
    failed
}

/// Undoes steps, the last first, in batches of one phase.
fn undo(done: &[&Step], labs: Labs<'_>, executor: &mut dyn Executor) -> (usize, Vec<Failure>) {
    let mut left = Vec::new();
    let mut reversed = Vec::new();
    for step in done.iter().rev() {
        match step.action.undo() {
            Some(action) => reversed.push(Step { action, detail: step.detail.clone() }),
            None => left.push(Failure { step: step.label(), reason: "there is no way back".to_owned() }),
        }
    }
    let mut undone = Vec::new();
    for steps in reversed.chunk_by(|a, b| a.action.phase() == b.action.phase()) {
        let Some(first) = steps.first() else { continue };
        let results = executor.run(first.action.phase(), steps, labs, &mut |_| {});
        left.extend(sort_out(steps, results, &mut undone));
    }
    (undone.len(), left)
}
