//! What daemon and spawner say to each other: one JSON value a message on a `SOCK_SEQPACKET` pair, descriptors beside it.
//!
//! | message | descriptors |
//! |---|---|
//! | [`Request::Spawn`] | network namespace; then stdin, stdout, stderr unless a terminal is asked for; then extra ones |
//! | [`Reply::Started`] | pidfd; then the terminal's master if one was asked for |
//! | all others | none |
//!
//! Both sides come from the same binary, so there is no version. Messages longer than [`MAX_MESSAGE`] are not sent: the
//! kernel's limit for such a socket is about 200 KB unless the machine raises it.

use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::{Errno, HostError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::spec::{HostSpec, ProcessSpec};

/// A process, for as long as the spawner lives; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProcessId(pub u64);

/// A request; its answer carries the same number. The number of a spawn becomes its [`ProcessId`].
pub(crate) type RequestId = u64;

/// The first message of all: how the spawner is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) scratch: Option<PathBuf>,
    pub(crate) scratch_bytes: u64,
    pub(crate) idle_nanos: u64,
}

/// Daemon to spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Start a process in a node, and the node's init if it has none.
    Spawn { id: RequestId, host: Box<HostSpec>, process: ProcessSpec },
    /// Send a signal to a process, or to the process group it leads.
    Signal { id: RequestId, process: ProcessId, signal: i32, group: bool },
    /// Send a signal to all processes of a node.
    SignalNode { id: RequestId, node: String, signal: i32 },
    /// SIGTERM to all processes of a node, SIGKILL after `grace_nanos`; answered when the last one is gone.
    StopNode { id: RequestId, node: String, grace_nanos: u64 },
    /// The same for every node.
    StopAll { id: RequestId, grace_nanos: u64 },
}

/// Spawner to daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The spawner has done what its settings say and serves requests.
    Ready,
    /// The program of the spawn `id` runs.
    Started { id: RequestId },
    /// The request `id` was done.
    Done { id: RequestId },
    /// The request `id` could not be done.
    Failed { id: RequestId, failure: Failure },
    /// A process that was started has ended.
    Exited { process: ProcessId, ending: Ending },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// By itself, with this code of 8 bits.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ending {
    /// The exit code a shell would show: 128 and the number of the signal.
    #[must_use]
    pub const fn shell_code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Where starting a process went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The request itself is impossible.
    Request,
    /// Making the child process and its namespaces.
    Fork,
    /// Entering the node's namespaces.
    Namespaces,
    /// Building the root file system.
    RootFileSystem,
    /// Terminal or streams.
    Streams,
    /// The working directory inside the node.
    WorkingDir,
    /// Capabilities and user.
    Privileges,
    /// Starting the program.
    Exec,
    /// The node was stopped meanwhile.
    Stopped,
}

/// Why a request could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Where it went wrong.
    pub step: Step,
    /// What the kernel said; 0 if it was not the kernel.
    pub errno: i32,
    /// One sentence with a capital.
    pub message: String,
}

impl Failure {
    pub(crate) fn new(step: Step, message: impl Into<String>) -> Self {
        Self { step, errno: 0, message: message.into() }
    }

    /// Turns a refusal of the host at `step` into a failure; for `map_err`.
    pub(crate) fn at(step: Step) -> impl Fn(HostError) -> Self {
        move |error| Self { step, errno: error.errno.raw_os_error(), message: error.to_string() }
    }

    /// The exit code a shell would show when a command cannot be started: 127 not found, 126 found but not executable,
    /// 125 when it was not the command's fault.
    #[must_use]
    pub fn shell_code(&self) -> i32 {
        match self.step {
            Step::Exec if self.errno == Errno::NOENT.raw_os_error() => 127,
            Step::Exec => 126,
            _ => 125,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The longest message, in bytes.
pub(crate) const MAX_MESSAGE: usize = 160 * 1024;

/// Writes a message; `None` when it is too long to send.
pub(crate) fn emit<T: Serialize>(message: &T) -> Option<Vec<u8>> {
    let bytes = serde_json::to_vec(message).ok()?;
    (bytes.len() <= MAX_MESSAGE).then_some(bytes)
}

/// Reads a message; `None` for anything that is none.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// What came over a socket.
#[derive(Debug)]
pub(crate) enum Received<T> {
    Message(T, Vec<OwnedFd>),
    /// Truncated or not understood. Cannot happen between two halves of one binary; the descriptors are closed.
    Nonsense,
    Closed,
    Nothing,
}

/// Receives one message; `buffer` has [`MAX_MESSAGE`] bytes.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: &SeqPacket,
    buffer: &mut [u8],
    at_once: bool,
) -> Received<T> {
    match socket.receive(buffer, at_once) {
        Ok(Some(message)) if !message.truncated => {
            let value = buffer.get(..message.length).and_then(parse);
            value.map_or(Received::Nonsense, |value| Received::Message(value, message.fds))
        }
        Ok(Some(_)) => Received::Nonsense,
        Ok(None) => Received::Closed,
        Err(Errno::AGAIN) => Received::Nothing,
        Err(_) => Received::Closed,
    }
}

/// Sends one small message that fits for sure; an error only says that the other end is gone, which shows elsewhere too.
pub(crate) fn tell<T: Serialize>(
    socket: &SeqPacket,
    message: &T,
    fds: &[BorrowedFd<'_>],
) -> Result<(), Errno> {
    let bytes = emit(message).ok_or(Errno::MSGSIZE)?;
    socket.send(&bytes, fds, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawn() -> Request {
        let host = Box::new(HostSpec::new("red/web", "/run/x"));
        Request::Spawn { id: 7, host, process: ProcessSpec::new(["sh", "-c", "exit 3"]) }
    }

    #[test]
    fn messages_survive_the_wire() {
        let requests = [
            spawn(),
            Request::Signal { id: 1, process: ProcessId(7), signal: 15, group: true },
            Request::SignalNode { id: 4, node: "h1".to_owned(), signal: 19 },
            Request::StopNode { id: 2, node: "h1".to_owned(), grace_nanos: 5 },
            Request::StopAll { id: 3, grace_nanos: 0 },
        ];
        for request in requests {
            let bytes = emit(&request).expect("fits");
            assert_eq!(parse::<Request>(&bytes), Some(request));
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = emit(&spawn()).expect("fits");
        for length in 0..bytes.len() {
            assert_eq!(parse::<Request>(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let mut request = spawn();
        if let Request::Spawn { process, .. } = &mut request {
            process.argv.push("x".repeat(MAX_MESSAGE));
        }
        assert_eq!(emit(&request), None);
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        assert_eq!(Ending::Signal(9).shell_code(), 137);
        assert_eq!(Ending::Code(3).shell_code(), 3);
        let exec =
            |errno: Errno| Failure { step: Step::Exec, errno: errno.raw_os_error(), message: String::new() };
        assert_eq!(exec(Errno::NOENT).shell_code(), 127);
        assert_eq!(exec(Errno::ACCESS).shell_code(), 126);
        assert_eq!(Failure::new(Step::Fork, "x").shell_code(), 125);
    }
}
