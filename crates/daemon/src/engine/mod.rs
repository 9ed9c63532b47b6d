//! The engine behind the socket: it turns commands into changes of hosts, switches and links, and asks them how they are.
//!
//! ```text
//! command ──► handle/<noun> ──► lab: resolve, plan ──► apply ──► nodes (namespaces, TAPs)
//!                                                          ├──► switch model ──► workers (ports, links)
//!                                                          └──► programs (spawner)
//! ```

mod boot;
mod recover;
mod running;

pub(crate) use running::Running;

use crate::Boot;

/// The engine of this build, not started.
#[must_use]
pub fn boot() -> Box<dyn Boot> {
    Box::new(boot::Launch)
}
