//! Whether a result is what a sentence wants, and how to say so.

use netloom_flow::{Nanos, Probability};

use super::probe::{PairResult, ProbeKind, ProbeResult, ReachResult};
use super::trial::Culprit;
use super::{Check, CommandCheck, Measure, Measured, ReachCheck};
use crate::quantity;

/// How many lines explain a failure at most.
const MAX_LINES: usize = 8;

/// One result, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) holds: bool,
    /// The right column: what was measured.
    pub(super) measured: String,
    /// Why not.
    pub(super) explain: Vec<String>,
    /// The pairs that do not hold, to be tried again.
    pub(super) failing: Vec<(u32, u32)>,
    /// The first packet that did not fare as it should.
    pub(super) culprit: Option<Culprit>,
}

impl Judged {
    fn fails(measured: &str, explain: Vec<String>) -> Self {
        Self { holds: false, measured: measured.to_owned(), explain, failing: Vec::new(), culprit: None }
    }
}

/// Judges a result. `names` are the senders and targets of the sentence, `total` how many entries the first
/// attempt had: a later one asks only for what failed.
pub(super) fn judge(
    check: &Check,
    result: &ProbeResult,
    names: (&[String], &[String]),
    total: usize,
) -> Judged {
    match (check, result) {
        (_, ProbeResult::Impossible(why)) => Judged::fails("impossible to tell", vec![why.clone()]),
        (Check::Reach(check), ProbeResult::Reach(result)) => reach(check, result, names, total),
        (Check::Measure(check), ProbeResult::Measure { value, sent }) => measure(check, *value, *sent),
        (Check::NoLoops, ProbeResult::Loops { found, watched }) => match found {
            Some(place) => Judged::fails("a loop", vec![format!("a frame came round at {place}")]),
            None if *watched == 0 => {
                Judged::fails("impossible to tell", vec!["no frame could be sent to watch".to_owned()])
            }
            None => holds(format!("{watched} frames watched")),
        },
        (Check::Command(check), ProbeResult::Command { exit, output }) => command(check, *exit, output),
        _ => Judged::fails("impossible to tell", vec!["the answer does not fit the question".to_owned()]),
    }
}

fn holds(measured: String) -> Judged {
    Judged { holds: true, measured, explain: Vec::new(), failing: Vec::new(), culprit: None }
}

fn reach(check: &ReachCheck, result: &ReachResult, names: (&[String], &[String]), total: usize) -> Judged {
    if result.pairs.is_empty() {
        let why = match check.over {
            Some(family) => format!("no two of them have an {family} address each"),
            None => "no two of them have an address of the same family each".to_owned(),
        };
        return Judged::fails("impossible to tell", vec![why]);
    }
    let mut failing: Vec<_> = Vec::new();
    let (mut explain, mut culprit) = (Vec::new(), None);
    for pair in &result.pairs {
        if let Some(why) = problem(check, pair) {
            failing.push((pair.from, pair.to));
            if (pair.arrived == 0) == check.can && pair.sent > 0 {
                culprit.get_or_insert_with(|| culprit_of(pair, names));
            }
            if explain.len() < MAX_LINES {
                explain.push(describe(pair, names, &why));
            }
        }
    }
    let wrong = failing.len();
    if wrong > MAX_LINES {
        explain.push(format!("and {} more", wrong - MAX_LINES));
    }
    failing.sort_unstable();
    failing.dedup();
    let measured = if check.can { reached(check, result, wrong, total) } else { isolated(result) };
    Judged { holds: failing.is_empty(), measured, explain, failing, culprit }
}

fn culprit_of(pair: &PairResult, (from, to): (&[String], &[String])) -> Culprit {
    let name = |list: &[String], i: u32| list.get(i as usize).cloned().unwrap_or_default();
    let (from, to, arrived) = (name(from, pair.from), name(to, pair.to), pair.arrived > 0);
    Culprit { from, to, kind: pair.kind, family: pair.family, arrived }
}

/// What is wrong with a pair, if anything.
fn problem(check: &ReachCheck, pair: &PairResult) -> Option<String> {
    if pair.sent == 0 {
        return Some("nothing could be sent".to_owned());
    }
    if !check.can {
        return (pair.arrived > 0).then(|| format!("{} of {} sent arrived", pair.arrived, pair.sent));
    }
    if pair.arrived == 0 {
        return Some(format!("{} sent, 0 arrived", pair.sent));
    }
    if let Some(bound) = check.rtt {
        match pair.rtt {
            None => return Some("it arrived, but no answer came back to time".to_owned()),
            Some(rtt) if !bound.holds(rtt.0) => return Some(format!("the rtt is {}", show_time(rtt))),
            Some(_) => {}
        }
    }
    let loss = loss_of(pair);
    match check.loss {
        Some(bound) if !bound.holds(loss) => Some(format!("{} are lost", show_share(loss))),
        _ => None,
    }
}

fn loss_of(pair: &PairResult) -> u64 {
    let lost = u64::from(pair.sent.saturating_sub(pair.arrived));
    lost * u64::from(Probability::ONE.0) / u64::from(pair.sent.max(1))
}

fn describe(pair: &PairResult, (from, to): (&[String], &[String]), why: &str) -> String {
    let name = |list: &[String], i: u32| list.get(i as usize).cloned().unwrap_or_default();
    let kind = match pair.kind {
        ProbeKind::Icmp => "icmp".to_owned(),
        ProbeKind::Tcp(port) => format!("tcp/{port}"),
        ProbeKind::Udp(port) => format!("udp/{port}"),
        ProbeKind::Broadcast => "broadcast".to_owned(),
    };
    let mut text =
        format!("{} -> {} {kind} {}: {why}", name(from, pair.from), name(to, pair.to), pair.family);
    if let Some(lost) = &pair.lost {
        let mut add = |lead: &str, what: &Option<String>| {
            if let Some(what) = what {
                text.push_str(&format!(", {lead}{what}"));
            }
        };
        add("", &lost.error);
        add("last seen at ", &lost.last_hop);
        add("dropped: ", &lost.drop);
    }
    text
}

/// `0.8 ms` of one pair, `12 of 12 pairs, slowest 1.2 ms` of many.
fn reached(check: &ReachCheck, result: &ReachResult, wrong: usize, total: usize) -> String {
    let slowest = result.pairs.iter().filter_map(|p| p.rtt).max();
    let mut words = Vec::new();
    let count = total.max(result.pairs.len());
    if wrong > 0 || count > 2 {
        let some_only_arrived =
            result.pairs.iter().any(|pair| pair.arrived > 0 && problem(check, pair).is_some());
        let what = if some_only_arrived { "as asked" } else { "arrived" };
        words.push(format!("{} of {count} probes {what}", count - wrong));
    }
    if check.loss.is_some() {
        let worst = result.pairs.iter().map(loss_of).max().unwrap_or(0);
        words.push(format!("{} lost", show_share(worst)));
    }
    if let Some(rtt) = slowest.filter(|_| wrong == 0) {
        words.push(if count > 2 { format!("slowest {}", show_time(rtt)) } else { show_time(rtt) });
    }
    if words.is_empty() { "reached".to_owned() } else { words.join(", ") }
}

/// `96 sent, 0 arrived, 96 dropped: tenant`
fn isolated(result: &ReachResult) -> String {
    let sent: u64 = result.pairs.iter().map(|p| u64::from(p.sent)).sum();
    let arrived: u64 = result.pairs.iter().map(|p| u64::from(p.arrived)).sum();
    let mut text = format!("{sent} sent, {arrived} arrived");
    if let Some((reason, count)) = result.drops.iter().max_by_key(|(_, count)| *count).filter(|(_, c)| *c > 0)
    {
        text.push_str(&format!(", {count} dropped: {reason}"));
    }
    text
}

fn measure(check: &Measure, value: u64, sent: u64) -> Judged {
    if sent == 0 {
        return Judged::fails("impossible to tell", vec!["nothing could be sent".to_owned()]);
    }
    let shown = match check.what {
        Measured::Throughput => format!("{} for {}", show_rate(value), show_span(check.duration)),
        Measured::Rtt => format!("{} median", show_time(Nanos(value))),
        Measured::Jitter => show_time(Nanos(value)),
        Measured::Loss => show_share(value),
    };
    let holds = check.bound.holds(value);
    let explain = if holds { Vec::new() } else { vec![format!("measured {shown}")] };
    Judged { holds, measured: shown, explain, failing: Vec::new(), culprit: None }
}

fn command(check: &CommandCheck, exit: Option<u8>, output: &str) -> Judged {
    let mut explain = Vec::new();
    match exit {
        Some(code) if code == check.exit => {}
        Some(code) => explain.push(format!("it ended with {code}, not {}", check.exit)),
        None => explain.push("it was ended by a signal, or took too long".to_owned()),
    }
    if let Some(wanted) = check.prints.as_ref().filter(|wanted| !output.contains(wanted.trim())) {
        explain.push(format!("it did not print \"{}\"", wanted.trim()));
    }
    if !explain.is_empty() {
        let tail: Vec<_> = output.lines().rev().take(4).collect();
        explain.extend(tail.into_iter().rev().map(|line| format!("| {}", shorten(line, 160))));
    }
    let measured = exit.map_or("ended".to_owned(), |code| format!("exit {code}"));
    Judged { holds: explain.is_empty(), measured, explain, failing: Vec::new(), culprit: None }
}

fn shorten(line: &str, most: usize) -> String {
    line.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// `0.42 ms`, `12.1 ms`, `1.2 s`: three digits.
pub(super) fn show_time(time: Nanos) -> String {
    if time.0 >= 1_000_000_000 { three(time.0, 1_000_000_000, "s") } else { three(time.0, 1_000_000, "ms") }
}

/// `97.4 Mbit/s`
fn show_rate(rate: u64) -> String {
    match rate {
        1_000_000_000.. => three(rate, 1_000_000_000, "Gbit/s"),
        1_000_000.. => three(rate, 1_000_000, "Mbit/s"),
        _ => three(rate, 1_000, "kbit/s"),
    }
}

fn show_span(time: Nanos) -> String {
    let text = quantity::show_duration(time);
    let digits = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    format!("{number} {unit}")
}

fn show_share(parts: u64) -> String {
    three(parts, 10_000_000, "%").replace(" %", "%")
}

/// A value in `unit`s of `scale`, with three digits or all of the whole part.
fn three(value: u64, scale: u64, unit: &str) -> String {
    let thousandths = u128::from(value) * 1_000 / u128::from(scale);
    let (whole, rest) = (thousandths / 1_000, thousandths % 1_000);
    match whole {
        0 => format!("0.{rest:03} {unit}"),
        1..=9 => format!("{whole}.{:02} {unit}", rest / 10),
        10..=99 => format!("{whole}.{} {unit}", rest / 100),
        _ => format!("{whole} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_three_digits() {
        assert_eq!(show_time(Nanos(420_000)), "0.420 ms");
        assert_eq!(show_time(Nanos(12_130_000)), "12.1 ms");
        assert_eq!(show_time(Nanos::from_millis(1234)), "1.23 s");
        assert_eq!(show_rate(97_430_000), "97.4 Mbit/s");
        assert_eq!(show_rate(941_000_000), "941 Mbit/s");
        assert_eq!(show_share(1_000_000), "0.100%");
        assert_eq!(show_span(Nanos::from_secs(2)), "2 s");
    }
}
