//! Rows: what lists are made of. Each is a line of a table and an object of a JSON document.

mod drop;
mod flow;
mod lab;
mod link;
mod node;
mod probe;
mod switch;
mod tenant;
mod top;

pub use drop::DropRow;
pub use flow::FlowRow;
pub use lab::LabRow;
pub use link::{DirectionRow, EndRow, LinkRow};
pub use node::{InterfaceRow, NodeRow};
pub use probe::{MeasureRow, PingRow, TestRow, Verdict};
pub use switch::{ControllerRow, SwitchPortRow, SwitchRow};
pub use tenant::TenantRow;
pub use top::TopRow;
