//! What the hot path costs here, in nanoseconds per frame. Run: `cargo bench -p netloom-packet`.
//!
//! The bound: under 30 ns for a 60-byte UDP frame.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench reads the clock and prints")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant;

use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::edit::Edit;
use netloom_packet::{Csum, Gso, Mac, Offload, checksum, parse, segment, wire};

const CALLS: u32 = 20_000;

/// Best of 20 runs.
fn cost(name: &str, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..CALLS {
            f();
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(CALLS));
    }
    println!("{name:<28} {:7.1} ns", best * 1e9);
}

fn main() {
    let mut udp4 = vec![2; 12];
    udp4.extend([0x08, 0, 0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    udp4.extend([0; 26]);
    let mut udp6 = vec![2; 12];
    udp6.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64]);
    udp6.extend([0xfd; 40]);
    let mut tagged = udp4.clone();
    tagged.splice(12..12, [0x81, 0, 0, 100]);
    for (name, frame) in [("udp4, 60 bytes", &udp4), ("udp6", &udp6), ("udp4 in a vlan", &tagged)] {
        cost(&format!("parse {name}"), || {
            let _ = black_box(parse(black_box(frame)));
        });
    }
    let headers = parse(&udp4).unwrap_or_default();
    cost("wire", || {
        black_box(wire(black_box(60), &headers, &Offload::PLAIN));
    });
    let payload = vec![0x5a; 1448];
    cost("checksum of 1448 bytes", || {
        black_box(checksum::checksum(black_box(&payload)));
    });
    let mut flip = 0;
    cost("edit: both MACs and TTL", || {
        flip ^= 1;
        let mut edit = Edit::new(black_box(&mut udp4), &headers, Csum::Complete);
        edit.eth_dst(Mac([2, 0, 0, 0, 0, flip]));
        edit.eth_src(Mac([2, 0, 0, 0, 1, flip]));
        edit.ttl(64 + flip);
    });
    cost("edit: IPv4 source and port", || {
        flip ^= 1;
        let mut edit = Edit::new(black_box(&mut udp4), &headers, Csum::Complete);
        edit.ipv4_src([10, 0, 0, flip]);
        edit.l4_src(1000 + u16::from(flip));
    });
    super_packet();
}

/// A super-packet of 45 segments into packets, and into units of 5.
fn super_packet() {
    let data = vec![0x5a; 45 * 1448];
    let ip =
        Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(Tcp { options: &[1; 12], data: &data, ..Tcp::default() });
    let frame = Frame::ip(Mac::ZERO, Mac::ZERO, ip);
    let mut bytes = vec![0; frame.len()];
    let Some((_, offload)) = frame.emit_partial(&mut bytes) else { return };
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1448, ..offload };
    let headers = parse(&bytes).unwrap_or_default();
    let mut buffer = vec![0; 8192];
    for per_unit in [NonZeroU32::MIN, NonZeroU32::MIN.saturating_add(4)] {
        cost(&format!("cut 65160 bytes by {per_unit}"), || {
            if let Ok(mut cutter) = segment::cut(black_box(&bytes), &headers, &offload, per_unit) {
                while let Ok(Some(unit)) = cutter.next_into(&mut buffer) {
                    black_box(unit);
                }
            }
        });
    }
}
