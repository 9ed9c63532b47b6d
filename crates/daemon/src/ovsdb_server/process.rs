//! The process from its first line to its last.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use netloom_ovsdb::UuidSource;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::commands;
use super::core::{Shared, keep_time, take_turns};
use super::linger::look_on;
use super::remotes::Remotes;
use super::tls::Files;
use crate::ovs::detach::{self, Ready, Role};
use crate::ovs::dirs::Directories;
use crate::ovs::log::Log;
use crate::ovs::pidfile::PidFile;
use crate::ovs::socket::Listening;
use crate::ovs::unixctl::{self, Commands};

/// What it is called.
const PROGRAM: &str = "ovsdb-server";

/// The modules of its log, for `vlog/set` and `-v`; named as Open vSwitch names them.
const MODULES: &[&str] = &[
    "daemon",
    "daemon_unix",
    "fatal_signal",
    "jsonrpc",
    "memory",
    "ovsdb",
    "ovsdb_file",
    "ovsdb_jsonrpc_server",
    "ovsdb_log",
    "ovsdb_monitor",
    "ovsdb_server",
    "poll_loop",
    "reconnect",
    "socket_util",
    "stream_ssl",
    "stream_tcp",
    "stream_unix",
    "timeval",
    "transaction",
    "unixctl",
    "util",
    "vlog",
];

/// What it is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Files of databases. None: the usual one.
    pub databases: Vec<PathBuf>,
    /// How clients come.
    pub remotes: Vec<String>,
    /// Files of TLS.
    pub tls: Files,
    /// The control socket, if it is not the usual one. `none`: there is none.
    pub unixctl: Option<PathBuf>,
    /// The pid file; empty: the usual one.
    pub pidfile: Option<PathBuf>,
    /// Whether a pid file of a process that lives is replaced.
    pub overwrite_pidfile: bool,
    /// Whether it goes into the background.
    pub detach: bool,
    /// Whether it is started again when it dies of a bug.
    pub monitor: bool,
    /// Whether it stays in its folder.
    pub no_chdir: bool,
    /// The log file; empty: the usual one.
    pub log_file: Option<PathBuf>,
    /// Levels of the log.
    pub verbose: Vec<String>,
    /// A command of the shell, with whose end it ends.
    pub run: Option<String>,
}

/// How it ends.
#[derive(Debug)]
pub(super) enum Ending {
    Told,
    Signal(SignalKind),
    Command(std::io::Result<ExitStatus>),
}

/// Runs it. `program` is what it was called. To be called before any thread is started. Returns the exit code.
#[must_use]
pub fn main(program: &OsString, options: &Options) -> u8 {
    let log = Log::new(MODULES);
    log.install();
    for spec in &options.verbose {
        if let Err(error) = log.set(spec) {
            return fail(&log, &format!("processing \"{spec}\": {error}"));
        }
    }
    let outcome = match Role::of_process(options.detach, options.monitor) {
        Role::Launcher => detach::launch(program, options.monitor),
        Role::Monitor => detach::monitor(program, options.detach),
        Role::Daemon(ready) => {
            return match serve(options, &log, ready) {
                Ok(ending) => end(&log, ending),
                Err(error) => fail(&log, &error),
            };
        }
    };
    outcome.unwrap_or_else(|error| fail(&log, &format!("cannot start the daemon: {error}")))
}

/// Says what the user must know, whatever the levels of the log are.
fn fail(log: &Log, error: &str) -> u8 {
    log.leave_console();
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{PROGRAM}: {error}\n").as_bytes());
    tracing::error!(target: "ovsdb_server", "{error}");
    1
}

/// Everything that goes with it is gone; what is left is how the process ends.
fn end(log: &Log, ending: Ending) -> u8 {
    match ending {
        Ending::Told => 0,
        Ending::Command(Ok(status)) if status.success() => 0,
        Ending::Command(Ok(_)) => 1,
        Ending::Command(Err(error)) => fail(log, &format!("--run: {error}")),
        Ending::Signal(kind) => {
            // By the same signal, so that whoever waits for us sees it.
            netloom_sys::signals::reset();
            if let Some(signal) = rustix::process::Signal::from_named_raw(kind.as_raw_value()) {
                let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
            }
            u8::try_from(128 + kind.as_raw_value()).unwrap_or(1)
        }
    }
}

fn serve(options: &Options, log: &Log, ready: Ready) -> Result<Ending, String> {
    let dirs = Directories::of_environment();
    if options.detach {
        // The leader of a session already when somebody tries it by hand: no harm.
        let _ = rustix::process::setsid();
    }
    if let Some(file) = &options.log_file {
        let path = dirs.log_file(PROGRAM, file);
        log.open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let core = core_of(options, &dirs)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let served = Served::begin(options, log, &dirs, &core)?;
        if options.detach && !options.no_chdir {
            rustix::process::chdir("/").map_err(|error| error.to_string())?;
        }
        tracing::info!(target: "ovsdb_server", "{}", version());
        ready.tell().map_err(|error| error.to_string())?;
        if options.detach {
            log.leave_console();
        }
        Ok(served.wait(options).await)
    })
}

/// The databases that are to be served.
pub(super) fn core_of(options: &Options, dirs: &Directories) -> Result<Shared, String> {
    let seed = seed().map_err(|error| format!("no entropy: {error}"))?;
    let core = Shared::new(UuidSource::new(seed));
    let usual = [dirs.db.join("conf.db")];
    let files = if options.databases.is_empty() { &usual[..] } else { &options.databases };
    for file in files {
        core.lock().add(file).map_err(|error| error.to_string())?;
    }
    Ok(core)
}

/// The first line of `--version`.
fn version() -> String {
    format!("{PROGRAM} (netloom) {}", env!("CARGO_PKG_VERSION"))
}

/// A seed for row names that nobody else has.
fn seed() -> std::io::Result<[u64; 2]> {
    let mut bytes = [0; 16];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    let (high, low) = bytes.split_at(8);
    let word = |half: &[u8]| half.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    Ok([word(high), word(low)])
}

/// What is served. Dropping it removes its files.
pub(super) struct Served {
    told: mpsc::UnboundedReceiver<()>,
    /// Waited for before anybody is told that it is ready: a signal from then on leaves no files.
    signals: [(SignalKind, Signal); 3],
    _control: Option<Listening>,
    _pidfile: Option<PidFile>,
    tasks: Vec<tokio::task::AbortHandle>,
    /// Last, so that its sockets go too.
    _remotes: Remotes,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Served {
    pub(super) fn begin(
        options: &Options,
        log: &Log,
        dirs: &Directories,
        core: &Shared,
    ) -> Result<Self, String> {
        let pidfile = options.pidfile.as_ref().map(|file| {
            let path = dirs.pid_file(PROGRAM, file);
            PidFile::make(&path, options.overwrite_pidfile).map_err(|error| {
                match std::error::Error::source(&error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                }
            })
        });
        let pidfile = pidfile.transpose()?;
        let remotes = Remotes::new(core, options.tls.clone(), dirs.run.clone());
        for remote in &options.remotes {
            remotes.add(remote)?;
        }
        let (end, told) = mpsc::unbounded_channel();
        let mut commands = Commands::new(&version());
        commands::register(&mut commands, core, &remotes, end);
        log.register(&mut commands);
        let mut tasks = vec![
            tokio::spawn(keep_time(core.clone())).abort_handle(),
            tokio::spawn(take_turns(core.clone())).abort_handle(),
            tokio::spawn(look_on(core.clone())).abort_handle(),
            tokio::spawn(remotes.clone().follow()).abort_handle(),
            tokio::spawn(remotes.clone().tell()).abort_handle(),
        ];
        let mut control = None;
        if options.unixctl.as_deref() != Some(Path::new("none")) {
            let path = dirs.control_socket(PROGRAM, options.unixctl.as_deref());
            let failed = |error: std::io::Error| format!("{}: cannot listen: {error}", path.display());
            let listening = Listening::at(&path).map_err(failed)?;
            let door = unixctl::serve(listening.accepting().map_err(failed)?, Arc::new(commands));
            tasks.push(tokio::spawn(door).abort_handle());
            control = Some(listening);
        }
        let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
        let [a, b, c] = kinds.map(|kind| signal(kind).map(|signal| (kind, signal)));
        let failed = |error: std::io::Error| format!("signals: {error}");
        let signals = [a.map_err(failed)?, b.map_err(failed)?, c.map_err(failed)?];
        Ok(Self { told, signals, _control: control, _pidfile: pidfile, tasks, _remotes: remotes })
    }

    /// Until it is told to end, by whatever means.
    pub(super) async fn wait(mut self, options: &Options) -> Ending {
        let command = options.run.as_deref().map(run);
        let finished = async {
            match command {
                Some(command) => command.await.unwrap_or_else(|_| Err(std::io::Error::other("lost"))),
                None => std::future::pending().await,
            }
        };
        let [(first, hangup), (second, interrupt), (third, terminate)] = &mut self.signals;
        tokio::select! {
            // Without a control socket nobody can say so.
            Some(()) = self.told.recv() => {
                // The answer to `exit` is still on its way.
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                Ending::Told
            }
            status = finished => Ending::Command(status),
            _ = hangup.recv() => Ending::Signal(*first),
            _ = interrupt.recv() => Ending::Signal(*second),
            _ = terminate.recv() => Ending::Signal(*third),
        }
    }
}

/// Runs a command of the shell, and tells how it ended.
fn run(command: &str) -> oneshot::Receiver<std::io::Result<ExitStatus>> {
    let (tell, told) = oneshot::channel();
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).env_remove(detach::VARIABLE);
    std::thread::spawn(move || tell.send(shell.status()));
    told
}
