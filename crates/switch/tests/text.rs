//! Flows, groups and meters as text: what is shown is read back to the same tables, and many changes are one.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use netloom_flow::text::{GroupText, MeterText};
use netloom_flow::{Epoch, Nanos};
use netloom_switch::config::{Bridge, Config, Flow, Interface, Origin, Port, Uuid};
use netloom_switch::{FlowCommand, Group, GroupCommand, MeterVerb, Settings, Switch};

const NOW: Nanos = Nanos::from_secs(1);

const METERS: &[&str] = &[
    "meter=1,kbps,bands=type=drop,rate=1000",
    "meter=2,pktps,burst,stats,bands=type=drop,rate=10,burst_size=3",
    "meter=9,kbps,burst,bands=type=dscp_remark,rate=5,prec_level=2,burst_size=1,type=drop,rate=50",
];
const GROUPS: &[&str] = &[
    "group_id=1,type=all,bucket=output:1,bucket=set_field:02:00:00:00:00:09->eth_dst,output:p2",
    "group_id=2,type=select,selection_method=hash,fields(ip_src,ip_dst),bucket=weight:10,output:1,bucket=weight:3,output:2",
    "group_id=3,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:1,group:1",
    "group_id=4,type=indirect,bucket=bucket_id:7,output:2",
    "group_id=5,type=all",
];
const FLOWS: &[&str] = &[
    "priority=200,tcp,in_port=p1,tp_dst=23,actions=drop",
    "table=3,cookie=0x5,priority=1,ip,nw_src=10.0.0.0/8,idle_timeout=9,actions=meter:1,mod_nw_tos:8,group:2",
    "priority=7,dl_vlan=5,actions=strip_vlan,resubmit(,3)",
    "actions=normal",
];

fn lines(list: &[&str]) -> Vec<String> {
    list.iter().map(|it| (*it).to_owned()).collect()
}

fn bridge() -> Bridge {
    let port = |number: u16| Port {
        name: format!("p{number}"),
        interfaces: vec![Interface {
            name: format!("p{number}"),
            ofport_request: Some(number),
            dp_port: netloom_flow::PortId(number.into()),
            ..Interface::default()
        }],
        ..Port::default()
    };
    Bridge {
        name: "s1".into(),
        uuid: Uuid::named(&["s1"]),
        fail_mode: netloom_switch::config::FailMode::Secure,
        ports: vec![port(1), port(2)],
        ..Bridge::default()
    }
}

fn switch(bridge: Bridge) -> Switch {
    let mut switch = Switch::new(Settings::default(), Epoch::new());
    switch.reconfigure(&Config { bridges: vec![bridge], ..Config::default() }, NOW).unwrap();
    switch
}

/// Everything as it is shown: flows, groups, meters.
fn shown(switch: &Switch) -> [Vec<String>; 3] {
    let id = switch.bridge_id("s1").unwrap();
    let flows = switch.flows("s1", "").unwrap().iter().map(|it| it.rule.flow.to_string()).collect();
    let groups =
        switch.groups(id, Group::ALL).into_iter().map(|it| GroupText::from(it).to_string()).collect();
    let meters = switch.meters(id, u32::MAX).iter().map(|it| MeterText::from(it).to_string()).collect();
    [flows, groups, meters]
}

fn fill(switch: &mut Switch, [flows, groups, meters]: &[Vec<String>; 3]) {
    assert_eq!(switch.change_meters("s1", MeterVerb::Add, meters, NOW), Ok(meters.len()));
    assert_eq!(switch.change_groups("s1", GroupCommand::Add, groups, NOW), Ok(groups.len()));
    let done = switch.change_flow_lines("s1", FlowCommand::Add, flows, &Origin::Command, NOW);
    assert_eq!(done, Ok(flows.len()));
}

#[test]
fn what_is_shown_is_read_back_to_the_same_tables() {
    let mut first = switch(bridge());
    fill(&mut first, &[lines(FLOWS), lines(GROUPS), lines(METERS)]);
    let told = shown(&first);
    assert_eq!(told.each_ref().map(Vec::len), [FLOWS.len(), GROUPS.len(), METERS.len()]);
    let mut second = switch(bridge());
    fill(&mut second, &told);
    assert_eq!(shown(&second), told);
    // Also as they stand in a configuration.
    let listed = |texts: &[String]| -> Vec<Flow> {
        texts.iter().map(|text| Flow { text: text.clone(), origin: Origin::Command }).collect()
    };
    let [flows, groups, meters] = told.each_ref().map(|texts| listed(texts));
    let third = switch(Bridge { flows, groups, meters, ..bridge() });
    assert_eq!(shown(&third), told);
}

#[test]
fn many_changes_are_one() {
    let mut model = switch(bridge());
    fill(&mut model, &[lines(FLOWS), lines(GROUPS), lines(METERS)]);
    let before = shown(&model);
    let wrong = lines(&["priority=1,udp,actions=drop", "delete tcp", "priority=2,actions=nonsense"]);
    let refused = model.change_flow_lines("s1", FlowCommand::Add, &wrong, &Origin::Command, NOW).unwrap_err();
    assert_eq!(refused.0, 2);
    let groups = lines(&["modify group_id=1,type=all,bucket=drop", "group_id=2,type=all"]);
    assert_eq!(model.change_groups("s1", GroupCommand::Add, &groups, NOW).unwrap_err().0, 1);
    let meters = lines(&["meter=3,kbps,bands=type=drop,rate=1", "meter=4,kbps,bands=type=drop,rate=0"]);
    assert_eq!(model.change_meters("s1", MeterVerb::Add, &meters, NOW).unwrap_err().0, 1);
    // Deleting a meter takes flows along, and brings them back.
    let gone = lines(&["meter=1", "meter=x"]);
    assert_eq!(model.change_meters("s1", MeterVerb::Delete, &gone, NOW).unwrap_err().0, 1);
    assert_eq!(shown(&model), before);
    let right = lines(&[
        "delete tcp",
        "modify_strict priority=32768,actions=output:1",
        "delete_strict priority=7,dl_vlan=5",
    ]);
    assert_eq!(model.change_flow_lines("s1", FlowCommand::Add, &right, &Origin::Command, NOW), Ok(3));
    assert_eq!(shown(&model)[0].len(), 2);
}

#[test]
fn buckets_come_and_go_one_by_one() {
    let mut model = switch(bridge());
    let change = |model: &mut Switch, command, text: &str| {
        model.change_groups("s1", command, &[text.to_owned()], NOW).unwrap();
        shown(model)[1].concat()
    };
    change(&mut model, GroupCommand::Add, "group_id=1,type=select,bucket=bucket_id:1,output:1");
    let two = change(
        &mut model,
        GroupCommand::Modify,
        "group_id=1,command_bucket_id=first,bucket=bucket_id:4,output:2",
    );
    assert_eq!(two.matches("bucket=").count(), 2, "{two}");
    assert!(two.find("bucket_id:4") < two.find("bucket_id:1"), "{two}");
    let one = change(&mut model, GroupCommand::Delete, "group_id=1,command_bucket_id=1");
    assert!(one.contains("bucket_id:4") && !one.contains("bucket_id:1"), "{one}");
}

#[test]
fn a_configuration_brings_groups_and_meters_for_its_flows() {
    let text = |text: &str| Flow { text: text.into(), origin: Origin::Command };
    let with = |meters: &[&str], groups: &[&str], flows: &[&str]| Bridge {
        meters: meters.iter().map(|it| text(it)).collect(),
        groups: groups.iter().map(|it| text(it)).collect(),
        flows: flows.iter().map(|it| text(it)).collect(),
        ..bridge()
    };
    let all = |bridge| Config { bridges: vec![bridge], ..Config::default() };
    let mut model = switch(with(&METERS[..1], &GROUPS[..1], &["tcp,actions=meter:1,group:1"]));
    assert_eq!(shown(&model).map(|it| it.len()), [1, 1, 1]);
    // A change of each, and back to nothing.
    let other = with(
        &["meter=1,pktps,bands=type=drop,rate=7"],
        &["group_id=1,type=all,bucket=drop", "group_id=2,type=all,bucket=group:1"],
        &["tcp,actions=meter:1,group:2"],
    );
    model.reconfigure(&all(other), NOW).unwrap();
    let [flows, groups, meters] = shown(&model);
    assert!(flows[0].contains("group:2") && groups.len() == 2 && meters[0].contains("pktps"), "{flows:?}");
    model.reconfigure(&all(bridge()), NOW).unwrap();
    assert_eq!(shown(&model), [const { Vec::<String>::new() }; 3]);
    // What cannot be is refused as a whole, with the line that is wrong.
    for (meters, groups, flows, wrong) in [
        (&[][..], &[][..], &["tcp,actions=group:1"][..], "There is no group 1"),
        (&[], &["group_id=1,type=all,bucket=group:2", "group_id=2,type=all"], &[], "There is no group 2"),
        (&["meter=1,kbps,bands=type=drop,rate=0"], &[], &[], "A band needs a rate"),
        (&[], &["group_id=1,type=all", "group_id=1,type=all"], &[], "There are two groups 1"),
    ] {
        let error = model.reconfigure(&all(with(meters, groups, flows)), NOW).unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}
