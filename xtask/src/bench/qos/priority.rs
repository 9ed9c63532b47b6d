//! One-way delay through the queue that comes first, alone and beside a full one, and of the same through the
//! kernel's HTB.
//!
//! Datagrams leave every 2 ms, so that they do not wait for each other; the kernel stamps when they arrive. The other
//! queue is filled by TCP: of another host with netloom, of the same host with HTB, which shapes what a host sends.

use super::Span;
use super::bed::{Bed, PLAIN, QUEUES, Stream, number};
use super::htb::{Class, Htb};
use crate::bench::report::{self, Asked};
use crate::bench::shell::Netns;
use crate::bench::wait;
use crate::run::Failed;

const PORTS: [u32; 4] = [10, 100, 500, 1000];
/// Datagrams a second.
const PACE: u32 = 500;
/// The stream that fills the other queue has begun long enough before.
const FILLED: f64 = 0.7;

/// Median and 99th percentile of the delay, in microseconds: of each round.
#[derive(Debug, Default)]
struct Delays {
    idle: Vec<(f64, f64)>,
    full: Vec<(f64, f64)>,
}

pub(super) fn run(span: Span) -> Result<(), Failed> {
    report::table(
        "One-way delay through the first queue while another stream fills the second",
        &[
            "port",
            "who",
            "idle p50 us",
            "idle p99 us",
            "full p50 us",
            "full p99 us",
            "full p99, min .. max",
            "p99 full / idle",
            "asked",
        ],
    );
    for mbit in PORTS {
        let (mut ours, mut theirs) = (Delays::default(), Delays::default());
        for round in 1..=span.rounds {
            eprintln!("priority: {mbit} Mbit/s, round {round} of {}", span.rounds);
            netloom(mbit, span, &mut ours)?;
            htb(mbit, span, &mut theirs)?;
        }
        print(mbit, "netloom", &ours, true);
        print(mbit, "kernel HTB", &theirs, false);
    }
    Ok(())
}

fn netloom(mbit: u32, span: Span, delays: &mut Delays) -> Result<(), Failed> {
    let bed = Bed::up()?;
    bed.set(&format!("{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 0: {{ priority: 1 }}, 1: {{}} }} }} }}"))?;
    let [one, two, three] = &bed.hosts;
    both([one, two, three], span, delays)
}

/// The first class is guaranteed a tenth, and the second the rest: HTB knows no class without a rate.
fn htb(mbit: u32, span: Span, delays: &mut Delays) -> Result<(), Failed> {
    let tenth = mbit / 10;
    let peer = Htb::up(
        mbit,
        &[
            Class { number: 0, rate: mbit - tenth, priority: 1 },
            Class { number: 1, rate: tenth, priority: 0 },
        ],
    )?;
    let [one, two] = &peer.bed.hosts;
    both([one, two, one], span, delays)
}

/// From the first host to the second, alone and while the third one sends there, too.
fn both([one, two, three]: [&Netns; 3], span: Span, delays: &mut Delays) -> Result<(), Failed> {
    delays.idle.push(delay(one, two, span.seconds)?);
    let filler = Stream::start(three, two, PLAIN, FILLED, span.seconds + 1.0)?;
    wait(FILLED);
    delays.full.push(delay(one, two, span.seconds)?);
    drop(filler);
    Ok(())
}

fn delay(from: &Netns, to: &Netns, seconds: f64) -> Result<(f64, f64), Failed> {
    let port = QUEUES + 1;
    let receiver = to.agent(&format!("delay-receive 10.0.0.2:{port} 0.3"))?;
    // The receiver must listen before the first one comes.
    wait(0.1);
    from.agent(&format!("delay-send 10.0.0.2:{port} {seconds} {PACE} --rest"))?.result()?;
    let got = receiver.result()?;
    Ok((number(&got, "p50_ns") / 1e3, number(&got, "p99_ns") / 1e3))
}

fn print(mbit: u32, who: &str, delays: &Delays, is_ours: bool) {
    let middle = |values: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| {
        report::median(&values.iter().map(of).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let pairs = delays.idle.iter().zip(&delays.full);
    let ratios: Vec<f64> = pairs.map(|((_, idle), (_, full))| full / idle).collect();
    let ratio = report::median(&ratios).unwrap_or(0.0);
    let most: Vec<f64> = delays.full.iter().map(|(_, p99)| *p99).collect();
    report::row(&[
        &format!("{mbit} Mbit/s"),
        who,
        &report::short(middle(&delays.idle, |(p50, _)| *p50)),
        &report::short(middle(&delays.idle, |(_, p99)| *p99)),
        &report::short(middle(&delays.full, |(p50, _)| *p50)),
        &report::short(middle(&delays.full, |(_, p99)| *p99)),
        &report::spread(&most),
        &format!("{ratio:.2}x"),
        &if is_ours { Asked::AtMost(2.0, 1.5).verdict(ratio) } else { String::new() },
    ]);
}
