//! Starting other programs, with their name and time on the screen.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Why a task failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// A program could not be started.
    #[error("Cannot start {program}: {source}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("{what} failed ({status})")]
    Status {
        /// What it was to do.
        what: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// A file could not be read or written.
    #[error("Cannot use {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A check found something.
    #[error("{0}")]
    Check(String),
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command that runs in the workspace's folder without standard input.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command
}

/// Cargo, the one that runs this task.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").and_then(|path| path.into_string().ok());
    command(cargo.as_deref().unwrap_or("cargo"), args)
}

/// What a short command prints, empty if it cannot be run.
pub(crate) fn told(program: &str, args: &[&str]) -> String {
    let out = command(program, args).output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default()
}

/// Runs `command` to its end, saying `what` first.
///
/// # Errors
/// [`Failed::Start`] or [`Failed::Status`].
pub(crate) fn step(what: &str, command: &mut Command) -> Result<(), Failed> {
    println!("--- {what}");
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|source| Failed::Start { program, source })?;
    if status.success() { Ok(()) } else { Err(Failed::Status { what: what.to_owned(), status }) }
}

/// Runs `command` and returns what it printed on standard output.
///
/// # Errors
/// [`Failed::Start`] or [`Failed::Status`].
pub(crate) fn output(what: &str, command: &mut Command) -> Result<Vec<u8>, Failed> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out =
        command.stderr(Stdio::inherit()).output().map_err(|source| Failed::Start { program, source })?;
    if out.status.success() {
        Ok(out.stdout)
    } else {
        Err(Failed::Status { what: what.to_owned(), status: out.status })
    }
}

/// Reads a text file of the workspace.
///
/// # Errors
/// [`Failed::File`].
pub(crate) fn read(path: &str) -> Result<String, Failed> {
    std::fs::read_to_string(root().join(path))
        .map_err(|source| Failed::File { path: path.to_owned(), source })
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0)
}
