//! Requests whose answer may take many messages, and the answers (`OFPT_MULTIPART_*`, `OFPT_STATS_*`).

use netloom_flow::OfPort;

use super::bundle::BundleFlags;
use super::controller::ControllerStatus;
use super::group::{GroupDesc, GroupFeatures, GroupStats};
use super::meter::{MeterConfig, MeterFeatures, MeterStats};
use super::monitor::{FlowUpdate, MonitorRequest};
use super::port::PortDesc;
use super::queue::{QueueDesc, QueueRequest};
use super::stats::{AggregateStats, Desc, FlowStats, FlowStatsRequest, IpfixStats, PortStats, QueueStats};
use super::table::{TableConfig, TableFeatures, TableStats};

/// What is asked. A request of several messages is put together before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartRequest {
    /// Names of the switch.
    Desc,
    /// Flows.
    Flow(Box<FlowStatsRequest>),
    /// The sum over flows.
    Aggregate(Box<FlowStatsRequest>),
    /// Tables.
    Table,
    /// What a port counted; [`OfPort::NONE`]: every port.
    PortStats(OfPort),
    /// What queues counted.
    Queue(QueueRequest),
    /// What a group counted; [`super::group::GROUP_ALL`]: every group. From 1.1.
    Group(u32),
    /// Groups: this one from 1.5 on, else [`super::group::GROUP_ALL`]. From 1.1.
    GroupDesc(u32),
    /// What groups can do; from 1.2.
    GroupFeatures,
    /// What a meter counted; [`super::meter::METER_ALL`]: every meter. From 1.3.
    Meter(u32),
    /// Meters; from 1.3.
    MeterConfig(u32),
    /// What meters can do; from 1.3.
    MeterFeatures,
    /// What tables can do, or with content, a change of it; from 1.3.
    TableFeatures(Vec<TableFeatures>),
    /// Ports: this one from 1.5 on, else [`OfPort::NONE`].
    PortDesc(OfPort),
    /// Settings of tables; from 1.4.
    TableDesc,
    /// Queues; from 1.4, before that by a message of its own.
    QueueDesc(QueueRequest),
    /// Watch flows.
    FlowMonitor(Vec<MonitorRequest>),
    /// Flows without what they do (`OFPMP_FLOW_STATS`); from 1.5.
    FlowCounts(Box<FlowStatsRequest>),
    /// How controllers stand; from 1.5.
    ControllerStatus,
    /// What bundles can do, asked with flags (`OFPBMFRF_*`); from 1.5.
    BundleFeatures(u32),
    /// What the bridge's IPFIX exporter counted.
    IpfixBridge,
    /// What the IPFIX exporters of flows counted.
    IpfixFlow,
    /// Of an experimenter nobody here knows: id, type, body.
    Experimenter(u32, u32, Vec<u8>),
}

/// What is answered: all of it. It is cut into messages when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MultipartReply {
    /// Names of the switch.
    Desc(Box<Desc>),
    /// Flows.
    Flow(Vec<FlowStats>),
    /// The sum over flows.
    Aggregate(AggregateStats),
    /// Tables.
    Table(Vec<TableStats>),
    /// What ports counted.
    PortStats(Vec<PortStats>),
    /// What queues counted.
    Queue(Vec<QueueStats>),
    /// What groups counted.
    Group(Vec<GroupStats>),
    /// Groups.
    GroupDesc(Vec<GroupDesc>),
    /// What groups can do.
    GroupFeatures(GroupFeatures),
    /// What meters counted.
    Meter(Vec<MeterStats>),
    /// Meters.
    MeterConfig(Vec<MeterConfig>),
    /// What meters can do.
    MeterFeatures(MeterFeatures),
    /// What tables can do.
    TableFeatures(Vec<TableFeatures>),
    /// Ports.
    PortDesc(Vec<PortDesc>),
    /// Settings of tables.
    TableDesc(Vec<TableConfig>),
    /// Queues.
    QueueDesc(Vec<QueueDesc>),
    /// Flows there are, then what happens to them, with the transaction id 0.
    FlowMonitor(Vec<FlowUpdate>),
    /// Flows without what they do: of each, table, priority, match and counters.
    FlowCounts(Vec<FlowStats>),
    /// How controllers stand.
    ControllerStatus(Vec<ControllerStatus>),
    /// What bundles can do.
    BundleFeatures(BundleFlags),
    /// What the bridge's IPFIX exporter counted.
    IpfixBridge(IpfixStats),
    /// What the IPFIX exporters of flows counted.
    IpfixFlow(Vec<IpfixStats>),
    /// Of an experimenter nobody here knows: id, type, body.
    Experimenter(u32, u32, Vec<u8>),
}
