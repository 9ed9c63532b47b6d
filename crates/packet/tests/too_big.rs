//! "Packet too big", as the RFCs want it said, and where they want silence.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use std::net::IpAddr;

use netloom_packet::build::{Frame, Ip, L4, Tcp};
use netloom_packet::too_big::{MAX_FRAME, Router, Silent, emit};
use netloom_packet::{Mac, checksum, ipv4, ipv6, parse};

const HOST: Mac = Mac([2, 0, 0, 0, 0, 1]);
const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);

fn v4<'a>() -> Ip<'a> {
    Ip::v4([10, 0, 0, 1], [10, 0, 1, 2])
}

fn router(six: bool) -> Router {
    let ip: IpAddr = if six { [1, 0, 0, 0, 0, 0, 0, 0xfe].into() } else { [10, 0, 0, 254].into() };
    Router { mac: ROUTER, ip }
}

fn said(frame: &[u8], six: bool) -> Result<Vec<u8>, Silent> {
    let mut out = vec![0xa5; MAX_FRAME];
    let len = emit(frame, &parse(frame).unwrap(), &router(six), 1400, &mut out)?;
    out.truncate(len);
    Ok(out)
}

fn data(len: usize) -> Vec<u8> {
    vec![7; len]
}

#[test]
fn need_to_fragment() {
    for len in [100, 1480] {
        let data = data(len);
        let tcp = Tcp { src: 1, dst: 2, data: &data, ..Tcp::default() };
        let frame =
            Frame::ip(HOST, ROUTER, v4().tcp(tcp)).tag(0x88a8, 7).tag(0x8100, 0x2005).to_vec().unwrap();
        let answer = said(&frame, false).unwrap();
        let headers = parse(&answer).unwrap();
        assert_eq!((&answer[..6], &answer[6..12]), (&HOST.0[..], &ROUTER.0[..]));
        assert_eq!(answer[12..20], frame[12..20], "the same tags");
        let ip = ipv4::Ipv4::of(&answer, &headers).unwrap();
        assert_eq!((ip.src(), ip.dst(), ip.proto()), ([10, 0, 0, 254], [10, 0, 0, 1], 1));
        assert!(ip.total_len() <= 576);
        let l4 = usize::from(headers.l4);
        assert_eq!(answer[l4..l4 + 2], [3, 4]);
        assert_eq!(answer[l4 + 4..l4 + 8], [0, 0, 0x05, 0x78]);
        assert_eq!(checksum::verify_l4(&answer, &headers), Some(true));
        assert_eq!(checksum::verify_ipv4(&answer, &headers), Some(true));
        let quote = &answer[l4 + 8..];
        assert_eq!(quote, &frame[22..][..quote.len()]);
        assert_eq!(quote.len(), (len + 40).min(548));
    }
}

#[test]
fn packet_too_big() {
    for len in [100, 1480] {
        let data = data(len);
        let ip = Ip::v6([1, 0, 0, 0, 0, 0, 0, 1], [2; 8]).udp(1, 2, &data);
        let frame = Frame::ip(HOST, ROUTER, ip).to_vec().unwrap();
        let answer = said(&frame, true).unwrap();
        let headers = parse(&answer).unwrap();
        let ip = ipv6::Ipv6::of(&answer, &headers).unwrap();
        assert_eq!((ip.dst()[15], ip.src()[15], ip.next_header()), (1, 0xfe, 58));
        assert!(answer.len() <= 14 + 1280);
        assert_eq!(answer[54..56], [2, 0]);
        assert_eq!(answer[58..62], [0, 0, 0x05, 0x78]);
        assert_eq!(checksum::verify_l4(&answer, &headers), Some(true));
        assert_eq!(answer[62..], frame[14..][..(len + 48).min(1232)]);
    }
}

#[test]
fn silence() {
    let data = data(1480);
    let frame = |ip: Ip<'_>| Frame::ip(HOST, ROUTER, ip).to_vec().unwrap();
    let of = |ip: Ip<'_>, six| said(&frame(ip), six).unwrap_err();
    let udp = v4().udp(1, 2, &data);
    assert_eq!(of(Ip { fragment: 0, ..udp }, false), Silent::MayFragment);
    assert_eq!(of(Ip { fragment: 0x4001, ..udp }, false), Silent::Fragment);
    let error = L4::Raw { proto: 1, bytes: &[3, 4, 0, 0, 0, 0, 0, 0, 0x45] };
    assert_eq!(of(Ip { l4: error, ..udp }, false), Silent::IcmpError);
    let from_group = Ip::v4([224, 0, 0, 1], [10, 0, 0, 2]).udp(1, 2, &data);
    let to_group = Ip::v4([10, 0, 0, 1], [224, 0, 0, 1]).udp(1, 2, &data);
    assert_eq!((of(from_group, false), of(to_group, false)), (Silent::NotUnicast, Silent::NotUnicast));
    assert_eq!(of(udp, true), Silent::NoAddress);
    let broadcast = Frame::ip(HOST, Mac::BROADCAST, udp).to_vec().unwrap();
    assert_eq!(said(&broadcast, false), Err(Silent::NotUnicast));

    let v6 = Ip::v6([1; 8], [2; 8]);
    for kind in [1, 2, 127, 137] {
        let bytes = [kind, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            of(Ip { l4: L4::Raw { proto: 58, bytes: &bytes }, ..v6 }, true),
            Silent::IcmpError,
            "{kind}"
        );
    }
    assert_eq!(of(Ip::v6([0; 8], [2; 8]).udp(1, 2, &data), true), Silent::NotUnicast);
    let arp = Frame::arp_request(HOST, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).to_vec().unwrap();
    assert_eq!(said(&arp, false), Err(Silent::NotIp));
    let frame = frame(udp);
    let small = emit(&frame, &parse(&frame).unwrap(), &router(false), 1400, &mut [0; 100]);
    assert_eq!(small, Err(Silent::NoRoom));
}

/// What is no error is answered: echoes are what `ping -M do` finds an MTU with.
#[test]
fn echoes_and_groups_of_ipv6_are_answered() {
    let data = data(1480);
    let frame = |ip: Ip<'_>| Frame::ip(HOST, ROUTER, ip).to_vec().unwrap();
    assert!(said(&frame(v4().echo(1, 2, &data)), false).is_ok());
    assert!(said(&frame(Ip::v6([1; 8], [2; 8]).echo(1, 2, &data)), true).is_ok());
    let group = Ip::v6([1; 8], [0xff0e, 0, 0, 0, 0, 0, 0, 1]).udp(1, 2, &data);
    assert!(said(&frame(group), true).is_ok());
}
