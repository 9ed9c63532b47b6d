//! Programs inside virtual machines, and their consoles, with their streams on the socket.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use netloom_api::stream;
use netloom_api::{ApiError, ErrorKind, TermSize};
use netloom_lab::expect::ProbeResult;
use netloom_sys::clock;
use netloom_vm::frame::{CHUNK, Frame, Open, WINDOW};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::Running;
use crate::engine::machines::{Console, Machine, Spoken};
use crate::stream::{Conn, Program, Stdio, pump};

/// Frames of input that may wait for a program that does not read.
const PENDING: usize = 64;
/// Bytes kept of what a command printed: the end.
const KEPT: usize = 64 << 10;

impl Running {
    /// The machine of a node that is one, and is neither stopped nor paused.
    pub(super) fn guest(&self, node: &str) -> Result<Option<Arc<Machine>>, ApiError> {
        let Some(machine) = self.machines.of(node) else { return Ok(None) };
        let how = self.state().nodes.get(node).map(|made| (made.stopped, made.paused));
        if self.is_away(node) {
            return Err(ApiError::new(ErrorKind::Failed, format!("Node {node} is elsewhere."))
                .hint(format!("ask the lab where it runs; `netloom start {node}` boots another one here")));
        }
        let (word, remedy) = match how {
            Some((true, _)) => ("stopped", "start"),
            Some((_, true)) => ("paused", "resume"),
            _ => return Ok(Some(machine)),
        };
        Err(ApiError::new(ErrorKind::Failed, format!("Node {node} is {word}."))
            .hint(format!("netloom {remedy} {node}")))
    }

    /// Joins the client with a virtual machine's serial port.
    pub(super) fn console(&self, node: &str, conn: &mut Conn) -> Result<(), ApiError> {
        let Some(machine) = self.guest(node)? else {
            let state = self.state();
            let all: Vec<&str> = state
                .lab
                .nodes
                .iter()
                .filter(|node| node.vm.is_some())
                .map(|node| node.name.as_str())
                .collect();
            return Err(match state.lab.node(node) {
                Some(_) => ApiError::new(
                    ErrorKind::Failed,
                    format!("{node} is no virtual machine: it has no console."),
                )
                .hint(format!("netloom shell {node}")),
                None => super::not_found("virtual machine", node, &all),
            });
        };
        if machine.status().pid.is_none() {
            return Err(not_there(node, machine.status().reason.unwrap_or_else(|| "it is off".to_owned())));
        }
        let failed =
            |error: std::io::Error| ApiError::caused(ErrorKind::Failed, "Cannot join the console.", &error);
        let (ours, stream) = UnixStream::pair().map_err(failed)?;
        let (watched, life) = UnixStream::pair().map_err(failed)?;
        let input = ours.try_clone().map_err(failed)?;
        machine.console(Console { stream, life });
        let stdio = Stdio { stdin: Some(input.into()), stdout: Some(ours.into()), stderr: None };
        let end = pump(conn, stdio, &mut Joined(watched));
        end.map(drop).map_err(|error| ApiError::caused(ErrorKind::Failed, "The stream broke.", &error))
    }

    /// Runs a command in a guest, waits for its end and keeps what it printed.
    ///
    /// # Errors
    /// Why it could not be started.
    pub(in crate::engine) fn ask_guest(
        &self,
        node: &str,
        machine: &Machine,
        command: &str,
        timeout: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<ProbeResult, String> {
        let until = clock::now().saturating_add(timeout);
        machine.await_agent(|| clock::now() < until && goes_on())?;
        let argv = ["/bin/sh", "-c", command].map(str::to_owned).into();
        let spoken =
            machine.open(Open { argv, ..Open::default() }).map_err(|error| format!("{node}: {error}"))?;
        spoken.say(Frame::Stdin(Vec::new()));
        let mut output = Vec::new();
        let exit = loop {
            match spoken.poll() {
                Some(Frame::Stdout(bytes) | Frame::Stderr(bytes)) => {
                    spoken.taken();
                    output.extend_from_slice(&bytes);
                    if output.len() > 2 * KEPT {
                        output.drain(..output.len() - KEPT);
                    }
                }
                Some(Frame::Exit(code)) => break u8::try_from(code).ok(),
                Some(_) => {}
                None if clock::now() >= until || !goes_on() => {
                    spoken.say(Frame::Signal(SIGKILL));
                    break None;
                }
                None => {
                    let mut fds = [PollFd::from_borrowed_fd(spoken.ready(), PollFlags::IN)];
                    let tenth = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
                    // A signal only makes the round come early.
                    let _ = poll(&mut fds, Some(&tenth));
                }
            }
        };
        Ok(ProbeResult::Command { exit, output: String::from_utf8_lossy(&output).into_owned() })
    }
}

fn not_there(node: &str, why: String) -> ApiError {
    ApiError::new(ErrorKind::Failed, format!("The virtual machine {node} cannot be reached: {why}.")).hint(
        format!("`netloom logs {node}` shows what it said; `netloom start {node}` boots one that is over"),
    )
}

/// A console ends with its machine, which closes this stream.
struct Joined(UnixStream);

impl Program for Joined {
    fn ended(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn status(&mut self) -> i32 {
        0
    }

    fn resize(&mut self, _: TermSize) {}

    fn signal(&mut self, _: u8) {}
}

/// Runs a program in a guest; its streams are the connection's.
pub(super) fn exec(node: &str, machine: &Machine, open: Open, conn: &mut Conn) -> Result<(), ApiError> {
    if !Frame::fits(&open) {
        return Err(ApiError::new(ErrorKind::Failed, "The command with its environment is too long."));
    }
    // A guest may still be booting: whoever waits for it is there, or has left.
    let here = |conn: &Conn| {
        let mut fds = [PollFd::from_borrowed_fd(conn.as_fd(), PollFlags::empty())];
        !matches!(poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1..))
    };
    machine.await_agent(|| here(conn)).map_err(|why| not_there(node, why))?;
    let spoken = machine
        .open(open)
        .map_err(|error| ApiError::caused(ErrorKind::Failed, "Cannot run a program in the guest.", &error))?;
    Talk { spoken, pending: VecDeque::new(), under_way: 0 }
        .carry(conn)
        .map_err(|error| ApiError::caused(ErrorKind::Failed, "The stream broke.", &error))
}

/// A client and a program in a guest.
struct Talk {
    spoken: Spoken,
    /// Input that waits until the program takes some.
    pending: VecDeque<Vec<u8>>,
    /// Frames of input that the guest has not taken yet.
    under_way: usize,
}

impl Talk {
    /// Until the program has ended, or the client is gone, which ends the program.
    fn carry(mut self, conn: &mut Conn) -> std::io::Result<()> {
        loop {
            while self.pending.len() < PENDING {
                let Some(frame) = conn.poll().map_err(std::io::Error::other)? else { break };
                self.hear_client(frame);
            }
            while self.under_way < WINDOW {
                let Some(bytes) = self.pending.pop_front() else { break };
                self.under_way += 1;
                self.spoken.say(Frame::Stdin(bytes));
            }
            while let Some(frame) = self.spoken.poll() {
                if self.hear_guest(frame, conn)? {
                    return Ok(());
                }
            }
            if self.under_way < WINDOW && !self.pending.is_empty() {
                // The guest has taken some meanwhile, and may have nothing more to say.
                continue;
            }
            let listen = if self.pending.len() < PENDING { PollFlags::IN } else { PollFlags::empty() };
            let mut fds = [
                PollFd::from_borrowed_fd(conn.as_fd(), listen),
                PollFd::from_borrowed_fd(self.spoken.ready(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if fds.first().is_some_and(|fd| !fd.revents().is_empty())
                && matches!(conn.fill(), Ok(Some(0)) | Err(_))
            {
                return Ok(());
            }
        }
    }

    fn hear_client(&mut self, frame: stream::Frame) {
        match frame {
            stream::Frame::Stdin(bytes) if bytes.is_empty() => self.pending.push_back(bytes),
            stream::Frame::Stdin(bytes) => self.pending.extend(bytes.chunks(CHUNK).map(<[u8]>::to_vec)),
            stream::Frame::Resize(size) => self.spoken.say(Frame::Resize(size.rows, size.columns)),
            stream::Frame::Signal(number) => self.spoken.say(Frame::Signal(number)),
            _ => {}
        }
    }

    /// Whether the program has ended.
    fn hear_guest(&mut self, frame: Frame, conn: &mut Conn) -> std::io::Result<bool> {
        match frame {
            Frame::Stdout(bytes) => conn.send_bytes(1, &bytes)?,
            Frame::Stderr(bytes) => conn.send_bytes(2, &bytes)?,
            Frame::Taken => {
                self.under_way = self.under_way.saturating_sub(1);
                return Ok(false);
            }
            Frame::Exit(code) => {
                conn.send(&stream::Frame::Exit(code))?;
                return Ok(true);
            }
            _ => return Ok(false),
        }
        self.spoken.taken();
        Ok(false)
    }
}

const SIGKILL: u8 = 9;
