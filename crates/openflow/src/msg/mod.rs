//! What is said, free of versions. A file for each noun.
//!
//! Port numbers are the 32-bit ones of 1.1, flags have the numbers of 1.3 unless their type says otherwise, and
//! what a version cannot say has the value that this version means by its silence.

pub mod asynchronous;
pub mod bundle;
pub mod config;
pub mod controller;
pub mod error;
pub mod experimenter;
pub mod features;
pub mod flow_mod;
pub mod flow_removed;
pub mod forward;
pub mod group;
pub mod hello;
mod message;
pub mod meter;
pub mod monitor;
pub mod multipart;
pub mod nicira;
pub mod packet_in;
pub mod packet_out;
pub mod port;
pub mod queue;
pub mod role;
pub mod stats;
pub mod table;

pub use asynchronous::{AsyncConfig, AsyncMasks};
pub use bundle::{BundleAdd, BundleCommand, BundleControl, BundleFlags};
pub use config::{Config, FragMode};
pub use controller::{ControllerReason, ControllerStatus};
pub use error::ErrorMessage;
pub use experimenter::Experimenter;
pub use features::{Capabilities, Features};
pub use flow_mod::{FlowCommand, FlowFlags, FlowMod};
pub use flow_removed::{FlowRemoved, FlowRemovedReason};
pub use forward::{ForwardReason, RequestForward};
pub use group::{Bucket, GroupCommand, GroupDesc, GroupFeatures, GroupMod, GroupStats, GroupType, Selection};
pub use hello::Hello;
pub use message::Message;
pub use meter::{Band, BandKind, MeterCommand, MeterConfig, MeterFeatures, MeterFlags, MeterMod, MeterStats};
pub use monitor::{FlowChange, FlowEvent, FlowUpdate, MonitorCommand, MonitorFlags, MonitorRequest};
pub use multipart::{MultipartReply, MultipartRequest};
pub use nicira::{
    CtFlush, CtTuple, FlowFormat, PacketInFormat, Resume, TlvCommand, TlvMap, TlvTable, TlvTableMod,
};
pub use packet_in::{Continuation, PacketIn, PacketInReason};
pub use packet_out::PacketOut;
pub use port::{PortConfig, PortDesc, PortFeatures, PortMod, PortReason, PortState, PortStatus};
pub use queue::{QueueDesc, QueueRequest};
pub use role::{Role, RoleMessage, RoleReason, RoleStatus};
pub use stats::{
    AggregateStats, Counts, Desc, FlowStats, FlowStatsRequest, IpfixStats, PortStats, QueueStats,
};
pub use table::{TableActions, TableConfig, TableFeatures, TableMiss, TableReason, TableStats, TableStatus};
