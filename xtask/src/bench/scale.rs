//! Many hosts: coming up, going down, what they cost while idle, and everybody pinging everybody.

use serde_json::Value;

use super::peer::{Lab, ovs};
use super::report::{self, Asked};
use super::shell;
use super::{now, wait};
use crate::run::Failed;

/// How often netloom's own short measurements are repeated.
const RUNS: usize = 3;
/// Seconds between labs, so that none comes up while the kernel clears up after another.
pub(super) const CLEARED: f64 = 2.0;
/// A daemon that uses at most this much of a second is quiet.
const QUIET: f64 = 0.02;

/// Runs the group.
///
/// # Errors
/// [`Failed`] if a lab or a peer cannot be brought up.
pub(super) fn run(quick: bool, peers_only: bool) -> Result<(), Failed> {
    let hosts = if quick { 64 } else { 256 };
    report::table(
        &format!("Coming up: {hosts} hosts"),
        &["topology", "who", "up, s", "down, s", "Mininet / netloom", "asked of the ratio"],
    );
    for topology in ["single", "linear"] {
        let name = format!("{topology},{hosts}");
        let ours = if peers_only { None } else { Some(up_down(topology, hosts)?) };
        if let Some((up, down)) = ours {
            let (up, down) = (format!("{up:.3}"), format!("{down:.3}"));
            report::row(&[&name, "netloom, every address answers, then quiet", &up, &down, "", ""]);
        }
        for switch in ["lxbr", "user"] {
            let theirs = mininet(topology, hosts, switch, 0)?;
            let (up, down) = (number(&theirs, "up"), number(&theirs, "down"));
            let ratio = ours.map(|(mine, _)| up / mine);
            let verdict = ratio.map_or_else(String::new, |ratio| Asked::AtLeast(20.0, 100.0).verdict(ratio));
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.0}x"));
            let (up, down) = (format!("{up:.2}"), format!("{down:.2}"));
            report::row(&[&name, &format!("Mininet, {switch}"), &up, &down, &ratio, &verdict]);
        }
    }
    if !peers_only {
        many(if quick { &[1000] } else { &[1000, 4000] })?;
        idle(if quick { 200 } else { 1000 }, if quick { 5 } else { 30 })?;
        commands(1000)?;
    }
    pingall(hosts, if quick { 100 } else { 2000 }, peers_only)
}

/// Large labs.
fn many(sizes: &[usize]) -> Result<(), Failed> {
    report::table("Large labs, one switch", &["hosts", "up, s", "asked", "down, s", "asked"]);
    for &hosts in sizes {
        let (up, down) = up_down("single", hosts)?;
        let asked = if hosts <= 1000 { Asked::AtMost(3.0, 3.0) } else { Asked::AtMost(5.0, 5.0) };
        let cells = [hosts.to_string(), format!("{up:.2}"), asked.verdict(up), format!("{down:.2}")];
        let [hosts, up_s, up_verdict, down_s] = cells.each_ref().map(String::as_str);
        report::row(&[hosts, up_s, up_verdict, down_s, &asked.verdict(down)]);
    }
    Ok(())
}

/// Seconds until a lab is up, answers and is quiet; seconds until it is gone: medians of some runs.
fn up_down(topology: &str, hosts: usize) -> Result<(f64, f64), Failed> {
    let runs = (0..RUNS).map(|_| up_down_once(topology, hosts)).collect::<Result<Vec<_>, _>>()?;
    let (up, down): (Vec<f64>, Vec<f64>) = runs.into_iter().unzip();
    let middle = |times: &[f64]| report::median(times).unwrap_or_default();
    Ok((middle(&up), middle(&down)))
}

fn up_down_once(topology: &str, hosts: usize) -> Result<(f64, f64), Failed> {
    eprintln!("scale: {topology},{hosts}");
    // The kernel goes on clearing up after the lab before.
    wait(CLEARED);
    let start = now();
    let lab = topology_lab(topology, hosts)?;
    // Its hosts are addressed in order, so that the first pings every one of them.
    lab.verb(&["ping", "h1", "all"])?;
    let mut up = start.elapsed().as_secs_f64();
    let pid = lab.pid()?;
    for _ in 0..30 {
        let before = cpu_of(pid);
        wait(1.0);
        let busy = cpu_of(pid) - before;
        if busy <= QUIET {
            break;
        }
        eprintln!("scale: not quiet yet: {:.1} % of a core", busy * 100.0);
        up = start.elapsed().as_secs_f64();
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
    let before = settled();
    let lab = topology_lab("single", hosts)?;
    wait(settle as f64);
    let ours = each(before - available());
    let pid = lab.pid()?;
    let busy = cpu_of(pid);
    wait(10.0);
    let busy = (cpu_of(pid) - busy) / 10.0;
    #[expect(clippy::cast_precision_loss, reason = "display")]
    let descriptors = each(std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count) as f64);
    drop(lab);
    let before = settled();
    let bare = (0..hosts).map(bare_host).collect::<Result<Vec<_>, _>>()?;
    wait(settle as f64);
    let theirs = each(before - available());
    drop(bare);
    report::table(&format!("{hosts} idle hosts"), &["what", "value", "asked"]);
    let memory = Asked::AtMost(400.0, 150.0).verdict(ours);
    report::row(&["memory per host, daemon included", &format!("{ours:.0} KiB"), &memory]);
    report::row(&["memory of a bare namespace with a TAP", &format!("{theirs:.0} KiB"), ""]);
    let ratio = ours / theirs;
    report::row(&["ratio", &format!("{ratio:.2}x"), &Asked::AtMost(1.5, 1.5).verdict(ratio)]);
    let verdict = Asked::AtMost(2.05, 2.05).verdict(descriptors);
    report::row(&["descriptors of the daemon per host", &format!("{descriptors:.2}"), &verdict]);
    let percent = busy * 100.0;
    let verdict = Asked::AtMost(0.5, 0.1).verdict(percent);
    report::row(&["processor time of the daemon", &format!("{percent:.3} % of a core"), &verdict]);
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
    report::table(&format!("Commands, {nodes} nodes"), &["command", "median ms", "min .. max", "asked"]);
    let asked = [
        (&["exec", "h1", "--", "true"][..], Asked::AtMost(10.0, 5.0)),
        (&["show", "--output", "json"], Asked::AtMost(50.0, 20.0)),
        (&["ls", "nodes"], Asked::AtMost(50.0, 20.0)),
    ];
    for (words, asked) in asked {
        let mut times = Vec::new();
        for _ in 0..21 {
            let start = now();
            lab.verb(words)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let middle = report::median(&times).unwrap_or(0.0);
        let name = format!("`netloom {}`", words.join(" "));
        report::row(&[&name, &format!("{middle:.2}"), &report::spread(&times), &asked.verdict(middle)]);
    }
    Ok(())
}

fn pingall(hosts: usize, sample: usize, peers_only: bool) -> Result<(), Failed> {
    let pairs = hosts * (hosts - 1);
    report::table(
        &format!("Everybody pings everybody: {hosts} hosts, {pairs} pairs"),
        &["who", "s", "lost", "Mininet / netloom", "asked of the ratio"],
    );
    let mut ours = Vec::new();
    if !peers_only {
        let lab = topology_lab("single", hosts)?;
        for (family, flag) in [("IPv4", "-4"), ("IPv6", "-6")] {
            let mut times = Vec::new();
            let mut lost = 0.0;
            for _ in 0..RUNS {
                let start = now();
                let answer = lab.json(&["ping", flag])?;
                times.push(start.elapsed().as_secs_f64());
                let [asked, answered] = ["pairs", "answered"].map(|key| number(&answer["pings"], key));
                lost += asked - answered;
            }
            ours.push((family, report::median(&times).unwrap_or_default(), lost));
        }
    }
    let theirs = mininet("single", hosts, "lxbr", sample)?;
    let answered = number(&theirs, "answered");
    if answered == 0.0 {
        return Err(Failed::Check("No ping of Mininet's was answered: nothing to compare with".to_owned()));
    }
    #[expect(clippy::cast_precision_loss, reason = "display")]
    let scaled = number(&theirs, "ping_seconds") * pairs as f64 / sample as f64;
    for (family, seconds, lost) in ours {
        let ratio = scaled / seconds;
        let verdict = Asked::AtLeast(100.0, 300.0).verdict(ratio);
        let cells =
            [format!("netloom, {family}"), format!("{seconds:.2}"), lost.to_string(), format!("{ratio:.0}x")];
        let [who, seconds, lost, ratio] = cells.each_ref().map(String::as_str);
        report::row(&[who, seconds, lost, ratio, &verdict]);
    }
    let who = format!("Mininet, lxbr: {sample} pairs measured, scaled to all");
    #[expect(clippy::cast_precision_loss, reason = "display")]
    let lost = format!("{:.0} of the sample", sample as f64 - answered);
    report::row(&[&who, &format!("{scaled:.0}"), &lost, "", ""]);
    Ok(())
}

/// Runs Mininet in a namespace of its own, so that nothing of it meets the machine's network.
fn mininet(topology: &str, hosts: usize, switch: &str, pairs: usize) -> Result<Value, Failed> {
    eprintln!("scale: Mininet {topology},{hosts} {switch}");
    wait(CLEARED);
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

/// What is available once the kernel has cleared up after earlier namespaces.
pub(super) fn settled() -> f64 {
    const STILL: f64 = 2_048.0; // KiB in two seconds
    let mut last = available();
    for _ in 0..30 {
        wait(2.0);
        let next = available();
        if (next - last).abs() < STILL {
            return next;
        }
        last = next;
    }
    last
}

/// KiB that could be had without swapping.
pub(super) fn available() -> f64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0)
}

/// Seconds of processor time the threads of a process have used, to the nanosecond: ticks of 10 ms would be too coarse
/// for what should be next to nothing.
///
/// Source: `/proc/PID/task/TID/schedstat`, the first field.
fn cpu_of(pid: u32) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let used = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    used.sum::<f64>() / 1e9
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}
