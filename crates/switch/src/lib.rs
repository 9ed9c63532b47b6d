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

pub mod config;
mod reconfigure;
mod switch;

pub use reconfigure::{BadFlow, BridgeStatus, Changes, ConfigError, PortAdded, PortStatus, Status};
pub use switch::{HitsDelta, LinkState, Owner, Owners, Settings, Subnet, Switch};
