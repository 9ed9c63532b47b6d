//! A process on its way from the spawner into a node: it enters the namespaces, takes its streams, gives up privileges and
//! becomes the program that was asked for. It is born in the node's PID namespace and stays a child of the spawner.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netloom_sys::namespaces::Namespaces;
use netloom_sys::rlimit::OpenFiles;
use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::{Errno, cgroup, child, namespaces, privileges, signals, terminal};
use serde::{Deserialize, Serialize};

use crate::identity;
use crate::protocol::{Failure, Step, tell};
use crate::seccomp;
use crate::spawner::Agent;
use crate::spec::{DEFAULT_PATH, HostSpec, ProcessSpec, User};

/// Child to spawner. That the program has started shows by the end of the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The terminal's master comes with it.
    Terminal,
    /// It could not be started.
    Failed(Failure),
}

/// All a process needs on its way.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    /// Where it tells the spawner what happens.
    pub(crate) status: &'a SeqPacket,
    /// The namespaces it enters, beside the PID namespace it is born in.
    pub(crate) node: &'a Namespaces,
    pub(crate) netns: BorrowedFd<'a>,
    pub(crate) host: &'a HostSpec,
    pub(crate) process: &'a ProcessSpec,
    /// Stdin, stdout, stderr, or nothing; behind them what the process gets besides.
    pub(crate) streams: &'a [OwnedFd],
    /// The limit the spawner itself was started with.
    pub(crate) open_files: OpenFiles,
    /// Does the work where no program is wanted.
    pub(crate) agent: Option<Agent>,
}

impl Way<'_> {
    /// What the process gets beside its streams.
    fn extra(&self) -> Vec<BorrowedFd<'_>> {
        let streams = if self.process.terminal.is_some() { 0 } else { 3 };
        self.streams.iter().skip(streams).take(self.process.extra).map(AsFd::as_fd).collect()
    }
}

/// Becomes the program, or tells why not and returns an exit code.
pub(crate) fn run(way: &Way<'_>) -> i32 {
    // Where extra descriptors go the socket must not be: failures are told after they are in place.
    let above = i32::try_from(way.process.extra).unwrap_or(i32::MAX).saturating_add(3);
    let status = match way.status.duplicate(above) {
        Ok(status) => status,
        Err(error) => return failed(way.status, Failure::at(Step::Streams)(error)),
    };
    let failure = match prepare(way) {
        Ok(_) if way.process.agent => match way.agent {
            Some(agent) => {
                signals::reset();
                // The end of the socket says that it has started, as it does of a program.
                way.status.shut_down();
                return agent(&way.process.argv);
            }
            None => Failure::new(Step::Request, "There is no agent"),
        },
        Ok(program) => program.exec(way.extra()),
        Err(failure) => failure,
    };
    failed(&status, failure)
}

fn failed(status: &SeqPacket, failure: Failure) -> i32 {
    let code = failure.shell_code();
    // The spawner reads the failure, not the code; if it is gone nobody reads either.
    let _ = tell(status, &Word::Failed(failure), &[]);
    code
}

fn prepare(way: &Way<'_>) -> Result<Program, Failure> {
    // What can be wrong with the request shows before anything is entered.
    let mut program = Program::new(way.process)?;
    privileges::die_with_parent().map_err(Failure::at(Step::Namespaces))?;
    // While the machine's control groups are in sight.
    cgroup::join(&way.host.groups).map_err(Failure::at(Step::Namespaces))?;
    namespaces::enter_net(way.netns).map_err(Failure::at(Step::Namespaces))?;
    way.node.enter().map_err(Failure::at(Step::Namespaces))?;
    take_streams(way.status, way.process, way.streams)?;
    let user = whoever(way.process, &mut program)?;
    enter_working_dir(way.host, way.process)?;
    way.open_files.restore().map_err(Failure::at(Step::Privileges))?;
    drop_privileges(way.host, user.as_ref())?;
    Ok(program)
}

fn take_streams(status: &SeqPacket, process: &ProcessSpec, streams: &[OwnedFd]) -> Result<(), Failure> {
    let failed = Failure::at(Step::Streams);
    let Some(size) = process.terminal else {
        let [stdin, stdout, stderr, ..] = streams else {
            return Err(Failure::new(Step::Streams, "A process needs three streams or a terminal"));
        };
        terminal::leave().map_err(&failed)?;
        return child::set_stdio([stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]).map_err(&failed);
    };
    let (master, side) = terminal::open().map_err(&failed)?;
    terminal::resize(&side, size.rows, size.columns).map_err(&failed)?;
    terminal::control(&side).map_err(&failed)?;
    child::set_stdio([side.as_fd(); 3]).map_err(&failed)?;
    tell(status, &Word::Terminal, &[master.as_fd()]).map_err(|errno| Failure {
        step: Step::Streams,
        errno: errno.raw_os_error(),
        message: GONE.to_owned(),
    })
}

/// Whom the process is to be, by the node's own names if need be; the program learns where that user is at home.
fn whoever(process: &ProcessSpec, program: &mut Program) -> Result<Option<User>, Failure> {
    let Some(text) = &process.identity else { return Ok(process.user.clone()) };
    let found = identity::look_up(text).map_err(|message| Failure::new(Step::Privileges, message))?;
    if !identity::is_known(found.user.uid) {
        let message = format!(
            "{text} is user {} of the image, whom the lab of an ordinary user has only with subordinate ids; user 0 is \
             there, and `netloom check` says how to have others",
            found.user.uid
        );
        return Err(Failure::new(Step::Privileges, message));
    }
    if !process.env.iter().any(|(name, _)| name == "HOME") {
        program.env.push(c_string(format!("HOME={}", found.home))?);
    }
    // So that /dev/stdout can be opened by name.
    child::give_stdio(found.user.uid);
    let is_root = found.user.uid == 0 && found.user.gid == 0 && found.user.groups.is_empty();
    Ok((!is_root).then_some(found.user))
}

fn enter_working_dir(host: &HostSpec, process: &ProcessSpec) -> Result<(), Failure> {
    let dir = process.cwd.as_deref().unwrap_or_else(|| host.working_dir());
    std::env::set_current_dir(dir).map_err(|error| Failure {
        step: Step::WorkingDir,
        errno: error.raw_os_error().unwrap_or(0),
        message: format!("Cannot enter the directory {} in {}: {error}", dir.display(), host.name),
    })
}

fn drop_privileges(host: &HostSpec, user: Option<&User>) -> Result<(), Failure> {
    let failed = Failure::at(Step::Privileges);
    let bits = host.capabilities.bits();
    // The bounding set first: taking another identity loses the right to change it.
    privileges::bound_capabilities(bits).map_err(&failed)?;
    match user {
        Some(user) => privileges::become_user(user.uid, user.gid, &user.groups).map_err(&failed)?,
        None => privileges::leave_groups(),
    }
    privileges::limit_capabilities(bits).map_err(&failed)?;
    if host.no_new_privileges {
        privileges::no_new_privileges().map_err(&failed)?;
    }
    if host.seccomp {
        seccomp::confine().map_err(|message| Failure::new(Step::Privileges, message))?;
    }
    Ok(())
}

/// A program with its arguments and environment, as execve(2) wants them.
struct Program {
    name: String,
    argv: Vec<CString>,
    env: Vec<CString>,
    path: String,
    /// Descriptors behind the streams that it keeps.
    kept: usize,
}

impl Program {
    fn new(process: &ProcessSpec) -> Result<Self, Failure> {
        let name = process.argv.first().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::new(Step::Request, "The command is empty"))?.clone();
        let argv = process.argv.iter().map(|arg| c_string(arg.as_str())).collect::<Result<_, _>>()?;
        let pairs = process.env.iter().map(|(key, value)| c_string(format!("{key}={value}")));
        let env = pairs.collect::<Result<_, _>>()?;
        let path = process.env.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value.clone());
        Ok(Self { name, argv, env, path: path.unwrap_or_else(|| DEFAULT_PATH.to_owned()), kept: 0 })
    }

    /// Becomes the program, looking it up as execvp(3) does; returns only on failure.
    fn exec(mut self, extra: Vec<BorrowedFd<'_>>) -> Failure {
        signals::reset();
        namespaces::set_umask(0o022);
        self.kept = extra.len();
        if let Err(error) = child::set_extra(&extra) {
            return Failure::at(Step::Streams)(error);
        }
        let errno = if self.name.contains('/') { self.exec_file(&self.name) } else { self.exec_from_path() };
        let message = match errno {
            Errno::NOENT if !self.name.contains('/') => format!("{}: command not found", self.name),
            errno => format!("Cannot start {}: {errno}", self.name),
        };
        Failure { step: Step::Exec, errno: errno.raw_os_error(), message }
    }

    fn exec_from_path(&self) -> Errno {
        let mut answer = Errno::NOENT;
        for dir in self.path.split(':') {
            let dir = if dir.is_empty() { "." } else { dir };
            match self.exec_file(&format!("{dir}/{}", self.name)) {
                Errno::NOENT | Errno::NOTDIR => {}
                // Perhaps a later directory has one that may be run; if not, this is what there is to say.
                Errno::ACCESS => answer = Errno::ACCESS,
                errno => return errno,
            }
        }
        answer
    }

    fn exec_file(&self, path: &str) -> Errno {
        let Ok(file) = CString::new(path) else { return Errno::INVAL };
        let errno = child::exec(&file, &self.argv, &self.env, self.kept);
        if errno != Errno::NOEXEC {
            return errno;
        }
        // A script without an interpreter line: a shell runs it, as execvp(3) says.
        let arguments = self.argv.iter().skip(1).cloned();
        let argv: Vec<_> = [c"sh".to_owned(), file].into_iter().chain(arguments).collect();
        child::exec(c"/bin/sh", &argv, &self.env, self.kept)
    }
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, Failure> {
    CString::new(text)
        .map_err(|_| Failure::new(Step::Request, "A command or its environment holds a zero byte"))
}

const GONE: &str = "The spawner has ended";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_commands_are_refused_before_anything_is_done() {
        for argv in [vec![], vec![""], vec!["a\0b"]] {
            let refused = Program::new(&ProcessSpec::new(argv)).err().map(|failure| failure.step);
            assert_eq!(refused, Some(Step::Request));
        }
    }

    #[test]
    fn the_path_of_the_new_environment_counts() {
        let mut process = ProcessSpec::new(["true"]);
        process.env = vec![("PATH".to_owned(), "/x".to_owned())];
        assert_eq!(Program::new(&process).map(|program| program.path).ok().as_deref(), Some("/x"));
        process.env.clear();
        assert_eq!(Program::new(&process).map(|program| program.path).ok().as_deref(), Some(DEFAULT_PATH));
    }
}
