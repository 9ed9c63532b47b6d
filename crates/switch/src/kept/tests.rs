//! A bridge is kept, and another switch is given what was kept.

use netloom_flow::{Epoch, MeterRead, Nanos};

use super::{Kept, RestoreError};
use crate::config::{Bridge, Config, Origin, Uuid};
use crate::model::{Fragments, TableLimit};
use crate::{FlowEntry, GroupCommand, MeterVerb, Settings, Switch};

const START: Nanos = Nanos::from_secs(1_000);
/// From the first flow to the end of the program, and from there to the next start.
const LIFE: Nanos = Nanos::from_secs(7);
const OUTAGE: Nanos = Nanos::from_millis(400);

fn config(controllers: &[&str]) -> Config {
    let bridge = Bridge {
        uuid: Uuid::named(&["br0"]),
        name: "br 0".into(),
        controller: controllers.iter().map(|it| (*it).to_owned()).collect(),
        ..Bridge::default()
    };
    Config { bridges: vec![bridge], ..Config::default() }
}

fn switch() -> Switch {
    let mut switch = Switch::new(Settings::default(), Epoch::default());
    switch.reconfigure(&config(&[]), START).expect("a good one");
    switch
}

const FLOWS: [&str; 5] = [
    "table=3,priority=7,tcp,nw_src=10.0.0.0/8,tp_dst=80,actions=group:1",
    "cookie=0xabc,idle_timeout=10,importance=4,send_flow_rem,in_port=1,actions=meter:2,output:2",
    "hard_timeout=30,priority=0,actions=NORMAL",
    "table=9,ip,actions=learn(table=10,idle_timeout=5,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "table=20,conj_id=5,ip,actions=set_field:aa:bb:cc:dd:ee:ff->eth_dst,ct(commit,zone=4,table=21)",
];

/// A switch with all there is to be kept.
fn full() -> Switch {
    let mut switch = switch();
    let id = switch.bridge_ids()[0];
    let groups = [
        "group_id=1,type=select,bucket=weight:3,actions=output:2,bucket=weight:1,actions=group:9",
        "group_id=9,type=ff,bucket=bucket_id:7,watch_port:3,actions=output:3",
    ];
    switch.change_groups("br 0", GroupCommand::Add, &groups.map(str::to_owned), START).expect("good groups");
    let meters = ["meter=2,pktps,burst,stats,bands=type=drop,rate=10,burst_size=5".to_owned()];
    switch.change_meters("br 0", MeterVerb::Add, &meters, START).expect("good meters");
    switch.del_flows("br 0", "", crate::Matching::Loose, START).expect("the usual flow");
    for (at, flow) in (0..).zip(FLOWS) {
        let target = "tcp:10.0.0.1:6653".to_owned();
        let origin = if at == 1 { Origin::Controller { target } } else { Origin::Command };
        switch.add_flow("br 0", flow, origin, START + Nanos::from_secs(at)).expect("a good flow");
    }
    let rules: Vec<_> = switch.flows("br 0", "").expect("it is there").iter().map(|it| it.rule.id).collect();
    for (at, rule) in (1..).zip(rules) {
        switch.set_counters(rule, at, at * 60);
    }
    switch.set_table_limit(id, netloom_flow::TableId(3), TableLimit { max_flows: 44, evicts: true });
    switch.bridges.get_mut(id).expect("it is there").fragments = Fragments::Drop;
    let carried = &mut switch.bridges.get_mut(id).expect("it is there").groups;
    carried.get_mut(&1).expect("it is there").carried.add(3, 180);
    carried.get_mut(&1).expect("it is there").credit_bucket(1, 3, 180);
    switch
}

fn kept(switch: &Switch) -> Kept {
    let id = switch.bridge_ids()[0];
    let mut kept = switch.keep(id, START + LIFE).expect("it is there");
    let mut next = Some(0);
    while let Some(from) = next {
        next = switch.keep_flows(id, &mut kept, from, 2);
    }
    kept
}

fn lines(flows: &[FlowEntry], now: Nanos) -> Vec<String> {
    flows.iter().map(|flow| format!("{} {}", flow.line(now), flow.rule.origin)).collect()
}

#[test]
fn what_was_kept_is_there_again() {
    let old = full();
    let text = kept(&old).text().expect("there are words");
    let read = Kept::read(&text).expect("as it was written");
    assert_eq!(read.text().as_ref(), Ok(&text), "read and written alike");

    let (mut new, now) = (switch(), START + LIFE + OUTAGE);
    let id = new.bridge_ids()[0];
    new.restore(id, &read, now).expect("it can be");
    let flows = |switch: &Switch| lines(&switch.flows("br 0", "").expect("it is there"), now);
    assert_eq!(flows(&new), flows(&old));
    assert_eq!(flows(&new).len(), FLOWS.len(), "the usual flow is gone, as it was");
    assert!(flows(&new)[0].contains("duration=6.400s"), "{:?}", flows(&new));
    let groups = |switch: &Switch| {
        let all = switch.groups(id, crate::Group::ALL);
        let one = |group: &&crate::Group| {
            let text = netloom_flow::text::GroupText::from(*group).to_string();
            (text, group.created, group.carried, group.bucket_carried.clone())
        };
        all.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(groups(&new), groups(&old));
    assert_eq!(new.meters(id, u32::MAX), old.meters(id, u32::MAX));
    assert_eq!(new.table_limit(id, netloom_flow::TableId(3)), TableLimit { max_flows: 44, evicts: true });
    assert_eq!(kept(&new).settings, kept(&old).settings);
    assert_eq!(kept(&new).tables, kept(&old).tables);
}

#[test]
fn a_hard_timeout_goes_on_and_an_idle_one_begins_anew() {
    let read = kept(&full());
    let (mut new, now) = (switch(), START + LIFE + OUTAGE);
    let id = new.bridge_ids()[0];
    new.restore(id, &read, now).expect("it can be");
    let has = |switch: &Switch, filter: &str| !switch.flows("br 0", filter).expect("a filter").is_empty();
    let (hard, idle) = ("table=0,cookie=0/-1", "cookie=0xabc/-1");
    // Added 2 s after the start, for 30 s; the other one is idle since the new start, for 10 s.
    let ends = [START + Nanos::from_secs(32), now + Nanos::from_secs(10)];
    for (filter, end) in [(idle, ends[1]), (hard, ends[0])] {
        new.tick(Nanos(end.0 - 1));
        assert!(has(&new, filter), "{filter}");
        new.tick(end);
        assert!(!has(&new, filter), "{filter}");
    }
}

#[test]
fn what_cannot_be_leaves_the_bridge_as_it_was() {
    let (good, mut new) = (kept(&full()), full());
    let id = new.bridge_ids()[0];
    let before = kept(&new).text();
    let bad = |text: &str, from: &str, to: &str| {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        Kept::read(&changed).expect("well formed")
    };
    let text = good.text().expect("there are words");
    let cases = [
        ("actions=group:1", "actions=group:2", "UnknownGroup"),
        ("actions=meter:2", "actions=meter:3", "UnknownMeter"),
        ("actions=group:9", "actions=group:1", "Loop"),
        ("rate=10", "rate=0", "BadRate"),
        (" alone", " controlled", "Hands"),
        ("br%200", "br1", "Another"),
    ];
    for (from, to, why) in cases {
        let error = new.restore(id, &bad(&text, from, to), START + LIFE).expect_err(to);
        assert!(format!("{error:?}").contains(why), "{error:?}");
        assert_eq!(kept(&new).text(), before, "{to}");
    }
    let mut another = good;
    another.uuid = Uuid::named(&["br1"]);
    let error = new.restore(id, &another, START).expect_err("another bridge");
    assert_eq!(error, RestoreError::Another("br 0".to_owned()));
}

#[test]
fn every_text_that_is_cut_or_changed_is_refused_or_read_as_something() {
    let text = kept(&full()).text().expect("there are words");
    for end in (0..text.len() - 1).filter(|end| text.is_char_boundary(*end)) {
        assert!(Kept::read(&text[..end]).is_err(), "{}", &text[..end]);
    }
    assert!(Kept::read(&format!("{text}flow")).is_err());
    // Whatever a byte becomes: an error, or another value that is written as it was read.
    let mut new = switch();
    let id = new.bridge_ids()[0];
    for at in (0..text.len()).step_by(3) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = b"0 ,/%=-z"[at % 8];
        let changed = String::from_utf8(bytes).expect("ASCII");
        if let Ok(read) = Kept::read(&changed) {
            if let Ok(written) = read.text() {
                assert_eq!(Kept::read(&written).as_ref(), Ok(&read), "{changed}");
            }
            let _ = new.restore(id, &read, START + LIFE);
        }
    }
}

#[test]
fn a_stamp_changes_with_what_is_kept_and_with_nothing_else() {
    let mut switch = full();
    let id = switch.bridge_ids()[0];
    let mut last = switch.stamp();
    switch.tick(START + Nanos::from_secs(2));
    assert_eq!(switch.stamp(), last);
    let mut moved = |switch: &Switch, what: &str| {
        let now = switch.stamp();
        assert_ne!(now, last, "{what}");
        last = now;
    };
    switch.add_flow("br 0", "table=30,actions=drop", Origin::Command, START).expect("a flow");
    moved(&switch, "a flow");
    switch.del_flows("br 0", "table=30", crate::Matching::Loose, START).expect("a flow");
    moved(&switch, "a flow less");
    let group = ["group_id=4,type=all".to_owned()];
    switch.change_groups("br 0", GroupCommand::Add, &group, START).expect("a group");
    moved(&switch, "a group");
    let meter = ["meter=4,kbps,bands=type=drop,rate=1".to_owned()];
    switch.change_meters("br 0", MeterVerb::Add, &meter, START).expect("a meter");
    moved(&switch, "a meter");
    switch.set_table_limit(id, netloom_flow::TableId(4), TableLimit { max_flows: 5, evicts: false });
    moved(&switch, "a limit");
    assert_eq!(switch.meters(id, 4)[0].read, MeterRead { input: (0, 0), bands: vec![(0, 0)] });
}
