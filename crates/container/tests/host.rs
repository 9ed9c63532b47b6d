//! Hosts as their processes see them: files, privileges, terminals, exit codes, and what is left when all is over.
//!
//! The spawner must be forked before there is a second thread, so this test has a `main` of its own. As root it runs the list
//! twice: as root, and in a user namespace of an ordinary user. What cannot be run is counted aloud.

mod lab;

use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use lab::Lab;
use netloom_container::{BoundFile, Ending, HostSpec, ProcessSpec, Step, TerminalSize, User};

type Test = (&'static str, fn(&Lab));

const TESTS: &[Test] = &[("runs_a_command_and_reports_its_code", runs_a_command_and_reports_its_code)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (name, _) in TESTS {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned();
    let mut lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            println!("skipped {} tests of hosts: {reason}", TESTS.len());
            return ExitCode::SUCCESS;
        }
    };
    let mut failed = 0;
    for (name, test) in TESTS {
        if filter.as_ref().is_some_and(|filter| !name.contains(filter.as_str())) {
            continue;
        }
        let start = Instant::now();
        lab.next_host();
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&lab))).is_ok();
        println!("{} {name} ({:?})", if good { "ok    " } else { "FAILED" }, start.elapsed());
        failed += u8::from(!good);
    }
    ExitCode::from(failed)
}

fn runs_a_command_and_reports_its_code(lab: &Lab) {
    let done = lab.sh("echo out; echo err >&2; cat; exit 3");
    assert_eq!((done.ending, done.out.as_str(), done.err.as_str()), (Ending::Code(3), "out\n", "err\n"));
}
