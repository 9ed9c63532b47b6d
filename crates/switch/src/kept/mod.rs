//! What a bridge keeps over a restart of its program: flows, groups, meters and what controllers have set, with counters
//! and ages, as text.
//!
//! ```text
//! Switch ── keep, keep_flows ──► Kept ── text ──► a file ── read ──► Kept ── restore ──► Switch
//! ```
//!
//! A text is read as a whole or not at all, and restored as a whole or not at all. Whoever writes it makes sure that it
//! reads back to the same: a flow for which there are no words is said at once, and not when it is missed.
//!
//! Not kept: what was learned of addresses, counters of ports and mirrors, roles and wishes of connections, and the flow by
//! which a bridge is on its own. Ages are counted on the clock of the machine, which starts anew with it: a text is of no
//! use to another start of the machine, and whoever keeps it must say which one it was.

mod bridge;
mod error;
mod flow;
mod group;
mod meter;
mod restore;
mod settings;
mod snapshot;
#[cfg(test)]
mod tests;
mod word;

pub use bridge::Kept;
pub use error::{KeptError, RestoreError, Unwritable};
pub use flow::KeptFlow;
pub use group::KeptGroup;
pub use meter::KeptMeter;
pub use settings::{KeptPort, KeptSettings, KeptTable};
pub use snapshot::Stamp;
