//! The name server of a network.
//!
//! Source: RFC 1035; RFC 2308 (answers without an SOA are not kept, which is meant: names come and go with each edit);
//! RFC 6891 (EDNS); RFC 6761 (`localhost`).

mod desk;
mod message;
mod name;
mod zone;

pub(crate) use desk::Desk;
pub(crate) use name::Name;
pub use zone::Zone;
