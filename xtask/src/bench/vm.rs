//! Virtual machines: from `up` to the first ping answered, beside the very same guest in a bare QEMU, and from a snapshot.
//!
//! The guest of the bare QEMU boots from the kernel, initial file system and command line that netloom's QEMU was started with,
//! which are taken from it while it runs. Its card is a TAP. Whoever asks knows the guest's address for ever, so that no second
//! passes between two questions for it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::peer::{Lab, program};
use super::report::{self, Asked};
use super::shell::Netns;
use crate::run::Failed;

const GUEST: &str = "10.0.0.2";
const MAC: &str = "02:00:00:00:00:02";
const SNAPSHOT: &str = "bench";
/// Lines of `ping` without an answer after which a guest is given up: three minutes.
const MOST_LINES: usize = 9_000;

/// Prints the table.
///
/// # Errors
/// [`Failed`] if a guest cannot be booted here.
pub(super) fn run(rounds: usize) -> Result<(), Failed> {
    let name = format!("nlb{}-vm", std::process::id());
    let (without, with) = (text(&name, false), text(&name, true));
    let lab = Lab::up("vm", &with)?;
    let host = Netns::borrowed(&name);
    know(&host)?;
    until_answered(&host, None)?;
    let place = Place::make(&name)?;
    let guest = Same::take(&lab, &place.0)?;
    // Its kernel answers before its agent does.
    lab.verb(&["exec", "-T", "vm1", "--", "true"])?;
    lab.verb(&["snapshot", "save", "vm1", SNAPSHOT])?;
    let beside = Beside::make()?;
    let (mut ours, mut bare, mut restored) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=rounds {
        eprintln!("vm: round {round} of {rounds}");
        lab.edit(&without)?;
        ours.push(until_answered(&host, Some(lab.edit_by(&with)?))?);
        lab.verb(&["stop", "vm1"])?;
        let mut restore = Command::new(program());
        restore.args(["-l", lab.name(), "snapshot", "restore", "vm1", SNAPSHOT]);
        restored.push(until_answered(&host, Some(restore))?);
        lab.verb(&["stop", "vm1"])?;
        bare.push(beside.boot(&guest)?);
    }
    lab.verb(&["snapshot", "rm", "vm1", SNAPSHOT])?;
    print(&ours, &bare, &restored);
    Ok(())
}

fn print(ours: &[f64], bare: &[f64], restored: &[f64]) {
    let title = "Virtual machines: until the first ping is answered";
    report::table(title, &["", "median s", "min .. max", "ratio", "asked of the ratio"]);
    let ratios = |a: &[f64], b: &[f64]| {
        report::median(&a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>()).unwrap_or_default()
    };
    let row = |name: &str, values: &[f64], told: Option<(String, String)>| {
        let middle = report::short(report::median(values).unwrap_or_default());
        let (ratio, verdict) = told.unwrap_or_default();
        report::row(&[name, &middle, &report::spread(values), &ratio, &verdict]);
    };
    let (up, restore) = (ratios(ours, bare), ratios(ours, restored));
    let told = (format!("{up:.2}x bare QEMU"), Asked::AtMost(1.15, 1.0).verdict(up));
    row("`netloom up`, new in the lab file", ours, Some(told));
    row("the same guest in a bare QEMU", bare, None);
    let told = (format!("up takes {restore:.1}x"), Asked::AtLeast(5.0, 10.0).verdict(restore));
    row("`netloom snapshot restore`", restored, Some(told));
}

fn text(netns: &str, with: bool) -> String {
    let (node, link) = if with {
        (format!("  vm1: {{ vm: {{}}, ip: {GUEST}/24, mac: '{MAC}' }}\n"), ", vm1 -- s1")
    } else {
        (String::new(), "")
    };
    format!(
        "netloom: 1\nname: bench\nnodes:\n  h1: {{ netns: {netns}, ip: 10.0.0.1/24 }}\n{node}switches: {{ s1: {{}} }}\nlinks: [h1 -- s1{link}]\n"
    )
}

/// The host knows the guest for ever.
fn know(host: &Netns) -> Result<(), Failed> {
    host.ip(&format!("neigh replace {GUEST} lladdr {MAC} nud permanent dev eth0")).map(drop)
}

/// Starts a command and asks until the guest answers; seconds from the one to the other.
fn until_answered(host: &Netns, command: Option<Command>) -> Result<f64, Failed> {
    let mut ping = host.command("ping");
    ping.args(["-n", "-O", "-i", "0.02", GUEST]).stdin(Stdio::null()).stdout(Stdio::piped());
    let failed = |program: &str| {
        let program = program.to_owned();
        move |source| Failed::Start { program, source }
    };
    let begin = super::now();
    let mut running = command
        .map(|mut command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn())
        .transpose()
        .map_err(failed("netloom"))?;
    let mut ping = Ended(ping.spawn().map_err(failed("ping"))?);
    let lines = ping.0.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
    let answered = lines.map_while(Result::ok).take(MOST_LINES).any(|line| line.contains("bytes from"));
    let took = begin.elapsed().as_secs_f64();
    if let Some(running) = running.take() {
        let out = running.wait_with_output().map_err(failed("netloom"))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            return Err(Failed::Check(format!("netloom: {said}")));
        }
    }
    if answered { Ok(took) } else { Err(Failed::Check("the guest does not answer".to_owned())) }
}

/// A process that ends with its holder.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory that goes with its holder.
struct Place(PathBuf);

impl Place {
    fn make(name: &str) -> Result<Self, Failed> {
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)
            .map_err(|source| Failed::File { path: path.display().to_string(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the guest of the lab was booted from.
struct Same {
    qemu: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    append: String,
    accel: &'static str,
    processor: String,
}

impl Same {
    /// Takes it from the QEMU that runs.
    fn take(lab: &Lab, place: &Path) -> Result<Self, Failed> {
        let all = lab.json(&["ls", "nodes"])?;
        let rows = all["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        let pid = rows.iter().find(|row| row["name"] == "vm1").and_then(|row| row["pid"].as_u64());
        let pid = pid.ok_or_else(|| Failed::Check("vm1 has no process".to_owned()))?;
        let read = |path: PathBuf| {
            std::fs::read(&path).map_err(|source| Failed::File { path: path.display().to_string(), source })
        };
        let process = PathBuf::from(format!("/proc/{pid}"));
        let line = read(process.join("cmdline"))?;
        let words: Vec<String> =
            line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let after = |flag: &str| {
            let at = words.iter().position(|word| word == flag);
            let found = at.and_then(|at| words.get(at + 1)).cloned();
            found.ok_or_else(|| Failed::Check(format!("QEMU was started without {flag}")))
        };
        let copy = |flag: &str, name: &str| {
            let from = process.join("fd").join(after(flag)?.trim_start_matches("/proc/self/fd/"));
            let to = place.join(name);
            std::fs::write(&to, read(from)?)
                .map_err(|source| Failed::File { path: to.display().to_string(), source })?;
            Ok::<_, Failed>(to)
        };
        Ok(Self {
            qemu: words.first().map(PathBuf::from).unwrap_or_default(),
            kernel: copy("-kernel", "kernel")?,
            initrd: copy("-initrd", "initrd")?,
            append: after("-append")?,
            accel: if after("-machine")?.contains("accel=kvm") { "kvm" } else { "tcg" },
            processor: after("-cpu")?,
        })
    }
}

/// A namespace with a TAP in it.
struct Beside(Netns);

impl Beside {
    fn make() -> Result<Self, Failed> {
        let netns = Netns::make("bare")?;
        // Users call it so, and so does who knows the guest.
        netns.ip("tuntap add dev eth0 mode tap vnet_hdr")?;
        netns.ip("addr add 10.0.0.1/24 dev eth0")?;
        netns.ip("link set eth0 up")?;
        know(&netns)?;
        Ok(Self(netns))
    }

    /// Boots the guest; seconds until it has answered.
    fn boot(&self, same: &Same) -> Result<f64, Failed> {
        let mut qemu = self.0.command(&same.qemu.to_string_lossy());
        let machine = format!("q35,accel={}", same.accel);
        qemu.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "null"]);
        qemu.args(["-machine", &machine, "-cpu", &same.processor, "-smp", "1", "-m", "256M"]);
        qemu.arg("-kernel")
            .arg(&same.kernel)
            .arg("-initrd")
            .arg(&same.initrd)
            .args(["-append", &same.append]);
        qemu.args(["-netdev", "tap,id=n0,ifname=eth0,script=no,downscript=no"]);
        qemu.args(["-device", &format!("virtio-net-pci,netdev=n0,mac={MAC},romfile=")]);
        let begin = super::now();
        let child = qemu.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let _running = Ended(child.map_err(|source| Failed::Start { program: "QEMU".to_owned(), source })?);
        until_answered(&self.0, None)?;
        Ok(begin.elapsed().as_secs_f64())
    }
}
