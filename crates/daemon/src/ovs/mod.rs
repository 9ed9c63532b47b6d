//! What the stand-ins for Open vSwitch's daemons have in common: where their files are, how they are controlled.
//!
//! - [`unixctl`]: the control socket, for `ovs-appctl`;
//! - [`socket`]: sockets in the file system.

pub mod socket;
pub mod unixctl;
