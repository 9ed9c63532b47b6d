//! A lab's switches, ports and controllers as rows.

use std::collections::BTreeMap;

use netloom_lab::Lab;
use netloom_lab::lab::{End, FailMode, Switch, SwitchPort, Vlan};
use serde_json::{Value, json};

use super::written::Row;

/// How a port stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PortSeen {
    pub(super) is_up: bool,
    /// Packets and bytes that came in, those that left, and packets that were dropped.
    pub(super) received: (u64, u64),
    pub(super) sent: (u64, u64),
    pub(super) dropped: u64,
}

/// What is asked of the running lab.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// By switch and number.
    pub(super) ports: BTreeMap<(String, u32), PortSeen>,
    /// By switch.
    pub(super) datapath_ids: BTreeMap<String, u64>,
    /// Controllers that are connected, by switch and target.
    pub(super) connected: Vec<(String, String)>,
}

/// All rows, those that refer to others last.
pub(super) fn rows(lab: &Lab, seen: &Seen) -> Vec<Row> {
    let mut rows = Vec::new();
    let bridges: Vec<Row> = lab.switches.iter().map(|switch| bridge(lab, switch, seen, &mut rows)).collect();
    let mut root = Row::new("Open_vSwitch", &[&lab.name]);
    root.set("bridges", set(bridges.iter().map(Row::reference)));
    root.set("ovs_version", env!("CARGO_PKG_VERSION"));
    root.set("system_type", "netloom");
    root.set("datapath_types", set([json!("netdev"), json!("system")]));
    root.set("external_ids", map([("netloom-lab", lab.name.clone())]));
    rows.extend(bridges);
    rows.push(root);
    rows
}

/// A bridge; the rows below it are added to `rows`.
fn bridge(lab: &Lab, switch: &Switch, seen: &Seen, rows: &mut Vec<Row>) -> Row {
    let name = switch.name.as_str();
    let ports: Vec<Row> = switch.ports.iter().map(|it| port(name, it, seen, rows)).collect();
    let controllers: Vec<Row> = targets(lab, switch).iter().map(|it| controller(name, it, seen)).collect();
    let mut row = Row::new("Bridge", &[name]);
    row.set("name", name);
    row.set("datapath_type", "netdev");
    row.set("ports", set(ports.iter().map(Row::reference)));
    row.set("controller", set(controllers.iter().map(Row::reference)));
    row.set("protocols", set(switch.openflow.iter().map(|version| json!(version))));
    row.set("fail_mode", if switch.fail_mode == FailMode::Secure { "secure" } else { "standalone" });
    let id = seen.datapath_ids.get(name).map(|id| json!(format!("{id:016x}")));
    row.set("datapath_id", set(id));
    row.set("datapath_version", "<built-in>");
    let kind = if switch.implicit { "network" } else { "switch" };
    row.set("external_ids", map([("netloom-kind", kind.to_owned())]));
    rows.extend(ports);
    rows.extend(controllers);
    row
}

pub(super) fn targets(lab: &Lab, switch: &Switch) -> Vec<String> {
    let of = |name: &String| lab.controllers.iter().find(|controller| controller.name == *name);
    switch.controllers.iter().filter_map(of).flat_map(netloom_lab::lab::Controller::targets).collect()
}

/// The row of a controller of a bridge, without columns.
pub(super) fn controller_row(bridge: &str, target: &str) -> Row {
    Row::new("Controller", &[bridge, target])
}

fn controller(bridge: &str, target: &str, seen: &Seen) -> Row {
    let mut row = controller_row(bridge, target);
    row.set("target", target);
    let is_connected = seen.connected.iter().any(|(known, to)| known == bridge && to == target);
    row.set("is_connected", is_connected);
    row
}

fn port(bridge: &str, port: &SwitchPort, seen: &Seen, rows: &mut Vec<Row>) -> Row {
    let interface = interface(bridge, port, seen);
    let mut row = Row::new("Port", &[bridge, &port.name]);
    row.set("name", port.name.as_str());
    row.set("interfaces", interface.reference());
    let (mode, tag, trunks) = match &port.vlan {
        Vlan::Any => (None, None, &[][..]),
        // A port with a tag and no mode is one: so it is enough to clear the tag.
        Vlan::Access(vlan) => (None, Some(*vlan), &[][..]),
        Vlan::Trunk { vlans, native: None } => (Some("trunk"), None, vlans.as_slice()),
        Vlan::Trunk { vlans, native } => (Some("native-untagged"), *native, vlans.as_slice()),
    };
    row.set("vlan_mode", set(mode.map(Value::from)));
    row.set("tag", set(tag.map(Value::from)));
    row.set("trunks", set(trunks.iter().map(|vlan| json!(vlan))));
    let mut ids = vec![("netloom-link", port.link.clone())];
    ids.extend(port.tenant.clone().map(|tenant| ("netloom-tenant", tenant)));
    row.set("external_ids", map(ids));
    rows.push(interface);
    row
}

fn interface(bridge: &str, port: &SwitchPort, seen: &Seen) -> Row {
    let mut row = Row::new("Interface", &[bridge, &port.name]);
    row.set("name", port.name.as_str());
    row.set("ofport", port.number);
    row.set("ofport_request", port.number);
    let standing = seen.ports.get(&(bridge.to_owned(), port.number)).copied().unwrap_or_default();
    let state = if standing.is_up { "up" } else { "down" };
    row.set("admin_state", "up");
    row.set("link_state", state);
    let policing = port.policing.unwrap_or_default();
    let kilo = |value: Option<u64>, unit: u64| value.map_or(0, |value| value / unit);
    row.set("ingress_policing_rate", kilo(policing.rate, 1_000));
    // Bits in the row, bytes in the lab.
    row.set("ingress_policing_burst", kilo(policing.burst.map(|bytes| bytes.saturating_mul(8)), 1_000));
    row.set("ingress_policing_kpkts_rate", kilo(policing.packet_rate, 1_000));
    row.set("ingress_policing_kpkts_burst", kilo(policing.packet_burst, 1_000));
    row.set("statistics", statistics(&standing));
    row.set("external_ids", map(ends(&port.peer)));
    row
}

/// What is at the other end.
fn ends(peer: &End) -> Vec<(&'static str, String)> {
    match peer {
        End::Node { node, interface } => {
            vec![("netloom-node", node.clone()), ("netloom-interface", interface.clone())]
        }
        End::Switch { switch, port } => {
            vec![("netloom-switch", switch.clone()), ("netloom-port", port.to_string())]
        }
        End::Tunnel { peer, .. } => vec![("netloom-tunnel", peer.clone())],
    }
}

fn statistics(standing: &PortSeen) -> Value {
    let PortSeen { received, sent, dropped, .. } = standing;
    let counters = [
        ("rx_packets", received.0),
        ("rx_bytes", received.1),
        ("rx_dropped", *dropped),
        ("tx_packets", sent.0),
        ("tx_bytes", sent.1),
    ];
    let largest = i64::MAX.unsigned_abs();
    json!(["map", counters.map(|(name, count)| json!([name, count.min(largest)]))])
}

fn set(values: impl IntoIterator<Item = Value>) -> Value {
    json!(["set", values.into_iter().collect::<Vec<_>>()])
}

fn map(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Value {
    json!(["map", pairs.into_iter().map(|(key, value)| json!([key, value])).collect::<Vec<_>>()])
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::written::Written;
    use std::sync::{Arc, Mutex, Weak};

    use super::*;
    use crate::engine::rows::asked::Asked;
    use crate::ovsdb_server::View;

    const FILE: &str = "netloom: 1
name: seen
nodes: { h1: {}, h2: {} }
switches: { s1: {}, s2: { fail_mode: secure } }
links:
  - { link: h1 -- s1, vlan: 10 }
  - h2 -- s2
  - s1 -- s2
";

    pub(in crate::engine::rows) fn lab() -> Lab {
        let file = netloom_lab::load(FILE, "seen.loom.yml".as_ref(), &[]).expect("a good file");
        netloom_lab::resolve(&file).expect("a good lab")
    }

    #[test]
    fn the_schema_takes_every_row_and_a_look_again_changes_nothing() {
        let asked = Asked::new(Weak::new(), Arc::new(Mutex::new(Arc::new(lab()))), Arc::default());
        let (view, mut written) = (View::new([1, 2], Box::new(asked)).unwrap(), Written::default());
        let lab = lab();
        let mut seen = Seen::default();
        let operations = written.change(rows(&lab, &seen));
        assert!(operations.iter().all(|it| it["op"] == "insert"), "{operations:?}");
        view.write(operations).unwrap();
        assert!(written.change(rows(&lab, &seen)).is_empty());
        seen.ports.insert(("s1".to_owned(), 1), PortSeen { is_up: true, ..PortSeen::default() });
        let operations = written.change(rows(&lab, &seen));
        assert_eq!(operations.len(), 1, "{operations:?}");
        assert_eq!(operations[0]["row"], json!({"link_state": "up"}));
        view.write(operations).unwrap();
    }

    #[test]
    fn ports_say_their_vlan_and_who_is_behind() {
        let all = rows(&lab(), &Seen::default());
        let of = |table: &str, name: &str| {
            all.iter().find(|row| row.table == table && row.columns["name"] == name).unwrap().columns.clone()
        };
        assert_eq!(of("Port", "s1-eth1")["tag"], json!(["set", [10]]));
        assert_eq!(of("Bridge", "s2")["fail_mode"], "secure");
        let ids = of("Interface", "s1-eth1")["external_ids"].to_string();
        assert!(ids.contains(r#"["netloom-node","h1"]"#), "{ids}");
    }
}
