//! What controllers set for ports, and which packets they want without a flow that says so.

use netloom_flow::{BridgeId, Nanos, OfPort};

use crate::events::{Notice, PortStatusReason};
use crate::model::{Control, PortConfig};
use crate::switch::Switch;
use crate::undo::Undo;

impl Switch {
    /// Sets a port's configuration. `false`: there is no such port.
    pub fn set_port_config(
        &mut self,
        bridge: BridgeId,
        number: OfPort,
        config: PortConfig,
        now: Nanos,
    ) -> bool {
        let Some(port) = self.port_mut(bridge, number) else { return false };
        if port.config == config {
            return true;
        }
        let is_turned = port.config.down != config.down;
        let (old, peer) = (std::mem::replace(&mut port.config, config), port.peer);
        self.journal.note(|| Undo::Port(bridge, number, old));
        self.touch(bridge, number);
        if let Some(peer) = peer.filter(|_| is_turned) {
            self.touch(peer.bridge, peer.port);
            self.reroute(now);
        }
        self.outbox.push(bridge, Notice::Port { port: number, reason: PortStatusReason::Modify });
        self.advance();
        true
    }

    /// Says which packets the controllers of a bridge want without a flow that says so.
    pub fn set_control(&mut self, bridge: BridgeId, control: Control) {
        let version = self.next_version();
        let Some(bridge) = self.bridges.get_mut(bridge) else { return };
        if bridge.control != control {
            (bridge.control, bridge.version) = (control, version);
            self.advance();
        }
    }

    /// What was said by [`Self::set_control`].
    #[must_use]
    pub fn control(&self, bridge: BridgeId) -> Control {
        self.bridges.get(bridge).map(|bridge| bridge.control).unwrap_or_default()
    }
}
