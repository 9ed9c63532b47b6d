//! The switch that serves an OVSDB database: what stands where `ovs-vswitchd` stood.
//!
//! ```text
//! ovsdb-server ◄─► database.rs (a socket, ovsdb::Replica) ── rows ──► desired/ ──► plant.rs ──► switch model, workers
//!                       ▲                                                            │            OpenFlow service
//!                       └──────────── one transaction ◄── status/ ◄─────────────────┘
//! ovs-appctl ──► commands/
//! ```
//!
//! The database is always somebody else's: a server elsewhere, or one in this process, which is reached the same way.
//! Switch model, workers and OpenFlow are those of a lab (`core.rs`). What a row asks for is read as one value and
//! compared with the last one (`desired`); what came of it is compared with the rows, and the difference written
//! (`status`). So both directions need no memory of what was done before.
//!
//! Source: ovs-vswitchd(8), ovs-vswitchd.conf.db(5).

mod commands;
mod config;
mod controllers;
mod database;
mod desired;
mod devices;
mod doors;
mod dummy;
pub(crate) mod keep;
pub(crate) mod links;
mod ofports;
mod plant;
mod process;
mod status;
mod work;

pub use dummy::Dummy;
pub use process::{Options, main};

/// What this program is called by Open vSwitch's tools.
pub const PROGRAM: &str = "ovs-vswitchd";
