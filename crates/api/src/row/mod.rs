//! Rows: what lists are made of. Each is a line of a table and an object of a JSON document.

mod compare;
mod connection;
mod drop;
mod flow;
mod function;
mod group;
mod image;
mod lab;
mod link;
mod meter;
mod migration;
mod node;
mod probe;
mod queue;
mod service;
mod snapshot;
mod switch;
mod tenant;
mod top;
mod trace;
mod zone;

pub use compare::CompareRow;
pub use connection::ConnectionRow;
pub use drop::DropRow;
pub use flow::FlowRow;
pub use function::{
    AttributesRow, BarRow, CapabilityRow, FunctionInfo, FunctionRow, MsiXRow, SpaceRow, SrIovRow,
};
pub use group::GroupRow;
pub use image::{FreedRow, ImageInfo, ImageRow, LayerRow};
pub use lab::LabRow;
pub use link::{DirectionRow, EndRow, LinkRow};
pub use meter::MeterRow;
pub use migration::MigrationRow;
pub use node::{CardRow, InterfaceRow, NodeRow, PublishedRow};
pub use probe::{MeasureRow, PingRow, TestRow, Verdict};
pub use queue::QueueRow;
pub use service::{LeaseRow, ServiceRow};
pub use snapshot::SnapshotRow;
pub use switch::{ControllerRow, HeldRow, SwitchPortRow, SwitchRow};
pub use tenant::TenantRow;
pub use top::TopRow;
pub use trace::{Trace, TraceChange, TraceDrop, TraceLookup, TraceRule, TraceStep, TraceWhat};
pub use zone::ZoneRow;
