//! The engine behind the socket: it turns commands into changes of hosts, switches and links, and asks them how they are.
//!
//! ```text
//! command ──► handle/<noun> ──► lab: resolve, plan ──► apply ──► nodes (namespaces, TAPs)
//!                                                          ├──► crate::core: switch model ──► workers (ports, links)
//!                                                          └──► programs (spawner)
//! ```

mod apply;
mod boot;
mod by_hand;
mod captures;
pub(crate) mod carriers;
mod containers;
mod controllers;
mod doors;
mod events;
mod execute;
mod functions;
mod gateways;
mod guests;
mod handle;
mod hints;
mod interfaces;
mod journal;
mod limits;
mod machines;
mod moving;
mod names;
mod nodes;
mod patchbay;
mod programs;
mod published;
mod recover;
mod rows;
mod running;
mod runs;
mod trial;
pub(crate) mod tunnels;

pub use boot::become_owner;
pub use containers::remove_volumes;
pub use handle::copy_inside;
pub use handle::plan_from_nothing;
pub use patchbay::{Patchbay, PatchbayError};
pub(crate) use running::Running;

use crate::{Boot, core};

/// The engine of this build, not started.
#[must_use]
pub fn boot() -> Box<dyn Boot> {
    Box::new(boot::Launch)
}
