//! Changing a host's network while it lives, at the cost of the difference.

use std::net::IpAddr;
use std::os::fd::RawFd;

use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};

use super::furnish::{self, FurnishError, Furnished, HostInterface, HostNet};

/// Makes the namespace of the calling thread, furnished as `old`, be as `new`.
///
/// Interfaces are known by name; one that reaches the switch in another way, or by another port, is made anew. The
/// result has a TAP for each interface of `new` that was made here.
///
/// # Errors
/// What the host refused first. What was done before stays done.
pub(crate) fn change(old: &HostNet, new: &HostNet, fabric: Option<RawFd>) -> Result<Furnished, FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    let kept = |interface: &HostInterface| old.interfaces.iter().find(|o| same_device(o, interface));
    for gone in &old.interfaces {
        if !new.interfaces.iter().any(|n| same_device(gone, n)) {
            let index = netlink.index_of(&gone.name)?;
            netlink.batch(&[Request::DeleteLink { index }])?;
        }
    }
    let fresh: Vec<HostInterface> = new.interfaces.iter().filter(|i| kept(i).is_none()).cloned().collect();
    let devices =
        HostNet { interfaces: fresh, forward: new.forward, lab: new.lab.clone(), ..HostNet::default() };
    furnish::prepare(&devices)?;
    let mut made = furnish::devices(&devices, &mut netlink, fabric)?.into_iter();
    let mut taps = Vec::new();
    let mut requests = Vec::new();
    let mut indexes = Vec::new();
    for interface in &new.interfaces {
        let index = netlink.index_of(&interface.name)?;
        indexes.push(index);
        match kept(interface) {
            Some(before) => {
                taps.push(None);
                difference(before, interface, index, &mut requests);
            }
            None => {
                taps.push(made.next().flatten());
                furnish::interface(&new.lab, interface, index, &mut requests);
            }
        }
    }
    if let Some(function) = &new.function {
        let index = netlink.index_of(&function.name)?;
        indexes.push(index);
        if let Some(before) = &old.function {
            // Its address is the card's to give.
            let before = HostInterface { mac: function.mac, ..before.clone() };
            difference(&before, function, index, &mut requests);
        }
    }
    for route in old.routes.iter().filter(|route| !new.routes.contains(route)) {
        // A route goes with its interface or address: then there is nothing left to remove.
        let _ = netlink.batch(&[Request::DeleteRoute(furnish::route(route, new, &indexes))]);
    }
    requests.extend(new.routes.iter().map(|route| Request::SetRoute(furnish::route(route, new, &indexes))));
    netlink.batch(&requests)?;
    if old.forward != new.forward {
        furnish::settings(&furnish::forwarding(new.forward))?;
    }
    furnish::settings(&new.sysctls)?;
    Ok(Furnished { taps })
}

/// Whether two interfaces are one device with perhaps other settings.
pub(crate) fn same_device(a: &HostInterface, b: &HostInterface) -> bool {
    (&a.name, a.port, a.kind) == (&b.name, b.port, b.kind)
}

/// What makes an interface that stays be as it is to be.
fn difference(old: &HostInterface, new: &HostInterface, index: u32, requests: &mut Vec<Request>) {
    let change = LinkChange {
        mtu: (old.mtu != new.mtu).then_some(new.mtu),
        mac: (old.mac != new.mac).then_some(new.mac),
        ..LinkChange::default()
    };
    if change != LinkChange::default() {
        requests.push(Request::SetLink { index, change });
    }
    let own = |i: &HostInterface| -> Vec<(IpAddr, u8)> {
        let link_local = (IpAddr::V6(furnish::link_local(i.mac)), 64);
        i.addresses.iter().copied().chain([link_local]).collect()
    };
    let (before, after) = (own(old), own(new));
    for &(address, prefix) in before.iter().filter(|a| !after.contains(a)) {
        requests.push(Request::DeleteAddress { index, address, prefix });
    }
    for &(address, prefix) in after.iter().filter(|a| !before.contains(a)) {
        requests.push(Request::AddAddress { index, address, prefix });
    }
    for &(address, _) in old.neighbours.iter().filter(|n| !new.neighbours.contains(n)) {
        requests.push(Request::DeleteNeighbour { index, address });
    }
    for &(address, mac) in new.neighbours.iter().filter(|n| !old.neighbours.contains(n)) {
        requests.push(Request::SetNeighbour { index, address, mac });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::PortKind;

    fn eth0() -> HostInterface {
        HostInterface {
            name: "eth0".into(),
            port: 1,
            kind: PortKind::Tap,
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            addresses: vec![("10.0.0.1".parse().unwrap(), 8)],
            neighbours: Vec::new(),
        }
    }

    #[test]
    fn nothing_changed_is_nothing_to_do() {
        let mut requests = Vec::new();
        difference(&eth0(), &eth0(), 2, &mut requests);
        assert_eq!(requests, []);
    }

    #[test]
    fn an_address_is_exchanged_and_the_mtu_set() {
        let new = HostInterface { mtu: 1400, addresses: vec![("10.0.0.2".parse().unwrap(), 8)], ..eth0() };
        let mut requests = Vec::new();
        difference(&eth0(), &new, 2, &mut requests);
        let change = LinkChange { mtu: Some(1400), ..LinkChange::default() };
        assert_eq!(
            requests,
            [
                Request::SetLink { index: 2, change },
                Request::DeleteAddress { index: 2, address: "10.0.0.1".parse().unwrap(), prefix: 8 },
                Request::AddAddress { index: 2, address: "10.0.0.2".parse().unwrap(), prefix: 8 },
            ]
        );
    }

    #[test]
    fn another_mac_brings_another_link_local_address() {
        let new = HostInterface { mac: [2, 0, 0, 0, 0, 2], ..eth0() };
        let mut requests = Vec::new();
        difference(&eth0(), &new, 2, &mut requests);
        assert_eq!(requests.len(), 3, "{requests:?}");
    }
}
