//! Queues and policing: how exactly rates and guarantees are kept, what TCP gets of them, how long priority waits.
//!
//! Beside them what others have: for queues the kernel's HTB on one end of a veth pair, for policers a meter of Open
//! vSwitch's userspace datapath, which has no queues and whose `ingress_policing_rate` is the kernel's business. Rates
//! are taken from counters of packets as they are on the wire, not from what a program received.

mod bed;
mod guarantees;
mod htb;
mod meter;
mod policers;
mod priority;
mod queues;

use crate::run::Failed;

const RATES: [u32; 5] = [1, 10, 100, 1000, 2000];

/// How long, and how often.
#[derive(Debug, Clone, Copy)]
struct Span {
    rounds: usize,
    /// Of a measurement.
    seconds: f64,
    /// Before it.
    settle: f64,
}

/// A part of the group.
type Part = fn(Span) -> Result<(), Failed>;

/// Runs the parts of the group that are wanted.
///
/// # Errors
/// [`Failed`] if a lab or a peer cannot be brought up, or an agent fails.
pub(super) fn run(rounds: Option<usize>, quick: bool, wanted: impl Fn(&str) -> bool) -> Result<(), Failed> {
    let of = |default, seconds| Span {
        rounds: rounds.unwrap_or(if quick { 1 } else { default }),
        seconds: if quick { seconds / 2.0 } else { seconds },
        settle: 1.0,
    };
    let parts: [(&str, Part, Span); 4] = [
        ("priority", priority::run, of(3, 2.0)),
        ("queues", queues::run, of(2, 4.0)),
        ("policers", policers::run, of(2, 4.0)),
        ("guarantees", guarantees::run, of(3, 2.0)),
    ];
    for (_, part, span) in parts.into_iter().filter(|(name, ..)| wanted(name)) {
        part(span)?;
    }
    Ok(())
}

impl Span {
    /// The same for a rate at which a second has few packets.
    fn at(self, mbit: u32) -> Self {
        Self { seconds: self.seconds * if mbit == 1 { 3.0 } else { 1.0 }, ..self }
    }
}

fn percent(measured: f64, wanted: f64) -> f64 {
    (measured / wanted - 1.0) * 100.0
}

/// The least and the greatest, with three decimals.
fn bounds(values: &[f64]) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{low:.3} .. {high:.3}")
}
