//! Settings of flow tables, and what controllers are told of them and of each other.

mod support;

use netloom_flow::{Action, FieldId, FlowMatch, OfPort, TableId, parse_flow};
use netloom_openflow::msg::group::{BUCKET_ALL, GROUP_ANY};
use netloom_openflow::msg::table::{EvictionFlags, Vacancy};
use netloom_openflow::msg::{
    AsyncConfig, AsyncMasks, Bucket, FlowCommand, FlowMod, FlowStatsRequest, GroupCommand, GroupMod,
    GroupType, MultipartReply, MultipartRequest, Role, RoleMessage, Selection, TableConfig, TableFeatures,
    TableMiss, TableReason, TlvCommand, TlvMap, TlvTableMod,
};
use netloom_openflow::wire::{Protocol, decode, encode};
use netloom_openflow::{Message, OfError, Version, Xid};
use netloom_switch::{Answer, Connection, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

fn net() -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let mut net = Net::new(&plan.flow(0, "table=99,actions=drop").config, true).with_cache();
    // That there are ports is told at the start.
    net.switch.take_events();
    net
}

fn connect(version: Version) -> Connection {
    Connection::new(version, Kind::Primary, "tcp:127.0.0.1:6653")
}

fn ask(net: &mut Net, connection: &mut Connection, message: Message) -> Vec<Answer> {
    let bridge = net.bridge();
    let handled = net.switch.handle(bridge, connection, message, &|_| PortTraffic::default(), net.now);
    net.switch.set_control(bridge, connection.control());
    handled.answers
}

#[track_caller]
fn done(net: &mut Net, connection: &mut Connection, message: Message) {
    assert_eq!(ask(net, connection, message), []);
}

#[track_caller]
fn refused(net: &mut Net, connection: &mut Connection, message: Message) -> OfError {
    match ask(net, connection, message).as_slice() {
        [Answer::Refuse(error)] => *error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn multipart(net: &mut Net, connection: &mut Connection, request: MultipartRequest) -> MultipartReply {
    match ask(net, connection, Message::MultipartRequest(request)).pop() {
        Some(Answer::Reply(Message::MultipartReply(reply))) => reply,
        other => panic!("{other:?}"),
    }
}

/// What a connection is told of what happened.
fn told(net: &mut Net, connection: &Connection) -> Vec<Message> {
    let (events, bridge) = (net.switch.take_events(), net.bridge());
    net.switch.notices(&events, bridge, &[connection]).into_iter().map(|(_, message)| message).collect()
}

fn set(table: Option<u8>) -> TableConfig {
    TableConfig {
        table: table.map(TableId),
        miss: TableMiss::Default,
        eviction: None,
        eviction_flags: EvictionFlags::default(),
        vacancy_events: None,
        vacancy: Vacancy::default(),
    }
}

fn miss(table: Option<u8>, miss: TableMiss) -> Message {
    Message::TableMod(TableConfig { miss, ..set(table) })
}

fn flow(command: FlowCommand, text: &str) -> Message {
    let flow = parse_flow(text).expect("a good flow");
    Message::FlowMod(Box::new(FlowMod {
        command,
        table: Some(flow.table),
        priority: flow.priority,
        matches: flow.matches,
        actions: flow.actions.to_vec(),
        ..FlowMod::default()
    }))
}

fn add(text: &str) -> Message {
    flow(FlowCommand::Add, text)
}

#[test]
fn a_miss_goes_on_ends_or_goes_up_as_the_table_is_set() {
    let mut net = net();
    let mut old = connect(Version::V11);
    let new = connect(Version::V13);
    let packet = Packet::tcp(1, 2, 80);
    done(&mut net, &mut old, add("table=3,tcp,actions=output:2"));
    assert!(net.ports(dp(0, 1), &packet).is_empty());
    assert_eq!(net.punts.len(), 1, "1.1 is told of misses");
    done(&mut net, &mut old, miss(Some(0), TableMiss::Continue));
    net.punts.clear();
    net.send(dp(0, 1), &packet);
    assert_eq!(net.punts[0].0.table, TableId(1), "that of the next table");
    for table in [1, 2] {
        done(&mut net, &mut old, miss(Some(table), TableMiss::Continue));
    }
    assert_eq!(net.ports(dp(0, 1), &packet), [dp(0, 2)], "the cache knows at once");
    done(&mut net, &mut old, miss(Some(1), TableMiss::Drop));
    net.punts.clear();
    assert!(net.ports(dp(0, 1), &packet).is_empty() && net.punts.is_empty());
    done(&mut net, &mut old, miss(Some(1), TableMiss::Controller));
    net.send(dp(0, 1), &packet);
    let (punt, _) = net.punts.pop().expect("it went up");
    assert!(new.packet_in(&punt, &[0; 60], 60).is_some(), "whatever version is spoken");
    let MultipartReply::Table(tables) = multipart(&mut net, &mut old, MultipartRequest::Table) else {
        panic!()
    };
    let shown: Vec<_> = tables.iter().take(4).map(|table| table.miss).collect();
    assert_eq!(shown, [TableMiss::Continue, TableMiss::Controller, TableMiss::Continue, TableMiss::Default]);
    // Through all tables to the end, and no further.
    done(&mut net, &mut old, miss(None, TableMiss::Continue));
    done(&mut net, &mut old, flow(FlowCommand::Delete, "table=3,actions=drop"));
    done(&mut net, &mut old, flow(FlowCommand::Delete, "table=99,actions=drop"));
    assert!(net.ports(dp(0, 1), &packet).is_empty() && net.punts.is_empty());
    assert_eq!(refused(&mut net, &mut old, miss(Some(254), TableMiss::Drop)), OfError::TmfcEperm);
}

#[test]
fn who_asks_is_told_that_a_table_fills_up_and_has_room_again() {
    let mut net = net();
    let mut connection = connect(Version::V14);
    let bridge = net.bridge();
    let limit = netloom_switch::TableLimit { max_flows: 10, evicts: false };
    net.switch.set_table_limit(bridge, TableId(2), limit);
    let vacancy = Vacancy { down: 30, up: 60, now: 0 };
    let watch = TableConfig { vacancy_events: Some(true), vacancy, eviction: Some(false), ..set(Some(2)) };
    done(&mut net, &mut connection, Message::TableMod(watch));
    let masks = AsyncMasks { table_status: Some(0x18), ..AsyncMasks::default() };
    done(&mut net, &mut connection, Message::SetAsync(AsyncConfig { primary: masks, secondary: masks }));
    let mut heard = Vec::new();
    let fill = |net: &mut Net, connection: &mut Connection, command, n: u32| {
        done(net, connection, flow(command, &format!("table=2,priority={n},actions=drop")));
        told(net, connection).into_iter().map(move |message| match message {
            Message::TableStatus(status) => (n, status.reason, status.config.vacancy.now),
            other => panic!("{other:?}"),
        })
    };
    for n in 1..=9 {
        heard.extend(fill(&mut net, &mut connection, FlowCommand::Add, n));
    }
    for n in 1..=9 {
        heard.extend(fill(&mut net, &mut connection, FlowCommand::DeleteStrict, n));
    }
    assert_eq!(heard, [(8, TableReason::VacancyDown, 20), (6, TableReason::VacancyUp, 70)]);
    let MultipartReply::TableDesc(tables) = multipart(&mut net, &mut connection, MultipartRequest::TableDesc)
    else {
        panic!()
    };
    assert_eq!(tables[2].vacancy, Vacancy { now: 100, ..vacancy });
    assert_eq!((tables[2].vacancy_events, tables[3].vacancy_events), (Some(true), Some(false)));
    let off = TableConfig { vacancy_events: Some(false), ..set(Some(2)) };
    done(&mut net, &mut connection, Message::TableMod(off));
    for n in 1..=9 {
        assert_eq!(fill(&mut net, &mut connection, FlowCommand::Add, n).count(), 0);
    }
}

/// A change as the switch reads it.
fn over_the_wire(changes: Vec<TableFeatures>) -> Vec<TableFeatures> {
    let (protocol, mut bytes) = (Protocol::new(Version::V13), Vec::new());
    let request = Message::MultipartRequest(MultipartRequest::TableFeatures(changes));
    encode(&protocol, Xid(1), &request, &mut bytes).expect("three tables fit into a frame");
    match decode(&protocol, &bytes) {
        Ok(Message::MultipartRequest(MultipartRequest::TableFeatures(changes))) => changes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tables_get_names_and_sizes_and_keep_what_they_can_do() {
    let mut net = net();
    let mut connection = connect(Version::V13);
    let features = |net: &mut Net, connection: &mut Connection, changes| match multipart(
        net,
        connection,
        MultipartRequest::TableFeatures(changes),
    ) {
        MultipartReply::TableFeatures(all) => all,
        other => panic!("{other:?}"),
    };
    let mut wanted = features(&mut net, &mut connection, Vec::new());
    wanted.truncate(3);
    wanted[1].name = "routes".to_owned();
    wanted[1].max_entries = 2;
    let wanted = over_the_wire(wanted);
    let now = features(&mut net, &mut connection, wanted.clone());
    assert_eq!((now.len(), now[1].name.as_str(), now[1].max_entries), (254, "routes", 2));
    for priority in 1..=2 {
        done(&mut net, &mut connection, add(&format!("table=1,priority={priority},actions=drop")));
    }
    let full = refused(&mut net, &mut connection, add("table=1,priority=3,actions=drop"));
    assert_eq!(full, OfError::FmfcTableFull);
    let refuse = |net: &mut Net, connection: &mut Connection, changes: Vec<_>| {
        refused(net, connection, Message::MultipartRequest(MultipartRequest::TableFeatures(changes)))
    };
    let mut fewer = wanted.clone();
    fewer[0].name = "never".to_owned();
    fewer[2].matches.retain(|(field, _)| *field != FieldId::EthType);
    assert_eq!(refuse(&mut net, &mut connection, fewer.clone()), OfError::TffcEperm);
    let mut newer = connect(Version::V15);
    assert_eq!(
        refuse(&mut net, &mut newer, fewer.clone()),
        OfError::TffcBadCapa,
        "it can say that tables evict"
    );
    for change in &mut fewer {
        (change.eviction, change.vacancy_events) = (true, true);
    }
    assert_eq!(refuse(&mut net, &mut newer, fewer), OfError::TffcBadFeatures);
    let mut narrow = wanted.clone();
    narrow[0].metadata_write = 0xff;
    assert_eq!(refuse(&mut net, &mut connection, narrow), OfError::TffcBadMetadata);
    let mut none = wanted.clone();
    none[0].has_properties = false;
    assert_eq!(refuse(&mut net, &mut connection, none), OfError::TffcEperm);
    let name = features(&mut net, &mut connection, Vec::new()).swap_remove(0).name;
    assert_eq!(name, "", "all or nothing");
    let role = RoleMessage { role: Role::Secondary, generation: Some(1), nicira: false };
    ask(&mut net, &mut connection, Message::RoleRequest(role));
    assert_eq!(refuse(&mut net, &mut connection, wanted), OfError::BrcIsSecondary);
}

#[test]
fn controllers_see_what_others_do_to_groups_if_they_ask() {
    let mut net = net();
    let (mut one, mut other) = (connect(Version::V14).numbered(1), connect(Version::V14).numbered(2));
    let masks = AsyncMasks { requestforward: Some(1), ..AsyncMasks::default() };
    for connection in [&mut one, &mut other] {
        done(&mut net, connection, Message::SetAsync(AsyncConfig { primary: masks, secondary: masks }));
    }
    let actions = vec![Action::Output(OfPort(1))];
    let bucket = Bucket { id: 0, weight: 0, watch_port: OfPort::NONE, watch_group: GROUP_ANY, actions };
    let group = || {
        Message::GroupMod(Box::new(GroupMod {
            command: GroupCommand::Add,
            kind: GroupType::Indirect,
            group: 7,
            command_bucket: BUCKET_ALL,
            buckets: vec![bucket.clone()],
            selection: Selection::default(),
        }))
    };
    one.begin(Xid(42));
    done(&mut net, &mut one, group());
    let (events, bridge) = (net.switch.take_events(), net.bridge());
    let heard = net.switch.notices(&events, bridge, &[&one, &other]);
    let [(1, Message::RequestForward(forward))] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((forward.xid, &*forward.request), (Xid(42), &group()));
    assert_eq!(refused(&mut net, &mut one, group()), OfError::GmfcGroupExists);
    assert!(told(&mut net, &other).is_empty(), "what was refused is no news");
}

#[test]
fn newer_questions_have_their_answers() {
    let mut net = net();
    let mut connection = connect(Version::V15);
    ask(&mut net, &mut connection, Message::SetControllerId(9));
    let status = multipart(&mut net, &mut connection, MultipartRequest::ControllerStatus);
    let MultipartReply::ControllerStatus(all) = status else { panic!() };
    assert_eq!((all.len(), all[0].short_id, all[0].uri.as_str()), (1, 9, "tcp:127.0.0.1:6653"));
    let bundles = multipart(&mut net, &mut connection, MultipartRequest::BundleFeatures(0));
    assert!(matches!(bundles, MultipartReply::BundleFeatures(flags) if flags.0 == 3));
    let flows = Box::new(FlowStatsRequest {
        table: Some(TableId(99)),
        matches: FlowMatch::any(),
        out_port: OfPort::NONE,
        out_group: GROUP_ANY,
        cookie: 0,
        cookie_mask: 0,
    });
    let counts = multipart(&mut net, &mut connection, MultipartRequest::FlowCounts(flows));
    assert!(matches!(counts, MultipartReply::FlowCounts(flows) if flows.len() == 1));
}

#[test]
fn fields_stand_for_the_tunnel_options_that_a_controller_says() {
    let mut net = net();
    let mut connection = connect(Version::V13);
    let map = |index, kind, len| TlvMap { class: 0xffff, kind, len, index };
    let change =
        |command, maps: &[TlvMap]| Message::TlvTableMod(TlvTableMod { command, maps: maps.to_vec() });
    let uses = || {
        let actions = vec![Action::set(FieldId::TunMetadata1, 5)];
        Message::FlowMod(Box::new(FlowMod { actions, ..FlowMod::default() }))
    };
    assert_eq!(refused(&mut net, &mut connection, uses()), OfError::NxfmfcInvalidTlvField);
    let two = [map(0, 0, 4), map(1, 1, 8)];
    done(&mut net, &mut connection, change(TlvCommand::Add, &two));
    for (maps, error) in [
        ([map(2, 2, 4), map(0, 3, 4)], OfError::NxttmfcAlreadyMapped),
        ([map(2, 2, 4), map(3, 1, 4)], OfError::NxttmfcDupEntry),
        ([map(2, 2, 4), map(64, 3, 4)], OfError::NxttmfcTableFull),
        ([map(2, 2, 4), map(3, 3, 20)], OfError::NxttmfcTableFull),
    ] {
        assert_eq!(refused(&mut net, &mut connection, change(TlvCommand::Add, &maps)), error);
    }
    let table =
        |net: &mut Net, connection: &mut Connection| match ask(net, connection, Message::TlvTableRequest)
            .pop()
        {
            Some(Answer::Reply(Message::TlvTableReply(table))) => table,
            other => panic!("{other:?}"),
        };
    let known = table(&mut net, &mut connection);
    assert_eq!((known.maps.as_slice(), known.max_fields, known.max_space), (&two[..], 64, 136));
    done(&mut net, &mut connection, uses());
    let all = change(TlvCommand::Clear, &[]);
    assert_eq!(refused(&mut net, &mut connection, all.clone()), OfError::NxttmfcInvalidTlvDel);
    done(&mut net, &mut connection, change(TlvCommand::Delete, &two[..1]));
    done(&mut net, &mut connection, flow(FlowCommand::Delete, "actions=drop"));
    assert_eq!(table(&mut net, &mut connection).maps, two[1..]);
    done(&mut net, &mut connection, all);
    assert!(table(&mut net, &mut connection).maps.is_empty());
}
