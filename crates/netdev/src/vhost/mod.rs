//! vhost-user: a virtual machine's para-virtual card as a port, its rings served by the worker itself.
//!
//! ```text
//! QEMU --- socket: memory, rings, eventfds ---> Connection --> netloom_vhost::Backend --> Rings
//! guest's memory: | transmit ring | --> receive() --> frames;   frames --> transmit() --> | receive ring |
//! ```
//! Of a long frame only the front is copied out to be judged; the rest goes from guest to guest in one copy
//! ([`netloom_datapath::Body`]). [`Copied`] counts what was copied, and tests hold it against the frames.
//!
//! Everything of one machine, its socket included, is in one epoll set, which is what the worker waits for: no lock, no
//! thread of its own. When the connection ends, the port stays and takes the next one, so that a machine outlives its
//! switch and a switch its machine.

mod announce;
mod body;
mod connection;
mod guest;
mod hold;
mod port;
mod rings;
mod status;

pub use hold::{Hold, HoldCount};
pub use port::VhostPort;
pub use status::{Copied, GuestStatus};
