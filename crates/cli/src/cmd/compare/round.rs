//! One round: a lab with the peer, the node added to it, its load, its end.

use netloom_api::{ApiError, Command, ErrorKind, Family, Measurement, Reply};

use super::host::{Taken, on_disk, taken};
use super::kind::{As, Subject};
use crate::client::{Client, Patience, now};
use crate::cmd::run::tag;
use crate::exit::Failure;
use crate::lifecycle::{self, unexpected};

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) boot_ms: f64,
    pub(super) memory: f64,
    pub(super) disk: f64,
    pub(super) out_bps: f64,
    pub(super) in_bps: f64,
    pub(super) rtt_ms: f64,
    pub(super) cpu_s_per_gb: f64,
}

/// Round trips that are measured.
const PINGS: u32 = 100;
/// How often it is looked whether it reaches its peer, some second each.
const TRIES: u32 = 10;

/// Boots the node as a kind, measures it, and ends it again, whatever happens.
///
/// # Errors
/// It cannot be had as this kind, or does not answer.
pub(super) fn run(
    subject: &Subject,
    kind: As,
    seconds: u32,
    patience: &mut Patience,
) -> Result<Round, Failure> {
    let labs = subject.labs(kind, &tag());
    let labs = labs.map_err(|why| Failure::from(ApiError::new(ErrorKind::Failed, why)))?;
    let up = lifecycle::up(&labs.first, false, None, patience, &mut |_| ())?;
    let alone = match &labs.alone {
        Some(alone) => lifecycle::up(alone, false, None, patience, &mut |_| ()).map(drop),
        None => Ok(()),
    };
    let measured = alone.and_then(|()| measure(&up.client, &labs.beside, seconds, patience));
    // What it has written is its own, too.
    let ended = lifecycle::end_with(&up.client, true);
    let measured = measured?;
    ended?;
    Ok(measured)
}

fn measure(
    client: &Client,
    beside: &crate::labfile::LabText,
    seconds: u32,
    patience: &mut Patience,
) -> Result<Round, Failure> {
    let daemon = daemon(client)?;
    let before = taken(daemon);
    let start = now();
    let up = lifecycle::up(beside, false, None, patience, &mut |_| ())?;
    if let Some(note) = up.applied.notes.first() {
        return Err(ApiError::new(ErrorKind::Failed, note.clone()).into());
    }
    first_answer(client, patience)?;
    let boot_ms = now().duration_since(start).as_secs_f64() * 1e3;
    let memory = taken(daemon).memory - before.memory;
    let rtt_ms = round_trip(client, PINGS, patience)?.unwrap_or(f64::NAN);
    let Taken { cpu_s, .. } = taken(daemon);
    let mut load = |from: &str, to: &str| bulk(client, from, to, seconds, patience);
    let (out, back) = (load("it", "peer")?, load("peer", "it")?);
    let spent = taken(daemon).cpu_s - cpu_s;
    let gigabytes = (out.bytes + back.bytes) / 1e9;
    let disk = disk(client, daemon);
    let cpu_s_per_gb = spent / gigabytes.max(f64::MIN_POSITIVE);
    Ok(Round { boot_ms, memory, disk, out_bps: out.bps, in_bps: back.bps, rtt_ms, cpu_s_per_gb })
}

/// Waits until it reaches its peer: the cable of a card is seen some time after its interface is up.
fn first_answer(client: &Client, patience: &mut Patience) -> Result<(), Failure> {
    let mut seen = Ok(None);
    for _ in 0..TRIES {
        seen = round_trip(client, 1, patience);
        match &seen {
            Ok(None) => {}
            Ok(Some(_)) => return Ok(()),
            Err(failure) if failure.error.kind == ErrorKind::Cancelled => break,
            Err(_) => {}
        }
    }
    seen?;
    Err(ApiError::new(ErrorKind::Failed, "It does not reach its peer.").into())
}

fn daemon(client: &Client) -> Result<u32, Failure> {
    match client.ask(&Command::Status)? {
        Reply::Labs(rows) => rows.first().and_then(|row| row.pid).ok_or_else(|| {
            ApiError::new(ErrorKind::Internal, "The lab's daemon does not say its number.").into()
        }),
        other => Err(unexpected(&other).into()),
    }
}

/// Milliseconds, the mean; `None`: nothing came back.
fn round_trip(client: &Client, count: u32, patience: &mut Patience) -> Result<Option<f64>, Failure> {
    let pair = Some(("it".to_owned(), "peer".to_owned()));
    let command = Command::Ping { pair, family: Family::Ipv4, count, every: true };
    match client.work(&command, patience, &mut |_| ())? {
        Reply::Pings(report) => {
            let row = report.rows.into_iter().next().unwrap_or_default();
            match (row.avg_ms, row.reason) {
                (None, Some(why)) => Err(ApiError::new(ErrorKind::Failed, format!("{why}.")).into()),
                (mean, _) => Ok(mean),
            }
        }
        other => Err(unexpected(&other).into()),
    }
}

/// A TCP connection that was measured.
struct Bulk {
    /// Bits per second that arrived.
    bps: f64,
    /// Bytes that arrived.
    bytes: f64,
}

fn bulk(
    client: &Client,
    from: &str,
    to: &str,
    seconds: u32,
    patience: &mut Patience,
) -> Result<Bulk, Failure> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let command = Command::Measure { from, to, what: Measurement::Tcp, seconds };
    match client.work(&command, patience, &mut |_| ())? {
        Reply::Measured(row) => {
            Ok(Bulk { bps: row.received_bps, bytes: row.received_bps * row.seconds / 8.0 })
        }
        other => Err(unexpected(&other).into()),
    }
}

/// Bytes that the lab's nodes have written.
fn disk(client: &Client, daemon: u32) -> f64 {
    let lab = client.home().lab();
    let Some(data) = netloom_daemon::data_dir() else { return 0.0 };
    let folders = [data.join("containers").join(format!("{lab}.{daemon}")), data.join("disks").join(lab)];
    folders.iter().map(|folder| on_disk(folder)).sum()
}
