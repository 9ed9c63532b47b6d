//! The process, from its flags to its end.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::database::Server;
use super::dummy::{self, Dummies, Dummy};
use super::keep::Folder;
use super::plant::Plant;
use super::work::{Work, lock};
use super::{PROGRAM, commands};
use crate::ovs::detach::{self, Role};
use crate::ovs::dirs::Directories;
use crate::ovs::log::Log;
use crate::ovs::pidfile::PidFile;
use crate::ovs::socket::Listening;
use crate::ovs::unixctl::{self, Commands};
use crate::ovsdb_server::{self, Within};

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The name this program was called by.
    pub program: OsString,
    /// The database: `unix:PATH`, `tcp:ADDRESS:PORT`; `None`: `db.sock` in the directory of sockets.
    pub database: Option<String>,
    /// A file whose database is served here, too; empty: the usual one.
    pub serve: Option<PathBuf>,
    /// Where commands are taken.
    pub unixctl: Option<PathBuf>,
    /// The pid file; empty: the usual one.
    pub pidfile: Option<PathBuf>,
    /// Replace the pid file of another process.
    pub overwrite_pidfile: bool,
    /// The log file; empty: the usual one.
    pub log_file: Option<PathBuf>,
    /// Go into the background.
    pub detach: bool,
    /// Be started again after a crash.
    pub monitor: bool,
    /// Stay in the folder it was started in.
    pub no_chdir: bool,
    /// The folder of what outlives a restart: flows, groups, meters, connections; empty: that of sockets. `None`: nothing does.
    pub keep_flows: Option<PathBuf>,
    /// Which devices may be, or are, dummies.
    pub dummies: Dummy,
    /// What is logged, as `vlog/set` takes it.
    pub verbose: Vec<String>,
}

/// Modules whose lines can be set apart.
const MODULES: [&str; 12] = [
    "bridge",
    "core",
    "database",
    "door",
    "dpif",
    "hub",
    "ofproto",
    "plant",
    "reconnect",
    "standing",
    "thread",
    "vlog",
];

/// Runs until it is told to end. To be called before any thread is started. Returns the process's exit status.
#[must_use]
pub fn main(options: &Options) -> u8 {
    let log = Log::new(&MODULES);
    log.install();
    match run(options, &log) {
        Ok(code) => code,
        Err(error) => {
            let program = options.program.to_string_lossy();
            tracing::error!(target: "bridge", "{program}: {error}");
            1
        }
    }
}

fn run(options: &Options, log: &Log) -> Result<u8, String> {
    for spec in &options.verbose {
        log.set(spec)?;
    }
    let text = |error: std::io::Error| error.to_string();
    let ready = match Role::of_process(options.detach, options.monitor) {
        Role::Launcher => return detach::launch(&options.program, options.monitor).map_err(text),
        Role::Monitor => return detach::monitor(&options.program, options.detach).map_err(text),
        Role::Daemon(ready) => ready,
    };
    let dirs = Directories::of_environment();
    if let Some(file) = &options.log_file {
        let path = dirs.log_file(PROGRAM, file);
        log.open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let kept = options.keep_flows.as_ref().map(|dir| folder(dir, &dirs)).transpose().map_err(text)?;
    if options.detach {
        let _ = rustix::process::setsid();
        if !options.no_chdir {
            let _ = rustix::process::chdir("/");
        }
    }
    let database =
        options.database.clone().unwrap_or_else(|| format!("unix:{}", dirs.in_run("db.sock").display()));
    let server = Server::parse(&database, &dirs.run)?;
    let _served =
        options.serve.as_ref().map(|file| Within::start(served(file, options, &dirs), log)).transpose()?;
    let _pid = match &options.pidfile {
        Some(file) => {
            let path = dirs.pid_file(PROGRAM, file);
            Some(PidFile::make(&path, options.overwrite_pidfile).map_err(|error| error.to_string())?)
        }
        None => None,
    };
    let control = dirs.control_socket(PROGRAM, options.unixctl.as_deref());
    let control = Listening::at(&control).map_err(|error| format!("{}: {error}", control.display()))?;
    // Two descriptors for each port.
    let _ = netloom_sys::rlimit::raise_open_files();
    let dummies = Dummies::new(options.dummies);
    let plant = Plant::start(entropy(), dirs.run, dummies, kept).map_err(|error| error.to_string())?;
    let plant = Arc::new(Mutex::new(plant));
    let exit = Arc::new(Notify::new());
    let mut commands = Commands::new(&format!("{PROGRAM} (netloom) {}", env!("CARGO_PKG_VERSION")));
    log.register(&mut commands);
    commands::register(&mut commands, &plant, &exit);
    if options.dummies != Dummy::Off {
        dummy::register(&mut commands, &plant);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(text)?;
    runtime
        .block_on(async {
            let mut work = Work::new(server, Arc::clone(&plant))?;
            tokio::spawn(unixctl::serve(control.accepting()?, Arc::new(commands)));
            let mut ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
                .into_iter()
                .map(signal)
                .collect::<std::io::Result<Vec<_>>>()?;
            let [terminate, interrupt, hangup] = ends.as_mut_slice() else { return Ok(()) };
            ready.tell()?;
            tokio::select! {
                () = work.run() => {}
                () = exit.notified() => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
            Ok::<(), std::io::Error>(())
        })
        .map_err(text)?;
    // The last word is written while all is still there.
    drop(lock(&plant).writer.take());
    tracing::info!(target: "bridge", "ending");
    Ok(0)
}

/// Where it is kept what outlives a restart. A relative path is one of where the program was started.
fn folder(dir: &Path, dirs: &Directories) -> std::io::Result<Folder> {
    if dir.as_os_str().is_empty() { Folder::at(&dirs.run) } else { Folder::at(&std::path::absolute(dir)?) }
}

/// How a database is served by this process: as by a server of its own with its usual files.
fn served(file: &Path, options: &Options, dirs: &Directories) -> ovsdb_server::Options {
    let file = if file.as_os_str().is_empty() { dirs.db.join("conf.db") } else { file.to_owned() };
    ovsdb_server::Options {
        databases: vec![file],
        remotes: vec![
            format!("punix:{}", dirs.in_run("db.sock").display()),
            "db:Open_vSwitch,Open_vSwitch,manager_options".to_owned(),
        ],
        pidfile: options.pidfile.as_ref().map(|_| PathBuf::new()),
        overwrite_pidfile: options.overwrite_pidfile,
        ..ovsdb_server::Options::default()
    }
}

/// What hashes are keyed with: nobody is to aim for collisions.
fn entropy() -> u64 {
    let mut bytes = [0; 8];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    // Without it, they can be guessed no better than the time of the start.
    read.map_or_else(|_| netloom_sys::clock::now(), |()| u64::from_ne_bytes(bytes))
}
