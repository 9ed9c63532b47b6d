//! vhost-user: a virtual machine's para-virtual card as a port, its rings served by the worker itself.
//!
//! ```text
//! QEMU --- socket: memory, rings, eventfds ---> Connection --> netloom_vhost::Backend --> Rings
//! guest's memory: | transmit ring | --> receive() --> frames;   frames --> transmit() --> | receive ring |
//! ```
//! Everything of one machine, its socket included, is in one epoll set, which is what the worker waits for: no lock, no
//! thread of its own. When the connection ends, the port stays and takes the next one, so that a machine outlives its
//! switch and a switch its machine.

mod connection;
mod guest;
mod port;
mod rings;

pub use port::VhostPort;
