//! The programs of nodes: what they see of the machine's files, and the spawner that starts them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use netloom_container::service::Restart;
use netloom_container::{BoundFile, HostSpec, SpawnError, Spawner};
use netloom_lab::Lab;
use netloom_lab::lab::{Controller, ControllerPlace, Filesystem, Node};
use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

use super::controllers::Ports;
use super::journal::Ledger;
use super::running::State;
use super::runs::{self, Runs};

/// The programs of a lab's nodes.
pub(crate) struct Programs {
    spawner: Spawner,
    folder: PathBuf,
    runs: Runs,
    ledger: Arc<Ledger>,
    /// The daemon's own network.
    own: OnceLock<Result<Arc<NetNs>, HostError>>,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Programs {
    /// Around a spawner; `folder` is the lab's own, for the files that nodes are shown.
    pub(super) fn new(spawner: Spawner, folder: &Path, ledger: Arc<Ledger>) -> Self {
        let runs = Runs::new(spawner.clone(), folder.join(LOGS), Arc::clone(&ledger));
        Self { spawner, folder: folder.to_owned(), runs, ledger, own: OnceLock::new() }
    }

    /// The spawner.
    pub(super) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// What a node sees of the machine.
    pub(super) fn host(&self, state: &State, node: &Node) -> HostSpec {
        self.host_in(&state.lab, node)
    }

    fn host_in(&self, lab: &Lab, node: &Node) -> HostSpec {
        let place = node.name.replace('/', ".");
        let mut spec = HostSpec::new(&node.name, self.folder.join("nodes").join(place));
        spec.lab_dir = Some(lab.dir().to_owned()).filter(|dir| dir.is_absolute());
        spec.hosts_file = Some(self.hosts_file(&node.tenant));
        spec.files = node
            .files
            .iter()
            .map(|(target, source)| BoundFile { target: target.into(), source: lab.dir().join(source) })
            .collect();
        if lab.options.filesystem == Filesystem::Shared {
            spec = spec.shared();
        }
        if node.privileged { spec.privileged() } else { spec }
    }

    /// The file that nodes of a tenant see as /etc/hosts.
    fn hosts_file(&self, tenant: &str) -> PathBuf {
        self.folder.join(format!("hosts.{tenant}"))
    }

    /// Writes the hosts files of all tenants, in place, so that running programs see the change.
    ///
    /// # Errors
    /// What the host refused.
    pub(super) fn write_hosts(&self, lab: &Lab) -> std::io::Result<()> {
        for tenant in &lab.tenants {
            let own = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
            let text = format!("{own}{}", lab.hosts_file(&tenant.name));
            let path = self.hosts_file(&tenant.name);
            if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
                continue;
            }
            self.ledger.write(&path, &text)?;
        }
        Ok(())
    }

    /// The environment that every program of a node starts with, beside `PATH`.
    pub(super) fn env(host: &HostSpec, node: &Node) -> Vec<(String, String)> {
        let base = [("HOME", "/root"), ("HOSTNAME", host.hostname.as_str()), ("SHELL", SHELL)];
        let base = base.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        base.chain(node.env.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
    }

    /// Brings files and `run:` programs to what the lab says now; returns what could not be written or started. The
    /// lab is as wanted by then, so that this is for its user to know, and no reason to undo anything.
    pub(super) fn update(&self, before: &Lab, state: &State) -> Vec<String> {
        let mut notes = Vec::new();
        if let Err(error) = self.write_hosts(&state.lab) {
            notes.push(format!("The nodes' /etc/hosts could not be written: {error}"));
        }
        for node in &state.lab.nodes {
            let Some(made) = state.nodes.get(&node.name) else { continue };
            let host = self.host(state, node);
            let old = before.node(&node.name);
            if old.is_some_and(|old| self.host_in(before, old) != host) {
                // What a node's programs see of the machine is settled when the first of them starts.
                self.end(&node.name);
            }
            if node.run.is_empty() {
                self.runs.remove(&node.name);
                continue;
            }
            let wanted = runs::Wanted {
                env: Self::env(&host, node),
                host,
                commands: node.run.clone(),
                restart: restart(node.restart),
                netns: Arc::clone(&made.netns),
            };
            if let Err(error) = self.runs.set(&node.name, wanted, !made.stopped) {
                notes.push(format!("The programs of {} could not be started: {error}", node.name));
            }
            if made.paused {
                self.runs.pause(&node.name, true);
            }
        }
        notes.extend(self.runs.first_starts());
        notes
    }

    /// Brings the controllers that the lab starts itself to what it says now; returns what could not be started.
    ///
    /// They run beside the nodes, in the daemon's own network, where its switches call them, and see the machine's files:
    /// they are programs of the user, not of the lab.
    pub(super) fn run_controllers(&self, before: &Lab, state: &State, ports: &Ports) -> Vec<String> {
        let mut notes = Vec::new();
        let command = |controller: &Controller| match &controller.place {
            ControllerPlace::Run(command) => Some(command.clone()),
            _ => None,
        };
        let old = before.controllers.iter().filter(|it| command(it).is_some());
        let gone: Vec<String> = old
            .filter(|old| state.lab.controller(&old.name).and_then(command).is_none())
            .map(|old| old.name.clone())
            .collect();
        self.forget(&gone);
        for controller in &state.lab.controllers {
            let Some(command) = command(controller) else { continue };
            if let Err(error) = self.run_controller(&state.lab, &controller.name, command, ports) {
                notes.push(format!("The controller {} could not be started: {error}", controller.name));
            }
        }
        notes
    }

    fn run_controller(&self, lab: &Lab, name: &str, command: String, ports: &Ports) -> std::io::Result<()> {
        let port = ports.of(name)?;
        let mut host = HostSpec::new(name, self.folder.join("nodes").join(name));
        host.lab_dir = Some(lab.dir().to_owned()).filter(|dir| dir.is_absolute());
        host = host.shared();
        let env = [("HOME", "/root"), ("SHELL", SHELL), ("NETLOOM_OPENFLOW", &port.to_string())];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let netns = self.own.get_or_init(|| NetNs::current().map(Arc::new)).as_ref();
        let netns = Arc::clone(netns.map_err(|error| std::io::Error::other(error.to_string()))?);
        let wanted = runs::Wanted { host, env, commands: vec![command], restart: Restart::No, netns };
        self.runs.set(name, wanted, true)
    }

    /// How the command of a controller has ended; `None`: it runs, or there is none.
    pub(super) fn ending(&self, name: &str) -> Option<String> {
        self.runs.ending(name)
    }

    /// Ends every program of a node, those of `run:` and all others.
    pub(super) fn end(&self, node: &str) {
        self.runs.hold(node);
        if let Err(error) = self.spawner.stop_node(node, runs::GRACE) {
            tracing::warn!(node, %error, "programs were not ended by the spawner");
        }
        self.runs.settle(node);
    }

    /// Starts the `run:` programs of a node that do not run.
    pub(super) fn start(&self, node: &str) {
        self.runs.start(node);
    }

    /// Freezes every program of a node, or lets them go on.
    ///
    /// # Errors
    /// The spawner is gone.
    pub(super) fn pause(&self, node: &str, paused: bool) -> Result<(), SpawnError> {
        if paused {
            self.runs.pause(node, true);
            return self.spawner.signal_node(node, SIGSTOP);
        }
        self.spawner.signal_node(node, SIGCONT)?;
        self.runs.pause(node, false);
        Ok(())
    }

    /// Ends every program of the lab.
    pub(super) fn end_all(&self) {
        self.runs.hold_all();
        if let Err(error) = self.spawner.stop_all(Duration::ZERO) {
            tracing::warn!(%error, "programs were not ended by the spawner");
        }
    }

    /// Ends every program of nodes that are gone.
    pub(super) fn forget(&self, nodes: &[String]) {
        for node in nodes {
            self.runs.hold(node);
            if let Err(error) = self.spawner.stop_node(node, Duration::ZERO) {
                tracing::warn!(node, %error, "programs of a node that is gone");
            }
            self.runs.settle(node);
            self.runs.remove(node);
        }
    }

    /// Process id of a node's `run:` program, as the machine sees it.
    pub(super) fn pid(&self, node: &str) -> Option<u32> {
        self.runs.pid(node)
    }

    /// How often a node's `run:` programs were started again.
    pub(super) fn restarts(&self, node: &str) -> u32 {
        self.runs.restarts(node)
    }

    /// Whether a `run:` program of a node has failed for good.
    pub(super) fn has_failed(&self, node: &str) -> bool {
        self.runs.has_failed(node)
    }

    /// Where the output of a node's `run:` programs is kept.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.runs.log(node)
    }

    /// Removes the files that nodes were shown.
    pub(super) fn remove_files(&self, lab: &Lab) {
        for tenant in &lab.tenants {
            // Missing is as good as removed.
            let _ = std::fs::remove_file(self.hosts_file(&tenant.name));
        }
        let _ = std::fs::remove_dir(self.folder.join("nodes"));
        let _ = std::fs::remove_dir_all(self.runs.logs());
    }
}

/// The shell of nodes.
pub(super) const SHELL: &str = "/bin/bash";
/// The directory of the nodes' logs, in the lab's own.
const LOGS: &str = "logs";
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

const fn restart(wanted: netloom_lab::lab::Restart) -> Restart {
    match wanted {
        netloom_lab::lab::Restart::Never => Restart::No,
        netloom_lab::lab::Restart::OnFailure => Restart::OnFailure,
        netloom_lab::lab::Restart::Always => Restart::Always,
    }
}
