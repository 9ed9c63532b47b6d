//! Whether a configuration can be carried out, before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::{OfPort, PortId};

use super::{Bridge, Config, ConfigError, Interface, InterfaceType, Port};

/// The highest OpenFlow number of an ordinary port: 16 bits, because OpenFlow 1.0 has no more.
const MAX_OFPORT: u16 = 0xfeff;

/// Mirrors of a bridge, as in OVS: a bit for each.
pub(super) const MAX_MIRRORS: usize = 32;

/// Checks what concerns more than one bridge, and the shape of each.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    let (mut names, mut uuids) = (BTreeSet::new(), BTreeSet::new());
    let mut peers = BTreeMap::new();
    for bridge in &config.bridges {
        if !names.insert(&bridge.name) || !uuids.insert(bridge.uuid) {
            return Err(ConfigError::DuplicateBridge(bridge.name.clone()));
        }
        check_bridge(bridge, &mut peers)?;
    }
    for (port, peer) in &peers {
        if let Some(peer) = peer
            && peers.get(peer) != Some(&Some(*port))
        {
            return Err(ConfigError::Peer(*port, *peer));
        }
    }
    Ok(())
}

fn check_bridge(bridge: &Bridge, peers: &mut BTreeMap<PortId, Option<PortId>>) -> Result<(), ConfigError> {
    if bridge.mirrors.len() > MAX_MIRRORS {
        return Err(ConfigError::Mirrors { bridge: bridge.name.clone(), count: bridge.mirrors.len() });
    }
    let mut names = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for port in &bridge.ports {
        let interface = check_port(bridge, port)?;
        if !names.insert(&port.name) {
            return Err(ConfigError::DuplicatePort { bridge: bridge.name.clone(), port: port.name.clone() });
        }
        if peers.insert(interface.dp_port, interface.peer).is_some() {
            return Err(ConfigError::DuplicateDatapathPort(interface.dp_port));
        }
        if let Some(number) = wanted_number(bridge, interface)
            && !numbers.insert(number)
        {
            return Err(ConfigError::DuplicateOfPort { bridge: bridge.name.clone(), ofport: number });
        }
    }
    Ok(())
}

fn check_port<'a>(bridge: &Bridge, port: &'a Port) -> Result<&'a Interface, ConfigError> {
    let [interface] = port.interfaces.as_slice() else {
        return Err(ConfigError::Interfaces {
            bridge: bridge.name.clone(),
            port: port.name.clone(),
            count: port.interfaces.len(),
        });
    };
    if let Some(vlan) = port.trunks.iter().chain(&port.tag).chain(&port.cvlans).find(|vlan| **vlan > 4095) {
        return Err(ConfigError::BadVlan {
            bridge: bridge.name.clone(),
            port: port.name.clone(),
            vlan: *vlan,
        });
    }
    match interface.ofport_request {
        Some(ofport) if ofport == 0 || ofport > MAX_OFPORT => {
            Err(ConfigError::BadOfPort { bridge: bridge.name.clone(), ofport })
        }
        _ => Ok(interface),
    }
}

/// Whether a port by itself can be carried out.
pub(crate) fn is_sound(bridge: &Bridge, port: &Port) -> bool {
    check_port(bridge, port).is_ok()
}

/// The number an interface has to get, if that does not depend on others.
fn wanted_number(bridge: &Bridge, interface: &Interface) -> Option<OfPort> {
    if interface.kind == InterfaceType::Internal && interface.name == bridge.name {
        return Some(OfPort::LOCAL);
    }
    interface.ofport_request.map(|number| OfPort(u32::from(number)))
}

/// The OpenFlow numbers of a bridge's ports.
#[derive(Debug, Default)]
pub(crate) struct Numbers(BTreeMap<String, OfPort>);

impl Numbers {
    /// Gives each interface its number: the wanted one, else the one it has, else the lowest free one.
    ///
    /// # Errors
    /// More ports than numbers.
    pub(crate) fn new(
        bridge: &Bridge,
        present: impl Fn(&Interface) -> Option<OfPort>,
    ) -> Result<Self, ConfigError> {
        let interfaces = || bridge.ports.iter().flat_map(|port| &port.interfaces);
        let mut numbers = BTreeMap::new();
        let mut taken: BTreeSet<OfPort> = interfaces().filter_map(|it| wanted_number(bridge, it)).collect();
        let mut without = Vec::new();
        for interface in interfaces() {
            let wanted = wanted_number(bridge, interface);
            match wanted.or_else(|| present(interface).filter(|number| taken.insert(*number))) {
                Some(number) => _ = numbers.insert(interface.name.clone(), number),
                None => without.push(interface),
            }
        }
        let mut free = (1..=MAX_OFPORT).map(|number| OfPort(u32::from(number)));
        for interface in without {
            let number = free.find(|number| !taken.contains(number));
            let bad = || ConfigError::BadOfPort { bridge: bridge.name.clone(), ofport: MAX_OFPORT };
            numbers.insert(interface.name.clone(), number.ok_or_else(bad)?);
        }
        Ok(Self(numbers))
    }

    /// The number of an interface.
    pub(crate) fn of(&self, interface: &str) -> Option<OfPort> {
        self.0.get(interface).copied()
    }
}
