//! What controllers ask, message by message.

mod support;

use netloom_flow::{Action, FieldId, FlowMatch, OfPort, TableId, parse_flow};
use netloom_openflow::frame::Head;
use netloom_openflow::msg::group::{BUCKET_ALL, GROUP_ALL, GROUP_ANY};
use netloom_openflow::msg::{
    AsyncConfig, AsyncMasks, Band, BandKind, Bucket, BundleAdd, BundleCommand, BundleControl, BundleFlags,
    Config, FlowCommand, FlowMod, FlowStatsRequest, GroupCommand, GroupMod, GroupType, MeterCommand,
    MeterConfig, MeterFlags, MeterMod, MultipartReply, MultipartRequest, PacketInReason, PacketOut,
    PortConfig, PortDesc, PortMod, QueueRequest, Role, RoleMessage, Selection,
};
use netloom_openflow::{Message, OfError, Version, Xid};
use netloom_switch::{Answer, Connection, Handled, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

fn net() -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    Net::new(&plan.flow(0, "table=99,actions=drop").config, true).with_cache()
}

fn connect(version: Version) -> Connection {
    Connection::new(version, Kind::Primary, "tcp:127.0.0.1:6653")
}

fn ask(net: &mut Net, connection: &mut Connection, message: Message) -> Handled {
    let bridge = net.bridge();
    let counts = |_| PortTraffic { rx_packets: 7, ..PortTraffic::default() };
    net.switch.handle(bridge, connection, message, &counts, net.now)
}

/// The only answer, which is no error.
#[track_caller]
fn reply(net: &mut Net, connection: &mut Connection, message: Message) -> Message {
    match ask(net, connection, message).answers.pop() {
        Some(Answer::Reply(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn refusal(net: &mut Net, connection: &mut Connection, message: Message) -> Option<OfError> {
    match ask(net, connection, message).answers.as_slice() {
        [] => None,
        [Answer::Refuse(error)] => Some(*error),
        other => panic!("{other:?}"),
    }
}

fn multipart(net: &mut Net, connection: &mut Connection, request: MultipartRequest) -> MultipartReply {
    match reply(net, connection, Message::MultipartRequest(request)) {
        Message::MultipartReply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn of(text: &str) -> FlowMatch {
    parse_flow(&format!("{text} actions=drop")).expect("a good match").matches
}

fn add(text: &str, actions: Vec<Action>) -> Message {
    let (matches, new_cookie) = (of(text), Some(5));
    Message::FlowMod(Box::new(FlowMod { matches, new_cookie, actions, ..FlowMod::default() }))
}

fn out(port: u32) -> Action {
    Action::Output(OfPort(port))
}

fn all_flows() -> Box<FlowStatsRequest> {
    Box::new(FlowStatsRequest {
        table: Some(TableId(0)),
        matches: FlowMatch::any(),
        out_port: OfPort::NONE,
        out_group: GROUP_ANY,
        cookie: 0,
        cookie_mask: 0,
    })
}

fn group(command: GroupCommand, group: u32, actions: Vec<Action>) -> Message {
    let bucket = Bucket { id: 0, weight: 0, watch_port: OfPort::NONE, watch_group: GROUP_ANY, actions };
    Message::GroupMod(Box::new(GroupMod {
        command,
        kind: GroupType::All,
        group,
        command_bucket: BUCKET_ALL,
        buckets: vec![bucket],
        selection: Selection::default(),
    }))
}

#[test]
fn the_switch_says_what_a_compatible_one_says() {
    let mut net = net();
    for version in Version::ALL {
        let mut connection = connect(version);
        let Message::FeaturesReply(features) = reply(&mut net, &mut connection, Message::FeaturesRequest)
        else {
            panic!()
        };
        assert_eq!((features.buffers, features.tables), (0, 254));
        assert_eq!(features.ports.len(), if version < Version::V13 { 4 } else { 0 });
        assert!(features.datapath_id != 0 && features.datapath_id >> 48 == 0);
        let MultipartReply::Desc(desc) = multipart(&mut net, &mut connection, MultipartRequest::Desc) else {
            panic!()
        };
        assert_eq!((desc.manufacturer.as_str(), desc.hardware.as_str()), ("Nicira, Inc.", "Open vSwitch"));
        let MultipartReply::Table(tables) = multipart(&mut net, &mut connection, MultipartRequest::Table)
        else {
            panic!()
        };
        assert_eq!((tables.len(), tables[0].max_entries), (254, 1_000_000));
    }
    let mut connection = connect(Version::V13);
    assert_eq!(reply(&mut net, &mut connection, Message::BarrierRequest), Message::BarrierReply);
    let config = Config { miss_send_len: 0xffff, ..Config::default() };
    assert_eq!(refusal(&mut net, &mut connection, Message::SetConfig(config)), None);
    assert_eq!(reply(&mut net, &mut connection, Message::GetConfigRequest), Message::GetConfigReply(config));
    let MultipartReply::TableFeatures(features) =
        multipart(&mut net, &mut connection, MultipartRequest::TableFeatures(Vec::new()))
    else {
        panic!()
    };
    assert_eq!((features.len(), features[3].flows.next_tables.len()), (254, 250));
}

#[test]
fn flows_groups_and_meters_are_changed_told_and_refused() {
    let mut net = net();
    let mut connection = connect(Version::V13);
    assert_eq!(refusal(&mut net, &mut connection, add("tcp", vec![out(2)])), None);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    let MultipartReply::Flow(flows) =
        multipart(&mut net, &mut connection, MultipartRequest::Flow(all_flows()))
    else {
        panic!()
    };
    assert_eq!((flows[0].cookie, flows[0].counts.packets, flows[0].counts.bytes), (5, 1, 90));
    assert_eq!(flows[0].actions, [out(2)]);
    let aggregate = multipart(&mut net, &mut connection, MultipartRequest::Aggregate(all_flows()));
    assert!(matches!(aggregate, MultipartReply::Aggregate(sum) if (sum.flows, sum.packets) == (1, 1)));
    assert_eq!(refusal(&mut net, &mut connection, group(GroupCommand::Add, 1, vec![out(3)])), None);
    let again = group(GroupCommand::Add, 1, vec![out(3)]);
    assert_eq!(refusal(&mut net, &mut connection, again), Some(OfError::GmfcGroupExists));
    assert_eq!(refusal(&mut net, &mut connection, add("udp", vec![Action::Group(1)])), None);
    let unknown = add("udp", vec![Action::Group(2)]);
    assert_eq!(refusal(&mut net, &mut connection, unknown), Some(OfError::BacBadOutGroup));
    let MultipartReply::Group(groups) =
        multipart(&mut net, &mut connection, MultipartRequest::Group(GROUP_ALL))
    else {
        panic!()
    };
    assert_eq!((groups.len(), groups[0].references), (1, 1));
    let band = Band { kind: BandKind::Drop, rate: 10, burst: 0 };
    let config = MeterConfig { meter: 4, flags: MeterFlags::PKTPS, bands: vec![band] };
    let meter = |command| Message::MeterMod(MeterMod { command, config: config.clone() });
    assert_eq!(
        refusal(&mut net, &mut connection, meter(MeterCommand::Modify)),
        Some(OfError::MmfcUnknownMeter)
    );
    assert_eq!(refusal(&mut net, &mut connection, meter(MeterCommand::Add)), None);
    let configs = multipart(&mut net, &mut connection, MultipartRequest::MeterConfig(4));
    assert_eq!(configs, MultipartReply::MeterConfig(vec![config.clone()]));
    let stats = Message::MultipartRequest(MultipartRequest::Meter(5));
    assert_eq!(refusal(&mut net, &mut connection, stats), Some(OfError::MmfcUnknownMeter));
    assert_eq!(
        refusal(&mut net, &mut connection, add("arp", vec![Action::Meter(9)])),
        Some(OfError::MmfcInvalidMeter)
    );
    assert_eq!(
        refusal(&mut net, &mut connection, add("arp", vec![Action::GotoTable(TableId(0))])),
        Some(OfError::BicBadTableId)
    );
    let queue = MultipartRequest::Queue(QueueRequest { port: OfPort(1), queue: 3 });
    assert_eq!(
        refusal(&mut net, &mut connection, Message::MultipartRequest(queue)),
        Some(OfError::QofcBadQueue)
    );
}

#[test]
fn ports_are_told_and_set_by_who_knows_their_address() {
    let mut net = net();
    let mut connection = connect(Version::V13);
    let MultipartReply::PortDesc(ports) =
        multipart(&mut net, &mut connection, MultipartRequest::PortDesc(OfPort::NONE))
    else {
        panic!()
    };
    let names: Vec<_> = ports.iter().map(|port: &PortDesc| port.name.as_str()).collect();
    assert_eq!(names, ["s1-eth1", "s1-eth2", "s1-eth3", "s1-eth4"]);
    let down = PortConfig::PORT_DOWN;
    let set = |port: u32, hw_addr| {
        let advertise = netloom_openflow::msg::PortFeatures::default();
        Message::PortMod(PortMod { port: OfPort(port), hw_addr, config: down, mask: down, advertise })
    };
    assert_eq!(refusal(&mut net, &mut connection, set(2, ports[0].hw_addr)), Some(OfError::PmfcBadHwAddr));
    assert_eq!(refusal(&mut net, &mut connection, set(9, ports[0].hw_addr)), Some(OfError::PmfcBadPort));
    net.switch.take_events();
    assert_eq!(refusal(&mut net, &mut connection, set(2, ports[1].hw_addr)), None);
    let (events, bridge) = (net.switch.take_events(), net.bridge());
    let told = net.switch.notices(&events, bridge, &[&connection]);
    assert!(matches!(&told[..], [(0, Message::PortStatus(status))] if status.desc.config == down));
    let MultipartReply::PortStats(stats) =
        multipart(&mut net, &mut connection, MultipartRequest::PortStats(OfPort(2)))
    else {
        panic!()
    };
    assert_eq!((stats.len(), stats[0].rx_packets), (1, 7));
}

fn role(net: &mut Net, connection: &mut Connection, role: Role, generation: u64) -> Handled {
    let request = RoleMessage { role, generation: Some(generation), nicira: false };
    ask(net, connection, Message::RoleRequest(request))
}

#[test]
fn one_controller_is_primary_and_the_others_may_only_read() {
    let mut net = net();
    let (mut a, mut b) = (connect(Version::V13), connect(Version::V13));
    assert!(role(&mut net, &mut a, Role::Primary, 5).demotes_others);
    assert!(role(&mut net, &mut b, Role::Primary, 6).demotes_others);
    assert_eq!(a.demote(net.switch.role_generation(net.bridge())), None, "nobody asked to be told");
    assert_eq!((a.role(), b.role()), (Role::Secondary, Role::Primary));
    assert_eq!(refusal(&mut net, &mut a, add("tcp", vec![out(2)])), Some(OfError::BrcIsSecondary));
    multipart(&mut net, &mut a, MultipartRequest::Flow(all_flows()));
    assert_eq!(role(&mut net, &mut a, Role::Primary, 4).answers, [Answer::Refuse(OfError::RrfcStale)]);
    assert_eq!(a.role(), Role::Secondary);
    let asks = AsyncMasks { role_status: Some(1), ..AsyncMasks::default() };
    ask(&mut net, &mut b, Message::SetAsync(AsyncConfig { primary: asks, secondary: asks }));
    assert!(role(&mut net, &mut a, Role::Primary, 7).demotes_others);
    assert!(matches!(b.demote(Some(7)), Some(Message::RoleStatus(status)) if status.generation == Some(7)));
}

fn bundled(bundle: u32, xid: u32, message: Message) -> Message {
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    let head = Head::of(&[6, 14, 0, 8, 0, 0, 0, u8::try_from(xid).expect("a small number")]);
    Message::BundleAdd(BundleAdd { bundle, flags, xid: Xid(xid), message: Box::new(message), head })
}

fn control(bundle: u32, command: BundleCommand) -> Message {
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    Message::BundleControl(BundleControl { bundle, command, flags })
}

#[test]
fn a_bundle_is_carried_out_whole_or_not_at_all() {
    let mut net = net();
    let mut connection = connect(Version::V14);
    ask(&mut net, &mut connection, add("tcp", vec![out(2)]));
    ask(&mut net, &mut connection, group(GroupCommand::Add, 1, vec![out(2)]));
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let before = net.ledger();
    let all = || {
        Message::FlowMod(Box::new(FlowMod {
            command: FlowCommand::Delete,
            table: None,
            ..FlowMod::default()
        }))
    };
    let open = |net: &mut Net, connection: &mut Connection| {
        reply(net, connection, control(1, BundleCommand::OpenRequest));
        for (xid, message) in
            [all(), add("tcp", vec![out(3)]), add("udp", vec![out(4)])].into_iter().enumerate()
        {
            assert!(
                ask(net, connection, bundled(1, u32::try_from(xid).unwrap(), message)).answers.is_empty()
            );
        }
        ask(net, connection, bundled(1, 10, group(GroupCommand::Modify, 1, vec![out(3)])));
    };
    open(&mut net, &mut connection);
    assert_eq!(net.ledger(), before, "nothing has happened yet");
    let meter = Message::MeterMod(MeterMod { command: MeterCommand::Delete, config: MeterConfig::default() });
    let refused = ask(&mut net, &mut connection, bundled(1, 11, meter)).answers;
    assert!(matches!(refused[..], [Answer::RefusePart(_, OfError::BfcMsgUnsup)]));
    ask(&mut net, &mut connection, bundled(1, 12, add("arp", vec![Action::Group(77)])));
    let failed = ask(&mut net, &mut connection, control(1, BundleCommand::CommitRequest)).answers;
    let Answer::RefusePart(head, OfError::BacBadOutGroup) = &failed[0] else { panic!("{failed:?}") };
    assert_eq!(head.xid(), Xid(12));
    assert_eq!(failed[1..], [Answer::Refuse(OfError::BfcMsgFailed)]);
    assert_eq!(net.ledger(), before, "flows and their counters are back");
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert!(
        net.switch.take_events().iter().all(|(_, notice)| !format!("{notice:?}").contains("FlowRemoved"))
    );
    open(&mut net, &mut connection);
    reply(&mut net, &mut connection, control(1, BundleCommand::CommitRequest));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 3)]);
    let gone = ask(&mut net, &mut connection, control(1, BundleCommand::CommitRequest)).answers;
    assert_eq!(gone, [Answer::Refuse(OfError::BfcBadId)]);
}

#[test]
fn a_bundle_nobody_adds_to_is_forgotten() {
    let mut net = net();
    let mut connection = connect(Version::V14);
    reply(&mut net, &mut connection, control(1, BundleCommand::OpenRequest));
    let again = ask(&mut net, &mut connection, control(1, BundleCommand::OpenRequest)).answers;
    assert_eq!(again, [Answer::Refuse(OfError::BfcBundleExist)]);
    reply(&mut net, &mut connection, control(2, BundleCommand::OpenRequest));
    reply(&mut net, &mut connection, control(2, BundleCommand::CloseRequest));
    let closed = ask(&mut net, &mut connection, bundled(2, 1, add("tcp", vec![]))).answers;
    assert!(matches!(closed[..], [Answer::RefusePart(_, OfError::BfcBundleClosed)]));
    net.now += netloom_flow::Nanos::from_secs(11);
    let gone = ask(&mut net, &mut connection, control(2, BundleCommand::CommitRequest)).answers;
    assert_eq!(gone, [Answer::Refuse(OfError::BfcBadId)]);
}

#[test]
fn packets_go_up_as_each_connection_wants_them() {
    let mut net = net();
    let (mut old, mut new) = (connect(Version::V10), connect(Version::V13));
    let service = Connection::new(Version::V13, Kind::Service, "unix");
    assert_eq!((old.control().miss, new.control().miss, service.control().miss), (true, false, false));
    let bridge = net.bridge();
    net.switch.set_control(bridge, old.control());
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let (punt, _) = net.punts.pop().unwrap();
    let bytes = [9; 300];
    let Some(Message::PacketIn(packet)) = old.packet_in(&punt, &bytes, 300) else { panic!() };
    assert_eq!(
        (packet.packet.len(), packet.total_len, packet.reason),
        (128, 300, PacketInReason::ImplicitMiss)
    );
    assert_eq!((packet.in_port(), packet.cookie), (Some(OfPort(1)), None));
    assert!(new.packet_in(&punt, &bytes, 300).is_none(), "1.3 drops what no flow matches");
    let up = vec![Action::set(FieldId::Reg3, 7), Action::Output(OfPort::CONTROLLER)];
    ask(&mut net, &mut new, add("tcp", up));
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let (punt, _) = net.punts.pop().unwrap();
    let Some(Message::PacketIn(packet)) = new.packet_in(&punt, &bytes, 300) else { panic!() };
    assert_eq!((packet.packet.len(), packet.reason, packet.cookie), (300, PacketInReason::Action, Some(5)));
    assert_eq!(packet.metadata.exact(FieldId::Reg3), Some(7));
    assert!(service.packet_in(&punt, &bytes, 300).is_none(), "it has not asked");
    ask(&mut net, &mut new, Message::SetControllerId(4));
    assert!(new.packet_in(&punt, &bytes, 300).is_none(), "the flow means controllers with id 0");
    let nothing = AsyncMasks { packet_in: Some(0), ..AsyncMasks::default() };
    ask(&mut net, &mut old, Message::SetAsync(AsyncConfig { primary: nothing, secondary: nothing }));
    assert!(old.packet_in(&punt, &bytes, 300).is_none());
}

#[test]
fn packets_come_down_and_wrong_ones_are_refused() {
    let mut net = net();
    let mut connection = connect(Version::V13);
    let bytes = netloom_testkit::Host::new(1).udp(&netloom_testkit::Host::new(2), (1, 2), &[0; 20]).bytes;
    let from = |port: OfPort, actions, packet| {
        let mut metadata = FlowMatch::any();
        metadata.set(FieldId::InPortOxm, port.0.into());
        Message::PacketOut(Box::new(PacketOut { buffer: None, packet, metadata, actions }))
    };
    let handled =
        ask(&mut net, &mut connection, from(OfPort::CONTROLLER, vec![out(2), out(3)], bytes.clone()));
    assert!(handled.answers.is_empty());
    assert_eq!(handled.injections[0].translation.actions.len(), 2);
    let bad = ask(&mut net, &mut connection, from(OfPort::FLOOD, vec![out(2)], bytes.clone()));
    assert_eq!(bad.answers, [Answer::Refuse(OfError::BrcBadPort)]);
    let bad = ask(&mut net, &mut connection, from(OfPort(1), vec![out(2)], vec![1, 2, 3]));
    assert_eq!(bad.answers, [Answer::Refuse(OfError::BrcBadPacket)]);
    let bad = ask(&mut net, &mut connection, from(OfPort(1), vec![Action::Group(3)], bytes));
    assert_eq!(bad.answers, [Answer::Refuse(OfError::BacBadOutGroup)]);
}

#[test]
fn connections_to_be_forgotten_are_handed_to_the_datapath() {
    use netloom_flow::{ConnectionFilter, TuplePattern};
    use netloom_openflow::msg::{CtFlush, CtTuple};
    let (mut net, mut connection) = (net(), connect(Version::V10));
    let bridge = Some(net.bridge());
    let zone = ask(&mut net, &mut connection, Message::CtFlushZone(5));
    assert_eq!(zone.flushes, [ConnectionFilter { bridge, zone: Some(5), ..ConnectionFilter::default() }]);
    let source = "::ffff:10.0.0.1".parse().ok();
    let original = CtTuple { source, icmp_id: Some(7), icmp_type: Some(8), ..CtTuple::default() };
    let flush = CtFlush { protocol: 1, mark: Some((1, 3)), original, ..CtFlush::default() };
    let handled = ask(&mut net, &mut connection, Message::CtFlush(Box::new(flush)));
    assert!(handled.answers.is_empty(), "a barrier tells when it is done");
    let original =
        TuplePattern { src: source, src_port: Some(7), icmp_type: Some(8), ..TuplePattern::default() };
    let wanted = ConnectionFilter {
        bridge,
        protocol: Some(1),
        mark: Some((1, 3)),
        original,
        ..ConnectionFilter::default()
    };
    assert_eq!(handled.flushes, [wanted]);
}

#[test]
fn packets_sent_on_alike_are_translated_once_and_anew_where_something_changed() {
    use std::sync::Arc;
    let (mut net, mut connection) = (net(), connect(Version::V13));
    let bytes = netloom_testkit::Host::new(1).udp(&netloom_testkit::Host::new(2), (1, 2), &[0; 20]).bytes;
    let mut sent = |net: &mut Net, from: u32, actions: Vec<Action>| {
        let mut metadata = FlowMatch::any();
        metadata.set(FieldId::InPortOxm, from.into());
        let packet = bytes.clone();
        let message = Message::PacketOut(Box::new(PacketOut { buffer: None, packet, metadata, actions }));
        ask(net, &mut connection, message).injections.pop().expect("it is sent").translation
    };
    let first = sent(&mut net, 1, vec![out(2)]);
    assert!(Arc::ptr_eq(&first, &sent(&mut net, 1, vec![out(2)])));
    let from_elsewhere = sent(&mut net, 3, vec![out(2)]);
    assert!(!Arc::ptr_eq(&first, &from_elsewhere), "another port");
    let other = sent(&mut net, 3, vec![out(4)]);
    assert_ne!(first.actions, other.actions, "other actions");
    let (bridge, closed) = (net.bridge(), netloom_switch::PortConfig { no_fwd: true, ..Default::default() });
    assert!(net.switch.set_port_config(bridge, OfPort(4), closed, net.now));
    let dropped = sent(&mut net, 3, vec![out(4)]);
    assert!(dropped.actions.is_empty() && !dropped.effects.is_empty(), "the port is closed");
    assert!(!Arc::ptr_eq(&dropped, &sent(&mut net, 3, vec![out(4)])), "each drop is counted by itself");
    let asked = sent(&mut net, 3, vec![Action::Output(OfPort::CONTROLLER)]);
    assert!(!Arc::ptr_eq(&asked, &sent(&mut net, 3, vec![Action::Output(OfPort::CONTROLLER)])));
}
