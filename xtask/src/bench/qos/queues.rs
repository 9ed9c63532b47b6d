//! The rate of a full queue, and the kernel's HTB.

use super::bed::{Bed, Datagrams, QUEUES, Stream, measured};
use super::htb::{Class, Htb};
use super::{RATES, Span, percent};
use crate::bench::report::{self, Asked};
use crate::run::Failed;

/// What was measured at one rate: by each round.
#[derive(Debug, Default)]
struct Rows {
    tcp: Vec<f64>,
    share: Vec<f64>,
    udp: Vec<f64>,
    offered: Vec<f64>,
    htb: Vec<f64>,
    htb_share: Vec<f64>,
}

pub(super) fn run(span: Span) -> Result<(), Failed> {
    report::table(
        "Rate of a full queue, and what TCP gets of it",
        &[
            "rate",
            "by",
            "median Mbit/s",
            "min .. max",
            "error %",
            "asked",
            "TCP payload of what is possible %",
            "asked",
        ],
    );
    for mbit in RATES {
        let span = span.at(mbit);
        let mut rows = Rows::default();
        {
            let bed = Bed::up()?;
            for round in 1..=span.rounds {
                eprintln!("queues: {mbit} Mbit/s, round {round} of {}", span.rounds);
                ours(&bed, mbit, span, &mut rows)?;
            }
        }
        for _ in 0..span.rounds {
            htb(mbit, span, &mut rows)?;
        }
        print(mbit, &rows);
    }
    Ok(())
}

fn ours(bed: &Bed, mbit: u32, span: Span, rows: &mut Rows) -> Result<(), Failed> {
    let (rate, Span { settle, seconds, .. }) = (f64::from(mbit) * 1e6, span);
    let qos = format!("{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 1: {{}} }} }} }}");
    let [one, two, _] = &bed.hosts;
    bed.set(&qos)?;
    let stream = Stream::start(one, two, QUEUES + 1, settle, seconds)?;
    rows.tcp.extend(measured(settle, seconds, || bed.queued())?.first());
    rows.share.push(stream.share(rate)?);
    bed.set(&qos)?;
    let datagrams = Datagrams::start(one, two, rate * 1.2, settle + seconds + 0.3)?;
    let udp = measured(settle, seconds, || bed.queued())?;
    rows.udp.extend(udp.first());
    // What a host sends and its device has no room for never comes to the queue.
    rows.offered.extend(udp.last());
    datagrams.offered()?;
    Ok(())
}

fn htb(mbit: u32, span: Span, rows: &mut Rows) -> Result<(), Failed> {
    let Span { settle, seconds, .. } = span;
    let peer = Htb::up(mbit, &[Class { number: 0, rate: mbit, priority: 0 }])?;
    let [one, two] = &peer.bed.hosts;
    let stream = Stream::start(one, two, QUEUES + 1, settle, seconds)?;
    rows.htb.extend(measured(settle, seconds, || peer.sent())?);
    rows.htb_share.push(stream.share(f64::from(mbit) * 1e6)?);
    Ok(())
}

fn print(mbit: u32, rows: &Rows) {
    let rate = f64::from(mbit) * 1e6;
    let median = |values: &[f64]| report::median(values).unwrap_or(0.0);
    let carried = median(&rows.offered) >= rate * 1.02;
    let asked = |error: f64| Asked::AtMost(1.0, 0.3).verdict(error);
    let kinds = [
        ("TCP", &rows.tcp, Some(&rows.share), true, true),
        ("UDP", &rows.udp, None, carried, true),
        ("kernel HTB, TCP", &rows.htb, Some(&rows.htb_share), true, false),
    ];
    for (by, values, share, carried, is_ours) in kinds {
        let error = percent(median(values), rate);
        let verdict = match (is_ours, carried) {
            (false, _) => String::new(),
            (true, true) => asked(error.abs()),
            (true, false) => {
                format!("the machine brings {} Mbit/s", report::short(median(&rows.offered) / 1e6))
            }
        };
        let share = share.map(|share| median(share));
        let reaches = share.filter(|_| is_ours).map(|share| Asked::AtLeast(95.0, 99.0).verdict(share));
        let scaled: Vec<f64> = values.iter().map(|bits| bits / 1e6).collect();
        report::row(&[
            &format!("{mbit} Mbit/s"),
            by,
            &format!("{:.3}", median(&scaled)),
            &super::bounds(&scaled),
            &format!("{error:+.2}"),
            &verdict,
            &share.map_or_else(String::new, |share| format!("{share:.1}")),
            &reaches.unwrap_or_default(),
        ]);
    }
}
