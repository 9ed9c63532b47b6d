//! The daemon's process from its first line to its last.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use netloom_api::{ApiError, ErrorKind};
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};

use crate::http::Server;
use crate::{Boot, Home, HomeError, Homes, Identity, Lock, LockError};

/// What the hidden command `netloom daemon` is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The lab's name.
    pub lab: String,
    /// A group whose users may ask too: its number.
    pub group: Option<u32>,
}

/// The one line on the daemon's standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Hello {
    /// The socket answers.
    Ready {
        /// What a dead daemon of this name had left, and could not be removed.
        left: Vec<String>,
    },
    /// It could not start; everything is undone.
    Failed(Box<ApiError>),
}

/// Runs a daemon until its lab is down. To be called in a process of its own, before any thread is started,
/// with standard output a pipe to the one who waits. Returns the process's exit status.
#[must_use]
pub fn main(options: &Options, boot: Box<dyn Boot>) -> u8 {
    // Already the leader of a session when somebody tries it by hand: no harm.
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    match run(options, boot) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, causes = ?error.detail.causes, "cannot start");
            hello(&Hello::Failed(Box::new(error)));
            1
        }
    }
}

fn run(options: &Options, boot: Box<dyn Boot>) -> Result<(), ApiError> {
    let home = Homes::mine().home(&options.lab).map_err(|error| refused(&error))?;
    let lock = hold(&home)?;
    let outcome = run_locked(options, boot, &home);
    if outcome.is_err() {
        // The text went to the one who waits; nothing is left to look at. What recovery could not remove stays.
        drop(home.remove());
    }
    drop(lock);
    outcome
}

/// Makes the lab's directory and takes its lock.
///
/// A dead daemon's spawner holds the lock until it has ended the nodes' processes, and whoever ends a lab removes its
/// directory: both are waited for.
///
/// # Errors
/// [`ErrorKind::Busy`] if somebody who lives has the lab.
pub(crate) fn hold(home: &Home) -> Result<Lock, ApiError> {
    let is_held = || Identity::read(&home.pid_file()).is_some_and(|who| who.is_alive());
    for _ in 0..PATIENCE {
        match home.create() {
            // Another lab's end removed the directory above, which was empty for a moment.
            Err(HomeError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => continue,
            made => made.map_err(|error| refused(&error))?,
        }
        match Lock::take(home) {
            Ok(lock) => return Ok(lock),
            Err(LockError::Held) if is_held() => break,
            Err(LockError::Held) => pause(),
            // It was removed between the two lines above.
            Err(LockError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(locked(home, &error)),
        }
    }
    Err(locked(home, &LockError::Held))
}

/// How often the lock is tried, 20 ms apart.
const PATIENCE: u32 = 150;

#[expect(
    clippy::disallowed_methods,
    reason = "flock tells nobody when a lock becomes free without blocking for ever"
)]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(20));
}

fn run_locked(options: &Options, boot: Box<dyn Boot>, home: &Home) -> Result<(), ApiError> {
    log_to(&home.log_file()).map_err(|error| failed("Cannot open the lab's log.", &error))?;
    Identity::mine()
        .and_then(|me| me.write(&home.pid_file()))
        .map_err(|error| failed("Cannot write the pid file.", &error))?;
    let left = if home.journal().exists() { boot.recover(home)?.left } else { Vec::new() };
    let listener =
        listen(home, options.group).map_err(|error| failed("Cannot make the lab's socket.", &error))?;
    let engine = boot.prepare(home)?.start()?;
    let server = Server { listener, home: home.clone(), group: options.group.is_some() };
    tracing::info!(lab = home.lab(), version = env!("CARGO_PKG_VERSION"), "ready");
    server
        .serve(engine, || {
            hello(&Hello::Ready { left });
            // Whoever waits for the end of the pipe need not wait for the end of the lab.
            if let Ok(null) = File::options().write(true).open("/dev/null") {
                let _ = rustix::stdio::dup2_stdout(null);
            }
        })
        .map_err(|error| failed("Cannot serve.", &error))
}

fn hello(hello: &Hello) {
    let mut line = serde_json::to_vec(hello).unwrap_or_default();
    line.push(b'\n');
    // If nobody waits any more, the lab is up all the same.
    let _ = io::stdout().write_all(&line);
    let _ = io::stdout().flush();
}

/// Log and standard error go to the file: a panic must not be lost.
fn log_to(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    rustix::stdio::dup2_stderr(&file)?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("NETLOOM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        // They would go to standard error, which is the same file: on a full disk that is a panic.
        .log_internal_errors(false)
        .with_writer(std::sync::Mutex::new(file))
        .finish();
    // A second daemon in one process exists only in tests.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// Listens on the lab's socket, which nobody but the owner and the group can open, not even for a moment.
fn listen(home: &Home, group: Option<u32>) -> io::Result<UnixListener> {
    let path = home.socket();
    // We hold the lock, so it is a dead daemon's.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(&path);
    rustix::process::umask(before);
    let listener = listener?;
    if let Some(group) = group {
        std::os::unix::fs::chown(&path, None, Some(group))?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o660))?;
    }
    Ok(listener)
}

fn failed(message: &str, error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::caused(ErrorKind::Failed, message, error)
}

fn refused(error: &HomeError) -> ApiError {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let (kind, hint) = match error {
        HomeError::Name(_) => (ErrorKind::Usage, None),
        HomeError::Foreign(path) => (
            ErrorKind::Machine,
            Some(format!("remove {}, or set XDG_RUNTIME_DIR to a directory of yours", path.display())),
        ),
        HomeError::TooLong(_) => {
            (ErrorKind::Machine, Some("set XDG_RUNTIME_DIR to a shorter path".to_owned()))
        }
        HomeError::Io { source, .. } => {
            let other = "set XDG_RUNTIME_DIR to a directory of yours that has room";
            let by_place = matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::ReadOnlyFilesystem
            );
            (ErrorKind::Failed, by_place.then(|| other.to_owned()))
        }
    };
    let mut out = ApiError::new(kind, format!("{error}."));
    out.detail.causes = causes.map(ToString::to_string).collect();
    out.hint = hint;
    out
}

fn locked(home: &Home, error: &LockError) -> ApiError {
    match error {
        LockError::Held => {
            let lab = home.lab();
            let who = Identity::read(&home.pid_file()).map(|who| format!(" (process {})", who.pid));
            ApiError::new(
                ErrorKind::Busy,
                format!("Lab {lab} is being started or ended by another netloom{}.", who.unwrap_or_default()),
            )
            .hint(format!("try again in a moment; `netloom up --name NAME` makes a second copy of {lab}"))
        }
        LockError::Io { .. } => failed("Cannot lock the lab.", error),
    }
}
