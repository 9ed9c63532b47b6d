//! The actions of flows, as OpenFlow and OVS know them.
//!
//! As in OVS, the instructions of OpenFlow 1.1 and later stand in the same list: [`Action::Meter`] first, then what
//! Apply-Actions holds, then [`Action::StatTrigger`], [`Action::ClearActions`], [`Action::WriteActions`], [`Action::WriteMetadata`] and
//! [`Action::GotoTable`]. What one version says with several actions, or several versions with different ones, is one
//! value here; where that would lose how it was written, the value keeps it ([`Spelling`]).
//!
//! What they do is decided by `netloom-switch`, which turns them into [`crate::DpAction`]s; their text is in
//! [`crate::text`].
//!
//! Source: OpenFlow 1.0.0 §5.2.4, 1.5.1 §7.2.6; ovs-actions(7).

mod bundle;
mod controller;
mod ct;
mod encap;
mod kind;
mod learn;
mod list;
mod multipath;
mod sample;
mod stat_trigger;
mod subfield;

pub use bundle::{Bundle, BundleAlgorithm};
pub use controller::{Controller, PacketInReason};
pub use ct::{Ct, CtAlg, Nat, NatRange, PortSelection};
pub use encap::{Encap, NshTlv};
pub use kind::{Action, MAX_NESTING, Spelling};
pub use learn::{Learn, LearnSpec};
pub use list::ActionList;
pub use multipath::{HashFields, Multipath, MultipathAlgorithm};
pub use sample::{Sample, SampleDirection};
pub use stat_trigger::{StatTrigger, Tally};
pub use subfield::{Operand, Subfield};
