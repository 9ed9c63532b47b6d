//! What OpenFlow controllers ask, carried out on the model: one way in, [`Switch::handle`].
//!
//! A message and the connection it came by go in; answers in order, packets to be injected, and what other connections
//! are to be told come out. What happens by itself (a flow ends, a port goes down, a packet goes up) becomes messages in
//! [`notice`](Switch::notices) and [`Connection::packet_in`]. Sessions, sockets and the time are the caller's.

mod answer;
mod asynchronous;
mod bare;
mod bundle;
mod commit;
mod config;
mod connection;
mod conntrack;
mod dispatch;
mod error;
mod flow;
mod group;
mod hits;
mod meter;
mod monitor;
mod multipart;
mod packet_in;
mod packet_out;
mod port;
mod queue;
mod repeated;
mod resume;
mod role;
mod table;
mod tlv;

pub(crate) use tlv::{Map as TlvMap, sound as sound_options};

pub use answer::{Answer, Handled, Injection, PortCounts, PortTraffic, QueueTraffic};
pub use commit::Commit;
pub use connection::{Connection, Held, Kind};
