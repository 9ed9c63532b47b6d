//! Expectations on trial, and the file's events.
//!
//! The run itself is a state machine of `netloom-lab`; here are its clock, a thread for every probe under way, and what
//! was seen of the links meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use netloom_api::{ApiError, ErrorKind, Progress, TestReport, TestRow, Verdict};
use netloom_flow::Nanos;
use netloom_lab::Lab;
use netloom_lab::expect::{self, Expectation, Order, Outcome, Probe, ProbeResult, Run, Timing};
use netloom_lab::lab::Happening;

use crate::Sink;
use crate::engine::Running;
use crate::engine::trial::{Fidelity, fidelity};
use crate::slowpath::now;

/// How long nothing may happen before it is looked whether somebody gave up.
const LOOK: Duration = Duration::from_millis(200);
/// Something may be due and yet have to wait for others; it is not asked more often than this.
const TICK: Duration = Duration::from_millis(1);

impl Running {
    /// Tries sentences, or those of the file with its events.
    pub(super) fn test(&self, sentences: Option<&[String]>, sink: &Sink) -> Result<TestReport, ApiError> {
        let lab = self.state().lab.clone();
        let begin = now();
        let expectations = match sentences {
            Some(sentences) => sentences.iter().map(|text| by_hand(text)).collect::<Result<Vec<_>, _>>()?,
            None => lab.expect.clone(),
        };
        let mut run = Run::new(&lab, &expectations, sentences.is_none(), begin).map_err(wrong)?;
        let mut trial = Trial {
            running: self,
            lab: &lab,
            places: expectations.iter().map(|e| self.place(e.line)).collect(),
            timed: expectations.iter().map(|e| e.sentence.timing != Timing::Untimed).collect(),
            before: self.fidelity(),
            since: BTreeMap::new(),
            rows: vec![None; expectations.len()],
            sink,
        };
        trial.drive(&mut run)?;
        let mut report = trial.report();
        report.ms = now().since(begin).as_secs_f64() * 1e3;
        Ok(report)
    }

    /// Lets the file's events happen, and waits until those that happen once have.
    pub(super) fn play(&self, sink: &Sink) -> Result<(), ApiError> {
        let lab = self.state().lab.clone();
        let mut run = Run::new(&lab, &[], true, now()).map_err(wrong)?;
        let (places, timed, before, since, rows) = Default::default();
        Trial { running: self, lab: &lab, places, timed, before, since, rows, sink }.drive(&mut run)
    }

    /// Where a line of the lab file is.
    fn place(&self, line: u32) -> String {
        if line == 0 {
            return String::new();
        }
        let state = self.state();
        let name = Path::new(&state.wanted.path).file_name().map(|name| name.to_string_lossy().into_owned());
        format!("{}:{line}", name.unwrap_or_default())
    }
}

/// A sentence of the command line.
fn by_hand(text: &str) -> Result<Expectation, ApiError> {
    let sentence = expect::parse_sentence(text).map_err(wrong)?;
    if sentence.timing != Timing::Untimed {
        let error =
            format!("`{}` has a time, which counts from the start of the file's events.", sentence.text);
        return Err(ApiError::new(ErrorKind::Usage, error)
            .hint("put it into `expect:` of the lab file, or leave the time out"));
    }
    Ok(Expectation { sentence, line: 0 })
}

fn wrong(error: netloom_lab::TextError) -> ApiError {
    let wrong = ApiError::new(ErrorKind::Usage, format!("{}.", error.message));
    match error.hint {
        Some(hint) => wrong.hint(hint),
        None => wrong,
    }
}

/// A run under way.
struct Trial<'a> {
    running: &'a Running,
    lab: &'a Lab,
    /// Of every expectation, in the file.
    places: Vec<String>,
    /// Whether it has a time that must be kept.
    timed: Vec<bool>,
    /// What the links had counted when it began.
    before: Fidelity,
    /// What they had counted when a sentence that measures began.
    since: BTreeMap<usize, Fidelity>,
    /// Of every expectation that is decided, its outcome.
    rows: Vec<Option<TestRow>>,
    sink: &'a Sink,
}

/// Carries out probes, a thread each.
struct Carrier<'a> {
    running: &'a Running,
    sink: &'a Sink,
    /// What must not arrive is told by what was dropped meanwhile: nothing else may be under way then.
    alone: RwLock<()>,
}

impl Trial<'_> {
    /// Does what the run orders until it is finished, and reports outcomes as they come.
    fn drive(&mut self, run: &mut Run) -> Result<(), ApiError> {
        let carrier = Carrier { running: self.running, sink: self.sink, alone: RwLock::new(()) };
        let (answer, answers) = mpsc::channel();
        std::thread::scope(|scope| {
            loop {
                for order in run.poll(now()) {
                    match order {
                        Order::Event(what) => self.happen(&what),
                        Order::Probe(number, probe) => {
                            let (answer, carrier) = (answer.clone(), &carrier);
                            let measures = run.measures(number);
                            let timed = self.timed.get(number).is_none_or(|timed| *timed);
                            let work = move || {
                                let since = measures.then(|| carrier.calm(!timed));
                                // Nobody listens any more if the run was given up.
                                let _ = answer.send((number, carrier.carry_out(&probe), now(), since));
                            };
                            let thread = std::thread::Builder::new().name(format!("probe-{number}"));
                            if let Err(error) = thread.spawn_scoped(scope, work) {
                                run.result(number, &ProbeResult::Impossible(error.to_string()), now());
                            }
                        }
                    }
                }
                self.tell(run);
                if self.sink.is_cancelled() {
                    return Err(ApiError::new(ErrorKind::Cancelled, "The test was given up."));
                }
                if run.finished() {
                    return Ok(());
                }
                let due = run.deadline().map_or(LOOK, |due| Duration::from_nanos(due.since(now()).0));
                if let Ok((number, result, at, since)) = answers.recv_timeout(due.clamp(TICK, LOOK)) {
                    if let Some(since) = since {
                        self.since.entry(number).or_insert(since);
                    }
                    run.result(number, &result, at);
                }
            }
        })
    }

    fn happen(&self, what: &Happening) {
        if let Err(text) = self.running.happen(what) {
            self.sink.send(Progress::Note { text });
        }
    }

    /// Reports what was decided since the last time. What measures is held against the links while it did.
    fn tell(&mut self, run: &Run) {
        for (number, (text, outcome)) in run.outcomes().enumerate() {
            let Some(outcome) = outcome.filter(|_| self.rows.get(number).is_some_and(Option::is_none)) else {
                continue;
            };
            let mut judged = [(run.measures(number), outcome.clone())];
            if let Some(since) = self.since.get(&number) {
                let records = self.running.link_records(since);
                expect::conclude(self.lab.options.fidelity, &mut judged, &records);
            }
            let [(_, mut outcome)] = judged;
            if outcome.verdict == expect::Verdict::NotTrusted {
                outcome.explain = fidelity::first_of(outcome.explain);
            }
            let row = self.row(number, text, &outcome);
            self.sink.send(Progress::Tested { row: row.clone() });
            if let Some(slot) = self.rows.get_mut(number) {
                *slot = Some(row);
            }
        }
    }

    fn row(&self, number: usize, text: &str, outcome: &Outcome) -> TestRow {
        TestRow {
            sentence: text.to_owned(),
            verdict: match outcome.verdict {
                expect::Verdict::Holds => Verdict::Holds,
                expect::Verdict::Fails => Verdict::Fails,
                expect::Verdict::NotTrusted => Verdict::NotTrusted,
            },
            measured: outcome.measured.clone(),
            ms: ms(outcome.took),
            place: self.places.get(number).cloned().unwrap_or_default(),
            details: outcome.explain.clone(),
            trace: outcome.culprit.as_ref().and_then(|culprit| self.running.explained(culprit)).map(Box::new),
        }
    }

    /// All outcomes, with what the links have to say to the run as a whole.
    fn report(self) -> TestReport {
        let records = self.running.link_records(&self.before);
        let fidelity = fidelity::report(self.lab.options.fidelity, &records);
        TestReport { items: self.rows.into_iter().flatten().collect(), fidelity: Some(fidelity), ms: 0.0 }
    }
}

impl Carrier<'_> {
    /// What the links have counted before something is measured; if there is time, once what earlier probes left
    /// behind has passed.
    fn calm(&self, wait: bool) -> Fidelity {
        if wait {
            self.running.wait_for_calm(&|| !self.sink.is_cancelled());
        }
        self.running.fidelity()
    }

    fn carry_out(&self, probe: &Probe) -> ProbeResult {
        let goes_on = || !self.sink.is_cancelled();
        if matches!(probe, Probe::Reach(reach) if reach.every_address) {
            let _alone = self.alone.write().unwrap_or_else(PoisonError::into_inner);
            self.running.carry_out(probe, &goes_on)
        } else {
            let _together = self.alone.read().unwrap_or_else(PoisonError::into_inner);
            self.running.carry_out(probe, &goes_on)
        }
    }
}

fn ms(time: Nanos) -> f64 {
    time.as_secs_f64() * 1e3
}
