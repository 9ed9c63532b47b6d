//! The switch model: configuration, tables, learning and translation.
//!
//! [`Switch`] holds all bridges of a lab. Configuration goes in as one value ([`config::Config`]), packets the
//! datapath does not know as [`Upcall`](netloom_flow::Upcall) values; answers are
//! [`Translation`](netloom_flow::Translation) values. Nothing here reads a clock, opens a socket or touches a
//! datapath, and no result depends on the order of a map.
//!
//! ```text
//! Config ──reconfigure──► model ◄──credit── Translation × hits
//!                           │ ▲
//! Upcall ───translate───────┘ └── add_flow, set_link, set_owners, tick
//! ```
//!
//! A drop is an [`Effect::Drop`](netloom_flow::Effect::Drop): the switch counts it, by reason, bridge and port. The
//! only [`DpAction::Drop`](netloom_flow::DpAction::Drop) is for packets of ports that no bridge has.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub mod config;
mod credit;
mod dump;
mod events;
mod exchange;
mod fail_open;
mod flow_changes;
mod flow_drift;
mod flow_mod;
mod group_mod;
mod group_text;
mod handle;
mod kept;
mod loops;
mod meter_mod;
mod meter_text;
mod model;
mod port_mod;
mod reconfigure;
mod recorder;
mod status;
mod switch;
mod tables;
mod translate;
mod triggers;
mod undo;
mod vacancy;

pub use config::ConfigError;
pub use credit::HitsDelta;
pub use dump::{Crossed, DropEntry, MacRow, MirrorRow, PortEntry, TableEntry};
pub use events::{Author, Change, FlowChanged, FlowRemoved, Notice, PortStatusReason, Removed};
pub use flow_drift::FlowDrift;
pub use flow_mod::{FlowCommand, FlowEntry, FlowError, FlowMod, FlowQuery, Matching};
pub use group_mod::{BucketPlace, GroupCommand, GroupError, GroupMod};
pub use handle::{
    Answer, Commit, Connection, Handled, Held, Injection, Kind, PortCounts, PortTraffic, QueueTraffic,
};
pub use kept::{
    Kept, KeptError, KeptFlow, KeptGroup, KeptMeter, KeptPort, KeptSettings, KeptTable, RestoreError, Stamp,
    Unwritable,
};
pub use meter_mod::{MeterCommand, MeterError, MeterRow};
pub use meter_text::{MeterTextError, MeterVerb};
pub use model::{
    Bucket, Carried, Control, Group, GroupType, LinkState, Owner, Owners, PortConfig, Role, Rule, Selection,
    Subnet, TableLimit,
};
pub use recorder::{Cut, Event, Forward, Recorder, Served, Silent};
pub use status::{BridgeStatus, Changes, PortStatus, Status, WantedPort};
pub use switch::{Settings, Switch};
