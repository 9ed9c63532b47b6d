//! Columns of the table Interface.

use std::collections::BTreeMap;

use netloom_flow::PortId;
use netloom_ovsdb::Uuid;
use netloom_switch::{Crossed, PortCounts};
use netloom_sys::netlink::Link;
use serde_json::{Value, json};

use super::{Cells, map, none, optional};
use crate::slowpath;
use crate::switchd::config::dummy_address;
use crate::switchd::desired::{Bridge, Kind};
use crate::switchd::plant::{Id, Plant, Standing};

const TABLE: &str = "Interface";

/// An interface that is a port.
pub(super) fn put(cells: &mut Cells, uuid: Uuid, standing: &Standing, plant: &Plant) {
    let link = standing.index.and_then(|index| plant.links.at(index));
    cells.put(TABLE, uuid, "ofport", openflow_number(standing));
    cells.put(TABLE, uuid, "error", none());
    cells.put(TABLE, uuid, "ifindex", standing.index.unwrap_or(0));
    cells.put(TABLE, uuid, "mtu", optional(link.map(|link| link.mtu)));
    cells.put(TABLE, uuid, "mac_in_use", optional(address(standing, link).map(mac)));
    // What has no device of the machine is there, unless it is a dummy that was taken down.
    cells.put(TABLE, uuid, "admin_state", word(link.map_or(standing.spec.up, |link| link.up)));
    let is_up = link.map_or(standing.spec.up, |link| link.up && link.carrier);
    cells.put(TABLE, uuid, "link_state", word(is_up));
    cells.put(TABLE, uuid, "link_resets", standing.resets);
    let (speed, duplex) = link.map_or((None, None), speed_of);
    cells.put(TABLE, uuid, "link_speed", optional(speed));
    cells.put(TABLE, uuid, "duplex", optional(duplex));
    cells.put(TABLE, uuid, "status", map(driver(standing, link).into_iter()));
}

fn address(standing: &Standing, link: Option<&Link>) -> Option<[u8; 6]> {
    let of_dummy = || matches!(standing.kind, Kind::Dummy(_)).then(|| dummy_address(standing.spec.id));
    link.and_then(|link| link.mac).or_else(of_dummy)
}

/// What crossed each port of a bridge inside the switch.
pub(super) fn crossed(bridge: &Bridge, plant: &Plant) -> BTreeMap<PortId, Crossed> {
    let ports = slowpath::read(plant.core.switch()).ports(&bridge.name);
    ports.iter().map(|entry| (entry.dp_port, entry.crossed)).collect()
}

/// What an interface that is a port has carried.
pub(super) fn put_statistics(cells: &mut Cells, id: Id, plant: &Plant, crossed: &BTreeMap<PortId, Crossed>) {
    let (Id::Row(uuid), Some(standing)) = (id, plant.standing.get(&id)) else { return };
    cells.put(TABLE, uuid, "statistics", statistics(standing, plant, crossed));
}

/// An interface that could not be opened.
pub(super) fn clear(cells: &mut Cells, uuid: Uuid, why: &str) {
    cells.put(TABLE, uuid, "ofport", -1);
    cells.put(TABLE, uuid, "error", why);
    let sets =
        ["ifindex", "mtu", "mac_in_use", "admin_state", "link_state", "link_resets", "link_speed", "duplex"];
    for column in sets {
        cells.put(TABLE, uuid, column, none());
    }
    for column in ["status", "statistics"] {
        cells.put(TABLE, uuid, column, json!(["map", []]));
    }
}

/// The local port has the number that OpenFlow 1.0 gives it.
const LOCAL: u32 = 0xfffe;

fn openflow_number(standing: &Standing) -> u32 {
    if standing.number == netloom_flow::OfPort::LOCAL { LOCAL } else { standing.number.0 }
}

const fn word(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

pub(in crate::switchd) fn mac(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Bits per second and duplex, as sysfs has them. Its mount may show another namespace: then an index differs.
fn speed_of(link: &Link) -> (Option<u64>, Option<&'static str>) {
    let read = |file: &str| std::fs::read_to_string(format!("/sys/class/net/{}/{file}", link.name)).ok();
    let index = read("ifindex").and_then(|text| text.trim().parse().ok());
    if index != Some(link.index) {
        return (None, None);
    }
    let megabits = read("speed").and_then(|text| text.trim().parse::<u64>().ok());
    let duplex = match read("duplex").as_deref().map(str::trim) {
        Some("full") => Some("full"),
        Some("half") => Some("half"),
        _ => None,
    };
    (megabits.map(|megabits| megabits * 1_000_000), duplex)
}

fn driver(standing: &Standing, link: Option<&Link>) -> Vec<(String, String)> {
    let name = match (&standing.kind, link) {
        (Kind::System, Some(link)) if !link.kind.is_empty() => link.kind.clone(),
        (Kind::Internal { .. } | Kind::Tap, _) => "tun".to_owned(),
        _ => return Vec::new(),
    };
    vec![("driver_name".to_owned(), name)]
}

/// What the datapath counted at the port, and what crossed it inside the switch.
fn statistics(standing: &Standing, plant: &Plant, crossed: &BTreeMap<PortId, Crossed>) -> Value {
    let port = standing.spec.id;
    let outside = plant.core.openflow().hub().traffic(port);
    let inside = crossed.get(&port).copied().unwrap_or_default();
    let counters = [
        ("rx_packets", outside.rx_packets + inside.rx_packets),
        ("rx_bytes", outside.rx_bytes + inside.rx_bytes),
        ("rx_dropped", outside.dropped),
        ("tx_packets", outside.tx_packets + inside.tx_packets),
        ("tx_bytes", outside.tx_bytes + inside.tx_bytes),
    ];
    let largest = i64::MAX.unsigned_abs();
    json!(["map", counters.map(|(name, count)| json!([name, count.min(largest)]))])
}
