//! What nodes and tenants may use of the machine: their control groups, made, limited, counted and removed.
//!
//! ```text
//! <ground>/netloom.<lab>.<pid>.<start>/tenant-<tenant>/node-<name>      in each tree that has a controller
//!           the journal has this one     a quota        a node's limits and programs
//!                                     /inits                           the first processes of all nodes
//! ```
//! - The first process of a node holds its namespaces and is not in its group: else it would be what the kernel kills first
//!   where a node's memory runs short, and everything in the node with it.
//! - A node gets its group with its first limit, or that of its tenant. One without has none, and starts programs faster: it
//!   takes the kernel some 10 ms to let a process enter a group.
//! - Programs that run by then are taken in ([`gather`]).
//! - What cannot be kept is refused before anything is changed ([`Groups::prepare`]), or, where the file says so, told.
//! - A node keeps its group while limits change: no program is started again for them.
//! - The name is one that no other daemon makes, so that what is found under it after a crash is ours.

mod disks;
mod gather;
pub(super) mod prepare;
mod shown;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_container::limits::stat::Usage;
use netloom_container::limits::{Group, Io, Limits as Kept, Part, SetError};
use netloom_lab::journal::Kind;
use netloom_lab::lab::Node;
use netloom_lab::limits::Limits;
use netloom_sys::HostError;
use netloom_sys::cgroup::{self, Cgroup, Controller, Grounds, Hierarchies};
use netloom_sys::netns::NetNs;

pub(super) use shown::{Bound, lacking_here};

use super::journal::Ledger;

/// The control groups of a lab.
#[derive(Debug)]
pub(super) struct Groups {
    lab: String,
    ledger: Arc<Ledger>,
    held: Mutex<Held>,
}

/// What was made so far.
#[derive(Debug, Default)]
struct Held {
    /// Looked for when it is first needed.
    root: Option<Root>,
    /// Where the first processes of nodes are.
    inits: Option<Cgroup>,
    tenants: BTreeMap<String, One>,
    nodes: BTreeMap<String, One>,
}

/// Where the lab has its groups.
#[derive(Debug)]
struct Root {
    grounds: Grounds,
    group: Cgroup,
}

/// The group of a node or tenant.
#[derive(Debug)]
struct One {
    group: Group,
    limits: Limits,
    /// What of the limits is not kept, and why.
    lacking: Vec<String>,
    /// Processes killed for lack of memory that were told of.
    killed: u64,
}

impl Groups {
    /// None yet.
    pub(super) fn new(lab: &str, ledger: Arc<Ledger>) -> Self {
        Self { lab: lab.to_owned(), ledger, held: Mutex::default() }
    }

    /// The folders that a node's programs belong in, and those of its first process; none where this machine lets us make no
    /// groups.
    pub(super) fn folders(&self, node: &Node) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut held = self.held();
        let shared = held.tenants.get(&node.tenant).is_some_and(|one| !one.limits.is_unlimited());
        if node.limits.is_unlimited() && !shared && !held.nodes.contains_key(&node.name) {
            return (Vec::new(), Vec::new());
        }
        let programs = self.node(&mut held, node).map(|one| one.group.cgroup().folders());
        match programs.and_then(|programs| Ok((programs, self.inits(&mut held)?))) {
            Ok(folders) => folders,
            Err(error) => {
                // Limits were tried before; without any there is only nothing to be counted.
                tracing::debug!(node = node.name, %error, "no control group");
                (Vec::new(), Vec::new())
            }
        }
    }

    /// Sets the limits of a node. `netns` is its network, if it may have programs that run.
    ///
    /// # Errors
    /// No limit is changed.
    pub(super) fn set(&self, node: &Node, netns: Option<&NetNs>, to: &Limits) -> Result<(), SetError> {
        if to.is_unlimited() && !self.held().nodes.contains_key(&node.name) {
            return Ok(());
        }
        let refused = |source| SetError::Refused { part: Part::Memory, source };
        self.enter(node, netns).map_err(refused)?;
        let mut held = self.held();
        let Held { root: Some(root), nodes, .. } = &mut *held else { return Ok(()) };
        nodes.get_mut(&node.name).map_or(Ok(()), |one| one.set(root, to))
    }

    /// Has a node be in a group of its own, and its programs in it.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) fn enter(&self, node: &Node, netns: Option<&NetNs>) -> Result<(), HostError> {
        let mut held = self.held();
        if held.nodes.contains_key(&node.name) {
            return Ok(());
        }
        let group = self.node(&mut held, node)?.group.cgroup().clone();
        drop(held);
        netns.map_or(Ok(()), |netns| gather::gather(netns, &group))
    }

    /// Sets what a tenant's nodes may use together.
    ///
    /// # Errors
    /// Nothing is changed.
    pub(super) fn set_tenant(&self, tenant: &str, to: &Limits) -> Result<(), SetError> {
        let mut held = self.held();
        if to.is_unlimited() && !held.tenants.contains_key(tenant) {
            return Ok(());
        }
        let refused = |source| SetError::Refused { part: Part::Memory, source };
        self.tenant(&mut held, tenant).map_err(refused)?;
        let Held { root: Some(root), tenants, .. } = &mut *held else { return Ok(()) };
        tenants.get_mut(tenant).map_or(Ok(()), |one| one.set(root, to))
    }

    /// The limits that a node has now, those set by hand included; `None`: it was never given any.
    pub(super) fn now(&self, node: &str) -> Option<Limits> {
        self.held().nodes.get(node).map(|one| one.limits.clone())
    }

    /// What of a node's limits is not kept, and why.
    pub(super) fn lacking(&self, node: &str) -> Vec<String> {
        self.held().nodes.get(node).map(|one| one.lacking.clone()).unwrap_or_default()
    }

    /// The same of a tenant.
    pub(super) fn tenant_lacking(&self, tenant: &str) -> Vec<String> {
        self.held().tenants.get(tenant).map(|one| one.lacking.clone()).unwrap_or_default()
    }

    /// What each node and each tenant that has a group uses.
    pub(super) fn usage(&self) -> (BTreeMap<String, Usage>, BTreeMap<String, Usage>) {
        let read = |all: &BTreeMap<String, One>| -> BTreeMap<String, Usage> {
            all.iter().map(|(name, one)| (name.clone(), one.group.usage())).collect()
        };
        let held = self.held();
        (read(&held.nodes), read(&held.tenants))
    }

    /// Whether processes of a node were killed for lack of memory since this was asked last, and by which limit.
    pub(super) fn out_of_memory(&self, node: &str) -> Option<String> {
        let mut held = self.held();
        let tenant = netloom_lab::names::split_full(node).0;
        let quota = held.tenants.get(tenant).and_then(|one| one.limits.memory);
        let one = held.nodes.get_mut(node)?;
        let killed = one.group.oom_kills();
        let before = std::mem::replace(&mut one.killed, killed);
        let size = netloom_lab::quantity::show_size;
        (killed > before).then(|| match (one.limits.memory, quota) {
            (Some(limit), _) => format!("out of memory: its limit is {}", size(limit.start)),
            (None, Some(quota)) => format!("out of memory: the quota of {tenant} is {}", size(quota.start)),
            (None, None) => "out of memory: the machine's".to_owned(),
        })
    }

    /// Removes the groups of nodes that are gone; their processes have ended.
    pub(super) fn forget(&self, nodes: &[String]) {
        let gone: Vec<One> = {
            let mut held = self.held();
            nodes.iter().filter_map(|name| held.nodes.remove(name)).collect()
        };
        for one in gone {
            if let Err(error) = patiently(|| one.group.cgroup().remove()) {
                tracing::warn!(%error, "a control group stays until the lab ends");
            }
        }
    }

    /// Removes all of them; what could not be removed.
    pub(super) fn remove_all(&self) -> Vec<String> {
        let held = std::mem::take(&mut *self.held());
        let Some(root) = held.root else { return Vec::new() };
        let mut left = Vec::new();
        for folder in root.group.folders() {
            match patiently(|| cgroup::remove_tree(&folder)) {
                Ok(()) => self.ledger.gone(Kind::Cgroup, &folder),
                Err(error) => left.push(error.to_string()),
            }
        }
        left
    }

    /// The group of a node, made if need be.
    fn node<'h>(&self, held: &'h mut Held, node: &Node) -> Result<&'h mut One, HostError> {
        if !held.nodes.contains_key(&node.name) {
            let above = self.tenant(held, &node.tenant)?.group.cgroup();
            let one = One::make(above.below(&format!("node-{}", node.hostname())))?;
            held.nodes.insert(node.name.clone(), one);
        }
        held.nodes.get_mut(&node.name).ok_or_else(|| missing(&node.name))
    }

    /// The group of a tenant, made if need be.
    fn tenant<'h>(&self, held: &'h mut Held, tenant: &str) -> Result<&'h mut One, HostError> {
        if !held.tenants.contains_key(tenant) {
            let above = &self.root(held)?.group;
            let one = One::make(above.below(&format!("tenant-{tenant}")))?;
            held.tenants.insert(tenant.to_owned(), one);
        }
        held.tenants.get_mut(tenant).ok_or_else(|| missing(tenant))
    }

    /// The folders of the first processes of nodes, made if need be.
    fn inits(&self, held: &mut Held) -> Result<Vec<PathBuf>, HostError> {
        if held.inits.is_none() {
            let group = self.root(held)?.group.below("inits");
            group.make()?;
            held.inits = Some(group);
        }
        Ok(held.inits.as_ref().map(Cgroup::folders).unwrap_or_default())
    }

    /// The group of the lab, made and noted if need be.
    fn root<'h>(&self, held: &'h mut Held) -> Result<&'h Root, HostError> {
        if held.root.is_none() {
            held.root = Some(self.settle_down()?);
        }
        held.root.as_ref().ok_or_else(|| missing(&self.lab))
    }

    /// Makes the lab's group. Trees in which that fails are not used.
    fn settle_down(&self) -> Result<Root, HostError> {
        let mut grounds = grounds();
        let me = crate::Identity::mine().map_err(|e| HostError::from_io("look up", "this process", &e))?;
        let name = name(&self.lab, me.pid, me.start);
        let noted = |e| HostError::from_io("write", "the lab's journal", &e);
        let usable: Vec<(Controller, PathBuf)> =
            grounds.usable().map(|(controller, ground)| (controller, ground.folder.join(&name))).collect();
        for (controller, folder) in usable {
            if folder.exists() {
                continue;
            }
            self.ledger.intend(Kind::Cgroup, &folder).map_err(noted)?;
            let only = Cgroup::on(&only(&grounds, controller, &folder), &name);
            match only.make() {
                Ok(()) => self.ledger.made_group(&folder).map_err(noted)?,
                Err(error) => {
                    tracing::debug!(%error, ?controller, "no control group");
                    // Half made it may be.
                    if cgroup::remove_tree(&folder).is_ok() {
                        self.ledger.gone(Kind::Cgroup, &folder);
                    }
                    grounds.forbid(controller, error.to_string());
                }
            }
        }
        let group = Cgroup::on(&grounds, &name);
        Ok(Root { grounds, group })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Whole between any two statements.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Root {
    /// What of these limits cannot be kept, each with the reason.
    fn lacking(&self, limits: &Limits, kept: &Kept) -> Vec<String> {
        let version = |controller| self.group.is_unified(controller);
        let all = netloom_container::limits::write::writes(&Kept::default(), kept, &version);
        let mut parts = all.missing;
        let absent = all.list.iter().filter(|it| it.needed && !self.group.has(it.controller, it.file));
        parts.extend(absent.map(|write| write.part));
        parts.sort();
        parts.dedup();
        parts.into_iter().map(|part| shown::why(part, limits, kept, &self.grounds)).collect()
    }
}

impl One {
    fn make(cgroup: Cgroup) -> Result<Self, HostError> {
        cgroup.make()?;
        Ok(Self { group: Group::new(cgroup), limits: Limits::default(), lacking: Vec::new(), killed: 0 })
    }

    fn set(&mut self, root: &Root, to: &Limits) -> Result<(), SetError> {
        let wanted = kept(to);
        self.group.set(&kept(&self.limits), &wanted)?;
        self.lacking = root.lacking(to, &wanted);
        self.limits.clone_from(to);
        Ok(())
    }
}

/// Where groups can be made on this machine.
fn grounds() -> Grounds {
    match Hierarchies::detect() {
        Ok(machine) => Grounds::find(&machine),
        Err(error) => Grounds::none(&error.to_string()),
    }
}

/// The grounds of those controllers alone that have the same tree as this one.
fn only(grounds: &Grounds, controller: Controller, folder: &Path) -> Grounds {
    let mut one = grounds.clone();
    let others: Vec<Controller> = grounds
        .usable()
        .filter(|(other, ground)| *other != controller && folder.parent() != Some(&ground.folder))
        .map(|(other, _)| other)
        .collect();
    others.into_iter().for_each(|other| one.forbid(other, String::new()));
    one
}

/// The limits at this moment, in the words of control groups.
fn kept(limits: &Limits) -> Kept {
    let io = limits.io;
    Kept {
        cpu: limits.cpu.map(|cpu| cpu.start),
        memory: limits.memory.map(|memory| memory.start),
        swap: limits.swap,
        pids: limits.pids,
        io: Io {
            read: io.read,
            write: io.write,
            reads: io.reads,
            writes: io.writes,
            disks: if io.is_unlimited() { Vec::new() } else { disks::all() },
        },
        cpuset: limits.cpuset.clone(),
    }
}

/// The name of a lab's group. The number of a process and its start together are nobody else's while the machine runs.
fn name(lab: &str, pid: u32, start: u64) -> String {
    format!("{PREFIX}.{lab}.{pid}.{start}")
}

/// Whether a folder has the name of a group of this lab's, whichever daemon's.
pub(super) fn is_of(lab: &str, folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    let numbers = rest.strip_prefix(lab).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    numbers.split_once('.').is_some_and(|(pid, start)| is_number(pid) && is_number(start))
}

const PREFIX: &str = "netloom";

/// Tries for a while: processes that were killed leave their group when the kernel comes to it.
#[expect(
    clippy::disallowed_methods,
    reason = "version 1 of control groups tells nobody when a group is empty"
)]
pub(super) fn patiently(mut remove: impl FnMut() -> Result<(), HostError>) -> Result<(), HostError> {
    let mut pause = Duration::from_millis(1);
    let until = netloom_sys::clock::now() + PATIENCE_NANOS;
    loop {
        match remove() {
            Err(error) if error.errno == netloom_sys::Errno::BUSY && netloom_sys::clock::now() < until => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            other => return other,
        }
    }
}

const PATIENCE_NANOS: u64 = 3_000_000_000;

fn missing(name: &str) -> HostError {
    HostError::new("find the control group of", name, netloom_sys::Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_knows_its_groups_by_name() {
        let path = |name: &str| PathBuf::from("/sys/fs/cgroup/memory").join(name);
        assert!(is_of("shop", &path(&name("shop", 7, 123))));
        for other in
            ["netloom.shop.7", "netloom.shop2.7.1", "netloom.shop.7.x", "shop.7.1", "netloom.shop..1"]
        {
            assert!(!is_of("shop", &path(other)), "{other}");
        }
        // A lab whose name is longer by what looks like a number is another one.
        assert!(!is_of("shop", &path("netloom.shop-7.1.2")));
    }
}
