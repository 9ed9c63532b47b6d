//! Whether a list of actions is one that OpenFlow allows.
//!
//! Both ways in ask here: text, which tells a person, and the wire, which answers with an error of OpenFlow. What a
//! peer may get wrong is an [`ActionError`]; its documentation names the error that OVS answers with.
//!
//! Whether ports, groups and meters exist is not known here.
//!
//! Source: `ofpacts_check` and `ofpacts_verify` of OVS; OpenFlow 1.5.1 §5.7, §7.2.6, §7.5.4.

mod argument;
mod checker;
mod error;
mod scope;

pub use checker::{Checker, check_actions};
pub use error::ActionError;
pub use scope::{Consistency, Scope};
