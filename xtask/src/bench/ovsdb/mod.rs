//! The database server beside Open vSwitch's: transactions per second with nobody and with many looking on, and how long
//! it takes to serve a file with many transactions. And the switch behind it: what a port costs, however many there are, and
//! how long traffic stands still when it is killed and started again.

mod client;
mod log;
mod outage;
mod ports;
mod server;

use client::{Client, Monitors};
use server::{Server, Whose};

use super::report::{self, Asked};
use crate::run::Failed;

/// Monitors that look on.
const MONITORS: usize = 100;
/// Requests of the client that are under way at a time, where it does not wait for each answer.
const IN_FLIGHT: usize = 16;
/// Transactions of the file that is started from.
const LOGGED: usize = 100_000;

/// Runs the parts of the group that are wanted: `transactions`, `start`, `added`, `outage`.
///
/// # Errors
/// [`Failed`] if a server cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, seconds: f64, wanted: impl Fn(&str) -> bool) -> Result<(), Failed> {
    if wanted("transactions") {
        all_transactions(rounds, seconds)?;
    }
    if wanted("start") {
        report::table(
            &format!("OVSDB: from the start of the program until a file of {LOGGED} transactions is served"),
            &["what", "netloom, s", "ovsdb-server, s", "ovsdb-server / netloom", "asked of the ratio"],
        );
        let times = interleaved(rounds, starting)?;
        times.row(&["file"], |ours, theirs| theirs / ours);
    }
    if wanted("added") {
        ports::run()?;
    }
    if wanted("outage") {
        outage::run(rounds)?;
    }
    Ok(())
}

fn all_transactions(rounds: usize, seconds: f64) -> Result<(), Failed> {
    report::table(
        "OVSDB: transactions per second of one client",
        &["monitors", "under way", "netloom", "ovsdb-server", "netloom / ovsdb-server", "asked of the ratio"],
    );
    for (monitors, in_flight) in [(0, 1), (0, IN_FLIGHT), (MONITORS, 1), (MONITORS, IN_FLIGHT)] {
        let rates = interleaved(rounds, |whose| transactions(whose, monitors, in_flight, seconds))?;
        rates.row(&[&monitors.to_string(), &in_flight.to_string()], |ours, theirs| ours / theirs);
    }
    Ok(())
}

/// What both came to, round by round.
struct Both {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

fn interleaved(rounds: usize, mut one: impl FnMut(Whose) -> Result<f64, Failed>) -> Result<Both, Failed> {
    let mut both = Both { ours: Vec::new(), theirs: Vec::new() };
    for _ in 0..rounds {
        both.ours.push(one(Whose::Netloom)?);
        both.theirs.push(one(Whose::Ovs)?);
    }
    Ok(both)
}

impl Both {
    fn row(&self, first: &[&str], ratio: impl Fn(f64, f64) -> f64) {
        let ratios: Vec<f64> =
            self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ratio(*ours, *theirs)).collect();
        let ratio = report::median(&ratios).unwrap_or(0.0);
        let cell = |values: &[f64]| {
            format!("{} ({})", report::short(report::median(values).unwrap_or(0.0)), report::spread(values))
        };
        let (ours, theirs, shown) = (cell(&self.ours), cell(&self.theirs), format!("{ratio:.2}x"));
        let verdict = Asked::AtLeast(3.0, 10.0).verdict(ratio);
        let cells: Vec<&str> = first.iter().copied().chain([&*ours, &*theirs, &*shown, &*verdict]).collect();
        report::row(&cells);
    }
}

/// Transactions per second: each changes a row, counts a number up, and has a comment, as `ovs-vsctl set` does.
fn transactions(whose: Whose, monitors: usize, in_flight: usize, seconds: f64) -> Result<f64, Failed> {
    let server = Server::start(whose, |_| Ok(()))?;
    let mut client = Client::connect(&server.socket())?;
    client.ask(
        r#"["Open_vSwitch",{"op":"insert","table":"Open_vSwitch","row":{"bridges":["named-uuid","b"]}},
           {"op":"insert","table":"Bridge","uuid-name":"b","row":{"name":"br0"}}]"#,
    )?;
    let looking = Monitors::begin(&server.socket(), monitors)?;
    if monitors == 0 {
        // Otherwise its processor is for those who look on.
        client.stay_awake()?;
    }
    let begun = super::now();
    let (mut sent, mut done) = (0, 0);
    while begun.elapsed().as_secs_f64() < seconds {
        while sent - done < in_flight {
            client.send(&format!(
                r#"["Open_vSwitch",{{"op":"update","table":"Bridge","where":[["name","==","br0"]],"row":{{"external_ids":["map",[["n","{sent}"]]]}}}},{{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["next_cfg","+=",1]]}},{{"op":"select","table":"Open_vSwitch","where":[],"columns":["next_cfg"]}},{{"op":"comment","comment":"bench"}}]"#
            ))?;
            sent += 1;
        }
        done += client.receive()?;
    }
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    while done < sent {
        done += client.receive()?;
    }
    if client.refused() {
        return Err(Failed::Check("a transaction of the bench was refused".to_owned()));
    }
    looking.end(done)?;
    Ok(rate)
}

/// Seconds until a large file is served.
fn starting(whose: Whose) -> Result<f64, Failed> {
    let begun = std::cell::Cell::new(super::now());
    let server = Server::start(whose, |file| {
        log::append(file, LOGGED)?;
        begun.set(super::now());
        Ok(())
    })?;
    // It goes into the background when it listens.
    let seconds = begun.get().elapsed().as_secs_f64();
    let mut client = Client::connect(&server.socket())?;
    let count = client.ask(
        r#"["Open_vSwitch",{"op":"select","table":"Queue","where":[["dscp","==",7]],"columns":["dscp"]}]"#,
    )?;
    match count.matches("\"dscp\":7").count() {
        0 => Err(Failed::Check(format!("the file was not read: {}", count.get(..200).unwrap_or(&count)))),
        _ => Ok(seconds),
    }
}
