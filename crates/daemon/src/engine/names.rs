//! Names in /run/netns, which outlive a daemon that is killed and are therefore journaled.

use std::path::PathBuf;

use netloom_api::{ApiError, ErrorKind};
use netloom_sys::HostError;

use super::running::{NodeState, Running};

impl Running {
    /// Where a name will stand; noted in the journal before it is made.
    pub(super) fn journal_name(&self, name: &str) -> Result<PathBuf, ApiError> {
        let path = PathBuf::from("/run/netns").join(name);
        self.journal(&path)
            .map_err(|e| ApiError::caused(ErrorKind::Failed, "Cannot write the lab's journal.", &e))?;
        Ok(path)
    }

    /// Takes away the names of nodes that are gone; one that stays is reported in the log and by `down`.
    pub(super) fn unname_all<'a>(&self, nodes: impl IntoIterator<Item = &'a NodeState>) {
        for node in nodes {
            if let Err(error) = self.unname(node) {
                tracing::warn!(%error, "a namespace keeps its name");
            }
        }
    }

    /// Takes a node's name away, if it has one.
    pub(super) fn unname(&self, node: &NodeState) -> Result<(), HostError> {
        match &node.named {
            Some(path) => netloom_sys::netns_name::take(path),
            None => Ok(()),
        }
    }
}
