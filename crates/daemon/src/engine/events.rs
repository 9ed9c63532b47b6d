//! What the file lets happen while a lab runs: links change, nodes go and come back, commands run.

use std::time::Duration;

use netloom_lab::lab::{Happening, NodeChange};

use super::Running;
use crate::host;

/// How long programs have to end by themselves.
const GRACE: Duration = Duration::from_secs(1);

impl Running {
    /// Lets something happen.
    ///
    /// # Errors
    /// A sentence that says why it did not.
    pub(super) fn happen(&self, what: &Happening) -> Result<(), String> {
        match what {
            Happening::Link { link, forth, back } => {
                let mut state = self.state();
                if state.ports.link(link).is_none() {
                    return Err(format!("There is no link {link}."));
                }
                self.patch_link(&mut state, link, forth, back);
                Ok(())
            }
            Happening::Node { node, change } => self.change_power(node, *change),
            Happening::Run { node, command } => self
                .start_shell(node, command)
                .map_err(|why| format!("`{command}` did not start in {node}: {why}.")),
        }
    }

    /// Switches a node off or on.
    ///
    /// # Errors
    /// A sentence that says why it is as it was.
    pub(super) fn change_power(&self, node: &str, change: NodeChange) -> Result<(), String> {
        match change {
            NodeChange::Stop => self.switch_off(node),
            NodeChange::Start => self.switch_on(node),
            NodeChange::Restart => self.switch_off(node).and_then(|()| self.switch_on(node)),
            NodeChange::Pause | NodeChange::Resume => {
                Err(format!("{node} was not changed: this version cannot pause nodes."))
            }
        }
    }

    fn switch_off(&self, node: &str) -> Result<(), String> {
        let (netns, net) = self.power(node, true)?;
        if let Err(error) = self.programs.spawner().stop_node(node, GRACE) {
            tracing::warn!(node, %error, "programs of a node that was stopped");
        }
        let lowered = netns.run(|| host::lower(&net)).map_err(|e| e.to_string());
        lowered
            .and_then(|done| done.map_err(|e| e.to_string()))
            .map_err(|why| format!("{node} did not stop: {why}."))
    }

    fn switch_on(&self, node: &str) -> Result<(), String> {
        let (netns, net) = self.power(node, false)?;
        let raised = netns.run(|| host::raise(&net)).map_err(|e| e.to_string());
        raised
            .and_then(|done| done.map_err(|e| e.to_string()))
            .map_err(|why| format!("{node} did not start: {why}."))
    }

    /// Notes that a node is off or on; what it takes to make it so.
    fn power(
        &self,
        node: &str,
        off: bool,
    ) -> Result<(std::sync::Arc<netloom_sys::netns::NetNs>, host::HostNet), String> {
        let mut state = self.state();
        let made = state.nodes.get_mut(node).ok_or_else(|| format!("There is no node {node}."))?;
        made.stopped = off;
        Ok((std::sync::Arc::clone(&made.netns), made.net.clone()))
    }
}
