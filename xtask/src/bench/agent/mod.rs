//! The generator and receiver that every peer is measured with. It runs inside a host's network namespace and
//! prints one line of JSON.

mod delay;
mod gap;
mod rr;
mod tcp;
mod udp;

use std::net::SocketAddr;

use clap::Subcommand;
use serde_json::Value;

use crate::run::Failed;

/// What the agent does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Agent {
    /// Accept one connection and read it to its end, or for a while.
    TcpReceive {
        /// Where to listen.
        listen: SocketAddr,
        /// What comes in the first seconds does not count.
        #[arg(long, default_value_t = 0.0)]
        skip: f64,
        /// Seconds that count; to its end if not given.
        #[arg(long)]
        seconds: Option<f64>,
    },
    /// Connect and write for a while.
    TcpSend {
        /// The receiver.
        to: SocketAddr,
        /// For how long, in seconds.
        seconds: f64,
    },
    /// Count datagrams for a while.
    UdpReceive {
        /// Where to listen.
        listen: SocketAddr,
        /// For how long after the first datagram, in seconds.
        seconds: f64,
    },
    /// Wait for datagrams for a while; print the longest time without one.
    GapReceive {
        /// Where to listen.
        listen: SocketAddr,
        /// For how long after the first datagram, in seconds.
        seconds: f64,
    },
    /// Send datagrams as fast as possible, or at a rate.
    UdpSend {
        /// The receiver.
        to: SocketAddr,
        /// For how long, in seconds.
        seconds: f64,
        /// Payload bytes.
        #[arg(long, default_value_t = 18)]
        size: usize,
        /// Datagrams that leave in one super-packet.
        #[arg(long, default_value_t = 1)]
        together: usize,
        /// Datagrams per second; as fast as possible if not given.
        #[arg(long)]
        rate: Option<u64>,
    },
    /// Answer every byte with a byte.
    RrServe {
        /// Where to listen.
        listen: SocketAddr,
        /// Pin to this CPU.
        #[arg(long)]
        cpu: Option<usize>,
    },
    /// Send a byte, await a byte, again and again.
    RrAsk {
        /// The server.
        to: SocketAddr,
        /// For how long, in seconds.
        seconds: f64,
        /// Pin to this CPU.
        #[arg(long)]
        cpu: Option<usize>,
    },
    /// Receive datagrams that carry their send time; print quantiles of the one-way delay.
    DelayReceive {
        /// Where to listen.
        listen: SocketAddr,
        /// Until nothing came for this long, in seconds.
        idle: f64,
    },
    /// Send datagrams that carry their send time, evenly spaced.
    DelaySend {
        /// The receiver.
        to: SocketAddr,
        /// For how long, in seconds.
        seconds: f64,
        /// Datagrams per second.
        rate: u64,
        /// Sleep between two of them, so that the processor is left to others.
        #[arg(long)]
        rest: bool,
    },
}

/// Runs the agent and prints its result.
///
/// # Errors
/// [`Failed::Check`] with what the system said.
pub(crate) fn run(agent: &Agent) -> Result<(), Failed> {
    let outcome = match agent {
        Agent::TcpReceive { listen, skip, seconds } => tcp::receive(*listen, *skip, *seconds),
        Agent::TcpSend { to, seconds } => tcp::send(*to, *seconds),
        Agent::UdpReceive { listen, seconds } => udp::receive(*listen, *seconds),
        Agent::GapReceive { listen, seconds } => gap::receive(*listen, *seconds),
        Agent::UdpSend { to, seconds, size, together, rate } => {
            udp::send(*to, *seconds, (*size, (*together).max(1)), *rate)
        }
        Agent::RrServe { listen, cpu } => rr::serve(*listen, *cpu),
        Agent::RrAsk { to, seconds, cpu } => rr::ask(*to, *seconds, *cpu),
        Agent::DelayReceive { listen, idle } => delay::receive(*listen, *idle),
        Agent::DelaySend { to, seconds, rate, rest } => delay::send(*to, *seconds, *rate, *rest),
    };
    let line: Value = outcome.map_err(|e| Failed::Check(format!("{agent:?}: {e}")))?;
    println!("{line}");
    Ok(())
}

/// Seconds on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the bench measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Sleeps for some seconds, or not at all.
#[expect(clippy::disallowed_methods, reason = "a pace")]
fn rest(seconds: f64) {
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds.max(0.0)));
}

/// Pins this thread to one CPU.
fn pin(cpu: Option<usize>) -> nix::Result<()> {
    let Some(cpu) = cpu else { return Ok(()) };
    let mut set = nix::sched::CpuSet::new();
    set.set(cpu)?;
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)
}

/// The `q`-quantile of `sorted`, 0 if empty.
fn quantile(sorted: &[u64], q: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * q).round() as usize;
    sorted.get(at).copied().unwrap_or(0)
}
