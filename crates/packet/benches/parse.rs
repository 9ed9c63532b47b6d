//! What parsing costs, in nanoseconds per frame. Run: `cargo bench -p netloom-packet`.
//!
//! The bound: under 30 ns for a 60-byte UDP frame.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench reads the clock and prints")]

use std::hint::black_box;
use std::time::Instant;

use netloom_packet::{Offload, checksum, parse, wire};

/// Best of 20 runs of 100,000 calls.
fn cost(name: &str, mut f: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..20 {
        let start = Instant::now();
        for _ in 0..100_000 {
            f();
        }
        best = best.min(start.elapsed().as_secs_f64() / 100_000.0);
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
}
