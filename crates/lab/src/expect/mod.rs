//! What must hold in a lab: the grammar of sentences, and their trial as a state machine without clock or socket.
//!
//! A [`Sentence`] is what a file or a command line says. A run asks for probes as values, is given their results,
//! and decides; whoever owns sockets and the clock carries the probes out.

mod sentence;

pub use sentence::{
    Check, CommandCheck, Comparison, Expectation, Measure, Measured, Protocol, ReachCheck, Sentence, Subject,
    Timing, parse_sentence,
};
