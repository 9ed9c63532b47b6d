//! Published ports: what arrives at a port of the machine goes on to one of a node.
//!
//! The near socket is the machine's, as `ports:` promises; the far one is made inside the node's namespace and calls the
//! node's own addresses, so that nothing of the lab's networks takes part: it works for a node without any, and whatever
//! its links and switches do.

mod entrance;
mod listener;
mod tcp;
mod udp;

pub(crate) use entrance::{Entrance, PublishStats, Target};
pub(crate) use listener::Listener;
