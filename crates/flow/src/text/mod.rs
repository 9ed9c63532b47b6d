//! Flows as text: the syntax of `ovs-ofctl`, read and printed.
//!
//! ```text
//! table=1, priority=100, cookie=0x5, tcp, nw_dst=10.0.0.0/24, tp_dst=80  actions=mod_nw_dst:10.0.0.9,output:2
//! '-- of the flow ----------------'  '-- match, in any order ---------'  '-- a list, in order -------------'
//! ```
//!
//! One parser serves the lab file, the command line and every other way in; what it refuses has a place in the
//! text, a sentence and, where possible, a suggestion. What it prints, it reads back to the same flow.
//!
//! It is stricter than OVS in three ways, because OVS then does something else than it was told: bits outside a
//! mask, fields without their prerequisite, and two demands that contradict each other are errors.
//!
//! Source: ovs-ofctl(8), ovs-fields(7), ovs-actions(7).

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod action;
mod bucket;
mod change;
pub mod datapath;
mod error;
mod flow;
mod frame;
mod group;
mod matches;
mod meter;
mod piece;
mod port;
mod selection;
mod tuple;
mod value;
mod zone;

pub use bucket::BucketText;
pub use change::{FieldChange, field_changes};
pub use error::FlowTextError;
pub use flow::{
    DEFAULT_PRIORITY, FlowFilter, FlowFlags, FlowModText, FlowText, Rule, parse_filter, parse_flow,
    parse_flow_mod, parse_flow_with,
};
pub use frame::{FrameText, parse_frame};
pub use group::{GroupKind, GroupText, parse_group, parse_group_filter};
pub use meter::{BandKind, BandText, MeterText, MeterUnit, parse_meter, parse_meter_filter};
pub(crate) use port::Shown as ShownPort;
pub use port::{PortNames, no_names};
pub use selection::{SelectionMethod, SelectionText};
pub use tuple::parse_tuple;
pub use zone::{ZoneText, ZoneTimeout, parse_zone};
