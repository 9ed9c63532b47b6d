//! Flow tables of many rules: `cargo run --release -p netloom-switch --example scale [RULES ...]`.
//!
//! Flow mods come as the bytes of OpenFlow 1.4, as a controller sends them; an access list as ClassBench makes them.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use netloom_flow::{
    Action, BridgeId, Epoch, FieldId, FlowMatch, Nanos, OfPort, PacketKey, PortId, Upcall, word,
};
use netloom_openflow::msg::FlowMod;
use netloom_openflow::session::{Event, Session, Settings as Wire};
use netloom_openflow::{Message, Version, Versions};
use netloom_switch::config::{Bridge, Config, Interface, Port, Uuid};
use netloom_switch::{Connection, Kind, PortTraffic, Settings, Switch};

/// Numbers that look random.
struct Random(u64);

impl Random {
    const fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % limit
    }
}

/// An access list of so many rules; three in ten say more of the addresses of the one before.
fn access_list(count: usize) -> Vec<FlowMod> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut before = (0, 0);
    let rule = |_| {
        let overlaps = random.below(10) < 3;
        let (src, dst) = if overlaps { before } else { (random.below(1 << 32), random.below(1 << 32)) };
        before = (src, dst);
        let mut long = || {
            if overlaps {
                32
            } else {
                [16, 20, 24, 24, 28, 32][usize::try_from(random.below(6)).unwrap_or(0)]
            }
        };
        let (src_len, dst_len) = (long(), long());
        let prefix = |len: u32| u128::from(u32::MAX << (32 - len));
        let tcp = random.below(4) > 0;
        let port = if random.below(2) == 0 { 443 } else { random.below(1 << 16) };
        let mut matches = FlowMatch::any();
        matches.set(FieldId::EthType, 0x0800);
        matches.set_masked(FieldId::Ipv4Src, src.into(), prefix(src_len));
        matches.set_masked(FieldId::Ipv4Dst, dst.into(), prefix(dst_len));
        matches.set(FieldId::NwProto, if tcp { 6 } else { 17 });
        matches.set(if tcp { FieldId::TcpDst } else { FieldId::UdpDst }, port.into());
        let priority = u16::try_from(1_000 + src_len + dst_len).unwrap_or(0);
        FlowMod { matches, priority, actions: vec![Action::Output(OfPort(1))], ..FlowMod::default() }
    };
    (0..count).map(rule).collect()
}

fn bytes_of(rules: &[FlowMod], hello: &[u8]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut controller = Session::new(Wire::controller(Versions::of(&[Version::V14])), Nanos::ZERO);
    controller.handle_bytes(Nanos::ZERO, hello);
    for rule in rules {
        controller.request(&Message::FlowMod(Box::new(rule.clone())))?;
    }
    Ok(controller.take_output())
}

fn switch() -> Result<(Switch, BridgeId), Box<dyn Error>> {
    let interface = Interface {
        name: "eth1".into(),
        ofport_request: Some(1),
        dp_port: PortId(1),
        ..Interface::default()
    };
    let port = Port { name: "eth1".into(), interfaces: vec![interface], ..Port::default() };
    let bridge =
        Bridge { uuid: Uuid::named(&["s1"]), name: "s1".into(), ports: vec![port], ..Bridge::default() };
    let mut switch = Switch::new(Settings::default(), Epoch::default());
    switch.reconfigure(&Config { bridges: vec![bridge], ..Config::default() }, Nanos::ZERO)?;
    let id = switch.bridges().next().ok_or("a bridge")?.0;
    Ok((switch, id))
}

/// Bytes of memory held.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

#[expect(clippy::cast_precision_loss, reason = "for printing")]
fn measure(count: usize) -> Result<(), Box<dyn Error>> {
    let (mut switch, bridge) = switch()?;
    let mut session = Session::new(Wire::switch(Versions::of(&[Version::V14])), Nanos::ZERO);
    let rules = access_list(count);
    let bytes = bytes_of(&rules, &session.take_output())?;
    let mut connection = Connection::new(Version::V14, Kind::Service, "bench");
    let no_traffic = |_: PortId| PortTraffic::default();
    let (before, start) = (resident(), Instant::now());
    for chunk in bytes.chunks(1 << 16) {
        session.handle_bytes(Nanos::ZERO, chunk);
        while let Some(event) = session.poll_event() {
            if let Event::Message(_, message) = event {
                let handled = switch.handle(bridge, &mut connection, message, &no_traffic, Nanos::ZERO);
                assert!(handled.answers.is_empty(), "{:?}", handled.answers);
            }
        }
    }
    let added = start.elapsed().as_secs_f64();
    let memory = resident().saturating_sub(before);
    let mut random = Random(7);
    let keys: Vec<PacketKey> = (0..20_000)
        .map(|_| {
            let rule = &rules[usize::try_from(random.below(rules.len() as u64)).unwrap_or(0)];
            let mut key = PacketKey::default();
            key.0.copy_from_slice(&rule.matches.key().0[..netloom_flow::PACKET_WORDS]);
            key.0[word::IN_PORT] = 1 << 32;
            key
        })
        .collect();
    let start = Instant::now();
    for key in &keys {
        black_box(switch.translate(&Upcall { key, packet: &[], now: Nanos::ZERO }));
    }
    let miss = start.elapsed().as_secs_f64() / keys.len() as f64;
    println!(
        "{count:>8} rules: {:>9.0} flow mods/s, {:>4} bytes a rule, {:>8.0} translations/s",
        count as f64 / added,
        memory / count,
        1.0 / miss,
    );
    drop(switch);
    time_out(&rules)
}

/// What it takes to see that none of many hard timeouts has come, and to let all of them come.
#[expect(clippy::cast_precision_loss, reason = "for printing")]
fn time_out(rules: &[FlowMod]) -> Result<(), Box<dyn Error>> {
    let (mut switch, bridge) = switch()?;
    let mut connection = Connection::new(Version::V14, Kind::Service, "bench");
    let no_traffic = |_: PortId| PortTraffic::default();
    for (rule, n) in rules.iter().zip(0..) {
        let rule = FlowMod { hard_timeout: 100 + n % 1_000, ..rule.clone() };
        let message = Message::FlowMod(Box::new(rule));
        switch.handle(bridge, &mut connection, message, &no_traffic, Nanos::ZERO);
    }
    let start = Instant::now();
    (0..100).for_each(|second| switch.tick(Nanos::from_secs(second)));
    let idle = start.elapsed().as_secs_f64() / 100.0;
    let start = Instant::now();
    while switch.tick_some(Nanos::from_secs(1_100), 64) {}
    let gone = start.elapsed().as_secs_f64();
    println!(
        "          hard timeouts: {:>7.0} ns a look at the time, {:>8.0} flows/s when they end",
        idle * 1e9,
        rules.len() as f64 / gone,
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let counts = if asked.is_empty() { vec![10, 1_000, 100_000, 1_000_000] } else { asked };
    counts.into_iter().try_for_each(measure)
}
