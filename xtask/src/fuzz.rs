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
        Self { seconds: 10, targets: Vec::new() }
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
    let targets = targets(args)?;
    // All at once: they share their dependencies.
    step("build the fuzz targets", &["build", "--sanitizer=none"])?;
    for target in &targets {
        let findings = inputs("findings", target)?;
        if !findings.is_empty() {
            let replay = [&["run", "--sanitizer=none", target][..], &texts(&findings)].concat();
            step(&format!("fuzz {target}: {} old findings", findings.len()), &replay)?;
        }
        // What libFuzzer finds goes to the first folder; the seeds are read only.
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        std::fs::create_dir_all(run::root().join(&corpus))
            .map_err(|source| Failed::File { path: corpus.clone(), source })?;
        let limit = format!("-max_total_time={}", args.seconds);
        let folders: Vec<&str> = [&corpus, &seeds]
            .into_iter()
            .filter(|f| run::root().join(f).is_dir())
            .map(String::as_str)
            .collect();
        let fuzz = [
            &["run", "--sanitizer=none", target][..],
            &folders,
            &["--", &limit, "-rss_limit_mb=2048", "-timeout=20", "-print_final_stats=1", "-verbosity=0"],
        ]
        .concat();
        step(&format!("fuzz {target} for {} s", args.seconds), &fuzz)?;
    }
    Ok(())
}

/// Runs `cargo fuzz`. libFuzzer's instrumentation flags are unstable options of the compiler; the variable opens
/// them on stable.
fn step(what: &str, args: &[&str]) -> Result<(), Failed> {
    let args = [&["fuzz"][..], args].concat();
    run::step(what, run::cargo(&args).env("RUSTC_BOOTSTRAP", "1"))
}

/// The files of a target in a folder of `fuzz`, none if there is no such folder.
fn inputs(folder: &str, target: &str) -> Result<Vec<String>, Failed> {
    let path = format!("fuzz/{folder}/{target}");
    let Ok(entries) = std::fs::read_dir(run::root().join(&path)) else { return Ok(Vec::new()) };
    let names = entries.map(|entry| entry.map(|e| format!("{path}/{}", e.file_name().to_string_lossy())));
    let mut names =
        names.collect::<Result<Vec<_>, _>>().map_err(|source| Failed::File { path: path.clone(), source })?;
    names.sort();
    Ok(names)
}

fn texts(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
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
