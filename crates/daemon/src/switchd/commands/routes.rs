//! `ovs/route/*` and `tnl/*`: how packets of tunnels find their way.
//!
//! Tunnels are sockets, and the kernel routes what they send. So these are the kernel's own tables, of the namespace the
//! switch runs in; they are changed by `ip route` and `ip neighbour`, and there is no second set of them here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use netloom_netdev::{TunnelKind, TunnelSettings};
use netloom_sys::HostError;
use netloom_sys::underlay::Protocol;

use crate::ovs::unixctl::Answer;
use crate::switchd::desired::Kind;
use crate::switchd::links::Routing;
use crate::switchd::plant::Plant;

/// A route as OVS shows it.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    to: IpAddr,
    prefix: u8,
    device: String,
    gateway: Option<IpAddr>,
    source: IpAddr,
    is_local: bool,
}

impl Row {
    fn takes(&self, address: IpAddr) -> bool {
        within(address, self.to, self.prefix)
    }

    /// Bits of the prefix, counted as of IPv6.
    fn bits(&self) -> u8 {
        if self.to.is_ipv4() { self.prefix + 96 } else { self.prefix }
    }
}

/// Whether an address is one of a network's.
fn within(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    let (a, b, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    let rest = width - u32::from(prefix).min(width);
    rest >= 128 || a >> rest == b >> rest
}

/// All routes with a source, the narrowest first.
fn rows(plant: &mut Plant) -> Result<Vec<Row>, String> {
    let routing = plant.links.routing().map_err(|error: HostError| error.to_string())?;
    let Routing { addresses, routes, .. } = routing;
    let name = |index: u32| plant.links.at(index).map(|link| link.name.clone());
    let mut rows = Vec::new();
    for address in &addresses {
        let Some(device) = name(address.index) else { continue };
        let to = address.address;
        let prefix = if to.is_ipv4() { 32 } else { 128 };
        rows.push(Row { to, prefix, device, gateway: None, source: to, is_local: true });
    }
    for route in routes {
        let Some((index, device)) = route.index.and_then(|index| Some((index, name(index)?))) else {
            continue;
        };
        let target = route.gateway.unwrap_or(route.destination);
        let ours =
            || addresses.iter().filter(|it| it.index == index && it.address.is_ipv4() == target.is_ipv4());
        let near = ours().find(|it| within(target, it.address, it.prefix)).or_else(|| ours().next());
        let Some(source) = near.map(|it| it.address) else { continue };
        let (to, prefix) = (route.destination, route.prefix);
        rows.push(Row { to, prefix, device, gateway: route.gateway, source, is_local: false });
    }
    rows.sort_by(|a, b| b.bits().cmp(&a.bits()).then(a.to.cmp(&b.to)).then(a.device.cmp(&b.device)));
    Ok(rows)
}

pub(super) fn show(plant: &mut Plant, _: &[String]) -> Answer {
    let mut text = "Route Table:\n".to_owned();
    for row in rows(plant)? {
        // Writing to a string cannot fail.
        let _ = write!(text, "Cached: {}/{} dev {}", row.to, row.prefix, row.device);
        if let Some(gateway) = row.gateway {
            let _ = write!(text, " GW {gateway}");
        }
        let _ = write!(text, " SRC {}", row.source);
        text += if row.is_local { " local\n" } else { "\n" };
    }
    Ok(text)
}

pub(super) fn lookup(plant: &mut Plant, words: &[String]) -> Answer {
    let address = words.first().and_then(|word| word.parse::<IpAddr>().ok());
    let address = address.ok_or("Invalid parameters")?;
    let rows = rows(plant)?;
    let row = rows.iter().find(|row| row.takes(address)).ok_or("Not found")?;
    let gateway = row.gateway.map_or_else(|| "::".to_owned(), |gateway| gateway.to_string());
    Ok(format!("src {}\ngateway {gateway}\ndev {}\n", row.source, row.device))
}

/// `tnl/neigh/show`: whoever the kernel knows the Ethernet address of.
pub(super) fn neighbours(plant: &mut Plant, _: &[String]) -> Answer {
    let routing = plant.links.routing().map_err(|error| error.to_string())?;
    let mut text = format!("{:<46}{:<20}Bridge\n{}\n", "IP", "MAC", "=".repeat(74));
    let mut rows: Vec<_> = routing.neighbours.iter().filter(|it| !it.address.is_multicast()).collect();
    rows.sort_by_key(|neighbour| (neighbour.index, neighbour.address));
    for neighbour in rows {
        let Some(link) = plant.links.at(neighbour.index) else { continue };
        let Some(mac) = neighbour.mac.filter(|mac| *mac != [0; 6] && mac[0] & 1 == 0) else { continue };
        let mac = crate::trace::mac_in_words(mac);
        let _ = writeln!(text, "{:<46}{mac:<20}{}", neighbour.address.to_string(), link.name);
    }
    Ok(text)
}

/// `tnl/ports/show`: what is listened at, and for how many interfaces.
pub(super) fn listening(plant: &mut Plant, _: &[String]) -> Answer {
    let mut all: BTreeMap<(u32, String), u32> = BTreeMap::new();
    for standing in plant.standing.values() {
        let Kind::Tunnel(settings) = &standing.kind else { continue };
        let Some(port) = plant.door_of(settings) else { continue };
        *all.entry((port.0, device_name(settings))).or_default() += 1;
    }
    let mut text = "Listening ports:\n".to_owned();
    for ((port, name), count) in all {
        let _ = writeln!(text, "{name} ({port}) ref_cnt={count}");
    }
    Ok(text)
}

/// What OVS would call the device of all tunnels of a kind.
fn device_name(settings: &TunnelSettings) -> String {
    let port = || match settings.door().protocol {
        Protocol::Udp(port) => port,
        Protocol::Ip(_, port) => port.unwrap_or_default(),
    };
    match settings.kind {
        TunnelKind::Vxlan(_) => format!("vxlan_sys_{}", port()),
        TunnelKind::Geneve => format!("genev_sys_{}", port()),
        TunnelKind::Gre { .. } => "gre_sys".to_owned(),
        TunnelKind::Erspan { .. } => "erspan_sys".to_owned(),
        TunnelKind::Stt => format!("stt_sys_{}", port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(within(ip("10.1.2.3"), ip("10.1.0.0"), 16));
        assert!(!within(ip("10.2.2.3"), ip("10.1.0.0"), 16));
        assert!(within(ip("9.9.9.9"), ip("0.0.0.0"), 0));
        assert!(within(ip("fd00::9"), ip("fd00::"), 64) && within(ip("fd00::9"), ip("::"), 0));
        assert!(!within(ip("fd00::9"), ip("0.0.0.0"), 0));
    }
}
