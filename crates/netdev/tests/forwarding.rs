//! Two hosts in namespaces of their own, joined by nothing but two drivers and a loop that moves frames between them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use netloom_datapath::{Budget, Frame, Port};
use netloom_netdev::{PacketPort, TapPort};
use netloom_packet::{Csum, Gso, Offload};
use netloom_sys::HostError;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::netlink::{LinkChange, Netlink, NetlinkSocket, NewLink, Request};
use netloom_sys::netns::NetNs;
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::tap::Tap;

/// Two hosts, .1 and .2, and what their frames go through.
struct Pair {
    hosts: [NetNs; 2],
    _fabric: Option<NetNs>,
}

/// What passed between the hosts.
#[derive(Default)]
struct Seen {
    frames: AtomicU32,
    tcp4: AtomicU32,
    tcp6: AtomicU32,
    longest: AtomicU32,
    refused: AtomicU32,
}

fn furnish(index: u32, host: u8) -> [Request; 4] {
    let change = LinkChange {
        mac: Some([2, 0, 0, 0, 0, host]),
        no_ipv6_autoconf: true,
        tx_queue_len: Some(4_000),
        ..LinkChange::up()
    };
    [
        Request::SetLink { index: 1, change: LinkChange::up() },
        Request::SetLink { index, change },
        Request::AddAddress { index, address: IpAddr::from([10, 9, 0, host]), prefix: 24 },
        Request::AddAddress { index, address: v6(host), prefix: 64 },
    ]
}

fn v6(host: u8) -> IpAddr {
    IpAddr::from([0xfd00, 9, 0, 0, 0, 0, 0, u16::from(host)])
}

fn namespaces() -> Option<[NetNs; 2]> {
    match NetNs::create().and_then(|one| Ok([one, NetNs::create()?])) {
        Ok(pair) => Some(pair),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn taps() -> Option<(Pair, [TapPort; 2])> {
    if let Err(error) = Tap::available() {
        eprintln!("skipped: {error}");
        return None;
    }
    let hosts = namespaces()?;
    let make = |ns: &NetNs, host: u8| -> Result<TapPort, HostError> {
        ns.run(|| {
            let tap = Tap::create("eth0")?;
            tap.persist(true)?;
            NetlinkSocket::open()?.batch(&furnish(tap.index(), host)).unwrap();
            Ok(TapPort::new(tap))
        })?
    };
    let ports = [make(&hosts[0], 1).unwrap(), make(&hosts[1], 2).unwrap()];
    Some((Pair { hosts, _fabric: None }, ports))
}

fn veths() -> Option<(Pair, [PacketPort; 2])> {
    let hosts = namespaces()?;
    let fabric = NetNs::create().unwrap();
    let ports = [0_u8, 1].map(|n| {
        let host = &hosts[usize::from(n)];
        let index = 10 + u32::from(n);
        let with = LinkChange { no_ipv6_autoconf: true, ..LinkChange::up() };
        let end = NewLink { name: format!("p{n}"), index: Some(index), netns: None, with };
        let peer = NewLink {
            name: "eth0".into(),
            index: Some(2),
            netns: Some(host.raw()),
            with: LinkChange::default(),
        };
        let port = fabric.run(|| {
            let batch = [Request::AddVeth { end, peer }, Request::DropIngress { index }];
            NetlinkSocket::open().unwrap().batch(&batch).unwrap();
            PacketPort::new(PacketSocket::open(index, PacketOptions::default()).unwrap())
        });
        host.run(|| NetlinkSocket::open().unwrap().batch(&furnish(2, n + 1)).unwrap()).unwrap();
        port.unwrap()
    });
    Some((Pair { hosts, _fabric: Some(fabric) }, ports))
}

/// The switch: what comes in by one port leaves by the other.
fn forward<P: Port>(ports: &mut [P; 2], epoll: &mut Epoll, seen: &Seen, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        epoll.wait(Some(1_000_000), |_| {}).unwrap();
        let [a, b] = ports;
        pass(a, b, seen);
        pass(b, a, seen);
    }
}

fn pass(from: &mut dyn Port, to: &mut dyn Port, seen: &Seen) {
    let received = from.receive(Budget::default(), &mut |frame| {
        seen.frames.fetch_add(1, Ordering::Relaxed);
        seen.longest.fetch_max(u32::try_from(frame.len()).unwrap(), Ordering::Relaxed);
        match frame.offload.gso {
            Gso::Tcp4 => seen.tcp4.fetch_add(1, Ordering::Relaxed),
            Gso::Tcp6 => seen.tcp6.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        if to.transmit(frame).is_err() {
            seen.refused.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!((received.error, received.malformed), (None, 0));
    let flushed = to.flush();
    seen.refused.fetch_add(flushed.full + flushed.failed, Ordering::Relaxed);
}

/// A datagram there and back, then a megabyte by TCP, over both families.
fn talk(pair: &Pair) {
    for address in [IpAddr::from([10, 9, 0, 2]), v6(2)] {
        let any = SocketAddr::new(address, 7_000);
        let server = pair.hosts[1].run(|| UdpSocket::bind(any).unwrap()).unwrap();
        let local = SocketAddr::new(if address.is_ipv4() { [10, 9, 0, 1].into() } else { v6(1) }, 0);
        let client = pair.hosts[0].run(|| UdpSocket::bind(local).unwrap()).unwrap();
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        }
        client.send_to(b"ping", any).unwrap();
        let mut buffer = [0; 16];
        let (length, from) = server.recv_from(&mut buffer).unwrap();
        server.send_to(&buffer[..length], from).unwrap();
        assert_eq!(client.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"ping");

        let listener = pair.hosts[1].run(|| TcpListener::bind(any).unwrap()).unwrap();
        let data: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let sent = data.clone();
        let mut stream = pair.hosts[0].run(|| TcpStream::connect(any).unwrap()).unwrap();
        let writer = thread::spawn(move || stream.write_all(&sent).unwrap());
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        writer.join().unwrap();
        assert!(got == data, "{} of {} bytes, or not the same", got.len(), data.len());
    }
}

fn run<P: Port + 'static>(pair: &Pair, mut ports: [P; 2], epoll: Epoll) -> Arc<Seen> {
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let switch = {
        let (seen, stop, mut epoll) = (Arc::clone(&seen), Arc::clone(&stop), epoll);
        thread::spawn(move || forward(&mut ports, &mut epoll, &seen, &stop))
    };
    talk(pair);
    stop.store(true, Ordering::Relaxed);
    switch.join().unwrap();
    seen
}

fn super_packets_passed_whole(seen: &Seen) {
    assert!(seen.tcp4.load(Ordering::Relaxed) > 0, "TCP over IPv4 in super-packets");
    assert!(seen.tcp6.load(Ordering::Relaxed) > 0, "TCP over IPv6 in super-packets");
    assert!(seen.longest.load(Ordering::Relaxed) > 9_000, "longer than any MTU here");
    assert_eq!(seen.refused.load(Ordering::Relaxed), 0);
    let frames = seen.frames.load(Ordering::Relaxed);
    assert!(frames < 1_000, "{frames} frames for two megabytes: cut somewhere");
}

#[test]
fn two_taps() {
    let Some((pair, ports)) = taps() else { return };
    let epoll = Epoll::new(8).unwrap();
    for (token, port) in ports.iter().enumerate() {
        epoll.add(port, token as u64, Interest::Read).unwrap();
    }
    super_packets_passed_whole(&run(&pair, ports, epoll));
}

/// Datagrams sent before anybody reads: they leave in one round, and so together.
#[test]
fn a_burst_of_datagrams_arrives_one_by_one_and_in_order() {
    let Some((pair, [mut a, mut b])) = taps() else { return };
    for address in [IpAddr::from([10, 9, 0, 2]), v6(2)] {
        let any = SocketAddr::new(address, 7_001);
        let server = pair.hosts[1].run(|| UdpSocket::bind(any).unwrap()).unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let local = SocketAddr::new(if address.is_ipv4() { [10, 9, 0, 1].into() } else { v6(1) }, 0);
        let client = pair.hosts[0].run(|| UdpSocket::bind(local).unwrap()).unwrap();
        client.connect(any).unwrap();
        let seen = Seen::default();
        client.send(b"first").unwrap();
        let mut got = vec![0; 2_000];
        // The first one finds its neighbour.
        server.set_nonblocking(true).unwrap();
        let mut rounds = 0..1_000_000;
        while server.recv(&mut got).is_err() {
            rounds.next().expect("the first datagram arrives");
            pass(&mut a, &mut b, &seen);
            pass(&mut b, &mut a, &seen);
        }
        server.set_nonblocking(false).unwrap();
        let lengths = [18, 18, 18, 18, 5, 18, 18, 1_400, 1_400, 1_400, 18, 700, 700, 699, 700];
        let mut sent = Vec::new();
        for (n, length) in lengths.into_iter().enumerate() {
            let data = vec![u8::try_from(n).unwrap(); length];
            client.send(&data).unwrap();
            sent.push(data);
        }
        let frames = seen.frames.load(Ordering::Relaxed);
        while seen.frames.load(Ordering::Relaxed) < frames + u32::try_from(sent.len()).unwrap() {
            rounds.next().expect("all datagrams are read");
            pass(&mut a, &mut b, &seen);
        }
        for data in sent {
            let length = server.recv(&mut got).unwrap();
            assert_eq!(got[..length], data);
        }
        assert_eq!(seen.refused.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn two_packet_sockets() {
    let Some((pair, ports)) = veths() else { return };
    let epoll = Epoll::new(8).unwrap();
    for (token, port) in ports.iter().enumerate() {
        epoll.add(port, token as u64, Interest::Read).unwrap();
    }
    super_packets_passed_whole(&run(&pair, ports, epoll));
}

/// A tagged UDP datagram whose checksum is left undone, and where that checksum goes.
fn tagged() -> (Vec<u8>, Offload) {
    let mut bytes = vec![0xff; 6];
    bytes.extend([2, 0, 0, 0, 0, 9, 0x81, 0x00, 0x60, 0x05, 8, 0]);
    bytes.extend([0x45, 0, 0, 46, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend([0, 9, 0, 10, 0, 26, 0, 0]);
    bytes.extend([0x5a; 18]);
    (bytes, Offload { csum: Csum::Partial { start: 38, offset: 6 }, ..Offload::PLAIN })
}

/// Sends the frame by one driver and expects it from the other, tag and checksum metadata in place.
fn crosses(from: &mut dyn Port, to: &mut dyn Port) {
    let (bytes, offload) = tagged();
    let mut buffer = [vec![0; 64], bytes.clone()].concat();
    let end = buffer.len();
    from.transmit(&mut Frame::new(&mut buffer, 64..end, offload).unwrap()).unwrap();
    assert_eq!(from.flush(), netloom_datapath::Flushed::default());
    let mut got = Vec::new();
    to.receive(Budget::default(), &mut |frame| got.push((frame.data().to_vec(), frame.offload.csum)));
    assert_eq!(got, [(bytes, offload.csum)]);
}

#[test]
fn tags_and_checksums_cross_both_drivers() {
    if let Err(error) = Tap::available() {
        eprintln!("skipped: {error}");
        return;
    }
    let Some([ns, _]) = namespaces() else { return };
    let (mut tap, mut packet) = ns
        .run(|| {
            let tap = Tap::create("eth0").unwrap();
            let change = LinkChange { no_ipv6_autoconf: true, ..LinkChange::up() };
            let up = Request::SetLink { index: tap.index(), change };
            NetlinkSocket::open().unwrap().batch(&[up]).unwrap();
            let socket = PacketSocket::open(tap.index(), PacketOptions::default()).unwrap();
            (TapPort::new(tap), PacketPort::new(socket))
        })
        .unwrap();
    crosses(&mut tap, &mut packet);
    crosses(&mut packet, &mut tap);
}

#[test]
fn a_tap_without_room_in_front_of_the_frame() {
    let Some((_pair, [mut port, _other])) = taps() else { return };
    let mut bytes = [0; 60];
    bytes[..6].fill(0xff);
    let length = bytes.len();
    let mut frame = Frame::new(&mut bytes, 0..length, Default::default()).unwrap();
    port.transmit(&mut frame).unwrap();
    let mut roomy = [0xa5; 100];
    let mut frame = Frame::new(&mut roomy, 40..100, Default::default()).unwrap();
    port.transmit(&mut frame).unwrap();
    assert_eq!(roomy, [0xa5; 100], "the room in front is as it was");
}
