//! Asks a lab's daemon.

use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use netloom_api::{ApiError, Command, ErrorKind, Line, Progress, Reply, STREAM_PROTOCOL};
use netloom_daemon::launch::{self, State};
use netloom_daemon::{Conn, Home};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::http;
use crate::interrupt::{Signals, is_end};

/// A lab's daemon, asked anew for each command.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    home: Home,
}

/// While a command works: what may end the wait.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// Ctrl-C, if it is ours to catch.
    pub(crate) signals: Option<Signals>,
    /// When to give up.
    pub(crate) deadline: Option<Instant>,
}

impl Client {
    pub(crate) const fn new(home: Home) -> Self {
        Self { home }
    }

    pub(crate) const fn home(&self) -> &Home {
        &self.home
    }

    /// Does a command; progress is dropped.
    pub(crate) fn ask(&self, command: &Command) -> Result<Reply, ApiError> {
        self.work(command, &mut Patience::default(), &mut |_| ())
    }

    /// Does a command that takes time.
    ///
    /// # Errors
    /// What the daemon says; [`ErrorKind::Cancelled`] and [`ErrorKind::Timeout`] if the patience ends first: then
    /// the connection is closed, which tells the daemon to stop and undo.
    pub(crate) fn work(
        &self,
        command: &Command,
        patience: &mut Patience,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Reply, ApiError> {
        let mut socket = self.connect()?;
        let body = serde_json::to_vec(command).map_err(|error| broken(&error))?;
        http::post(&mut socket, "/v1/command", &body, None).map_err(|error| broken(&error))?;
        let answer = http::read(Patient { socket, patience }).map_err(ended)?;
        let mut lines = BufReader::new(answer.body);
        let mut text = Vec::new();
        loop {
            text.clear();
            if lines.read_until(b'\n', &mut text).map_err(ended)? == 0 {
                return Err(ApiError::new(
                    ErrorKind::Internal,
                    "The lab's daemon went away without an answer.",
                )
                .hint(format!("see {}", self.home.log_file().display())));
            }
            match Line::read(&text).map_err(|error| broken(&error))? {
                Line::Progress(event) => progress(event),
                Line::Reply(reply) => return Ok(*reply),
                Line::Error(error) => return Err(*error),
            }
        }
    }

    /// Starts a stream.
    pub(crate) fn stream(&self, command: &Command) -> Result<Conn, ApiError> {
        let mut socket = self.connect()?;
        let body = serde_json::to_vec(command).map_err(|error| broken(&error))?;
        http::post(&mut socket, "/v1/stream", &body, Some(STREAM_PROTOCOL))
            .map_err(|error| broken(&error))?;
        let mut answer = http::read(socket).map_err(|error| broken(&error))?;
        if answer.status != 101 {
            let mut text = String::new();
            answer.body.read_to_string(&mut text).map_err(|error| broken(&error))?;
            return Err(match serde_json::from_str(text.trim()) {
                Ok(Line::Error(error)) => *error,
                _ => ApiError::new(
                    ErrorKind::Internal,
                    format!("The lab's daemon answered {}.", answer.status),
                ),
            });
        }
        let read = answer.body.into_inner();
        let early = read.buffer().to_vec();
        Conn::new(read.into_inner(), &early).map_err(|error| broken(&error))
    }

    fn connect(&self) -> Result<UnixStream, ApiError> {
        launch::connect(&self.home).map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &io::Error) -> ApiError {
        let lab = self.home.lab();
        match (launch::state(&self.home), error.kind()) {
            (_, io::ErrorKind::PermissionDenied) => {
                ApiError::new(ErrorKind::Denied, format!("Lab {lab} belongs to somebody else."))
                    .hint("its owner can let your group in: `netloom up --group GROUP`")
            }
            (State::Absent, _) => ApiError::new(ErrorKind::NotFound, format!("Lab {lab} is not up."))
                .hint("`netloom up` starts the lab of the file here, `netloom ls labs` lists what is up"),
            (State::Dead, _) => ApiError::new(ErrorKind::Failed, format!("The daemon of lab {lab} is gone."))
                .hint(format!(
                    "`netloom down {lab}` removes what it left; `netloom up` does so too, and starts anew"
                )),
            (State::Alive(_), _) => {
                ApiError::caused(ErrorKind::Busy, format!("Lab {lab} does not answer yet."), error)
                    .hint("try again in a moment")
            }
        }
    }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::caused(ErrorKind::Internal, "The conversation with the lab's daemon broke.", error)
}

/// An error of [`Patient`] says itself why.
fn ended(error: io::Error) -> ApiError {
    match error.kind() {
        io::ErrorKind::TimedOut => ApiError::new(ErrorKind::Timeout, "Not done in the time given."),
        io::ErrorKind::ConnectionAborted => ApiError::new(ErrorKind::Cancelled, "Interrupted."),
        _ => broken(&error),
    }
}

/// A socket that waits no longer than the patience.
struct Patient<'a> {
    socket: UnixStream,
    patience: &'a mut Patience,
}

impl Read for Patient<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.patience.is_over(&self.socket)? {
                return self.socket.read(into);
            }
        }
    }
}

impl Patience {
    /// Catches Ctrl-C, and gives up after `limit`.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { signals: Signals::ends().ok(), deadline: limit.and_then(|limit| now().checked_add(limit)) }
    }

    /// Waits; true: the socket is readable. Fails if the patience ends first.
    fn is_over(&mut self, socket: &UnixStream) -> io::Result<bool> {
        if self.signals.is_none() && self.deadline.is_none() {
            return Ok(true);
        }
        let mut fds = vec![PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
        if let Some(signals) = &self.signals {
            fds.extend(signals.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Err(rustix::io::Errno::INTR) => return Ok(false),
            Err(errno) => return Err(errno.into()),
            Ok(_) => {}
        }
        let readable = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        if self.signals.as_mut().is_some_and(|signals| signals.take().into_iter().any(is_end)) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(readable)
    }
}

#[expect(clippy::disallowed_methods, reason = "the command line is an edge: a time limit needs a clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
