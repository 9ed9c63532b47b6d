//! The log of a daemon in the form of Open vSwitch's: lines that its users' scripts look for, levels by module and
//! destination, `vlog/*` commands.
//!
//! ```text
//! 2026-01-02T03:04:05.678Z|00001|ovsdb_server|INFO|text field=value
//! ```
//! A line's module is the last part of the event's target. What would go to syslog is not sent anywhere.
//!
//! Source: ovs-appctl(8), "Logging Commands".

mod date;
mod levels;
mod line;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use levels::Levels;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::unixctl::Commands;

/// A log. Its copies are the same one.
#[derive(Debug, Clone)]
pub struct Log(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    levels: Levels,
    file: Option<(PathBuf, File)>,
    lines: u64,
}

impl Log {
    /// A log with levels for these modules, INFO everywhere.
    #[must_use]
    pub fn new(modules: &[&str]) -> Self {
        Self(Arc::new(Mutex::new(State { levels: Levels::new(modules), file: None, lines: 0 })))
    }

    /// Makes it the log of this process. The first one stays it.
    pub fn install(&self) {
        let subscriber = tracing_subscriber::registry().with(self.clone());
        // A second one in a process exists only in tests.
        let _ = tracing::subscriber::set_global_default(subscriber);
    }

    /// Sets levels as `-v` and `vlog/set` say it.
    ///
    /// # Errors
    /// The word that is nothing.
    pub fn set(&self, spec: &str) -> Result<(), String> {
        self.state().levels.set(spec)?;
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    /// Writes nothing to standard error any more.
    pub fn leave_console(&self) {
        // A spec of its own is never wrong.
        let _ = self.set("console:off");
    }

    /// Writes to a file, from now on.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(&self, path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path)?;
        self.state().file = Some((path.to_owned(), file));
        tracing::info!(target: "vlog", "opened log file {}", path.display());
        Ok(())
    }

    /// Registers `vlog/*`.
    pub fn register(&self, commands: &mut Commands) {
        let log = self.clone();
        commands.add("vlog/set", "{spec | PATTERN:destination:pattern}", 1..=usize::MAX, move |specs| {
            specs.iter().try_for_each(|spec| log.set(spec)).map(|()| String::new())
        });
        let log = self.clone();
        commands.add("vlog/list", "", 0..=0, move |_| Ok(log.state().levels.list()));
        let log = self.clone();
        commands.add("vlog/reopen", "", 0..=0, move |_| {
            let path = log.state().file.as_ref().map(|(path, _)| path.clone());
            let path = path.ok_or("Logging to file not configured")?;
            log.open(&path).map(|()| String::new()).map_err(|error| error.to_string())
        });
        let log = self.clone();
        commands.add("vlog/list-pattern", "", 0..=0, |_| Ok(PATTERNS.to_owned()));
        for name in ["vlog/disable-rate-limit", "vlog/enable-rate-limit"] {
            // No line is held back in either case.
            let log = log.clone();
            commands.add(name, "[module]...", 0..=usize::MAX, move |modules| {
                let state = log.state();
                let is_known = |module: &String| module == "any" || state.levels.has(module);
                if modules.iter().all(is_known) {
                    Ok(String::new())
                } else {
                    Err("unknown module".to_owned())
                }
            });
        }
        commands.add("vlog/close", "", 0..=0, move |_| {
            log.state().file = None;
            Ok(String::new())
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How lines look, in Open vSwitch's language for it. Nothing goes to syslog.
const PATTERNS: &str = "         prefix                            format
         ------                            ------
CONSOLE  none                              %D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c|%p|%m
FILE     none                              %D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c|%p|%m
";

impl<S: Subscriber> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let state = self.state();
        let (console, file) = state.levels.of(line::module(metadata));
        let level = levels::Level::of(*metadata.level());
        level <= console || level <= file
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut state = self.state();
        let module = line::module(event.metadata());
        let level = levels::Level::of(*event.metadata().level());
        let (console, file) = state.levels.of(module);
        state.lines += 1;
        let rest = line::rest(state.lines, module, level, event);
        let wall = netloom_sys::clock::wall();
        // A log that cannot be written is no reason to end.
        if level <= console {
            let _ = writeln!(io::stderr(), "{}Z|{rest}", date::seconds(wall));
        }
        if level <= file
            && let Some((_, file)) = &mut state.file
        {
            let _ = writeln!(file, "{}Z|{rest}", date::milliseconds(wall));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_form_of_open_vswitch() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.log");
        let log = Log::new(&["vlog", "ovsdb_server"]);
        log.set("console:off").unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || {
            log.open(&path).unwrap();
            tracing::warn!(target: "ovsdb_server", error = "no", "it failed");
            tracing::debug!(target: "ovsdb_server", "not shown");
        });
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        let (date, rest) = lines[1].split_once('|').unwrap();
        assert_eq!(rest, "00002|ovsdb_server|WARN|it failed error=no");
        assert_eq!((date.len(), date.ends_with('Z')), (24, true), "{date}");
        let mut commands = Commands::new("x");
        log.register(&mut commands);
        let run = |name: &str, words: &[&str]| {
            commands.run(name, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(run("vlog/set", &["foo"]).unwrap_err(), "no destination, level, or module \"foo\"");
        run("vlog/set", &["ovsdb_server:file:dbg"]).unwrap();
        assert!(run("vlog/list", &[]).unwrap().ends_with(
            "ovsdb_server       OFF       INFO        DBG\nvlog               OFF       INFO       INFO\n"
        ));
        run("vlog/reopen", &[]).unwrap();
        run("vlog/close", &[]).unwrap();
        assert!(run("vlog/reopen", &[]).is_err());
    }
}
