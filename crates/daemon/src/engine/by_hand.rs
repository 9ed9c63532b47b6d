//! VLANs of switch ports, changed while the lab runs.

use netloom_lab::plan::PresentVlan;
use netloom_switch::config::ConfigError;

use super::running::{Running, State};
use crate::slowpath;

impl Running {
    /// Has ports do this with VLANs, all or none: as `up` does it for a file that says so. It is drift from now on, where it is
    /// not as the file has it.
    ///
    /// # Errors
    /// What the switch has against it; then nothing was changed.
    pub(super) fn set_vlans(&self, state: &mut State, wanted: Vec<PresentVlan>) -> Result<(), ConfigError> {
        let Some(core) = self.core() else { return Ok(()) };
        let mut now = state.vlans.clone();
        for new in wanted {
            now.retain(|old| (&old.link, old.left) != (&new.link, new.left));
            now.push(new);
        }
        now.retain(|it| it.port(&state.lab).is_some_and(|port| port.vlan != it.vlan));
        let id = |link: &str, left| state.ports.link(link).map(|[a, b]| if left { a } else { b });
        let config = netloom_lab::config::config(&state.lab.with_vlans(&now), &id);
        // What passed before is learned in the VLAN in which it passed.
        drop(core.fresh());
        slowpath::write_between(core.switch()).reconfigure(&config, slowpath::now())?;
        core.settle();
        state.vlans = now;
        Ok(())
    }
}
