//! The life of a lab as the command line sees it: start or find its daemon, apply, end.

use std::time::Duration;

use netloom_api::{ApiError, Applied, Command, DownReport, ErrorKind, Progress, Reply};
use netloom_daemon::launch::{self, State};
use netloom_daemon::process::Options;
use netloom_daemon::{Homes, Identity};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::client::{Client, Patience, now};
use crate::exit::Failure;
use crate::labfile::LabText;
use crate::which;

/// A lab that is up.
#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) client: Client,
    pub(crate) applied: Applied,
}

/// How long a cancelled or failed command may take to undo its work.
const UNDO: Duration = Duration::from_secs(60);

/// Starts the lab's daemon unless it runs, and applies the file. If that fails, a daemon that was started for it
/// is ended again.
pub(crate) fn up(
    text: &LabText,
    reset: bool,
    group: Option<u32>,
    patience: &mut Patience,
    progress: &mut dyn FnMut(Progress),
) -> Result<Up, Failure> {
    let client = which::of(&Homes::mine(), &text.name)?;
    let fresh = !matches!(launch::state(client.home()), State::Alive(_));
    if fresh {
        let started = launch::start(&Options { lab: text.name.clone(), group });
        for left in started.map_err(|error| swept(&client, error))? {
            progress(Progress::Note { text: format!("an earlier {} left {left}", text.name) });
        }
    }
    let command = Command::Apply { wanted: text.wanted.clone(), reset };
    match client.work(&command, patience, progress) {
        Ok(Reply::Applied(applied)) => Ok(Up { client, applied }),
        Ok(other) => Err(unexpected(&other).into()),
        // Somebody else works with the lab: it is theirs.
        Err(error) if error.kind == ErrorKind::Busy => Err(error.into()),
        Err(mut error) => {
            if is_empty(&client).unwrap_or(fresh) {
                match end(&client) {
                    Ok(report) => error.detail.left.extend(report.left),
                    Err(failure) => error.detail.left.push(failure.error.message),
                }
            }
            Err(Failure::from(error).in_text(&text.wanted.path, &text.wanted.source))
        }
    }
}

/// Whether no file was ever applied: then nobody misses the lab. `None` if its daemon does not say.
fn is_empty(client: &Client) -> Option<bool> {
    match client.ask(&Command::Status) {
        Ok(Reply::Labs(labs)) => labs.first().map(|lab| lab.file.is_empty()),
        _ => None,
    }
}

/// Removes what a daemon left that died while it started.
fn swept(client: &Client, mut error: ApiError) -> ApiError {
    if error.kind == ErrorKind::Internal && launch::state(client.home()) == State::Dead {
        netloom_daemon::become_owner();
        match launch::recover(client.home(), &*netloom_daemon::engine::boot()) {
            Ok(report) => error.detail.left.extend(report.left),
            Err(failed) => error.detail.left.push(failed.message),
        }
    }
    error
}

/// Ends a lab, alive or dead, and waits until its daemon is gone. A command that is being undone is waited for.
pub(crate) fn end(client: &Client) -> Result<DownReport, Failure> {
    end_with(client, false)
}

/// The same; `volumes`: those of the lab go, too.
pub(crate) fn end_with(client: &Client, volumes: bool) -> Result<DownReport, Failure> {
    let until = now() + UNDO;
    loop {
        let state = launch::state(client.home());
        let was_alive = matches!(state, State::Alive(_));
        let outcome = match state {
            State::Alive(who) => ask_down(client, &who, volumes),
            State::Dead => {
                netloom_daemon::become_owner();
                let recovered = launch::recover(client.home(), &*netloom_daemon::engine::boot());
                recovered.map_err(Into::into).map(|mut report: DownReport| {
                    if volumes && let Err(error) = netloom_daemon::remove_volumes(client.home().lab()) {
                        report.left.push(format!("volumes: {error}"));
                    }
                    report
                })
            }
            State::Absent => {
                // A daemon that was killed at once may have left the directory of all labs, empty.
                drop(client.home().remove());
                let lab = client.home().lab();
                return Err(Failure::from(ApiError::new(
                    ErrorKind::NotFound,
                    format!("Lab {lab} is not up."),
                ))
                .hint("`netloom ls labs` lists what is up"));
            }
        };
        match outcome {
            Err(failure) if failure.error.kind == ErrorKind::Busy && now() < until => pause(),
            // It died while it was asked: what it left is still to be removed.
            Err(_) if was_alive && launch::state(client.home()) == State::Dead => {}
            other => return other,
        }
    }
}

fn ask_down(client: &Client, who: &Identity, volumes: bool) -> Result<DownReport, Failure> {
    let daemon = i32::try_from(who.pid)
        .ok()
        .and_then(Pid::from_raw)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let gone = |seconds| {
        if let Some(daemon) = &daemon {
            let limit = Timespec { tv_sec: seconds, tv_nsec: 0 };
            // If it takes longer, it is at least on its way.
            let _ = poll(&mut [PollFd::new(daemon, PollFlags::IN)], Some(&limit));
        }
    };
    match client.ask(&Command::Down { volumes }) {
        Ok(Reply::Down(report)) => {
            gone(5);
            Ok(report)
        }
        Ok(other) => Err(unexpected(&other).into()),
        Err(error) => {
            // A conversation that broke may have been with a dying daemon.
            if error.kind == ErrorKind::Internal {
                gone(1);
            }
            Err(error.into())
        }
    }
}

/// The daemon answered something else than was asked: of another version.
pub(crate) fn unexpected(reply: &Reply) -> ApiError {
    let word = serde_json::to_value(reply)
        .ok()
        .and_then(|value| value.as_object().and_then(|object| object.keys().next().cloned()));
    ApiError::new(
        ErrorKind::Internal,
        format!("The lab's daemon answered `{}`, which was not asked for.", word.unwrap_or_default()),
    )
    .hint("it may be of another version of netloom: end it with `netloom down` and start anew")
}

#[expect(clippy::disallowed_methods, reason = "a busy daemon tells nobody when it is free")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
