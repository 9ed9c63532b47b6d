//! The programs of nodes: what they see of the machine's files or of an image's, and the spawner that starts them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use netloom_container::health::{Rule, Verdict};
use netloom_container::service::Restart;
use netloom_container::{BoundFile, HostSpec, SpawnError, Spawner};
use netloom_lab::Lab;
use netloom_lab::container::HealthRule;
use netloom_lab::lab::{Controller, ControllerPlace, Filesystem, Node};
use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

use super::containers::{Containers, Former};
use super::controllers::Ports;
use super::journal::Ledger;
use super::limits::Groups;
use super::running::State;
use super::runs::{self, Runs};

/// The programs of a lab's nodes.
pub(crate) struct Programs {
    spawner: Spawner,
    folder: PathBuf,
    runs: Runs,
    containers: Containers,
    groups: Arc<Groups>,
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
    pub(super) fn new(lab: &str, spawner: Spawner, folder: &Path, ledger: Arc<Ledger>) -> Self {
        let groups = Arc::new(Groups::new(lab, Arc::clone(&ledger)));
        let runs = Runs::new(spawner.clone(), folder.join(LOGS), Arc::clone(&ledger), Arc::clone(&groups));
        let containers = Containers::new(lab, folder, Arc::clone(&ledger));
        Self { spawner, folder: folder.to_owned(), runs, containers, groups, ledger, own: OnceLock::new() }
    }

    /// The spawner.
    pub(super) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// The containers.
    pub(super) fn containers(&self) -> &Containers {
        &self.containers
    }

    /// The control groups of nodes and tenants.
    pub(super) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The control groups, for who starts other things in them.
    pub(super) fn shared_groups(&self) -> Arc<Groups> {
        Arc::clone(&self.groups)
    }

    /// Has programs that are started from now on enter the group that a node has.
    pub(super) fn regroup(&self, node: &Node) {
        let (groups, init_groups) = self.groups.folders(node);
        self.runs.regroup(&node.name, &groups, &init_groups);
    }

    /// What a program of a node is started with; `None` for a container that was not made, which has no files to be started
    /// from.
    pub(super) fn look(&self, state: &State, node: &Node) -> Option<Look> {
        let host = self.host_in(&state.lab, node)?;
        let env = self.env(&host, node);
        let Some((container, one)) = node.container.as_ref().zip(self.containers.of(&node.name)) else {
            return Some(Look { host, env, cwd: None, identity: None, shell: vec![SHELL.to_owned()] });
        };
        let shell = ["/bin/sh", "-c", "[ -x /bin/bash ] && exec /bin/bash; exec /bin/sh"];
        Some(Look {
            host,
            env,
            cwd: one.image.workdir(container),
            identity: Some(one.image.user(container)),
            shell: shell.map(str::to_owned).to_vec(),
        })
    }

    fn host_in(&self, lab: &Lab, node: &Node) -> Option<HostSpec> {
        if node.vm.is_some() || node.is_nic() {
            return None;
        }
        let place = self.folder.join("nodes").join(node.name.replace('/', "."));
        if let Some(container) = &node.container {
            let one = self.containers.of(&node.name)?;
            let mut spec = self.containers.host(lab, node, container, &one);
            // Of this container, not of another under the same name; no host's place has such a name.
            let number = one.written.file_name().unwrap_or_default().to_string_lossy();
            spec.private_dir = place.with_file_name(format!("{number}@"));
            spec.hosts_file = Some(self.hosts_file(&node.tenant));
            (spec.groups, spec.init_groups) = self.groups.folders(node);
            spec.resolver_file = self.resolver_file(lab, node).or(spec.resolver_file);
            return Some(spec);
        }
        let mut spec = self.machine_host(lab, node, place);
        (spec.groups, spec.init_groups) = self.groups.folders(node);
        Some(spec)
    }

    /// A host with the machine's files.
    fn machine_host(&self, lab: &Lab, node: &Node, place: PathBuf) -> HostSpec {
        let mut spec = HostSpec::new(&node.name, place);
        spec.lab_dir = Some(lab.dir().to_owned()).filter(|dir| dir.is_absolute());
        spec.hosts_file = Some(self.hosts_file(&node.tenant));
        spec.resolver_file = self.resolver_file(lab, node);
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

    /// The file that a node sees as /etc/resolv.conf, if its networks have name servers.
    fn resolver_file(&self, lab: &Lab, node: &Node) -> Option<PathBuf> {
        lab.resolver(node).map(|resolver| self.resolver_named(&resolver.key))
    }

    fn resolver_named(&self, key: &str) -> PathBuf {
        self.folder.join(format!("resolv.{key}"))
    }

    /// Writes the files of resolvers, in place, so that running programs see the change.
    fn write_resolvers(&self, lab: &Lab) -> std::io::Result<()> {
        for (key, text) in resolvers(lab) {
            let path = self.resolver_named(&key);
            if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
                continue;
            }
            self.ledger.write(&path, &text)?;
        }
        Ok(())
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

    /// The environment that every program of a node starts with, beside `PATH`. A later one of a name counts.
    fn env(&self, host: &HostSpec, node: &Node) -> Vec<(String, String)> {
        let base = match self.containers.of(&node.name) {
            Some(one) => {
                let mut base = vec![("HOSTNAME".to_owned(), host.hostname.clone())];
                base.extend(one.image.env());
                base
            }
            None => [("HOME", "/root"), ("HOSTNAME", host.hostname.as_str()), ("SHELL", SHELL)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
        };
        base.into_iter().chain(node.env.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
    }

    /// Brings files and `run:` programs to what the lab says now; returns what could not be written or started. The
    /// lab is as wanted by then, so that this is for its user to know, and no reason to undo anything.
    ///
    /// `former` are containers whose place others have taken.
    pub(super) fn update(&self, before: &Lab, state: &State, former: &Former) -> Vec<String> {
        let mut notes = Vec::new();
        if let Err(error) = self.write_hosts(&state.lab) {
            notes.push(format!("The nodes' /etc/hosts could not be written: {error}"));
        }
        if let Err(error) = self.write_resolvers(&state.lab) {
            notes.push(format!("The nodes' /etc/resolv.conf could not be written: {error}"));
        }
        if state.lab.nodes.iter().any(|node| node.container.is_some())
            && let Err(error) = self.containers.write_resolver()
        {
            notes.push(format!("The containers' /etc/resolv.conf could not be written: {error}"));
        }
        // What runs in a virtual machine is no program of this kernel.
        for node in state.lab.nodes.iter().filter(|node| node.vm.is_none()) {
            let Some(made) = state.nodes.get(&node.name) else { continue };
            let Some(look) = self.look(state, node) else { continue };
            let old = before.node(&node.name);
            let other = former.replaced.contains(&node.name)
                || old.is_some_and(|old| self.host_in(before, old).as_ref() != Some(&look.host));
            if other && old.is_some() {
                // What a node's programs see of the machine is settled when the first of them starts.
                self.end(&node.name);
            }
            let wanted = self.wanted(node, look, &made.netns);
            if wanted.programs.is_empty() {
                self.runs.remove(&node.name);
                continue;
            }
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

    /// What a node is to run.
    fn wanted(&self, node: &Node, look: Look, netns: &Arc<NetNs>) -> runs::Wanted {
        let Look { host, env, cwd, identity, .. } = look;
        let program = |argv| runs::Program { argv, cwd: cwd.clone(), identity: identity.clone() };
        let container = node.container.as_ref().zip(self.containers.of(&node.name));
        let main = container.as_ref().map(|(container, one)| one.image.command(container));
        let main = main.filter(|command| !command.is_empty());
        let stop = container.as_ref().filter(|_| main.is_some()).map(|(container, one)| runs::Stop {
            signal: one.image.stop_signal(container),
            patience: Duration::from_nanos(container.stop_timeout.0),
        });
        let health = match (&container, &node.health) {
            (Some((_, one)), rule) => one.image.health(rule),
            (None, HealthRule::Check(health)) => Some(health.clone()),
            (None, _) => None,
        };
        let commands = node.run.iter().map(|command| program(runs::Program::shell(command).argv));
        let programs: Vec<runs::Program> = main.into_iter().map(program).chain(commands).collect();
        let check = health.map(|health| runs::Check {
            rule: Rule {
                interval: health.interval.0,
                timeout: health.timeout.0,
                retries: health.retries,
                start_period: health.start_period.0,
            },
            program: program(health.command),
        });
        let (after, restart) = (node.after.clone(), restart(node.restart));
        runs::Wanted { host, env, programs, stop, check, after, restart, netns: Arc::clone(netns) }
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
        let programs = vec![runs::Program::shell(&command)];
        let (stop, check, after, restart) = (None, None, Vec::new(), Restart::No);
        let wanted = runs::Wanted { host, env, programs, stop, check, after, restart, netns };
        self.runs.set(name, wanted, true)
    }

    /// How the command of a controller has ended; `None`: it runs, or there is none.
    pub(super) fn ending(&self, name: &str) -> Option<String> {
        self.runs.ending(name)
    }

    /// Ends every program of a node, those of `run:` and all others.
    pub(super) fn end(&self, node: &str) {
        self.runs.hold(node);
        let grace = if self.runs.ask_to_end(node) { Duration::ZERO } else { runs::GRACE };
        if let Err(error) = self.spawner.stop_node(node, grace) {
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

    /// Ends every program of the lab; those of containers are asked before.
    pub(super) fn end_all(&self) {
        self.runs.hold_all();
        self.runs.ask_all_to_end();
        if let Err(error) = self.spawner.stop_all(Duration::ZERO) {
            tracing::warn!(%error, "programs were not ended by the spawner");
        }
    }

    /// Ends every program of nodes that are gone.
    pub(super) fn forget(&self, nodes: &[String]) {
        for node in nodes {
            self.runs.hold(node);
            self.runs.ask_to_end(node);
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

    /// The exit code of a container's program, if it does not run.
    pub(super) fn exit_code(&self, node: &str) -> Option<i32> {
        self.runs.exit_code(node)
    }

    /// Why a program of a node was ended by the kernel, if its last end was so.
    pub(super) fn reason(&self, node: &str) -> Option<String> {
        self.runs.reason(node)
    }

    /// Whether the program of a container is over for good.
    pub(super) fn has_exited(&self, node: &str) -> bool {
        self.runs.has_exited(node)
    }

    /// What the program of a container that does not run is about to do.
    pub(super) fn pending(&self, node: &str) -> Option<&'static str> {
        self.runs.pending(node)
    }

    /// How a node is, in a word, if it is asked.
    pub(super) fn health(&self, node: &str) -> Option<&'static str> {
        match self.runs.health(node)? {
            Verdict::Off => None,
            Verdict::Starting => Some("starting"),
            Verdict::Healthy => Some("healthy"),
            Verdict::Unhealthy => Some("unhealthy"),
        }
    }

    /// Where the output of a node's programs is kept.
    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.runs.log(node)
    }

    /// Removes the files that nodes were shown, those of containers, and the control groups; what could not be removed.
    pub(super) fn remove_files(&self) -> Vec<String> {
        // Those of tenants and networks that the lab has had, not only of those that it has.
        for file in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = file.file_name();
            let is_shown = |prefix: &str| name.to_str().is_some_and(|name| name.starts_with(prefix));
            if is_shown("hosts.") || is_shown("resolv.") {
                // Missing is as good as removed.
                let _ = std::fs::remove_file(file.path());
            }
        }
        let _ = std::fs::remove_dir(self.folder.join("nodes"));
        let _ = std::fs::remove_dir_all(self.runs.logs());
        let mut left = self.containers.remove_all();
        left.extend(self.groups.remove_all());
        left
    }
}

/// The resolvers of all nodes, each once.
fn resolvers(lab: &Lab) -> BTreeMap<String, String> {
    lab.nodes
        .iter()
        .filter_map(|node| lab.resolver(node))
        .map(|resolver| (resolver.key, resolver.text))
        .collect()
}

/// What a program of a node is started with.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// What it sees.
    pub(super) host: HostSpec,
    /// Its environment, beside `PATH`.
    pub(super) env: Vec<(String, String)>,
    /// Where it starts, if not where the host says.
    pub(super) cwd: Option<PathBuf>,
    /// Whom it runs as, in the node's own names.
    pub(super) identity: Option<String>,
    /// The shell for a person.
    pub(super) shell: Vec<String>,
}

/// The shell of hosts.
const SHELL: &str = "/bin/bash";
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
