//! Many hosts: coming up, going down, what they cost while idle, and everybody pinging everybody.

use std::time::Instant;

use serde_json::Value;

use super::peer::{Lab, ovs};
use super::shell;
use crate::run::Failed;

/// Runs the group.
///
/// # Errors
/// [`Failed`] if a lab or a peer cannot be brought up.
pub(super) fn run(quick: bool, peers_only: bool) -> Result<(), Failed> {
    let hosts = if quick { 64 } else { 256 };
    println!(
        "\n### Coming up: {hosts} hosts\n\n| topology | who | up, s | down, s | Mininet / netloom |\n|---|---|---|---|---|"
    );
    for topology in ["single", "linear"] {
        let ours = if peers_only { None } else { Some(up_down(topology, hosts)?) };
        if let Some((up, down)) = ours {
            println!(
                "| {topology},{hosts} | netloom, every address answers, then quiet | {up:.3} | {down:.3} | |"
            );
        }
        for switch in ["lxbr", "user"] {
            let theirs = mininet(topology, hosts, switch, 0)?;
            let (up, down) = (number(&theirs, "up"), number(&theirs, "down"));
            let ratio = ours.map_or_else(String::new, |(mine, _)| format!("{:.0}x", up / mine));
            println!("| {topology},{hosts} | Mininet, {switch} | {up:.2} | {down:.2} | {ratio} |");
        }
    }
    if !peers_only {
        for many in if quick { vec![1000] } else { vec![1000, 4000] } {
            let (up, down) = up_down("single", many)?;
            println!("| single,{many} | netloom | {up:.2} | {down:.2} | |");
        }
        idle(if quick { 200 } else { 1000 }, if quick { 5 } else { 30 })?;
        commands(1000)?;
    }
    pingall(hosts, if quick { 100 } else { 2000 }, peers_only)
}

/// Seconds until a lab is up, answers and is quiet; seconds until it is gone.
fn up_down(topology: &str, hosts: usize) -> Result<(f64, f64), Failed> {
    let start = now();
    let lab = topology_lab(topology, hosts)?;
    lab.verb(&["ping", "--quiet", "h1", "all"])?;
    let up = start.elapsed().as_secs_f64();
    let pid = lab.pid()?;
    let before = cpu_of(pid);
    wait(1.0);
    let busy = cpu_of(pid) - before;
    if busy > 0.02 {
        eprintln!(
            "scale: {topology},{hosts} was not quiet: {:.1} % of a core in the second after",
            busy * 100.0
        );
    }
    let start = now();
    drop(lab);
    Ok((up, start.elapsed().as_secs_f64()))
}

fn topology_lab(topology: &str, hosts: usize) -> Result<Lab, Failed> {
    let key = if topology == "single" { "hosts" } else { "switches" };
    let text = format!("netloom: 1\nname: scale\ntopology: {{ {topology}: {{ {key}: {hosts} }} }}\n");
    Lab::up(&format!("{topology}{hosts}"), &text)
}

/// Memory and processor time of hosts that do nothing.
fn idle(hosts: usize, settle: u64) -> Result<(), Failed> {
    #[expect(clippy::cast_precision_loss, reason = "display")]
    let each = |kib: f64| kib / hosts as f64;
    let before = available();
    let lab = topology_lab("single", hosts)?;
    wait(settle as f64);
    let ours = each(before - available());
    let pid = lab.pid()?;
    let busy = cpu_of(pid);
    wait(10.0);
    let busy = (cpu_of(pid) - busy) / 10.0;
    drop(lab);
    wait(2.0);
    let before = available();
    let bare = (0..hosts).map(bare_host).collect::<Result<Vec<_>, _>>()?;
    wait(2.0);
    let theirs = each(before - available());
    drop(bare);
    println!("\n### {hosts} idle hosts\n\n| what | value |\n|---|---|");
    println!("| memory per host, daemon included | {ours:.0} KiB |");
    println!("| memory of a bare namespace with a TAP | {theirs:.0} KiB |");
    println!("| ratio | {:.2}x |", ours / theirs);
    println!("| processor time of the daemon | {:.3} % of a core |", busy * 100.0);
    Ok(())
}

fn bare_host(n: usize) -> Result<shell::Netns, Failed> {
    let host = shell::Netns::make(&format!("bare{n}"))?;
    host.ip("tuntap add eth0 mode tap")?;
    host.ip("addr add 10.0.0.1/8 dev eth0")?;
    host.ip("link set eth0 up")?;
    Ok(host)
}

/// How long short commands take in a large lab.
fn commands(nodes: usize) -> Result<(), Failed> {
    let lab = topology_lab("single", nodes)?;
    println!("\n### Commands, {nodes} nodes\n\n| command | median ms |\n|---|---|");
    for words in [&["exec", "h1", "--", "true"][..], &["show", "--output", "json"], &["ls", "nodes"]] {
        let mut times = Vec::new();
        for _ in 0..21 {
            let start = now();
            lab.verb(words)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        println!("| `netloom {}` | {:.2} |", words.join(" "), super::report::median(&times).unwrap_or(0.0));
    }
    Ok(())
}

fn pingall(hosts: usize, sample: usize, peers_only: bool) -> Result<(), Failed> {
    let pairs = hosts * (hosts - 1);
    println!(
        "\n### Everybody pings everybody: {hosts} hosts, {pairs} pairs\n\n| who | s | lost |\n|---|---|---|"
    );
    let mut ours = None;
    if !peers_only {
        let lab = topology_lab("single", hosts)?;
        for family in ["ipv4", "ipv6"] {
            let start = now();
            let text = lab.verb(&["ping", "--over", family, "--output", "json"])?;
            let seconds = start.elapsed().as_secs_f64();
            let answer: Value = serde_json::from_str(&text).unwrap_or_default();
            println!("| netloom, {family} | {seconds:.2} | {} |", answer["lost"]);
            ours = ours.or(Some(seconds));
        }
    }
    let theirs = mininet("single", hosts, "lxbr", sample)?;
    #[expect(clippy::cast_precision_loss, reason = "display")]
    let scaled = number(&theirs, "ping_seconds") * pairs as f64 / sample as f64;
    let ratio = ours.map_or_else(String::new, |mine| format!(" ({:.0}x netloom)", scaled / mine));
    println!("| Mininet, lxbr: {sample} pairs measured, scaled to all | {scaled:.0}{ratio} | |");
    Ok(())
}

/// Runs Mininet in a namespace of its own, so that nothing of it meets the machine's network.
fn mininet(topology: &str, hosts: usize, switch: &str, pairs: usize) -> Result<Value, Failed> {
    eprintln!("scale: Mininet {topology},{hosts} {switch}");
    let netns = shell::Netns::make("mn")?;
    let daemons = if switch == "user" { Some(ovs::Daemons::start(&netns, false)?) } else { None };
    let mut command = match &daemons {
        Some(daemons) => daemons.command(&netns, "/usr/bin/python3"),
        None => netns.command("/usr/bin/python3"),
    };
    command.arg(crate::run::root().join("xtask/src/bench/peer/run_mn.py"));
    command.args([topology, &hosts.to_string(), switch, &pairs.to_string()]);
    let text = shell::finish("mininet", &mut command)?;
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).map_err(|e| Failed::Check(format!("Mininet said {last:?}: {e}")))
}

/// KiB that could be had without swapping.
fn available() -> f64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0)
}

/// Seconds of processor time a process has used.
fn cpu_of(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = |n: usize| rest.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

#[expect(clippy::disallowed_methods, reason = "the bench measures time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "settling is waiting")]
fn wait(seconds: f64) {
    std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
}
