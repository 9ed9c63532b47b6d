//! The way out of a network: what nodes send to the world ends at a kernel of the lab's own.
//!
//! A gateway is a network namespace that owns the network's gateway address. Its device is an ordinary one with this port
//! in front of it, which changes addresses on the way, so that every flow looks to the gateway's kernel as if it were for a
//! service of its own:
//!
//! ```text
//! node                      this port                         gateway's kernel        daemon
//! 10.0.0.1:4000 > 192.0.2.9:80  ──►  10.0.0.1:4000 > 10.0.0.254:D  ──►  listener at D  ──►  a socket of the machine's
//! 192.0.2.9:80 > 10.0.0.1:4000  ◄──  10.0.0.254:D > 10.0.0.1:4000  ◄──                       to 192.0.2.9:80
//! ```
//!
//! So TCP is the kernel's on both sides, super-packets stay whole, and no rule, privilege of the machine's or program of
//! its is needed. One listener serves all destinations: which one was meant is known by the node's address and port, made
//! unique where two flows of a node share a port ([`Inner`]).
//!
//! A connection is let in only once the daemon has one to the destination: till then its SYN is held, so that a port
//! that is refused is refused to the node. Datagrams and echo requests go the same way, without the waiting.
//!
//! Pure but for [`GatewayPort`]: [`Engine`] takes frames and what it is told ([`Tell`]), and gives frames and what it asks
//! ([`Ask`]). It knows no clock: when a flow is over the daemon says, which has the sockets.
//!
//! Source of the behaviour: RFC 5382 (TCP), RFC 4787 (UDP: mapping independent of the endpoint, filtering by it), RFC 5508 (ICMP).

#[cfg(feature = "testing")]
mod bare;
mod counters;
mod engine;
mod flows;
mod fragments;
mod port;
mod settings;
mod share;
#[cfg(test)]
mod tests;
mod words;

#[cfg(feature = "testing")]
pub use bare::BareGateway;
pub use counters::GatewayCounters;
pub use port::{GatewayControl, GatewayPort};
pub use settings::{Doors, GatewaySettings};
pub use share::GatewayShare;
pub use words::{Ask, Inner, Protocol, Tell, Whither};
