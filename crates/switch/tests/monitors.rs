//! Flow monitors: who watches is told of every change, and keeps nobody's memory.

mod support;

use netloom_flow::{FlowMatch, OfPort, TableId, parse_flow};
use netloom_openflow::frame::Head;
use netloom_openflow::msg::group::GROUP_ANY;
use netloom_openflow::msg::{
    BundleAdd, BundleCommand, BundleControl, BundleFlags, FlowCommand, FlowEvent, FlowMod, FlowRemovedReason,
    FlowUpdate, MonitorCommand, MonitorFlags, MonitorRequest, MultipartReply, MultipartRequest,
};
use netloom_openflow::{Message, OfError, Version, Xid};
use netloom_switch::{Answer, Connection, Kind, Notice, PortTraffic};
use support::{Net, Plan};

/// A bridge and two who are connected to it: the first watches.
struct Watched {
    net: Net,
    all: [Connection; 2],
}

impl Watched {
    fn new(version: Version) -> Self {
        let plan = (1..=2).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
        let net = Net::new(&plan.flow(0, "table=3,priority=7,tcp,actions=output:2").config, true);
        let connect = |number| Connection::new(version, Kind::Service, "mgmt").numbered(number);
        Self { net, all: [connect(1), connect(2)] }
    }

    /// One of them asks, by a request with the number `xid`; the answers.
    fn ask(&mut self, who: usize, xid: u32, message: Message) -> Vec<Answer> {
        let bridge = self.net.bridge();
        let watching = self.all.iter().any(Connection::is_watching);
        self.net.switch.set_watched(bridge, watching);
        let connection = &mut self.all[who];
        connection.begin(Xid(xid));
        let counts = |_| PortTraffic::default();
        let mut handled = self.net.switch.handle(bridge, connection, message, &counts, self.net.now);
        while let Some(commit) = handled.commit.take() {
            self.net.switch.go_on(connection, *commit, self.net.now, &mut handled);
        }
        self.hear();
        handled.answers
    }

    fn hear(&mut self) {
        let events = self.net.switch.take_events();
        let flows = || {
            events.iter().filter_map(|(_, notice)| match notice {
                Notice::Flow(changed) => Some(changed),
                _ => None,
            })
        };
        self.all.iter_mut().for_each(|connection| connection.watch(flows()));
    }

    fn monitor(&mut self, requests: Vec<MonitorRequest>) -> Result<Vec<String>, OfError> {
        match self.ask(0, 1, Message::MultipartRequest(MultipartRequest::FlowMonitor(requests))).pop() {
            Some(Answer::Reply(Message::MultipartReply(MultipartReply::FlowMonitor(updates)))) => {
                Ok(updates.iter().map(shown).collect())
            }
            Some(Answer::Refuse(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    /// What the first is told.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(message) = self.all[0].updates(1 << 20) {
            match message {
                Message::MultipartReply(MultipartReply::FlowMonitor(updates)) => {
                    told.extend(updates.iter().map(shown));
                }
                Message::FlowMonitorPaused => told.push("paused".to_owned()),
                Message::FlowMonitorResumed => told.push("resumed".to_owned()),
                other => panic!("{other:?}"),
            }
        }
        told
    }
}

fn shown(update: &FlowUpdate) -> String {
    match update {
        FlowUpdate::Full(change) => {
            let event = match change.event {
                FlowEvent::Initial => "initial".to_owned(),
                FlowEvent::Added => "added".to_owned(),
                FlowEvent::Modified => "modified".to_owned(),
                FlowEvent::Removed(FlowRemovedReason::Delete) => "deleted".to_owned(),
                FlowEvent::Removed(reason) => format!("{reason:?}"),
            };
            format!("{event} {} {} {}", change.table.0, change.priority, change.actions.len())
        }
        FlowUpdate::Abbreviated(xid) => format!("own {}", xid.0),
        FlowUpdate::Paused => "paused".to_owned(),
        FlowUpdate::Resumed => "resumed".to_owned(),
    }
}

const ALL: MonitorFlags = MonitorFlags(0x1f);

fn watch(monitor: u32, flags: MonitorFlags) -> MonitorRequest {
    MonitorRequest {
        monitor,
        command: MonitorCommand::Add,
        flags,
        out_port: OfPort::NONE,
        out_group: GROUP_ANY,
        table: None,
        matches: FlowMatch::any(),
    }
}

fn flow(command: FlowCommand, text: &str) -> Message {
    let flow = parse_flow(text).expect("a good flow");
    Message::FlowMod(Box::new(FlowMod {
        command,
        table: Some(flow.table),
        priority: flow.priority,
        matches: flow.matches,
        actions: flow.actions.to_vec(),
        new_cookie: (command == FlowCommand::Add).then_some(flow.cookie),
        hard_timeout: flow.hard_timeout,
        ..FlowMod::default()
    }))
}

fn add(text: &str) -> Message {
    flow(FlowCommand::Add, text)
}

#[test]
fn changes_of_others_are_told_in_full_and_ones_own_by_their_number() {
    for version in [Version::V10, Version::V13, Version::V15] {
        let mut it = Watched::new(version);
        assert_eq!(it.ask(1, 5, add("priority=1,actions=drop")), [], "nobody watches yet");
        assert_eq!(it.monitor(vec![watch(7, ALL)]), Ok(vec!["initial 0 1 0".into(), "initial 3 7 1".into()]));
        it.ask(1, 6, add("table=1,priority=9,udp,actions=output:1,output:2"));
        it.ask(1, 6, flow(FlowCommand::ModifyStrict, "table=1,priority=9,udp,actions=output:1"));
        it.ask(1, 6, flow(FlowCommand::ModifyStrict, "table=1,priority=9,udp,actions=output:1"));
        it.ask(1, 6, flow(FlowCommand::Delete, "table=1,actions=drop"));
        assert_eq!(it.told(), ["added 1 9 2", "modified 1 9 1", "deleted 1 9 1"], "no change is no news");
        it.ask(0, 8, add("table=1,priority=9,udp,actions=output:1"));
        it.ask(0, 9, flow(FlowCommand::Delete, "table=1,actions=drop"));
        assert_eq!(it.told(), ["own 8", "own 9"]);
        it.ask(1, 6, add("table=2,priority=1,hard_timeout=1,actions=drop"));
        it.net.now += netloom_flow::Nanos::from_secs(2);
        it.net.switch.tick(it.net.now);
        it.hear();
        assert_eq!(it.told(), ["added 2 1 0", "HardTimeout 2 1 0"]);
        if version < Version::V14 {
            assert_eq!(it.ask(0, 2, Message::FlowMonitorCancel(7)), []);
            let again = it.ask(0, 2, Message::FlowMonitorCancel(7));
            assert_eq!(again, [Answer::Refuse(OfError::MofcUnknownMonitor)]);
        } else {
            let end = MonitorRequest { command: MonitorCommand::Delete, ..watch(7, ALL) };
            assert_eq!(it.monitor(vec![end.clone()]), Ok(vec![]));
            assert_eq!(it.monitor(vec![end]), Err(OfError::MofcUnknownMonitor));
        }
        it.ask(1, 5, add("priority=2,actions=drop"));
        assert!(it.told().is_empty() && !it.all[0].has_updates());
    }
}

#[test]
fn a_monitor_tells_what_it_was_asked_for() {
    let mut it = Watched::new(Version::V14);
    let only = |flags| MonitorFlags(flags);
    let narrow = MonitorRequest {
        table: Some(TableId(1)),
        matches: parse_flow("udp actions=drop").expect("a good match").matches,
        out_port: OfPort(2),
        ..watch(1, only(0x0e))
    };
    assert_eq!(it.monitor(vec![narrow.clone()]), Ok(vec![]), "nothing was asked of what is there");
    it.ask(1, 1, add("table=1,udp,actions=output:1"));
    it.ask(1, 1, add("table=2,udp,actions=output:2"));
    it.ask(1, 1, add("table=1,actions=output:2"));
    assert!(it.told().is_empty());
    it.ask(1, 1, flow(FlowCommand::Modify, "table=1,udp,actions=output:2"));
    it.ask(1, 1, flow(FlowCommand::Modify, "table=1,udp,actions=output:1"));
    it.ask(1, 1, flow(FlowCommand::Modify, "table=1,udp,actions=drop"));
    assert_eq!(it.told(), ["modified 1 32768 0", "modified 1 32768 0"], "it output there before");
    // All of a request, or none of it.
    let two = vec![watch(2, ALL), narrow.clone()];
    assert_eq!(it.monitor(two), Err(OfError::MofcMonitorExists));
    let end = MonitorRequest { command: MonitorCommand::Delete, ..watch(2, ALL) };
    assert_eq!(it.monitor(vec![end]), Err(OfError::MofcUnknownMonitor));
    let bad = MonitorRequest { table: Some(TableId(254)), ..watch(3, ALL) };
    assert_eq!(it.monitor(vec![bad]), Err(OfError::MofcBadTableId));
    let wide = MonitorRequest { command: MonitorCommand::Modify, flags: only(0x64), ..watch(1, ALL) };
    it.monitor(vec![wide]).expect("it is known");
    it.ask(1, 1, flow(FlowCommand::Delete, "table=2,actions=drop"));
    it.ask(0, 4, flow(FlowCommand::Delete, "table=1,actions=drop"));
    assert_eq!(it.told(), ["deleted 1 32768 0", "deleted 1 32768 0"], "only its own");
    let as_ovs = MonitorRequest { command: MonitorCommand::Modify, flags: only(0x42), ..watch(1, ALL) };
    it.monitor(vec![as_ovs]).expect("it is known");
    it.ask(0, 4, add("table=9,priority=1,actions=drop"));
    it.ask(1, 4, add("table=9,priority=2,actions=drop"));
    assert_eq!(it.told(), ["added 9 1 0", "added 9 2 0"], "as OVS means it");
    let full = MonitorRequest { command: MonitorCommand::Modify, flags: only(0x22), ..watch(1, ALL) };
    it.monitor(vec![full]).expect("it is known");
    it.ask(0, 4, add("table=2,priority=5,actions=output:1"));
    assert_eq!(it.told(), ["added 2 5 0"], "in full, without actions");
}

#[test]
fn a_bundle_is_told_when_it_is_done_and_not_if_it_fails() {
    let mut it = Watched::new(Version::V14);
    it.monitor(vec![watch(1, MonitorFlags(0x0e))]).expect("the first");
    let flags = BundleFlags::ATOMIC | BundleFlags::ORDERED;
    let control = |command| Message::BundleControl(BundleControl { bundle: 1, command, flags });
    let part = |message| {
        let head = Head::of(&[5, 14, 0, 8, 0, 0, 0, 42]);
        Message::BundleAdd(BundleAdd { bundle: 1, flags, xid: Xid(42), message: Box::new(message), head })
    };
    for (last, told) in
        [("table=1,priority=3,actions=group:9", vec![]), ("table=1,priority=3,actions=drop", vec!["own 42"])]
    {
        it.ask(0, 1, control(BundleCommand::OpenRequest));
        for priority in 10..110 {
            it.ask(0, 42, part(add(&format!("table=1,priority={priority},actions=drop"))));
        }
        it.ask(0, 42, part(add(last)));
        it.ask(0, 2, control(BundleCommand::CommitRequest));
        assert_eq!(it.told(), told);
    }
}

#[test]
fn who_does_not_read_is_told_afterwards_what_is_different() {
    for version in [Version::V10, Version::V15] {
        let mut it = Watched::new(version);
        it.monitor(vec![watch(1, ALL)]).expect("the first");
        it.ask(1, 1, add("table=9,priority=1,actions=drop"));
        it.ask(1, 1, add("table=9,priority=2,actions=drop"));
        let mut waiting = 0;
        for round in 0..3 {
            for priority in 0..4_000 {
                it.ask(1, 1, add(&format!("priority={priority},actions=output:1")));
            }
            let now = it.all[0].held().updates;
            assert!(round < 2 || now == waiting, "{now}: the same flows again are nothing new");
            waiting = now;
        }
        // Of what it knows and of what it does not: changed, and gone.
        it.ask(1, 1, flow(FlowCommand::ModifyStrict, "table=9,priority=1,actions=output:1"));
        it.ask(1, 1, flow(FlowCommand::DeleteStrict, "table=9,priority=2,actions=drop"));
        it.ask(1, 1, flow(FlowCommand::DeleteStrict, "priority=3999,actions=drop"));
        it.ask(1, 1, flow(FlowCommand::DeleteStrict, "priority=0,actions=drop"));
        let told = it.told();
        let at = told.iter().position(|update| update == "paused").expect("a pause");
        assert!((2_000..2_400).contains(&at), "128 KiB of some 56 bytes each: {at}");
        assert_eq!(told[at + 1..], ["deleted 9 2 0", "deleted 0 0 1"], "3999 came during the pause");
        it.ask(1, 1, add("priority=1,actions=drop"));
        assert!(it.told().is_empty() && it.all[0].has_updates(), "a pause ends when all was read");
        it.net.switch.resume_monitors(&mut it.all[0]);
        let mut rest = it.told();
        assert_eq!(rest.pop().as_deref(), Some("resumed"));
        assert_eq!(rest.len(), 3_998 + 1, "the flows of the pause, and one changed");
        assert!(rest.contains(&"modified 9 1 1".to_owned()) && rest.contains(&"added 0 3998 1".to_owned()));
        assert!(!rest.contains(&"added 0 3999 1".to_owned()) && !it.all[0].has_updates());
        it.ask(1, 1, add("table=4,priority=1,actions=drop"));
        assert_eq!(it.told(), ["added 4 1 0"]);
    }
}
