//! Programs inside nodes, with their streams on the socket.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, ErrorKind, TermSize};
use netloom_container::{Ending, ProcessSpec, SpawnError, Spawned, Spawner, TerminalSize, User};
use netloom_sys::netns::NetNs;
use netloom_vm::frame::Open;

use super::guest;
use crate::engine::Running;
use crate::engine::programs::Look;
use crate::stream::{Conn, End, Program, Stdio, pump};

impl Running {
    /// Runs a program in a node; its streams are the connection's.
    pub(super) fn exec(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError> {
        let Command::Exec { node, argv, env, cwd, user, tty } = command else { return Ok(()) };
        if let Some(machine) = self.guest(&node)? {
            let terminal = tty.map(|size| (size.rows, size.columns));
            let open = Open { argv, env: env.into_iter().collect(), cwd, user, terminal, own: false };
            return guest::exec(&node, &machine, open, conn);
        }
        let (look, netns) = self.look_into(&node)?;
        let host = look.host;
        let mut process = ProcessSpec::new(if argv.is_empty() { look.shell } else { argv });
        process.set_env(look.env.into_iter().chain(env));
        process.cwd = cwd.map(PathBuf::from).or(look.cwd);
        if host.image.is_some() {
            // Names are those of the image.
            process.identity = user.or(look.identity);
        } else {
            process.user = user.as_deref().map(find_user).transpose()?;
        }
        process.terminal = tty.map(|size| TerminalSize { rows: size.rows, columns: size.columns });
        if tty.is_some() {
            match self.programs.spawner().spawn(&host, &process, netns.as_fd(), None) {
                Ok(spawned) => self.with_terminal(spawned, conn),
                Err(error) => unable(&error, "\r\n", conn),
            }
        } else {
            self.with_pipes(&host, &process, netns.as_fd(), conn)
        }
    }

    /// What a program of a node is started with, and where; for a node that can start one.
    pub(super) fn look_into(&self, node: &str) -> Result<(Look, Arc<NetNs>), ApiError> {
        let state = self.state();
        let known = state.lab.node(node);
        let (Some(known), Some(made)) = (known, state.nodes.get(node)) else {
            let all: Vec<&str> = state.nodes.keys().map(String::as_str).collect();
            return Err(super::not_found("node", node, &all));
        };
        if known.is_nic() {
            return Err(super::nobody_inside(known));
        }
        if made.stopped {
            return Err(ApiError::new(ErrorKind::Failed, format!("Node {node} is stopped."))
                .hint(format!("netloom start {node}")));
        }
        if made.paused {
            return Err(ApiError::new(ErrorKind::Failed, format!("Node {node} is paused."))
                .hint(format!("netloom resume {node}")));
        }
        if known.vm.is_some() {
            let said = format!("This is not supported by this version for a virtual machine: {node}.");
            return Err(ApiError::new(ErrorKind::Unsupported, said)
                .hint(format!("netloom exec {node} -- .. runs programs inside it")));
        }
        let look = self
            .programs
            .look(&state, known)
            .ok_or_else(|| ApiError::new(ErrorKind::Failed, format!("The container {node} was not made.")))?;
        Ok((look, Arc::clone(&made.netns)))
    }

    fn with_terminal(&self, mut spawned: Spawned, conn: &mut Conn) -> Result<(), ApiError> {
        let master = spawned.started.terminal.take();
        let copy = master.as_ref().map(OwnedFd::try_clone).transpose().map_err(|e| no_pipe(&e))?;
        let own = master.as_ref().map(OwnedFd::try_clone).transpose().map_err(|e| no_pipe(&e))?;
        let stdio = Stdio { stdin: master, stdout: copy, stderr: None };
        self.pump(spawned, own, stdio, conn)
    }

    pub(super) fn with_pipes(
        &self,
        host: &netloom_container::HostSpec,
        process: &ProcessSpec,
        netns: BorrowedFd<'_>,
        conn: &mut Conn,
    ) -> Result<(), ApiError> {
        let pipe = || std::io::pipe().map_err(|e| no_pipe(&e));
        let ((in_read, in_write), (out_read, out_write), (err_read, err_write)) = (pipe()?, pipe()?, pipe()?);
        let streams = [in_read.as_fd(), out_write.as_fd(), err_write.as_fd()];
        let spawned = match self.programs.spawner().spawn(host, process, netns, Some(streams)) {
            Ok(spawned) => spawned,
            Err(error) => return unable(&error, "\n", conn),
        };
        drop((in_read, out_write, err_write));
        let stdio = Stdio {
            stdin: Some(in_write.into()),
            stdout: Some(out_read.into()),
            stderr: Some(err_read.into()),
        };
        self.pump(spawned, None, stdio, conn)
    }

    fn pump(
        &self,
        spawned: Spawned,
        terminal: Option<OwnedFd>,
        stdio: Stdio,
        conn: &mut Conn,
    ) -> Result<(), ApiError> {
        let mut inside = Inside { spawned, terminal, spawner: self.programs.spawner() };
        let end = pump(conn, stdio, &mut inside);
        if !matches!(end, Ok(End::Exited(_))) {
            // Whoever asked for it is gone: so is the reason to run. A terminal's closing says it to the others.
            inside.signal(SIGHUP);
        }
        end.map(drop).map_err(|e| ApiError::caused(ErrorKind::Failed, "The stream broke.", &e))
    }
}

/// A program of a node at the far end of a stream.
struct Inside<'a> {
    spawned: Spawned,
    terminal: Option<OwnedFd>,
    spawner: &'a Spawner,
}

impl Program for Inside<'_> {
    fn ended(&self) -> BorrowedFd<'_> {
        self.spawned.started.pidfd.as_fd()
    }

    fn status(&mut self) -> i32 {
        match self.spawned.wait() {
            Ending::Code(code) => code,
            Ending::Signal(number) => 128 + number,
        }
    }

    fn resize(&mut self, size: TermSize) {
        if let Some(terminal) = &self.terminal {
            let size = TerminalSize { rows: size.rows, columns: size.columns };
            // A program that closed its terminal does not care.
            let _ = Spawner::resize(terminal, size);
        }
    }

    fn signal(&mut self, number: u8) {
        let group = self.terminal.is_none();
        let _ = self.spawner.signal(self.spawned.started.id, i32::from(number), group);
    }
}

const SIGHUP: u8 = 1;

/// A program that is not there or cannot be run is an answer, as in a shell: a line and 127 or 126.
fn unable(error: &SpawnError, newline: &str, conn: &mut Conn) -> Result<(), ApiError> {
    let code = error.shell_code();
    if !matches!(code, 126 | 127) {
        return Err(ApiError::new(ErrorKind::Failed, format!("{error}.")));
    }
    // Nobody there to hear it is no fault.
    let _ = conn.send_bytes(2, format!("netloom: {error}{newline}").as_bytes());
    let _ = conn.send(&Frame::Exit(code));
    Ok(())
}

fn no_pipe(error: &std::io::Error) -> ApiError {
    ApiError::caused(ErrorKind::Failed, "Cannot make a pipe to the program.", error)
}

/// A user of the machine, whose files the node shares, by name or number.
fn find_user(wanted: &str) -> Result<User, ApiError> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (*fields.first()?, *fields.get(2)?, *fields.get(3)?);
        (name == wanted || uid == wanted).then_some((uid.parse().ok()?, gid.parse().ok()?))
    });
    let (uid, gid) = match (found, wanted.parse()) {
        (Some(found), _) => found,
        (None, Ok(number)) => (number, number),
        (None, Err(_)) => {
            return Err(ApiError::new(
                ErrorKind::NotFound,
                format!("There is no user {wanted} on this machine."),
            ));
        }
    };
    Ok(User { uid, gid, groups: Vec::new() })
}
