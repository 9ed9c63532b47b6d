//! Three hosts at a switch of netloom, what they send each other, and how it is counted.

use serde_json::Value;

use crate::bench::peer::Lab;
use crate::bench::shell::{Netns, Running};
use crate::bench::{now, wait};
use crate::run::Failed;

/// The frame around the payload of a full TCP segment with timestamps.
const SEGMENT: f64 = 1448.0 / 1514.0;
/// Ethernet, IPv4 and UDP headers.
const HEADERS: f64 = 42.0;
/// Above so many bits per second datagrams leave in super-packets: singly, a host cannot send as many.
const SINGLY: f64 = 1.1e9;
/// TCP to a port from here on chooses the queue of the number that is left; UDP, too.
pub(super) const QUEUES: u16 = 5100;
/// The port of what goes by queue 0.
pub(super) const PLAIN: u16 = 5001;

/// The lab. What goes to `h2` goes by queues that ports choose.
#[derive(Debug)]
pub(super) struct Bed {
    lab: Lab,
    pub(super) hosts: [Netns; 3],
}

fn hosts() -> [String; 3] {
    ["q1", "q2", "q3"].map(|host| format!("nlb{}-{host}", std::process::id()))
}

/// The lab, with what the switch says of its ports.
fn text(qos: &str) -> String {
    let [one, two, three] = hosts();
    let flow = |proto: &str, queue: u16| {
        format!("      - priority=9,{proto},tp_dst={},actions=set_queue:{queue},normal\n", QUEUES + queue)
    };
    let flows: String = (1..=3).flat_map(|queue| ["tcp", "udp"].map(|proto| flow(proto, queue))).collect();
    format!(
        "netloom: 1\nname: qos\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24 }}\n  \
         h2: {{ netns: {two}, ip: 10.0.0.2/24 }}\n  h3: {{ netns: {three}, ip: 10.0.0.3/24 }}\nswitches:\n  s1:\n    \
         qos: {qos}\n    flows:\n{flows}      - priority=0,actions=normal\nlinks: [h1 -- s1, h2 -- s1, h3 -- s1]\n"
    )
}

impl Bed {
    /// Brings it up, without queues.
    pub(super) fn up() -> Result<Self, Failed> {
        let lab = Lab::up("qos", &text("{}"))?;
        lab.verb(&["ping", "h1", "h2"])?;
        lab.verb(&["ping", "h3", "h2"])?;
        Ok(Self { lab, hosts: hosts().map(|host| Netns::borrowed(&host)) })
    }

    /// Sets queues and policing; what waited in others before is let go first.
    pub(super) fn set(&self, qos: &str) -> Result<(), Failed> {
        self.lab.edit(&text("{}"))?;
        self.lab.edit(&text(qos))
    }

    /// Bytes sent by each queue.
    pub(super) fn queues(&self) -> Result<Vec<f64>, Failed> {
        let answer = self.lab.json(&["show", "s1"])?;
        Ok(rows(&answer, "queues").iter().map(|row| number(row, "bytes")).collect())
    }

    /// Bytes sent by all queues together, and those that have come from `h1`.
    pub(super) fn queued(&self) -> Result<Vec<f64>, Failed> {
        let answer = self.lab.json(&["show", "s1"])?;
        let sent = rows(&answer, "queues").iter().map(|row| number(row, "bytes")).sum();
        Ok(vec![sent, at_port(&answer, 1, "rx_bytes")])
    }

    /// Bytes that have left for `h2`, and those that have come from `h1`.
    pub(super) fn left(&self) -> Result<Vec<f64>, Failed> {
        let answer = self.lab.json(&["show", "s1"])?;
        Ok(vec![at_port(&answer, 2, "tx_bytes"), at_port(&answer, 1, "rx_bytes")])
    }
}

/// The rows of a table of an answer.
fn rows<'v>(answer: &'v Value, table: &str) -> &'v [Value] {
    find(answer, table).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A counter of a port.
fn at_port(answer: &Value, wanted: u32, key: &str) -> f64 {
    rows(answer, "ports").iter().find(|port| port["number"] == wanted).map_or(0.0, |port| number(port, key))
}

/// A TCP stream with default settings to 10.0.0.2.
#[derive(Debug)]
pub(super) struct Stream {
    receiver: Running,
    _sender: Running,
}

impl Stream {
    /// Begins one; what is received from `settle` on counts, for `seconds`.
    pub(super) fn start(
        from: &Netns,
        to: &Netns,
        port: u16,
        settle: f64,
        seconds: f64,
    ) -> Result<Self, Failed> {
        let receiver =
            to.agent(&format!("tcp-receive 10.0.0.2:{port} --skip {settle} --seconds {seconds}"))?;
        let sender = from.agent(&format!("tcp-send 10.0.0.2:{port} {}", settle + seconds + 5.0))?;
        Ok(Self { receiver, _sender: sender })
    }

    /// Waits for its end. What it has carried of what full frames at `rate` can, in percent.
    pub(super) fn share(self, rate: f64) -> Result<f64, Failed> {
        let got = self.receiver.result()?;
        Ok(number(&got, "bytes") * 8.0 / number(&got, "seconds") / (rate * SEGMENT) * 100.0)
    }
}

/// Datagrams to 10.0.0.2.
#[derive(Debug)]
pub(super) struct Datagrams {
    _receiver: Running,
    sender: Running,
    bits: f64,
}

impl Datagrams {
    /// Begins to send so many L2 bits per second. They do not yield to losses.
    pub(super) fn start(from: &Netns, to: &Netns, bits: f64, seconds: f64) -> Result<Self, Failed> {
        let size = if bits < 5e6 { 200.0 } else { 1472.0 };
        let together = if bits > SINGLY { 10 } else { 1 };
        let packets = bits / 8.0 / (size + HEADERS);
        let receiver = to.agent(&format!("udp-receive 10.0.0.2:5002 {seconds}"))?;
        let line = format!(
            "udp-send 10.0.0.2:5002 {seconds} --size {size} --rate {packets:.0} --together {together}"
        );
        Ok(Self { _receiver: receiver, sender: from.agent(&line)?, bits: (size + HEADERS) * 8.0 })
    }

    /// Waits for their end. L2 bits per second that were really sent.
    pub(super) fn offered(self) -> Result<f64, Failed> {
        let sent = self.sender.result()?;
        Ok(number(&sent, "packets") * self.bits / number(&sent, "seconds"))
    }
}

/// Waits for `settle`, and then reads counters of bytes twice, `seconds` apart: bits per second.
pub(super) fn measured(
    settle: f64,
    seconds: f64,
    mut read: impl FnMut() -> Result<Vec<f64>, Failed>,
) -> Result<Vec<f64>, Failed> {
    wait(settle);
    // A reading is of the middle of the time that it takes.
    let start = now();
    let before = read()?;
    let first = start.elapsed().as_secs_f64() / 2.0;
    wait(seconds);
    let asked = start.elapsed().as_secs_f64();
    let after = read()?;
    let span = f64::midpoint(asked, start.elapsed().as_secs_f64()) - first;
    Ok(after.iter().zip(before).map(|(after, before)| (after - before) * 8.0 / span).collect())
}

/// The value of a key, however deep.
fn find<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|inner| find(inner, key))),
        Value::Array(items) => items.iter().find_map(|inner| find(inner, key)),
        _ => None,
    }
}

pub(super) fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}
