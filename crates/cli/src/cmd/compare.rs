//! `netloom compare`: what a container, a full and a para-virtual machine make of the same node, measured.
//!
//! ```text
//! lab file, NODE ──kind──► a lab of its own: peer -- s1 -- it     up (peer) ─ up (it, timed) ─ load ─ down
//! ```
//! Every kind has the same files, the image of the node or one tiny root, and the same peer, a host. Rounds go through all
//! kinds, so that what else the machine does is nobody's.

mod host;
mod kind;
mod round;

use netloom_api::{CompareRow, Reply};

use crate::client::Patience;
use crate::exit::{DONE, Failure, MACHINE, Outcome};
use crate::labfile::FileArgs;
use crate::output::{self, Format};
use kind::{As, Subject};

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Each kind is booted in a lab of its own, beside a host, and ended again: nothing is left. A kind that this machine cannot do
is listed with the reason. Boot: until a packet sent in it has been answered. Memory: of all processes around it, what they
share by their share. CPU: of all these processes, for 10^9 bytes that arrived. Exits 4 if no kind can be had. As `vf` it is what
it is in the file, with a virtual function of a network card, past our switch; so has the host beside it.
Examples:  netloom compare web --as container,para --reps 3
           netloom compare web --as vf,para,full,container --pf enp1s0")]
pub(crate) struct Compare {
    /// The node, of the lab file
    node: String,
    /// The kinds
    #[arg(
        long = "as",
        value_name = "KINDS",
        value_enum,
        value_delimiter = ',',
        default_value = "container,full,para"
    )]
    kinds: Vec<As>,
    /// How often each is booted; medians are told
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    reps: u32,
    /// Seconds of load in each direction
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// For `vf`: the card, where the node has no `vf` [default: the first with virtual functions]
    #[arg(long, value_name = "PF")]
    pf: Option<String>,
    #[command(flatten)]
    format: Format,
    #[command(flatten)]
    file: FileArgs,
}

impl Compare {
    pub(crate) fn run(self) -> Outcome {
        let subject = Subject::find(&self.file.read()?, &self.node, self.pf)?;
        let mut patience = Patience::new(None);
        let _must_end = output::MustEnd::new();
        let mut all: Vec<Seen> = self.kinds.iter().map(|kind| Seen::new(*kind)).collect();
        for rep in 1..=self.reps {
            for seen in all.iter_mut().filter(|seen| seen.reason.is_none()) {
                output::note(&format!("{} of {}: {}", rep, self.reps, seen.kind.word()));
                match round::run(&subject, seen.kind, self.seconds, &mut patience) {
                    Ok(round) => seen.rounds.push(round),
                    Err(failure) if failure.error.kind == netloom_api::ErrorKind::Cancelled => {
                        return Err(failure);
                    }
                    Err(failure) => seen.reason = Some(why(&failure)),
                }
            }
        }
        let rows: Vec<CompareRow> = all.iter().map(|seen| seen.row(&subject)).collect();
        let code = if rows.iter().all(|row| row.reason.is_some()) { MACHINE } else { DONE };
        output::reply(&Reply::Compared(rows), self.format)?;
        Ok(code)
    }
}

/// What was seen of a kind.
struct Seen {
    kind: As,
    rounds: Vec<round::Round>,
    reason: Option<String>,
}

impl Seen {
    const fn new(kind: As) -> Self {
        Self { kind, rounds: Vec::new(), reason: None }
    }

    fn row(&self, subject: &Subject) -> CompareRow {
        let of = |value: fn(&round::Round) -> f64| {
            let mut values: Vec<f64> = self.rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bytes, never below zero"
        )]
        let bytes = |value: Option<f64>| value.map(|value| value.max(0.0) as u64);
        CompareRow {
            kind: self.kind.word().to_owned(),
            processor: subject.processor(self.kind).to_owned(),
            reason: self.reason.clone(),
            boot_ms: of(|round| round.boot_ms),
            memory: bytes(of(|round| round.memory)),
            disk: bytes(of(|round| round.disk)),
            out_bps: of(|round| round.out_bps),
            in_bps: of(|round| round.in_bps),
            rtt_ms: of(|round| round.rtt_ms),
            cpu_s_per_gb: of(|round| round.cpu_s_per_gb),
        }
    }
}

/// A failure in one line.
fn why(failure: &Failure) -> String {
    let error = &failure.error;
    let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}{hint}", error.message.trim_end_matches('.'))
}
