//! What a host is to the machine: a network namespace held by one fd, a device for each interface.

mod fabric;
mod furnish;

pub(crate) use fabric::Fabric;
pub(crate) use furnish::{Furnished, HostInterface, HostNet, HostRoute, PortKind, furnish};
