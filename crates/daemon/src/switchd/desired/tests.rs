//! Rows as a server tells them, and what is read of them.

use netloom_netdev::{InKey, OutKey, TunnelKind};
use netloom_openflow::Version;
use netloom_packet::tunnel::vxlan::Extension;
use serde_json::{Value, json};

use super::*;

/// The columns that are read, of their types.
fn schema() -> Value {
    let text = json!({"type": "string"});
    let optional = |kind: &str| json!({"type": {"key": kind, "min": 0, "max": 1}});
    let set = |kind: &str| json!({"type": {"key": kind, "min": 0, "max": "unlimited"}});
    let rows = |table: &str, max: Value| json!({"type": {"key": {"type": "uuid", "refTable": table}, "min": 0, "max": max}});
    let map = json!({"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}});
    let many = json!("unlimited");
    json!({"name": "Open_vSwitch", "version": "8.3.1", "tables": {
        "Open_vSwitch": {"columns": {
            "next_cfg": {"type": "integer"}, "bridges": rows("Bridge", many.clone()), "ssl": rows("SSL", json!(1)),
            "other_config": map}},
        "Bridge": {"columns": {
            "name": text, "datapath_type": text, "fail_mode": optional("string"), "protocols": set("string"),
            "controller": rows("Controller", many.clone()), "ports": rows("Port", many.clone()),
            "other_config": map, "external_ids": map, "stp_enable": {"type": "boolean"}}},
        "Port": {"columns": {
            "name": text, "interfaces": rows("Interface", many.clone()), "tag": optional("integer"),
            "trunks": set("integer"), "vlan_mode": optional("string"), "qos": rows("QoS", json!(1)),
            "bond_mode": optional("string")}},
        "Interface": {"columns": {
            "name": text, "type": text, "options": map, "ofport": optional("integer"),
            "ofport_request": optional("integer"), "mac": optional("string"), "mtu_request": optional("integer"),
            "ingress_policing_rate": {"type": "integer"}, "ingress_policing_burst": {"type": "integer"}}},
        "Controller": {"columns": {
            "target": text, "max_backoff": optional("integer"), "inactivity_probe": optional("integer"),
            "connection_mode": optional("string")}},
        "QoS": {"columns": {
            "type": text, "other_config": map,
            "queues": {"type": {"key": "integer", "value": {"type": "uuid", "refTable": "Queue"}, "min": 0,
                                "max": "unlimited"}}}},
        "Queue": {"columns": {"dscp": optional("integer"), "other_config": map}},
        "SSL": {"columns": {"private_key": text, "certificate": text, "ca_cert": text}},
    }})
}

fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn refer(numbers: &[u32]) -> Value {
    json!(["set", numbers.iter().map(|number| json!(["uuid", id(*number)])).collect::<Vec<_>>()])
}

fn map_of(pairs: &[(&str, &str)]) -> Value {
    json!(["map", pairs])
}

/// What is wanted by rows: table, number, columns.
fn read(rows: &[(&str, u32, Value)]) -> Desired {
    Desired::read(&replica_of(rows), &mut Known::default())
}

/// A copy of these rows.
fn replica_of(rows: &[(&str, u32, Value)]) -> Replica {
    let mut tables = serde_json::Map::new();
    for (table, number, columns) in rows {
        let table = tables.entry((*table).to_owned()).or_insert_with(|| json!({}));
        table[id(*number)] = json!({"initial": columns});
    }
    let mut replica = Replica::new("Open_vSwitch");
    replica.connect();
    let answer = |id: u32, result: Value| json!({"id": id, "result": result, "error": null}).to_string();
    // The first question is whether it is aware of changes, the second for the schema, the third for all rows.
    replica.handle_bytes(answer(2, schema()).as_bytes());
    replica.handle_bytes(answer(3, json!([false, id(0), tables])).as_bytes());
    assert!(replica.is_synchronised(), "{:?}", replica.poll_event());
    replica
}

/// A bridge with one port of one interface.
fn interface(columns: &Value) -> Interface {
    let desired = read(&[
        ("Open_vSwitch", 1, json!({"bridges": refer(&[2])})),
        ("Bridge", 2, json!({"name": "br0", "ports": refer(&[3])})),
        ("Port", 3, json!({"name": "p", "interfaces": refer(&[4])})),
        ("Interface", 4, columns.clone()),
    ]);
    desired.bridges[0].ports.iter().find(|port| port.name == "p").unwrap().interfaces[0].clone()
}

#[test]
fn a_bridge_has_a_local_port_with_and_without_a_row_for_it() {
    let desired = read(&[
        ("Open_vSwitch", 1, json!({"next_cfg": 3, "bridges": refer(&[2, 3])})),
        ("Bridge", 2, json!({"name": "b"})),
        ("Bridge", 3, json!({"name": "a", "ports": refer(&[4])})),
        ("Port", 4, json!({"name": "a", "interfaces": refer(&[5])})),
        ("Interface", 5, json!({"name": "a", "type": ""})),
    ]);
    assert_eq!(desired.next_cfg, 3);
    let names: Vec<&str> = desired.bridges.iter().map(|bridge| bridge.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    for bridge in &desired.bridges {
        assert_eq!(bridge.ports.len(), 1);
        assert_eq!(bridge.ports[0].interfaces[0].kind, Kind::Internal { local: true });
        assert_eq!(bridge.versions, Versions::ALL);
    }
    assert!(desired.bridges[0].ports[0].uuid.is_some() && desired.bridges[1].ports[0].uuid.is_none());
}

#[test]
fn settings_of_bridges_and_controllers_are_read() {
    let desired = read(&[
        (
            "Open_vSwitch",
            1,
            json!({"bridges": refer(&[2]), "ssl": refer(&[6]),
            "other_config": map_of(&[("stats-update-interval", "7000")])}),
        ),
        (
            "Bridge",
            2,
            json!({"name": "br0", "fail_mode": "secure", "protocols": ["set", ["OpenFlow10", "OpenFlow13"]],
            "controller": refer(&[3, 4]), "stp_enable": true,
            "other_config": map_of(&[("datapath-id", "0x00000000000000ab"), ("hwaddr", "02:00:00:00:00:0a"),
                ("mac-aging-time", "20")])}),
        ),
        ("Controller", 3, json!({"target": "tcp:127.0.0.1:6653", "max_backoff": 500, "inactivity_probe": 0})),
        ("Controller", 4, json!({"target": "ptcp:6654", "connection_mode": "out-of-band"})),
        ("SSL", 6, json!({"private_key": "k", "certificate": "c", "ca_cert": "a"})),
    ]);
    assert_eq!((desired.stats_interval, desired.flow_restore_wait), (Duration::from_secs(7), false));
    assert_eq!(desired.ssl.as_ref().unwrap()[2], "a");
    let bridge = &desired.bridges[0];
    assert!(bridge.secure);
    assert_eq!((bridge.datapath_id, bridge.hwaddr), (Some(0xab), Some([2, 0, 0, 0, 0, 10])));
    assert_eq!((bridge.mac_aging_time, bridge.without_effect.as_slice()), (20, &["stp_enable"][..]));
    assert!(bridge.versions.contains(Version::V13) && !bridge.versions.contains(Version::V15));
    let [listens, calls] = bridge.controllers.as_slice() else { panic!("{:?}", bridge.controllers) };
    assert_eq!((listens.target.as_str(), listens.in_band), ("ptcp:6654", false));
    assert_eq!((listens.probe, listens.max_backoff), (Some(Nanos::from_secs(5)), Nanos::from_secs(8)));
    assert_eq!((calls.probe, calls.max_backoff, calls.in_band), (None, Nanos::from_secs(1), true));
}

#[test]
fn interfaces_are_what_their_type_says_or_bad() {
    let kind = |columns: Value| interface(&columns).kind;
    assert_eq!(kind(json!({"name": "eth0"})), Kind::System);
    assert_eq!(kind(json!({"name": "i", "type": "internal"})), Kind::Internal { local: false });
    assert_eq!(kind(json!({"name": "t", "type": "tap"})), Kind::Tap);
    let patch = json!({"name": "p0", "type": "patch", "options": map_of(&[("peer", "p1")])});
    assert_eq!(kind(patch), Kind::Patch { peer: "p1".to_owned() });
    for (columns, text) in [
        (json!({"name": "p0", "type": "patch"}), "p0: patch type requires valid 'peer' argument"),
        (json!({"name": "p0", "type": "patch", "options": map_of(&[("peer", "p0")])}), "must not be self"),
        (json!({"name": "x", "type": "nonsense"}), "Address family not supported by protocol"),
        (json!({"name": "v", "type": "vxlan"}), "vxlan type requires valid 'remote_ip' argument"),
        (
            json!({"name": "v", "type": "gre", "options": map_of(&[("remote_ip", "::1"), ("local_ip", "1.1.1.1")])}),
            "mixing",
        ),
        (
            json!({"name": "v", "type": "geneve", "options": map_of(&[("remote_ip", "1.1.1.1"), ("key", "x")])}),
            "requires valid 'in_key'",
        ),
    ] {
        let Kind::Bad(why) = kind(columns) else { panic!("{text}") };
        assert!(why.contains(text), "{why}");
    }
}

#[test]
fn options_of_tunnels_are_read() {
    let options = [
        ("remote_ip", "192.0.2.2"),
        ("key", "0x10"),
        ("out_key", "flow"),
        ("ttl", "inherit"),
        ("exts", "gbp"),
        ("dst_port", "8472"),
        ("df_default", "false"),
    ];
    let columns = json!({"name": "v", "type": "vxlan", "options": map_of(&options), "ofport_request": 9,
        "ofport": -1, "ingress_policing_rate": 1000});
    let read = interface(&columns);
    assert_eq!((read.ofport_request, read.ofport), (Some(9), None));
    let policing = read.policing.unwrap();
    assert_eq!((policing.rate, policing.burst), (Some(1_000_000), Some(1_000_000)));
    let Kind::Tunnel(settings) = read.kind else { panic!() };
    assert_eq!(settings.kind, TunnelKind::Vxlan(Extension::Gbp));
    assert_eq!((settings.in_key, settings.out_key), (InKey::Exactly(16), OutKey::Flow));
    assert_eq!((settings.dst_port, settings.df, settings.csum), (8472, false, false));
}

#[test]
fn vlans_queues_and_bonds_are_read() {
    let port = |columns: Value| {
        let desired = read(&[
            ("Open_vSwitch", 1, json!({"bridges": refer(&[2])})),
            ("Bridge", 2, json!({"name": "br0", "ports": refer(&[3])})),
            ("Port", 3, columns),
            (
                "QoS",
                7,
                json!({"type": "linux-htb", "other_config": map_of(&[("max-rate", "10000000")]),
                "queues": ["map", [[0, ["uuid", id(8)]]]]}),
            ),
            ("QoS", 9, json!({"type": "linux-sfq"})),
            (
                "Queue",
                8,
                json!({"dscp": 46, "other_config": map_of(&[("min-rate", "1000"), ("burst", "800")])}),
            ),
        ]);
        desired.bridges[0].ports.iter().find(|port| port.name == "p").unwrap().clone()
    };
    let access = port(json!({"name": "p", "tag": 10, "qos": refer(&[7])}));
    assert_eq!((access.tag, access.vlan_mode), (Some(10), None));
    let qos = access.qos.clone().unwrap();
    assert_eq!((qos.max_rate, qos.queues[&0].min_rate), (Some(10_000_000), 1_000));
    assert_eq!((qos.queues[&0].burst, qos.queues[&0].dscp), (Some(100), Some(46)));
    let trunk =
        port(json!({"name": "p", "vlan_mode": "native-untagged", "tag": 1, "trunks": ["set", [1, 2]],
        "qos": refer(&[9]), "bond_mode": "balance-tcp"}));
    assert_eq!((trunk.vlan_mode, trunk.trunks.clone()), (Some(VlanMode::NativeUntagged), vec![1, 2]));
    assert_eq!((trunk.qos.clone(), trunk.without_effect.clone()), (None, vec!["qos", "bond_mode"]));
    let service = port(json!({"name": "p", "vlan_mode": "dot1q-tunnel", "tag": 7}));
    assert_eq!((service.vlan_mode, service.without_effect.len()), (Some(VlanMode::Dot1qTunnel), 0));
    assert_eq!(port(json!({"name": "p", "vlan_mode": "odd"})).without_effect, ["vlan_mode"]);
}

/// A bridge with ports of these numbers, and what else its row has.
fn many(numbers: &[u32], bridge: &Value) -> Replica {
    let ports: Vec<u32> = numbers.iter().map(|n| 1_000 + n).collect();
    let mut row = json!({"name": "br0", "ports": refer(&ports)});
    row.as_object_mut().unwrap().extend(bridge.as_object().unwrap().clone());
    let mut rows = vec![("Open_vSwitch", 1, json!({"bridges": refer(&[2])})), ("Bridge", 2, row)];
    for n in numbers {
        let name = format!("p{n}");
        rows.push(("Port", 1_000 + n, json!({"name": name, "interfaces": refer(&[100_000 + n])})));
        rows.push(("Interface", 100_000 + n, json!({"name": name, "ofport": n})));
    }
    replica_of(&rows)
}

#[test]
fn one_port_more_is_one_port_read_and_one_exchanged() {
    let mut known = Known::default();
    let numbers: Vec<u32> = (1..=1_000).collect();
    let before = Desired::read(&many(&numbers[..999], &json!({})), &mut known);
    let after = Desired::read(&many(&numbers, &json!({})), &mut known);
    let kept = |port: &Arc<Port>| before.bridges[0].ports.iter().any(|old| Arc::ptr_eq(old, port));
    let (old, new): (Vec<_>, Vec<_>) = after.bridges[0].ports.iter().partition(|port| kept(port));
    // The local port, which has no row, is made up each time.
    assert_eq!((old.len(), new.len()), (999, 2));
    let exchanges = before.exchanges(&after).expect("only ports");
    assert_eq!(exchanges.len(), 1);
    let names = |ports: &[Arc<Port>]| ports.iter().map(|port| port.name.clone()).collect::<Vec<_>>();
    assert_eq!((names(&exchanges[0].come), names(&exchanges[0].gone)), (vec!["p1000".to_owned()], vec![]));
    let back = after.exchanges(&before).unwrap();
    assert_eq!(names(&back[0].gone), ["p1000"]);
}

#[test]
fn a_row_that_changed_is_read_again_and_what_else_differs_is_told() {
    let mut known = Known::default();
    let rows = many(&[1, 2], &json!({}));
    let before = Desired::read(&rows, &mut known);
    known.forget(id(100_001).parse().unwrap());
    let after = Desired::read(&rows, &mut known);
    let at = |desired: &Desired, name: &str| {
        desired.bridges[0].ports.iter().find(|port| port.name == name).cloned().unwrap()
    };
    assert!(!Arc::ptr_eq(&at(&before, "p1"), &at(&after, "p1")));
    assert!(Arc::ptr_eq(&at(&before, "p2"), &at(&after, "p2")));
    assert_eq!(before.exchanges(&after).map(|all| all.len()), Some(0), "it reads the same");
    let secure = Desired::read(&many(&[1, 2], &json!({"fail_mode": "secure"})), &mut Known::default());
    assert!(before.exchanges(&secure).is_none());
    let fresh = |row: Value| {
        let rows = [
            ("Open_vSwitch", 1, json!({"bridges": refer(&[2])})),
            ("Bridge", 2, json!({"name": "br0", "ports": refer(&[1_001])})),
            ("Port", 1_001, json!({"name": "p1", "interfaces": refer(&[100_001])})),
            ("Interface", 100_001, row),
        ];
        read(&rows)
    };
    let one = fresh(json!({"name": "p1"}));
    assert_eq!(one.exchanges(&fresh(json!({"name": "p1", "ofport": 7}))).map(|all| all.len()), Some(0));
    assert!(one.exchanges(&fresh(json!({"name": "p1", "mtu_request": 1400}))).is_none());
}
