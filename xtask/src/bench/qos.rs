//! Queues and policing: how exactly rates and guarantees are kept, what TCP gets of them, how long priority waits.
//!
//! Beside it the kernel's own HTB, on one end of a veth pair. Rates are taken from the counters of queue or class, which
//! count packets as they are on the wire.

use serde_json::Value;

use super::peer::{Lab, Peer};
use super::report::{self, Asked};
use super::shell::{self, Netns, Running};
use super::{now, wait};
use crate::run::Failed;

/// Payload of a full TCP segment with timestamps, and the frame around it.
const SEGMENT: f64 = 1448.0 / 1514.0;
/// Ethernet, IPv4 and UDP headers.
const HEADERS: f64 = 42.0;
const RATES: [u32; 5] = [1, 10, 100, 1000, 2000];

/// Three hosts at a switch; what goes to `h2` goes by queues that TCP ports choose.
#[derive(Debug)]
struct Bed {
    lab: Lab,
    hosts: [Netns; 3],
}

/// Runs the group.
///
/// # Errors
/// [`Failed`] if the lab cannot be brought up or an agent fails.
pub(super) fn run(quick: bool) -> Result<(), Failed> {
    let seconds = if quick { 2.0 } else { 4.0 };
    let bed = Bed::up()?;
    rates(&bed, seconds)?;
    policing(&bed, seconds)?;
    guarantees(&bed, seconds)?;
    latency(&bed, seconds)
}

fn hosts() -> [String; 3] {
    ["q1", "q2", "q3"].map(|host| format!("nlb{}-{host}", std::process::id()))
}

/// The lab, with what the switch says of its ports.
fn text(qos: &str) -> String {
    let [one, two, three] = hosts();
    format!(
        "netloom: 1\nname: qos\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24 }}\n  \
         h2: {{ netns: {two}, ip: 10.0.0.2/24 }}\n  h3: {{ netns: {three}, ip: 10.0.0.3/24 }}\nswitches:\n  s1:\n    \
         qos: {qos}\n    flows:\n      - priority=9,tcp,tp_dst=5101,actions=set_queue:1,normal\n      \
         - priority=9,tcp,tp_dst=5102,actions=set_queue:2,normal\n      \
         - priority=9,tcp,tp_dst=5103,actions=set_queue:3,normal\n      - priority=0,actions=normal\n\
         links: [h1 -- s1, h2 -- s1, h3 -- s1]\n"
    )
}

impl Bed {
    fn up() -> Result<Self, Failed> {
        let lab = Lab::up("qos", &text("{}"))?;
        lab.verb(&["ping", "h1", "h2"])?;
        lab.verb(&["ping", "h3", "h2"])?;
        Ok(Self { lab, hosts: hosts().map(|host| Netns::borrowed(&host)) })
    }

    fn set(&self, qos: &str) -> Result<(), Failed> {
        self.lab.edit(&text(qos))
    }

    /// Bytes sent by each queue, and when that was, as half the time the question took.
    fn queues(&self) -> Result<(Vec<f64>, f64), Failed> {
        let asked = now();
        let answer = self.lab.json(&["ls", "queues"])?;
        let took = asked.elapsed().as_secs_f64();
        let rows = answer["queues"].as_array().map_or(&[][..], Vec::as_slice);
        Ok((rows.iter().map(|row| number(row, "bytes")).collect(), took / 2.0))
    }

    /// Bytes that have left for `h2`.
    fn left(&self) -> Result<(Vec<f64>, f64), Failed> {
        let asked = now();
        let answer = self.lab.json(&["show", "s1"])?;
        let took = asked.elapsed().as_secs_f64();
        let ports = find(&answer, "ports").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let port = ports.iter().find(|port| port["number"] == 2).unwrap_or(&Value::Null);
        Ok((vec![number(port, "tx_bytes")], took / 2.0))
    }

    /// One TCP stream to `h2`.
    fn stream(&self, from: usize, port: u16, seconds: f64) -> Result<[Running; 2], Failed> {
        let receiver = self.hosts[1].agent(&format!("tcp-receive 10.0.0.2:{port}"))?;
        let sender = self.hosts[from].agent(&format!("tcp-send 10.0.0.2:{port} {seconds}"))?;
        Ok([receiver, sender])
    }

    /// Datagrams to `h2` at so many bits per second.
    fn datagrams(&self, bits: f64, seconds: f64) -> Result<[Running; 2], Failed> {
        let size = if bits < 5e6 { 200.0 } else { 1472.0 };
        let packets = bits / 8.0 / (size + HEADERS);
        let receiver = self.hosts[1].agent(&format!("udp-receive 10.0.0.2:5002 {seconds}"))?;
        let line = format!("udp-send 10.0.0.2:5002 {seconds} --size {size} --rate {packets:.0}");
        Ok([receiver, self.hosts[0].agent(&line)?])
    }
}

/// Bits per second by two readings of a counter, `seconds` apart.
fn measured(
    seconds: f64,
    mut read: impl FnMut() -> Result<(Vec<f64>, f64), Failed>,
) -> Result<Vec<f64>, Failed> {
    let (start, (before, took)) = (now(), read()?);
    wait(seconds);
    let (asked, (after, took_after)) = (start.elapsed().as_secs_f64(), read()?);
    let span = asked + took_after - took;
    Ok(after.iter().zip(before).map(|(after, before)| (after - before) * 8.0 / span).collect())
}

fn percent(measured: f64, wanted: f64) -> f64 {
    (measured / wanted - 1.0) * 100.0
}

/// The rate of a full queue, by TCP and UDP, and the kernel's HTB.
fn rates(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "Rate of a full queue, from its L2 bytes, and what TCP gets of it",
        &["rate", "by", "measured Mbit/s", "error %", "asked", "TCP payload of what is possible %"],
    );
    for mbit in RATES {
        let (wanted, seconds) = (f64::from(mbit) * 1e6, if mbit == 1 { seconds * 2.0 } else { seconds });
        bed.set(&format!("{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 1: {{}} }} }} }}"))?;
        eprintln!("qos: {mbit} Mbit/s");
        let stream = bed.stream(0, 5101, seconds + 2.0)?;
        wait(1.5);
        let tcp = measured(seconds, || bed.queues())?.get(1).copied().unwrap_or(0.0);
        let payload = payload(stream, wanted)?;
        let agents = bed.datagrams(wanted * 1.3, seconds + 2.0)?;
        wait(1.5);
        let udp = measured(seconds, || bed.queues())?.first().copied().unwrap_or(0.0);
        drop(agents);
        let htb = htb(mbit, seconds)?;
        for (by, bits, payload, is_ours) in [
            ("TCP", tcp, Some(payload), true),
            ("UDP", udp, None, true),
            ("kernel HTB, TCP", htb.0, Some(htb.1), false),
        ] {
            let error = percent(bits, wanted);
            let verdict = if is_ours { Asked::AtMost(1.0, 0.3).verdict(error.abs()) } else { String::new() };
            report::row(&[
                &format!("{mbit} Mbit/s"),
                by,
                &format!("{:.3}", bits / 1e6),
                &format!("{error:+.2}"),
                &verdict,
                &payload.map_or_else(String::new, |share| format!("{share:.1}")),
            ]);
        }
    }
    Ok(())
}

/// What a stream has carried of what is possible, in percent.
fn payload([receiver, sender]: [Running; 2], rate: f64) -> Result<f64, Failed> {
    sender.result()?;
    let got = receiver.result()?;
    Ok(number(&got, "bytes") * 8.0 / number(&got, "seconds") / (rate * SEGMENT) * 100.0)
}

/// The kernel's HTB on one end of a veth pair: bits per second of its class, and the share of payload.
fn htb(mbit: u32, seconds: f64) -> Result<(f64, f64), Failed> {
    let bed = Peer::Veth.up()?;
    let [one, two] = &bed.hosts;
    shell::sh(&format!("tc -n {} qdisc add dev eth0 root handle 1: htb default 1", one.name))?;
    shell::sh(&format!(
        "tc -n {} class add dev eth0 parent 1: classid 1:1 htb rate {mbit}mbit ceil {mbit}mbit",
        one.name
    ))?;
    let receiver = two.agent("tcp-receive 10.0.0.2:5101")?;
    let sender = one.agent(&format!("tcp-send 10.0.0.2:5101 {}", seconds + 2.0))?;
    wait(1.5);
    let bits = measured(seconds, || {
        let asked = now();
        let text = shell::sh(&format!("tc -n {} -s -j class show dev eth0", one.name))?;
        let classes: Value = serde_json::from_str(&text).unwrap_or_default();
        let bytes = find(&classes, "bytes").and_then(Value::as_f64).unwrap_or(0.0);
        Ok((vec![bytes], asked.elapsed().as_secs_f64() / 2.0))
    })?;
    let share = payload([receiver, sender], f64::from(mbit) * 1e6)?;
    Ok((bits.first().copied().unwrap_or(0.0), share))
}

/// What a policer lets in.
fn policing(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "What a policer lets in, from the bytes that leave for the other host",
        &["rate", "by", "measured Mbit/s", "error %", "asked"],
    );
    for mbit in RATES {
        let (wanted, seconds) = (f64::from(mbit) * 1e6, if mbit == 1 { seconds * 2.0 } else { seconds });
        bed.set(&format!("{{ h1: {{ police: {{ rate: {mbit}Mbit }} }} }}"))?;
        eprintln!("qos: policing to {mbit} Mbit/s");
        let agents = bed.datagrams(wanted * 2.0, seconds + 3.0)?;
        // The burst of half a second is gone then.
        wait(2.0);
        let udp = measured(seconds, || bed.left())?.first().copied().unwrap_or(0.0);
        drop(agents);
        let stream = bed.stream(0, 5001, seconds + 3.0)?;
        wait(2.0);
        let tcp = measured(seconds, || bed.left())?.first().copied().unwrap_or(0.0);
        drop(stream);
        for (by, bits) in [("UDP", udp), ("TCP", tcp)] {
            let error = percent(bits, wanted);
            // TCP that loses what is too much may stay below.
            let verdict =
                if by == "UDP" { Asked::AtMost(1.0, 0.3).verdict(error.abs()) } else { String::new() };
            report::row(&[
                &format!("{mbit} Mbit/s"),
                by,
                &format!("{:.3}", bits / 1e6),
                &format!("{error:+.2}"),
                &verdict,
            ]);
        }
    }
    Ok(())
}

/// Shares of three streams that each want all of it.
fn guarantees(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "Guarantees while three TCP streams each want the whole port",
        &["port", "queue", "promised Mbit/s", "measured Mbit/s", "below the promise %", "asked"],
    );
    for mbit in [100, 500] {
        let shares = [6, 3, 1].map(|tenths| mbit / 10 * tenths);
        let [a, b, c] = shares;
        bed.set(&format!(
            "{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 1: {{ min-rate: {a}Mbit }}, 2: {{ min-rate: {b}Mbit }}, 3: {{ \
             min-rate: {c}Mbit }} }} }} }}"
        ))?;
        eprintln!("qos: guarantees of {mbit} Mbit/s");
        let streams = [5101, 5102, 5103].map(|port| bed.stream(0, port, seconds + 3.0));
        wait(2.5);
        let got = measured(seconds, || bed.queues())?;
        drop(streams);
        for (at, promised) in shares.into_iter().enumerate() {
            let bits = got.get(at + 1).copied().unwrap_or(0.0);
            let below = (-percent(bits, f64::from(promised) * 1e6)).max(0.0);
            report::row(&[
                &format!("{mbit} Mbit/s"),
                &(at + 1).to_string(),
                &promised.to_string(),
                &format!("{:.2}", bits / 1e6),
                &format!("{below:.2}"),
                &Asked::AtMost(3.0, 1.0).verdict(below),
            ]);
        }
    }
    Ok(())
}

/// Round trips through a priority queue, alone and beside a full best-effort queue.
fn latency(bed: &Bed, seconds: f64) -> Result<(), Failed> {
    report::table(
        "Round trips through the first queue while another host fills the second, of 1 byte over TCP",
        &["port", "idle p50 us", "idle p99 us", "full p50 us", "full p99 us", "p99 full / idle", "asked"],
    );
    for mbit in [100, 500] {
        bed.set(&format!(
            "{{ h2: {{ max-rate: {mbit}Mbit, queues: {{ 0: {{ priority: 1 }}, 1: {{}} }} }} }}"
        ))?;
        eprintln!("qos: latency at {mbit} Mbit/s");
        let ask = || -> Result<(f64, f64), Failed> {
            let server = bed.hosts[1].agent("rr-serve 10.0.0.2:5101")?;
            let got = bed.hosts[0].agent(&format!("rr-ask 10.0.0.2:5101 {seconds}"))?.result()?;
            drop(server);
            Ok((number(&got, "p50_us"), number(&got, "p99_us")))
        };
        let idle = ask()?;
        let filler = bed.stream(2, 5001, seconds + 3.0)?;
        wait(1.5);
        let full = ask()?;
        drop(filler);
        let ratio = full.1 / idle.1;
        let cells = [idle.0, idle.1, full.0, full.1].map(report::short);
        let [a, b, c, d] = &cells;
        let verdict = Asked::AtMost(2.0, 1.5).verdict(ratio);
        report::row(&[&format!("{mbit} Mbit/s"), a, b, c, d, &format!("{ratio:.2}x"), &verdict]);
    }
    Ok(())
}

/// The value of a key, however deep.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}
