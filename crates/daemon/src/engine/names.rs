//! Names in /run/netns, which outlive a daemon that is killed and are therefore journaled.
//!
//! A name is a file with the lab's mark in it, on which the namespace is mounted. The journal has the file before it
//! is made, and the namespace before it is mounted.

use std::path::{Path, PathBuf};

use netloom_api::{ApiError, ErrorKind};
use netloom_lab::journal::{Identity, Kind};
use netloom_sys::netns::NetNs;
use netloom_sys::{HostError, netns_name};

use super::running::{NodeState, Running};

/// What stands in the file of a name, below the namespace that is mounted on it.
pub(super) fn mark(lab: &str) -> String {
    format!("netloom:{lab}\n")
}

impl Running {
    /// Gives a node's namespace a name, for `ip netns` and other tools.
    ///
    /// # Errors
    /// Somebody has a namespace of that name, or the user may not.
    pub(super) fn name(&self, node: &str, netns: &NetNs, name: &str) -> Result<PathBuf, ApiError> {
        let path = Path::new("/run/netns").join(name);
        self.note_and_give(netns, &path).map_err(|error| {
            self.forget_name(&path);
            ApiError::caused(ErrorKind::Failed, format!("Cannot name the namespace of {node}."), &error)
                .hint("`netns:` needs root, and a name that nobody uses: `ip netns list`")
        })?;
        Ok(path)
    }

    fn note_and_give(&self, netns: &NetNs, path: &Path) -> Result<(), HostError> {
        let noted = |error: std::io::Error| {
            HostError::from_io("write the journal of", path.display().to_string(), &error)
        };
        self.ledger.intend(Kind::File, path).map_err(noted)?;
        netns_name::place(path, &mark(self.home.lab()))?;
        let (dev, inode) = netns.identity()?;
        let given = (|| {
            self.ledger.intend(Kind::Netns, path).map_err(noted)?;
            self.ledger.identify(Kind::Netns, path, Identity::Inode { dev, inode }).map_err(noted)?;
            netns_name::give(netns, path)
        })();
        if given.is_err() {
            let _ = std::fs::remove_file(path);
        }
        given
    }

    /// Takes away the names of nodes that are gone; one that stays is reported in the log and by `down`.
    pub(super) fn unname_all<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeState>) {
        for node in nodes {
            if let Err(error) = self.unname(node) {
                tracing::warn!(%error, "a namespace keeps its name");
            }
        }
    }

    /// Takes a node's name away, if it has one. A name that stands for something else by now is let be.
    pub(super) fn unname(&self, node: &NodeState) -> Result<(), HostError> {
        let Some(path) = &node.named else { return Ok(()) };
        if netns_name::identity(path) == Some(node.netns.identity()?) {
            netns_name::take(path)?;
        }
        self.forget_name(path);
        Ok(())
    }

    fn forget_name(&self, path: &Path) {
        self.ledger.gone(Kind::Netns, path);
        self.ledger.gone(Kind::File, path);
    }
}
