//! Furnishing a host's network namespace from inside: devices, addresses, routes, switches of its own stack.
//!
//! Everything netlink can do goes out in one batch, so that a host costs about a millisecond.

use std::net::{IpAddr, Ipv6Addr};
use std::os::fd::RawFd;
use std::sync::{Mutex, PoisonError};

use netloom_sys::HostError;
use netloom_sys::netlink::{
    BatchError, LinkChange, Netlink as _, NetlinkSocket, NewLink, Request, RouteSpec,
};
use netloom_sys::tap::Tap;

use super::Fabric;

/// How an interface reaches the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortKind {
    /// A TAP device whose file end the daemon holds.
    Tap,
    /// A veth pair whose other end, in the fabric, has a packet socket.
    Packet,
}

/// The network of a host, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct HostNet {
    /// The lab, for the mark on every device.
    pub(crate) lab: String,
    /// Its interfaces.
    pub(crate) interfaces: Vec<HostInterface>,
    /// A virtual function of a network card that is one of its interfaces: it comes once the namespace is there.
    pub(crate) function: Option<HostInterface>,
    /// Its routes besides those of its addresses.
    pub(crate) routes: Vec<HostRoute>,
    /// Whether it forwards between its interfaces.
    pub(crate) forward: bool,
    /// `net.*` settings, names with dots.
    pub(crate) sysctls: Vec<(String, String)>,
    /// It is a virtual machine, whose own kernel has its network: the namespace has nothing of it.
    pub(crate) guest: Option<Cards>,
    /// It is this interface of the machine, which stays where it is: the namespace has nothing of it.
    pub(crate) real: Option<String>,
    /// It is a gateway, which leads anywhere but to these networks, prefixes with their lengths in bits.
    pub(crate) outlet: Option<Vec<(IpAddr, u8)>>,
}

impl HostNet {
    /// What of it the namespace has.
    pub(crate) fn of_namespace(&self) -> Self {
        let is_elsewhere = self.guest.is_some() || self.real.is_some();
        if is_elsewhere { Self { lab: self.lab.clone(), ..Self::default() } } else { self.clone() }
    }
}

/// Who carries the frames of a virtual machine's cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cards {
    /// The switch itself, in the guest's rings: it knows help (virtio).
    Rings,
    /// Its emulator, frame by frame.
    Datagrams,
}

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostInterface {
    /// 1 to 15 bytes.
    pub(crate) name: String,
    /// The datapath port, which names our end of a veth pair.
    pub(crate) port: u32,
    /// How it reaches the switch.
    pub(crate) kind: PortKind,
    /// Its Ethernet address.
    pub(crate) mac: [u8; 6],
    /// Layer 3 bytes.
    pub(crate) mtu: u32,
    /// Its addresses with their prefix lengths in bits.
    pub(crate) addresses: Vec<(IpAddr, u8)>,
    /// Neighbours known for ever (`arp: static`).
    pub(crate) neighbours: Vec<(IpAddr, [u8; 6])>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostRoute {
    /// The destination.
    pub(crate) destination: IpAddr,
    /// Its prefix length in bits; 0 for the default route.
    pub(crate) prefix: u8,
    /// The next hop.
    pub(crate) gateway: Option<IpAddr>,
    /// The interface, by name.
    pub(crate) interface: Option<String>,
    /// Preference, lower first; `None`: the kernel's default.
    pub(crate) metric: Option<u32>,
}

/// The devices that came of it, in the order of the interfaces; `None` for a packet socket, which is opened in the
/// fabric.
#[derive(Debug)]
pub(crate) struct Furnished {
    /// The file ends of TAPs.
    pub(crate) taps: Vec<Option<Tap>>,
}

/// A host's network could not be made as it is to be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FurnishError {
    /// A device, socket or setting.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Devices, addresses and routes.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

/// Furnishes the namespace of the calling thread.
///
/// # Errors
/// What the host refused first. The caller drops the namespace; the TAPs made so far are persistent and go with it.
pub(crate) fn furnish(net: &HostNet, fabric: Option<RawFd>) -> Result<Furnished, FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    prepare(net)?;
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let taps = devices(net, &mut netlink, fabric)?;
    let indexes = net
        .interfaces
        .iter()
        .zip(&taps)
        .map(|(interface, tap)| match tap {
            Some(tap) => Ok(tap.index()),
            None => netlink.index_of(&interface.name),
        })
        .collect::<Result<Vec<_>, _>>()?;
    netlink.batch(&requests(net, &indexes))?;
    drop(turn);
    settings(&net.sysctls)?;
    Ok(Furnished { taps })
}

/// Held while devices are made and set up. The kernel does each of these steps under one lock of the whole machine: two
/// threads that are at it together would put each other to sleep at every step, here they do once a host.
static TURN: Mutex<()> = Mutex::new(());

/// What must be set before the first device.
pub(super) fn prepare(net: &HostNet) -> Result<(), HostError> {
    settings(&[("net.ipv6.conf.default.accept_ra".to_owned(), "0".to_owned())])?;
    if net.forward { settings(&forwarding(true)) } else { Ok(()) }
}

/// Makes the devices of the interfaces.
pub(super) fn devices(
    net: &HostNet,
    netlink: &mut NetlinkSocket,
    fabric: Option<RawFd>,
) -> Result<Vec<Option<Tap>>, FurnishError> {
    let taps = net.interfaces.iter().map(make_tap).collect::<Result<Vec<_>, _>>()?;
    let veths: Vec<Request> = net.interfaces.iter().filter_map(|i| veth(i, fabric)).collect();
    if !veths.is_empty() {
        netlink.batch(&veths)?;
    }
    Ok(taps)
}

fn make_tap(interface: &HostInterface) -> Result<Option<Tap>, HostError> {
    if interface.kind == PortKind::Packet {
        return Ok(None);
    }
    let tap = Tap::create(&interface.name)?;
    tap.persist(true)?;
    Ok(Some(tap))
}

fn veth(interface: &HostInterface, fabric: Option<RawFd>) -> Option<Request> {
    if interface.kind == PortKind::Tap {
        return None;
    }
    let end = NewLink { name: interface.name.clone(), ..NewLink::default() };
    let with = LinkChange { mtu: Some(interface.mtu), ..LinkChange::default() };
    let peer = NewLink { name: Fabric::name(interface.port), netns: fabric, with, ..NewLink::default() };
    Some(Request::AddVeth { end, peer })
}

/// All that is done to the namespace by netlink, in the order in which it must be done.
fn requests(net: &HostNet, indexes: &[u32]) -> Vec<Request> {
    let mut all = vec![Request::SetLink { index: LOOPBACK, change: LinkChange::up() }];
    for (each, &index) in net.interfaces.iter().zip(indexes) {
        interface(&net.lab, each, index, &mut all);
    }
    if net.function.is_none() {
        all.extend(net.routes.iter().map(|each| Request::SetRoute(route(each, net, indexes))));
    }
    all
}

/// Sets up the virtual function that has come into the calling thread's namespace, and the routes, which waited for it.
///
/// # Errors
/// What the host refused first.
pub(crate) fn furnish_function(net: &HostNet) -> Result<(), FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    let names = net.interfaces.iter().chain(&net.function).map(|each| each.name.as_str());
    let indexes = names.map(|name| netlink.index_of(name)).collect::<Result<Vec<_>, _>>()?;
    let mut all = Vec::new();
    if let (Some(function), Some(&index)) = (&net.function, indexes.last()) {
        self::function(function, index, &mut all);
    }
    all.extend(net.routes.iter().map(|each| Request::SetRoute(route(each, net, &indexes))));
    Ok(netlink.batch(&all)?)
}

/// What makes a card's device be the interface: nothing that would stay with it when it goes home.
pub(super) fn function(interface: &HostInterface, index: u32, all: &mut Vec<Request>) {
    let change = LinkChange {
        up: Some(true),
        mtu: Some(interface.mtu),
        no_ipv6_autoconf: true,
        ..LinkChange::default()
    };
    all.push(Request::SetLink { index, change });
    speak(interface, index, all);
}

/// What makes a fresh device be the interface.
pub(super) fn interface(lab: &str, interface: &HostInterface, index: u32, all: &mut Vec<Request>) {
    let change = LinkChange {
        up: Some(true),
        mtu: Some(interface.mtu),
        mac: Some(interface.mac),
        alias: Some(format!("netloom:{lab}")),
        tx_queue_len: Some(QUEUE),
        no_ipv6_autoconf: true,
        ..LinkChange::default()
    };
    if interface.kind == PortKind::Tap {
        // The TAP has its own: another before it is three more rings of its length a host, and time
        // for each packet.
        all.push(Request::NoQueue { index });
    }
    all.push(Request::SetLink { index, change });
    speak(interface, index, all);
}

/// Addresses and neighbours.
fn speak(interface: &HostInterface, index: u32, all: &mut Vec<Request>) {
    let link_local = (IpAddr::V6(link_local(interface.mac)), 64);
    for &(address, prefix) in interface.addresses.iter().chain([&link_local]) {
        all.push(Request::AddAddress { index, address, prefix });
    }
    for &(address, mac) in &interface.neighbours {
        all.push(Request::SetNeighbour { index, address, mac });
    }
}

/// A route, with its interface by index.
pub(super) fn route(route: &HostRoute, net: &HostNet, indexes: &[u32]) -> RouteSpec {
    let at = route
        .interface
        .as_ref()
        .and_then(|name| net.interfaces.iter().chain(&net.function).position(|i| i.name == *name));
    RouteSpec {
        destination: route.destination,
        prefix: route.prefix,
        gateway: route.gateway,
        index: at.and_then(|at| indexes.get(at).copied()),
        metric: route.metric,
    }
}

/// The switches of forwarding.
pub(super) fn forwarding(on: bool) -> [(String, String); 2] {
    let value = if on { "1" } else { "0" };
    ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"].map(|name| (name.to_owned(), value.to_owned()))
}

pub(super) fn settings(all: &[(String, String)]) -> Result<(), HostError> {
    all.iter().try_for_each(|(name, value)| netloom_sys::sysctl::write(name, value))
}

/// The link-local address made of a MAC address (RFC 4291 appendix A).
pub(super) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    let pair = |high: u8, low: u8| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(a ^ 0x02, b), pair(c, 0xff), pair(0xfe, d), pair(e, f))
}

/// The loopback device has index 1 in every namespace.
const LOOPBACK: u32 = 1;
/// Packets a TAP holds for the switch: room for a burst of small packets while the worker is elsewhere.
const QUEUE: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_addresses_are_made_of_the_mac() {
        let address = link_local([0x02, 0x00, 0x5e, 0x10, 0x00, 0x01]);
        assert_eq!(address, "fe80::5eff:fe10:1".parse::<Ipv6Addr>().unwrap());
    }

    #[test]
    fn routes_name_their_interface_by_index() {
        let interface = HostInterface {
            name: "eth0".into(),
            port: 3,
            kind: PortKind::Tap,
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            addresses: vec![("10.0.0.1".parse().unwrap(), 8)],
            neighbours: Vec::new(),
        };
        let route = HostRoute {
            destination: "0.0.0.0".parse().unwrap(),
            prefix: 0,
            gateway: "10.0.0.254".parse().ok(),
            interface: Some("eth0".into()),
            metric: None,
        };
        let net = HostNet { interfaces: vec![interface], routes: vec![route], ..HostNet::default() };
        let all = requests(&net, &[7]);
        assert!(matches!(all.first(), Some(Request::SetLink { index: 1, .. })));
        let last = all.last();
        assert!(
            matches!(last, Some(Request::SetRoute(RouteSpec { index: Some(7), prefix: 0, .. }))),
            "{last:?}"
        );
    }
}
