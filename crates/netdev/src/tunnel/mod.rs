//! Tunnel ports: frames leave in packets of the underlay, by sockets of the kernel, and come that way.
//!
//! ```text
//! TunnelPort --- train of tunnel packets ---> sending sockets, one of eight by the flow   (UDP_SEGMENT)
//! DoorPort  <--- train of tunnel packets ---  one socket a protocol and port, which all tunnels share   (UDP_GRO)
//!    | key, sender, receiver: whose tunnel?   then TCP segments put together to a super-packet
//!    v
//! the datapath, by the tunnel's port
//! ```
//!
//! The kernel routes the underlay, resolves its neighbours and cuts trains where a link cannot take them whole. Why this
//! door, ARCHITECTURE.md says.

mod address;
mod door;
mod header;
mod outbox;
mod port;
mod settings;
mod stt;
mod table;
#[cfg(test)]
mod testing;
mod too_long;

pub use door::{Door, DoorPort};
pub use port::TunnelPort;
pub use settings::{DoorKey, InKey, OutKey, TunnelKind, TunnelSettings};
pub use stt::SttPort;
