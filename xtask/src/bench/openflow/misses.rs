//! What the number of rules and of flows costs a packet: the first of a flow, and those that follow.
//!
//! There is a rule for each flow, so that the first packet of each is one that the caches do not know.

use super::bed::{Bed, PEERS};
use super::flow_mods::stream;
use super::generator::{Flood, Flow, Generator};
use super::wire::{self, Demand, Field, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked, Series};
use crate::run::Failed;

/// Longest measurement, in seconds.
const SECONDS: f64 = 2.0;
/// Rates of first packets that are offered.
const RATES: [Option<f64>; 5] = [Some(75_000.0), Some(100_000.0), Some(150_000.0), Some(250_000.0), None];
/// Fewer flows are over before anything can be measured.
const MANY: usize = 100_000;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, quick: bool) -> Result<(), Failed> {
    let sizes: &[usize] = if quick { &[10, 100_000] } else { &[10, 1_000, 100_000, 1_000_000] };
    let mut least = Vec::new();
    let mut concurrent: Vec<(usize, Series)> =
        [10, 1_000, 10_000, 100_000, 1_000_000].map(|flows| (flows, Series::default())).into();
    for &count in sizes {
        let rules = stream(&exact(count));
        let (mut new, mut cached) = (Series::default(), Series::default());
        for round in 1..=rounds {
            for peer in PEERS {
                eprintln!("misses: {count} rules, round {round} of {rounds}, {}", peer.name());
                let bed = Bed::up(peer)?;
                let mut client = bed.connect()?;
                let clear = wire::message(kind::FLOW_MOD, 1, &wire::delete_all());
                client.carry_out(&clear)?;
                client.carry_out(&rules)?;
                if count >= MANY {
                    new.add(peer, first_packets(&bed, Flow::numbered, count)?);
                }
                let hits = received(&bed, 10)?;
                cached.add(peer, hits);
                if peer == Peer::Netloom {
                    least.push((count, hits));
                }
                if Some(&count) == sizes.last() {
                    for (flows, series) in concurrent.iter_mut().filter(|(flows, _)| *flows <= count) {
                        series.add(peer, received(&bed, *flows)?);
                    }
                }
            }
        }
        if count >= MANY {
            let asked = [(Peer::Ovs, Asked::AtLeast(3.0, 12.0))];
            new.print(&format!("First packets of flows, {count} rules"), "packets/s", &asked);
        }
        cached.print(&format!("10 flows, {count} rules"), "packets/s", &[]);
    }
    let most = sizes.last().copied().unwrap_or(0);
    for (flows, series) in concurrent.iter().filter(|(flows, _)| *flows <= most) {
        series.print(&format!("{flows} flows at once, each with a rule of its own"), "packets/s", &[]);
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

/// What a rule demands that is for one flow alone.
pub(super) fn of_flow(flow: &Flow) -> [Demand; 5] {
    let (from, to) =
        if flow.protocol == 6 { (Field::TcpSrc, Field::TcpDst) } else { (Field::UdpSrc, Field::UdpDst) };
    [
        (Field::EthType, 0x0800, None),
        (Field::IpProto, flow.protocol.into(), None),
        (Field::Ipv4Dst, flow.destination.into(), None),
        (from, flow.from.into(), None),
        (to, flow.to.into(), None),
    ]
}

/// Flow mods of a rule for each of so many flows.
pub(super) fn exact(count: usize) -> Vec<Vec<u8>> {
    let actions = wire::output(2);
    (0..count).map(|n| wire::add_flow(100, &of_flow(&Flow::numbered(n)), &actions)).collect()
}

/// Packets per second that arrive of so many flows sent one after the other.
fn received(bed: &Bed, flows: usize) -> Result<f64, Failed> {
    let mut generator = Generator::open(&bed.hosts[0])?;
    bed.arriving(1, || generator.flood(Flow::numbered, &Flood::of(flows, SECONDS)))
}

/// First packets of flows in a second. A switch that is offered more than it can take may do less than it could, so
/// that each is offered several rates, each to flows of their own; the best counts.
pub(super) fn first_packets(bed: &Bed, flow: impl Fn(usize) -> Flow, count: usize) -> Result<f64, Failed> {
    let mut generator = Generator::open(&bed.hosts[0])?;
    let flows = count / RATES.len();
    let mut best = 0.0_f64;
    for (rate, n) in RATES.into_iter().zip(0..) {
        let flood = Flood { first: n * flows, once: true, rate, ..Flood::of(flows, 10.0) };
        best = best.max(bed.arriving(1, || generator.flood(&flow, &flood))?);
    }
    Ok(best)
}
