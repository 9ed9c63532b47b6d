//! Rows of the tables Bridge, Port and Controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::Nanos;
use netloom_openflow::{Version, Versions};
use netloom_ovsdb::Uuid;
use netloom_ovsdb::replica::RowView;
use netloom_switch::config::{PriorityTags, QinqType, VlanMode};

use super::rows::Rows;
use super::{Bridge, Controller, Interface, Kind, Known, Port, interface, mirror, qos};

/// The defaults of a controller. Source: ovs-vswitchd.conf.db(5), table Controller.
const PROBE_MS: i64 = 5_000;
const BACKOFF_MS: i64 = 8_000;
/// The least that `max_backoff` may be.
const LEAST_BACKOFF_MS: i64 = 1_000;

/// A bridge; `None`: a row without a name.
pub(super) fn read(rows: &Rows<'_>, row: RowView<'_>, known: &mut Known) -> Option<Bridge> {
    let name = row.text("name").filter(|name| !name.is_empty())?.to_owned();
    let other = |key: &str| row.value_of("other_config", key);
    let number = |key: &str| other(key).and_then(|text| text.parse().ok()).unwrap_or(0);
    let is_out_of_band = other("disable-in-band") == Some("true");
    let controllers = row.references("controller").filter_map(|uuid| rows.controller(uuid));
    let mut controllers: Vec<Controller> =
        controllers.filter_map(|row| controller(row, is_out_of_band)).collect();
    controllers.sort_by(|a, b| (&a.target, a.uuid).cmp(&(&b.target, b.uuid)));
    let protocols: Vec<String> = row.texts("protocols").map(str::to_owned).collect();
    let read_port = |uuid| port_of(rows, uuid, &name);
    let (mut ports, has_local) = known.ports((row.uuid(), &name), row.references("ports"), read_port);
    if !has_local {
        // It comes first, as it has no row.
        ports.insert(0, Arc::new(local_port(&name)));
    }
    let mirrors = row.references("mirrors").filter_map(|uuid| rows.mirror(uuid));
    let mut mirrors: Vec<_> = mirrors.map(|row| (row.uuid(), mirror::read(rows, row))).collect();
    mirrors.sort_by(|(_, a), (_, b)| (&a.name, a.uuid).cmp(&(&b.name, b.uuid)));
    Some(Bridge {
        uuid: row.uuid(),
        datapath_type: row.text("datapath_type").unwrap_or_default().to_owned(),
        secure: row.text("fail_mode") == Some("secure"),
        versions: versions(&protocols),
        protocols,
        controllers,
        hwaddr: other("hwaddr").and_then(interface::mac),
        datapath_id: other("datapath-id").and_then(datapath_id),
        mac_aging_time: number("mac-aging-time"),
        mac_table_size: number("mac-table-size"),
        flood_vlans: vlans(row, "flood_vlans"),
        mirrors,
        other_config: map(row, "other_config"),
        external_ids: map(row, "external_ids"),
        ports,
        without_effect: without_effect(row),
        name,
    })
}

/// What is asked for and not there yet.
fn without_effect(row: RowView<'_>) -> Vec<&'static str> {
    let sets = ["netflow", "sflow", "ipfix", "auto_attach", "flow_tables"];
    let switches = ["stp_enable", "rstp_enable", "mcast_snooping_enable"];
    let set = sets.into_iter().filter(|column| !row.get(column).is_empty());
    set.chain(switches.into_iter().filter(|column| row.boolean(column) == Some(true))).collect()
}

/// A port of a bridge of this name, and the rows that it was read from.
fn port_of(rows: &Rows<'_>, uuid: Uuid, bridge: &str) -> Option<(Arc<Port>, Vec<Uuid>)> {
    let row = rows.port(uuid)?;
    let port = Arc::new(port(rows, row, bridge)?);
    let qos = row.references("qos").next();
    let queues = qos.and_then(|qos| rows.qos(qos)).into_iter().flat_map(qos::queues);
    let from = std::iter::once(uuid).chain(row.references("interfaces")).chain(qos).chain(queues);
    Some((port, from.collect()))
}

fn port(rows: &Rows<'_>, row: RowView<'_>, bridge: &str) -> Option<Port> {
    let name = row.text("name").filter(|name| !name.is_empty())?.to_owned();
    let vlan = |number: i64| u16::try_from(number).ok();
    let interfaces = row.references("interfaces").filter_map(|uuid| rows.interface(uuid));
    let mut interfaces: Vec<Interface> = interfaces.filter_map(|row| interface::read(row, bridge)).collect();
    interfaces.sort_by(|a, b| a.name.cmp(&b.name));
    let (qos, mut without_effect) = match row.references("qos").next().and_then(|uuid| rows.qos(uuid)) {
        Some(row) => match qos::read(rows, row) {
            Some(qos) => (Some(qos), Vec::new()),
            None => (None, vec!["qos"]),
        },
        None => (None, Vec::new()),
    };
    let (vlan_mode, is_known) = match row.text("vlan_mode") {
        None => (None, true),
        Some("access") => (Some(VlanMode::Access), true),
        Some("trunk") => (Some(VlanMode::Trunk), true),
        Some("native-tagged") => (Some(VlanMode::NativeTagged), true),
        Some("dot1q-tunnel") => (Some(VlanMode::Dot1qTunnel), true),
        Some("native-untagged") => (Some(VlanMode::NativeUntagged), true),
        Some(_) => (None, false),
    };
    if !is_known {
        without_effect.push("vlan_mode");
    }
    let is_set = |column: &&str| !row.get(column).is_empty();
    without_effect.extend(["bond_mode", "lacp"].into_iter().filter(is_set));
    Some(Port {
        uuid: Some(row.uuid()),
        vlan_mode,
        tag: row.integer("tag").and_then(vlan),
        trunks: vlans(row, "trunks"),
        cvlans: vlans(row, "cvlans"),
        qinq_ethtype: match row.value_of("other_config", "qinq-ethtype") {
            Some("802.1q") => QinqType::Q,
            _ => QinqType::Ad,
        },
        priority_tags: match row.value_of("other_config", "priority-tags") {
            // The first word is what OVS took before there were three.
            Some("true" | "if-nonzero") => PriorityTags::IfNonzero,
            Some("always") => PriorityTags::Always,
            _ => PriorityTags::Never,
        },
        protected: row.boolean("protected") == Some(true),
        qos,
        interfaces,
        without_effect,
        name,
    })
}

/// Every bridge has a local port, also one without a row for it.
fn local_port(bridge: &str) -> Port {
    let interface = Interface {
        uuid: None,
        name: bridge.to_owned(),
        kind: Kind::Internal { local: true },
        ofport_request: None,
        ofport: None,
        mac: None,
        mtu_request: None,
        policing: None,
    };
    Port {
        uuid: None,
        name: bridge.to_owned(),
        vlan_mode: None,
        tag: None,
        trunks: Vec::new(),
        cvlans: Vec::new(),
        qinq_ethtype: QinqType::default(),
        priority_tags: PriorityTags::default(),
        protected: false,
        qos: None,
        interfaces: vec![interface],
        without_effect: Vec::new(),
    }
}

fn controller(row: RowView<'_>, is_out_of_band: bool) -> Option<Controller> {
    let milliseconds = |ms: i64| Nanos(u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000));
    let probe = row.integer("inactivity_probe").unwrap_or(PROBE_MS);
    let backoff = row.integer("max_backoff").unwrap_or(BACKOFF_MS).max(LEAST_BACKOFF_MS);
    Some(Controller {
        uuid: row.uuid(),
        target: row.text("target")?.to_owned(),
        probe: Some(milliseconds(probe)).filter(|probe| *probe != Nanos::ZERO),
        max_backoff: milliseconds(backoff),
        in_band: !is_out_of_band && row.text("connection_mode") != Some("out-of-band"),
    })
}

/// None named means all.
fn versions(protocols: &[String]) -> Versions {
    let named = |name: &String| Version::ALL.into_iter().find(|version| version.name() == name);
    let named: Vec<Version> = protocols.iter().filter_map(named).collect();
    if named.is_empty() { Versions::ALL } else { Versions::of(&named) }
}

/// Up to 16 hexadecimal digits, `0x` allowed; zero is none.
fn datapath_id(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).ok().filter(|id| *id != 0)
}

fn vlans(row: RowView<'_>, column: &str) -> Vec<u16> {
    row.integers(column).filter_map(|vlan| u16::try_from(vlan).ok()).collect()
}

fn map(row: RowView<'_>, column: &str) -> BTreeMap<String, String> {
    row.map(column).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
