//! The devices of ports: opened, let go of, told to workers.

use std::collections::BTreeMap;

use netloom_datapath::{Attach, PortSpec};
use netloom_flow::{OfPort, PortId, TenantId};

use super::{Id, Plant, Standing, Wanted};
use crate::switchd::desired::Kind;
use crate::switchd::devices::{self, Opened};

/// All ports are of one tenant: a database knows none.
const TENANT: TenantId = TenantId(0);

impl Plant {
    /// Lets go of what is not wanted any more, or is another device now.
    pub(super) fn remove(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        let goes = |(id, standing): (&Id, &Standing)| {
            let is_there = match standing.index {
                Some(index) => self.links.at(index).is_some_and(|link| link.name == standing.name),
                None => true,
            };
            let stays = is_there
                && wanted.get(id).is_some_and(|wanted| {
                    wanted.interface.kind == standing.kind || is_patch(&wanted.interface.kind, &standing.kind)
                });
            (!stays).then_some(*id)
        };
        let gone: Vec<Id> = self.standing.iter().filter_map(goes).collect();
        let removed = !gone.is_empty();
        for standing in gone.into_iter().filter_map(|id| self.standing.remove(id)) {
            self.core.remove_port(standing.spec.id);
            self.tunnels.close(&self.core, standing.spec.id);
        }
        if removed {
            // Their names may be wanted again.
            self.core.settle();
            self.look();
        }
    }

    pub(super) fn open(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for (id, wanted) in wanted {
            if let Some(standing) = self.standing.get_mut(*id) {
                standing.kind = wanted.interface.kind.clone();
                standing.bridge = wanted.bridge.uuid;
                continue;
            }
            self.open_one(*id, wanted);
        }
        if self.standing.values().any(|standing| standing.device.is_some()) {
            self.look();
        }
    }

    pub(super) fn open_one(&mut self, id: Id, wanted: &Wanted<'_>) {
        let next = &mut self.last_port;
        let mut fresh = || {
            *next += 1;
            PortId(*next)
        };
        let port = fresh();
        let parts = (&self.core, &self.tunnels);
        let dummies = (&mut self.dummies, wanted.bridge.datapath_type.as_str());
        match devices::open(wanted.interface, port, parts, &self.links, dummies, &mut fresh) {
            Ok(Opened { device, index }) => {
                let standing = Standing {
                    name: wanted.interface.name.clone(),
                    bridge: wanted.bridge.uuid,
                    kind: wanted.interface.kind.clone(),
                    index,
                    number: OfPort::NONE,
                    spec: PortSpec::new(port, TENANT, Attach::Switch),
                    qos: (None, None),
                    shown: None,
                    resets: 0,
                    device,
                    attached: false,
                };
                self.standing.insert(id, standing);
            }
            Err(why) => drop(self.failed.insert(id, why)),
        }
    }

    pub(super) fn abandon(&mut self, id: Id, why: &str) {
        if let Some(standing) = self.standing.remove(id) {
            self.core.remove_port(standing.spec.id);
            self.tunnels.close(&self.core, standing.spec.id);
            self.free_number(&standing);
        }
        self.failed.insert(id, why.to_owned());
    }

    /// Tells workers of ports that they do not know, or that are something else now.
    pub(super) fn attach(&mut self) {
        let unattached = |(id, standing): (&Id, &Standing)| (!standing.attached).then_some(*id);
        let ids: Vec<Id> = self.standing.iter().filter_map(unattached).collect();
        self.attach_these(ids);
    }

    /// The same of these.
    pub(super) fn attach_these(&mut self, ids: impl IntoIterator<Item = Id>) {
        for id in ids {
            let Some(standing) = self.standing.get_mut(id).filter(|standing| !standing.attached) else {
                continue;
            };
            if let Some(link) = standing.index.and_then(|index| self.links.at(index)) {
                standing.spec.up = link.up && link.carrier;
            }
            self.core.add_port(&standing.spec, standing.device.take());
            if standing.qos != (None, None) {
                self.core.set_qos(standing.spec.id, &standing.qos);
            }
            standing.attached = true;
        }
        self.core.settle();
    }
}

/// A link to another bridge stays what it is, whatever its other end.
const fn is_patch(a: &Kind, b: &Kind) -> bool {
    matches!((a, b), (Kind::Patch { .. }, Kind::Patch { .. }))
}
