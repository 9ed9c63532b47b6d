//! The name server of a network.
//!
//! Source: RFC 1035; RFC 2308 (answers without an SOA are not kept, which is meant: names come and go with each edit);
//! RFC 6891 (EDNS); RFC 6761 (`localhost`); RFC 7766 (over TCP).

mod desk;
mod line;
mod lines;
mod message;
mod name;
mod server;
mod zone;

pub(crate) use name::Name;
pub(crate) use server::{NameServer, Place};
pub use zone::Zone;
