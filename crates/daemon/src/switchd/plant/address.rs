//! Addresses and MTUs of bridges and of their own devices.

use std::collections::BTreeMap;

use netloom_ovsdb::Uuid;

use super::{Id, Plant, Wanted};
use crate::switchd::desired::{Bridge, Desired, Kind};
use crate::switchd::links::Changed;

impl Plant {
    /// Whether some device of those that have changed is another one than it was, or gone.
    pub(super) fn is_outdated(&self, changed: &Changed) -> bool {
        if changed.is_none() {
            return false;
        }
        let is_another = |id: &Id| {
            let Some(standing) = self.standing.get(id) else { return false };
            let Some(index) = standing.index else { return false };
            let link = self.links.at(index).filter(|link| link.name == standing.name);
            link.map(|link| (link.mtu, link.mac)) != standing.shown
        };
        self.standing.of(changed).iter().any(is_another)
            || self.desired.bridges.iter().any(|bridge| {
                let (mac, mtu) = self.address_of(bridge);
                let bridged = self.bridges.get(&bridge.uuid);
                bridged.is_none_or(|bridged| (bridged.mac, bridged.mtu) != (mac, mtu))
            })
    }

    /// Gives bridges and their own devices their addresses and MTUs.
    pub(super) fn address(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for bridge in &desired.bridges {
            let (mac, mtu) = self.address_of(bridge);
            let [a, b, c, d, e, f] = mac;
            let of_mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            let bridged = self.bridges.entry(bridge.uuid).or_default();
            (bridged.mac, bridged.mtu) = (mac, mtu);
            bridged.datapath_id = bridge.datapath_id.unwrap_or(of_mac);
            for (id, wanted) in wanted.iter().filter(|(_, wanted)| wanted.bridge.uuid == bridge.uuid) {
                self.dress(*id, wanted);
            }
        }
    }

    /// The address of a bridge, and the MTU of its own devices.
    pub(super) fn address_of(&self, bridge: &Bridge) -> ([u8; 6], Option<u32>) {
        // What only copies leave by lends the bridge no address.
        let is_output =
            |name: &str| bridge.mirrors.iter().any(|(_, mirror)| mirror.output_port.as_deref() == Some(name));
        let outer = self.standing.outer().filter(|it| it.bridge == bridge.uuid && !is_output(&it.name));
        let links: Vec<_> = outer.filter_map(|standing| self.links.at(standing.index?)).collect();
        let macs = links.iter().filter_map(|link| link.mac);
        let lowest = macs.filter(|mac| mac[0] & 1 == 0 && *mac != [0; 6]).min();
        let mac = bridge.hwaddr.or(lowest).unwrap_or_else(|| own_address(bridge.uuid));
        (mac, links.iter().map(|link| link.mtu).min())
    }

    /// Gives a device its address and MTU.
    pub(super) fn dress(&mut self, id: Id, wanted: &Wanted<'_>) {
        let Some(index) = self.standing.get(&id).and_then(|standing| standing.index) else { return };
        let (interface, bridged) = (wanted.interface, self.bridges.get(&wanted.bridge.uuid));
        let is_own = matches!(interface.kind, Kind::Internal { .. });
        let of_bridge = bridged.map(|bridged| bridged.mac).filter(|_| interface.is_local());
        let address = interface.mac.or(of_bridge).filter(|_| is_own);
        let mtu = interface.mtu_request.or(bridged.and_then(|bridged| bridged.mtu).filter(|_| is_own));
        self.links.change(index, address, mtu);
        let shown = self.links.at(index).map(|link| (link.mtu, link.mac));
        if let Some(standing) = self.standing.get_mut(id) {
            standing.shown = shown;
        }
    }
}

/// An address of local administration that is of one station, the same for the same row.
fn own_address(bridge: Uuid) -> [u8; 6] {
    let text = bridge.to_string();
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    mac[0] = mac[0] & !0x03 | 0x02;
    mac
}
