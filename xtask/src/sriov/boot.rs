//! One guest, booted by `netloom vf guest`, whose lines are looked at; and one as a user has it, by `netloom vf run`.

#![allow(clippy::disallowed_methods, reason = "a guest is given so much real time")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::fetch::Ground;
use crate::run::{self, Failed};

/// How long all of it may take where everything is emulated and the machine is shared: some three times what it takes alone.
const PATIENCE: Duration = Duration::from_secs(240);
/// The same where a machine is emulated in the guest.
const NESTED_PATIENCE: Duration = Duration::from_secs(1_200);
/// What the guest has of memory.
const MEMORY: &str = "768MiB";
const NESTED_MEMORY: &str = "2GiB";

/// Boots the guest and waits for its verdict.
///
/// # Errors
/// [`Failed::Check`]: the first promise that was not kept, or no verdict in time.
pub(super) fn run(ground: &Ground, root: &Path, nested: bool) -> Result<(), Failed> {
    let (memory, patience) = if nested { (NESTED_MEMORY, NESTED_PATIENCE) } else { (MEMORY, PATIENCE) };
    let begun = Instant::now();
    let mut command = netloom(&["vf", "guest", "--memory", memory, "--program", "ip"], ground);
    if nested {
        command.arg("--program").arg(&ground.qemu);
    }
    command.arg("--copy").arg(format!("{}:/", root.display())).args(["--", "sh", "/lab/main.sh"]);
    let mut guest = Guest::start(command)?;
    guest.listen(patience)?;
    guest.end()?;
    println!("sriov: all promises kept in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Runs the example as its first lines say, and looks on in the shell that comes with it; what it said.
///
/// # Errors
/// [`Failed::Check`]: it does not hold, or the lab's switch has seen packets.
pub(super) fn example(ground: &Ground) -> Result<String, Failed> {
    let begun = Instant::now();
    let mut command = netloom(&["vf", "run", EXAMPLE, "--shell"], ground);
    let program = command.get_program().to_string_lossy().into_owned();
    let start = |source| Failed::Start { program, source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let done = command.spawn().and_then(|mut child| {
        // A pipe has room for all of it; its end is that of the shell.
        child.stdin.take().map_or(Ok(()), |mut shell| shell.write_all(LOOK.as_bytes()))?;
        child.wait_with_output()
    });
    let done = done.map_err(start)?;
    let said = String::from_utf8_lossy(&done.stdout);
    let lacks = SAID.into_iter().find(|words| !said.contains(words));
    match lacks {
        None if done.status.success() => {}
        _ => {
            let (lacks, status) = (lacks.unwrap_or("a good end"), done.status);
            let text = format!("sriov: the example in a guest lacks: {lacks} ({status}) in\n{said}");
            return Err(Failed::Check(text));
        }
    }
    let lines = said.lines().map(|line| format!("    {line}\n")).collect::<String>();
    Ok(format!("{lines}sriov: the example runs in {:.0} s", begun.elapsed().as_secs_f64()))
}

/// What its user types: traffic flows past the lab's switch.
const LOOK: &str = r#"
counters() { netloom show s1 -o json | grep -o '"[rt]x_packets": *[0-9]*'; }
counters >/tmp/before
netloom exec left -- ping -c 10 -i 0.1 10.0.0.2
counters >/tmp/after
[ -s /tmp/before ] && cmp /tmp/before /tmp/after && echo ok the counters of the switch stand still
netloom capture left 2>&1
"#;
const SAID: [&str; 5] = [
    "ok  left can reach right",
    "1 of 1 hold",
    "10 packets received",
    "ok the counters of the switch stand still",
    "whose frames the card's own switch carries",
];
const EXAMPLE: &str = "examples/sriov.loom.yml";

fn netloom(words: &[&str], ground: &Ground) -> Command {
    let program = run::target().join("debug/netloom").display().to_string();
    let (verb, rest) = words.split_at(2);
    let mut command = run::command(&program, verb);
    command.arg("--qemu").arg(&ground.qemu).arg("--kernel").arg(&ground.kernel).args(rest);
    command
}

/// A guest, and the lines it says. It is killed with this.
struct Guest {
    child: Child,
    told: mpsc::Receiver<String>,
}

impl Guest {
    fn start(mut command: Command) -> Result<Self, Failed> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| Failed::Start { program, source })?;
        let (tell, told) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            std::thread::spawn(move || lines.into_iter().try_for_each(|line| tell.send(line)));
        }
        Ok(Self { child, told })
    }

    /// Prints what it says until it says that it is done.
    fn listen(&mut self, patience: Duration) -> Result<(), Failed> {
        let begun = Instant::now();
        let mut failed = None;
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            let Ok(line) = self.told.recv_timeout(left) else {
                let why = failed
                    .unwrap_or_else(|| "the guest ended, or took too long, without a verdict".to_owned());
                return Err(Failed::Check(format!("sriov: {why}")));
            };
            let line = line.trim_end();
            println!("    {line}");
            if line == "DONE" && failed.is_none() {
                return Ok(());
            }
            if let Some(what) = line.strip_prefix("FAILED ") {
                failed.get_or_insert(what.to_owned());
            }
        }
    }
}

impl Guest {
    /// Kills what booted it, after which nothing of it is there.
    fn end(mut self) -> Result<(), Failed> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let qemu = std::fs::read_to_string(children).unwrap_or_default();
        let program = Path::new("/proc").join(qemu.trim()).join("exe");
        if std::fs::read_link(&program).is_err() {
            return Err(Failed::Check("sriov: a guest runs without a QEMU".to_owned()));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let until = Instant::now() + Duration::from_secs(5);
        // What has ended, and is not waited for yet, has no program any more.
        while std::fs::read_link(&program).is_ok() {
            if Instant::now() > until {
                return Err(Failed::Check("sriov: QEMU outlives who started it".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("    ok a guest ends with who booted it, even if that is killed");
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
