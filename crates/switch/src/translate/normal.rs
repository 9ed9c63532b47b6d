//! The action NORMAL: an ordinary learning switch with VLANs, for each tenant by itself.
//!
//! Source: `xlate_normal` of OVS. It learns first and looks up then; here learning is an effect that runs after
//! the translation, so a packet to its own source address is recognised by itself.

use netloom_flow::{Dependency, DropReason, Effect, OfPort, word};

use super::vlan::Tagged;
use super::{Translator, Visiting};
use crate::config::{Arp, Loops};
use crate::model::{MacKey, Port, Role};
use crate::recorder::{Event, Forward};

/// Where a packet goes.
pub(super) enum Way {
    To(OfPort, Forward),
    Flood,
    Nowhere(DropReason),
}

impl<'a> Translator<'a> {
    pub(super) fn normal(&mut self, visiting: &mut Visiting<'a>) {
        let number = visiting.flow.in_port();
        let Some(in_port) = self.port(visiting.bridge, number) else {
            return self.drop(visiting, DropReason::NoPort, number);
        };
        self.look(&visiting.flow, word::ETH_DST, !0 << 16);
        self.look(&visiting.flow, word::ETH_SRC, !0);
        if is_reserved(visiting.flow.eth_dst()) {
            return self.drop(visiting, DropReason::Reserved, number);
        }
        let Some(tagged) = self.admit(&visiting.flow, in_port) else {
            return self.drop(visiting, DropReason::VlanIngress, number);
        };
        self.learn(visiting, in_port, tagged.vlan);
        match self.way(visiting, in_port, tagged.vlan) {
            Way::To(to, _) if to == number => self.drop(visiting, DropReason::Hairpin, number),
            Way::To(to, how) => self.forward(visiting, in_port, (to, how), &tagged),
            Way::Flood => self.flood(visiting, in_port, &tagged),
            Way::Nowhere(reason) => self.drop(visiting, reason, number),
        }
    }

    fn learn(&mut self, visiting: &Visiting<'a>, in_port: &Port, vlan: u16) {
        let (bridge, tenant, mac) = (visiting.bridge, visiting.flow.tenant(), visiting.flow.eth_src());
        if is_multicast(mac) || bridge.floods(vlan) || !self.is_learned_by(in_port, mac) {
            return;
        }
        let key = MacKey { tenant, vlan, mac };
        let bucket = self.switch.versions.of_mac(bridge.id, &key);
        // If the address is new here, learning it will move its bucket on by one: foreseen, or the first packet
        // of every flow would be translated twice. If anything else happens to the bucket, this is out of date.
        let is_new = bridge.macs.lookup(&key) != Some(in_port.number);
        let version = self.switch.versions.version(bucket) + u64::from(is_new);
        self.depend(Dependency::Mac { bucket, version });
        let port = in_port.number;
        self.recorder.record(Event::Learn { tenant, vlan, mac, port });
        self.effects.push(Effect::Learn { bridge: bridge.id, tenant, vlan, mac, port });
    }

    /// Over shortest paths an address of the lab comes in by many ports, and none of them says where it lives.
    fn is_learned_by(&mut self, in_port: &Port, mac: [u8; 6]) -> bool {
        if self.switch.loops != Loops::Ecmp || in_port.peer_dp.is_none() {
            return true;
        }
        in_port.role == Role::Forwarding && !self.is_known(mac)
    }

    /// Whether the lab gave out an address, to any tenant.
    fn is_known(&mut self, mac: [u8; 6]) -> bool {
        self.depend_on_owner(mac);
        !self.switch.directory.homes_of_mac(mac).is_empty()
    }

    fn way(&mut self, visiting: &mut Visiting<'a>, in_port: &Port, vlan: u16) -> Way {
        let dst = visiting.flow.eth_dst();
        if is_multicast(dst) {
            let way = match visiting.bridge.config.arp {
                Arp::Local => self.solicit(visiting, vlan),
                Arp::Flood | Arp::Static => Way::Flood,
            };
            // A request on its way to the owner takes shortest paths as every packet does; floods keep to the tree.
            let strays = in_port.role == Role::Shortcut && matches!(way, Way::Flood);
            return if strays { Way::Nowhere(DropReason::Blocked) } else { way };
        }
        if in_port.role == Role::Shortcut && !self.is_known(dst) {
            return Way::Nowhere(DropReason::Blocked);
        }
        if dst == visiting.flow.eth_src() {
            return Way::Nowhere(DropReason::Hairpin);
        }
        if self.switch.loops == Loops::Ecmp
            && let Some(way) = self.way_home(visiting, dst, vlan)
        {
            return way;
        }
        let key = MacKey { tenant: visiting.flow.tenant(), vlan, mac: dst };
        let bucket = self.switch.versions.of_mac(visiting.bridge.id, &key);
        self.depend(Dependency::Mac { bucket, version: self.switch.versions.version(bucket) });
        match visiting.bridge.macs.lookup(&key).filter(|_| !visiting.bridge.floods(vlan)) {
            Some(port) => Way::To(port, Forward::Learned(port)),
            None => self.way_home(visiting, dst, vlan).unwrap_or(Way::Flood),
        }
    }

    fn forward(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: &Port,
        (to, how): (OfPort, Forward),
        tagged: &Tagged,
    ) {
        self.recorder.record(Event::Forward(how));
        match self.port(visiting.bridge, to) {
            Some(port) if is_kept_apart(in_port, port) => self.drop(visiting, DropReason::Protected, to),
            Some(port) if self.reaches(&visiting.flow, port, tagged) => {
                self.send_in_vlan(visiting, port, tagged);
            }
            Some(_) => self.drop(visiting, DropReason::NoDestination, to),
            None => self.drop(visiting, DropReason::NoPort, to),
        }
    }

    /// Sends to every other port of the tenant and VLAN.
    fn flood(&mut self, visiting: &mut Visiting<'a>, in_port: &Port, tagged: &Tagged) {
        self.recorder.record(Event::Forward(Forward::Flood));
        self.depend_on_bridge(visiting.bridge);
        let tenant = visiting.flow.tenant();
        let (mut copies, mut foreign) = (0, 0);
        for port in visiting.bridge.ports.values() {
            let is_closed = port.role != Role::Forwarding || port.config.no_flood || !port.config.sends();
            let is_shut = port.mirrored.is_output || is_kept_apart(in_port, port);
            if port.number == in_port.number || is_closed || is_shut {
                continue;
            }
            if !self.reaches(&visiting.flow, port, tagged) {
                continue;
            }
            if port.carries(tenant) {
                copies += 1;
                self.send_in_vlan(visiting, port, tagged);
            } else {
                foreign += 1;
            }
        }
        if copies == 0 {
            let reason = if foreign == 0 { DropReason::NoDestination } else { DropReason::Tenant };
            self.drop(visiting, reason, in_port.number);
        }
    }
}

/// Whether NORMAL sends nothing from one port to the other.
const fn is_kept_apart(from: &Port, to: &Port) -> bool {
    from.vlans.protected && to.vlans.protected
}

/// Addresses of link protocols, which no bridge forwards. Source: IEEE 802.1Q §8.6.3.
pub(super) fn is_reserved(mac: [u8; 6]) -> bool {
    let [prefix @ .., last] = mac;
    prefix == [0x01, 0x80, 0xc2, 0, 0] && last <= 0x0f
}

const fn is_multicast(mac: [u8; 6]) -> bool {
    mac[0] & 1 == 1
}
