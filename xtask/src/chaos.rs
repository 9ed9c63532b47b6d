//! `cargo xtask chaos`: kills the daemon at random moments of `up` and `down`, and looks whether `netloom down` leaves
//! anything behind, or has touched anything of others.
//!
//! With `--database` it is an OVSDB server that is killed, while clients write.
//!
//! It runs in namespaces of its own (processes, mounts, network), with a private /run: so the listing of this small
//! machine is complete, nobody else changes it meanwhile, and what goes wrong cannot reach the machine around it.
#![allow(clippy::disallowed_methods, reason = "chaos is a matter of time")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{self, Failed};

/// Options of `cargo xtask chaos`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often.
    #[arg(long, default_value_t = 100)]
    rounds: u32,
    /// Kill a pull from a registry so often instead, and look whether the store of images is whole.
    #[arg(long, value_name = "TIMES")]
    pulls: Option<u32>,
    /// Where the random moments start from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The binary, instead of building it.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Kill an OVSDB server in the middle of transactions instead, and look whether one that was acknowledged is lost.
    #[arg(long)]
    database: bool,
    /// In the namespaces already.
    #[arg(long, hide = true)]
    inside: bool,
}

/// Runs the rounds.
///
/// # Errors
/// [`Failed::Check`] with what was left or touched.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    if args.inside {
        return rounds(args);
    }
    if let Some(times) = args.pulls {
        return pulls(times);
    }
    if args.database {
        return database(args.rounds);
    }
    let binary = match &args.binary {
        // The task runs elsewhere.
        Some(binary) => std::path::absolute(binary).unwrap_or_else(|_| binary.clone()),
        None => build()?,
    };
    let me = std::env::current_exe().map_err(|source| Failed::Start { program: "xtask".into(), source })?;
    let mut command = Command::new("unshare");
    if !run::is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc", "--"]);
    // A shell as the first process: it reaps what loses its parent.
    command.args(["sh", "-c", "\"$@\"; exit $?", "sh"]).arg(me);
    command.args([
        "chaos",
        "--inside",
        "--rounds",
        &args.rounds.to_string(),
        "--seed",
        &args.seed.to_string(),
    ]);
    command.arg("--binary").arg(binary);
    run::step("chaos", &mut command)
}

/// The test of the crate that pulls, with more kills than it has in continuous integration.
fn pulls(times: u32) -> Result<(), Failed> {
    let mut test = run::cargo(&["test", "--locked", "-p", "netloom-image", "--test", "pull"]);
    test.args(["--", "--exact", "--nocapture"]);
    test.arg("killed::whatever_moment_a_puller_is_killed_at_the_store_is_whole_and_the_next_goes_on");
    run::step("chaos of pulls", test.env("NETLOOM_PULL_KILLS", times.to_string()))
}

/// The test that continuous integration runs with a few kills.
fn database(kills: u32) -> Result<(), Failed> {
    let test = ["test", "--locked", "-p", "netloom-cli", "--test", "system", "nothing_acknowledged_is_lost"];
    let mut command = run::cargo(&[&test[..], &["--", "--nocapture"]].concat());
    run::step("kills of an OVSDB server", command.env("NETLOOM_KILLS", kills.to_string()))
}

fn build() -> Result<PathBuf, Failed> {
    run::step("build", &mut run::cargo(&["build", "--locked", "-p", "netloom-cli"]))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from);
    Ok(target.join("debug/netloom"))
}

/// The lab: whatever can outlive its daemon.
const LAB: &str = "\
netloom: 1
name: chaos
nodes:
  h1: { netns: chaos-h1, run: sleep 98765 }
  h2: { netns: chaos-h2, files: { /etc/motd: motd }, run: [sleep 98764, sleep 98763] }
  h3: { port: packet }
  c1: { image: 'dir:/', cmd: [sleep, '98762'] }
  red/h4..9: {}
tenants: { red: {} }
switches: { s1: {}, s2: {} }
links:
  - h1..3 -- s1
  - red/h4..9 -- s2
  - { link: s1 -- s2, delay: 1ms }
";

/// Programs of others, which must live on.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The small machine.
struct World {
    place: PathBuf,
    binary: PathBuf,
    random: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Up,
    Edit,
    Down,
}

fn rounds(args: &Args) -> Result<(), Failed> {
    let place = Path::new("/run/chaos");
    sh("mount --make-rprivate /")?;
    for line in [
        "mount -t tmpfs tmpfs /run",
        "mount -t tmpfs tmpfs /tmp",
        "mount -t tmpfs tmpfs /dev/shm",
        "mount --make-rshared /",
        "ip link set lo up",
    ] {
        sh(line)?;
    }
    let write = |name: &str, text: &str| {
        let path = place.join(name);
        std::fs::create_dir_all(place)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|source| Failed::File { path: path.display().to_string(), source })
    };
    write("motd", "hello\n")?;
    write("lab.loom.yml", LAB)?;
    write(
        "edit.loom.yml",
        &LAB.replace("red/h4..9", "red/h6..12").replace("netns: chaos-h2", "netns: chaos-h5"),
    )?;
    for line in [
        "ip netns add bystander",
        "ip link add bystander type veth peer name stander",
        "ip -n bystander link add d0 type veth peer name d1",
    ] {
        sh(line)?;
    }
    let program = Command::new("ip").args(["netns", "exec", "bystander", "sleep", "1000000"]).spawn();
    let _program = Bystander(program.map_err(|source| Failed::Start { program: "ip".into(), source })?);
    let binary = args.binary.clone().unwrap_or_else(|| PathBuf::from("netloom"));
    let mut world = World { place: place.to_owned(), binary, random: args.seed | 1 };

    // What is made once and stays, such as the directory of all labs, is made now; and what takes how long is known.
    let begun = Instant::now();
    world.netloom("up lab.loom.yml")?.wait_ok("up")?;
    let up = begun.elapsed();
    world.netloom("down chaos")?.wait_ok("down")?;
    let before = world.listing()?;
    println!("{} things on the machine before; up takes {} ms", before.len(), up.as_millis());

    let mut seen = Seen::default();
    for round in 1..=args.rounds {
        let moment = world.round(up, &mut seen)?;
        let after = world.settled(&before, &mut seen)?;
        let left: Vec<_> = after.difference(&before).collect();
        let gone: Vec<_> = before.difference(&after).collect();
        if !left.is_empty() || !gone.is_empty() {
            for pid in left.iter().filter_map(|line| line.strip_prefix("process ")?.split(' ').next()) {
                let status = run::read(&format!("/proc/{pid}/status")).unwrap_or_default();
                let wchan = run::read(&format!("/proc/{pid}/wchan")).unwrap_or_default();
                println!("{}; waits in {wchan}", status.lines().take(8).collect::<Vec<_>>().join(", "));
            }
            return Err(Failed::Check(format!(
                "round {round}, {moment:?}: left {left:#?}, touched {gone:#?}"
            )));
        }
    }
    println!("{} rounds: nothing left, nothing touched. {seen}", args.rounds);
    Ok(())
}

/// In what state daemons died.
#[derive(Default)]
struct Seen {
    up: u32,
    edit: u32,
    down: u32,
    too_late: u32,
    dead: u32,
    journal: BTreeSet<usize>,
    /// The longest that the last of it took to go after `down`.
    settled: Duration,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Killed in up {}, in up of an edited file {}, in down {}; too late {}. {} left a dead lab, with journals of {} lengths from {} to {} lines. The last of it was gone at most {} ms after `down`.",
            self.up,
            self.edit,
            self.down,
            self.too_late,
            self.dead,
            self.journal.len(),
            self.journal.first().unwrap_or(&0),
            self.journal.last().unwrap_or(&0),
            self.settled.as_millis()
        )
    }
}

impl World {
    /// Kills the daemon at a random moment, and the command with it half of the time; then cleans up.
    fn round(&mut self, up: Duration, seen: &mut Seen) -> Result<Moment, Failed> {
        let moment = match self.next(5) {
            0 | 1 => Moment::Up,
            2 => Moment::Edit,
            _ => Moment::Down,
        };
        if moment != Moment::Up {
            self.netloom("up lab.loom.yml")?.wait_ok("up")?;
        }
        let (words, span) = match moment {
            Moment::Up => ("up lab.loom.yml", up),
            Moment::Edit => ("up edit.loom.yml", up / 4),
            Moment::Down => ("down chaos", up / 4),
        };
        let lines = journal().unwrap_or(0);
        let mut command = self.netloom(words)?;
        let most = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        let victim = if self.next(3) > 0 {
            self.among_steps(lines, span)
        } else {
            pause(Duration::from_micros(self.next(most)));
            self.daemon()
        };
        match victim {
            Some(pid) => {
                let with_command = self.next(2) == 0;
                kill(pid);
                if let Some(lines) = journal() {
                    seen.journal.insert(lines);
                }
                if with_command {
                    let _ = command.0.kill();
                }
                match moment {
                    Moment::Up => seen.up += 1,
                    Moment::Edit => seen.edit += 1,
                    Moment::Down => seen.down += 1,
                }
            }
            None => seen.too_late += 1,
        }
        let _ = command.0.wait();
        seen.dead += u32::from(journal().is_some());
        let mut down = self.netloom("down chaos")?;
        let status = down.0.wait().map_err(|source| Failed::Start { program: "netloom".into(), source })?;
        // 2: there is no such lab, because nothing of it was there yet, or not any more.
        match status.code() {
            Some(0 | 2) => Ok(moment),
            _ => Err(Failed::Status { what: format!("down after {moment:?}"), status }),
        }
    }

    /// The daemon, at a random line that it writes into its journal: the steps themselves are much shorter than the
    /// start of a process, and it must be known beforehand who is to be killed.
    fn among_steps(&mut self, lines: usize, span: Duration) -> Option<u32> {
        let more = usize::try_from(self.next(22)).unwrap_or(0);
        let begun = Instant::now();
        let mut victim = None;
        while begun.elapsed() < span.saturating_mul(2) {
            victim = victim.or_else(|| self.daemon());
            let now = journal();
            // While it goes down its journal only grows by what is gone; at the end there is none.
            if now.map_or(victim.is_some() && lines > 0, |now| now >= lines + more) {
                break;
            }
        }
        for _ in 0..self.next(2_000) {
            std::hint::spin_loop();
        }
        victim
    }

    fn netloom(&self, words: &str) -> Result<Job, Failed> {
        let mut command = Command::new(&self.binary);
        command
            .args(words.split(' '))
            .current_dir(&self.place)
            .env("NETLOOM_RUN_DIR", "/run/labs")
            .env("NETLOOM_DATA_DIR", "/run/data");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn();
        child.map(Job).map_err(|source| Failed::Start { program: self.binary.display().to_string(), source })
    }

    /// The daemon's number: its spawner, which is forked from it, has a higher one.
    fn daemon(&self) -> Option<u32> {
        processes()
            .into_iter()
            .filter(|(_, command)| command.starts_with("netloom\0daemon\0"))
            .map(|(pid, _)| pid)
            .min()
    }

    /// The listing once it is as `before`, or after ten seconds: the kernel takes its time with namespaces.
    fn settled(&self, before: &BTreeSet<String>, seen: &mut Seen) -> Result<BTreeSet<String>, Failed> {
        let begun = Instant::now();
        loop {
            let now = self.listing()?;
            if now == *before || begun.elapsed() > Duration::from_secs(10) {
                seen.settled = seen.settled.max(begun.elapsed());
                return Ok(now);
            }
            pause(Duration::from_millis(10));
        }
    }

    /// Everything that is on the machine.
    fn listing(&self) -> Result<BTreeSet<String>, Failed> {
        let mut all = BTreeSet::new();
        for (pid, command) in processes() {
            all.insert(format!("process {pid} {}", command.replace('\0', " ")));
            for kind in ["net", "mnt", "pid", "uts", "ipc", "user", "cgroup"] {
                if let Ok(namespace) = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")) {
                    all.insert(format!("namespace {}", namespace.display()));
                }
            }
        }
        let mounts = run::read("/proc/self/mountinfo")?;
        for line in mounts.lines() {
            // The first numbers are given anew at each mount; what is mounted where counts.
            let line = line.splitn(5, ' ').last().unwrap_or(line);
            // Names that were copied along from the machine around go when they are removed there.
            let ours = ["bystander", "chaos-"].iter().any(|name| line.contains(name));
            if ours || !line.starts_with("/run/netns/") {
                all.insert(format!("mount {line}"));
            }
        }
        all.extend(sh("ip -o link")?.lines().map(|line| format!("device {line}")));
        all.extend(sh("ip -n bystander -o link")?.lines().map(|line| format!("bystander's device {line}")));
        for dir in ["/run", "/tmp", "/dev/shm", "/sys/fs/cgroup"] {
            // Groups of processes are the whole machine's.
            let ours = |path: &str| dir != "/sys/fs/cgroup" || path.contains("chaos");
            files(Path::new(dir), 0, &mut |path| {
                if ours(path) {
                    all.insert(format!("file {path}"));
                }
            });
        }
        Ok(all)
    }

    /// Less than `below` (xorshift64*).
    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16) % below.max(1)
    }
}

/// A command at work.
struct Job(Child);

impl Job {
    fn wait_ok(mut self, what: &str) -> Result<(), Failed> {
        let status = self.0.wait().map_err(|source| Failed::Start { program: what.to_owned(), source })?;
        if status.success() { Ok(()) } else { Err(Failed::Status { what: what.to_owned(), status }) }
    }
}

/// How many lines the lab's journal has; `None`: there is none.
fn journal() -> Option<usize> {
    Some(std::fs::read_to_string("/run/labs/chaos/journal.ndjson").ok()?.lines().count())
}

/// Numbers and command lines of all processes.
fn processes() -> Vec<(u32, String)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let named =
        pids.filter_map(|pid| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?)));
    // One without a command line has ended, and its parent will notice.
    named.filter(|(_, command)| !command.is_empty()).collect()
}

fn files(dir: &Path, depth: u32, tell: &mut dyn FnMut(&str)) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        tell(&path.display().to_string());
        if depth < 6 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            files(&path, depth + 1, tell);
        }
    }
}

fn kill(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
}

fn sh(line: &str) -> Result<String, Failed> {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    let out = run::output(line, command.args(words).stdin(Stdio::null()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[expect(clippy::disallowed_methods, reason = "a random moment is to be met")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
