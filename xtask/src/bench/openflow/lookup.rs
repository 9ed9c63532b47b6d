//! Lookups in sets of rules like those of ClassBench: the first packets of flows, few flows and many.

use super::bed::{Bed, PEERS};
use super::flow_mods::{additions, stream};
use super::generator::{Flood, Flow, Generator};
use super::misses::first_packets;
use super::rules::{self, Kind, Random};
use super::wire::{self, Demand, Field, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked, Series};
use crate::run::Failed;

/// Longest measurement, in seconds.
const SECONDS: f64 = 1.0;
/// Flows whose first packets are counted, at most one for each rule.
const FIRST: usize = 100_000;
/// Flows at once.
const FEW: usize = 10;
const MANY: usize = 10_000;

/// Rules of a kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    kind: Kind,
    name: &'static str,
    /// What a user calls the part of the bench.
    pub(super) group: &'static str,
}

/// All kinds.
pub(super) const SETS: [Set; 3] = [
    Set { kind: Kind::Acl, name: "access list", group: "lookup-acl" },
    Set { kind: Kind::Firewall, name: "firewall", group: "lookup-firewall" },
    Set { kind: Kind::Route, name: "routes", group: "lookup-routes" },
];

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(set: Set, rounds: usize, quick: bool) -> Result<(), Failed> {
    let sizes: &[usize] = if quick { &[10, 100_000] } else { &[10, 1_000, 100_000, 1_000_000] };
    let mut hits: Vec<(usize, f64)> = Vec::new();
    for &count in sizes {
        hits.extend(measure(set, count, rounds)?.into_iter().map(|rate| (count, rate)));
    }
    let of = |count: usize| {
        let values: Vec<f64> = hits.iter().filter(|(n, _)| *n == count).map(|(_, hits)| *hits).collect();
        report::median(&values).unwrap_or(0.0)
    };
    let most = sizes.last().copied().unwrap_or(0);
    let ratio = of(most) / of(sizes[0]);
    report::line(&format!(
        "\nThroughput of netloom, {} of {most} rules: {ratio:.2}x of that with {} ({}).",
        set.name,
        sizes[0],
        Asked::AtLeast(0.5, 0.9).verdict(ratio)
    ));
    Ok(())
}

/// The rates of a few cached flows of netloom, in each round.
fn measure(set: Set, count: usize, rounds: usize) -> Result<Vec<f64>, Failed> {
    let Set { kind: rule_kind, name, .. } = set;
    let messages = stream(&additions(rule_kind, count));
    let flows = flows_of(&rules::make(rule_kind, count), FIRST);
    let clear = wire::message(kind::FLOW_MOD, 1, &wire::delete_all());
    let mut hits = Vec::new();
    let (mut new, mut few, mut many) = (Series::default(), Series::default(), Series::default());
    for round in 1..=rounds {
        for peer in PEERS {
            eprintln!("lookup: {name}, {count} rules, round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            let mut client = bed.connect()?;
            client.carry_out(&clear)?;
            client.carry_out(&messages)?;
            let flow = |n: usize| flows[n % flows.len()];
            if count >= FIRST {
                new.add(peer, first_packets(&bed, flow, FIRST)?);
            }
            let mut generator = Generator::open(&bed.hosts[0])?;
            let mut rate = |count| bed.arriving(1, || generator.flood(flow, &Flood::of(count, SECONDS)));
            let cached = rate(FEW)?;
            few.add(peer, cached);
            many.add(peer, rate(MANY)?);
            if peer == Peer::Netloom {
                hits.push(cached);
            }
        }
    }
    if count >= FIRST {
        let asked = [(Peer::Ovs, Asked::AtLeast(3.0, 12.0))];
        new.print(&format!("First packets of flows, {name} of {count}"), "packets/s", &asked);
    }
    few.print(&format!("{FEW} flows, {name} of {count}"), "packets/s", &[]);
    many.print(&format!("{MANY} flows, {name} of {count}"), "packets/s", &[]);
    Ok(hits)
}

/// Flows that match rules of a set, one each, of rules chosen at random.
pub(super) fn flows_of(rules: &[(u16, Vec<Demand>)], count: usize) -> Vec<Flow> {
    let mut random = Random::new();
    let total = u64::try_from(rules.len()).unwrap_or(1);
    let any = |_: usize| {
        let chosen = usize::try_from(random.below(total)).unwrap_or(0);
        flow_of(&rules[chosen].1, &mut random)
    };
    (0..count).map(any).collect()
}

/// A flow that matches a rule; what the rule leaves open is chosen at random.
fn flow_of(demands: &[Demand], random: &mut Random) -> Flow {
    let mut number = |bits: u32, fixed: Option<(u64, u64)>| {
        let (value, mask) = fixed.unwrap_or((0, 0));
        u32::try_from(value | random.below(1 << bits) & !mask).unwrap_or(0)
    };
    let of = |field: Field, bits: u32| {
        let demand = demands.iter().find(|(known, ..)| *known == field)?;
        Some((demand.1, demand.2.unwrap_or((1 << bits) - 1)))
    };
    let half = |value: u32| u16::try_from(value).unwrap_or(0);
    let protocol = of(Field::IpProto, 8).map_or(17, |(value, _)| u8::try_from(value).unwrap_or(17));
    let port = of(Field::TcpDst, 16).or(of(Field::UdpDst, 16));
    Flow {
        source: number(32, of(Field::Ipv4Src, 32)),
        destination: number(32, of(Field::Ipv4Dst, 32)),
        protocol,
        from: half(number(16, None)),
        to: half(number(16, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_what_its_rule_demands() {
        let mut random = Random::new();
        let demands = [
            (Field::EthType, 0x0800, None),
            (Field::IpProto, 6, None),
            (Field::Ipv4Src, 0x0a01_0000, Some(0xffff_0000)),
            (Field::TcpDst, 443, None),
        ];
        let flows: Vec<Flow> = (0..50).map(|_| flow_of(&demands, &mut random)).collect();
        assert!(flows.iter().all(|flow| flow.source >> 16 == 0x0a01 && (flow.protocol, flow.to) == (6, 443)));
        assert!(flows.iter().any(|flow| flow.source != flows[0].source), "what is open differs");
    }
}
