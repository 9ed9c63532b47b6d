//! STT between two labs: large frames whole, tenants by 64-bit keys, and what is no STT.

use std::process::{Command, Stdio};

use super::{Machines, bulk, ip, joined, one_host, sh, sh_ok, tenants};
use crate::place::{eventually, for_user, once_as_root};

#[test]
fn tenants_share_an_underlay_by_stt() {
    once_as_root(|place| {
        tenants(place, "type: stt, key: { red: 18446744073709551615, blue: 1152921504606846976 }")
    });
}

#[test]
fn frames_far_longer_than_the_underlay_takes_cross_whole() {
    once_as_root(|place| {
        for v6 in [false, true] {
            let machines = Machines::new();
            let labs = joined("type: stt, key: 77", v6).map(|lab| lab.replace("ip: [", "mtu: 60000, ip: ["));
            machines.up(place, [&labs[0], &labs[1]]);
            sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
            for size in [1_000, 1_472, 8_000, 40_000, 59_972] {
                let ping = format!("ping -c 1 -W 2 -M do -s {size} 10.0.0.2");
                assert_eq!(sh(place, "west", "h1", &ping).code, 0, "v6 {v6} size {size}");
            }
            bulk(place);
            // And in pieces of 1,500 bytes, as a wire has them: the east machine's kernel puts nothing together.
            let [west, east] = machines.names();
            ethtool(&west, "under tso off gso off");
            ethtool(&east, "under gro off");
            sh_ok(place, "west", "h1", "ping -c 3 -i 0.2 -W 2 -M do -s 59972 10.0.0.2");
            bulk(place);
            let drops = [place.ok("ls drops -l west"), place.ok("ls drops -l east")].concat();
            assert!(!drops.contains("tunnel"), "{drops}");
        }
    });
}

fn ethtool(machine: &str, words: &str) {
    let done = on(machine, &["ethtool", "-K"]).args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "{words}: {done:?}");
}

fn on(machine: &str, words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", machine]).args(words).stdin(Stdio::null());
    command
}

/// TCP of a machine's own at the port hears nothing, and nothing of the lab's traffic is answered with RST.
#[test]
fn the_kernels_tcp_keeps_silent() {
    once_as_root(|place| {
        let machines = Machines::new();
        let [west, east] = machines.names();
        let labs = joined("type: stt, key: 77", false);
        machines.up(place, [&labs[0], &labs[1]]);
        let resets = |machine: &str| -> u64 {
            let field = "awk '/^Tcp: [0-9]/ { print $15 }' /proc/net/snmp";
            let done = on(machine, &["sh", "-c", field]).output().unwrap();
            String::from_utf8(done.stdout).unwrap().trim().parse().unwrap()
        };
        let before = [resets(&west), resets(&east)];
        sh_ok(place, "west", "h1", "ping -c 3 -i 0.2 -W 2 10.0.0.2");
        bulk(place);
        assert_eq!([resets(&west), resets(&east)], before);
        // One whose port is taken is told so.
        let third = one_host("third", 3, "link: s1 -- 192.0.2.1, type: stt, key: 5");
        place.write("third.loom.yml", &third);
        let done = machines.netloom(place, &east, "up third.loom.yml");
        assert_ne!(done.code, 0);
        assert!(done.err.contains("TCP port 7471 is taken"), "{done:?}");
        place.ok("down -l east");
        let listener = "import socket; socket.create_server(('0.0.0.0', 7471))";
        let done = on(&east, &["python3", "-c", listener]).output().unwrap();
        assert!(done.status.success(), "the port is free again: {done:?}");
    });
}

#[test]
fn two_labs_of_one_machine_are_joined_at_addresses_of_their_own() {
    once_as_root(|place| {
        for (name, n, far) in [("west", 1, 2), ("east", 2, 1)] {
            let tunnel = format!(
                "link: s1 -- 127.9.0.{far}, local_ip: 127.9.0.{n}, type: stt, key: 5, dst_port: 17471"
            );
            place.write(&format!("{name}.loom.yml"), &one_host(name, n, &tunnel));
            place.ok(&format!("up {name}.loom.yml"));
        }
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
        bulk(place);
    });
}

#[test]
fn flows_see_and_set_all_64_bits_of_the_key() {
    once_as_root(|place| {
        let machines = Machines::new();
        let west = one_host("west", 1, "link: s1 -- flow, type: stt, key: flow").replace(
            "switches: { s1: {} }",
            "switches:
  s1:
    flows:
      - in_port=1,actions=set_field:0xfedcba9876543210->tun_id,set_field:192.0.2.2->tun_dst,output:2
      - in_port=2,tun_id=0xfedcba9876543210,tun_src=192.0.2.2,tun_dst=192.0.2.1,actions=output:1",
        );
        let east = one_host("east", 2, "link: s1 -- 192.0.2.1, type: stt, key: 18364758544493064720");
        machines.up(place, [&west, &east]);
        sh_ok(place, "west", "h1", "ping -c 2 -W 2 10.0.0.2");
        bulk(place);
        let drops = place.ok("ls drops -l east");
        assert!(!drops.contains("tunnel"), "{drops}");
    });
}

/// Sends TCP-like segments by a raw socket: sequence, acknowledgment, flags, payload in hex; with a right checksum.
const THROW: &str = "\
import socket, struct, sys
def total(b): return sum(struct.unpack('>%dH' % (len(b) // 2), b))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)
out.bind((sys.argv[1], 0))
for line in sys.argv[2:]:
    seq, ack, flags, data, wrong = line.split(',')
    data = bytes.fromhex(data)
    head = struct.pack('>HHIIBBHHH', 40000, 7471, int(seq, 0), int(ack), 0x50, int(flags, 0), 65535, 0, 0)
    s = total(head + data + b'\\0' * (len(data) % 2)) + 6 + len(head) + len(data)
    s += total(socket.inet_aton(sys.argv[1])) + total(socket.inet_aton('192.0.2.2'))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    head = head[:16] + struct.pack('>H', (~s & 0xffff) ^ int(wrong)) + head[18:]
    out.sendto(head + data, ('192.0.2.2', 0))
";

fn throw(machine: &str, from: &str, segments: &[String]) {
    let done = on(machine, &["python3", "-c", THROW, from]).args(segments).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

/// An STT frame with key 77 in hex: header, and an Ethernet frame of 60 bytes to nobody.
fn frame(version: u8, key: u8) -> String {
    let header = [version, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, key, 0, 0];
    let inner = [&[0x02, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 9, 0x88, 0xb5][..], &[0; 46]].concat();
    header.iter().chain(&inner).map(|byte| format!("{byte:02x}")).collect()
}

fn segment(total: u32, offset: u32, id: u32, flags: u8, data: &str, wrong: u8) -> String {
    format!("{},{id},{flags:#x},{data},{wrong}", total << 16 | offset)
}

#[test]
fn what_is_no_stt_is_dropped_with_its_reason() {
    once_as_root(|place| {
        let machines = Machines::new();
        let labs = joined("type: stt, key: 77", false);
        machines.up(place, [&labs[0], &labs[1]]);
        let [west, _] = machines.names();
        ip(&format!("-n {west} addr add 192.0.2.66/24 dev under"));
        let good = frame(0, 77);
        let (first, second) = good.split_at(80);
        let other: String = "5a".repeat(second.len() / 2);
        throw(
            &west,
            "192.0.2.1",
            &[
                segment(78, 0, 1, 0x10, &good, 0),
                // Malformed: SYN, RST, another version, longer than it says, too short a frame, beyond its end.
                segment(78, 0, 2, 0x12, &good, 0),
                segment(78, 0, 3, 0x14, &good, 0),
                segment(78, 0, 4, 0x10, &frame(1, 77), 0),
                segment(40, 0, 5, 0x10, &good, 0),
                segment(20, 0, 6, 0x10, &good[..40], 0),
                segment(78, 70, 7, 0x10, second, 0),
                // A wrong checksum, a key that nobody has.
                segment(78, 0, 8, 0x10, &good, 1),
                segment(78, 0, 9, 0x10, &frame(0, 78), 0),
                // Pieces: one that contradicts another, one of another length, one of which the rest never comes.
                segment(78, 40, 10, 0x10, second, 0),
                segment(78, 40, 10, 0x10, &other, 0),
                segment(78, 40, 11, 0x10, second, 0),
                segment(79, 0, 11, 0x10, first, 0),
                segment(78, 0, 12, 0x10, first, 0),
            ],
        );
        // A stranger's, whole and in pieces.
        throw(&west, "192.0.2.66", &[segment(78, 0, 1, 0x10, &good, 0), segment(78, 0, 2, 0x10, first, 0)]);
        let wanted = [
            ("malformed tunnel packet", 6),
            ("wrong checksum of a tunnel packet", 1),
            ("no tunnel has its key and peer", 3),
            ("pieces of a tunnel frame do not fit together", 2),
            // Also without any further packet.
            ("pieces of a tunnel frame missing", 1),
        ];
        eventually("all are counted", || {
            let drops = place.ok("ls drops -l east");
            let has = |(reason, count): &(&str, u32)| {
                let line = drops.lines().find(|line| line.contains(reason));
                line.is_some_and(|line| line.split_whitespace().any(|word| word == count.to_string()))
            };
            let all = wanted.iter().all(has);
            if !all {
                eprintln!("{drops}");
            }
            all.then_some(())
        });
        assert!(place.ok("ls drops -l east").contains("IP protocol 6 port 7471"));
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
        bulk(place);
    });
}

/// Without `CAP_NET_RAW` on the machine STT is refused, and what would do is said.
#[test]
fn an_ordinary_user_is_told_what_it_takes() {
    for_user(|place| {
        for kind in ["stt", "gre", "erspan"] {
            place.write("lab.loom.yml", &one_host("lab", 1, &format!("link: s1 -- 127.9.0.2, type: {kind}")));
            let done = place.run("up lab.loom.yml");
            assert_ne!(done.code, 0, "{kind}");
            assert!(done.err.contains("CAP_NET_RAW") && done.err.contains("vxlan"), "{kind}: {done:?}");
            let left = place.ok("ls labs -q");
            assert!(left.lines().all(|lab| lab != "lab"), "{kind}: {left}");
        }
    });
}
