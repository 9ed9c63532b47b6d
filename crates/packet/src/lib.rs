//! Wire formats: one-pass parsing, checked views, edits, builders, checksums and segmentation.
//!
//! Frames are byte slices that begin with the Ethernet header; nothing here owns a buffer, allocates per packet
//! or panics on any bytes. What a frame still needs done to it, virtio-net's offload metadata, travels beside it
//! as an [`Offload`]; where its headers are, as [`Headers`].
//!
//! | question | answer |
//! |---|---|
//! | where are the headers? | [`parse::parse`] |
//! | what does a super-packet count as? | [`wire::wire`] |
//! | change a field, keep the checksums right | [`edit`] |
//! | cut a super-packet | [`segment`] |
//! | put datagrams, or TCP segments, together to one | [`train`], [`coalesce`] |
//! | complete a checksum | [`checksum::finish`] |
//! | write a packet | [`build`] |
//! | into a tunnel and out of it | [`tunnel`] |
//! | say that a packet is too big; lower TCP's segment size | [`too_big`], [`mss`] |
//!
//! A protocol is a file: [`ethernet`], [`vlan`], [`mpls`], [`arp`], [`ipv4`], [`ipv6`], [`icmp`], [`nd`],
//! [`nsh`], [`tcp`], [`udp`], [`sctp`].

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]
#![forbid(unsafe_code)]

pub mod arp;
pub mod build;
pub mod bytes;
pub mod checksum;
pub mod coalesce;
pub mod edit;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod mpls;
pub mod mss;
pub mod nd;
pub mod nsh;
pub mod offload;
pub mod parse;
pub mod sctp;
pub mod segment;
pub mod tcp;
pub mod too_big;
pub mod train;
pub mod tunnel;
pub mod udp;
pub mod vlan;
pub mod wire;

pub use ethernet::Mac;
pub use offload::{BadOffload, Csum, Gso, Offload, VNET_HDR};
pub use parse::{Headers, Malformed, parse, parse_front};
pub use wire::{Wire, wire};
