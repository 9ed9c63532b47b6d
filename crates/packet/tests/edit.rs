//! Edits of random packets: every checksum afterwards is what a full recompute gives.

use netloom_packet::build::{Ends, Frame, Ip, L4, Tcp};
use netloom_packet::edit::{Edit, TtlExpired, pop_vlan, push_vlan};
use netloom_packet::{Csum, Headers, Mac, Offload, checksum, parse};
use proptest::prelude::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn v4<'a>() -> Ip<'a> {
    Ip::v4([10, 0, 0, 1], [10, 0, 0, 2])
}

fn v6<'a>() -> Ip<'a> {
    Ip::v6([0xfd00, 0, 0, 0, 0, 0, 0, 1], [0xfd00, 0, 0, 0, 0, 0, 0, 2])
}

fn frame(ip: Ip<'_>) -> (Vec<u8>, Headers) {
    let bytes = Frame::ip(A, B, ip).to_vec().expect("fits");
    let headers = parse(&bytes).expect("a frame");
    (bytes, headers)
}

fn all_right(bytes: &[u8], headers: &Headers) {
    assert_eq!(parse(bytes).as_ref(), Ok(headers), "headers stay where they are");
    assert_ne!(checksum::verify_ipv4(bytes, headers), Some(false));
    assert_ne!(checksum::verify_l4(bytes, headers), Some(false));
}

#[test]
fn a_route_hop_and_nat() {
    let (mut bytes, headers) = frame(v4().udp(4000, 53, b"question"));
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.eth_src(B) && edit.eth_dst(A) && edit.tos(0xb8));
    assert!(edit.ipv4_src([192, 0, 2, 1]) && edit.ipv4_dst([198, 51, 100, 7]));
    assert!(edit.l4_src(1024) && edit.l4_dst(5353));
    assert_eq!(edit.dec_ttl(), Ok(true));
    let wanted = Ip { tos: 0xb8, ttl: 63, ..Ip::v4([192, 0, 2, 1], [198, 51, 100, 7]) };
    let wanted = Frame::ip(B, A, wanted.udp(1024, 5353, b"question"));
    assert_eq!(Some(bytes), wanted.to_vec());
}

#[test]
fn ipv6_words() {
    let (mut bytes, headers) = frame(v6().echo(1, 2, b"data"));
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.tos(0xfe) && edit.ipv6_label(0xfff_abcde) && edit.ttl(9));
    assert!(edit.ipv6_src([7; 16]) && edit.ipv6_dst([8; 16]));
    let wanted = Ip { tos: 0xfe, label: 0xabcde, ttl: 9, ..Ip::v6([0x0707; 8], [0x0808; 8]) };
    assert_eq!(Some(bytes), Frame::ip(A, B, wanted.echo(1, 2, b"data")).to_vec());
}

#[test]
fn what_is_not_there_is_not_written() {
    let (mut bytes, headers) = frame(v4().udp(1, 2, b""));
    let before = bytes.clone();
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(!edit.ipv6_src([0; 16]) && !edit.ipv6_dst([0; 16]) && !edit.ipv6_label(1));
    assert!(!edit.arp_op(1) && !edit.arp_sha(A) && !edit.arp_tpa([0; 4]) && !edit.icmp_type(8));
    assert!(!edit.nd_target([0; 16]) && !edit.nd_sll(A) && !edit.nd_tll(A));
    assert!(!edit.vlan_tci(0, 1) && !edit.vlan_tpid(0, 0x88a8) && !edit.mpls(0, 1));
    assert_eq!(bytes, before);

    let (mut bytes, headers) = frame(Ip { fragment: 0x0010, ..v4().udp(1, 2, b"later fragment") });
    assert_eq!(headers.l4, 0);
    let l4 = bytes[34..].to_vec();
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(!edit.l4_src(9) && edit.ipv4_src([1, 1, 1, 1]));
    assert_eq!(bytes[34..], l4);
    all_right(&bytes, &headers);

    let mut nothing: [u8; 0] = [];
    let mut edit = Edit::new(&mut nothing, &headers, Csum::Complete);
    assert!(!edit.eth_dst(A) && !edit.ipv4_src([0; 4]) && !edit.tos(1) && !edit.ttl(1));
    assert_eq!(edit.dec_ttl(), Ok(false));
}

#[test]
fn ttl_runs_out() {
    for ip in [v4(), v6()] {
        for ttl in [0, 1] {
            let (mut bytes, headers) = frame(ip.ttl(ttl));
            let before = bytes.clone();
            assert_eq!(Edit::new(&mut bytes, &headers, Csum::Complete).dec_ttl(), Err(TtlExpired));
            assert_eq!(bytes, before);
        }
    }
    let mut arp = Frame::arp_request(A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).to_vec().expect("fits");
    let headers = parse(&arp).expect("a frame");
    assert_eq!(Edit::new(&mut arp, &headers, Csum::Complete).dec_ttl(), Ok(false));
}

#[test]
fn arp_fields() {
    let mut bytes = Frame::arp_request(A, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).to_vec().expect("fits");
    let headers = parse(&bytes).expect("a frame");
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.arp_op(2) && edit.arp_sha(B) && edit.arp_tha(A) && edit.eth_src(B) && edit.eth_dst(A));
    assert!(edit.arp_spa([10, 0, 0, 2]) && edit.arp_tpa([10, 0, 0, 1]));
    let reply = Frame::arp_reply(B, [10, 0, 0, 2].into(), A, [10, 0, 0, 1].into());
    assert_eq!(Some(bytes), reply.to_vec());
}

#[test]
fn neighbour_discovery() {
    let (from, target) = ("fd00::1".parse().expect("ip"), "fd00::2".parse().expect("ip"));
    let mut bytes = Frame::nd_solicit(A, from, target).to_vec().expect("fits");
    let headers = parse(&bytes).expect("a frame");
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.nd_sll(B) && edit.nd_target([0xfe; 16]) && !edit.nd_tll(B) && edit.icmp_type(136));
    all_right(&bytes, &headers);
    assert_eq!(bytes[usize::from(headers.l4) + 8..][..16], [0xfe; 16]);
    assert_eq!(bytes[bytes.len() - 6..], B.0);
}

#[test]
fn labels() {
    let body = [0x00, 0x06, 0x40, 0x40, 0x00, 0x06, 0x51, 0x40];
    let frame = Frame::new(A, B, netloom_packet::build::Body::Raw { eth_type: 0x8847, bytes: &body });
    let mut bytes = frame.to_vec().expect("fits");
    let headers = parse(&bytes).expect("a frame");
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.mpls(0, 0xffff_ffff) && edit.mpls(1, 0) && !edit.mpls(2, 0));
    assert_eq!(
        bytes[14..],
        [0xff, 0xff, 0xfe, 0xff, 0, 0, 1, 0],
        "the bottom of the stack stays where it is"
    );
}

#[test]
fn udp_without_a_checksum_stays_without() {
    let (mut bytes, headers) = frame(v4().udp(1, 2, b"abc"));
    bytes[40..42].fill(0);
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.ipv4_src([9, 9, 9, 9]) && edit.l4_src(7));
    assert_eq!(bytes[40..42], [0, 0]);
    all_right(&bytes, &headers);
}

#[test]
fn an_empty_echo_becomes_its_reply() {
    // An echo reply of zeros: 0xffff is the checksum, 0 would be refused.
    let (mut bytes, headers) = frame(v4().echo(0, 0, &[0; 8]));
    assert!(Edit::new(&mut bytes, &headers, Csum::Complete).icmp_type(0));
    assert_eq!(bytes[34..38], [0, 0, 0xff, 0xff]);
    all_right(&bytes, &headers);
}

#[test]
fn sctp_ports() {
    let l4 = L4::Sctp { src: 7, dst: 8, tag: 1, data: &[3; 20] };
    let (mut bytes, headers) = frame(Ip { l4, ..v4() });
    let mut edit = Edit::new(&mut bytes, &headers, Csum::Complete);
    assert!(edit.l4_src(70) && edit.l4_dst(80) && edit.ipv4_dst([9, 9, 9, 9]));
    let l4 = L4::Sctp { src: 70, dst: 80, tag: 1, data: &[3; 20] };
    assert_eq!(bytes, frame(Ip { l4, ..Ip::v4([10, 0, 0, 1], [9, 9, 9, 9]) }).0);

    let (mut bytes, headers) = frame(Ip { l4, fragment: 0x2000, ..v4() });
    assert!(headers.l4 != 0 && !Edit::new(&mut bytes, &headers, Csum::Complete).l4_src(1));
}

#[test]
fn a_routed_destination_is_not_in_the_checksum() {
    // Routing header, one segment left: the checksum is over fd00::9, which stands in the header.
    let mut chain = vec![17, 2, 0, 1, 0, 0, 0, 0];
    let last = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    chain.extend(last);
    let (plain, h) = frame(Ip::v6(v6_octets(1), v6_octets(9)).udp(1, 2, b"abc"));
    chain.extend_from_slice(&plain[h.l4.into()..]);
    let (mut bytes, headers) = frame(Ip { l4: L4::Raw { proto: 43, bytes: &chain }, ..v6() });
    assert!(headers.routed && headers.l4 != 0);
    let udp = bytes[headers.l4.into()..].to_vec();
    assert!(Edit::new(&mut bytes, &headers, Csum::Complete).ipv6_dst(last));
    assert_eq!(bytes[headers.l4.into()..], udp);
    assert!(Edit::new(&mut bytes, &headers, Csum::Complete).ipv6_src(last));
    assert_ne!(bytes[headers.l4.into()..], udp);
}

fn v6_octets(last: u8) -> [u8; 16] {
    [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

#[test]
fn tags_come_and_go() {
    let original = Frame::ip(A, B, v4().udp(1, 2, b"abc")).to_vec().expect("fits");
    let mut buffer = vec![0xa5; 16];
    buffer.extend(&original);
    let (mut at, mut headers) = (16, parse(&original).expect("a frame"));
    for (n, (tpid, tci)) in
        [(0x8100, 100), (0x88a8, 0x2fff), (0x8100, 7), (0x88a8, 0)].into_iter().enumerate()
    {
        at -= 4;
        assert!(push_vlan(&mut buffer[at..], tpid, tci));
        headers = headers.vlan_pushed(&buffer[at..]);
        assert_eq!(Ok(headers), parse(&buffer[at..]), "pushed {n}");
    }
    let mut wanted = original[..12].to_vec();
    wanted.extend([0x88, 0xa8, 0, 0, 0x81, 0, 0, 7, 0x88, 0xa8, 0x2f, 0xff, 0x81, 0, 0, 100]);
    wanted.extend_from_slice(&original[12..]);
    assert_eq!(buffer[at..], wanted);
    assert!(Edit::new(&mut buffer[at..], &headers, Csum::Complete).vlan_tci(1, 0x0fed));
    assert_eq!(buffer[at + 18..at + 20], [0x0f, 0xed]);
    for n in 0..4 {
        assert!(pop_vlan(&mut buffer[at..], &headers));
        at += 4;
        headers = headers.vlan_popped(&buffer[at..]);
        assert_eq!(Ok(headers), parse(&buffer[at..]), "popped {n}");
    }
    assert_eq!(buffer[at..], original);
    assert!(!pop_vlan(&mut buffer[at..], &headers), "no tag is left");
    assert!(!push_vlan(&mut [0; 17], 0x8100, 1), "no Ethernet header");
}

/// One change of a random field to a random value.
#[derive(Debug, Clone)]
enum Change {
    Src([u8; 16]),
    Dst([u8; 16]),
    SrcPort(u16),
    DstPort(u16),
    Tos(u8),
    Ttl(u8),
    DecTtl,
    IcmpType(u8),
    IcmpCode(u8),
    Label(u32),
}

fn change() -> impl Strategy<Value = Change> {
    // Addresses that stress the two zeros of one's complement come up often.
    let ip = prop_oneof![any::<[u8; 16]>(), Just([0; 16]), Just([0xff; 16])];
    prop_oneof![
        ip.clone().prop_map(Change::Src),
        ip.prop_map(Change::Dst),
        any::<u16>().prop_map(Change::SrcPort),
        any::<u16>().prop_map(Change::DstPort),
        any::<u8>().prop_map(Change::Tos),
        any::<u8>().prop_map(Change::Ttl),
        Just(Change::DecTtl),
        any::<u8>().prop_map(Change::IcmpType),
        any::<u8>().prop_map(Change::IcmpCode),
        any::<u32>().prop_map(Change::Label),
    ]
}

fn apply(edit: &mut Edit<'_>, change: &Change) {
    let _ = match *change {
        Change::Src(ip) => edit.ipv6_src(ip) || edit.ipv4_src([ip[0], ip[1], ip[2], ip[3]]),
        Change::Dst(ip) => edit.ipv6_dst(ip) || edit.ipv4_dst([ip[0], ip[1], ip[2], ip[3]]),
        Change::SrcPort(port) => edit.l4_src(port),
        Change::DstPort(port) => edit.l4_dst(port),
        Change::Tos(tos) => edit.tos(tos),
        Change::Ttl(ttl) => edit.ttl(ttl),
        Change::DecTtl => edit.dec_ttl().unwrap_or(false),
        Change::IcmpType(kind) => edit.icmp_type(kind),
        Change::IcmpCode(code) => edit.icmp_code(code),
        Change::Label(label) => edit.ipv6_label(label),
    };
}

proptest! {
    #[test]
    fn checksums_stay_right(
        six in any::<bool>(), kind in 0usize..4, tags in 0u16..3,
        data in proptest::collection::vec(any::<u8>(), 0..40),
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let ip = if six { v6() } else { v4() };
        let ip = match kind {
            0 => ip.udp(1, 2, &data),
            1 => ip.tcp(Tcp { src: 1, dst: 2, seq: 3, data: &data, ..Tcp::default() }),
            2 => ip.echo(1, 2, &data),
            _ => Ip { l4: L4::Sctp { src: 1, dst: 2, tag: 3, data: &data }, ..ip },
        };
        let frame = (0..tags).fold(Frame::ip(A, B, ip), Frame::vlan);
        let mut whole = frame.to_vec().unwrap();
        let headers = parse(&whole).unwrap();
        let mut partial = vec![0xa5; whole.len()];
        let (_, mut offload): (usize, Offload) = frame.emit_partial(&mut partial).unwrap();

        for change in &changes {
            apply(&mut Edit::new(&mut whole, &headers, Csum::Complete), change);
            apply(&mut Edit::new(&mut partial, &headers, offload.csum), change);
        }
        prop_assert_eq!(parse(&whole), Ok(headers));
        prop_assert_ne!(checksum::verify_ipv4(&whole, &headers), Some(false));
        prop_assert_ne!(checksum::verify_l4(&whole, &headers), Some(false));
        // The frame whose checksum was left for later ends up the same once it is completed.
        checksum::complete(&mut partial, &mut offload).unwrap();
        prop_assert_ne!(checksum::verify_l4(&partial, &headers), Some(false));
        if kind == 3 {
            let l4 = usize::from(headers.l4);
            let crc = netloom_packet::sctp::crc(&whole[l4..]).unwrap();
            prop_assert_eq!(&whole[l4 + 8..l4 + 12], &crc.to_le_bytes());
        }
        let ends = matches!(ip.ends, Ends::V6(..));
        prop_assert_eq!(ends, six);
        let field = checksum::l4_field(&headers).unwrap_or(0);
        for (at, (a, b)) in whole.iter().zip(&partial).enumerate() {
            // Zero has two forms in one's complement; a verified checksum may be either.
            prop_assert!(a == b || at == field || at == field + 1, "byte {}", at);
        }
    }

    #[test]
    fn any_bytes_any_headers(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..120),
        l3 in any::<u16>(), l4 in any::<u16>(), end in any::<u32>(), proto in prop::sample::select(vec![1u8, 2, 6, 17, 58, 132]),
        eth_type in prop::sample::select(vec![0x0800u16, 0x86dd, 0x0806, 0x8847]), start in any::<u16>(), offset in any::<u16>(),
        changes in proptest::collection::vec(change(), 1..8),
    ) {
        let h = Headers { l2_len: l3, l3, l4, payload: l4, end, eth_type, vlans: 2, mpls: 3, ip_proto: proto, ..Headers::default() };
        let mut edit = Edit::new(&mut bytes, &h, Csum::Partial { start, offset });
        for change in &changes {
            apply(&mut edit, change);
        }
        edit.nd_target([1; 16]);
        edit.nd_sll(A);
        edit.arp_tha(A);
        edit.mpls(2, 5);
        edit.vlan_tci(1, 5);
        pop_vlan(&mut bytes, &h);
        let _ = h.vlan_popped(&bytes);
        let _ = h.vlan_pushed(&bytes);
    }
}
