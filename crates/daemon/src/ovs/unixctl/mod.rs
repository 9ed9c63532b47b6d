//! The control socket of a daemon: `ovs-appctl -t PROGRAM COMMAND WORDS`.
//!
//! ```text
//! PROGRAM.PID.ctl ── door ── netloom_ovsdb::unixctl::Session ── Commands::run ── what was registered
//! ```
//!
//! A command is a function of its words that returns text, or why not. It is called on the door's thread, one at a time,
//! so it should not wait.
//!
//! Source: ovs-appctl(8).

mod commands;
mod door;

pub use commands::{Answer, Commands};
pub use door::serve;
