//! How long translations take: `cargo run --release -p netloom-switch --example speed`.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use netloom_flow::{Epoch, Nanos, PacketKey, PortId, Upcall, word};
use netloom_switch::config::{Bridge, Config, Interface, Loops, Port, Uuid};
use netloom_switch::{HitsDelta, LinkState, Settings, Switch};

/// The datapath port of a port of a bridge.
const fn dp(bridge: u32, port: u16) -> PortId {
    PortId(bridge * 10 + port as u32)
}

fn port(bridge: u32, number: u16, peer: Option<PortId>) -> Port {
    let name = format!("s{bridge}-eth{number}");
    let dp_port = dp(bridge, number);
    let interface =
        Interface { name: name.clone(), ofport_request: Some(number), dp_port, peer, ..Interface::default() };
    Port { name, interfaces: vec![interface], ..Port::default() }
}

/// A chain of bridges, each with one host; closed to a ring if there are more than two.
fn chain(bridges: u32) -> Config {
    let bridge = |n: u32| {
        let next = (n + 1) % bridges;
        let previous = (n + bridges - 1) % bridges;
        let mut ports = vec![port(n, 1, None)];
        if bridges > 1 && (n > 0 || bridges > 2) {
            ports.push(port(n, 2, Some(dp(previous, 3))));
        }
        if bridges > 1 && (next > 0 || bridges > 2) {
            ports.push(port(n, 3, Some(dp(next, 2))));
        }
        let name = format!("s{n:05}");
        Bridge { uuid: Uuid::named(&[&name]), name, ports, ..Bridge::default() }
    };
    Config { loops: Loops::Tree, bridges: (0..bridges).map(bridge).collect() }
}

fn key(src: u32, dst: u32, port: PortId) -> PacketKey {
    let mut key = PacketKey::default();
    key.0[word::IN_PORT] = u64::from(port.0) << 32;
    key.0[word::ETH_SRC] = (0x0200_0000_0000 | u64::from(src)) << 16;
    key.0[word::ETH_DST] = ((0x0200_0000_0000 | u64::from(dst)) << 16) | 0x0800;
    key
}

fn measure(what: &str, rounds: u32, mut run: impl FnMut()) {
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        (0..rounds).for_each(|_| run());
        best = best.min(start.elapsed().as_nanos() / u128::from(rounds));
    }
    println!("{what:<40} {:>9}.{:03} us", best / 1000, best % 1000);
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Nanos::from_secs(1);
    for bridges in [1, 2, 10, 100] {
        let mut config = chain(bridges);
        if bridges == 1 {
            config.bridges[0].ports.push(port(0, 4, None));
        }
        let mut switch = Switch::new(Settings::default(), Epoch::new());
        switch.reconfigure(&config, now)?;
        let (here, there) = (dp(0, 1), if bridges == 1 { dp(0, 4) } else { dp(bridges / 2, 1) });
        let hops = if bridges == 1 { 1 } else { bridges / 2 + 1 };
        let delta = HitsDelta { packets: 1, bytes: 60, used: now, tcp_flags: 0 };
        for (src, dst, port) in [(2, 1, there), (1, 2, here)] {
            let key = key(src, dst, port);
            let translation = switch.translate(&Upcall { key: &key, packet: &[], now });
            switch.credit(&translation, delta);
        }
        let key = key(1, 2, here);
        let upcall = Upcall { key: &key, packet: &[], now };
        let translation = switch.translate(&upcall);
        let rounds = 200_000 / hops;
        measure(&format!("translate over {hops} switches"), rounds, || {
            black_box(switch.translate(black_box(&upcall)));
        });
        measure(&format!("check over {hops} switches"), rounds, || {
            black_box(switch.still_valid(black_box(&key), &translation));
        });
        measure(&format!("credit over {hops} switches"), rounds, || switch.credit(&translation, delta));
    }
    let config = chain(1000);
    let mut switch = Switch::new(Settings::default(), Epoch::new());
    measure("configure 1,000 switches", 1, || {
        switch = Switch::new(Settings::default(), Epoch::new());
        assert!(switch.reconfigure(&config, now).is_ok());
    });
    measure("configure the same again", 1, || assert!(switch.reconfigure(&config, now).is_ok()));
    let mut up = true;
    measure("a link of 1,000 switches turns", 1, || {
        up = !up;
        switch.set_link(dp(10, 3), LinkState { up, ..LinkState::default() }, now);
    });
    Ok(())
}
