//! Tunnel packets as Wireshark reads them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::io::Write;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};

use netloom_packet::build::{Ends, Frame, Ip, Tcp};
use netloom_packet::tunnel::erspan::{Erspan, Session};
use netloom_packet::tunnel::geneve::{self, Geneve};
use netloom_packet::tunnel::gre::{self, Gre};
use netloom_packet::tunnel::stt::{self, Stt};
use netloom_packet::tunnel::vxlan::{self, Gbp, Vxlan};
use netloom_packet::tunnel::{Encap, Header, Outer};
use netloom_packet::{Gso, Mac, Offload, checksum, parse, segment};

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// What is asked of Wireshark, and what it should say: by field, per packet.
const FIELDS: [&str; 19] = [
    "vxlan.vni",
    "vxlan.gbp",
    "geneve.vni",
    "geneve.option.class",
    "gre.key",
    "gre.sequence_number",
    "gre.checksum.status",
    "erspan.version",
    "erspan.spanid",
    "erspan.index",
    "erspan.sgt",
    "stt.context_id",
    "stt.pkt_len",
    "stt.vlan.id",
    "stt.mss",
    "udp.checksum.status",
    "udp.dstport",
    "stt.reassembled.length",
    "_ws.malformed",
];

/// Fields and their values.
type Said = Vec<(&'static str, &'static str)>;

fn packet(six: bool, header: Header<'_>, dst_port: u16, offload: bool) -> Vec<u8> {
    let ends = if six {
        Ends::V6([0xfd00, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into())
    } else {
        Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
    };
    let outer = Outer { dst_port, src_port: 40_000, csum: true, ..Outer::new(A, A, ends) };
    let encap = Encap { outer, header };
    let inner = Frame::ip(A, A, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).udp(1234, 4321, b"inside"));
    let mut buffer = vec![0; encap.len() + inner.len()];
    let (_, open) = inner.emit_partial(&mut buffer[encap.len()..]).unwrap();
    let mut left = if offload {
        open
    } else {
        inner.emit(&mut buffer[encap.len()..]).unwrap();
        Offload::PLAIN
    };
    left = encap.push(&mut buffer, encap.len(), &left).unwrap().offload;
    checksum::complete(&mut buffer, &mut left).unwrap();
    buffer
}

/// Packets and what Wireshark should say about them: as many values as there are [`FIELDS`], empty ones left out.
fn cases() -> Vec<(Vec<u8>, Said)> {
    let gbp = Some(Gbp { policy: 513, flags: 0x48 });
    let gre = Gre { protocol: gre::TEB, csum: true, key: Some(0x0102_0304), seq: Some(9) };
    let session = Session { vlan: 5, cos: 1, en: 0, truncated: false, id: 99 };
    let two = Erspan::Two { session, index: 0xabc };
    let three = Erspan::Three { session, timestamp: 1, sgt: 77, flags: 0, platform: None };
    let mirror = Gre { protocol: gre::ERSPAN, csum: false, key: None, seq: Some(3) };
    let stt = Stt { tci: Some(0x6064), ..Stt::new(0x0102_0304_0506_0708) };
    let inner = [("udp.checksum.status", "1"), ("udp.dstport", "4321")];
    let over_udp = |port| [("udp.checksum.status", "1,1"), ("udp.dstport", port)];
    let mut all = Vec::new();
    for six in [false, true] {
        for open in [false, true] {
            all.push((
                packet(six, Header::Vxlan(Vxlan { gbp, ..Vxlan::new(0xabcdef) }), vxlan::PORT, open),
                [&[("vxlan.vni", "11259375"), ("vxlan.gbp", "513")][..], &over_udp("4789,4321")].concat(),
            ));
            let options = [1, 2, 0x80, 1, 0, 1, 0, 2, 0xff, 0xff, 1, 0];
            all.push((
                packet(six, Header::Geneve(Geneve::new(7, &options)), geneve::PORT, open),
                [
                    &[("geneve.vni", "0x000007"), ("geneve.option.class", "0x0102,0xffff")][..],
                    &over_udp("6081,4321"),
                ]
                .concat(),
            ));
            all.push((
                packet(six, Header::Gre(gre), 0, open),
                [
                    &[("gre.key", "0x01020304"), ("gre.sequence_number", "9"), ("gre.checksum.status", "1")]
                        [..],
                    &inner,
                ]
                .concat(),
            ));
        }
        all.push((
            packet(six, Header::Erspan { gre: mirror, erspan: two }, 0, false),
            [
                &[("gre.sequence_number", "3"), ("erspan.version", "1")][..],
                &[("erspan.spanid", "99"), ("erspan.index", "2748")],
                &inner,
            ]
            .concat(),
        ));
        all.push((
            packet(six, Header::Erspan { gre: mirror, erspan: three }, 0, false),
            [
                &[("gre.sequence_number", "3"), ("erspan.version", "2")][..],
                &[("erspan.spanid", "99"), ("erspan.sgt", "77")],
                &inner,
            ]
            .concat(),
        ));
        all.push((
            packet(six, Header::Stt { stt, id: 5 }, stt::PORT, false),
            [
                &[("stt.context_id", "0x0102030405060708"), ("stt.pkt_len", "66")][..],
                &[("stt.vlan.id", "100"), ("stt.mss", "0")],
                &inner,
            ]
            .concat(),
        ));
    }
    all
}

/// A super-packet in STT, cut outside: three packets, of which the last completes the frame.
fn pieces() -> Vec<Vec<u8>> {
    let ends = Ends::V4([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let outer = Outer { dst_port: stt::PORT, src_port: 40_001, csum: true, ..Outer::new(A, A, ends) };
    let encap = Encap { outer, header: Header::Stt { stt: Stt::new(1), id: 6 } };
    let tcp = Tcp { src: 1, dst: 4321, flags: 0x10, data: &[0; 4000], ..Tcp::default() };
    let inner = Frame::ip(A, A, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp));
    let mut buffer = vec![0; encap.len() + inner.len()];
    let (_, open) = inner.emit_partial(&mut buffer[encap.len()..]).unwrap();
    let open = Offload { gso: Gso::Tcp4, gso_size: 1400, ..open };
    let offload = encap.push(&mut buffer, encap.len(), &open).unwrap().offload;
    let headers = parse(&buffer).unwrap();
    let mut cutter = segment::cut(&buffer, &headers, &offload, NonZeroU32::MIN).unwrap();
    let mut out = vec![0; cutter.longest()];
    let mut pieces = Vec::new();
    while let Some(unit) = cutter.next_into(&mut out).unwrap() {
        let mut left = unit.offload;
        checksum::complete(&mut out[..unit.len], &mut left).unwrap();
        pieces.push(out[..unit.len].to_vec());
    }
    pieces
}

/// A capture file: microseconds, Ethernet.
fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let length = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// What Wireshark says about each packet: the fields that it sees. `None` where there is no tshark.
fn ask(
    packets: &[Vec<u8>],
    preferences: &[&str],
    fields: &[&'static str],
) -> Option<Vec<Vec<(&'static str, String)>>> {
    let mut command = Command::new("tshark");
    command.args(["-r", "-", "-T", "fields", "-E", "separator=|"]);
    command.args(preferences.iter().flat_map(|preference| ["-o", preference]));
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: tshark: {error}");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(&pcap(packets)).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), packets.len(), "{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| {
        let values = fields.iter().copied().zip(line.split('|').map(str::to_owned));
        values.filter(|(_, value)| !value.is_empty()).collect()
    };
    Some(text.lines().map(row).collect())
}

#[test]
fn wireshark_agrees() {
    let (mut packets, mut expected): (Vec<_>, Vec<_>) = cases().into_iter().unzip();
    packets.extend(pieces());
    let piece = [("stt.pkt_len", "4072")];
    // Its reassembly counts the TCP-like header in.
    let first = ("stt.context_id", "0x0000000000000001");
    let rest = [("stt.vlan.id", "0"), ("stt.mss", "1400"), ("stt.reassembled.length", "4092")];
    expected.extend([piece.to_vec(), piece.to_vec(), [&[first], &piece[..], &rest].concat()]);
    // STT looks like TCP: Wireshark sees it only if it asks first.
    let preferences =
        ["udp.check_checksum:TRUE", "ip.try_heuristic_first:TRUE", "ipv6.try_heuristic_first:TRUE"];
    let Some(said) = ask(&packets, &preferences, &FIELDS) else { return };
    for (n, (said, expected)) in said.iter().zip(expected).enumerate() {
        let said: Vec<_> = said.iter().map(|(field, value)| (*field, value.as_str())).collect();
        assert_eq!(said, expected, "packet {n}");
    }
}

/// Wireshark 4.0 finds every STT checksum wrong; what it says of the same bytes as TCP, and IPv4, is to be trusted.
#[test]
fn stt_segments_have_right_checksums() {
    let packets =
        [pieces(), vec![packet(true, Header::Stt { stt: Stt::new(1), id: 1 }, stt::PORT, false)]].concat();
    let fields = ["tcp.checksum.status", "ip.checksum.status"];
    let preferences = ["tcp.check_checksum:TRUE", "ip.check_checksum:TRUE"];
    let Some(said) = ask(&packets, &preferences, &fields) else { return };
    assert_eq!(said.len(), 4);
    assert!(said.iter().flatten().all(|(_, status)| status == "1"), "{said:?}");
}
