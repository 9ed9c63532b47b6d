//! What a node is to run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netloom_container::health::Rule;
use netloom_container::service::Restart;
use netloom_container::{HostSpec, ProcessSpec};
use netloom_lab::container::After;
use netloom_sys::netns::NetNs;

/// What a node is to run.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Wanted {
    /// What its programs see of the machine.
    pub(in crate::engine) host: HostSpec,
    /// Their environment.
    pub(in crate::engine) env: Vec<(String, String)>,
    /// The programs.
    pub(in crate::engine) programs: Vec<Program>,
    /// Set for a container: how its first program is asked to end.
    pub(in crate::engine) stop: Option<Stop>,
    /// How its health is known.
    pub(in crate::engine) check: Option<Check>,
    /// What is waited for before the first start.
    pub(in crate::engine) after: Vec<After>,
    /// What happens when they end.
    pub(in crate::engine) restart: Restart,
    /// Where they run.
    pub(in crate::engine) netns: Arc<NetNs>,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Program {
    /// The program and its arguments.
    pub(in crate::engine) argv: Vec<String>,
    /// Where it starts, else where the node's programs do.
    pub(in crate::engine) cwd: Option<PathBuf>,
    /// Whom it runs as in the node's own names, else root.
    pub(in crate::engine) identity: Option<String>,
}

impl Program {
    /// A command for a shell.
    pub(in crate::engine) fn shell(command: &str) -> Self {
        let argv = ["/bin/sh", "-c", command].map(str::to_owned).to_vec();
        Self { argv, cwd: None, identity: None }
    }

    pub(super) fn words(&self) -> String {
        match self.argv.as_slice() {
            [shell, flag, command] if shell == "/bin/sh" && flag == "-c" => command.clone(),
            words => words.join(" "),
        }
    }
}

/// How a program is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Stop {
    /// The signal.
    pub(in crate::engine) signal: i32,
    /// How long it may take.
    pub(in crate::engine) patience: Duration,
}

/// How health is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) struct Check {
    /// The command.
    pub(in crate::engine) program: Program,
    /// When it is asked.
    pub(in crate::engine) rule: Rule,
}

impl Wanted {
    /// Whether nothing has to be started anew: a control group can be entered by what runs.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let (groups, init_groups) = (other.host.groups.clone(), other.host.init_groups.clone());
        HostSpec { groups, init_groups, ..self.host.clone() } == other.host
            && self.env == other.env
            && self.programs == other.programs
            && (&self.stop, &self.check, &self.after) == (&other.stop, &other.check, &other.after)
            && self.restart == other.restart
            && Arc::ptr_eq(&self.netns, &other.netns)
    }
}

/// A program as the spawner is told of it.
pub(super) fn process(program: &Program, env: &[(String, String)]) -> ProcessSpec {
    let mut process = ProcessSpec::new(program.argv.iter().map(String::as_str));
    process.set_env(env.iter().cloned());
    process.cwd.clone_from(&program.cwd);
    process.identity.clone_from(&program.identity);
    process
}
