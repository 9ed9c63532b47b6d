//! vhost-user, back end's side: a virtual machine's para-virtual network card, served without the machine in between.
//!
//! The front end (QEMU) shares the guest's memory and says where the rings are; frames then move between the rings and
//! the switch without it.
//!
//! - [`message`]: what goes over the socket;
//! - [`backend`]: the session, which asks a [`Host`] to map memory and to take file descriptors;
//! - [`memory`]: the guest's memory as the rings see it, behind the trait [`GuestMemory`];
//! - [`ring`]: split virtqueues;
//! - [`net`]: frames out of and into a pair of queues.
//!
//! The guest is hostile: each descriptor is read once, checked, and never looked at again; a ring that makes no sense
//! is stopped and says why ([`Broken`]). Nothing here maps memory, opens a socket or reads a clock.
//!
//! Sources: "Vhost-user Protocol" of QEMU's documentation; virtio 1.3 §2.6, §2.7, §5.1.

#![forbid(unsafe_code)]

pub mod backend;
pub mod feature;
pub mod memory;
pub mod message;
pub mod net;
pub mod ring;

pub use backend::{Backend, Host, Violation};
pub use memory::{GuestMemory, Region, Unmapped};
pub use message::{BadMessage, Header, Message};
pub use ring::{Broken, Queue};
