//! What joins a lab with the world outside of it: sockets of the daemon's own namespace on one side, sockets inside the
//! lab's namespaces on the other, and bytes carried between them.
//!
//! ```text
//! publish/   ports:          a socket of the machine ──► a socket inside the node ──► the node's own program
//! gateway/   internet: true  a socket in a gateway's namespace ──► a socket of the machine ──► the world
//! ```
//!
//! Nothing of the machine is changed for it: no rule, no route, no device. All of it ends with the daemon.
//!
//! One thread carries everything ([`Outside`]); it starts with the first thing there is to carry.

mod gateway;
mod lru;
mod publish;
mod relay;
mod service;
mod waited;

pub(crate) use gateway::{Room as GatewayRoom, Sockets, open as open_gateway};
pub(crate) use publish::{Entrance, Listener, PublishStats, Target};
pub(crate) use service::{Outside, Serving};
