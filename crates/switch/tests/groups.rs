//! Groups and meters: what they do to packets, and how they are changed.

mod support;

use netloom_flow::{Action, Band, BandKind, FieldId, MeterSettings, Nanos, OfPort};
use netloom_switch::{
    Bucket, BucketPlace, FlowError, Group, GroupCommand, GroupError, GroupMod, GroupType, LinkState,
    MeterCommand, MeterError, Notice, Removed, Selection,
};
use support::{Net, Packet, Plan, dp};

fn net() -> Net {
    let plan = (1..=6).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    Net::new(&plan.flow(0, "table=9,actions=drop").config, true).with_cache()
}

fn out(port: u32) -> Vec<Action> {
    vec![Action::Output(OfPort(port))]
}

fn bucket(weight: u16, watch: Option<u32>, actions: Vec<Action>) -> Bucket {
    Bucket { weight, watch_port: watch.map(OfPort), actions, ..Bucket::default() }
}

fn group(
    net: &mut Net,
    command: GroupCommand,
    id: u32,
    kind: GroupType,
    buckets: Vec<Bucket>,
) -> Result<usize, GroupError> {
    let change = GroupMod { command, group: id, kind, selection: Selection::Default, buckets };
    let bridge = net.bridge();
    net.switch.group_mod(bridge, change, net.now)
}

fn ports(net: &mut Net, from: u8, port: u16) -> Vec<u32> {
    net.ports(dp(0, 1), &Packet::tcp(from, 2, port)).iter().map(|port| port.0).collect()
}

fn carried(net: &Net, id: u32) -> (u64, Vec<u64>) {
    let groups = net.switch.groups(net.bridge(), id);
    (groups[0].carried.packets, groups[0].bucket_carried.iter().map(|bucket| bucket.packets).collect())
}

use GroupCommand::{Add, AddOrModify, Delete, InsertBuckets, Modify, RemoveBuckets};

#[test]
fn all_buckets_get_a_copy_of_their_own_in_the_order_of_an_action_set() {
    let mut net = net();
    let edit = |mac: u128, port: u32| vec![Action::Output(OfPort(port)), Action::set(FieldId::EthDst, mac)];
    let buckets = vec![bucket(0, None, edit(7, 2)), bucket(0, None, edit(8, 3)), bucket(0, None, vec![])];
    group(&mut net, Add, 1, GroupType::All, buckets).unwrap();
    net.add("tcp,", vec![Action::Group(1), Action::Output(OfPort(4))]).unwrap();
    for _ in 0..2 {
        let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
        let macs: Vec<_> = sent
            .iter()
            .map(|(port, packet)| (port.0, packet.word(netloom_flow::word::ETH_DST) >> 16))
            .collect();
        assert_eq!(macs, [(2, 7), (3, 8), (4, 0x0200_0000_0002)]);
    }
    assert_eq!(carried(&net, 1), (2, vec![2, 2, 2]));
    assert_eq!(net.hits, 1);
}

#[test]
fn select_shares_by_weight_and_keeps_a_connection_together() {
    let mut net = net();
    let buckets = vec![bucket(3, None, out(2)), bucket(1, None, out(3)), bucket(0, None, out(4))];
    group(&mut net, Add, 1, GroupType::Select, buckets).unwrap();
    net.add("tcp,", vec![Action::Group(1)]).unwrap();
    let mut counts = [0; 7];
    for port in 0..400 {
        let first = ports(&mut net, 1, 1000 + port);
        assert_eq!(first, ports(&mut net, 1, 1000 + port));
        counts[usize::try_from(first[0]).unwrap()] += 1;
    }
    assert_eq!(counts[2] + counts[3], 400);
    assert!((270..330).contains(&counts[2]), "{counts:?}");
    let (all, buckets) = carried(&net, 1);
    assert_eq!((all, buckets), (800, vec![2 * counts[2], 2 * counts[3], 0]));
}

#[test]
fn select_shares_arp_of_one_station_by_the_addresses_it_asks_for() {
    let mut net = net();
    let buckets = vec![bucket(1, None, out(2)), bucket(1, None, out(3))];
    group(&mut net, Add, 1, GroupType::Select, buckets).unwrap();
    net.add("arp,", vec![Action::Group(1)]).unwrap();
    let mut ask = |target| net.ports(dp(0, 1), &Packet::arp(1, target))[0].0;
    let chosen: Vec<u32> = (2..202).map(&mut ask).collect();
    assert!((70..130).contains(&chosen.iter().filter(|port| **port == 2).count()), "{chosen:?}");
    assert_eq!((2..202).map(ask).collect::<Vec<u32>>(), chosen);
}

#[test]
fn fast_failover_takes_the_first_bucket_whose_port_is_up() {
    let mut net = net();
    let live = vec![bucket(0, Some(2), out(2)), bucket(0, Some(3), out(3))];
    group(&mut net, Add, 1, GroupType::FastFailover, live).unwrap();
    net.add("", vec![Action::Group(1)]).unwrap();
    assert_eq!(ports(&mut net, 1, 80), [2]);
    let down = LinkState { up: false, ..LinkState::default() };
    net.switch.set_link(dp(0, 2), down, net.now);
    assert_eq!(ports(&mut net, 1, 80), [3]);
    net.switch.set_link(dp(0, 3), down, net.now);
    assert_eq!(ports(&mut net, 1, 80), [0; 0]);
    net.switch.set_link(dp(0, 2), LinkState::default(), net.now);
    assert_eq!(ports(&mut net, 1, 80), [2]);
    assert_eq!(carried(&net, 1), (4, vec![2, 1]));
    let watchless = group(&mut net, Add, 2, GroupType::FastFailover, vec![bucket(0, None, out(2))]);
    assert_eq!(watchless, Err(GroupError::BadWatch(Group::ANY)));
}

#[test]
fn a_changed_group_changes_what_is_cached_and_keeps_the_counters_of_what_stays() {
    let mut net = net();
    group(&mut net, Add, 1, GroupType::Indirect, vec![bucket(0, None, out(2))]).unwrap();
    net.add("", vec![Action::Group(1)]).unwrap();
    assert_eq!(ports(&mut net, 1, 80), [2]);
    group(&mut net, Modify, 1, GroupType::All, vec![bucket(0, None, out(3))]).unwrap();
    assert_eq!(ports(&mut net, 1, 80), [3]);
    let new = |id, port| Bucket { id, ..bucket(0, None, out(port)) };
    group(&mut net, InsertBuckets(BucketPlace::Last), 1, GroupType::All, vec![new(5, 5)]).unwrap();
    group(&mut net, InsertBuckets(BucketPlace::First), 1, GroupType::All, vec![new(4, 4)]).unwrap();
    group(&mut net, InsertBuckets(BucketPlace::Id(4)), 1, GroupType::All, vec![new(6, 6)]).unwrap();
    let ids: Vec<_> = net.switch.groups(net.bridge(), 1)[0].buckets.iter().map(|bucket| bucket.id).collect();
    assert_eq!(ids, [4, 6, 0, 5]);
    assert_eq!(ports(&mut net, 1, 80), [3, 4, 5, 6]);
    group(&mut net, RemoveBuckets(BucketPlace::Id(6)), 1, GroupType::All, vec![]).unwrap();
    group(&mut net, RemoveBuckets(BucketPlace::First), 1, GroupType::All, vec![]).unwrap();
    assert_eq!(ports(&mut net, 1, 80), [3, 5]);
    assert_eq!(carried(&net, 1), (4, vec![4, 2]));
    let twice = group(&mut net, InsertBuckets(BucketPlace::Last), 1, GroupType::All, vec![new(5, 2)]);
    assert_eq!(twice, Err(GroupError::BucketExists(5)));
    let gone = group(&mut net, RemoveBuckets(BucketPlace::Id(6)), 1, GroupType::All, vec![]);
    assert_eq!(gone, Err(GroupError::UnknownBucket(6)));
}

#[test]
fn groups_follow_groups_but_never_in_a_circle() {
    let mut net = net();
    group(&mut net, Add, 1, GroupType::All, vec![bucket(0, None, out(2))]).unwrap();
    group(
        &mut net,
        Add,
        2,
        GroupType::All,
        vec![bucket(0, None, vec![Action::Group(1)]), bucket(0, None, out(3))],
    )
    .unwrap();
    net.add("", vec![Action::Group(2)]).unwrap();
    assert_eq!(ports(&mut net, 1, 80), [2, 3]);
    assert_eq!((carried(&net, 1).0, carried(&net, 2).0), (1, 1));
    let back = group(&mut net, Modify, 1, GroupType::All, vec![bucket(0, None, vec![Action::Group(2)])]);
    assert_eq!(back, Err(GroupError::Loop(1)));
    let own = group(&mut net, AddOrModify, 3, GroupType::All, vec![bucket(0, None, vec![Action::Group(3)])]);
    assert_eq!(own, Err(GroupError::Loop(3)));
}

#[test]
fn wrong_changes_are_refused_by_name_and_a_group_that_goes_takes_its_flows_along() {
    let mut net = net();
    let one = || vec![bucket(0, None, out(2))];
    group(&mut net, Add, 1, GroupType::All, one()).unwrap();
    assert_eq!(group(&mut net, Add, 1, GroupType::All, one()), Err(GroupError::Exists(1)));
    assert_eq!(group(&mut net, Modify, 2, GroupType::All, one()), Err(GroupError::Unknown(2)));
    assert_eq!(group(&mut net, Add, Group::ALL, GroupType::All, one()), Err(GroupError::Invalid(Group::ALL)));
    assert_eq!(group(&mut net, Add, 2, GroupType::Indirect, vec![]), Err(GroupError::BadBuckets));
    let weighed = vec![bucket(2, None, out(2))];
    assert_eq!(group(&mut net, Add, 2, GroupType::All, weighed), Err(GroupError::BadBuckets));
    let to = |id| vec![bucket(0, None, vec![Action::Group(id)])];
    let refused = Err(GroupError::Actions(FlowError::UnknownGroup(Group::ALL)));
    assert_eq!(group(&mut net, Add, 2, GroupType::All, to(Group::ALL)), refused);
    // A group that comes later may be named, but not lead back.
    assert_eq!(group(&mut net, Add, 3, GroupType::All, to(77)), Ok(1));
    assert_eq!(group(&mut net, Add, 77, GroupType::All, to(3)), Err(GroupError::Loop(77)));
    assert_eq!(group(&mut net, Delete, 3, GroupType::All, vec![]), Ok(1));
    assert_eq!(net.add("", vec![Action::Group(2)]), Err(FlowError::UnknownGroup(2)));
    net.add("send_flow_rem,tcp,", vec![Action::WriteActions(Box::new([Action::Group(1)]))]).unwrap();
    net.add("send_flow_rem,udp,", out(2)).unwrap();
    assert_eq!(net.switch.group_references(net.bridge(), 1), 1);
    assert_eq!(ports(&mut net, 1, 80), [2]);
    assert_eq!(group(&mut net, Delete, Group::ALL, GroupType::All, vec![]), Ok(1));
    let reasons = net.switch.take_events().into_iter().filter_map(|(_, notice)| match notice {
        Notice::FlowRemoved(gone) => Some((gone.reason, gone.packets)),
        _ => None,
    });
    let reasons: Vec<_> = reasons.collect();
    assert_eq!(reasons, [(Removed::GroupDelete, 1)]);
    assert_eq!(ports(&mut net, 1, 80), [0; 0]);
}

fn meter(net: &mut Net, id: u32, command: MeterCommand) -> Result<usize, MeterError> {
    let bridge = net.bridge();
    net.switch.meter_mod(bridge, id, command, net.now)
}

fn per_second(rate: u32, burst: u32) -> MeterSettings {
    let bands = vec![Band { kind: BandKind::Drop, rate, burst }];
    MeterSettings { in_packets: true, with_burst: true, bands, ..MeterSettings::default() }
}

#[test]
fn a_meter_lets_its_rate_pass_and_only_what_passes_counts_behind_it() {
    let mut net = net();
    meter(&mut net, 1, MeterCommand::Add(per_second(10, 2))).unwrap();
    net.add("table=0,", vec![Action::Meter(1), Action::GotoTable(netloom_flow::TableId(1))]).unwrap();
    net.add("table=1,", out(2)).unwrap();
    let passed = (0..5).filter(|_| ports(&mut net, 1, 80) == [2]).count();
    assert_eq!(passed, 2);
    let flows = net.switch.flows("s1", "").unwrap();
    assert_eq!((flows[0].packets, flows[1].packets), (5, 2));
    let row = &net.switch.meters(net.bridge(), 1)[0];
    assert_eq!((row.read.input.0, row.read.bands[0].0, row.flows), (5, 3, 1));
    net.now += Nanos::from_secs(1);
    assert_eq!(ports(&mut net, 1, 80), [2]);
    meter(&mut net, 1, MeterCommand::Modify(per_second(1000, 1000))).unwrap();
    assert_eq!((0..50).filter(|_| ports(&mut net, 1, 80) == [2]).count(), 50, "the cached flow knows");
}

#[test]
fn wrong_meters_are_refused_by_name_and_one_that_goes_takes_its_flows_along() {
    let mut net = net();
    assert_eq!(meter(&mut net, 1, MeterCommand::Modify(per_second(1, 1))), Err(MeterError::Unknown(1)));
    assert_eq!(meter(&mut net, 0, MeterCommand::Add(per_second(1, 1))), Err(MeterError::Invalid(0)));
    assert_eq!(meter(&mut net, 1, MeterCommand::Add(per_second(0, 1))), Err(MeterError::BadRate));
    assert_eq!(net.add("", vec![Action::Meter(1)]), Err(FlowError::UnknownMeter(1)));
    meter(&mut net, 1, MeterCommand::Add(per_second(1, 1))).unwrap();
    assert_eq!(meter(&mut net, 1, MeterCommand::Add(per_second(1, 1))), Err(MeterError::Exists(1)));
    net.add("tcp,", vec![Action::Meter(1), Action::Output(OfPort(2))]).unwrap();
    assert_eq!(meter(&mut net, u32::MAX, MeterCommand::Delete), Ok(1));
    assert_eq!(net.switch.flows("s1", "table=0").unwrap().len(), 0);
}
