//! Hosts as their processes see them: files, privileges, terminals, exit codes, and what is left when all is over.
//!
//! The spawner must be forked before there is a second thread, so this test has a `main` of its own. As root it runs the list
//! twice: as root, and in a user namespace of an ordinary user. What cannot be run is counted aloud.

#![expect(clippy::print_stdout, reason = "a test harness of its own prints its results")]
#![expect(clippy::disallowed_methods, reason = "tests of real processes measure real time")]

mod lab;

mod files;
mod leftovers;
mod limits;
mod lives;
mod terminals;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use lab::Lab;

type Test = (&'static str, fn(&Lab));

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let tests: Vec<Test> =
        [files::TESTS, limits::TESTS, lives::TESTS, terminals::TESTS, leftovers::TESTS].concat();
    match arguments.iter().map(String::as_str).find(|argument| argument.starts_with("--")) {
        Some("--list") => {
            tests.iter().for_each(|(name, _)| println!("{name}: test"));
            return ExitCode::SUCCESS;
        }
        Some("--restless") => return lives::be_restless(),
        Some("--victim") => return leftovers::be_victim(),
        _ => {}
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let chosen: Vec<Test> = tests.into_iter().filter(|(name, _)| name.contains(&filter)).collect();
    if !netloom_sys::process::is_root()
        && let Err(error) = netloom_sys::userns::become_root()
    {
        println!("skipped {} tests of hosts: {error}", chosen.len());
        return ExitCode::SUCCESS;
    }
    let failed = run(&chosen);
    if netloom_sys::process::is_root() && netloom_sys::userns::is_first() {
        return ExitCode::from(failed.saturating_add(run_as_user(&filter)));
    }
    ExitCode::from(failed)
}

fn run(tests: &[Test]) -> u8 {
    let mut lab = match Lab::start() {
        Ok(lab) => lab,
        Err(reason) => {
            println!("skipped {} tests of hosts: {reason}", tests.len());
            return 0;
        }
    };
    let mut failed = 0;
    for (name, test) in tests {
        let start = Instant::now();
        lab.next_host();
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&lab))).is_ok();
        println!(
            "test {name} ... {} ({} ms)",
            if good { "ok" } else { "FAILED" },
            start.elapsed().as_millis()
        );
        failed += u8::from(!good);
        if !good {
            // What it left running must not fail the next ones.
            let _ = lab.spawner.stop_all(std::time::Duration::ZERO);
        }
    }
    failed
}

fn run_as_user(filter: &str) -> u8 {
    let place = std::env::temp_dir().join(format!("netloom-host-test-binary-{}", std::process::id()));
    let own = std::env::current_exe().expect("the path of this test");
    // Where it was built need not be readable for another user.
    std::fs::copy(own, &place).expect("a copy of this test");
    println!("as an ordinary user:");
    let mut command = Command::new(&place);
    let status = command.arg(filter).env_remove("TMPDIR").current_dir("/").uid(1000).gid(1000).status();
    let _ = std::fs::remove_file(&place);
    match status {
        Ok(status) if status.success() => 0,
        Ok(_) => 1,
        Err(error) => {
            println!("skipped the tests of hosts as an ordinary user: {error}");
            0
        }
    }
}
