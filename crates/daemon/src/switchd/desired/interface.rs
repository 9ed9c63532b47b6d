//! Rows of the table Interface.

use netloom_flow::Policing;
use netloom_netdev::DummyFiles;
use netloom_ovsdb::replica::RowView;

use super::{Interface, Kind, tunnel};

/// The highest number of an ordinary port.
pub(in crate::switchd) const MAX_OFPORT: u16 = 0xfeff;
/// The burst of policing whose row says none, in kilobits. Source: ovs-vswitchd.conf.db(5).
const BURST_KBIT: u64 = 8_000;

/// An interface of a port of `bridge`; `None`: a row without a name.
pub(super) fn read(row: RowView<'_>, bridge: &str) -> Option<Interface> {
    let name = row.text("name").filter(|name| !name.is_empty())?.to_owned();
    let number = |column: &str| {
        let number = row.integer(column).and_then(|number| u16::try_from(number).ok());
        number.filter(|number| (1..=MAX_OFPORT).contains(number))
    };
    Some(Interface {
        uuid: Some(row.uuid()),
        kind: kind(row, &name, bridge),
        ofport_request: number("ofport_request"),
        ofport: number("ofport"),
        mac: row.text("mac").and_then(mac),
        mtu_request: row.integer("mtu_request").and_then(|mtu| u32::try_from(mtu).ok()),
        policing: policing(row),
        name,
    })
}

fn kind(row: RowView<'_>, name: &str, bridge: &str) -> Kind {
    let local = name == bridge;
    match row.text("type").unwrap_or_default() {
        "internal" => Kind::Internal { local },
        // As OVS: what is called as the bridge is its own device.
        "" | "system" if local => Kind::Internal { local },
        "" | "system" => Kind::System,
        "tap" => Kind::Tap,
        "dummy-internal" if local => Kind::Internal { local },
        "dummy" | "dummy-internal" | "dummy-pmd" => Kind::Dummy(dummy_files(row)),
        "patch" => match row.value_of("options", "peer") {
            None | Some("") => Kind::Bad(format!("{name}: patch type requires valid 'peer' argument")),
            Some(peer) if peer == name => Kind::Bad(format!("{name}: patch peer must not be self")),
            Some(peer) => Kind::Patch { peer: peer.to_owned() },
        },
        other => match tunnel::read(other, row) {
            None => Kind::Bad(format!(
                "could not open network device {name} (Address family not supported by protocol)"
            )),
            Some(Ok(settings)) => Kind::Tunnel(Box::new(settings)),
            Some(Err(why)) => Kind::Bad(format!("{name}: {why}")),
        },
    }
}

/// Where the frames of a dummy device are written.
fn dummy_files(row: RowView<'_>) -> DummyFiles {
    let path = |option: &str| row.value_of("options", option).map(std::path::PathBuf::from);
    DummyFiles { sent: path("tx_pcap"), received: path("rxq_pcap"), both: path("pcap") }
}

/// `ingress_policing_rate` and `_burst` in kilobits, `_kpkts_rate` and `_kpkts_burst` in thousands of packets.
fn policing(row: RowView<'_>) -> Option<Policing> {
    let column = |name: &str| row.integer(name).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    let rate = column("ingress_policing_rate");
    let packet_rate = column("ingress_policing_kpkts_rate");
    if rate.is_none() && packet_rate.is_none() {
        return None;
    }
    let burst = column("ingress_policing_burst").unwrap_or(BURST_KBIT);
    Some(Policing {
        rate: rate.map(|kilobits| kilobits.saturating_mul(1_000)),
        burst: rate.map(|_| burst.saturating_mul(1_000) / 8),
        packet_rate: packet_rate.map(|thousands| thousands.saturating_mul(1_000)),
        packet_burst: column("ingress_policing_kpkts_burst").map(|thousands| thousands.saturating_mul(1_000)),
    })
}

/// An Ethernet address of one station, in its usual form.
pub(in crate::switchd) fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() <= 2)?, 16).ok()?;
    }
    (parts.next().is_none() && mac[0] & 1 == 0 && mac != [0; 6]).then_some(mac)
}
