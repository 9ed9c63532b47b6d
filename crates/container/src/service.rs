//! When a `run:` process is started again: a pure state machine, with the time handed in.
//!
//! ```text
//!            start                    ended, policy says again          delay over
//!  Waiting ---------> Running ------------------------------> Waiting ------------> (start)
//!                        |
//!                        | ended, policy says no, or stopped
//!                        v
//!                     Finished
//! ```
//!
//! The delay doubles from [`FIRST_DELAY`] to [`LAST_DELAY`] with every end in a row, and starts over once a process has run
//! for [`STABLE`]: a service that cannot start costs next to nothing, one that fails once a day is back at once.

use serde::{Deserialize, Serialize};

use crate::protocol::Ending;

/// When to start again (`restart:` of the lab file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never: the process does its work once.
    #[default]
    No,
    /// After an exit code other than 0, a signal, or a failed start.
    OnFailure,
    /// After any end.
    Always,
}

/// How a run of a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The program ran and ended.
    Ended(Ending),
    /// It could not be started; the exit code a shell would show.
    NotStarted(i32),
}

impl Outcome {
    /// Whether all went well.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Ended(Ending::Code(0)))
    }

    /// Whether starting again could only fail the same way: no such program.
    const fn is_hopeless(self) -> bool {
        matches!(self, Self::NotStarted(126 | 127))
    }
}

/// Where a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// To be started at this time, in nanoseconds of the caller's clock.
    Waiting(u64),
    /// Started at this time.
    Running(u64),
    /// Not to be started again.
    Finished,
}

/// One `run:` of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    policy: Restart,
    state: State,
    /// Ends in a row that did not run long enough to count as stable.
    in_a_row: u32,
    starts: u64,
    last: Option<Outcome>,
    stopping: bool,
}

impl Service {
    /// A service to be started at once.
    #[must_use]
    pub const fn new(policy: Restart, now: u64) -> Self {
        Self { policy, state: State::Waiting(now), in_a_row: 0, starts: 0, last: None, stopping: false }
    }

    /// Where it is.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// How often it was started.
    #[must_use]
    pub const fn starts(&self) -> u64 {
        self.starts
    }

    /// How its last run ended.
    #[must_use]
    pub const fn last(&self) -> Option<Outcome> {
        self.last
    }

    /// When [`Service::poll`] will say yes.
    #[must_use]
    pub const fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Waiting(due) => Some(due),
            State::Running(_) | State::Finished => None,
        }
    }

    /// Whether to start it now; if so it counts as running.
    pub fn poll(&mut self, now: u64) -> bool {
        let State::Waiting(due) = self.state else { return false };
        if now < due {
            return false;
        }
        self.state = State::Running(now);
        self.starts += 1;
        true
    }

    /// The run has ended, or its start has failed.
    pub fn handle_end(&mut self, outcome: Outcome, now: u64) {
        let State::Running(since) = self.state else { return };
        self.last = Some(outcome);
        let again = match self.policy {
            Restart::No => false,
            Restart::OnFailure => !outcome.is_success(),
            Restart::Always => true,
        };
        if self.stopping || !again || outcome.is_hopeless() {
            self.state = State::Finished;
            return;
        }
        if now.saturating_sub(since) >= STABLE {
            self.in_a_row = 0;
        }
        self.state = State::Waiting(now.saturating_add(delay(self.in_a_row)));
        self.in_a_row = self.in_a_row.saturating_add(1);
    }

    /// It is not to be started again. Whether it has to be ended first: then its end is still to be handed in.
    pub const fn stop(&mut self) -> bool {
        self.stopping = true;
        if matches!(self.state, State::Running(_)) {
            return true;
        }
        self.state = State::Finished;
        false
    }

    /// It is to be started again at once, by a person: after a stop, an end, or in the middle of a delay. While it runs, end
    /// it first.
    pub const fn start(&mut self, now: u64) {
        self.stopping = false;
        self.in_a_row = 0;
        if !matches!(self.state, State::Running(_)) {
            self.state = State::Waiting(now);
        }
    }
}

/// Nanoseconds before the start after `in_a_row` earlier ends in a row.
const fn delay(in_a_row: u32) -> u64 {
    let doublings = if in_a_row < 20 { in_a_row } else { 20 };
    let delay = FIRST_DELAY << doublings;
    if delay < LAST_DELAY { delay } else { LAST_DELAY }
}

/// The first delay, in nanoseconds: 100 ms.
pub const FIRST_DELAY: u64 = 100_000_000;
/// The longest delay, in nanoseconds: 30 s.
pub const LAST_DELAY: u64 = 30_000_000_000;
/// How long a run must last for the delays to start over, in nanoseconds: 10 s.
pub const STABLE: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Outcome = Outcome::Ended(Ending::Code(0));
    const BAD: Outcome = Outcome::Ended(Ending::Code(1));

    fn running(policy: Restart) -> Service {
        let mut service = Service::new(policy, 0);
        assert!(service.poll(0));
        assert!(!service.poll(0), "it is started once");
        service
    }

    #[test]
    fn the_policy_decides() {
        let killed = Outcome::Ended(Ending::Signal(9));
        for (policy, outcome, again) in [
            (Restart::No, BAD, false),
            (Restart::OnFailure, GOOD, false),
            (Restart::OnFailure, BAD, true),
            (Restart::OnFailure, killed, true),
            (Restart::Always, GOOD, true),
            (Restart::Always, killed, true),
            (Restart::Always, Outcome::NotStarted(125), true),
            (Restart::Always, Outcome::NotStarted(127), false),
        ] {
            let mut service = running(policy);
            service.handle_end(outcome, 5);
            assert_eq!(service.deadline().is_some(), again, "{policy:?} after {outcome:?}");
            assert_eq!(service.last(), Some(outcome));
        }
    }

    #[test]
    fn delays_double_up_to_a_limit() {
        let mut service = running(Restart::Always);
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..12 {
            service.handle_end(BAD, now);
            let due = service.deadline().expect("again");
            delays.push((due - now) / 1_000_000);
            assert!(!service.poll(due - 1));
            assert!(service.poll(due));
            now = due;
        }
        assert_eq!(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000, 30000]);
        assert_eq!(service.starts(), 13);
    }

    #[test]
    fn a_long_run_starts_the_delays_over() {
        let mut service = running(Restart::Always);
        service.handle_end(BAD, 0);
        assert!(service.poll(FIRST_DELAY));
        service.handle_end(BAD, FIRST_DELAY + STABLE);
        assert_eq!(service.deadline(), Some(FIRST_DELAY + STABLE + FIRST_DELAY));
    }

    #[test]
    fn stop_is_final_until_a_person_starts_it_again() {
        let mut service = running(Restart::Always);
        assert!(service.stop(), "it runs");
        service.handle_end(BAD, 1);
        assert_eq!(service.state(), State::Finished);
        service.start(2);
        assert!(service.poll(2));

        let mut waiting = running(Restart::Always);
        waiting.handle_end(BAD, 0);
        assert!(!waiting.stop(), "nothing to end");
        assert!(!waiting.poll(u64::MAX));
    }

    #[test]
    fn an_end_that_was_not_expected_changes_nothing() {
        let mut service = Service::new(Restart::No, 0);
        service.handle_end(BAD, 0);
        assert_eq!(service.state(), State::Waiting(0));
    }
}
