//! The network of a guest, as the lab has it.

use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;

use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request, RouteSpec};
use netloom_sys::{HostError, clock, sysctl};

use super::config::{GuestConfig, GuestInterface, GuestNetwork, GuestRoute};
use super::say;

/// How long a driver may take to show its device.
const PATIENCE: u64 = 10_000_000_000;
/// How often it is looked for one: the kernel tells nobody who has no daemon for devices.
const LOOK: u64 = 20_000_000;
const LOOPBACK: u32 = 1;

/// Sets everything up; what cannot be is said, and the rest goes on.
pub(super) fn set_up(config: &GuestConfig) {
    let told = |what: &str, done: Result<(), String>| {
        if let Err(error) = done {
            say(&format!("{what}: {error}"));
        }
    };
    // Addresses are those of the lab, not of whoever advertises.
    told("accept_ra", sysctl::write("net.ipv6.conf.default.accept_ra", "0").map_err(|e| e.to_string()));
    let mut netlink = match NetlinkSocket::open() {
        Ok(netlink) => netlink,
        Err(error) => return say(&error.to_string()),
    };
    let up = [Request::SetLink { index: LOOPBACK, change: LinkChange::up() }];
    told("lo", netlink.batch(&up).map_err(|e| e.to_string()));
    let mut indexes = Vec::new();
    for wanted in &config.interfaces {
        match one(wanted, &mut netlink) {
            Ok(index) => indexes.push((wanted.name.clone(), index)),
            Err(error) => say(&format!("{}: {error}", wanted.name)),
        }
    }
    for route in &config.routes {
        let spec = spec(route, &indexes);
        let what = spec.to_string();
        told(&what, netlink.batch(&[Request::SetRoute(spec)]).map_err(|e| e.to_string()));
    }
    for (name, value) in &config.sysctls {
        told(name, sysctl::write(name, value).map_err(|e| e.to_string()));
    }
}

/// Makes a network that is as `from` be as `to`: cards that come are waited for.
///
/// # Errors
/// In words, the first: a card that does not come, or what the kernel refuses. What was done before stays done.
pub(super) fn change(from: &GuestNetwork, to: &GuestNetwork) -> Result<(), String> {
    let text = |error: HostError| error.to_string();
    let mut netlink = NetlinkSocket::open().map_err(text)?;
    let mut indexes = Vec::new();
    for wanted in &to.interfaces {
        let before = from.interfaces.iter().find(|before| before.mac == wanted.mac);
        let index = match before {
            None => one(wanted, &mut netlink).map_err(|error| format!("{}: {error}", wanted.name))?,
            Some(before) => {
                let index = netlink.index_of(&wanted.name).map_err(text)?;
                netlink
                    .batch(&difference(before, wanted, index))
                    .map_err(|error| format!("{}: {error}", wanted.name))?;
                index
            }
        };
        indexes.push((wanted.name.clone(), index));
    }
    for gone in from.routes.iter().filter(|route| !to.routes.contains(route)) {
        // One that led by a card or an address that is gone has gone with it.
        let _ = netlink.batch(&[Request::DeleteRoute(spec(gone, &indexes))]);
    }
    for route in &to.routes {
        let spec = spec(route, &indexes);
        let what = spec.to_string();
        netlink.batch(&[Request::SetRoute(spec)]).map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

fn spec(route: &GuestRoute, indexes: &[(String, u32)]) -> RouteSpec {
    let index = |name: &String| indexes.iter().find(|(known, _)| known == name).map(|(_, index)| *index);
    RouteSpec {
        destination: route.to.0,
        prefix: route.to.1,
        gateway: route.via,
        index: route.dev.as_ref().and_then(index),
        metric: route.metric,
    }
}

/// What makes an interface that stays be as it is to be.
fn difference(before: &GuestInterface, wanted: &GuestInterface, index: u32) -> Vec<Request> {
    let mut all = Vec::new();
    if before.mtu != wanted.mtu {
        let change = LinkChange { mtu: Some(wanted.mtu), ..LinkChange::default() };
        all.push(Request::SetLink { index, change });
    }
    for &(address, prefix) in before.addresses.iter().filter(|it| !wanted.addresses.contains(it)) {
        all.push(Request::DeleteAddress { index, address, prefix });
    }
    for &(address, prefix) in wanted.addresses.iter().filter(|it| !before.addresses.contains(it)) {
        all.push(Request::AddAddress { index, address, prefix });
    }
    for &(address, _) in before.neighbours.iter().filter(|it| !wanted.neighbours.contains(it)) {
        all.push(Request::DeleteNeighbour { index, address });
    }
    for &(address, mac) in wanted.neighbours.iter().filter(|it| !before.neighbours.contains(it)) {
        all.push(Request::SetNeighbour { index, address, mac });
    }
    all
}

/// Finds an interface, by its Ethernet address or its driver, and makes it what it is to be; its index.
fn one(wanted: &GuestInterface, netlink: &mut NetlinkSocket) -> Result<u32, String> {
    let sysfs = Path::new("/sys/class/net");
    let name = find(sysfs, wanted).ok_or_else(|| missing(wanted))?;
    let index = netlink.index_of(&name).map_err(|error: HostError| error.to_string())?;
    let mut all = Vec::new();
    if address(sysfs, &name) != text(wanted.mac) {
        let change = LinkChange { mac: Some(wanted.mac), ..LinkChange::default() };
        all.push(Request::SetLink { index, change });
    }
    if name != wanted.name {
        // Another may have the name until it is its turn.
        if let Ok(other) = netlink.index_of(&wanted.name) {
            let away = LinkChange { name: Some(format!("late{other}")), ..LinkChange::default() };
            all.push(Request::SetLink { index: other, change: away });
        }
        let change = LinkChange { name: Some(wanted.name.clone()), ..LinkChange::default() };
        all.push(Request::SetLink { index, change });
    }
    let change =
        LinkChange { up: Some(true), mtu: Some(wanted.mtu), no_ipv6_autoconf: true, ..LinkChange::default() };
    all.push(Request::SetLink { index, change });
    let link_local = (IpAddr::V6(link_local(wanted.mac)), 64);
    for &(address, prefix) in wanted.addresses.iter().chain([&link_local]) {
        all.push(Request::AddAddress { index, address, prefix });
    }
    for &(address, mac) in &wanted.neighbours {
        all.push(Request::SetNeighbour { index, address, mac });
    }
    netlink.batch(&all).map_err(|error| error.to_string())?;
    Ok(index)
}

/// The device that is to be the interface, once it is there.
fn find(sysfs: &Path, wanted: &GuestInterface) -> Option<String> {
    let until = clock::now() + PATIENCE;
    loop {
        let devices = std::fs::read_dir(sysfs).into_iter().flatten().flatten();
        let mut names = devices.filter_map(|device| device.file_name().into_string().ok());
        let found = names.find(|name| is_it(sysfs, name, wanted));
        if found.is_some() || clock::now() > until {
            return found;
        }
        clock::sleep(LOOK);
    }
}

fn is_it(sysfs: &Path, name: &str, wanted: &GuestInterface) -> bool {
    let Some(driver) = &wanted.driver else { return address(sysfs, name) == text(wanted.mac) };
    let link = std::fs::read_link(sysfs.join(name).join("device/driver"));
    link.is_ok_and(|path| path.file_name().is_some_and(|name| name == driver.as_str()))
}

fn address(sysfs: &Path, name: &str) -> String {
    std::fs::read_to_string(sysfs.join(name).join("address")).unwrap_or_default().trim().to_owned()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn missing(wanted: &GuestInterface) -> String {
    match &wanted.driver {
        Some(driver) => format!("no device of the driver {driver} came"),
        None => "no device with its Ethernet address came".to_owned(),
    }
}

/// The address that every interface has on its own link. Source: RFC 4291, appendix A.
fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(address: [u8; 4], neighbours: &[u8]) -> GuestInterface {
        GuestInterface {
            mac: [2, 0, 0, 0, 0, 1],
            driver: None,
            name: "eth0".to_owned(),
            mtu: 1_500,
            addresses: vec![(address.into(), 24)],
            neighbours: neighbours.iter().map(|n| ([10, 0, 0, *n].into(), [2, 0, 0, 0, 0, *n])).collect(),
        }
    }

    #[test]
    fn only_what_differs_is_changed_of_an_interface_that_stays() {
        let before = interface([10, 0, 0, 1], &[2, 3]);
        assert!(difference(&before, &before, 5).is_empty());
        let wanted = GuestInterface { mtu: 1_400, ..interface([10, 0, 0, 9], &[3, 4]) };
        let change = LinkChange { mtu: Some(1_400), ..LinkChange::default() };
        let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
        let expected = [
            Request::SetLink { index: 5, change },
            Request::DeleteAddress { index: 5, address: ip(1), prefix: 24 },
            Request::AddAddress { index: 5, address: ip(9), prefix: 24 },
            Request::DeleteNeighbour { index: 5, address: ip(2) },
            Request::SetNeighbour { index: 5, address: ip(4), mac: [2, 0, 0, 0, 0, 4] },
        ];
        assert_eq!(difference(&before, &wanted, 5), expected);
    }

    #[test]
    fn the_link_local_address_is_that_of_the_hosts() {
        assert_eq!(link_local([2, 0, 0, 0x12, 0x34, 0x56]).to_string(), "fe80::ff:fe12:3456");
        assert_eq!(link_local([0, 1, 2, 3, 4, 5]).to_string(), "fe80::201:2ff:fe03:405");
    }

    #[test]
    fn a_function_is_found_by_its_driver_and_others_by_their_address() {
        let place = tempfile::tempdir().unwrap();
        let sysfs = place.path();
        for (name, driver, mac) in
            [("eth0", "virtio_net", "02:00:00:00:00:01"), ("eth1", "igbvf", "ca:35:a9:bd:d0:ee")]
        {
            let device = sysfs.join(name).join("device");
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(sysfs.join(name).join("address"), format!("{mac}\n")).unwrap();
            std::os::unix::fs::symlink(format!("../../bus/pci/drivers/{driver}"), device.join("driver"))
                .unwrap();
        }
        let mut wanted = GuestInterface {
            mac: [2, 0, 0, 0, 0, 1],
            driver: None,
            name: "eth0".into(),
            mtu: 1_500,
            addresses: Vec::new(),
            neighbours: Vec::new(),
        };
        assert_eq!(find(sysfs, &wanted).as_deref(), Some("eth0"));
        wanted.driver = Some("igbvf".into());
        assert_eq!(find(sysfs, &wanted).as_deref(), Some("eth1"));
        assert_eq!(missing(&wanted), "no device of the driver igbvf came");
    }
}
