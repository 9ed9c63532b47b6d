//! Whether a node is well: a pure state machine around a command that is asked again and again, with the time handed in.
//!
//! ```text
//!          program starts             a good answer                       `retries` bad answers in a row
//!  (off) ----------------> Starting ----------------> Healthy ------------------------------------> Unhealthy
//!    ^                        |  asked every half second   ^        a good answer                      |
//!    | program ends           +--- as many bad ones -------|--------------------------------------------+
//! ```
//!
//! While a node starts it is asked often, so that others need not wait longer than it takes; a bad answer then counts once
//! an interval only.

/// How a node is asked; times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// From one answer to the next question.
    pub interval: u64,
    /// How long an answer may take.
    pub timeout: u64,
    /// So many bad answers in a row make it unhealthy.
    pub retries: u32,
    /// How long after the start bad answers do not count.
    pub start_period: u64,
}

/// How a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its program does not run.
    Off,
    /// Nobody knows yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Ask it.
    Ask,
    /// The answer takes too long: end the command. Its end is a bad answer.
    GiveUp,
}

/// The health of one node.
#[derive(Debug, Clone)]
pub struct Health {
    rule: Rule,
    verdict: Verdict,
    phase: Phase,
    bad_in_a_row: u32,
    /// From when on the next bad answer counts.
    counts_from: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Off,
    /// Asked at this time.
    Asleep(u64),
    /// Given up at this time.
    Asked(u64),
    /// Given up; the end of the command is awaited.
    GivenUp,
}

impl Health {
    /// Of a node whose program does not run.
    #[must_use]
    pub const fn new(rule: Rule) -> Self {
        Self { rule, verdict: Verdict::Off, phase: Phase::Off, bad_in_a_row: 0, counts_from: 0 }
    }

    /// How it is.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Its program has started.
    pub fn handle_start(&mut self, now: u64) {
        self.verdict = Verdict::Starting;
        self.bad_in_a_row = 0;
        self.counts_from = now.saturating_add(self.rule.start_period.max(self.rule.interval));
        self.phase = Phase::Asleep(now);
    }

    /// Its program has ended.
    pub const fn handle_end(&mut self) {
        self.verdict = Verdict::Off;
        self.phase = Phase::Off;
    }

    /// When [`Health::poll`] has something to say.
    #[must_use]
    pub const fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Asleep(due) | Phase::Asked(due) => Some(due),
            Phase::Off | Phase::GivenUp => None,
        }
    }

    /// What is due at `now`.
    pub fn poll(&mut self, now: u64) -> Due {
        match self.phase {
            Phase::Asleep(due) if due <= now => {
                self.phase = Phase::Asked(now.saturating_add(self.rule.timeout));
                Due::Ask
            }
            Phase::Asked(due) if due <= now => {
                self.phase = Phase::GivenUp;
                Due::GiveUp
            }
            _ => Due::Nothing,
        }
    }

    /// The command has ended, or could not be started.
    pub fn handle_answer(&mut self, good: bool, now: u64) {
        if matches!(self.phase, Phase::Off | Phase::Asleep(_)) {
            return;
        }
        if good && self.phase != Phase::GivenUp {
            self.verdict = Verdict::Healthy;
            self.bad_in_a_row = 0;
        } else if now >= self.counts_from {
            self.counts_from = now.saturating_add(self.pause());
            self.bad_in_a_row = self.bad_in_a_row.saturating_add(1);
            if self.bad_in_a_row >= self.rule.retries {
                self.verdict = Verdict::Unhealthy;
            }
        }
        let pause =
            if self.verdict == Verdict::Starting { self.rule.interval.min(OFTEN) } else { self.pause() };
        self.phase = Phase::Asleep(now.saturating_add(pause));
    }

    const fn pause(&self) -> u64 {
        self.rule.interval
    }
}

/// From one answer to the next question while a node starts, in nanoseconds: 500 ms.
const OFTEN: u64 = 500_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const RULE: Rule = Rule { interval: 10 * S, timeout: 2 * S, retries: 2, start_period: 30 * S };

    fn asked(health: &mut Health, now: u64) {
        assert_eq!(health.deadline(), Some(now));
        assert_eq!(health.poll(now - 1), Due::Nothing);
        assert_eq!(health.poll(now), Due::Ask);
    }

    #[test]
    fn the_first_good_answer_makes_it_healthy_and_then_it_is_left_alone() {
        let mut health = Health::new(RULE);
        health.handle_start(S);
        asked(&mut health, S);
        health.handle_answer(false, S + 1);
        assert_eq!(health.verdict(), Verdict::Starting);
        asked(&mut health, S + 1 + OFTEN);
        health.handle_answer(true, 2 * S);
        assert_eq!(health.verdict(), Verdict::Healthy);
        asked(&mut health, 12 * S);
    }

    #[test]
    fn bad_answers_in_a_row_make_it_unhealthy_and_a_good_one_heals() {
        let mut health = Health::new(Rule { start_period: 0, ..RULE });
        health.handle_start(1);
        asked(&mut health, 1);
        health.handle_answer(true, 2);
        let mut now = 2;
        for bad in 1..=2 {
            now += 10 * S;
            asked(&mut health, now);
            health.handle_answer(false, now);
            let expected = if bad < 2 { Verdict::Healthy } else { Verdict::Unhealthy };
            assert_eq!(health.verdict(), expected);
        }
        asked(&mut health, now + 10 * S);
        health.handle_answer(true, now + 11 * S);
        assert_eq!(health.verdict(), Verdict::Healthy);
    }

    #[test]
    fn while_it_starts_bad_answers_count_once_an_interval_after_the_start_period() {
        let mut health = Health::new(RULE);
        health.handle_start(0);
        let mut verdicts = Vec::new();
        while health.verdict() == Verdict::Starting {
            let now = health.deadline().expect("it is asked");
            assert_eq!(health.poll(now), Due::Ask);
            health.handle_answer(false, now);
            verdicts.push(now);
        }
        assert_eq!(verdicts.last(), Some(&(40 * S)), "30 s do not count, then two that are 10 s apart");
        assert_eq!(verdicts.len(), 81);
    }

    #[test]
    fn who_takes_too_long_has_answered_badly() {
        let mut health = Health::new(Rule { retries: 1, start_period: 0, interval: 1, ..RULE });
        health.handle_start(10);
        asked(&mut health, 10);
        assert_eq!(health.poll(10 + 2 * S), Due::GiveUp);
        assert_eq!(health.deadline(), None);
        health.handle_answer(true, 11 + 2 * S);
        assert_eq!(health.verdict(), Verdict::Unhealthy, "too late is not well");
    }

    #[test]
    fn what_does_not_run_is_not_asked() {
        let mut health = Health::new(RULE);
        health.handle_start(1);
        assert_eq!(health.poll(1), Due::Ask);
        health.handle_end();
        health.handle_answer(true, 2);
        assert_eq!((health.verdict(), health.deadline()), (Verdict::Off, None));
    }
}
