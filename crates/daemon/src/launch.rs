//! Starts a lab's daemon, finds it again, and cleans up after a dead one: the command line's side.

use std::io::{self, BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use netloom_api::{ApiError, DownReport, ErrorKind};

use crate::process::{Hello, Options, hold};
use crate::{Boot, Home, Identity};

/// The hidden verb by which the binary becomes a daemon.
pub const VERB: &str = "daemon";

/// What a lab's directory says about its daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No directory.
    Absent,
    /// A daemon lives; its socket may not answer yet.
    Alive(Identity),
    /// The daemon is gone and left its directory.
    Dead,
}

/// Looks at a lab's directory without touching it.
#[must_use]
pub fn state(home: &Home) -> State {
    if !home.exists() {
        return State::Absent;
    }
    match Identity::read(&home.pid_file()) {
        Some(who) if who.is_alive() => State::Alive(who),
        _ => State::Dead,
    }
}

/// Starts the daemon of a lab and waits until it answers. Returns what a dead daemon of this name had left and
/// could not be removed.
///
/// # Errors
/// What the daemon says; [`ErrorKind::Busy`] if another one holds the lab.
pub fn start(options: &Options) -> Result<Vec<String>, ApiError> {
    // The running binary itself, even if its file was replaced meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("netloom").args([VERB, "--lab", &options.lab]);
    if let Some(group) = options.group {
        command.args(["--group", &group.to_string()]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| ApiError::caused(ErrorKind::Failed, "Cannot start the lab's daemon.", &error))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        // A line that cannot be read is a daemon that died.
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    match serde_json::from_str(&line) {
        Ok(Hello::Ready { left }) => Ok(left),
        Ok(Hello::Failed(error)) => {
            let _ = child.wait();
            Err(*error)
        }
        Err(_) => {
            let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(ApiError::new(
                ErrorKind::Internal,
                format!("The lab's daemon died while it started ({ended})."),
            ))
        }
    }
}

/// Connects to a lab's daemon.
///
/// # Errors
/// If none answers.
pub fn connect(home: &Home) -> io::Result<UnixStream> {
    UnixStream::connect(home.socket())
}

/// Removes what a dead daemon left: replays its journal, then removes the directory.
///
/// # Errors
/// [`ErrorKind::Busy`] if a daemon lives after all, or somebody else is cleaning up; what the engine says.
pub fn recover(home: &Home, boot: &dyn Boot) -> Result<DownReport, ApiError> {
    let lock = hold(home)?;
    let mut report = boot.recover(home)?;
    home.lab().clone_into(&mut report.lab);
    if report.left.is_empty() {
        report.left = home.remove();
    }
    drop(lock);
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Homes, Prepared};

    /// Counts what it is asked to recover.
    struct Recorder(std::cell::Cell<u32>, Vec<String>);

    impl Boot for Recorder {
        fn recover(&self, _: &Home) -> Result<DownReport, ApiError> {
            self.0.set(self.0.get() + 1);
            Ok(DownReport { left: self.1.clone(), removed: 3, ..DownReport::default() })
        }
        fn prepare(self: Box<Self>, _: &Home) -> Result<Box<dyn Prepared>, ApiError> {
            Err(ApiError::new(ErrorKind::Unsupported, "Not here."))
        }
    }

    #[test]
    fn a_dead_lab_is_recognised_and_cleaned_up() {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        assert_eq!(state(&home), State::Absent);
        home.create().unwrap();
        let me = Identity::mine().unwrap();
        me.write(&home.pid_file()).unwrap();
        assert_eq!(state(&home), State::Alive(me.clone()));
        Identity { start: me.start + 1, ..me }.write(&home.pid_file()).unwrap();
        assert_eq!(state(&home), State::Dead);
        let boot = Recorder(0.into(), vec![]);
        let report = recover(&home, &boot).unwrap();
        assert_eq!((boot.0.get(), report.lab.as_str(), report.removed), (1, "shop", 3));
        assert_eq!((report.left, state(&home)), (vec![], State::Absent));
    }

    #[test]
    fn what_recovery_leaves_keeps_the_directory_and_its_journal() {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        home.create().unwrap();
        std::fs::write(home.journal(), "{}\n").unwrap();
        let report = recover(&home, &Recorder(0.into(), vec!["mount 7: busy".into()])).unwrap();
        assert_eq!(report.left, ["mount 7: busy"]);
        assert!(home.journal().exists());
    }
}
