//! Which interfaces are to be ports.

use std::collections::{BTreeMap, BTreeSet};

use super::{Id, Plant};
use crate::switchd::desired::{Bridge, Desired, Interface, Kind, Port};

/// An interface that is to be a port.
#[derive(Debug, Clone, Copy)]
pub(in crate::switchd) struct Wanted<'d> {
    pub(in crate::switchd) bridge: &'d Bridge,
    pub(in crate::switchd) port: &'d Port,
    pub(in crate::switchd) interface: &'d Interface,
}

impl Interface {
    /// Whether it is the bridge's own device.
    pub(in crate::switchd) const fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Internal { local: true })
    }
}

impl Plant {
    /// The interfaces that are to be ports, the others noted as failed.
    pub(super) fn choose<'d>(&mut self, desired: &'d Desired) -> BTreeMap<Id, Wanted<'d>> {
        let mut wanted = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (bridge, port, interface) in desired.interfaces() {
            let id = Id::of(bridge, interface);
            let first = port.interfaces.first().is_some_and(|first| first.name == interface.name);
            if !first {
                let text = format!("bonds have no effect: {} uses its first interface only", port.name);
                self.failed.insert(id, text);
            } else if names.insert(interface.name.as_str()) {
                wanted.insert(id, Wanted { bridge, port, interface });
            } else {
                let text = format!("interface {} is in use elsewhere", interface.name);
                self.failed.insert(id, text);
            }
        }
        wanted
    }
}
