//! One round: a lab with the peer, the node added to it, its load, its end.

use netloom_api::{ApiError, Command, ErrorKind, Family, Measurement, NodeRow, Reply};

use super::host::{Taken, on_disk, precise, taken};
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
    let [alone, beside] = labs.map_err(|why| Failure::from(ApiError::new(ErrorKind::Failed, why)))?;
    let up = lifecycle::up(&alone, false, None, patience, &mut |_| ())?;
    let measured = measure(&up.client, &beside, seconds, patience);
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
    let first = round_trip(client, 1, patience)?;
    if first.is_none() {
        return Err(ApiError::new(ErrorKind::Failed, "It does not reach its peer.").into());
    }
    let boot_ms = now().duration_since(start).as_secs_f64() * 1e3;
    let memory = taken(daemon).memory - before.memory;
    let rtt_ms = round_trip(client, PINGS, patience)?.unwrap_or(f64::NAN);
    let (bytes, Taken { cpu_s, .. }) = (carried(client)?, taken(daemon));
    let mut rate = |from: &str, to: &str| bulk(client, from, to, seconds, patience);
    let (out_bps, in_bps) = (rate("it", "peer")?, rate("peer", "it")?);
    let spent = taken(daemon).cpu_s - cpu_s;
    let gigabytes = (carried(client)? - bytes) / 1e9;
    let disk = disk(client, daemon);
    let cpu_s_per_gb = spent / gigabytes.max(f64::MIN_POSITIVE);
    Ok(Round { boot_ms, memory, disk, out_bps, in_bps, rtt_ms, cpu_s_per_gb })
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

/// Bits per second.
fn bulk(
    client: &Client,
    from: &str,
    to: &str,
    seconds: u32,
    patience: &mut Patience,
) -> Result<f64, Failure> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let command = Command::Measure { from, to, what: Measurement::Tcp, seconds };
    match client.work(&command, patience, &mut |_| ())? {
        Reply::Measured(row) => Ok(row.received_bps),
        other => Err(unexpected(&other).into()),
    }
}

/// Bytes that have been on its link.
fn carried(client: &Client) -> Result<f64, Failure> {
    match client.ask(&Command::Ls { what: netloom_api::Listing::Nodes })? {
        Reply::Nodes(rows) => {
            let own = |row: &&NodeRow| row.name == "it";
            let interfaces = rows.iter().filter(own).flat_map(|row| &row.interfaces);
            Ok(interfaces.map(|interface| precise(interface.rx_bytes + interface.tx_bytes)).sum())
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
