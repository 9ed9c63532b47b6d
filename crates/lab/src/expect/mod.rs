//! What must hold in a lab: the grammar of sentences, and their trial as a state machine without clock or socket.
//!
//! A [`Sentence`] is what a file or a command line says. A [`Run`] asks for probes as values, is given their
//! results, and decides; whoever owns sockets and the clock carries the probes out.
//!
//! ```text
//! text ──parse_sentence──► Sentence ──Run──► Order::Probe ──(sockets)──► ProbeResult ──► Outcome ──► report
//!                                     └────► Order::Event ──(the lab)
//! ```

mod fidelity;
mod judge;
mod probe;
pub mod report;
mod run;
mod sentence;
mod subject;
mod trial;

pub use fidelity::{LinkRecord, RunVerdict, conclude, judge_link, limit};
pub use probe::{
    LostDetail, MeasureProbe, PairResult, Probe, ProbeKind, ProbeResult, ReachProbe, ReachResult,
};
pub use run::{Order, Run};
pub use sentence::{
    Check, CommandCheck, Comparison, Expectation, Measure, Measured, Protocol, ReachCheck, Sentence, Subject,
    Timing, parse_sentence,
};
pub use trial::{Culprit, Outcome, Verdict};
