//! Test doubles and helpers of the pure crates. Only ever a dev-dependency.
//!
//! - [`Host`]: frames between numbered hosts, one line each; [`hex`] for real bytes, [`describe`] to read a frame;
//! - [`Wire`]: two ends in memory, in place of a device;
//! - [`ManualClock`]: time that passes when told to;
//! - [`PortLedger`]: a step names what it changed, and nothing else may have;
//! - [`guest`]: a virtual machine's memory and the driver's side of its rings;
//! - [`machine`]: a virtual machine's card without a machine: shared memory, rings, and what QEMU says;
//! - [`strategy`]: random frames from a small world, for property tests.
//!
//! It panics where a test should fail; nothing here is for production.

mod clock;
mod describe;
pub mod guest;
mod hex;
mod host;
mod ledger;
pub mod machine;
pub mod strategy;
mod wire;

pub use clock::ManualClock;
pub use describe::describe;
pub use hex::hex;
pub use host::{Host, Packet};
pub use ledger::{PortLedger, Reading};
pub use wire::{Wire, WireEnd, WireError};
