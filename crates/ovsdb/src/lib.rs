//! OVSDB, the database that configures virtual switches: RFC 7047 with Open vSwitch's extensions.
//!
//! - [`schema`]: which tables and columns there are; [`data`]: what is in them.
//! - [`store`]: rows in tables; [`transact`]: operations, checks, undoing.
//!
//! Nothing here reads a clock, opens a file or a socket.
//!
//! Sources: RFC 7047; of Open vSwitch, the manual pages ovsdb(5), ovsdb(7) and ovsdb-server(7).

#![forbid(unsafe_code)]

pub mod data;
pub mod error;
mod json;
pub mod schema;
pub mod store;
pub mod transact;
pub mod uuid;

pub use error::OvsdbError;
pub use json::{Limits, StreamError};
pub use schema::Schema;
pub use store::{Database, Row};
pub use uuid::{Uuid, UuidSource};
