//! VLANs of switch ports, controllers and fail modes of switches, changed while the lab runs.

use netloom_lab::plan::ByHand;
use netloom_switch::config::ConfigError;

use super::running::{Running, State};
use crate::slowpath;

impl Running {
    /// Has ports and switches be so, all or none: as `up` does it for a file that says so. It is drift from now on, where it is
    /// not as the file has it.
    ///
    /// # Errors
    /// What the switch has against it; then nothing was changed.
    pub(super) fn set_by_hand(&self, state: &mut State, wanted: ByHand) -> Result<(), ConfigError> {
        let Some(core) = self.core() else { return Ok(()) };
        let mut now = state.by_hand.clone();
        let is_control = !wanted.controls.is_empty();
        for new in wanted.vlans {
            now.vlans.retain(|old| (&old.link, old.left) != (&new.link, new.left));
            now.vlans.push(new);
        }
        for new in wanted.controls {
            now.controls.retain(|old| old.switch != new.switch);
            now.controls.push(new);
        }
        now.vlans.retain(|it| it.port(&state.lab).is_some_and(|port| port.vlan != it.vlan));
        now.controls.retain(|it| it.differs_in(&state.lab));
        let id = |link: &str, left| state.ports.link(link).map(|[a, b]| if left { a } else { b });
        let config = netloom_lab::config::config(&state.lab.with(&now), &id);
        // What passed before is learned in the VLAN in which it passed.
        drop(core.fresh());
        slowpath::write_between(core.switch()).reconfigure(&config, slowpath::now())?;
        core.settle();
        state.by_hand = now;
        if is_control {
            self.control(core, state);
            core.openflow().barrier();
        }
        Ok(())
    }
}
