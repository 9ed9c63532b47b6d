//! Overlay tunnels: a frame inside a packet of the underlay.
//!
//! ```text
//! | Ethernet | IPv4 or IPv6 | UDP | VXLAN or Geneve | inner frame
//! | Ethernet | IPv4 or IPv6 | GRE [| ERSPAN]       | inner frame, or with GRE an inner IP packet
//! | Ethernet | IPv4 or IPv6 | TCP-like | a piece of: STT header, inner frame
//! ```
//!
//! | question | answer |
//! |---|---|
//! | what is in this packet of the underlay? | [`fn@parse`], for STT [`stt::Segment::of`] and [`stt::open`] |
//! | put headers in front of a frame | [`Encap::push`], for super-packets [`Encap::push_super`] |
//! | do without offload | [`segment::cut`] |
//! | headers of an STT frame that lies elsewhere | [`push_stt_head`] |
//! | pieces of an STT frame | [`stt::Reassembly`] |
//! | DSCP, ECN, TTL outside and inside | [`inherit`] |
//! | the UDP source port | [`entropy::source_port`] |
//! | bytes of overhead, the MTU inside | [`mtu`] |
//!
//! Nothing here allocates but the reassembly, and what is refused is refused for a [`BadTunnel`] of its own. It
//! knows no ports, tenants or routes: who asks for which tunnel to which peer is the switch's to say.

pub mod bad;
pub mod encap;
pub mod entropy;
pub mod erspan;
pub mod geneve;
pub mod gre;
pub mod inherit;
pub mod mtu;
pub mod outer;
pub mod parse;
pub mod segment;
pub mod stt;
pub mod super_packet;
pub mod vxlan;

pub use bad::{BadTunnel, Layer};
pub use encap::{CannotPush, Encap, Header, Pushed, push_stt_head};
pub use outer::Outer;
pub use parse::{Kind, Parsed, Payload, Underlay, parse};
pub use super_packet::TunnelGso;
