//! Ports that come to a bridge and go, and nothing else: what [`Switch::reconfigure`] does, at a cost that has nothing to do
//! with how many ports there are.

use netloom_flow::{Nanos, OfPort};

use crate::config::{self, InterfaceType, Uuid};
use crate::events::{Notice, PortStatusReason};
use crate::model::Port;
use crate::reconfigure::PortChanges;
use crate::switch::Switch;

impl Switch {
    /// Takes ports away from a bridge, by name, and adds others, each with the number it asks for.
    ///
    /// `false`: nothing was changed. It takes [`Self::reconfigure`] where ports are ends of links or local ones, where the bridge
    /// has mirrors or flows in its configuration, or where the ports do not fit to those that are there.
    pub fn exchange_ports(&mut self, bridge: Uuid, gone: &[&str], come: &[config::Port], now: Nanos) -> bool {
        let Some(numbers) = self.numbers_of_exchange(bridge, gone, come) else { return false };
        let Some(id) = self.uuids.get(&bridge).copied() else { return false };
        let version = self.next_version();
        let mut ports = PortChanges::default();
        for name in gone {
            let number = self.bridges.get(id).and_then(|bridge| bridge.port_named(name));
            self.take_port(id, number, &mut ports);
        }
        let Some(bridge) = self.bridges.get_mut(id) else { return false };
        bridge.version = version;
        if !gone.is_empty() {
            bridge.config.ports.retain(|port| !gone.contains(&port.name.as_str()));
        }
        bridge.config.ports.extend_from_slice(come);
        for ((port, interface), number) in come.iter().filter_map(with_interface).zip(numbers) {
            bridge.put_port(Port::new(number, port, interface, (version, now)));
            self.dp_ports.insert(interface.dp_port, (id, number));
            self.outbox.push(id, Notice::Port { port: number, reason: PortStatusReason::Add });
            ports.add(bridge, port, interface);
        }
        self.outdate_owners(&ports);
        self.advance();
        true
    }

    /// The numbers of the ports that come, if the exchange can be.
    fn numbers_of_exchange(&self, bridge: Uuid, gone: &[&str], come: &[config::Port]) -> Option<Vec<OfPort>> {
        let bridge = self.uuids.get(&bridge).and_then(|id| self.bridges.get(*id))?;
        let config = &bridge.config;
        let is_plain = config.mirrors.is_empty()
            && config.flows.is_empty()
            && config.groups.is_empty()
            && config.meters.is_empty();
        let is_end = |port: &Port| port.peer_dp.is_some() || port.number == OfPort::LOCAL;
        let named = |name: &str| bridge.port_named(name).and_then(|number| bridge.port(number));
        let leaving: Vec<&Port> = gone.iter().filter_map(|name| named(name)).collect();
        if !is_plain || leaving.len() != gone.len() || leaving.iter().any(|port| is_end(port)) {
            return None;
        }
        let stays = |port: &&Port| !gone.contains(&port.name.as_str());
        let mut numbers: Vec<OfPort> = Vec::new();
        for port in come {
            let (_, interface) = with_interface(port)?;
            let number = OfPort(interface.ofport_request?.into());
            let is_local = interface.kind == InterfaceType::Internal && interface.name == config.name;
            let is_taken = self.dp_ports.contains_key(&interface.dp_port)
                || bridge.ports.get(&number).filter(stays).is_some()
                || numbers.contains(&number)
                || named(&interface.name).filter(stays).is_some()
                || come.iter().filter(|other| other.name == port.name).count() > 1;
            if is_local || is_taken || interface.peer.is_some() || !config::is_sound(config, port) {
                return None;
            }
            numbers.push(number);
        }
        Some(numbers)
    }
}

/// A port with its only interface, of the same name.
fn with_interface(port: &config::Port) -> Option<(&config::Port, &config::Interface)> {
    match port.interfaces.as_slice() {
        [interface] if interface.name == port.name => Some((port, interface)),
        _ => None,
    }
}
