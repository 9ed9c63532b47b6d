//! Adding, changing and removing flows.
//!
//! A change is a value, [`FlowMod`], whoever asks: a controller, a command, a file. Its text is only another way to
//! write it. What goes by itself, because its time has come or something it used is gone, takes the same way out, so
//! that whoever asked to be told is told ([`FlowRemoved`](crate::FlowRemoved)).
//!
//! Every change is noted in the log against which old translations are checked; a change that could match no
//! cached flow costs no cached flow a translation.

mod apply;
mod check;
mod entry;
mod error;
mod learned;
mod lines;
mod query;
mod request;
mod room;
mod rules;
mod text;

#[cfg(test)]
pub(crate) use check::unwritable;
pub(crate) use check::{
    check_actions, check_bucket, check_configured, check_flow, check_listed, check_stage,
};
pub use entry::FlowEntry;
pub use error::FlowError;
pub(crate) use learned::LateFlows;
pub use query::FlowQuery;
pub use request::{FlowCommand, FlowMod, Matching};
