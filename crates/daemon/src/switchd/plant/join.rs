//! What lies behind ports.

use std::collections::BTreeMap;

use netloom_datapath::Attach;
use netloom_flow::PortId;

use super::{Id, Plant, Wanted};
use crate::switchd::desired::Kind;

impl Plant {
    /// Says what lies behind each port: the other end of a link, or a device.
    pub(super) fn join(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        let ends: BTreeMap<String, (String, PortId)> = self
            .standing
            .values()
            .filter_map(|standing| match &standing.kind {
                Kind::Patch { peer } => Some((standing.name.clone(), (peer.clone(), standing.spec.id))),
                _ => None,
            })
            .collect();
        for (id, standing) in self.standing.iter_mut() {
            if let Kind::Patch { peer } = &standing.kind {
                let other = ends.get(peer).filter(|(back, _)| *back == standing.name);
                let attach = other.map_or(Attach::Switch, |(_, port)| Attach::Peer(*port));
                if standing.spec.attach != attach {
                    (standing.spec.attach, standing.attached) = (attach, false);
                }
            }
            let Some(wanted) = wanted.get(&id) else { continue };
            let qos = (wanted.port.qos.clone(), wanted.interface.policing);
            if standing.qos != qos {
                standing.qos = qos;
                if standing.attached {
                    self.core.set_qos(standing.spec.id, &standing.qos);
                }
            }
        }
    }

    /// The port by which packets of such tunnels come in.
    pub(in crate::switchd) fn door_of(&self, settings: &netloom_netdev::TunnelSettings) -> Option<PortId> {
        self.tunnels.door_of(settings)
    }
}
