//! A whole run: untimed sentences until they hold, then clock 0, events and timed sentences.
//!
//! Whoever drives it calls [`Run::poll`] whenever [`Run::deadline`] has come or a result was given to
//! [`Run::result`], and carries out the orders in their order: events before the probes behind them.

use netloom_flow::Nanos;

use super::probe::{Probe, ProbeResult};
use super::trial::{Outcome, Trial};
use super::{Expectation, Timing};
use crate::error::TextError;
use crate::lab::{Event, Happening, Lab, When};

/// How many untimed probes that measure nothing are in flight at once.
const AT_ONCE: usize = 8;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Let something happen in the lab.
    Event(Happening),
    /// Find something out, and say so to [`Run::result`] under this number.
    Probe(usize, Probe),
}

/// A run of the expectations of a lab.
#[derive(Debug, Clone)]
pub struct Run {
    trials: Vec<Trial>,
    events: Vec<Due>,
    began: Nanos,
    /// Clock 0, once it has struck.
    zero: Option<Nanos>,
    play: bool,
}

#[derive(Debug, Clone)]
struct Due {
    event: Event,
    /// When next, counted from clock 0; `None`: never again.
    next: Option<Nanos>,
}

impl Run {
    /// Puts sentences on trial. `play`: whether clock 0 starts once the untimed ones are decided; without it,
    /// events and timed sentences stay out.
    ///
    /// # Errors
    /// If a sentence is about something the lab does not have; the text of the sentence is in the message.
    pub fn new(lab: &Lab, expectations: &[Expectation], play: bool, now: Nanos) -> Result<Self, TextError> {
        let wanted = expectations.iter().filter(|e| play || e.sentence.timing == Timing::Untimed);
        let mut trials = wanted.map(|e| Trial::new(lab, &e.sentence)).collect::<Result<Vec<_>, _>>()?;
        for trial in trials.iter_mut().filter(|t| t.sentence.timing == Timing::Untimed && !t.measures()) {
            trial.start = Some(now);
        }
        let events = if play { lab.events.clone() } else { Vec::new() };
        let events = events.into_iter().map(|event| {
            let (When::At(next) | When::Every(next)) = event.when;
            Due { event, next: Some(next) }
        });
        Ok(Self { trials, events: events.collect(), began: now, zero: None, play })
    }

    /// What is to be done now.
    pub fn poll(&mut self, now: Nanos) -> Vec<Order> {
        let mut orders = Vec::new();
        self.untimed(now, &mut orders);
        if self.zero.is_none() && self.play && self.untimed_are_decided() {
            self.zero = Some(now);
            for trial in &mut self.trials {
                if let Timing::At(at) | Timing::Between(at, _) = trial.sentence.timing {
                    trial.start = Some(now + at);
                }
            }
        }
        if let Some(zero) = self.zero {
            self.happen(now.since(zero), &mut orders);
            for (i, trial) in
                self.trials.iter_mut().enumerate().filter(|(_, t)| t.sentence.timing != Timing::Untimed)
            {
                orders.extend(trial.ask(now).map(|probe| Order::Probe(i, probe)));
            }
        }
        orders
    }

    /// Gives the answer to a probe.
    pub fn result(&mut self, trial: usize, result: &ProbeResult, now: Nanos) {
        if let Some(trial) = self.trials.get_mut(trial) {
            trial.answer(result, now);
        }
    }

    /// When to poll at the latest; `None`: only a result, or nothing, is waited for.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        if self.finished() {
            return None;
        }
        let trials = self.trials.iter().filter_map(Trial::due);
        let events = self
            .zero
            .into_iter()
            .flat_map(|zero| self.events.iter().filter_map(move |due| due.next.map(|next| zero + next)));
        trials.chain(events).min()
    }

    /// Whether everything is decided, and every event that happens once has happened.
    #[must_use]
    pub fn finished(&self) -> bool {
        let decided = self.trials.iter().all(|t| t.outcome().is_some());
        let once = |due: &Due| matches!(due.event.when, When::At(_)) && due.next.is_some();
        decided && (!self.play || self.zero.is_some() && !self.events.iter().any(once))
    }

    /// Each sentence with what came of it, in the order they were given; `None`: not decided yet.
    pub fn outcomes(&self) -> impl Iterator<Item = (&str, Option<&Outcome>)> {
        self.trials.iter().map(|t| (t.sentence.text.as_str(), t.outcome()))
    }

    /// Whether a sentence measures time or rate.
    #[must_use]
    pub fn measures(&self, trial: usize) -> bool {
        self.trials.get(trial).is_some_and(Trial::measures)
    }

    /// When the run began.
    #[must_use]
    pub const fn began(&self) -> Nanos {
        self.began
    }

    fn untimed_are_decided(&self) -> bool {
        self.trials.iter().all(|t| t.sentence.timing != Timing::Untimed || t.outcome().is_some())
    }

    /// First what measures nothing, several at once; then what measures, one after the other and alone.
    fn untimed(&mut self, now: Nanos, orders: &mut Vec<Order>) {
        let untimed = |t: &&Trial| t.sentence.timing == Timing::Untimed;
        let mut flying = self.trials.iter().filter(untimed).filter(|t| t.probing()).count();
        let quick_ones_left =
            self.trials.iter().filter(untimed).any(|t| !t.measures() && t.outcome().is_none());
        for (i, trial) in self.trials.iter_mut().enumerate() {
            if trial.sentence.timing != Timing::Untimed || trial.outcome().is_some() || trial.probing() {
                continue;
            }
            if trial.measures() {
                if quick_ones_left || flying > 0 {
                    continue;
                }
                trial.start.get_or_insert(now);
            } else if flying >= AT_ONCE {
                continue;
            }
            if let Some(probe) = trial.ask(now) {
                flying += 1;
                orders.push(Order::Probe(i, probe));
            } else if trial.measures() {
                // It pauses between two attempts; nothing else begins meanwhile.
                flying += 1;
            }
        }
    }

    fn happen(&mut self, clock: Nanos, orders: &mut Vec<Order>) {
        let mut due: Vec<_> = Vec::new();
        for (i, entry) in self.events.iter_mut().enumerate() {
            let Some(next) = entry.next.filter(|next| *next <= clock) else { continue };
            due.push((next, i, entry.event.what.clone()));
            entry.next = match entry.event.when {
                When::At(_) => None,
                // What was missed is not made up for.
                When::Every(step) => {
                    Some(next + Nanos(step.0.max(1) * (clock.since(next).0 / step.0.max(1) + 1)))
                }
            };
        }
        due.sort_by_key(|(next, i, _)| (*next, *i));
        orders.extend(due.into_iter().map(|(_, _, what)| Order::Event(what)));
    }
}
