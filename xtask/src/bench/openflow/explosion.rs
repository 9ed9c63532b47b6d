//! A sender whose every packet looks different to the tables, beside the flows of another port.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bed::{Bed, PEERS};
use super::flow_mods::{additions, stream};
use super::generator::{Flood, Flow, Generator};
use super::lookup::flows_of;
use super::rules::{self, Kind, Random};
use super::wire::{self, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked};
use crate::run::Failed;

const RULES: usize = 10_000;
/// Established flows of the other port.
const FLOWS: usize = 100;
/// Packets that the sender sends in a second: not more, so that the two processors of a small machine are not what is
/// fought for.
const RATE: f64 = 20_000.0;
const SECONDS: f64 = 4.0;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize) -> Result<(), Failed> {
    let rules = stream(&additions(Kind::Firewall, RULES));
    let flows = flows_of(&rules::make(Kind::Firewall, RULES), FLOWS);
    report::table(
        &format!(
            "Another port beside a sender of {RATE} packets a second, each of a flow of its own, {RULES} firewall rules"
        ),
        &[
            "peer",
            "alone, packets/s",
            "meanwhile, packets/s",
            "ratio (median)",
            "min .. max",
            "memory, MB more",
            "asked",
        ],
    );
    for peer in PEERS {
        let (mut alone, mut busy, mut ratios, mut grown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 1..=rounds {
            eprintln!("explosion: round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            let mut client = bed.connect()?;
            let clear = wire::message(kind::FLOW_MOD, 1, &wire::delete_all());
            client.carry_out(&[clear, rules.clone()].concat())?;
            let mut generator = Generator::open(&bed.hosts[0])?;
            let mut hostile = Generator::open(&bed.hosts[4])?;
            let all = |n: usize| flows[n % flows.len()];
            let mut rate =
                |seconds: f64| bed.arriving(1, || generator.flood(all, &Flood::of(FLOWS, seconds)));
            rate(0.5)?;
            let quiet = rate(SECONDS)?;
            let before = bed.resident()?;
            let over = AtomicBool::new(false);
            let meanwhile = std::thread::scope(|scope| {
                let attack = scope.spawn(|| explode(&mut hostile, &over));
                crate::bench::wait(1.0);
                let measured = rate(SECONDS);
                over.store(true, Ordering::Relaxed);
                let sent = attack.join().map_err(|_| Failed::Check("the sender panicked".to_owned()))?;
                sent.and(measured)
            })?;
            grown.push((bed.resident()? - before) / 1e6);
            alone.push(quiet);
            busy.push(meanwhile);
            ratios.push(meanwhile / quiet);
        }
        let middle = |values: &[f64]| report::median(values).unwrap_or(0.0);
        let ratio = middle(&ratios);
        let verdict =
            if peer == Peer::Netloom { Asked::AtLeast(0.5, 0.5).verdict(ratio) } else { String::new() };
        report::row(&[
            peer.name(),
            &report::short(middle(&alone)),
            &report::short(middle(&busy)),
            &format!("{ratio:.2}x"),
            &report::spread(&ratios),
            &report::short(middle(&grown)),
            &verdict,
        ]);
    }
    Ok(())
}

/// Sends packets with addresses and ports that look random, until it is over. They go nowhere, or to port 2 as the rules
/// say; what arrives there of them is a small part.
fn explode(generator: &mut Generator, over: &AtomicBool) -> Result<(), Failed> {
    let random = std::cell::RefCell::new(Random::new());
    let any = |_: usize| {
        let mut random = random.borrow_mut();
        let mut bits = |bits: u32| u32::try_from(random.below(1 << bits)).unwrap_or(0);
        let half = |value: u32| u16::try_from(value).unwrap_or(0);
        Flow {
            source: bits(32),
            destination: bits(32),
            protocol: if bits(1) == 0 { 6 } else { 17 },
            from: half(bits(16)),
            to: half(bits(16)),
        }
    };
    while !over.load(Ordering::Relaxed) {
        generator.flood(any, &Flood { rate: Some(RATE), ..Flood::of(FLOWS, 0.2) })?;
    }
    Ok(())
}
