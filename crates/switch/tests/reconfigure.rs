//! From one configuration to the next.

mod support;

use netloom_flow::{OfPort, PortId, TenantId};
use netloom_switch::config::{Bridge, Config, Flow, Origin, Uuid};
use netloom_switch::{Changes, ConfigError, Matching, WantedPort};
use support::{Net, Packet, Plan, dp, mac};

/// Two bridges with two hosts each, and a link.
fn plan() -> Plan {
    Plan::new(2).host(0, 1, 0).host(0, 2, 0).host(1, 1, 0).host(1, 2, 0).link((0, 3), (1, 3))
}

fn wanted(bridge: usize, port: u16) -> WantedPort {
    WantedPort {
        port: dp(bridge, port),
        bridge: format!("s{}", bridge + 1),
        name: format!("s{}-eth{port}", bridge + 1),
        tenant: Some(TenantId(0)),
        peer: None,
    }
}

fn line(text: &str, line: u32) -> Flow {
    Flow { text: text.into(), origin: Origin::File { path: "lab.loom.yml".into(), line } }
}

fn flows(net: &Net) -> Vec<(String, Origin)> {
    let flows = net.switch.flows("s1", "").expect("a bridge");
    flows.iter().map(|flow| (flow.rule.flow.to_string(), Origin::clone(&flow.rule.origin))).collect()
}

#[test]
fn the_same_again_changes_nothing() {
    let config = plan().config;
    let mut net = Net::new(&config, true);
    let epoch = net.epoch.now();
    assert_eq!(net.reconfigure(&config), Changes::default());
    assert_eq!(net.epoch.now(), epoch);
}

#[test]
fn a_new_port_costs_only_floods_a_translation() {
    let mut plan = plan();
    let mut net = Net::new(&plan.config, true);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    let [unicast, flood] =
        [Packet::tcp(1, 2, 80), Packet::tcp(1, 99, 80)].map(|packet| packet.key(dp(0, 1), TenantId(0)));
    net.send(dp(0, 1), &Packet::tcp(1, 2, 80)); // so that learning host 1 is behind us
    let answers = [unicast, flood].map(|key| net.translate(&key));
    plan = plan.host(0, 7, 0);
    assert_eq!(net.reconfigure(&plan.config), Changes { added: vec![wanted(0, 7)], ..Changes::default() });
    assert!(net.switch.still_valid(&unicast, &answers[0]));
    assert!(!net.switch.still_valid(&flood, &answers[1]));
    assert_eq!(net.learned("s1", mac(2)), Some(2), "what was learned stays");
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 99, 80)), [dp(0, 2), dp(0, 7), dp(1, 1), dp(1, 2)]);
}

#[test]
fn a_port_that_goes_takes_what_was_learned_there_along() {
    let mut config = plan().config;
    let mut net = Net::new(&config, true);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    let key = Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0));
    let answer = net.translate(&key);
    config.bridges[0].ports.remove(1);
    assert_eq!(net.reconfigure(&config), Changes { removed: vec![dp(0, 2)], ..Changes::default() });
    assert_eq!(net.learned("s1", mac(2)), None);
    assert!(!net.switch.still_valid(&key, &answer));
    assert_eq!(net.switch.port_name(dp(0, 2)), None);
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(1, 1), dp(1, 2)]);
}

#[test]
fn a_bridge_that_goes_takes_its_ports_along_and_the_other_end_floods_no_more() {
    let mut config = plan().config;
    let mut net = Net::new(&config, true);
    config.bridges.remove(1);
    config.bridges[0].ports.remove(2);
    let changes = net.reconfigure(&config);
    assert_eq!(changes.removed, [dp(0, 3), dp(1, 1), dp(1, 2), dp(1, 3)]);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), [dp(0, 2)]);
    assert!(net.switch.flows("s2", "").is_err());
}

#[test]
fn a_port_changes_its_tenant_and_its_bridge() {
    let mut config = plan().config;
    let mut net = Net::new(&config, true);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    config.bridges[0].ports[1].tenant = Some(TenantId(5));
    let changed = WantedPort { tenant: Some(TenantId(5)), ..wanted(0, 2) };
    assert_eq!(net.reconfigure(&config), Changes { changed: vec![changed], ..Changes::default() });
    assert_eq!(net.learned("s1", mac(2)), None, "it was another tenant's");
    assert_eq!(net.ports(dp(0, 1), &Packet::eth(mac(1), [0xff; 6])), [dp(1, 1), dp(1, 2)]);
    let mut port = config.bridges[0].ports.remove(1);
    port.interfaces[0].ofport_request = None;
    config.bridges[1].ports.push(port);
    let changes = net.reconfigure(&config);
    assert_eq!((changes.added.len(), changes.removed.len()), (0, 0), "the datapath keeps the port");
    assert_eq!(changes.changed[0].bridge, "s2");
    assert_eq!(net.switch.port_name(dp(0, 2)), Some(("s2", "s1-eth2")));
    let number = net.switch.ports("s2").iter().find(|port| port.dp_port == dp(0, 2)).map(|port| port.number);
    assert_eq!(number, Some(OfPort(4)), "the lowest free one");
}

#[test]
fn numbers_stay_when_others_come_and_go() {
    let mut config = plan().config;
    for port in &mut config.bridges[0].ports {
        port.interfaces[0].ofport_request = None;
    }
    let mut net = Net::new(&config, true);
    let numbers = |net: &Net| -> Vec<(String, u32)> {
        net.switch.ports("s1").into_iter().map(|port| (port.name, port.number.0)).collect()
    };
    assert_eq!(numbers(&net)[2], ("s1-eth3".into(), 3));
    config.bridges[0].ports.remove(0);
    net.reconfigure(&config);
    assert_eq!(numbers(&net), [("s1-eth2".into(), 2), ("s1-eth3".into(), 3)]);
}

#[test]
fn only_the_difference_of_the_file_touches_flows() {
    let mut config = plan().config;
    config.bridges[0].flows =
        vec![line("priority=1,actions=normal", 10), line("priority=5,tcp,actions=drop", 11)];
    let mut net = Net::new(&config, true);
    net.switch.add_flow("s1", "priority=7,udp,actions=drop", Origin::Command, net.now).unwrap();
    net.switch.del_flows("s1", "priority=5,tcp", Matching::Strict, net.now).unwrap();
    net.send(dp(0, 1), &Packet::eth(mac(1), mac(2)));
    // The file gains a line in front and a flow.
    config.bridges[0].flows = vec![
        line("priority=1,actions=normal", 11),
        line("priority=5,tcp,actions=drop", 12),
        line("arp,actions=drop", 13),
    ];
    net.reconfigure(&config);
    let at = |line| Origin::File { path: "lab.loom.yml".into(), line };
    assert_eq!(
        flows(&net),
        [
            ("cookie=0x0, arp actions=drop".into(), at(13)),
            ("cookie=0x0, priority=7,udp actions=drop".into(), Origin::Command),
            ("cookie=0x0, priority=1 actions=NORMAL".into(), at(11)),
        ],
        "what a user added or removed by command is left alone",
    );
    assert_eq!(net.switch.flows("s1", "").unwrap()[2].packets, 1, "a moved line is the same flow");
    config.bridges[0].flows.clear();
    net.reconfigure(&config);
    let rest = [
        ("cookie=0x0, priority=7,udp actions=drop".into(), Origin::Command),
        ("cookie=0x0, priority=0 actions=NORMAL".into(), Origin::Default),
    ];
    assert_eq!(flows(&net), rest);
}

#[test]
fn a_new_name_is_the_same_bridge() {
    let mut config = plan().config;
    let mut net = Net::new(&config, true);
    net.send(dp(0, 2), &Packet::tcp(2, 1, 80));
    config.bridges[0].name = "core".into();
    assert_eq!(net.reconfigure(&config), Changes::default());
    assert_eq!(net.learned("core", mac(2)), Some(2));
    // Two bridges swap their names.
    config.bridges[0].name = "s2".into();
    config.bridges[1].name = "core".into();
    net.reconfigure(&config);
    assert_eq!(net.learned("s2", mac(2)), Some(2));
    assert_eq!(net.switch.port_name(dp(1, 1)), Some(("core", "s2-eth1")));
}

#[test]
fn what_contradicts_itself_is_refused_and_nothing_changes() {
    type Break = fn(&mut Config);
    let breaks: [(&str, Break); 10] = [
        ("Two bridges are called s1, or have its UUID", |c| c.bridges[1].name = "s1".into()),
        ("Bridge s1 has two ports called s1-eth1", |c| c.bridges[0].ports[1].name = "s1-eth1".into()),
        ("Datapath port 1 is used by two interfaces", |c| {
            c.bridges[1].ports[0].interfaces[0].dp_port = PortId(1)
        }),
        ("Bridge s1 has two interfaces with OpenFlow port 2", |c| {
            c.bridges[0].ports[0].interfaces[0].ofport_request = Some(2);
        }),
        ("OpenFlow port 0 of bridge s1 is not in 1..65279", |c| {
            c.bridges[0].ports[0].interfaces[0].ofport_request = Some(0);
        }),
        ("Port s1-eth1 of bridge s1 has 0 interfaces; exactly one is supported", |c| {
            c.bridges[0].ports[0].interfaces.clear();
        }),
        ("VLAN 4096 of port s1-eth1 of bridge s1 is above 4095", |c| c.bridges[0].ports[0].tag = Some(4096)),
        ("Datapath port 3 and its peer 1001 do not name each other", |c| {
            c.bridges[0].ports[2].interfaces[0].peer = Some(dp(1, 1));
        }),
        ("Flow of bridge s2 (lab.loom.yml:3): Unknown word 'outptu'", |c| {
            c.bridges[1].flows.push(line("outptu actions=drop", 3));
        }),
        ("Flow of bridge s2 (lab.loom.yml:4): There is no group 1", |c| {
            c.bridges[1].flows.push(line("actions=group:1", 4));
        }),
    ];
    for (message, break_it) in breaks {
        let mut net = Net::new(&plan().config, true);
        let (before, epoch) = (net.ledger(), net.epoch.now());
        let mut config = plan().host(0, 9, 0).config;
        break_it(&mut config);
        let error: ConfigError = net.switch.reconfigure(&config, net.now).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!((net.ledger(), net.epoch.now()), (before, epoch), "{message}");
    }
}

#[test]
fn the_configuration_reads_like_the_tables_of_ovs() {
    let bridge =
        Bridge { ports: plan().config.bridges[0].ports[2..].to_vec(), ..plan().config.bridges[0].clone() };
    let json = serde_json::to_value(&bridge).unwrap();
    assert_eq!(json["fail_mode"], "standalone");
    assert_eq!(json["ports"][0]["interfaces"][0]["type"], "patch");
    assert_eq!(json["ports"][0]["interfaces"][0]["peer"], 1003);
    assert_eq!(json["uuid"], Uuid::named(&["s1"]).to_string());
    assert_eq!(serde_json::from_value::<Bridge>(json).unwrap(), bridge);
}
