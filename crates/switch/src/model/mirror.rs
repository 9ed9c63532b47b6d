//! Mirrors of a bridge, resolved: names are numbers of ports.

use std::collections::BTreeMap;

use netloom_flow::OfPort;

use super::bridge::Bridge;
use super::vlan::VlanSet;
use crate::config::{self, Uuid};

/// Where copies go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MirrorOut {
    Port(OfPort),
    Vlan(u16),
}

/// A mirror that has somewhere to send to.
#[derive(Debug, Clone)]
pub(crate) struct Mirror {
    pub(crate) uuid: Uuid,
    /// `None`: all.
    vlans: Option<VlanSet>,
    pub(crate) out: MirrorOut,
    pub(crate) snaplen: Option<u32>,
    /// Those that send to the same place, itself among them: one copy does for all of them.
    pub(crate) alike: u32,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Mirror {
    fn is_as(&self, other: &Self) -> bool {
        (self.uuid, &self.vlans, self.out, self.snaplen, self.alike)
            == (other.uuid, &other.vlans, other.out, other.snaplen, other.alike)
    }

    /// Whether it is for packets of a VLAN.
    pub(crate) fn selects(&self, vlan: u16) -> bool {
        self.vlans.as_ref().is_none_or(|vlans| vlans.contains(vlan))
    }
}

/// What mirrors want of a port, a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mirrored {
    /// Of packets that come in.
    pub(crate) src: u32,
    /// Of packets that leave.
    pub(crate) dst: u32,
    /// It is for copies only.
    pub(crate) is_output: bool,
}

/// All mirrors of a bridge.
#[derive(Debug, Default)]
pub(crate) struct Mirrors {
    pub(crate) list: Vec<Mirror>,
    /// Changes with the list.
    pub(crate) version: u64,
}

impl Mirrors {
    /// Takes over another list, counters kept; says whether it is different.
    pub(crate) fn replace(&mut self, mut list: Vec<Mirror>, version: u64) -> bool {
        let same = self.list.len() == list.len() && self.list.iter().zip(&list).all(|(a, b)| a.is_as(b));
        if same {
            return false;
        }
        for new in &mut list {
            if let Some(old) = self.list.iter().find(|old| old.uuid == new.uuid) {
                (new.packets, new.bytes) = (old.packets, old.bytes);
            }
        }
        (self.list, self.version) = (list, version);
        true
    }
}

/// What the configuration of a bridge makes of its ports. One that sends nowhere is left out, as are ports that are not there.
pub(crate) fn resolve(bridge: &Bridge) -> (Vec<Mirror>, BTreeMap<OfPort, Mirrored>) {
    let (mut list, mut ports): (Vec<Mirror>, BTreeMap<_, Mirrored>) = Default::default();
    if bridge.config.mirrors.is_empty() {
        return (list, ports);
    }
    let by_interface: BTreeMap<&str, OfPort> =
        bridge.ports.values().map(|port| (port.name.as_str(), port.number)).collect();
    let numbers: BTreeMap<&str, OfPort> = bridge
        .config
        .ports
        .iter()
        .filter_map(|port| {
            let interface = port.interfaces.first()?;
            Some((port.name.as_str(), *by_interface.get(interface.name.as_str())?))
        })
        .collect();
    for config in &bridge.config.mirrors {
        let number = |name: &String| numbers.get(name.as_str()).copied();
        let out = match (&config.output_port, config.output_vlan) {
            (Some(name), _) => number(name).map(MirrorOut::Port),
            (None, vlan) => vlan.map(MirrorOut::Vlan),
        };
        let Some(out) = out else { continue };
        let bit = 1_u32.checked_shl(u32::try_from(list.len()).unwrap_or(u32::MAX)).unwrap_or(0);
        select(config, bit, &numbers, &mut ports);
        if let MirrorOut::Port(port) = out {
            ports.entry(port).or_default().is_output = true;
        }
        list.push(Mirror {
            uuid: config.uuid,
            vlans: VlanSet::new(&config.select_vlan),
            out,
            snaplen: config.snaplen.map(u32::from),
            alike: 0,
            packets: 0,
            bytes: 0,
        });
    }
    let outs: Vec<MirrorOut> = list.iter().map(|mirror| mirror.out).collect();
    for mirror in &mut list {
        let alike = outs.iter().enumerate().filter(|(_, out)| **out == mirror.out);
        mirror.alike = alike.fold(0, |bits, (at, _)| bits | 1 << at);
    }
    (list, ports)
}

fn select(
    config: &config::Mirror,
    bit: u32,
    numbers: &BTreeMap<&str, OfPort>,
    ports: &mut BTreeMap<OfPort, Mirrored>,
) {
    let named = |names: &[String]| -> Vec<OfPort> {
        if config.select_all {
            return numbers.values().copied().collect();
        }
        names.iter().filter_map(|name| numbers.get(name.as_str()).copied()).collect()
    };
    for port in named(&config.select_src_port) {
        ports.entry(port).or_default().src |= bit;
    }
    for port in named(&config.select_dst_port) {
        ports.entry(port).or_default().dst |= bit;
    }
}
