//! `cargo xtask fuzz`: each target for a while.

use crate::packages;
use crate::run::{self, Failed};

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only these targets.
    targets: Vec<String>,
}

impl Args {
    /// A short run of everything: enough to notice a target that no longer builds or fails at once.
    pub(crate) fn smoke() -> Self {
        Self { seconds: 15, targets: Vec::new() }
    }
}

/// Runs the targets; a crash leaves its input in fuzz/artifacts.
///
/// # Errors
/// [`Failed`] if a target does not build or finds something.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    if !packages::has("cargo-fuzz") {
        let install = ["install", "--locked", "--quiet", "cargo-fuzz"];
        run::step("install cargo-fuzz", &mut run::cargo(&install))?;
    }
    for target in targets(args)? {
        let limit = format!("-max_total_time={}", args.seconds);
        let mut fuzz =
            run::cargo(&["fuzz", "run", "--sanitizer=none", &target, "--", &limit, "-rss_limit_mb=2048"]);
        // libFuzzer's instrumentation flags are unstable options of the compiler; this opens them on stable.
        run::step(&format!("fuzz {target} for {} s", args.seconds), fuzz.env("RUSTC_BOOTSTRAP", "1"))?;
    }
    Ok(())
}

fn targets(args: &Args) -> Result<Vec<String>, Failed> {
    if !args.targets.is_empty() {
        return Ok(args.targets.clone());
    }
    let folder = run::root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder)
        .map_err(|source| Failed::File { path: "fuzz/fuzz_targets".to_owned(), source })?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|e| e.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
