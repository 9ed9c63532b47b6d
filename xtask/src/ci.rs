//! `cargo xtask ci`: one line of steps that also runs at home.

use crate::run::{self, Failed};
use crate::{docs, fuzz, layers, test};

/// Options of `cargo xtask ci`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    test: test::Args,
    /// Leave out the fuzz smoke run.
    #[arg(long)]
    no_fuzz: bool,
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
    docs::run(&docs::Args { check: true })?;
    test::run(&args.test)?;
    if !args.no_fuzz {
        fuzz::run(&fuzz::Args::smoke())?;
    }
    quickstart()
}

/// The first command of the README, as a new user types it.
fn quickstart() -> Result<(), Failed> {
    let first = ["run", "--release", "--locked", "--", "run", "examples/quickstart.loom.yml"];
    run::step("quickstart", &mut run::cargo(&first))
}
