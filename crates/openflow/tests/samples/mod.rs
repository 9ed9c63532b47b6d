//! A message of each kind, with every part of it filled.

use netloom_flow::action::Action;
use netloom_flow::{FieldId, FlowMatch, Nanos, OfPort, TableId, parse_flow};
use netloom_openflow::frame::Head;
use netloom_openflow::msg::group::{BUCKET_ALL, GROUP_ALL, GROUP_ANY, GroupCapabilities};
use netloom_openflow::msg::table::{EvictionFlags, FlowAbilities, Instructions, TableActions, Vacancy};
use netloom_openflow::msg::*;
use netloom_openflow::wire::{Protocol, encode};
use netloom_openflow::{Message, OfError, Version, Versions, Xid};
use netloom_packet::Mac;

/// The transaction id of all samples.
pub(crate) const XID: Xid = Xid(0x1234_5678);

const FRAME: [u8; 14] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];

/// A match that every version can say.
fn matches() -> FlowMatch {
    let mut m = FlowMatch::any();
    for (field, value) in [
        (FieldId::InPortOxm, 3),
        (FieldId::EthSrc, 0x0200_0000_0001),
        (FieldId::EthType, 0x0800),
        (FieldId::NwProto, 6),
        (FieldId::TcpDst, 80),
    ] {
        m.set(field, value);
    }
    m.set_masked(FieldId::Ipv4Src, 0x0a00_0000, 0xff00_0000);
    m
}

fn actions() -> Vec<Action> {
    vec![Action::SetQueue(3), Action::Output(OfPort(2)), Action::Output(OfPort::NORMAL)]
}

fn metadata() -> FlowMatch {
    let mut m = FlowMatch::any();
    m.set(FieldId::InPortOxm, 3);
    m
}

fn counts() -> Counts {
    Counts { packets: 5, bytes: 300, duration: Nanos(1_500_000_000) }
}

/// A flow that every version can say.
fn controller() -> ControllerStatus {
    ControllerStatus {
        short_id: 5,
        role: Role::Secondary,
        reason: ControllerReason::Role,
        is_up: true,
        uri: "tcp:127.0.0.1:6653".to_owned(),
    }
}

pub(crate) fn flow_stats() -> FlowStats {
    FlowStats {
        table: TableId(1),
        priority: 100,
        matches: matches(),
        cookie: 0x1122,
        idle_timeout: 10,
        hard_timeout: 20,
        importance: 0,
        flags: FlowFlags::default(),
        counts: counts(),
        idle_age: None,
        hard_age: None,
        actions: actions(),
        is_triggered: false,
    }
}

fn port(version: Version) -> PortDesc {
    let old = version == Version::V10;
    PortDesc {
        port: OfPort(7),
        hw_addr: Mac([2, 0, 0, 0, 0, 7]),
        name: "eth7".to_owned(),
        config: PortConfig::PORT_DOWN | if old { PortConfig::NO_FLOOD } else { PortConfig::NO_RECV },
        state: if old { PortState::LINK_DOWN } else { PortState::LINK_DOWN | PortState::LIVE },
        current: PortFeatures::FD_1GB | PortFeatures::COPPER,
        advertised: PortFeatures::FD_10GB | PortFeatures::AUTONEG,
        supported: PortFeatures::PAUSE,
        peer: PortFeatures::PAUSE_ASYM,
        current_kbps: if old { 0 } else { 1_000_000 },
        max_kbps: if old { 0 } else { 10_000_000 },
    }
}

fn packet_in(version: Version) -> PacketIn {
    PacketIn {
        packet: FRAME.to_vec(),
        total_len: 60,
        buffer: Some(9),
        reason: PacketInReason::InvalidTtl,
        table: TableId(if version == Version::V10 { 0 } else { 4 }),
        cookie: if version >= Version::V13 { Some(0x99) } else { None },
        metadata: metadata(),
        userdata: Vec::new(),
        continuation: None,
    }
}

fn buckets(version: Version) -> Vec<Bucket> {
    let bucket = |id, weight, port| Bucket {
        id,
        weight,
        watch_port: OfPort(port),
        watch_group: GROUP_ANY,
        actions: if version == Version::V10 { vec![Action::Output(OfPort(port))] } else { actions() },
    };
    vec![bucket(0, 3, 1), bucket(1, 4, 2)]
}

fn table_config(version: Version) -> TableConfig {
    let new = version >= Version::V14;
    TableConfig {
        table: Some(TableId(5)),
        miss: if version <= Version::V12 { TableMiss::Drop } else { TableMiss::Default },
        eviction: new.then_some(true),
        eviction_flags: if new {
            EvictionFlags::IMPORTANCE | EvictionFlags::LIFETIME
        } else {
            EvictionFlags(0)
        },
        vacancy_events: new.then_some(true),
        vacancy: if new { Vacancy { down: 10, up: 20, now: 15 } } else { Vacancy::default() },
    }
}

fn abilities() -> FlowAbilities {
    FlowAbilities {
        next_tables: vec![TableId(6), TableId(7)],
        instructions: Instructions::APPLY_ACTIONS | Instructions::GOTO_TABLE,
        write: TableActions { actions: 1, set_fields: vec![FieldId::EthSrc] },
        apply: TableActions { actions: 1 | 1 << 17, set_fields: vec![FieldId::EthSrc, FieldId::EthDst] },
    }
}

fn table_features(version: Version) -> TableFeatures {
    TableFeatures {
        flags: if version >= Version::V15 { 0x13 } else { 0 },
        table: TableId(5),
        command: 0,
        name: "classifier".to_owned(),
        metadata_match: u64::MAX,
        metadata_write: 0xff,
        miss: TableMiss::Default,
        eviction: version >= Version::V14,
        vacancy_events: false,
        max_entries: 1_000_000,
        flows: abilities(),
        miss_flow: abilities(),
        matches: vec![(FieldId::EthType, false), (FieldId::Ipv4Src, true)],
        wildcards: vec![FieldId::EthType],
        has_properties: true,
    }
}

fn flow_mods(version: Version) -> Vec<FlowMod> {
    let table = if version == Version::V10 { None } else { Some(TableId(2)) };
    let resets = if version <= Version::V11 { FlowFlags::RESET_COUNTS } else { FlowFlags(0) };
    let add = FlowMod {
        table,
        priority: 7,
        matches: matches(),
        new_cookie: Some(0xabcd),
        idle_timeout: 5,
        hard_timeout: 6,
        importance: if version >= Version::V14 { 9 } else { 0 },
        buffer: Some(77),
        flags: FlowFlags::SEND_FLOW_REM | FlowFlags::CHECK_OVERLAP | resets,
        actions: actions(),
        ..FlowMod::default()
    };
    let mut mods = vec![add.clone()];
    let cookie = if version == Version::V10 { (0, 0) } else { (0x10, 0xf0) };
    mods.push(FlowMod {
        command: FlowCommand::DeleteStrict,
        new_cookie: None,
        cookie: cookie.0,
        cookie_mask: cookie.1,
        flags: FlowFlags::default(),
        out_port: OfPort(4),
        out_group: if version == Version::V10 { GROUP_ANY } else { 5 },
        importance: 0,
        actions: Vec::new(),
        ..add.clone()
    });
    let new_cookie = (version <= Version::V11).then_some(0xabcd);
    mods.push(FlowMod {
        command: FlowCommand::Modify,
        new_cookie,
        flags: FlowFlags::default(),
        importance: 0,
        ..add.clone()
    });
    if version >= Version::V11 {
        mods.push(FlowMod { actions: instructions(version), ..add });
    }
    mods
}

/// All instructions that a version has, in their order.
fn instructions(version: Version) -> Vec<Action> {
    let mut list = Vec::new();
    if version >= Version::V13 {
        list.push(Action::Meter(3));
    }
    list.extend(actions());
    list.extend([
        Action::ClearActions,
        Action::WriteActions(Box::new([Action::Group(4)])),
        Action::WriteMetadata { value: 5, mask: 0xff },
        Action::GotoTable(TableId(9)),
    ]);
    list
}

/// The flows of text, in which every action of Nicira's appears.
fn from_text() -> Vec<FlowMod> {
    [
        "ip,actions=ct(commit,zone=5,nat(src=10.0.0.1-10.0.0.9:100-200,random),exec(set_field:0x1->ct_mark))",
        "ip,reg3=0x5/0xff,actions=move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31],push:NXM_NX_REG0[],pop:NXM_NX_REG1[]",
        "actions=learn(table=1,limit=4,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
        "actions=multipath(symmetric_l4,50,modulo_n,4,0,NXM_NX_REG0[0..3]),clone(output:1),resubmit(,7)",
        "actions=controller(userdata=01.02.03,pause),bundle(eth_src,0,hrw,ofport,slaves:1,2)",
        "ct_state=+trk+new,ipv6,actions=set_field:0x5->tun_id,output:NXM_NX_REG2[0..15]",
    ]
    .iter()
    .map(|text| {
        let flow = parse_flow(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        FlowMod {
            table: Some(TableId(2)),
            matches: flow.matches,
            new_cookie: Some(1),
            flags: FlowFlags::RESET_COUNTS,
            actions: flow.actions.to_vec(),
            ..FlowMod::default()
        }
    })
    .collect()
}

fn requests(version: Version) -> Vec<MultipartRequest> {
    use MultipartRequest as M;
    let old = version == Version::V10;
    let flows = Box::new(FlowStatsRequest {
        table: Some(TableId(3)),
        matches: matches(),
        out_port: OfPort(4),
        out_group: GROUP_ANY,
        cookie: if old { 0 } else { 0x30 },
        cookie_mask: if old { 0 } else { 0xf0 },
    });
    let queue = QueueRequest { port: OfPort(3), queue: 8 };
    let one = if version == Version::V15 { 6 } else { GROUP_ALL };
    vec![
        M::Desc,
        M::Flow(flows.clone()),
        M::Aggregate(flows.clone()),
        M::Table,
        M::PortStats(OfPort::NONE),
        M::Queue(queue),
        M::Group(6),
        M::GroupDesc(if old { 6 } else { one }),
        M::GroupFeatures,
        M::Meter(6),
        M::MeterConfig(6),
        M::MeterFeatures,
        M::TableFeatures(vec![table_features(version)]),
        M::PortDesc(if version == Version::V15 { OfPort(4) } else { OfPort::NONE }),
        M::TableDesc,
        M::QueueDesc(queue),
        M::FlowMonitor(vec![MonitorRequest {
            monitor: 7,
            command: MonitorCommand::Add,
            flags: MonitorFlags::INITIAL | MonitorFlags::ADD,
            out_port: OfPort(4),
            out_group: GROUP_ANY,
            table: Some(TableId(3)),
            matches: matches(),
        }]),
        M::FlowCounts(flows),
        M::ControllerStatus,
        M::BundleFeatures(0),
        M::IpfixBridge,
        M::IpfixFlow,
        M::Experimenter(0x0012_3456, 7, vec![1, 2, 3, 4]),
    ]
}

fn port_stats(version: Version) -> PortStats {
    PortStats {
        port: OfPort(7),
        rx_packets: 1,
        tx_packets: 2,
        rx_bytes: 3,
        tx_bytes: 4,
        rx_dropped: 5,
        tx_dropped: 6,
        rx_errors: 7,
        tx_errors: 8,
        rx_frame_errors: 9,
        rx_over_errors: 10,
        rx_crc_errors: 11,
        collisions: 12,
        duration: (version >= Version::V13).then_some(Nanos(7_000_000_009)),
    }
}

fn updates(version: Version) -> Vec<FlowUpdate> {
    let change = |event| FlowChange {
        event,
        table: TableId(3),
        priority: 9,
        idle_timeout: 1,
        hard_timeout: 2,
        cookie: 3,
        matches: matches(),
        actions: actions(),
    };
    let mut updates = vec![
        FlowUpdate::Full(Box::new(change(FlowEvent::Added))),
        FlowUpdate::Full(Box::new(change(FlowEvent::Removed(FlowRemovedReason::Delete)))),
        FlowUpdate::Abbreviated(Xid(5)),
    ];
    if version >= Version::V14 {
        updates.extend([
            FlowUpdate::Full(Box::new(change(FlowEvent::Initial))),
            FlowUpdate::Paused,
            FlowUpdate::Resumed,
        ]);
    }
    updates
}

fn replies(version: Version) -> Vec<MultipartReply> {
    use MultipartReply as M;
    let queue_duration = (version >= Version::V13).then_some(Nanos(7_000_000_009));
    let desc = Desc {
        manufacturer: "m".to_owned(),
        hardware: "h".to_owned(),
        software: "s".to_owned(),
        serial: "n".to_owned(),
        datapath: "d".to_owned(),
    };
    let group_duration =
        if matches!(version, Version::V11 | Version::V12) { Nanos::ZERO } else { Nanos(4_000_000_000) };
    let ipfix = IpfixStats { total_flows: 1, tx_packets: 2, collector_set: 3, ..IpfixStats::default() };
    let old = version <= Version::V12;
    let light =
        FlowStats { cookie: 0, idle_timeout: 0, hard_timeout: 0, actions: Vec::new(), ..flow_stats() };
    vec![
        M::Desc(Box::new(desc)),
        M::Flow(vec![flow_stats(), flow_stats()]),
        M::Flow(Vec::new()),
        M::Aggregate(AggregateStats { packets: 1, bytes: 2, flows: 3 }),
        M::Table(vec![TableStats {
            table: TableId(2),
            name: if old { "two".to_owned() } else { String::new() },
            max_entries: if old { 9 } else { 0 },
            miss: TableMiss::Default,
            active: 1,
            lookups: 2,
            matched: 3,
        }]),
        M::PortStats(vec![port_stats(version)]),
        M::Queue(vec![QueueStats {
            port: OfPort(1),
            queue: 2,
            tx_bytes: 3,
            tx_packets: 4,
            tx_errors: 5,
            duration: queue_duration,
        }]),
        M::Group(vec![GroupStats {
            group: 4,
            references: 2,
            counts: Counts { duration: group_duration, ..counts() },
            buckets: vec![(1, 2), (3, 4)],
        }]),
        M::GroupDesc(vec![GroupDesc {
            group: 4,
            kind: GroupType::Select,
            buckets: buckets(version),
            selection: selection(version),
        }]),
        M::GroupFeatures(GroupFeatures {
            types: 0xf,
            capabilities: GroupCapabilities::SELECT_WEIGHT | GroupCapabilities::CHAINING,
            max_groups: [1, 2, 3, 4],
            actions: [1, 3, 5, 7],
        }),
        M::Meter(vec![MeterStats {
            meter: 3,
            flows: 2,
            packets: 1,
            bytes: 9,
            duration: Nanos(2_000_000_001),
            bands: vec![(5, 6)],
        }]),
        M::MeterConfig(vec![meter()]),
        M::MeterFeatures(MeterFeatures {
            max_meters: 10,
            bands: 2,
            capabilities: 15,
            max_bands: 8,
            max_color: 0,
        }),
        M::TableFeatures(vec![table_features(version)]),
        M::PortDesc(vec![port(version), port(version)]),
        M::TableDesc(vec![table_config(version)]),
        M::QueueDesc(vec![QueueDesc { port: OfPort(3), queue: 4, min_rate: Some(100), max_rate: None }]),
        M::FlowMonitor(updates(version)),
        M::FlowCounts(vec![light.clone(), FlowStats { is_triggered: true, ..light }]),
        M::ControllerStatus(vec![controller()]),
        M::BundleFeatures(BundleFlags::ATOMIC | BundleFlags::ORDERED),
        M::IpfixBridge(ipfix),
        M::IpfixFlow(vec![ipfix, ipfix]),
        M::Experimenter(0x0012_3456, 7, vec![1, 2, 3, 4]),
    ]
}

fn selection(version: Version) -> Selection {
    if !matches!(version, Version::V10 | Version::V15) {
        return Selection::default();
    }
    let fields = vec![(FieldId::Ipv4Src, 0xffff_ff00), (FieldId::TcpDst, 0xffff)];
    Selection { method: "hash".to_owned(), param: 9, fields }
}

fn meter() -> MeterConfig {
    MeterConfig {
        meter: 3,
        flags: MeterFlags::KBPS | MeterFlags::BURST,
        bands: vec![
            Band { kind: BandKind::Drop, rate: 1000, burst: 10 },
            Band { kind: BandKind::DscpRemark { precedence: 2 }, rate: 2000, burst: 20 },
        ],
    }
}

fn asynchronous(version: Version) -> AsyncConfig {
    let new = version >= Version::V14;
    let masks = |bits| AsyncMasks {
        packet_in: Some(bits),
        port_status: Some(7),
        flow_removed: Some(bits),
        role_status: new.then_some(1),
        table_status: new.then_some(0x18),
        requestforward: new.then_some(3),
        flow_stats: (version >= Version::V15).then_some(2),
    };
    AsyncConfig { primary: masks(3), secondary: masks(1) }
}

fn tlv_maps() -> Vec<TlvMap> {
    vec![TlvMap { class: 0x0102, kind: 0x80, len: 4, index: 0 }]
}

fn group_mod(version: Version) -> GroupMod {
    GroupMod {
        command: GroupCommand::Add,
        kind: GroupType::Select,
        group: 4,
        command_bucket: BUCKET_ALL,
        buckets: buckets(version),
        selection: selection(version),
    }
}

fn bundle_add(version: Version) -> BundleAdd {
    let message = Message::FlowMod(Box::new(flow_mods(version).remove(0)));
    let mut bytes = Vec::new();
    encode(&Protocol::new(version), XID, &message, &mut bytes).expect("every version has flow mods");
    BundleAdd {
        bundle: 5,
        flags: BundleFlags::ATOMIC,
        xid: XID,
        message: Box::new(message),
        head: Head::of(&bytes),
    }
}

/// A message of each kind, as a version says it.
pub(crate) fn all(version: Version) -> Vec<Message> {
    use Message as M;
    let mut all = vec![
        M::Hello(Hello { versions: Some(Versions(0x12)) }),
        M::Hello(Hello { versions: None }),
        M::Error(ErrorMessage {
            error: OfError::BmcBadPrereq.into(),
            data: vec![version.wire(), 2, 0, 8, 0, 0, 0, 1],
        }),
        M::Error(ErrorMessage {
            error: OfError::FmfcOverlap.into(),
            data: vec![version.wire(), 2, 0, 8, 0, 0, 0, 1],
        }),
        M::EchoRequest(vec![1, 2, 3]),
        M::EchoReply(Vec::new()),
        M::Experimenter(Experimenter { id: 0x0012_3456, kind: 9, body: vec![1, 2, 3, 4] }),
        M::FeaturesRequest,
        M::FeaturesReply(Box::new(Features {
            datapath_id: 0x1234,
            buffers: 5,
            tables: 254,
            auxiliary: if version >= Version::V13 { 1 } else { 0 },
            capabilities: Capabilities::FLOW_STATS | Capabilities::QUEUE_STATS,
            actions: if version == Version::V10 { 0xfff } else { 0 },
            ports: if version <= Version::V12 { vec![port(version)] } else { Vec::new() },
        })),
        M::GetConfigRequest,
        M::GetConfigReply(Config { frag: FragMode::NxMatch, miss_send_len: 99, ..Config::default() }),
        M::SetConfig(Config { frag: FragMode::Drop, miss_send_len: 0xffff, ..Config::default() }),
        M::PacketIn(Box::new(packet_in(version))),
        M::FlowRemoved(Box::new(FlowRemoved {
            matches: matches(),
            cookie: 1,
            priority: 2,
            reason: FlowRemovedReason::HardTimeout,
            table: (version > Version::V10).then_some(TableId(3)),
            idle_timeout: 4,
            hard_timeout: if version >= Version::V12 { 5 } else { 0 },
            counts: counts(),
        })),
        M::PortStatus(Box::new(PortStatus { reason: PortReason::Modify, desc: port(version) })),
        M::PacketOut(Box::new(PacketOut {
            buffer: None,
            packet: FRAME.to_vec(),
            metadata: metadata(),
            actions: actions(),
        })),
        M::GroupMod(Box::new(group_mod(version))),
        M::PortMod(PortMod {
            port: OfPort(7),
            hw_addr: Mac([2, 0, 0, 0, 0, 7]),
            config: PortConfig::PORT_DOWN,
            mask: PortConfig::PORT_DOWN,
            advertise: PortFeatures::FD_1GB,
        }),
        M::TableMod({
            let config = table_config(version);
            TableConfig { vacancy: Vacancy { now: 0, ..config.vacancy }, ..config }
        }),
        M::BarrierRequest,
        M::BarrierReply,
        M::QueueGetConfigRequest(OfPort(3)),
        M::QueueGetConfigReply(
            OfPort(3),
            vec![QueueDesc { port: OfPort(3), queue: 4, min_rate: Some(100), max_rate: Some(500) }],
        ),
        M::GetAsyncRequest,
        M::GetAsyncReply(asynchronous(version)),
        M::SetAsync(asynchronous(version)),
        M::MeterMod(MeterMod { command: MeterCommand::Add, config: meter() }),
        M::RoleStatus(RoleStatus {
            role: Role::Secondary,
            reason: RoleReason::PrimaryRequest,
            generation: Some(5),
        }),
        M::TableStatus(TableStatus { reason: TableReason::VacancyUp, config: table_config(version) }),
        M::RequestForward(RequestForward {
            xid: Xid(9),
            request: Box::new(M::GroupMod(Box::new(group_mod(version)))),
        }),
        M::BundleControl(BundleControl {
            bundle: 5,
            command: BundleCommand::CommitRequest,
            flags: BundleFlags::ATOMIC | BundleFlags::ORDERED,
        }),
        M::BundleAdd(bundle_add(version)),
        M::ControllerStatus(controller()),
    ];
    let nicira = version < Version::V12;
    let generation = (!nicira).then_some(7);
    all.push(M::RoleRequest(RoleMessage { role: Role::Primary, generation, nicira }));
    all.push(M::RoleReply(RoleMessage { role: Role::Secondary, generation, nicira }));
    all.push(M::RoleReply(RoleMessage { role: Role::Secondary, generation: None, nicira: true }));
    all.extend(extensions(version));
    all.extend(flow_mods(version).into_iter().map(|flow| M::FlowMod(Box::new(flow))));
    all.extend(from_text().into_iter().map(|flow| M::FlowMod(Box::new(flow))));
    all.extend(requests(version).into_iter().map(M::MultipartRequest));
    all.extend(replies(version).into_iter().map(M::MultipartReply));
    all
}

fn extensions(version: Version) -> Vec<Message> {
    use Message as M;
    let address = std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped();
    let tuple = CtTuple { source: Some(address), source_port: Some(80), ..CtTuple::default() };
    let continuation = Continuation {
        bridge: [7; 16],
        stack: vec![vec![1, 2], vec![3]],
        mirrors: 5,
        conntracked: true,
        table: Some(TableId(3)),
        cookie: 9,
        actions: actions(),
        action_set: vec![Action::Output(OfPort(1))],
        odp_port: Some(4),
    };
    let waiting = PacketIn {
        cookie: Some(8),
        userdata: Vec::new(),
        continuation: Some(continuation),
        buffer: None,
        ..packet_in(version)
    };
    vec![
        M::SetFlowFormat(FlowFormat::Nxm),
        M::FlowModTableId(true),
        M::SetPacketInFormat(PacketInFormat::Nxt2),
        M::FlowAge,
        M::SetControllerId(17),
        M::FlowMonitorCancel(7),
        M::FlowMonitorPaused,
        M::FlowMonitorResumed,
        M::TlvTableMod(TlvTableMod { command: TlvCommand::Add, maps: tlv_maps() }),
        M::TlvTableRequest,
        M::TlvTableReply(TlvTable { max_space: 256, max_fields: 64, maps: tlv_maps() }),
        M::Resume(Resume { packet_in: Box::new(waiting) }),
        M::CtFlushZone(5),
        M::CtFlush(Box::new(CtFlush { protocol: 6, zone: Some(5), original: tuple, ..CtFlush::default() })),
    ]
}

/// Whether a version, and the way in which it is spoken here, has a word for all of a sample.
pub(crate) fn is_said_in_full(protocol: &Protocol, message: &Message) -> bool {
    let nxm = protocol.flow_format == FlowFormat::Nxm;
    match message {
        // The form of packets decides what they tell.
        Message::PacketIn(_) => protocol.packet_in_format == PacketInFormat::Standard && !nxm,
        Message::FlowMod(flow) if protocol.version == Version::V10 => {
            (nxm && flow.command != FlowCommand::Modify || flow.table.is_none()) && !has_note(flow)
        }
        Message::FlowMod(flow) => flow.new_cookie != Some(1),
        Message::FlowRemoved(_) => !nxm,
        Message::TableMod(_) => protocol.version != Version::V13,
        _ => true,
    }
}

/// `learn` and its like, of which versions without masks say part otherwise.
fn has_note(flow: &FlowMod) -> bool {
    flow.new_cookie == Some(1)
}

/// What OVS 3.1 does not read: experimenters it does not know, and what it has no decoder for.
pub(crate) fn unknown_to_ovs(message: &Message) -> bool {
    if let Message::SetAsync(config) | Message::GetAsyncReply(config) = message {
        return config.primary.flow_stats.is_some();
    }
    matches!(
        message,
        Message::Experimenter(_)
            | Message::ControllerStatus(_)
            | Message::MultipartRequest(
                MultipartRequest::Experimenter(..)
                    | MultipartRequest::FlowCounts(_)
                    | MultipartRequest::ControllerStatus
                    | MultipartRequest::BundleFeatures(_)
            )
            | Message::MultipartReply(
                MultipartReply::Experimenter(..)
                    | MultipartReply::FlowCounts(_)
                    | MultipartReply::ControllerStatus(_)
                    | MultipartReply::BundleFeatures(_)
            )
    )
}
