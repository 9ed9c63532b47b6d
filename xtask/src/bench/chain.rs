//! A hundred switches in a row against one: what path fusion is worth, and that nothing is lost of what each switch
//! counts and learns.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::peer::{Lab, program};
use super::report::{self, Asked};
use super::shell::Netns;
use crate::run::Failed;

/// Switches in the row.
const SWITCHES: usize = 100;

/// How the row is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One switch, for comparison.
    One,
    /// The row as it is: fused.
    Fused,
    /// Every switch lowers the time to live.
    Ttl,
    /// Every link is captured.
    Captured,
}

impl Kind {
    const ALL: [Self; 4] = [Self::One, Self::Fused, Self::Ttl, Self::Captured];

    const fn name(self) -> &'static str {
        match self {
            Self::One => "1 switch",
            Self::Fused => "100 switches",
            Self::Ttl => "100 switches, each lowers the TTL",
            Self::Captured => "100 switches, every link captured (96 bytes of a packet)",
        }
    }

    const fn switches(self) -> usize {
        if matches!(self, Self::One) { 1 } else { SWITCHES }
    }
}

/// Runs all rounds: in each, every kind once.
///
/// # Errors
/// [`Failed`] if a lab cannot be brought up, or if a switch counted or learned otherwise than the others.
pub(super) fn run(rounds: usize, seconds: f64) -> Result<(), Failed> {
    let mut values = Kind::ALL.map(|_| Vec::new());
    for round in 1..=rounds {
        for (kind, values) in Kind::ALL.into_iter().zip(&mut values) {
            eprintln!("chain: round {round} of {rounds}, {}", kind.name());
            values.push(measure(kind, seconds)?);
        }
    }
    let [one, ..] = &values;
    let columns = ["path", "median Gbit/s", "min .. max", "path / 1 switch", "asked of the ratio"];
    report::table("TCP bulk through a row of switches", &columns);
    for (kind, values) in Kind::ALL.into_iter().zip(&values) {
        let ratios: Vec<f64> = values.iter().zip(one).map(|(a, b)| a / b).collect();
        let ratio = report::median(&ratios).unwrap_or(0.0);
        let verdict =
            if kind == Kind::Fused { Asked::AtLeast(0.5, 0.9).verdict(ratio) } else { String::new() };
        let middle = report::short(report::median(values).unwrap_or(0.0));
        report::row(&[kind.name(), &middle, &report::spread(values), &format!("{ratio:.2}x"), &verdict]);
    }
    report::line(
        "\nCounters were equal on all 100 switches in every round, and each had learned both addresses.",
    );
    Ok(())
}

fn measure(kind: Kind, seconds: f64) -> Result<f64, Failed> {
    let id = std::process::id();
    let names = ["c1", "c2"].map(|host| format!("nlb{id}-{host}"));
    let lab = Lab::up("chain", &text(kind, &names))?;
    let hosts = names.each_ref().map(|name| Netns::borrowed(name));
    let captures = if kind == Kind::Captured { Captures::start(&lab)? } else { Captures(Vec::new()) };
    // What hosts say as they come up may find the others not there yet, or be on its way while it is counted.
    super::wait(if kind == Kind::One { 0.0 } else { 3.0 });
    lab.verb(&["ping", "h1", "h2"])?;
    let before = counted(&lab)?;
    let receiver = hosts[1].agent("tcp-receive 10.0.0.2:5001")?;
    hosts[0].agent(&format!("tcp-send 10.0.0.2:5001 {seconds}"))?.result()?;
    let got = receiver.result()?;
    drop(captures);
    if kind != Kind::One {
        check(&before, &counted(&lab)?)?;
    }
    Ok(got["bytes"].as_f64().unwrap_or(0.0) * 8.0 / got["seconds"].as_f64().unwrap_or(1.0) / 1e9)
}

fn text(kind: Kind, [one, two]: &[String; 2]) -> String {
    let last = kind.switches();
    // Flooded, because the first switch would keep reports of group membership to itself, and count more than others.
    let mut text = format!(
        "netloom: 1\nname: chain\narp: flood\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24, sysctl: {{ net.ipv4.ip_default_ttl: 255 }} }}\n  \
         h2: {{ netns: {two}, ip: 10.0.0.2/24, sysctl: {{ net.ipv4.ip_default_ttl: 255 }} }}\nswitches:\n"
    );
    for n in 1..=last {
        let flows =
            "\n    flows:\n      - priority=100,ip,actions=dec_ttl,normal\n      - priority=0,actions=normal";
        let _ = writeln!(text, "  s{n}:{}", if kind == Kind::Ttl { flows } else { " {}" });
    }
    let _ = write!(text, "links:\n  - h1 -- s1\n  - s{last} -- h2\n");
    for n in 1..last {
        let _ = writeln!(text, "  - s{n} -- s{}", n + 1);
    }
    text
}

/// What each switch has counted over its ports: packets and bytes received and sent.
fn counted(lab: &Lab) -> Result<Vec<[u64; 4]>, Failed> {
    let answer = lab.json(&["ls", "switches"])?;
    let switches = answer["switches"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(switch) = switches.iter().find(|switch| switch["macs"].as_u64() < Some(2)) {
        return Err(Failed::Check(format!("{} knows {} addresses", switch["name"], switch["macs"])));
    }
    let sum = |switch: &Value, key: &str| -> u64 {
        let ports = switch["ports"].as_array().map_or(&[][..], Vec::as_slice);
        ports.iter().filter_map(|port| port[key].as_u64()).sum()
    };
    let keys = ["rx_packets", "rx_bytes", "tx_packets", "tx_bytes"];
    Ok(switches.iter().map(|switch| keys.map(|key| sum(switch, key))).collect())
}

/// Whether every switch has counted the same since `before`.
fn check(before: &[[u64; 4]], after: &[[u64; 4]]) -> Result<(), Failed> {
    let since =
        |(before, after): (&[u64; 4], &[u64; 4])| [0, 1, 2, 3].map(|n| after[n].saturating_sub(before[n]));
    let counted: Vec<_> = before.iter().zip(after).map(since).collect();
    let expected = counted.first().copied().unwrap_or_default();
    if counted.len() != SWITCHES || expected[0] == 0 {
        return Err(Failed::Check(format!("{} switches, the first with {expected:?}", counted.len())));
    }
    match counted.iter().position(|found| *found != expected) {
        Some(at) => Err(Failed::Check(format!("switch {at}: {:?} instead of {expected:?}", counted[at]))),
        None => Ok(()),
    }
}

/// A capture of every link between switches, thrown away.
#[derive(Debug)]
struct Captures(Vec<Child>);

impl Captures {
    fn start(lab: &Lab) -> Result<Self, Failed> {
        let mut all = Self(Vec::new());
        for n in 1..SWITCHES {
            let link = format!("s{n}--s{}", n + 1);
            let mut command = Command::new(program());
            command.args(["-l", lab.name(), "capture", &link, "--snap", "96", "-w", "/dev/null"]);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            all.0.push(child.map_err(|source| Failed::Start { program: "netloom capture".into(), source })?);
        }
        // A capture says nothing when it has begun; those that have not yet would only make the row look faster.
        super::wait(1.0);
        Ok(all)
    }
}

impl Drop for Captures {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
