//! What the number of rules costs a packet: the first of a flow, and those that follow.
//!
//! There is a rule for each flow, so that the first packet of each is one that the caches do not know.

use super::bed::{Bed, PEERS};
use super::flow_mods::stream;
use super::wire::{self, Field, kind};
use crate::bench::agent::scatter::{FIRST, PORTS, SOURCE};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked, Series};
use crate::run::Failed;

/// Longest measurement, in seconds.
const SECONDS: f64 = 2.0;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, quick: bool) -> Result<(), Failed> {
    let sizes: &[usize] = if quick { &[10, 100_000] } else { &[10, 1_000, 100_000, 1_000_000] };
    let mut least = Vec::new();
    for &count in sizes {
        let rules = stream(&exact(count));
        let (mut new, mut cached) = (Series::default(), Series::default());
        for round in 1..=rounds {
            for peer in PEERS {
                eprintln!("misses: {count} rules, round {round} of {rounds}, {}", peer.name());
                let bed = Bed::up(peer)?;
                bed.know_neighbours()?;
                bed.hush()?;
                let mut client = bed.connect()?;
                let clear = wire::message(kind::FLOW_MOD, 1, &wire::delete_all());
                client.carry_out(&[clear, rules.clone()].concat())?;
                if count >= 100_000 {
                    new.add(peer, received(&bed, count, " --once")?);
                }
                let hits = received(&bed, 10, "")?;
                cached.add(peer, hits);
                if peer == Peer::Netloom {
                    least.push((count, hits));
                }
            }
        }
        if count >= 100_000 {
            let asked = [(Peer::Ovs, Asked::AtLeast(3.0, 12.0))];
            new.print(&format!("First packets of flows, {count} rules"), "packets/s", &asked);
        }
        cached.print(&format!("10 flows, {count} rules"), "packets/s", &[]);
    }
    let of = |count: usize| {
        let values: Vec<f64> = least.iter().filter(|(n, _)| *n == count).map(|(_, hits)| *hits).collect();
        report::median(&values)
    };
    if let (Some(few), Some(&most)) = (of(10), sizes.last())
        && let Some(many) = of(most)
    {
        let ratio = many / few;
        report::line(&format!(
            "\nThroughput of netloom with {most} rules: {ratio:.2}x of that with 10 ({}).",
            Asked::AtLeast(0.5, 0.9).verdict(ratio)
        ));
    }
    Ok(())
}

/// Flow mods of a rule for each flow that the agent sends.
fn exact(count: usize) -> Vec<Vec<u8>> {
    let actions = wire::output(2);
    let number = |n: usize| u64::try_from(n).unwrap_or(0);
    let rule = |n: usize| {
        let demands = [
            (Field::EthType, 0x0800, None),
            (Field::IpProto, 17, None),
            (Field::Ipv4Dst, 0x0a00_0002, None),
            (Field::UdpSrc, u64::from(SOURCE) + number(n / PORTS), None),
            (Field::UdpDst, u64::from(FIRST) + number(n % PORTS), None),
        ];
        wire::add_flow(100, &demands, &actions)
    };
    (0..count).map(rule).collect()
}

/// Packets per second that arrive of so many flows sent one after the other.
fn received(bed: &Bed, flows: usize, more: &str) -> Result<f64, Failed> {
    let before = bed.arrived(1)?;
    let sent = bed.hosts[0].agent(&format!("udp-scatter 10.0.0.2 {SECONDS} {flows}{more}"))?.result()?;
    let seconds = sent["seconds"].as_f64().unwrap_or(SECONDS);
    Ok((bed.arrived(1)? - before) / seconds)
}
