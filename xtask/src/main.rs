//! The tasks of this repository. `cargo xtask --help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to the terminal")]

mod bench;
mod chaos;
mod ci;
mod conformance;
mod dist;
mod docs;
mod fuzz;
mod layers;
mod packages;
mod run;
mod sriov;
mod test;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this repository")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run every test this machine and user can run; say what was skipped and why.
    Test(test::Args),
    /// What continuous integration runs: format, lints, layers, docs, tests, fuzz smoke, the quickstart.
    Ci(ci::Args),
    /// Check that every crate uses only what its row of the table in ARCHITECTURE.md allows.
    Layers,
    /// Build the documentation with warnings as errors and bring generated files up to date.
    Docs(docs::Args),
    /// Run each fuzz target for a while.
    Fuzz(fuzz::Args),
    /// Kill the daemon at random moments and look whether `netloom down` leaves anything behind.
    Chaos(chaos::Args),
    /// Run the public OpenFlow switch tests against netloom and Open vSwitch.
    Conformance(conformance::Args),
    /// Give nodes virtual functions of an emulated network card, in a guest of QEMU.
    Sriov(sriov::Args),
    /// Measure netloom beside its peers and print the tables.
    Bench(bench::Args),
    /// The generator and receiver of the benches.
    #[command(hide = true)]
    Agent {
        /// What it does.
        #[command(subcommand)]
        agent: bench::agent::Agent,
    },
    /// Build a static binary with its man pages and completions into target/dist.
    Dist,
}

fn main() -> std::process::ExitCode {
    let outcome = match Cli::parse().task {
        Task::Test(args) => test::run(&args),
        Task::Ci(args) => ci::run(&args),
        Task::Layers => layers::run(),
        Task::Docs(args) => docs::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Chaos(args) => chaos::run(&args),
        Task::Conformance(args) => conformance::run(&args),
        Task::Sriov(args) => sriov::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Agent { agent } => bench::agent::run(&agent),
        Task::Dist => dist::run(),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn every_task_has_arguments_that_parse() {
        Cli::command().debug_assert();
    }
}
