//! What is left when the daemon dies: nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use netloom_container::ProcessSpec;

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] =
    &[("nothing_is_left_after_the_daemon_is_killed", nothing_is_left_after_the_daemon_is_killed)];

const MARK: &str = "98765.4321";

/// Plays the daemon: a spawner, two hosts, processes that would stay if they could.
pub(crate) fn be_victim() -> ExitCode {
    let Ok(mut lab) = Lab::start() else { return ExitCode::FAILURE };
    let null = File::open("/dev/null").expect("/dev/null");
    for _ in 0..2 {
        lab.next_host();
        let script =
            format!("trap '' HUP TERM INT; setsid sleep {MARK} & setsid sleep {MARK} & sleep {MARK}; wait");
        let process = ProcessSpec::new(["sh", "-c", &script]);
        lab.start_in(&lab.host(), &process, Some([null.as_fd(); 3])).expect("it starts");
    }
    println!("{}", lab.dir.display());
    // Until it is killed.
    let _ = std::io::stdin().lines().count();
    ExitCode::SUCCESS
}

fn nothing_is_left_after_the_daemon_is_killed(_: &Lab) {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("the mounts");
    let before = mounts();
    let own = std::env::current_exe().expect("the path of this test");
    let mut victim = Command::new(own)
        .arg("--victim")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a victim");
    let mut dir = String::new();
    BufReader::new(victim.stdout.take().expect("its output")).read_line(&mut dir).expect("a line");
    let dir = std::path::PathBuf::from(dir.trim());
    wait_for(|| marked().len() >= 6, "the processes to start");
    assert_eq!(
        fs::read_dir(dir.join("scratch")).expect("the directory").count(),
        0,
        "private files are seen outside"
    );
    victim.kill().expect("it lives");
    victim.wait().expect("it ended");
    wait_for(|| marked().is_empty(), "the processes to end");
    wait_for(|| mounts() == before, "the mounts to go");
    assert_eq!(fs::read_dir(dir.join("scratch")).expect("the directory").count(), 0);
    fs::remove_dir_all(dir).expect("nothing is mounted there");
}

fn wait_for(condition: impl Fn() -> bool, what: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The processes with the mark on their command line, init and spawner of the victim included by their names.
fn marked() -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers
        .filter(|pid: &u32| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.windows(MARK.len()).any(|window| window == MARK.as_bytes())
        })
        .collect()
}
