//! OVSDB, the database that configures virtual switches: RFC 7047 with Open vSwitch's extensions.
//!
//! - [`schema`]: which tables and columns there are; [`data`]: what is in them.
//! - [`store`]: rows in tables; [`transact`]: operations, checks, undoing.
//! - [`server`]: databases served to clients: bytes and the time in, bytes and a deadline out.
//! - [`replica`]: a client's copy of a database.
//! - [`mod@file`]: the log that a database is kept in.
//! - [`vswitch`]: the schema of a switch, without its file.
//! - [`sealed`]: a text that tells whether it is whole, for what is kept beside the database.
//! - [`unixctl`]: the control connection of a daemon, which is JSON-RPC too.
//!
//! Nothing here reads a clock, opens a file or a socket.
//!
//! Sources: RFC 7047; of Open vSwitch, the manual pages ovsdb(5), ovsdb(7) and ovsdb-server(7).

#![forbid(unsafe_code)]

pub mod data;
pub mod error;
pub mod file;
mod json;
mod monitor;
pub mod replica;
mod rpc;
pub mod schema;
pub mod sealed;
pub mod server;
pub mod store;
pub mod transact;
pub mod unixctl;
pub mod uuid;
pub mod vswitch;

pub use error::OvsdbError;
pub use json::{Limits, StreamError};
pub use replica::Replica;
pub use schema::Schema;
pub use server::{Now, Server, SessionId, SessionSettings};
pub use store::{Database, Row};
pub use uuid::{Uuid, UuidSource};

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
