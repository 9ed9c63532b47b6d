//! Hosts as their processes see them: files, privileges, terminals, exit codes, and what is left when all is over.
//!
//! The spawner must be forked before there is a second thread, so this test has a `main` of its own. As root it runs the list
//! twice: as root, and in a user namespace of an ordinary user. What cannot be run is counted aloud.

mod lab;

mod files;
mod leftovers;
mod limits;
mod lives;
mod terminals;

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
        Some("--victim") => return leftovers::be_victim(),
        _ => {}
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).cloned().unwrap_or_default();
    let chosen: Vec<Test> = tests.into_iter().filter(|(name, _)| name.contains(&filter)).collect();
    let failed = run(&chosen);
    // Once more as an ordinary user, in a namespace where that user is root.
    let rootless = std::env::args().any(|argument| argument == "--rootless");
    if !rootless && lab::is_machine_root() {
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
    }
    failed
}

fn run_as_user(filter: &str) -> u8 {
    let place = std::env::temp_dir().join(format!("netloom-host-test-binary-{}", std::process::id()));
    let own = std::env::current_exe().expect("the path of this test");
    // Where it was built need not be readable for another user.
    std::fs::copy(own, &place).expect("a copy of this test");
    let mut command = Command::new("setpriv");
    command.args([
        "--reuid",
        "1000",
        "--regid",
        "1000",
        "--clear-groups",
        "unshare",
        "--user",
        "--map-root-user",
    ]);
    let status =
        command.arg(&place).args(["--rootless", filter]).env_remove("TMPDIR").current_dir("/").status();
    let _ = std::fs::remove_file(&place);
    match status {
        Ok(status) if status.success() => 0,
        Ok(_) => 1,
        Err(error) => {
            println!("skipped the tests of hosts as an ordinary user: setpriv: {error}");
            0
        }
    }
}
