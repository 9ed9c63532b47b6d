//! Flow changes as a controller asks for them, and what it is told about flows that go.

mod support;

use netloom_flow::text::FlowFlags;
use netloom_flow::{Action, BridgeId, FlowMatch, FlowText, OfPort, TableId, parse_flow};
use netloom_switch::config::Origin;
use netloom_switch::{FlowCommand, FlowError, FlowMod, Notice, Removed, TableLimit};
use support::{Net, Packet, Plan, dp};

fn net() -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    Net::new(&plan.flow(0, "table=9,actions=drop").config, true)
}

/// A change written as a flow, by a version of the protocol.
fn change(command: FlowCommand, text: &str, version: u8, (cookie, mask): (u64, u64)) -> FlowMod {
    let flow = parse_flow(text).expect("a good flow");
    let flags = flow.flags;
    FlowMod { command, flags, ..FlowMod::add(flow) }.cookie_of_version(version, cookie, mask)
}

impl Asks for Net {
    fn ask(&mut self, change: FlowMod) -> Result<usize, FlowError> {
        let (id, _) = self.switch.bridges().next().expect("a bridge");
        self.switch.flow_mod(id, change, Origin::Command, self.now)
    }

    fn flows(&self) -> Vec<(String, u64)> {
        let entries = self.switch.flows("s1", "table=0").expect("a bridge");
        entries.iter().map(|flow| (flow.rule.flow.to_string(), flow.packets)).collect()
    }

    fn gone(&mut self) -> Vec<(Removed, u64, u64)> {
        let events = self.switch.take_events();
        let gone = events.into_iter().filter_map(|(_, notice)| match notice {
            Notice::FlowRemoved(gone) => Some(gone),
            _ => None,
        });
        gone.map(|gone| (gone.reason, gone.packets, gone.duration.0 / 1_000_000_000)).collect()
    }
}

trait Asks {
    fn ask(&mut self, change: FlowMod) -> Result<usize, FlowError>;
    fn flows(&self) -> Vec<(String, u64)>;
    fn gone(&mut self) -> Vec<(Removed, u64, u64)>;
}

use FlowCommand::{Add, Delete, DeleteStrict, Modify, ModifyStrict};

#[test]
fn a_flow_added_again_keeps_its_counters_from_1_2_on_and_is_new_before() {
    let mut net = net();
    net.ask(change(Add, "tcp,actions=output:2", 1, (1, 0))).unwrap();
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    net.ask(change(Add, "tcp,actions=output:3", 4, (2, 0))).unwrap();
    assert_eq!(net.flows(), [("cookie=0x2, tcp actions=output:3".to_owned(), 1)]);
    net.ask(change(Add, "reset_counts,tcp,actions=output:4", 4, (2, 0))).unwrap();
    assert_eq!(net.flows(), [("cookie=0x2, tcp actions=output:4".to_owned(), 0)]);
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    net.ask(change(Add, "tcp,actions=output:3", 1, (0, 0))).unwrap();
    assert_eq!(net.flows(), [("cookie=0x0, tcp actions=output:3".to_owned(), 0)]);
    assert_eq!(net.gone(), [], "a flow that is replaced is not removed");
}

#[test]
fn a_modification_of_nothing_adds_in_1_0_and_in_1_1_without_a_mask_only() {
    for (version, mask, is_added) in [(1, 0, true), (2, 0, true), (2, 1, false), (3, 0, false), (6, 0, false)]
    {
        for command in [Modify, ModifyStrict] {
            let mut net = net();
            assert_eq!(net.ask(change(command, "tcp,actions=output:2", version, (5, mask))), Ok(0));
            let expected =
                if is_added { vec![("cookie=0x5, tcp actions=output:2".to_owned(), 0)] } else { vec![] };
            assert_eq!(net.flows(), expected, "version {version}, mask {mask}");
        }
    }
}

#[test]
fn a_modification_keeps_counters_timeouts_and_flags() {
    let mut net = net();
    let text = "send_flow_rem,idle_timeout=60,hard_timeout=90,importance=3,priority=7,tcp,tp_dst=80";
    net.ask(change(Add, &format!("{text},actions=output:2"), 4, (0x11, 0))).unwrap();
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let other = "hard_timeout=1,priority=9,tcp,actions=output:3";
    assert_eq!(net.ask(change(Modify, other, 4, (0x10, 0xf0))), Ok(1));
    let expected = "cookie=0x11, idle_timeout=60, hard_timeout=90, send_flow_rem, importance=3, \
                    priority=7,tcp,tp_dst=80 actions=output:3";
    assert_eq!(net.flows(), [(expected.to_owned(), 1)]);
    assert_eq!(net.ask(change(Modify, other, 4, (0x20, 0xf0))), Ok(0), "another cookie is asked for");
    assert_eq!(net.ask(change(ModifyStrict, other, 4, (0, 0))), Ok(0), "another priority");
    assert_eq!(net.ask(change(Modify, "reset_counts,tcp,actions=output:4", 1, (0x33, 0))), Ok(1));
    assert_eq!(net.flows(), [(expected.replace("0x11", "0x33").replace("output:3", "output:4"), 0)]);
}

#[test]
fn overlaps_are_refused_only_if_asked_and_only_for_others_of_the_same_priority() {
    let mut net = net();
    net.ask(change(Add, "priority=5,tcp,actions=drop", 4, (0, 0))).unwrap();
    let overlapping = "check_overlap,priority=5,in_port=1,actions=drop";
    assert!(matches!(net.ask(change(Add, overlapping, 4, (0, 0))), Err(FlowError::Overlap(_))));
    for fine in [
        "priority=5,in_port=1,actions=drop",
        "check_overlap,priority=6,in_port=1,actions=drop",
        "check_overlap,priority=5,tcp,actions=output:1",
        "check_overlap,table=1,priority=5,in_port=1,actions=drop",
    ] {
        assert_eq!(net.ask(change(Add, fine, 4, (0, 0))), Ok(0), "{fine}");
    }
    assert_eq!(net.flows().len(), 3);
}

#[test]
fn deletions_mean_what_they_cover_in_one_table_or_in_all() {
    let mut net = net();
    for text in [
        "cookie=1,priority=1,tcp,actions=output:2",
        "cookie=2,priority=2,tcp,tp_dst=80,actions=output:3",
        "cookie=3,priority=2,udp,actions=output:2,output:3",
        "cookie=4,table=1,tcp,actions=output:2",
    ] {
        let cookie = parse_flow(text).unwrap().cookie;
        net.ask(change(Add, text, 4, (cookie, 0))).unwrap();
    }
    let delete = FlowMod { command: Delete, ..FlowMod::default() };
    let of = |text: &str| parse_flow(&format!("{text} actions=drop")).unwrap().matches;
    let port = FlowMod { out_port: Some(OfPort(3)), matches: of("tcp"), ..delete.clone() };
    assert_eq!(net.ask(port), Ok(1));
    let strict = FlowMod { command: DeleteStrict, priority: 2, matches: of("tcp"), ..delete.clone() };
    assert_eq!(net.ask(strict), Ok(0));
    let cookie = FlowMod { cookie_filter: (1, 1), ..delete.clone() };
    assert_eq!(net.ask(FlowMod { table: Some(TableId(1)), ..cookie.clone() }), Ok(0));
    assert_eq!(net.ask(cookie), Ok(2));
    assert_eq!(net.ask(FlowMod { table: None, matches: FlowMatch::any(), ..delete }), Ok(2));
    assert_eq!(net.switch.flows("s1", "").unwrap().len(), 0);
}

#[test]
fn who_asked_to_be_told_is_told_why_a_flow_went_and_what_it_carried() {
    let mut net = net();
    for text in ["priority=1,hard_timeout=10,tcp", "priority=2,idle_timeout=3,tcp", "priority=3,arp", "udp"] {
        let text = format!("send_flow_rem,{text},actions=drop").replace("send_flow_rem,udp", "udp");
        net.ask(change(Add, &text, 4, (0, 0))).unwrap();
    }
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    let second = netloom_flow::Nanos::from_secs(1);
    (0..4).for_each(|_| {
        net.now += second;
        net.switch.tick(net.now);
    });
    assert_eq!(net.gone(), [(Removed::Idle, 1, 3)]);
    let all = FlowMod {
        command: Delete,
        matches: parse_flow("arp,actions=drop").unwrap().matches,
        ..FlowMod::default()
    };
    assert_eq!(net.ask(all), Ok(1));
    assert_eq!(net.gone(), [(Removed::Delete, 0, 4)]);
    net.now += second + second + second + second + second + second;
    net.switch.tick(net.now);
    assert_eq!(net.gone(), [(Removed::Hard, 0, 10)]);
    net.ask(FlowMod { command: Delete, ..FlowMod::default() }).unwrap();
    assert_eq!(net.gone(), [], "the UDP flow did not ask");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_changes() {
    let mut net = net();
    let table = |table| FlowMod { table: Some(TableId(table)), ..FlowMod::default() };
    assert_eq!(net.ask(table(254)), Err(FlowError::BadTable(254)));
    assert_eq!(net.ask(table(253)), Ok(0));
    let nowhere = net.switch.flow_mod(BridgeId(9), FlowMod::default(), Origin::Command, net.now);
    assert!(matches!(nowhere, Err(FlowError::NoBridge(_))));
    let before = net.switch.flows("s1", "").unwrap();
    let flow = FlowText { actions: vec![Action::Group(9)].into(), ..FlowText::default() };
    assert!(net.ask(FlowMod { flags: FlowFlags::default(), ..FlowMod::add(flow) }).is_err());
    assert_eq!(net.switch.flows("s1", "").unwrap(), before);
}

#[test]
fn a_full_table_refuses_or_lets_the_least_important_flow_go() {
    let mut net = net();
    let bridge = net.switch.bridges().next().expect("a bridge").0;
    let limit = |evicts| TableLimit { max_flows: 3, evicts };
    net.switch.set_table_limit(bridge, TableId(0), limit(false));
    for text in [
        "send_flow_rem,importance=2,hard_timeout=10,tcp",
        "send_flow_rem,importance=1,hard_timeout=90,udp",
        "send_flow_rem,importance=1,hard_timeout=60,icmp",
    ] {
        net.ask(change(Add, &format!("{text},actions=drop"), 5, (0, 0))).unwrap();
    }
    let fourth = || change(Add, "arp,actions=drop", 5, (0, 0));
    assert_eq!(net.ask(fourth()), Err(FlowError::TableFull(0)));
    assert_eq!(net.ask(change(Add, "tcp,actions=output:1", 5, (0, 0))), Ok(0), "a flow in place of another");
    net.switch.set_table_limit(bridge, TableId(0), limit(true));
    assert_eq!(net.ask(fourth()), Ok(0));
    assert_eq!(net.gone(), [(Removed::Eviction, 0, 0)]);
    let left: Vec<_> = net.flows().into_iter().map(|(flow, _)| flow).collect();
    assert!(
        left.iter().all(|flow| !flow.contains("icmp")),
        "of equal importance the one with less time left: {left:?}"
    );
    for text in ["priority=1,ip,actions=drop", "priority=2,ip,actions=drop"] {
        let _ = net.ask(change(Add, text, 5, (0, 0)));
    }
    assert_eq!(net.ask(change(Add, "priority=3,ip,actions=drop", 5, (0, 0))), Err(FlowError::TableFull(0)));
    assert_eq!(net.flows().len(), 3, "flows that have no end stay");
}

/// What a flow of the next test is evicted by: importance, then its end, of which each flow has another.
const fn rank(n: u32) -> (u32, u32, u32) {
    (n.wrapping_mul(0x9e37_79b9) >> 8 & 3, 100 + n * 7_919 % 1_500, n)
}

#[test]
fn of_many_flows_those_of_least_importance_go_first() {
    let mut net = net();
    let bridge = net.switch.bridges().next().expect("a bridge").0;
    net.switch.set_table_limit(bridge, TableId(0), TableLimit { max_flows: 300, evicts: true });
    let mut kept = std::collections::BTreeSet::new();
    for n in 0..1_500 {
        let (importance, end, _) = rank(n);
        let text = format!("ip,nw_src=10.0.{}.{},importance={importance}", n / 250, n % 250);
        let text = format!("{text},cookie={n},hard_timeout={end},actions=drop");
        net.switch.add_flow("s1", &text, Origin::Command, net.now).unwrap();
        if kept.len() == 300 {
            kept.pop_first();
        }
        kept.insert(rank(n));
    }
    let left = net.switch.flows("s1", "table=0").expect("a bridge");
    let mut left: Vec<u64> = left.iter().map(|it| it.rule.flow.cookie).collect();
    left.sort_unstable();
    let mut expected: Vec<u64> = kept.iter().map(|(_, _, n)| u64::from(*n)).collect();
    expected.sort_unstable();
    assert_eq!(left, expected);
}
