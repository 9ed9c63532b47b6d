//! All messages as one type.

use netloom_flow::OfPort;

use super::{
    AsyncConfig, BundleAdd, BundleControl, Config, ControllerStatus, CtFlush, ErrorMessage, Experimenter,
    Features, FlowFormat, FlowMod, FlowRemoved, GroupMod, Hello, MeterMod, MultipartReply, MultipartRequest,
    PacketIn, PacketInFormat, PacketOut, PortMod, PortStatus, QueueDesc, RequestForward, Resume, RoleMessage,
    RoleStatus, TableConfig, TableStatus, TlvTable, TlvTableMod,
};

/// A message of any version, in the order of 1.3's numbers; then those of extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The first message.
    Hello(Hello),
    /// A request was refused.
    Error(ErrorMessage),
    /// Are you there? The bytes come back.
    EchoRequest(Vec<u8>),
    /// Yes.
    EchoReply(Vec<u8>),
    /// Of an experimenter nobody here knows.
    Experimenter(Experimenter),
    /// What are you?
    FeaturesRequest,
    /// What the switch is.
    FeaturesReply(Box<Features>),
    /// How are you set?
    GetConfigRequest,
    /// How the switch is set.
    GetConfigReply(Config),
    /// Be so.
    SetConfig(Config),
    /// A packet for the controller.
    PacketIn(Box<PacketIn>),
    /// A flow is gone.
    FlowRemoved(Box<FlowRemoved>),
    /// A port came, went or changed.
    PortStatus(Box<PortStatus>),
    /// A packet from the controller.
    PacketOut(Box<PacketOut>),
    /// A change of flows.
    FlowMod(Box<FlowMod>),
    /// A change of groups.
    GroupMod(Box<GroupMod>),
    /// A change of a port.
    PortMod(PortMod),
    /// A change of a table.
    TableMod(TableConfig),
    /// A question with a long answer.
    MultipartRequest(MultipartRequest),
    /// The long answer.
    MultipartReply(MultipartReply),
    /// Tell me when all before this is done.
    BarrierRequest,
    /// All before that is done.
    BarrierReply,
    /// What queues has a port? Up to 1.3; [`OfPort::NONE`]: every port.
    QueueGetConfigRequest(OfPort),
    /// The queues of a port. Up to 1.3.
    QueueGetConfigReply(OfPort, Vec<QueueDesc>),
    /// Give me this role.
    RoleRequest(RoleMessage),
    /// This is your role.
    RoleReply(RoleMessage),
    /// Which messages do I get unasked? From 1.3.
    GetAsyncRequest,
    /// These.
    GetAsyncReply(AsyncConfig),
    /// I want these. The settings that are `None` stay.
    SetAsync(AsyncConfig),
    /// A change of meters. From 1.3.
    MeterMod(MeterMod),
    /// Your role changed.
    RoleStatus(RoleStatus),
    /// A table fills up.
    TableStatus(TableStatus),
    /// Another controller changed this.
    RequestForward(RequestForward),
    /// Open, close, commit or discard a bundle; or that it was done.
    BundleControl(BundleControl),
    /// A message of a bundle.
    BundleAdd(BundleAdd),
    /// How a controller stands has changed. From 1.5.
    ControllerStatus(ControllerStatus),

    /// How flows are spoken of. 1.0.
    SetFlowFormat(FlowFormat),
    /// Whether flow mods of 1.0 name a table.
    FlowModTableId(bool),
    /// How packets are to be sent.
    SetPacketInFormat(PacketInFormat),
    /// Whether flow statistics of 1.0 tell ages.
    FlowAge,
    /// This connection's number, for `controller(id=N)`.
    SetControllerId(u16),
    /// End a monitor. Before 1.4.
    FlowMonitorCancel(u32),
    /// Monitors pause. Before 1.4.
    FlowMonitorPaused,
    /// Monitors go on. Before 1.4.
    FlowMonitorResumed,
    /// A change of the tunnel options that fields stand for.
    TlvTableMod(TlvTableMod),
    /// Which tunnel options do fields stand for?
    TlvTableRequest,
    /// These.
    TlvTableReply(TlvTable),
    /// Let a packet that waits go on.
    Resume(Resume),
    /// Forget the connections of a zone.
    CtFlushZone(u16),
    /// Forget connections.
    CtFlush(Box<CtFlush>),
}
