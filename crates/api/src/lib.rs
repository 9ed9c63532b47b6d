//! What can be asked of a running lab, and its form on the socket.
//!
//! One enum, [`Command`], is all that can be asked. Every way in (command line, REST, later Python and a user
//! interface) becomes one of its variants. The answer is a [`Reply`] of rows, or an [`ApiError`]; commands for
//! which [`Command::is_stream`] holds answer by a framed [`stream`] instead.
//!
//! On the socket (`api.sock` of a lab, HTTP/1.1):
//!
//! - `POST /v1/command` with a [`Command`] as JSON; the answer is one [`Line`] per text line: progress, then a
//!   reply or an error as the last one. Closing the connection early asks the lab to stop and undo.
//! - `POST /v1/stream` with `Upgrade: netloom-stream` and a [`Command`] as JSON; after `101` both sides speak
//!   [`stream`] frames.
//!
//! Rows only grow: a field may be added, none is removed or changes its meaning while [`SCHEMA`] is 1.

mod command;
mod error;
mod progress;
mod reply;
mod row;
pub mod stream;

pub use command::{
    Command, Direction, Family, Listing, Measurement, NodeAction, Set, SnapshotAction, TableChange, TermSize,
    TracePath, Wanted,
};
pub use error::{ApiError, Detail, ErrorKind, Finding, Place};
pub use progress::{Line, Progress};
pub use reply::{
    Applied, Document, DownReport, Fidelity, Graph, PingReport, PlanReply, PlanStep, Reply, Shown, TestReport,
};
pub use row::{
    AttributesRow, BarRow, CapabilityRow, CardRow, CompareRow, ConnectionRow, ControllerRow, DirectionRow,
    DropRow, EndRow, FlowRow, FreedRow, FunctionInfo, FunctionRow, GroupRow, HeldRow, ImageInfo, ImageRow,
    InterfaceRow, LabRow, LayerRow, LeaseRow, LinkRow, MeasureRow, MeterRow, MigrationRow, MsiXRow, NodeRow,
    PingRow, PublishedRow, QueueRow, ServiceRow, SnapshotRow, SpaceRow, SrIovRow, SwitchPortRow, SwitchRow,
    TenantRow, TestRow, TopRow, Trace, TraceChange, TraceDrop, TraceLookup, TraceRule, TraceStep, TraceWhat,
    Verdict, ZoneRow,
};

/// The version of every JSON document printed or sent; it stays while documents only grow.
pub const SCHEMA: u32 = 1;

/// The protocol named in the `Upgrade` header of a stream.
pub const STREAM_PROTOCOL: &str = "netloom-stream";
