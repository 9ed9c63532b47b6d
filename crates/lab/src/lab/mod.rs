//! A lab with nothing left to guess: every name, number and address. Plain data, made by [`crate::resolve`].
//!
//! Things refer to each other by name, so that two labs can be compared and a lab can be written down.

#[macro_use]
mod words;

mod controller;
mod event;
mod link;
pub(crate) mod nanos;
mod node;
mod options;
mod root;
mod service;
mod switch;
mod vf;
pub(crate) mod vm;

pub use controller::{Controller, ControllerPlace, TlsFiles};
pub use event::{Event, Happening, NodeChange, When};
pub use link::{End, Link};
pub use node::{Interface, Node, PortKind, Restart, Route};
pub use options::{ArpMode, Fidelity, Filesystem, Loops, Options};
pub use root::{Domain, Lab, SETTLE, Tenant};
pub use service::{Resolver, Service};
pub use switch::{FailMode, Flow, Switch, SwitchPort, Vlan};
pub use vf::{Vf, VfState};
pub use vm::{Board, Firmware, Virt, Vm};
