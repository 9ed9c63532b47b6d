//! What the number of rules and the number of flows cost a packet: the first of a flow, and those that follow.

use super::bed::{Bed, PEERS};
use super::flow_mods::{additions, stream};
use super::rules::Kind;
use super::wire::{self, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{Asked, Series};
use crate::run::Failed;

const SECONDS: f64 = 2.0;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, quick: bool) -> Result<(), Failed> {
    let sizes: &[usize] = if quick { &[10, 1_000] } else { &[10, 1_000, 100_000] };
    for &count in sizes {
        let rules = stream(&additions(Kind::Firewall, count));
        let (mut new, mut cached) = (Series::default(), Series::default());
        for round in 1..=rounds {
            for peer in PEERS {
                eprintln!("misses: {count} rules, round {round} of {rounds}, {}", peer.name());
                let bed = Bed::up(peer)?;
                bed.know_neighbours()?;
                let mut client = bed.connect()?;
                client.carry_out(
                    &[wire::message(kind::FLOW_MOD, 1, &wire::delete_all()), rules.clone()].concat(),
                )?;
                let rest = wire::add_flow(1, &[], &wire::output(2));
                client.carry_out(&wire::message(kind::FLOW_MOD, 2, &rest))?;
                cached.add(peer, received(&bed, 10)?);
                new.add(peer, received(&bed, 1_000_000)?);
            }
        }
        let asked = [(Peer::Ovs, Asked::AtLeast(3.0, 12.0))];
        new.print(&format!("New flows, {count} firewall rules"), "packets/s", &asked);
        cached.print(&format!("10 flows, {count} firewall rules"), "packets/s", &[]);
    }
    Ok(())
}

/// Packets per second that arrive of so many flows sent one after the other, over and over.
fn received(bed: &Bed, flows: usize) -> Result<f64, Failed> {
    let before = bed.arrived(1)?;
    bed.hosts[0].agent(&format!("udp-scatter 10.0.0.2 {SECONDS} {flows}"))?.result()?;
    Ok((bed.arrived(1)? - before) / SECONDS)
}
