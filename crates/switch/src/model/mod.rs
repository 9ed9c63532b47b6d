//! What the switch knows: bridges with their ports, flow tables and MAC tables, and the lab's addresses.
//!
//! Plain data with the operations that keep each part consistent. Who may see a change, and which cached flows
//! it concerns, is decided one level up.

mod action_lists;
mod bridge;
mod change_log;
mod changed_values;
mod control;
mod due;
mod frozen;
mod group;
mod hash;
mod mac;
mod meter;
mod mirror;
mod owners;
mod port;
mod rule;
mod table;
mod uses;
mod versions;
mod vlan;

pub(crate) use action_lists::ActionLists;
pub(crate) use bridge::{Bridge, Bridges};
pub(crate) use change_log::ChangeLog;
pub(crate) use control::Fragments;
pub use control::{Control, PortConfig};
pub(crate) use due::Due;
pub(crate) use frozen::{Frozen, FrozenFrame, FrozenStates};
pub use group::{Bucket, Carried, Group, GroupType, Selection};
pub(crate) use hash::Keyed;
pub(crate) use mac::{Learned, MacEntry, MacKey};
pub(crate) use meter::MeterEntry;
pub(crate) use mirror::{MirrorOut, resolve as resolve_mirrors};
pub(crate) use owners::{Directory, Home};
pub use owners::{Owner, Owners, Subnet};
pub use port::{Crossed, LinkState, Role};
pub(crate) use port::{Peer, Port};
pub use rule::Rule;
pub(crate) use rule::{FAIL_OPEN_PRIORITY, RuleState, Rules};
pub use table::TableLimit;
pub(crate) use table::{Table, Vacancy};
pub(crate) use uses::{each_action, uses_meter};
pub(crate) use versions::Versions;
pub(crate) use vlan::VID;
