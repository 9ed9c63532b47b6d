//! What the file lets happen while a lab runs: links change, nodes go and come back, commands run.

use netloom_api::NodeAction;
use netloom_lab::lab::{Happening, NodeChange};

use super::Running;

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
            Happening::Node { node, change } => {
                let action = match change {
                    NodeChange::Start => NodeAction::Start,
                    NodeChange::Stop => NodeAction::Stop,
                    NodeChange::Restart => NodeAction::Restart,
                    NodeChange::Pause => NodeAction::Pause,
                    NodeChange::Resume => NodeAction::Resume,
                };
                self.node(node, action).map_err(|error| error.message)
            }
            Happening::Run { node, command } => self
                .start_shell(node, command)
                .map_err(|why| format!("`{command}` did not start in {node}: {why}.")),
        }
    }
}
