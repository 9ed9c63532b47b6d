//! Flows, groups, meters and connections outlive a restart: a file for each bridge, for who asks for it.
//!
//! ```text
//! switch model, connections ── writer.rs, a thread ──► text.rs ──► folder.rs: a file, replaced as a whole
//!                                                                      │
//! Plant::configure, before any port takes packets ◄── restore.rs ◄─────┘
//! ```
//!
//! A file is of one start of the machine, of one bridge by its row, and whole, or it is left alone: the reason is logged, and
//! the bridge begins as if there were no file. Nothing is synced to a disk: what is written outlives the process, and
//! is of no use to another start of the machine.

mod folder;
mod restore;
mod text;
mod writer;

pub(super) use folder::Folder;
pub(super) use restore::{Found, restore};
pub(crate) use writer::Sources;
pub(super) use writer::Writer;
