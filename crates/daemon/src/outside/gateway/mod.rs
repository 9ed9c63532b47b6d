//! The way out of a network: the daemon's half of it. The other is [`netloom_netdev::GatewayPort`], which leads every flow
//! to the sockets here.
//!
//! ```text
//! calls.rs       listener in the gateway ◄──► socket of the machine, called first
//! datagrams.rs   socket in the gateway   ◄──► a socket of the machine for each port of a node
//! echoes.rs      raw socket in the gateway ◄─► ping sockets of the machine
//! ```
//!
//! The machine's sockets are as those of any program: what its routes, its firewall and its user may reach, nodes reach.
//! Everything ends with the port, whose half of the channel is the sign of life.

mod calls;
mod datagrams;
mod echoes;
mod message;
mod resolver;
mod sockets;
mod way_out;

pub(crate) use sockets::Sockets;
pub(crate) use way_out::{Room, open};
