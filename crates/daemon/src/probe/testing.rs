//! Small networks for the tests of this folder, in namespaces of their own.

use std::sync::Arc;

use netloom_lab::expect::ProbeKind;
use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, NewLink, Request, RouteSpec};
use netloom_sys::netns::NetNs;

use super::envoy::{Guest, Heard, Inside};
use super::reach::{ReachJob, reach};
use super::station::{Place, Station};

/// Stations that are joined, or `None` after saying aloud that this process may not make namespaces.
pub(super) fn namespaces<const N: usize>() -> Option<[Arc<NetNs>; N]> {
    let made: Result<Vec<_>, _> = (0..N).map(|_| NetNs::create().map(Arc::new)).collect();
    match made {
        Ok(made) => made.try_into().ok(),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// A station called `name`, asked at 10.`net`.0.`host` and fd00:`net`::`host`.
pub(super) fn station(name: &str, netns: &Arc<NetNs>, net: u8, host: u8) -> Station {
    let v4 = std::net::Ipv4Addr::from([10, net, 0, host]);
    let v6 = std::net::Ipv6Addr::from([0xfd00, u16::from(net), 0, 0, 0, 0, 0, u16::from(host)]);
    Station {
        name: name.to_owned(),
        netns: Arc::clone(netns),
        place: Place::Here,
        v4: Some(v4),
        v6: Some(v6),
        addresses: vec![v4.into(), v6.into()],
        down: None,
        may_listen: true,
    }
}

/// Joins two namespaces: `(namespace, interface, host number)` at each end, in network `net`.
pub(super) fn join(
    net: u8,
    (a, a_name, a_host): (&NetNs, &str, u8),
    (b, b_name, b_host): (&NetNs, &str, u8),
) {
    let end = |name: &str, netns| NewLink { name: name.into(), netns, ..NewLink::default() };
    let veth = Request::AddVeth { end: end(a_name, None), peer: end(b_name, Some(b.raw())) };
    batch(a, &[veth]);
    for (netns, name, host) in [(a, a_name, a_host), (b, b_name, b_host)] {
        let index = index(netns, name);
        let change = LinkChange { no_ipv6_autoconf: true, ..LinkChange::up() };
        let v6 = [0xfd00, u16::from(net), 0, 0, 0, 0, 0, u16::from(host)];
        batch(
            netns,
            &[
                Request::SetLink { index: 1, change: LinkChange::up() },
                Request::SetLink { index, change },
                Request::AddAddress { index, address: [10, net, 0, host].into(), prefix: 24 },
                Request::AddAddress { index, address: v6.into(), prefix: 64 },
            ],
        );
    }
}

/// Two stations on one wire, `a` 1 and `b` 2 in network 0.
pub(super) fn wire() -> Option<[Station; 2]> {
    let [a, b] = namespaces()?;
    join(0, (&a, "eth0", 1), (&b, "eth0", 2));
    let stations = [station("a", &a, 0, 1), station("b", &b, 0, 2)];
    settle(&stations, (0, 1));
    Some(stations)
}

/// `a` - `r` - `b`: networks 0 and 1, where `r` is 254 in both and forwards.
pub(super) fn routed() -> Option<[Station; 3]> {
    let [a, r, b] = namespaces()?;
    join(0, (&a, "eth0", 1), (&r, "eth0", 254));
    join(1, (&b, "eth0", 1), (&r, "eth1", 254));
    for (netns, net) in [(&a, 0_u8), (&b, 1)] {
        let v6 = [0xfd00, u16::from(net), 0, 0, 0, 0, 0, 254];
        batch(netns, &[default_route([10, net, 0, 254].into()), default_route(v6.into())]);
    }
    forward(&r, true);
    let stations = [station("a", &a, 0, 1), station("r", &r, 0, 254), station("b", &b, 1, 1)];
    settle(&stations, (0, 2));
    Some(stations)
}

/// Waits until a pair reaches each other: the kernel takes a moment to activate a new link.
pub(super) fn settle(stations: &[Station], (a, b): (usize, usize)) {
    let job = ReachJob {
        pairs: vec![(a, b), (b, a)],
        kinds: vec![ProbeKind::Icmp],
        over: None,
        packets: 1,
        gap: 20_000_000,
        wait: 100_000_000,
        forwarders: Vec::new(),
        clear: false,
    };
    let whole = || reach(stations, &job, &|| true).unwrap().iter().all(|result| result.arrived == 1);
    assert!((0..100).any(|_| whole()), "the test's own network does not work");
}

/// Lets a namespace forward, or drop what it should.
pub(super) fn forward(netns: &NetNs, on: bool) {
    let value = if on { "1" } else { "0" };
    let write = || {
        ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"]
            .iter()
            .try_for_each(|name| netloom_sys::sysctl::write(name, value))
    };
    netns.run(write).unwrap().unwrap();
}

/// Changes a namespace.
pub(super) fn batch(netns: &NetNs, requests: &[Request]) {
    netns.run(|| NetlinkSocket::open().unwrap().batch(requests)).unwrap().unwrap();
}

/// The number of an interface.
pub(super) fn index(netns: &NetNs, name: &str) -> u32 {
    netns.run(|| NetlinkSocket::open().unwrap().index_of(name)).unwrap().unwrap()
}

fn default_route(gateway: std::net::IpAddr) -> Request {
    let destination = if gateway.is_ipv6() { std::net::IpAddr::from([0; 16]) } else { [0; 4].into() };
    Request::SetRoute(RouteSpec { destination, prefix: 0, gateway: Some(gateway), index: None, metric: None })
}

/// The station as a virtual machine would be it: nothing of it is opened from here, but by a prober in its namespace.
pub(super) fn as_guest(station: &Station) -> Station {
    Station { place: Place::Guest(Arc::new(Namespace(Arc::clone(&station.netns)))), ..station.clone() }
}

/// A namespace in place of a guest.
#[derive(Debug)]
pub(super) struct Namespace(pub(super) Arc<NetNs>);

impl Guest for Namespace {
    fn enter(&self, _: &dyn Fn() -> bool) -> Result<Box<dyn Inside>, String> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let netns = self.0.duplicate().unwrap();
        std::thread::spawn(move || {
            netns.enter().unwrap();
            let mut output = theirs.try_clone().unwrap();
            // Who has left does not listen.
            let _ = super::inside::run(std::io::BufReader::new(theirs), &mut output);
        });
        Ok(Box::new(Pipe(ours)))
    }
}

struct Pipe(std::os::unix::net::UnixStream);

impl Inside for Pipe {
    fn say(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            self.0.shutdown(std::net::Shutdown::Write).unwrap();
        } else {
            std::io::Write::write_all(&mut &self.0, &bytes).unwrap();
        }
    }

    fn poll(&self) -> Option<Heard> {
        let mut buffer = vec![0; 4096];
        match std::io::Read::read(&mut &self.0, &mut buffer) {
            Ok(0) => Some(Heard::Over),
            Ok(length) => Some(Heard::Bytes(buffer[..length].to_vec())),
            Err(_) => None,
        }
    }

    fn ready(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&self.0)
    }
}
