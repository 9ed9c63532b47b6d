//! Commands of expectations and events, run by a shell in a node.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use netloom_container::{Ending, HostSpec, ProcessSpec};
use netloom_lab::expect::ProbeResult;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::netns::NetNs;
use netloom_sys::{HostError, clock};

use crate::engine::Running;

/// Bytes kept of what a command printed: the end.
const KEPT: usize = 64 << 10;
const SHELL: &str = "/bin/sh";
const SIGKILL: i32 = 9;

impl Running {
    /// Runs a command, waits for its end and keeps what it printed.
    pub(super) fn ask_shell(
        &self,
        node: &str,
        command: &str,
        timeout: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> ProbeResult {
        match self.try_shell(node, command, timeout, goes_on) {
            Ok(result) => result,
            Err(why) => ProbeResult::Impossible(why),
        }
    }

    fn try_shell(
        &self,
        node: &str,
        command: &str,
        timeout: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<ProbeResult, String> {
        if let Some(machine) = self.machines.of(node) {
            return self.ask_guest(node, &machine, command, timeout, goes_on);
        }
        let (host, process, netns) = self.shell(node, command)?;
        let pipe = |e: std::io::Error| format!("no pipe to the command: {e}");
        let (mut reader, writer) = std::io::pipe().map_err(pipe)?;
        let nothing = std::fs::File::open("/dev/null").map_err(pipe)?;
        let streams = [nothing.as_fd(), writer.as_fd(), writer.as_fd()];
        let spawned = self.programs.spawner().spawn(&host, &process, netns.as_fd(), Some(streams));
        drop(writer);
        let spawned = spawned.map_err(|e| e.to_string())?;
        let mut output = Vec::new();
        let ended =
            read_until(&mut reader, &spawned.started.pidfd, clock::now() + timeout, goes_on, &mut output);
        let ended = ended.map_err(|e| e.to_string())?;
        if !ended {
            // One that has just ended needs no signal.
            let _ = self.programs.spawner().signal(spawned.started.id, SIGKILL, true);
        }
        let exit = match spawned.wait() {
            Ending::Code(code) if ended => u8::try_from(code).ok(),
            _ => None,
        };
        Ok(ProbeResult::Command { exit, output: String::from_utf8_lossy(&output).into_owned() })
    }

    /// Starts a command whose end nobody waits for.
    ///
    /// # Errors
    /// Why it could not be started.
    pub(in crate::engine) fn start_shell(&self, node: &str, command: &str) -> Result<(), String> {
        let (host, process, netns) = self.shell(node, command)?;
        let nothing =
            std::fs::File::options().read(true).write(true).open("/dev/null").map_err(|e| e.to_string())?;
        let streams = [nothing.as_fd(); 3];
        let spawned = self.programs.spawner().spawn(&host, &process, netns.as_fd(), Some(streams));
        spawned.map(drop).map_err(|e| e.to_string())
    }

    fn shell(&self, node: &str, command: &str) -> Result<(HostSpec, ProcessSpec, Arc<NetNs>), String> {
        let state = self.state();
        let (Some(known), Some(made)) = (state.lab.node(node), state.nodes.get(node)) else {
            return Err(format!("there is no node {node}"));
        };
        if made.stopped {
            return Err(format!("{node} is stopped"));
        }
        let look = self.programs.look(&state, known).ok_or_else(|| format!("{node} was not made"))?;
        let mut process = ProcessSpec::new([SHELL, "-c", command]);
        process.set_env(look.env);
        (process.cwd, process.identity) = (look.cwd, look.identity);
        Ok((look.host, process, Arc::clone(&made.netns)))
    }
}

/// Reads what a program prints until it has ended or its time is over; whether it has ended.
fn read_until(
    reader: &mut std::io::PipeReader,
    pidfd: &std::os::fd::OwnedFd,
    until: u64,
    goes_on: &dyn Fn() -> bool,
    output: &mut Vec<u8>,
) -> Result<bool, HostError> {
    const OUTPUT: u64 = 0;
    const END: u64 = 1;
    let mut epoll = Epoll::new(2)?;
    epoll.add(&*reader, OUTPUT, Interest::Read)?;
    epoll.add(pidfd, END, Interest::Read)?;
    let mut buffer = [0; 4096];
    loop {
        let now = clock::now();
        if now >= until || !goes_on() {
            return Ok(false);
        }
        let (mut readable, mut ended) = (false, false);
        epoll.wait(Some((until - now).min(100_000_000)), |event| match event.token {
            OUTPUT => readable = true,
            _ => ended = true,
        })?;
        if readable {
            match reader.read(&mut buffer) {
                Ok(0) | Err(_) => epoll.remove(&*reader)?,
                Ok(len) => output.extend_from_slice(buffer.get(..len).unwrap_or_default()),
            }
            if output.len() > 2 * KEPT {
                output.drain(..output.len() - KEPT);
            }
        } else if ended {
            // What it left running may hold the pipe open: that is not waited for.
            return Ok(true);
        }
    }
}
