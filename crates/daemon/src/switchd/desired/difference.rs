//! Ports that come and go, where nothing else is different.

use std::sync::Arc;

use super::{Bridge, Desired, Kind, Port};

/// The ports that come to one bridge, and those that go.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Exchange {
    /// The place of the bridge among all.
    pub(in crate::switchd) bridge: usize,
    pub(in crate::switchd) gone: Vec<Arc<Port>>,
    pub(in crate::switchd) come: Vec<Arc<Port>>,
}

/// More at a time are no less work one by one.
const MOST: usize = 64;

impl Desired {
    /// What is different in `new`, if it is only ports that have to do with no other port.
    pub(in crate::switchd) fn exchanges(&self, new: &Self) -> Option<Vec<Exchange>> {
        let is_same = self.bridges.len() == new.bridges.len()
            && self.ssl == new.ssl
            && self.flow_restore_wait == new.flow_restore_wait;
        if !is_same {
            return None;
        }
        let mut exchanges = Vec::new();
        for (at, (old, new)) in self.bridges.iter().zip(&new.bridges).enumerate() {
            if !old.is_but_for_ports(new) {
                return None;
            }
            let mut exchange = Exchange { bridge: at, ..Exchange::default() };
            exchange.find(old, new)?;
            if !exchange.gone.is_empty() || !exchange.come.is_empty() {
                let is_free = |port: &Arc<Port>| port.stands_alone();
                let all_free = exchange.gone.iter().chain(&exchange.come).all(is_free);
                if !all_free || !new.mirrors.is_empty() || exchange.gone.len() + exchange.come.len() > MOST {
                    return None;
                }
                exchanges.push(exchange);
            }
        }
        Some(exchanges)
    }
}

impl Exchange {
    /// Both lists are in the order of their rows.
    fn find(&mut self, old: &Bridge, new: &Bridge) -> Option<()> {
        let (mut old, mut new) = (old.ports.iter().peekable(), new.ports.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (None, None) => return Some(()),
                // The same one is not even looked at.
                (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {
                    old.next();
                    new.next();
                }
                (Some(a), Some(b)) if a.uuid == b.uuid => {
                    if !a.is_alike(b) {
                        return None;
                    }
                    old.next();
                    new.next();
                }
                (Some(a), b) if b.is_none_or(|b| a.uuid < b.uuid) => self.gone.extend(old.next().cloned()),
                _ => self.come.extend(new.next().cloned()),
            }
        }
    }
}

impl Bridge {
    fn is_but_for_ports(&self, other: &Self) -> bool {
        let Self {
            ports: _,
            uuid,
            name,
            datapath_type,
            secure,
            versions,
            protocols,
            controllers,
            hwaddr,
            datapath_id,
            mac_aging_time,
            mac_table_size,
            flood_vlans,
            mirrors,
            other_config,
            external_ids,
            without_effect,
        } = self;
        *uuid == other.uuid
            && *name == other.name
            && *datapath_type == other.datapath_type
            && *secure == other.secure
            && *versions == other.versions
            && *protocols == other.protocols
            && *controllers == other.controllers
            && *hwaddr == other.hwaddr
            && *datapath_id == other.datapath_id
            && *mac_aging_time == other.mac_aging_time
            && *mac_table_size == other.mac_table_size
            && *flood_vlans == other.flood_vlans
            && *mirrors == other.mirrors
            && *other_config == other.other_config
            && *external_ids == other.external_ids
            && *without_effect == other.without_effect
    }
}

impl Port {
    /// Whether it is the same, whatever number it had in another life.
    fn is_alike(&self, other: &Self) -> bool {
        let mut like = other.clone();
        for (there, here) in like.interfaces.iter_mut().zip(&self.interfaces) {
            there.ofport = here.ofport;
        }
        *self == like
    }

    /// Whether it is a device by itself: no bond, no end of anything.
    fn stands_alone(&self) -> bool {
        match self.interfaces.as_slice() {
            [one] => {
                let is_device =
                    matches!(one.kind, Kind::System | Kind::Tap | Kind::Internal { local: false });
                is_device && self.uuid.is_some() && one.uuid.is_some() && one.name == self.name
            }
            _ => false,
        }
    }
}
