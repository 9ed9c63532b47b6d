//! The process that stands in for `ovsdb-server`: databases in files, served to everybody who speaks OVSDB.
//!
//! ```text
//!  remotes (who, from the command line and from rows) ── remote (listen, call) ── conn (bytes) ─┐
//!                                                                                              core ── store (files)
//!  ovs-appctl ── ovs::unixctl ── commands ─────────────────────────────────────────────────────┘
//! ```
//! One thread. What databases, sessions and transactions are is in crate `ovsdb`, which knows none of this.
//!
//! Source: ovsdb-server(1).

mod column;
mod commands;
mod conn;
mod core;
mod linger;
mod process;
mod remote;
mod remotes;
mod standing;
mod store;
mod target;
mod tls;
mod view;
mod within;

pub use process::{Options, main};
pub use tls::{Files, Source};
pub(crate) use view::View;
pub use within::Within;
