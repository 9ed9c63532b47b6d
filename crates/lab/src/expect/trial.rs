//! One sentence on trial: when it asks, when it asks again, and when it is decided.

use netloom_flow::Nanos;

use super::judge::{Judged, judge, show_time};
use super::probe::{MeasureProbe, Probe, ProbeKind, ProbeResult, ReachProbe};
use super::{Check, Measured, ReachCheck, Sentence, Timing};
use crate::address::Family;
use crate::error::TextError;
use crate::lab::Lab;

/// The first pause before another attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Nanos = Nanos::from_millis(20);
const LONGEST_PAUSE: Nanos = Nanos::from_millis(500);
/// How long a command may take if nothing is said.
const COMMAND_TIMEOUT: Nanos = Nanos::from_secs(60);

/// What came of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// It does not, or nobody can tell.
    Fails,
    /// It holds by the numbers, but they were measured on links that were not faithful.
    NotTrusted,
}

/// What came of a sentence, and how it is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict.
    pub verdict: Verdict,
    /// The right column of the report.
    pub measured: String,
    /// Lines that explain a failure: what was sent, what arrived, the last hop, the reason of the drop.
    pub explain: Vec<String>,
    /// From its first attempt to the decision.
    pub took: Nanos,
    /// Of a failure: a packet that got lost, or that should have been.
    pub culprit: Option<Culprit>,
}

/// A packet that did not fare as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Culprit {
    /// Who sent it.
    pub from: String,
    /// Whom it was for.
    pub to: String,
    /// What it was.
    pub kind: ProbeKind,
    /// Over which family.
    pub family: Family,
    /// Whether it arrived.
    pub arrived: bool,
}

/// A sentence on trial.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) sentence: Sentence,
    from: Vec<String>,
    to: Vec<String>,
    isolation: bool,
    /// When it may begin; `None`: its time is not known yet.
    pub(super) start: Option<Nanos>,
    /// When it must hold, counted from `start`.
    patience: Nanos,
    state: State,
    pause: Nanos,
    failing: Vec<(u32, u32)>,
    first: Option<Nanos>,
    attempts: u32,
    /// Entries of the first result.
    total: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Waiting(Nanos),
    Probing,
    Done(Outcome),
}

impl Trial {
    /// Puts a sentence on trial in a lab.
    pub(super) fn new(lab: &Lab, sentence: &Sentence) -> Result<Self, TextError> {
        let names =
            |nodes: Vec<&crate::lab::Node>| nodes.into_iter().map(|n| n.name.clone()).collect::<Vec<_>>();
        let (mut from, mut to, mut isolation) = (Vec::new(), Vec::new(), false);
        match &sentence.check {
            Check::Reach(ReachCheck { from: a, to: b, can, named, .. }) => {
                let (a, b) = (a.stations(lab)?, b.stations(lab)?);
                let apart = a.iter().any(|x| b.iter().any(|y| x.tenant != y.tenant));
                isolation = !can && !named && apart;
                (from, to) = (names(a), names(b));
            }
            Check::Measure(measure) => {
                (from, to) = (names(measure.from.stations(lab)?), names(measure.to.stations(lab)?));
                if from.len() != 1 || to.len() != 1 {
                    return Err(TextError::new(format!(
                        "`{}` measures between more than two nodes",
                        sentence.text
                    ))
                    .hint("name one node on each side"));
                }
            }
            Check::NoLoops | Check::Command(_) => {}
        }
        let patience = match (sentence.timing, sentence.within) {
            (_, Some(within)) => within,
            (Timing::Untimed, None) => lab.options.settle,
            (_, None) => Nanos::ZERO,
        };
        Ok(Self {
            sentence: sentence.clone(),
            from,
            to,
            isolation,
            start: None,
            patience,
            state: State::Waiting(Nanos::ZERO),
            pause: FIRST_PAUSE,
            failing: Vec::new(),
            first: None,
            attempts: 0,
            total: 0,
        })
    }

    /// Whether it measures time or rate, so that unfaithful links matter and others must not disturb it.
    pub(super) fn measures(&self) -> bool {
        match &self.sentence.check {
            Check::Measure(_) => true,
            Check::Reach(reach) => reach.rtt.is_some() || reach.loss.is_some(),
            Check::NoLoops | Check::Command(_) => false,
        }
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        if let State::Done(outcome) = &self.state { Some(outcome) } else { None }
    }

    pub(super) fn probing(&self) -> bool {
        self.state == State::Probing
    }

    /// When it wants to ask next.
    pub(super) fn due(&self) -> Option<Nanos> {
        match self.state {
            State::Waiting(at) => self.start.map(|start| at.max(start)),
            _ => None,
        }
    }

    /// The question, if it is time for one.
    pub(super) fn ask(&mut self, now: Nanos) -> Option<Probe> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.state = State::Probing;
        self.first.get_or_insert(now);
        self.attempts += 1;
        Some(self.probe())
    }

    fn probe(&self) -> Probe {
        match &self.sentence.check {
            Check::Reach(check) => Probe::Reach(self.reach_probe(check)),
            Check::Measure(check) => Probe::Measure(MeasureProbe {
                what: check.what,
                from: self.from.first().cloned().unwrap_or_default(),
                to: self.to.first().cloned().unwrap_or_default(),
                udp: check.udp,
                offer: (check.udp && check.what == Measured::Throughput)
                    .then(|| check.bound.bound().saturating_add(check.bound.bound() / 10)),
                duration: check.duration,
            }),
            Check::NoLoops => Probe::Loops,
            Check::Command(check) => Probe::Command {
                node: check.node.clone(),
                command: check.command.clone(),
                timeout: if self.patience > Nanos::ZERO {
                    self.patience.max(Nanos::from_secs(1))
                } else {
                    COMMAND_TIMEOUT
                },
            },
        }
    }

    fn reach_probe(&self, check: &ReachCheck) -> ReachProbe {
        let kinds = if self.isolation {
            // Ports that are as good as any: a firewall would be told apart by the protocol, not by them.
            vec![ProbeKind::Icmp, ProbeKind::Tcp(80), ProbeKind::Udp(53), ProbeKind::Broadcast]
        } else {
            vec![check.protocol.into()]
        };
        let packets = match (check.loss, check.rtt) {
            (Some(bound), _) => {
                let finest = u64::from(netloom_flow::Probability::ONE.0) * 10 / bound.bound().max(1);
                u32::try_from(finest.clamp(100, 1_000)).unwrap_or(1_000)
            }
            (None, Some(_)) => 5,
            (None, None) => 1,
        };
        let slow = check.rtt.map_or(0, |bound| bound.bound().saturating_mul(2));
        ReachProbe {
            from: self.from.clone(),
            to: self.to.clone(),
            pairs: (!self.failing.is_empty()).then(|| self.failing.clone()),
            kinds,
            over: check.over,
            every_address: !check.can,
            packets,
            wait: Nanos(slow.clamp(500_000_000, 10_000_000_000)),
        }
    }

    /// Takes the answer: decides, or arranges for another attempt.
    pub(super) fn answer(&mut self, result: &ProbeResult, now: Nanos) {
        if self.state != State::Probing {
            return;
        }
        if let ProbeResult::Reach(reach) = result {
            self.total = self.total.max(reach.pairs.len());
        }
        let judged = judge(&self.sentence.check, result, (&self.from, &self.to), self.total);
        let start = self.start.unwrap_or(now);
        let deadline = start + self.patience;
        let begun = self.first.unwrap_or(now);
        let timed = self.sentence.timing != Timing::Untimed;
        if let Timing::Between(from, to) = self.sentence.timing {
            let end = start + (to - from);
            if judged.holds && now < end {
                self.again(now, end, Vec::new());
                return;
            }
            let count = format!("held {} times", self.attempts);
            self.decide(judged, begun, now, timed.then_some(count));
            return;
        }
        if judged.holds {
            let late = matches!(self.sentence.check, Check::Reach(_))
                && self.sentence.within.is_some()
                && now > deadline;
            let healed = (timed && self.sentence.within.is_some())
                .then(|| format!("healed in {}", show_time(now - start)));
            if late {
                let explain = vec![format!(
                    "it held after {}, {} too late",
                    show_time(now - start),
                    show_time(now - deadline)
                )];
                self.decide(Judged { holds: false, explain, ..judged }, begun, now, None);
            } else {
                self.decide(judged, begun, now, healed);
            }
        } else if now < deadline {
            let failing = judged.failing;
            self.again(now, deadline, failing);
        } else {
            self.decide(judged, begun, now, None);
        }
    }

    fn again(&mut self, now: Nanos, deadline: Nanos, failing: Vec<(u32, u32)>) {
        self.failing = failing;
        self.state = State::Waiting((now + self.pause).min(deadline.max(now)));
        self.pause = Nanos(self.pause.0 * 2).min(LONGEST_PAUSE);
    }

    fn decide(&mut self, judged: Judged, begun: Nanos, now: Nanos, measured: Option<String>) {
        let verdict = if judged.holds { Verdict::Holds } else { Verdict::Fails };
        let measured = measured.filter(|_| judged.holds).unwrap_or(judged.measured);
        let (explain, culprit) = (judged.explain, judged.culprit);
        self.state = State::Done(Outcome { verdict, measured, explain, took: now - begun, culprit });
    }
}
