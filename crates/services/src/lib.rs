//! What a network answers by itself: addresses by DHCPv4 and DHCPv6, router advertisements, names by DNS.
//!
//! A [`Network`] is one broadcast domain of one tenant. Frames that its switch hands up go in with the port they came
//! in by; frames go out, each to one port, and questions for name servers outside. It reads no clock and opens no
//! socket: `now` is given, and [`Network::deadline`] says when it has something to do by itself.
//!
//! ```text
//!            frame, port                      ┌─ arp, nd, echo ── neighbour ─┐
//! switch ────────────────► incoming ──────────┼─ dhcp4, dhcp6 ── leases ─────┼──► frame, to that port
//!                                             ├─ advert ─────────────────────┤
//!                                             └─ dns ── zone, lines ─────────┴──► question, to outside
//! ```
//!
//! Nothing is chosen here: every lease is the address that the lab resolved for the interface with this MAC address, so
//! that a guest that asks has what everybody else believes it has.
//!
//! Guests are hostile. Every length is checked, everything that is kept is bounded, what is not answered is counted by its
//! [`Refusal`]. An answer leaves by the port its question came in by, whatever the question says of its sender: nobody can
//! have answers sent to somebody else.
//!
//! Sources: RFC 2131, 2132, 3396, 3442, 6842 (DHCPv4); RFC 8415, 3646 (DHCPv6); RFC 4861, 8106 (advertisements); RFC 1035,
//! 2308, 6891, 7766 (DNS). Not done: relays, address pools, DNSSEC.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
#![forbid(unsafe_code)]

mod advert;
mod dhcp4;
mod dhcp6;
mod dns;
mod incoming;
mod lease;
mod neighbour;
mod network;
mod outgoing;
mod spec;
mod tally;

pub use dns::Zone;
pub use lease::{Lease, Standing};
pub use network::{Network, Output};
pub use spec::{Client, Hop, Router, Spec, link_local};
pub use tally::{Refusal, Served, Tally};
