//! The vocabulary in which the switch and the datapath talk about packets.
//!
//! Two languages share one layout of 64-bit words:
//!
//! - the *pipeline* language of `netloom-switch`: [`FlowKey`] (registers, metadata, tunnel, conntrack, packet)
//!   and the OpenFlow actions, with their text syntax;
//! - the *datapath* language of `netloom-datapath`: [`PacketKey`] (only what a packet, its port, tunnel,
//!   conntrack and recirculation id say) and the primitive [`DpAction`]s.
//!
//! A miss is a value handed up, [`Upcall`]; its answer is a value handed down, [`Translation`]. Nothing here
//! reads a clock, opens a socket or depends on the order of a map.

pub mod action;
pub mod check;
pub mod classifier;
mod dp_action;
mod drop;
mod epoch;
mod extension;
pub mod field;
mod flow_match;
mod hits;
mod ids;
pub mod key;
mod link;
mod meter;
mod option_layout;
mod option_set;
mod prerequisite;
mod punt;
pub mod qos;
pub mod text;
mod time;
mod track;
mod translation;
mod tunnel;
mod upcall;
pub mod word;

pub use action::{Action, ActionList, Controller, Operand, Spelling, Subfield};
pub use classifier::Classifier;
pub use dp_action::{Branch, CopyTtl, DpAction, MeterRef, NextHeader, WordSet};
pub use drop::DropReason;
pub use epoch::Epoch;
pub use field::{Field, FieldId};
pub use flow_match::{FlowMatch, Glance, overlaps};
pub use hits::{Hits, HitsRead};
pub use ids::{BridgeId, OfPort, PortId, RecircId, RuleId, TableId, TenantId};
pub use key::{PacketMeta, extract, extract_into};
pub use link::{Distribution, LinkSettings, Loss, Probability, QueueLimit};
pub use meter::{Band, BandKind, Meter, MeterRead, MeterSettings, MeterVerdict};
pub use option_layout::OptionLayout;
pub use option_set::{OptionSet, OptionSets};
pub use prerequisite::Prerequisite;
pub use punt::{Paused, Punt};
pub use qos::{Policing, Qos, Queue};
pub use text::{
    FlowFilter, FlowModText, FlowText, FlowTextError, parse_filter, parse_flow, parse_flow_mod,
    parse_flow_with,
};
pub use time::Nanos;
pub use track::{ConnectionFilter, ConnectionRow, Track, TuplePattern, TupleRow, ct_state};
pub use translation::{Dependency, Effect, Translation};
pub use tunnel::TunnelKey;
pub use upcall::Upcall;
pub use word::{FLOW_WORDS, FlowKey, FlowMask, PACKET_WORDS, PacketKey, PacketMask};
