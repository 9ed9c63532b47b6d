//! Shares of three TCP streams that each want the whole port, and of the same through the kernel's HTB.

use super::bed::{Bed, QUEUES, Stream, measured};
use super::htb::{Class, Htb};
use super::{Span, percent};
use crate::bench::report::{self, Asked};
use crate::bench::shell::Netns;
use crate::run::Failed;

const PORTS: [u32; 3] = [10, 100, 500];
/// What each of them is promised of the port.
const TENTHS: [u32; 3] = [6, 3, 1];

pub(super) fn run(span: Span) -> Result<(), Failed> {
    report::table(
        "Guarantees while three TCP streams each want the whole port",
        &["port", "who", "promised Mbit/s", "median Mbit/s", "min .. max", "below the promise %", "asked"],
    );
    for mbit in PORTS {
        let shares = TENTHS.map(|tenths| mbit / 10 * tenths);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=span.rounds {
            eprintln!("guarantees: {mbit} Mbit/s, round {round} of {}", span.rounds);
            ours.push(netloom(mbit, shares, span)?);
            theirs.push(htb(mbit, shares, span)?);
        }
        for (who, rounds, is_ours) in [("netloom", &ours, true), ("kernel HTB", &theirs, false)] {
            print(mbit, who, shares, rounds, is_ours);
        }
    }
    Ok(())
}

fn netloom(mbit: u32, [a, b, c]: [u32; 3], span: Span) -> Result<Vec<f64>, Failed> {
    let bed = Bed::up()?;
    bed.set(&format!(
        "{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 1: {{ min-rate: {a}Mbit }}, 2: {{ min-rate: {b}Mbit }}, 3: {{ \
         min-rate: {c}Mbit }} }} }} }}"
    ))?;
    let [one, two, _] = &bed.hosts;
    let rates = overload(one, two, span, || bed.queues())?;
    Ok(rates.get(1..).unwrap_or_default().to_vec())
}

fn htb(mbit: u32, shares: [u32; 3], span: Span) -> Result<Vec<f64>, Failed> {
    let class = |(number, rate)| Class { number, rate, priority: 0 };
    let classes: Vec<Class> = (1..).zip(shares).map(class).collect();
    let peer = Htb::up(mbit, &classes)?;
    let [one, two] = &peer.bed.hosts;
    overload(one, two, span, || peer.sent())
}

fn overload(
    one: &Netns,
    two: &Netns,
    span: Span,
    read: impl FnMut() -> Result<Vec<f64>, Failed>,
) -> Result<Vec<f64>, Failed> {
    let (settle, seconds) = (span.settle + 1.0, span.seconds);
    let streams = (1..=3).map(|queue| Stream::start(one, two, QUEUES + queue, settle, seconds));
    let streams: Vec<Stream> = streams.collect::<Result<_, _>>()?;
    let rates = measured(settle, seconds, read)?;
    drop(streams);
    Ok(rates)
}

fn print(mbit: u32, who: &str, shares: [u32; 3], rounds: &[Vec<f64>], is_ours: bool) {
    for (at, promised) in shares.into_iter().enumerate() {
        let values: Vec<f64> =
            rounds.iter().filter_map(|round| round.get(at)).map(|bits| bits / 1e6).collect();
        let middle = report::median(&values).unwrap_or(0.0);
        let below = (-percent(middle, f64::from(promised))).max(0.0);
        report::row(&[
            &format!("{mbit} Mbit/s"),
            who,
            &promised.to_string(),
            &format!("{middle:.2}"),
            &super::bounds(&values),
            &format!("{below:.2}"),
            &if is_ours { Asked::AtMost(3.0, 1.0).verdict(below) } else { String::new() },
        ]);
    }
}
