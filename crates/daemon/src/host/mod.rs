//! What a host is to the machine: a network namespace held by one fd, a device for each interface.

mod change;
mod fabric;
mod furnish;

pub(crate) use change::{change, same_device};
pub(crate) use fabric::Fabric;
pub(crate) use furnish::{
    Cards, FurnishError, Furnished, HostInterface, HostNet, HostRoute, PortKind, furnish, furnish_function,
};
