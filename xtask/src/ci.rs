//! `cargo xtask ci`: one line of steps that also runs at home.

use crate::run::{self, Failed};
use crate::{conformance, docs, fuzz, layers, packages, sriov, test};

/// Options of `cargo xtask ci`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    test: test::Args,
    /// Leave out the fuzz smoke run.
    #[arg(long)]
    no_fuzz: bool,
    /// Leave out the quick run of the OpenFlow switch tests.
    #[arg(long)]
    no_conformance: bool,
    /// Leave out the guest with a card that has virtual functions.
    #[arg(long)]
    no_sriov: bool,
}

/// Runs all checks.
///
/// # Errors
/// [`Failed`] of the first check that fails.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    run::step("format", &mut run::cargo(&["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    run::step("lints", &mut run::cargo(&clippy))?;
    layers::run()?;
    deny()?;
    docs::run(&docs::Args { check: true })?;
    test::run(&args.test)?;
    if !args.no_fuzz {
        fuzz::run(&fuzz::Args::smoke())?;
    }
    if !args.no_conformance {
        conformance::run(&conformance::Args::quick())?;
    }
    if !args.no_sriov {
        functions(&args.test)?;
    }
    quickstart()
}

/// The emulated card loses and finds its cable at times of its own: what fails once is tried again, and said aloud.
fn functions(test: &test::Args) -> Result<(), Failed> {
    sriov::run(&sriov::Args::quick(test)).or_else(|failed| {
        println!("--- sriov: {failed}; once more");
        sriov::run(&sriov::Args::quick(test))
    })
}

/// Licences, sources and duplicates of what we stand on, as deny.toml has it. Advisories are another matter: they need the
/// network, and change without us.
fn deny() -> Result<(), Failed> {
    if !packages::has("cargo-deny") {
        println!("--- dependencies: skipped, cargo-deny is missing (cargo install --locked cargo-deny)");
        return Ok(());
    }
    let words = ["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"];
    run::step("dependencies", &mut run::cargo(&words))
}

/// How often the quickstart may find the machine too busy to emulate links faithfully.
const TRIES: usize = 3;
/// netloom's exit code for "nothing failed, but a measurement is not to be trusted".
const NOT_FAITHFUL: i32 = 5;

/// The first command of the README, as a new user types it. A machine shared with others may be too busy for
/// exact timing now and then: that is tried again, and said aloud if it stays so; a failed expectation fails.
fn quickstart() -> Result<(), Failed> {
    let first = ["run", "--release", "--locked", "--", "run", "examples/quickstart.loom.yml"];
    for _ in 0..TRIES {
        match run::step("quickstart", &mut run::cargo(&first)) {
            Err(Failed::Status { status, .. }) if status.code() == Some(NOT_FAITHFUL) => {}
            outcome => return outcome,
        }
    }
    println!(
        "quickstart: nothing failed, but this machine was too busy to trust its measurements, {TRIES} times"
    );
    Ok(())
}
