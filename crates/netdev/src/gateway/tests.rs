use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use netloom_packet::build::{Frame, Ip, L4, Tcp as TcpHeader};
use netloom_packet::tcp::flag;
use netloom_packet::{Csum, Mac, Offload, checksum, parse};

use super::counters::GatewayCounters;
use super::engine::{Engine, Verdict};
use super::settings::{Doors, GatewaySettings, address};
use super::share::GatewayShare;
use super::words::{Ask, Inner, Protocol, Tell, Whither};

const DOORS: Doors = Doors { tcp: 40_000, udp: 40_001, closed: 40_002 };

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A gateway, and what it has asked.
struct Bed {
    engine: Engine,
    asked: Vec<Ask>,
    counters: Arc<GatewayCounters>,
    has_room: bool,
}

impl Bed {
    fn new() -> Self {
        Self::sharing(Arc::default())
    }

    fn sharing(share: Arc<GatewayShare>) -> Self {
        let counters = Arc::<GatewayCounters>::default();
        let settings = GatewaySettings {
            own: vec![ip("10.0.0.254"), ip("fd00::fe")],
            doors: DOORS,
            denied: vec![(ip("10.0.0.0"), 8), (ip("fd00::"), 48)],
        };
        Self {
            engine: Engine::new(settings, Arc::clone(&counters), share),
            asked: Vec::new(),
            counters,
            has_room: true,
        }
    }

    /// A frame from a node: what comes to the gateway's kernel of it.
    fn out(&mut self, mut frame: Vec<u8>) -> Option<Vec<u8>> {
        let (asked, has_room) = (&mut self.asked, self.has_room);
        let mut outside = |ask| {
            asked.extend(has_room.then_some(ask));
            has_room
        };
        let verdict = self.engine.outward(&mut frame, &Offload::PLAIN, &mut outside);
        check(&frame);
        (verdict == Verdict::Pass).then_some(frame)
    }

    /// A frame of the gateway's kernel: what comes to the node of it.
    fn home(&mut self, mut frame: Vec<u8>) -> Option<Vec<u8>> {
        let verdict = self.engine.homeward(&mut frame, &Offload::PLAIN);
        check(&frame);
        (verdict == Verdict::Pass).then_some(frame)
    }

    fn count(&self, name: &str) -> u64 {
        self.counters.all().find(|(known, _)| *known == name).unwrap().1
    }
}

/// Checksums are right, whatever was changed.
fn check(frame: &[u8]) {
    let headers = parse(frame).unwrap();
    let l4 = &frame[usize::from(headers.l4)..headers.end as usize];
    let (src, dst) = ends(frame);
    let length = u32::try_from(l4.len()).unwrap();
    let pseudo = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let header = &frame[usize::from(headers.l3)..usize::from(headers.l3) + 20];
            assert_eq!(checksum::checksum(header), 0, "the IPv4 header's");
            if headers.ip_proto == 1 {
                checksum::Sum::ZERO
            } else {
                checksum::pseudo_v4(src.octets(), dst.octets(), headers.ip_proto, length)
            }
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            checksum::pseudo_v6(&src.octets(), &dst.octets(), headers.ip_proto, length)
        }
        _ => panic!("one family"),
    };
    assert_eq!(pseudo.bytes(l4).finish(), 0, "the transport's");
}

fn ends(frame: &[u8]) -> (IpAddr, IpAddr) {
    let headers = parse(frame).unwrap();
    let (l3, v6) = (usize::from(headers.l3), headers.is_ipv6());
    let (src, dst) = if v6 { (8, 24) } else { (12, 16) };
    (address(frame, l3 + src, v6).unwrap(), address(frame, l3 + dst, v6).unwrap())
}

/// `10.0.0.1:4000 > 192.0.2.9:80`
fn shown(frame: &[u8]) -> String {
    let headers = parse(frame).unwrap();
    let at = usize::from(headers.l4);
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let (src, dst) = ends(frame);
    match headers.ip_proto {
        1 | 58 => format!("{src} > {dst} id {}", port(at + 4)),
        _ => format!("{src}:{} > {dst}:{}", port(at), port(at + 2)),
    }
}

fn build(src: &str, dst: &str, with: impl Fn(Ip<'static>) -> Ip<'static>) -> Vec<u8> {
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    Frame::ip(mac, mac, with(Ip::between(ip(src), ip(dst)).unwrap())).to_vec().unwrap()
}

fn tcp(src: (&str, u16), dst: (&str, u16), flags: u16) -> Vec<u8> {
    build(src.0, dst.0, |ip| ip.tcp(TcpHeader { src: src.1, dst: dst.1, flags, ..TcpHeader::default() }))
}

fn udp(src: (&str, u16), dst: (&str, u16)) -> Vec<u8> {
    build(src.0, dst.0, |ip| ip.udp(src.1, dst.1, b"said"))
}

fn inner(protocol: Protocol, node: &str, port: u16) -> Inner {
    Inner { protocol, node: ip(node), port }
}

const NODE: (&str, u16) = ("10.0.0.1", 4000);
const WEB: (&str, u16) = ("192.0.2.9", 80);
const GATE: (&str, u16) = ("10.0.0.254", 40_000);

#[test]
fn a_connection_waits_until_the_destination_has_answered() {
    let mut bed = Bed::new();
    assert_eq!(bed.out(tcp(NODE, WEB, flag::SYN)), None);
    assert_eq!(bed.out(tcp(NODE, WEB, flag::SYN)), None, "once more, and asked once");
    let flow = inner(Protocol::Tcp, NODE.0, NODE.1);
    let [Ask::Connect { inner: asked, to, quote }] = &bed.asked[..] else { panic!("{:?}", bed.asked) };
    assert_eq!((*asked, *to), (flow, Whither::Out("192.0.2.9:80".parse().unwrap())));
    assert_eq!(quote.len(), 40, "IP and TCP");
    let (frame, _) = bed.engine.told(Tell::Admit(flow)).expect("the SYN");
    check(&frame);
    assert_eq!(shown(&frame), "10.0.0.1:4000 > 10.0.0.254:40000");
    let back = bed.home(tcp(GATE, NODE, flag::SYN | flag::ACK)).unwrap();
    assert_eq!(shown(&back), "192.0.2.9:80 > 10.0.0.1:4000");
    let on = bed.out(tcp(NODE, WEB, flag::ACK)).unwrap();
    assert_eq!(shown(&on), "10.0.0.1:4000 > 10.0.0.254:40000");
}

#[test]
fn what_is_refused_is_refused_by_the_gateways_kernel_and_forgotten() {
    let mut bed = Bed::new();
    bed.out(tcp(NODE, WEB, flag::SYN));
    let flow = inner(Protocol::Tcp, NODE.0, NODE.1);
    let (frame, _) = bed.engine.told(Tell::Refuse(flow)).expect("the SYN");
    assert_eq!(shown(&frame), "10.0.0.1:4000 > 10.0.0.254:40002");
    let back = bed.home(tcp((GATE.0, DOORS.closed), NODE, flag::RST | flag::ACK)).unwrap();
    assert_eq!(shown(&back), "192.0.2.9:80 > 10.0.0.1:4000");
    assert_eq!(bed.engine.len(), 0);
}

#[test]
fn flows_from_one_port_are_told_apart() {
    let mut bed = Bed::new();
    bed.out(udp(NODE, ("192.0.2.9", 53)));
    let second = bed.out(udp(NODE, ("192.0.2.10", 53))).unwrap();
    assert_eq!(bed.asked.len(), 2);
    let Ask::Datagrams { inner: flow, port, .. } = bed.asked[1] else { panic!("{:?}", bed.asked) };
    assert_ne!(flow.port, NODE.1);
    assert_eq!(port, NODE.1, "the node's own: one socket outside for both");
    assert_eq!(shown(&second), format!("10.0.0.1:{} > 10.0.0.254:40001", flow.port));
    let back = bed.home(udp((GATE.0, DOORS.udp), (NODE.0, flow.port))).unwrap();
    assert_eq!(shown(&back), "192.0.2.10:53 > 10.0.0.1:4000");
    bed.engine.told(Tell::Forget(flow));
    assert_eq!(bed.home(udp((GATE.0, DOORS.udp), (NODE.0, flow.port))), None);
    assert_eq!(bed.count("stray"), 1);
}

#[test]
fn the_world_is_not_the_machine_nor_the_lab() {
    let mut bed = Bed::new();
    for to in ["127.0.0.1", "127.9.9.9", "169.254.169.254", "0.0.0.0", "10.77.0.1", "240.0.0.1"] {
        let refused = bed.out(tcp(NODE, (to, 80), flag::SYN)).unwrap();
        assert_eq!(shown(&refused), "10.0.0.1:4000 > 10.0.0.254:40002", "{to}");
        bed.home(tcp((GATE.0, DOORS.closed), NODE, flag::RST)).unwrap();
        assert_eq!(bed.out(udp(NODE, (to, 53))), None, "{to}");
    }
    for to in ["::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "fd00:0:0:7::1"] {
        assert_eq!(bed.out(udp(("fd00::1", 4000), (to, 53))), None, "{to}");
    }
    assert_eq!(bed.asked, []);
    assert_eq!(bed.count("denied"), 6 * 2 + 5);
    assert_eq!(bed.engine.len(), 0);
}

#[test]
fn the_gateway_itself_is_reached_but_not_at_its_doors() {
    let mut bed = Bed::new();
    assert!(bed.out(tcp(NODE, (GATE.0, 22), flag::SYN)).is_some(), "its kernel refuses it");
    for port in [DOORS.tcp, DOORS.closed] {
        assert_eq!(bed.out(tcp(NODE, (GATE.0, port), flag::SYN)), None);
    }
    assert_eq!(bed.out(udp(NODE, (GATE.0, DOORS.udp))), None);
    assert_eq!(bed.asked, []);
    let names = bed.out(udp(NODE, (GATE.0, 53))).unwrap();
    assert_eq!(shown(&names), "10.0.0.1:4000 > 10.0.0.254:40001");
    assert!(matches!(bed.asked[..], [Ask::Datagrams { to: Whither::Resolver, .. }]));
    let back = bed.home(udp((GATE.0, DOORS.udp), NODE)).unwrap();
    assert_eq!(shown(&back), "10.0.0.254:53 > 10.0.0.1:4000");
}

#[test]
fn echo_requests_go_out_as_questions_and_replies_come_back_as_theirs() {
    let mut bed = Bed::new();
    let request = |to| build(NODE.0, to, |ip| ip.echo(7, 3, b"filler"));
    assert_eq!(bed.out(request("192.0.2.9")), None);
    assert_eq!(bed.out(request("192.0.2.10")), None);
    let own = bed.out(request(GATE.0)).unwrap();
    let ports: Vec<u16> = bed
        .asked
        .iter()
        .map(|ask| match ask {
            Ask::Echo { inner, sequence: 3, data, .. } if data == b"filler" => inner.port,
            Ask::Own { inner } => inner.port,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown(&own), format!("10.0.0.1 > 10.0.0.254 id {}", ports[2]));
    let reply = |id| {
        build(GATE.0, NODE.0, |ip| Ip { l4: L4::Echo { reply: true, id, seq: 3, data: b"filler" }, ..ip })
    };
    for (port, from) in ports.iter().zip(["192.0.2.9", "192.0.2.10", GATE.0]) {
        assert_eq!(shown(&bed.home(reply(*port)).unwrap()), format!("{from} > 10.0.0.1 id 7"));
    }
}

#[test]
fn a_new_connection_takes_the_ports_of_one_that_is_over() {
    let mut bed = Bed::new();
    bed.out(tcp(NODE, WEB, flag::SYN));
    let first = inner(Protocol::Tcp, NODE.0, NODE.1);
    bed.engine.told(Tell::Admit(first));
    bed.engine.told(Tell::Over(first));
    assert!(bed.out(tcp(NODE, WEB, flag::ACK)).is_some(), "the last packets pass");
    bed.out(tcp(NODE, WEB, flag::SYN));
    let Some(Ask::Connect { inner: second, .. }) = bed.asked.last().cloned() else {
        panic!("{:?}", bed.asked)
    };
    assert_ne!(second, first);
    bed.engine.told(Tell::Forget(first));
    assert!(bed.engine.told(Tell::Admit(second)).is_some());
    let on = bed.out(tcp(NODE, WEB, flag::ACK)).unwrap();
    assert_eq!(shown(&on), format!("10.0.0.1:{} > 10.0.0.254:40000", second.port));
}

#[test]
fn a_connection_that_nobody_knows_is_ended() {
    let mut bed = Bed::new();
    let on = bed.out(tcp(NODE, WEB, flag::ACK)).unwrap();
    assert_eq!(shown(&on), "10.0.0.1:4000 > 10.0.0.254:40002");
    assert!(bed.home(tcp((GATE.0, DOORS.closed), NODE, flag::RST)).is_some());
    assert_eq!(bed.out(tcp(NODE, WEB, flag::RST)), None, "no answer to a reset");
    assert_eq!((bed.engine.len(), bed.count("stray")), (0, 2));
}

#[test]
fn without_room_nothing_is_kept() {
    let mut bed = Bed::new();
    bed.has_room = false;
    assert_eq!(bed.out(tcp(NODE, WEB, flag::SYN)), None);
    assert_eq!(bed.out(udp(NODE, WEB)), None);
    assert_eq!(bed.out(build(NODE.0, WEB.0, |ip| ip.echo(7, 3, b""))), None);
    assert_eq!((bed.engine.len(), bed.count("full")), (0, 3));
    bed.has_room = true;
    for port in 1..=17_000 {
        bed.out(udp((NODE.0, port), WEB));
    }
    assert_eq!(bed.engine.len(), 16_384, "of one node");
    assert!(bed.out(udp(("10.0.0.2", 1), WEB)).is_some(), "another one's");
    assert_eq!(bed.counters.full.load(Ordering::Relaxed), 3 + 17_000 - 16_384);
}

#[test]
fn an_unfinished_checksum_stays_one() {
    let mut bed = Bed::new();
    let mut frame = udp(NODE, WEB);
    let headers = parse(&frame).unwrap();
    let at = usize::from(headers.l4);
    let pseudo = |src: [u8; 4], dst: [u8; 4]| checksum::pseudo_v4(src, dst, 17, 12).fold();
    frame[at + 6..at + 8].copy_from_slice(&pseudo([10, 0, 0, 1], [192, 0, 2, 9]).to_be_bytes());
    let offload = Offload { csum: Csum::Partial { start: headers.l4, offset: 6 }, ..Offload::PLAIN };
    assert_eq!(bed.engine.outward(&mut frame, &offload, &mut |_| true), Verdict::Pass);
    let field = u16::from_be_bytes([frame[at + 6], frame[at + 7]]);
    assert_eq!(field, pseudo([10, 0, 0, 1], [10, 0, 0, 254]), "ports are yet to be summed");
}

#[test]
fn hostile_frames_are_no_trouble() {
    let mut bed = Bed::new();
    let frames = [
        tcp(NODE, WEB, flag::SYN),
        udp(("fd00::1", 1), ("2001:db8::1", 2)),
        build(NODE.0, WEB.0, |ip| ip.echo(1, 1, b"data")),
    ];
    for frame in frames {
        for length in 0..frame.len() {
            let mut cut = frame[..length].to_vec();
            bed.engine.outward(&mut cut, &Offload::PLAIN, &mut |_| true);
            bed.engine.homeward(&mut cut, &Offload::PLAIN);
        }
        for at in 12..frame.len() {
            for value in [0, 0x45, 0x7f, 0xff] {
                let mut bad = frame.clone();
                bad[at] = value;
                bed.engine.outward(&mut bad, &Offload::PLAIN, &mut |_| true);
                bed.engine.homeward(&mut bad, &Offload::PLAIN);
            }
        }
    }
}

#[test]
fn later_fragments_follow_their_first() {
    let mut bed = Bed::new();
    let whole = udp(NODE, WEB);
    // The first fragment: the same packet, with more to come. What follows has no ports.
    let mark = |mut frame: Vec<u8>, flags: u16| {
        let l3 = usize::from(parse(&frame).unwrap().l3);
        frame[l3 + 4..l3 + 6].copy_from_slice(&77_u16.to_be_bytes());
        frame[l3 + 6..l3 + 8].copy_from_slice(&flags.to_be_bytes());
        frame[l3 + 10..l3 + 12].copy_from_slice(&[0, 0]);
        let sum = checksum::checksum(&frame[l3..l3 + 20]);
        frame[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
        frame
    };
    let pass = |bed: &mut Bed, mut frame: Vec<u8>, out: bool| {
        let verdict = if out {
            bed.engine.outward(&mut frame, &Offload::PLAIN, &mut |_| true)
        } else {
            bed.engine.homeward(&mut frame, &Offload::PLAIN)
        };
        (verdict == Verdict::Pass).then(|| ends(&frame))
    };
    let later = mark(whole.clone(), 2);
    assert_eq!(pass(&mut bed, later.clone(), true), None);
    assert_eq!(bed.count("fragments"), 1);
    assert_eq!(pass(&mut bed, mark(whole, 0x2000), true), Some((ip(NODE.0), ip(GATE.0))));
    assert_eq!(pass(&mut bed, later, true), Some((ip(NODE.0), ip(GATE.0))));
    let answer = udp((GATE.0, DOORS.udp), NODE);
    assert_eq!(pass(&mut bed, mark(answer.clone(), 0x2000), false), Some((ip(WEB.0), ip(NODE.0))));
    assert_eq!(pass(&mut bed, mark(answer, 2), false), Some((ip(WEB.0), ip(NODE.0))));
}

#[test]
fn gateways_of_a_tenant_share_what_it_may_have() {
    let share = Arc::<GatewayShare>::default();
    let mut beds = [Bed::sharing(Arc::clone(&share)), Bed::sharing(Arc::clone(&share))];
    // Three nodes of the first network, and one of the second.
    for node in 1..=4_u8 {
        for port in 1..=16_000_u16 {
            beds[usize::from(node == 4)].out(udp((&format!("10.0.0.{node}"), port), WEB));
        }
    }
    assert_eq!((beds[0].engine.len(), beds[1].engine.len(), share.used()), (48_000, 16_000, 64_000));
    for port in 1..=2_000_u16 {
        beds[1].out(udp(("10.0.0.5", port), WEB));
    }
    assert_eq!((share.used(), beds[1].count("full")), (65_536, 464));
    let [first, mut second] = beds;
    drop(first);
    assert_eq!(share.used(), 17_536, "a gateway that is gone leaves room");
    assert!(second.out(udp(("10.0.0.6", 1), WEB)).is_some());
    assert!(second.engine.told(Tell::Forget(inner(Protocol::Udp, "10.0.0.6", 1))).is_none());
    assert_eq!(share.used(), 17_536);
}
