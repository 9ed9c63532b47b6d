//! Going into the background: `--detach`, `--monitor`.
//!
//! ```text
//! ovsdb-server --detach ──starts──► the same binary with NETLOOM_DETACHED ──► serves
//!        │ waits                              │
//!        └──────── "ready" on its output ◄────┘ then the terminal is let go
//! ```
//! The program starts its own binary again instead of forking: a fork keeps only one of many threads. With `--monitor`
//! there is a process between the two that starts the daemon again when a signal that tells of a bug ended it.
//!
//! Source: ovsdb-server(1), "Daemon Options".

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Says what a process that was started again is: see [`Role`].
pub(crate) const VARIABLE: &str = "NETLOOM_DETACHED";

/// What the daemon says when it serves.
const READY: &str = "ready";

/// Signals that tell of a bug: SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGALRM, SIGXCPU, SIGXFSZ.
const BUGS: [i32; 9] = [4, 6, 7, 8, 11, 13, 14, 24, 25];

/// What this process is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Start another one in the background, wait until that serves, and end.
    Launcher,
    /// Start the daemon again when it dies of a bug.
    Monitor,
    /// Serve. Whether somebody waits to be told.
    Daemon(Ready),
}

/// Somebody who waits until the daemon serves, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Ready {
    awaited: bool,
    detached: bool,
}

impl Role {
    /// What this process is to do, as its flags and whoever started it say.
    #[must_use]
    pub fn of_process(detach: bool, monitor: bool) -> Self {
        let said = std::env::var_os(VARIABLE);
        Self::of(said.as_deref().and_then(|said| said.to_str()).unwrap_or_default(), detach, monitor)
    }

    const fn of(said: &str, detach: bool, monitor: bool) -> Self {
        match said.as_bytes() {
            b"monitor" => Self::Monitor,
            b"daemon" => Self::Daemon(Ready { awaited: true, detached: detach }),
            _ if detach => Self::Launcher,
            _ if monitor => Self::Monitor,
            _ => Self::Daemon(Ready { awaited: false, detached: false }),
        }
    }
}

impl Ready {
    /// Tells whoever waits, and lets the terminal go if this process is in the background.
    ///
    /// # Errors
    /// /dev/null cannot be opened.
    pub fn tell(self) -> io::Result<()> {
        if self.awaited {
            // If nobody waits any more, we serve all the same.
            let _ = writeln!(io::stdout(), "{READY}").and_then(|()| io::stdout().flush());
        }
        if self.detached || self.awaited {
            let null = File::options().read(true).write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(&null)?;
            if self.detached {
                rustix::stdio::dup2_stdin(&null)?;
                rustix::stdio::dup2_stderr(&null)?;
            }
        }
        Ok(())
    }
}

/// Starts the daemon, or its monitor, in the background, and waits until it serves. `program` is what it is called.
/// Returns the exit code of this process.
///
/// # Errors
/// It cannot be started.
pub fn launch(program: &OsString, monitor: bool) -> io::Result<u8> {
    let mut child = again(program, if monitor { "monitor" } else { "daemon" }).spawn()?;
    match is_ready(&mut child) {
        true => Ok(0),
        // It has said why on its standard error, which is ours.
        false => child.wait().map(code),
    }
}

/// Runs the daemon, and again as long as it dies of bugs. Returns the exit code of this process.
///
/// # Errors
/// It cannot be started.
pub fn monitor(program: &OsString, detach: bool) -> io::Result<u8> {
    if detach {
        let _ = rustix::process::setsid();
    }
    loop {
        let mut child = again(program, "daemon").spawn()?;
        if is_ready(&mut child) {
            Ready { awaited: detach, detached: detach }.tell()?;
        }
        let status = child.wait()?;
        match status.signal() {
            Some(signal) if BUGS.contains(&signal) => {
                tracing::error!(%status, "the daemon died and is started again");
                // No faster than once a second, or a daemon that dies at once keeps the machine busy.
                netloom_sys::clock::sleep(1_000_000_000);
            }
            _ => return Ok(code(status)),
        }
    }
}

/// This binary once more, with the same arguments.
fn again(program: &OsString, role: &str) -> Command {
    // The running binary itself, even if its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg0(program).args(std::env::args_os().skip(1)).env(VARIABLE, role);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Waits until a daemon says that it serves, or ends.
fn is_ready(child: &mut Child) -> bool {
    let Some(output) = child.stdout.take() else { return false };
    let mut line = String::new();
    // A line that cannot be read is a daemon that died.
    let _ = BufReader::new(output).read_line(&mut line);
    line.trim_end() == READY
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_started_it_says_what_a_process_does() {
        assert_eq!(Role::of("", true, true), Role::Launcher);
        assert_eq!(Role::of("", false, true), Role::Monitor);
        assert_eq!(Role::of("monitor", true, true), Role::Monitor);
        assert_eq!(Role::of("daemon", true, true), Role::Daemon(Ready { awaited: true, detached: true }));
        assert_eq!(Role::of("", false, false), Role::Daemon(Ready { awaited: false, detached: false }));
    }
}
