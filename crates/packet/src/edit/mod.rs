//! Changing header fields of a frame in place, checksums kept right incrementally.
//!
//! A field change costs the same for 60 bytes and for a super-packet of 64 KiB: the old and the new words are all
//! that is looked at. What changes with a field:
//!
//! | field | IPv4 header checksum | L4 checksum in place | L4 checksum [`crate::Csum::Partial`] |
//! |---|---|---|---|
//! | IPv4 address | yes | yes (TCP, UDP) | the pseudo header's sum in the field |
//! | IPv6 address | - | yes, and ICMPv6 | the same |
//! | ToS, TTL, label | IPv4's | - | - |
//! | port, ICMP type, ND | - | yes | nothing: it is yet to be summed |
//!
//! UDP's "no checksum" stays, and a UDP checksum never becomes 0 by accident. A later fragment has no L4 checksum;
//! the first one's covers the whole datagram and is updated. A wrong checksum stays wrong. A destination with a
//! routing header on its way to further segments is not the one in the checksum.
//!
//! Setters return whether the frame has the field; if not, nothing is written.

mod field;
mod tag;

pub use field::{Edit, TtlExpired};
pub use tag::{pop_vlan, push_vlan};
