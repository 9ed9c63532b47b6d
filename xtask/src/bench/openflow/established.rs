//! Established flows at full rate, while a controller adds flows that have nothing to do with them.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bed::{Bed, PEERS};
use super::client::Client;
use super::flow_mods::stream;
use super::generator::{Flood, Flow, Generator};
use super::misses::exact;
use super::wire::{self, Field, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked};
use crate::run::Failed;

const FLOWS: usize = 10_000;
/// Flows that the controller adds in a second.
const ADDED: f64 = 1_000.0;
const SECONDS: f64 = 3.0;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize) -> Result<(), Failed> {
    let rules = stream(&exact(FLOWS));
    report::table(
        &format!("{FLOWS} established flows, while {ADDED} other flows are added in a second"),
        &["peer", "idle, packets/s", "meanwhile, packets/s", "ratio (median)", "min .. max", "asked"],
    );
    for peer in PEERS {
        let (mut alone, mut busy, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=rounds {
            eprintln!("established: round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            let mut client = bed.connect()?;
            let clear = wire::message(kind::FLOW_MOD, 1, &wire::delete_all());
            client.carry_out(&[clear, rules.clone()].concat())?;
            let mut generator = Generator::open(&bed.hosts[0])?;
            let mut rate = |seconds: f64| {
                bed.arriving(1, || generator.flood(Flow::numbered, &Flood::of(FLOWS, seconds)))
            };
            rate(0.5)?;
            let idle = rate(SECONDS)?;
            let over = AtomicBool::new(false);
            let meanwhile = std::thread::scope(|scope| {
                let adding = scope.spawn(|| add(&mut client, &over));
                let measured = rate(SECONDS);
                over.store(true, Ordering::Relaxed);
                let added = adding.join().map_err(|_| Failed::Check("the controller panicked".to_owned()))?;
                added.and(measured)
            })?;
            alone.push(idle);
            busy.push(meanwhile);
            ratios.push(meanwhile / idle);
        }
        let middle = |values: &[f64]| report::median(values).unwrap_or(0.0);
        let ratio = middle(&ratios);
        let verdict =
            if peer == Peer::Netloom { Asked::AtLeast(0.8, 0.8).verdict(ratio) } else { String::new() };
        report::row(&[
            peer.name(),
            &report::short(middle(&alone)),
            &report::short(middle(&busy)),
            &format!("{ratio:.2}x"),
            &report::spread(&ratios),
            &verdict,
        ]);
    }
    Ok(())
}

/// Adds flows one by one, until it is over.
///
/// # Errors
/// [`Failed::Check`] if one is refused, or if they could not be added as fast as they were to be.
fn add(client: &mut Client, over: &AtomicBool) -> Result<(), Failed> {
    let start = crate::bench::now();
    let mut added = 0_u32;
    while !over.load(Ordering::Relaxed) {
        let ahead = f64::from(added) / ADDED - start.elapsed().as_secs_f64();
        if ahead > 0.0 {
            crate::bench::wait(ahead);
            continue;
        }
        let address = 0x0b00_0000 + u64::from(added);
        let demands = [(Field::EthType, 0x0800, None), (Field::Ipv4Dst, address, None)];
        let body = wire::add_flow(50, &demands, &wire::output(2));
        client.send(&wire::message(kind::FLOW_MOD, 2, &body)).map_err(|e| Failed::Check(e.to_string()))?;
        added += 1;
    }
    let rate = f64::from(added) / start.elapsed().as_secs_f64();
    client.carry_out(&[])?;
    if rate < ADDED * 0.95 {
        return Err(Failed::Check(format!("only {rate:.0} flows were added in a second")));
    }
    Ok(())
}
