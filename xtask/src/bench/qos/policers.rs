//! What a policer lets in, and a meter of Open vSwitch.

use super::bed::{Bed, Datagrams, PLAIN, Stream, measured};
use super::meter::Meter;
use super::{RATES, Span, percent};
use crate::bench::report::{self, Asked};
use crate::bench::shell::Netns;
use crate::bench::{now, wait};
use crate::run::Failed;

/// TCP sends and stops by turns, for up to half a second: this many seconds say what it gets.
const LONG: f64 = 10.0;
const UDP: f64 = 2.0;
/// So many seconds it may take until a burst is gone, where not much more comes than the rate lets pass.
const PATIENCE: f64 = 6.0;

/// What was measured of one of them at one rate: by each round.
#[derive(Debug, Default)]
struct Rows {
    udp: Vec<f64>,
    offered: Vec<f64>,
    tcp: Vec<f64>,
    share: Vec<f64>,
}

pub(super) fn run(span: Span) -> Result<(), Failed> {
    report::table(
        "What a policer lets in with its default burst, and what TCP gets through it",
        &[
            "rate",
            "who",
            "UDP, median Mbit/s",
            "min .. max",
            "error %",
            "asked",
            "TCP, median Mbit/s",
            "min .. max",
            "TCP payload of what is possible %",
            "asked",
        ],
    );
    for mbit in RATES {
        let span = span.at(mbit);
        let (mut ours, mut theirs) = (Rows::default(), Rows::default());
        {
            let bed = Bed::up()?;
            for round in 1..=span.rounds {
                eprintln!("policers: {mbit} Mbit/s, round {round} of {}", span.rounds);
                let [one, two, _] = &bed.hosts;
                let fresh = || bed.set(&format!("{{ h1: {{ police: {{ rate: {mbit}Mbit }} }} }}"));
                fresh()?;
                flood(&bed, mbit, span, &mut ours)?;
                fresh()?;
                tcp(one, two, mbit, span, &mut ours, || bed.left())?;
            }
        }
        for _ in 0..span.rounds {
            // One is gone before the next comes: they have the same names.
            flood_meter(&Meter::up(mbit)?, mbit, span, &mut theirs)?;
            let peer = Meter::up(mbit)?;
            let [one, two] = &peer.bed.hosts;
            tcp(one, two, mbit, span, &mut theirs, || peer.passed())?;
        }
        print(mbit, "netloom", &ours, true);
        print(mbit, "OVS netdev, a meter", &theirs, false);
    }
    Ok(())
}

/// Twice the rate, from when the burst is gone on.
fn flood(bed: &Bed, mbit: u32, span: Span, rows: &mut Rows) -> Result<(), Failed> {
    let [one, two, _] = &bed.hosts;
    let datagrams = Datagrams::start(one, two, f64::from(mbit) * 1e6 * UDP, PATIENCE + span.seconds + 1.0)?;
    let started = now();
    let mut before = bed.left()?;
    while started.elapsed().as_secs_f64() < PATIENCE {
        wait(0.2);
        let after = bed.left()?;
        let [passed, came] = [0, 1].map(|at| after.get(at).zip(before.get(at)).map_or(0.0, |(a, b)| a - b));
        if passed < came * 0.98 {
            break;
        }
        before = after;
    }
    let rates = measured(0.2, span.seconds, || bed.left())?;
    drop(datagrams);
    rows.udp.extend(rates.first());
    // What a host sends and its device has no room for never comes to the policer.
    rows.offered.extend(rates.last());
    Ok(())
}

/// Twice the rate: the burst is gone after half a second.
fn flood_meter(peer: &Meter, mbit: u32, span: Span, rows: &mut Rows) -> Result<(), Failed> {
    let (Span { settle, seconds, .. }, [one, two]) = (span, &peer.bed.hosts);
    let datagrams = Datagrams::start(one, two, f64::from(mbit) * 1e6 * UDP, settle + seconds + 0.3)?;
    rows.udp.extend(measured(settle, seconds, || peer.passed())?);
    rows.offered.push(datagrams.offered()?);
    Ok(())
}

fn tcp(
    one: &Netns,
    two: &Netns,
    mbit: u32,
    span: Span,
    rows: &mut Rows,
    read: impl FnMut() -> Result<Vec<f64>, Failed>,
) -> Result<(), Failed> {
    let (settle, seconds) = (span.settle, LONG);
    let stream = Stream::start(one, two, PLAIN, settle, seconds)?;
    rows.tcp.extend(measured(settle, seconds, read)?.first());
    rows.share.push(stream.share(f64::from(mbit) * 1e6)?);
    Ok(())
}

fn print(mbit: u32, who: &str, rows: &Rows, is_ours: bool) {
    let rate = f64::from(mbit) * 1e6;
    let median = |values: &[f64]| report::median(values).unwrap_or(0.0);
    let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|bits| bits / 1e6).collect() };
    let (udp, tcp) = (scaled(&rows.udp), scaled(&rows.tcp));
    let (error, share) = (percent(median(&rows.udp), rate), median(&rows.share));
    let offered = median(&rows.offered);
    let verdict = match (is_ours, offered >= rate * 1.1) {
        (false, true) => String::new(),
        (true, true) => Asked::AtMost(1.0, 0.3).verdict(error.abs()),
        (_, false) => format!("the machine brings {} Mbit/s", report::short(offered / 1e6)),
    };
    let reaches = if is_ours { Asked::AtLeast(95.0, 98.0).verdict(share) } else { String::new() };
    report::row(&[
        &format!("{mbit} Mbit/s"),
        who,
        &format!("{:.3}", median(&udp)),
        &super::bounds(&udp),
        &format!("{error:+.2}"),
        &verdict,
        &format!("{:.3}", median(&tcp)),
        &super::bounds(&tcp),
        &format!("{share:.1}"),
        &reaches,
    ]);
}
