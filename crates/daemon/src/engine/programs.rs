//! The programs of nodes: what they see of the machine's files, and the spawner that starts them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netloom_api::{ApiError, ErrorKind};
use netloom_container::{BoundFile, HostSpec, Spawner};
use netloom_lab::Lab;
use netloom_lab::lab::{Filesystem, Node};

use super::journal::Ledger;
use super::running::State;

/// The programs of a lab's nodes.
pub(crate) struct Programs {
    spawner: Spawner,
    folder: PathBuf,
    ledger: Arc<Ledger>,
}

impl std::fmt::Debug for Programs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Programs").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Programs {
    /// Around a spawner; `folder` is the lab's own, for the files that nodes are shown.
    pub(super) fn new(spawner: Spawner, folder: &Path, ledger: Arc<Ledger>) -> Self {
        Self { spawner, folder: folder.to_owned(), ledger }
    }

    /// The spawner.
    pub(super) fn spawner(&self) -> &Spawner {
        &self.spawner
    }

    /// What a node sees of the machine.
    pub(super) fn host(&self, state: &State, node: &Node) -> HostSpec {
        let lab = &state.lab;
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

    /// Brings files and `run:` programs to what the lab says now.
    ///
    /// # Errors
    /// A file that could not be written.
    pub(super) fn update(&self, _before: &Lab, state: &State) -> Result<(), ApiError> {
        self.write_hosts(&state.lab)
            .map_err(|e| ApiError::caused(ErrorKind::Failed, "Cannot write the nodes' /etc/hosts.", &e))
    }

    /// Ends every program of nodes that are gone.
    pub(super) fn forget(&self, nodes: &[String]) {
        for node in nodes {
            if let Err(error) = self.spawner.stop_node(node, Duration::ZERO) {
                tracing::warn!(node, %error, "programs of a node that is gone");
            }
        }
    }

    /// Process id of a node's `run:` program, as the machine sees it.
    pub(super) fn pid(&self, _node: &str) -> Option<u32> {
        None
    }

    /// How often a node's `run:` program was started again.
    pub(super) fn restarts(&self, _node: &str) -> u32 {
        0
    }

    /// Removes the files that nodes were shown.
    pub(super) fn remove_files(&self, lab: &Lab) {
        for tenant in &lab.tenants {
            // Missing is as good as removed.
            let _ = std::fs::remove_file(self.hosts_file(&tenant.name));
        }
        let _ = std::fs::remove_dir(self.folder.join("nodes"));
    }
}
