//! What is left when the daemon dies: nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use netloom_container::{ProcessSpec, SpawnError};

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] = &[
    ("nothing_is_left_after_the_daemon_is_killed", nothing_is_left_after_the_daemon_is_killed),
    ("nothing_is_left_after_the_spawner_is_killed", nothing_is_left_after_the_spawner_is_killed),
];

const MARK: &str = "98765.4321";

/// Plays the daemon: a spawner, two hosts, processes that would stay if they could. Prints its directory, its spawner's
/// number, and a line when the spawner is gone.
pub(crate) fn be_victim() -> ExitCode {
    let Ok(mut lab) = Lab::start_with(Duration::from_secs(5), |event| println!("{event:?}")) else {
        return ExitCode::FAILURE;
    };
    let null = File::open("/dev/null").expect("/dev/null");
    let mut processes = Vec::new();
    for _ in 0..2 {
        lab.next_host();
        let script =
            format!("trap '' HUP TERM INT; setsid sleep {MARK} & setsid sleep {MARK} & sleep {MARK}; wait");
        let process = ProcessSpec::new(["sh", "-c", &script]);
        processes.push(lab.start_in(&lab.host(), &process, Some([null.as_fd(); 3])).expect("it starts"));
    }
    println!("{}\n{}", lab.dir.display(), lab.spawner.pid());
    for process in processes {
        println!("{}", process.wait());
    }
    match lab.start_in(&lab.host(), &ProcessSpec::new(["true"]), Some([null.as_fd(); 3])) {
        Err(SpawnError::Gone) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

struct Victim {
    process: std::process::Child,
    output: std::io::Lines<BufReader<std::process::ChildStdout>>,
    dir: PathBuf,
    spawner: i32,
    mounts: String,
}

impl Victim {
    fn start() -> Self {
        let mounts = mounts();
        let own = std::env::current_exe().expect("the path of this test");
        let mut process = Command::new(own).arg("--victim").stdout(Stdio::piped()).spawn().expect("a victim");
        let mut output = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut line = || output.next().expect("a line").expect("text");
        let (dir, spawner) = (PathBuf::from(line()), line().parse().expect("a number"));
        wait_for(|| marked().len() >= 6, "the processes to start");
        let seen = fs::read_dir(dir.join("scratch")).expect("the directory").count();
        assert_eq!(seen, 0, "private files are seen outside");
        Self { process, output, dir, spawner, mounts }
    }

    fn leaves_nothing(&self) {
        wait_for(|| marked().is_empty(), "the processes to end");
        wait_for(|| !Path::new(&format!("/proc/{}", self.spawner)).exists(), "the spawner to end");
        assert_eq!(mounts(), self.mounts);
        assert_eq!(fs::read_dir(self.dir.join("scratch")).expect("the directory").count(), 0);
    }
}

fn nothing_is_left_after_the_daemon_is_killed(_: &Lab) {
    let mut victim = Victim::start();
    victim.process.kill().expect("it lives");
    victim.process.wait().expect("it ended");
    victim.leaves_nothing();
    fs::remove_dir_all(victim.dir).expect("nothing is mounted there");
}

fn nothing_is_left_after_the_spawner_is_killed(_: &Lab) {
    let mut victim = Victim::start();
    netloom_sys::child::kill(victim.spawner, 9, false).expect("it lives");
    let mut words: Vec<_> = victim.output.by_ref().map(|line| line.expect("text")).collect();
    words.sort_unstable();
    assert_eq!(words, ["Gone", "signal 9", "signal 9"]);
    assert!(
        victim.process.wait().expect("it ended").success(),
        "a further start is not refused as it should be"
    );
    wait_for(|| marked().is_empty(), "the processes to end");
    assert_eq!(mounts(), victim.mounts);
    assert!(!victim.dir.exists(), "a daemon that ends in order removes its directory");
}

fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").expect("the mounts")
}

fn wait_for(condition: impl Fn() -> bool, what: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The processes with the mark on their command line.
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
