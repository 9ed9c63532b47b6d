//! Links: how exactly delay and rate are kept, what super-packets change, what waiting packets cost.

use serde_json::Value;

use super::peer::Lab;
use super::report::{self, Asked};
use super::shell::{self, Netns, Running};
use super::{now, wait};
use crate::run::Failed;

/// Ethernet, IPv4 and UDP headers.
const HEADERS: usize = 42;

/// Two hosts and a switch; the link of `h1` is shaped on its way to the switch.
#[derive(Debug)]
struct Bed {
    lab: Lab,
    one: Netns,
    two: Netns,
}

/// Runs the group.
///
/// # Errors
/// [`Failed`] if the lab cannot be brought up or an agent fails.
pub(super) fn run(quick: bool) -> Result<(), Failed> {
    let bed = Bed::up()?;
    delays(&bed, if quick { 2.0 } else { 5.0 })?;
    rates(&bed, if quick { 5.0 } else { 8.0 })?;
    loss(&bed, if quick { 5.0 } else { 10.0 }, if quick { 2 } else { 5 })?;
    memory(&bed)
}

impl Bed {
    fn up() -> Result<Self, Failed> {
        let id = std::process::id();
        let [one, two] = ["l1", "l2"].map(|host| format!("nlb{id}-{host}"));
        let lab = Lab::up(
            "links",
            &format!(
                "netloom: 1\nname: links\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24 }}\n  \
                 h2: {{ netns: {two}, ip: 10.0.0.2/24 }}\nswitches: {{ s1: {{}} }}\nlinks: [h1 -- s1, h2 -- s1]\n"
            ),
        )?;
        lab.verb(&["ping", "h1", "h2"])?;
        Ok(Self { lab, one: Netns::borrowed(&one), two: Netns::borrowed(&two) })
    }

    /// Sets the link from `h1` to the switch.
    fn set(&self, settings: &[&str]) -> Result<(), Failed> {
        self.lab.verb(&[&["link", "h1", "s1", "--forth"], settings].concat()).map(drop)
    }

    /// Packets and bytes that have left the link, lost there, and when that was asked.
    fn counted(&self) -> Result<(f64, f64), Failed> {
        let asked = now();
        let answer = self.lab.json(&["ls", "links"])?;
        let took = asked.elapsed().as_secs_f64();
        let links = answer["links"].as_array().map_or(&[][..], Vec::as_slice);
        let link = links.iter().find(|link| link["a"]["node"] == "h1").unwrap_or(&Value::Null);
        Ok((number(&link["forth"], "bytes"), took / 2.0))
    }
}

/// Delay beyond what was set, at 10,000 packets a second.
fn delays(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "One-way delay beyond what is set, minus the median without delay",
        &["delay", "packets/s", "p50 us", "asked", "p99 us", "asked"],
    );
    for rate in [10_000, 100_000] {
        let plain = number(&delay(bed, None, seconds, rate)?, "p50_ns");
        for ms in [1, 10, 100] {
            let got = delay(bed, Some(ms), seconds, rate)?;
            let error = |key: &str| (number(&got, key) - f64::from(ms) * 1e6 - plain) / 1e3;
            let (p50, p99) = (error("p50_ns"), error("p99_ns"));
            // At 100,000 packets a second nothing is asked; it is an aim.
            let asked = |must, aim, value: f64| match rate {
                10_000 => Asked::AtMost(must, aim).verdict(value.abs()),
                _ => String::new(),
            };
            report::row(&[
                &format!("{ms} ms"),
                &rate.to_string(),
                &report::short(p50),
                &asked(50.0, 10.0, p50),
                &report::short(p99),
                &asked(300.0, 100.0, p99),
            ]);
        }
    }
    Ok(())
}

fn delay(bed: &Bed, ms: Option<u32>, seconds: f64, rate: u32) -> Result<Value, Failed> {
    eprintln!("links: delay {ms:?} ms at {rate} packets/s");
    bed.set(&["--delay", &ms.map_or_else(|| "0ms".to_owned(), |ms| format!("{ms}ms"))])?;
    let receiver = bed.two.agent("delay-receive 10.0.0.2:6001 0.5")?;
    wait(0.1);
    bed.one.agent(&format!("delay-send 10.0.0.2:6001 {seconds} {rate}"))?.result()?;
    let got = receiver.result()?;
    bed.set(&["--delay", "0ms"])?;
    Ok(got)
}

/// The rate of a link whose queue is full, from the bytes that left it.
fn rates(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "Rate of a link with a full queue, from its L2 bytes",
        &["rate", "protocol", "measured Mbit/s", "error %", "asked"],
    );
    for mbit in [1, 10, 100, 1000] {
        // Whole packets of 12 ms each: a longer look at the slowest.
        let seconds = if mbit == 1 { seconds * 2.0 } else { seconds };
        for protocol in ["TCP", "UDP"] {
            eprintln!("links: {mbit} Mbit/s, {protocol}");
            bed.set(&["--rate", &format!("{mbit}Mbit")])?;
            let agents = offer(bed, protocol, f64::from(mbit) * 1e6, seconds + 2.0)?;
            wait(1.0);
            let (start, (before, took)) = (now(), bed.counted()?);
            wait(seconds);
            let (asked, (after, took_after)) = (start.elapsed().as_secs_f64(), bed.counted()?);
            let measured = (after - before) * 8.0 / (asked + took_after - took) / 1e6;
            drop(agents);
            bed.set(&["--rate", "none"])?;
            let error = (measured / f64::from(mbit) - 1.0) * 100.0;
            let verdict = Asked::AtMost(1.0, 0.3).verdict(error.abs());
            report::row(&[
                &format!("{mbit} Mbit/s"),
                protocol,
                &format!("{measured:.3}"),
                &format!("{error:+.2}"),
                &verdict,
            ]);
        }
    }
    Ok(())
}

/// Offers more than `rate` bits per second for a while.
fn offer(bed: &Bed, protocol: &str, rate: f64, seconds: f64) -> Result<[Running; 2], Failed> {
    if protocol == "TCP" {
        let receiver = bed.two.agent("tcp-receive 10.0.0.2:5001")?;
        return Ok([receiver, bed.one.agent(&format!("tcp-send 10.0.0.2:5001 {seconds}"))?]);
    }
    let size = if rate < 5e6 { 200 } else { 1472 };
    #[expect(clippy::cast_precision_loss, reason = "a few hundred bytes")]
    let packets = rate * 1.3 / 8.0 / (size + HEADERS) as f64;
    let receiver = bed.two.agent(&format!("udp-receive 10.0.0.2:5002 {seconds}"))?;
    let line = format!("udp-send 10.0.0.2:5002 {seconds} --size {size} --rate {packets:.0}");
    Ok([receiver, bed.one.agent(&line)?])
}

/// Whether loss is the same to a sender of super-packets.
fn loss(bed: &Bed, seconds: f64, rounds: usize) -> Result<(), Failed> {
    bed.set(&["--delay", "10ms", "--loss", "1%"])?;
    let (mut whole, mut cut) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (values, offloads) in [(&mut whole, "on"), (&mut cut, "off")] {
            eprintln!("links: loss, round {round} of {rounds}, offloads {offloads}");
            let mut ethtool = bed.one.command("ethtool");
            shell::finish("ethtool", ethtool.args(["-K", "eth0", "tso", offloads, "gso", offloads]))?;
            values.push(streams(bed, seconds)?);
        }
    }
    shell::finish("ethtool", bed.one.command("ethtool").args(["-K", "eth0", "tso", "on", "gso", "on"]))?;
    bed.set(&["--delay", "0ms", "--loss", "0%"])?;
    let ratios: Vec<f64> = whole.iter().zip(&cut).map(|(a, b)| a / b).collect();
    let ratio = report::median(&ratios).unwrap_or(0.0);
    report::table(
        "TCP at 1 % loss and 10 ms",
        &["sender", "median Mbit/s of one of 16", "min .. max", "ratio", "asked of its distance from 1"],
    );
    let middle = |values: &[f64]| report::short(report::median(values).unwrap_or(0.0));
    let verdict = Asked::AtMost(0.1, 0.1).verdict((ratio - 1.0).abs());
    report::row(&[
        "super-packets",
        &middle(&whole),
        &report::spread(&whole),
        &format!("{ratio:.2}x"),
        &verdict,
    ]);
    report::row(&["offloads off", &middle(&cut), &report::spread(&cut), "", ""]);
    Ok(())
}

/// Connections at once: one of them loses a packet about ten times a second, too few to tell a tenth from chance.
const STREAMS: u16 = 16;

/// Mbit/s of a connection, of the mean of several that do not get in each other's way.
fn streams(bed: &Bed, seconds: f64) -> Result<f64, Failed> {
    let address = |n| format!("10.0.0.2:{}", 5001 + n);
    let receivers = (0..STREAMS).map(|n| bed.two.agent(&format!("tcp-receive {}", address(n))));
    let receivers = receivers.collect::<Result<Vec<_>, _>>()?;
    let senders = (0..STREAMS).map(|n| bed.one.agent(&format!("tcp-send {} {seconds}", address(n))));
    for sender in senders.collect::<Result<Vec<_>, _>>()? {
        sender.result()?;
    }
    let mut sum = 0.0;
    for receiver in receivers {
        let got = receiver.result()?;
        sum += number(&got, "bytes") * 8.0 / number(&got, "seconds") / 1e6;
    }
    Ok(sum / f64::from(STREAMS))
}

/// What small packets cost that wait for a second.
fn memory(bed: &Bed) -> Result<(), Failed> {
    eprintln!("links: memory");
    bed.set(&["--delay", "1s"])?;
    let pid = bed.lab.pid()?;
    let before = resident(pid);
    let receiver = bed.two.agent("udp-receive 10.0.0.2:5002 3")?;
    let sender = bed.one.agent("udp-send 10.0.0.2:5002 3 --size 22 --rate 100000")?;
    wait(2.5);
    let (held, (queued, _)) = (resident(pid) - before, bed.counted()?);
    let sent = sender.result()?;
    receiver.result()?;
    bed.set(&["--delay", "0ms"])?;
    report::table("100,000 packets/s of 64 bytes over a delay of 1 s", &["what", "value", "asked"]);
    let asked = Asked::AtMost(400.0, 400.0).verdict(held);
    report::row(&["memory of the daemon beyond before", &format!("{held:.0} MB"), &asked]);
    let rate = number(&sent, "packets") / number(&sent, "seconds");
    report::row(&["packets/s as sent", &report::short(rate), ""]);
    report::row(&["bytes that had left the link", &report::short(queued), ""]);
    Ok(())
}

/// Megabytes of memory that a process has.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<f64>().unwrap_or(0.0) / 1000.0
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}
