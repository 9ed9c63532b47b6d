//! OpenFlow: sockets and controllers of bridges.

use netloom_ovsdb::Uuid;

use super::Plant;
use crate::openflow::Control;
use crate::switchd::controllers;
use crate::switchd::desired::Desired;

impl Plant {
    /// Sockets and controllers of all bridges.
    pub(super) fn serve(&mut self, desired: &Desired) {
        let service = self.core.openflow();
        let stays =
            |name: &str, uuid: Uuid| desired.bridges.iter().any(|it| it.name == name && it.uuid == uuid);
        self.doors.close(service, stays);
        for bridge in &desired.bridges {
            service.control(&bridge.name, controllers::control(desired, bridge, &self.dir));
            self.doors.open(service, &bridge.name, bridge.uuid);
        }
        service.barrier();
    }

    /// Hangs up on the controllers of a bridge, or of all, and has them called anew.
    pub(in crate::switchd) fn reconnect(&self, bridge: Option<&str>) {
        let service = self.core.openflow();
        for wanted in self.desired.bridges.iter().filter(|it| bridge.is_none_or(|name| it.name == name)) {
            let control = controllers::control(&self.desired, wanted, &self.dir);
            let none =
                Control { versions: control.versions, standalone: control.standalone, remotes: Vec::new() };
            service.control(&wanted.name, none);
            service.control(&wanted.name, control);
        }
        service.barrier();
    }
}
