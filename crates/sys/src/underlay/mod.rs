//! Sockets of the underlay, by which tunnel packets leave and come: UDP, or IP with a protocol of its own.
//!
//! The kernel routes, resolves neighbours and writes the outer IP header. Packets move in batches. Of UDP, many of equal
//! length are sent and received in one piece (`UDP_SEGMENT`, `UDP_GRO`): across links that carry super-packets they stay
//! in one piece all the way.
//!
//! Source: udp(7), ip(7), ipv6(7), raw(7); Linux `include/uapi/linux/udp.h`, `net/ipv4/udp.c`.

mod claim;
mod control;
mod injector;
mod receive;
mod send;
mod socket;
#[cfg(test)]
mod tests;

pub use claim::PortClaim;
pub use injector::{INJECTED_HEADER, Injector};
pub use receive::{Datagram, Datagrams, FRONT, SLOT};
pub use send::Outgoing;
pub use socket::{BATCH, Checksum, Protocol, UnderlaySocket};
