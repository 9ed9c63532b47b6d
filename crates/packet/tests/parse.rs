//! Real frames, byte by byte; every truncation of each; anything at all.

use netloom_packet::parse::{FRAG_ANY, FRAG_LATER};
use netloom_packet::{Headers, Malformed, checksum, parse, parse_front};
use proptest::prelude::*;

/// The frame's bytes from hexadecimal text, spaces ignored.
fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    digits
        .as_bytes()
        .chunks(2)
        .map(|d| u8::from_str_radix(&String::from_utf8_lossy(d), 16).expect("hexadecimal"))
        .collect()
}

const ETH: &str = "020000000002 020000000001";

/// A DNS query of 18 bytes payload: the smallest frame, 60 bytes.
fn udp4() -> Vec<u8> {
    hex(&format!(
        "{ETH} 0800 4500002e 00004000 401126bd 0a000001 0a000002
         d4310035 001a1751 0000000000000000 0000000000000000 0000"
    ))
}

fn tcp4_options() -> Vec<u8> {
    // SYN with 20 bytes of TCP options, an IP header with 4 bytes of options, 2 bytes of padding.
    hex(&format!(
        "{ETH} 0800 46000040 1c464000 40060000 0a000001 0a000002 94040000
         a0b40050 00000001 00000000 a002faf0 00000000 020405b4 0402080a 00000001 00000000 01030307 0000"
    ))
}

fn with_tags(tags: &str, frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &hex(tags), &frame[12..]].concat()
}

/// An IPv6 frame: `chain` behind the fixed header, whose first header is `next`.
fn v6(next: u8, chain: &str) -> Vec<u8> {
    let chain = hex(chain);
    hex(&format!(
        "{ETH} 86dd 60000000 {:04x} {next:02x} 40
         fd000000000000000000000000000001 fd000000000000000000000000000002",
        chain.len()
    ))
    .into_iter()
    .chain(chain)
    .collect()
}

const UDP: &str = "d4310035 000c0000 01020304";

fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("udp4", udp4()),
        ("tcp4", tcp4_options()),
        ("vlan", with_tags("8100 0064", &udp4())),
        ("qinq", with_tags("88a8 0001 8100 0064", &udp4())),
        ("three tags", with_tags("88a8 0001 8100 0064 8100 0065", &udp4())),
        ("udp6", v6(17, UDP)),
        ("icmp6", v6(58, "8700 0000 00000000 fd000000000000000000000000000002 0101 020000000001")),
        (
            "chain",
            v6(0, &format!("2b000104 00000000 3c000200 00000000 2c000104 00000000 11000001 0000002a {UDP}")),
        ),
        ("arp", hex(&format!("{ETH} 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"))),
        ("mpls", hex(&format!("{ETH} 8847 00064040 00065140 45000014"))),
        ("snap", hex(&format!("{ETH} 0010 aaaa03 000000 88cc 0000000000000000"))),
        ("llc", hex(&format!("{ETH} 0026 424203 00000000000000000000"))),
        (
            "sctp",
            hex(&format!(
                "{ETH} 0800 45000020 00000000 40840000 0a000001 0a000002 00070008 00000000 00000000"
            )),
        ),
    ]
}

#[test]
fn udp_over_ipv4() {
    let h = parse(&udp4()).unwrap();
    let wanted = Headers {
        l2_len: 14,
        l3: 14,
        l4: 34,
        payload: 42,
        end: 60,
        eth_type: 0x0800,
        ip_proto: 17,
        ..Headers::default()
    };
    assert_eq!(h, wanted);
    assert_eq!(h.payload_len(), 18);
    assert!(h.is_ipv4() && !h.is_ipv6() && !h.is_arp());
}

/// What [`parse_front`] says of the front of a frame is true once it has found where the payload begins, in the front.
#[test]
fn the_front_of_a_frame_is_enough_if_all_headers_are_in_it() {
    for (name, frame) in all() {
        let whole = parse(&frame).expect("a frame");
        for front in 14..=frame.len() {
            let found = parse_front(&frame[..front], frame.len()).expect("a frame");
            if (1..=front).contains(&usize::from(found.payload)) {
                assert_eq!(found, whole, "{name}, {front} bytes");
            }
            let needed = usize::from(whole.payload);
            assert!(needed == 0 || front < needed || found == whole, "{name}, {front} bytes");
        }
    }
}

#[test]
fn options_and_padding() {
    let h = parse(&tcp4_options()).unwrap();
    assert_eq!((h.l3, h.l4, h.payload, h.end, h.ip_proto), (14, 38, 78, 78, 6));
    assert_eq!(h.payload_len(), 0, "two bytes of padding are no payload");
}

#[test]
fn tags_shift_everything() {
    let h = parse(&with_tags("8100 0064", &udp4())).unwrap();
    assert_eq!(
        (h.vlans, h.l2_len, h.l3, h.l4, h.payload, h.end, h.eth_type),
        (1, 18, 18, 38, 46, 64, 0x0800)
    );
    let h = parse(&with_tags("88a8 0001 8100 0064", &udp4())).unwrap();
    assert_eq!(
        (h.vlans, h.l2_len, h.l3, h.l4, h.payload, h.end, h.eth_type),
        (2, 22, 22, 42, 50, 68, 0x0800)
    );
    let h = parse(&with_tags("88a8 0001 8100 0064 8100 0065", &udp4())).unwrap();
    assert_eq!((h.vlans, h.l2_len, h.l3, h.l4, h.eth_type), (2, 22, 0, 0, 0x8100), "a third tag is payload");
    let cut = parse(&hex(&format!("{ETH} 8100 00"))).unwrap();
    assert_eq!((cut.vlans, cut.l2_len, cut.eth_type), (0, 14, 0x8100), "as OVS: the tag is not there");
}

#[test]
fn udp_over_ipv6() {
    let h = parse(&v6(17, UDP)).unwrap();
    assert_eq!((h.l3, h.l4, h.payload, h.end, h.ip_proto), (14, 54, 62, 66, 17));
    assert!(h.is_ipv6() && h.frag == 0);
}

#[test]
fn extension_headers_are_walked() {
    // Hop-by-hop, routing (no segments left), destination options, first fragment, UDP.
    let chain = format!("2b000104 00000000 3c000200 00000000 2c000104 00000000 11000001 0000002a {UDP}");
    let h = parse(&v6(0, &chain)).unwrap();
    assert_eq!((h.l4, h.payload, h.ip_proto, h.frag, h.routed), (86, 94, 17, FRAG_ANY, false));
    // A routing header with segments left hides the destination the checksum knows.
    let h = parse(&v6(43, &format!("11020001 00000000 {} {UDP}", "00".repeat(16)))).unwrap();
    assert_eq!((h.l4, h.ip_proto, h.routed), (78, 17, true));
    // AH counts in words of 4 bytes, less two: 24 bytes here.
    let h = parse(&v6(51, &format!("11040000 {} {UDP}", "00".repeat(20)))).unwrap();
    assert_eq!((h.l4, h.ip_proto), (78, 17));
}

#[test]
fn fragments() {
    let later = parse(&v6(44, &format!("11000008 0000002a {UDP}"))).unwrap();
    assert_eq!((later.frag, later.ip_proto, later.l4), (FRAG_ANY | FRAG_LATER, 44, 0));
    let atomic = parse(&v6(44, &format!("11000000 0000002a {UDP}"))).unwrap();
    assert_eq!((atomic.frag, atomic.ip_proto, atomic.l4), (0, 17, 62));

    let mut frame = udp4();
    frame[20] = 0x20; // more to come
    let first = parse(&frame).unwrap();
    assert_eq!((first.frag, first.l4), (FRAG_ANY, 34));
    frame[20..22].copy_from_slice(&[0x00, 0x10]);
    let later = parse(&frame).unwrap();
    assert_eq!((later.frag, later.l4, later.payload, later.l3, later.ip_proto), (3, 0, 0, 14, 17));
}

#[test]
fn chains_end() {
    // Nine headers of destination options, each naming the next.
    let h = parse(&v6(60, &"3c000104 00000000".repeat(9))).unwrap();
    assert_eq!((h.l3, h.l4, h.ip_proto), (14, 0, 60));
    // A length that points outside.
    let h = parse(&v6(60, "11ff0104 00000000")).unwrap();
    assert_eq!((h.l3, h.l4, h.ip_proto), (14, 0, 60));
    // No next header.
    let h = parse(&v6(59, "0000")).unwrap();
    assert_eq!((h.l3, h.l4, h.ip_proto), (14, 0, 59));
}

#[test]
fn arp_for_ethernet_and_ipv4_only() {
    let mut frame =
        hex(&format!("{ETH} 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002"));
    let h = parse(&frame).unwrap();
    assert!(h.is_arp() && h.l3 == 14 && h.l4 == 0);
    frame[18] = 8;
    assert_eq!(parse(&frame).unwrap().l3, 0);
}

#[test]
fn labels_are_counted() {
    let h = parse(&hex(&format!("{ETH} 8847 00064040 00065140 45000014"))).unwrap();
    assert_eq!((h.mpls, h.l2_len, h.l3, h.eth_type), (2, 14, 0, 0x8847));
    let h = parse(&hex(&format!("{ETH} 8847 {}", "00064040".repeat(40)))).unwrap();
    assert_eq!(h.mpls, 16);
}

#[test]
fn length_fields() {
    let snap = parse(&hex(&format!("{ETH} 0010 aaaa03 000000 88cc 0000000000000000"))).unwrap();
    assert_eq!((snap.eth_type, snap.l2_len), (0x88cc, 22));
    let llc = parse(&hex(&format!("{ETH} 0026 424203 00000000000000000000"))).unwrap();
    assert_eq!((llc.eth_type, llc.l2_len), (0x05ff, 14));
}

#[test]
fn lies_end_the_pass() {
    let change = |at: usize, value: u8| {
        let mut frame = udp4();
        frame[at] = value;
        parse(&frame).unwrap()
    };
    assert_eq!(change(14, 0x65).l3, 0, "version");
    assert_eq!(change(14, 0x44).l3, 0, "header shorter than 20");
    assert_eq!(change(14, 0x4f).l3, 0, "options behind the end");
    assert_eq!(change(17, 0x2f).l3, 0, "longer than the frame");
    assert_eq!(change(17, 0x13).l3, 0, "shorter than its header");
    let short = change(17, 0x1b);
    assert_eq!((short.l3, short.l4), (14, 0), "7 bytes of UDP");
    let mut tcp = tcp4_options();
    for doff in [0x40, 0xf0] {
        tcp[38 + 12] = doff;
        let h = parse(&tcp).unwrap();
        assert_eq!((h.l4, h.payload), (38, 0), "data offset {doff:#x}");
    }
}

#[test]
fn big_tcp_has_no_length() {
    let mut frame = tcp4_options();
    frame.resize(100_000, 0);
    frame[16..18].fill(0);
    let h = parse(&frame).unwrap();
    assert_eq!((h.l4, h.payload, h.end), (38, 78, 100_000));
    frame.truncate(60_000);
    assert_eq!(parse(&frame).unwrap().l3, 0, "below 64 KiB a length of 0 is a lie");
}

#[test]
fn every_truncation() {
    for (name, frame) in all() {
        let whole = parse(&frame).unwrap();
        for len in 0..frame.len() {
            let Ok(h) = parse(&frame[..len]) else {
                assert!(len < 14, "{name} {len}");
                continue;
            };
            assert!(len >= 14 && h.end as usize <= len, "{name} {len}");
            for at in [h.l2_len, h.l3, h.l4, h.payload] {
                assert!(usize::from(at) <= len, "{name} {len}: {h:?}");
            }
            assert!(h.l3 == 0 || h.l3 == whole.l3, "{name} {len}");
        }
    }
    assert_eq!(parse(&[0; 13]), Err(Malformed::Truncated));
}

#[test]
fn checksums_of_real_frames() {
    let mut frame = udp4();
    let h = parse(&frame).unwrap();
    assert_eq!(checksum::verify_ipv4(&frame, &h), Some(true));
    assert_eq!(checksum::verify_l4(&frame, &h), Some(true));
    frame[59] = 1;
    assert_eq!(checksum::verify_l4(&frame, &h), Some(false));
    frame[22] = 1;
    assert_eq!(checksum::verify_ipv4(&frame, &h), Some(false));
    frame[40..42].fill(0);
    assert_eq!(checksum::verify_l4(&frame, &h), Some(true), "UDP without a checksum");
    frame[20] = 0x20;
    assert_eq!(checksum::verify_l4(&frame, &parse(&frame).unwrap()), None, "a fragment");
}

proptest! {
    #[test]
    fn anything_at_all(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        pick in 0usize..13,
        flips in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
    ) {
        let _ = parse(&bytes);
        let (_, mut frame) = all().swap_remove(pick);
        for (at, value) in flips {
            let at = usize::from(at) % frame.len();
            frame[at] = value;
        }
        let h = parse(&frame).unwrap();
        for at in [h.l2_len, h.l3, h.l4, h.payload] {
            prop_assert!(usize::from(at) <= frame.len());
        }
        prop_assert!(h.end as usize <= frame.len());
        prop_assert!(h.l4 == 0 || h.l3 != 0);
        prop_assert!(h.payload == 0 || h.l4 != 0 && u32::from(h.payload) <= h.end);
        let _ = checksum::verify_l4(&frame, &h);
        let _ = checksum::verify_ipv4(&frame, &h);
    }
}
