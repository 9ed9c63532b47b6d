//! Addresses of the lab: a request goes straight to the owner, and a packet need not be flooded towards an
//! address that was not learned yet.
//!
//! Each switch on the way decides for itself and alike, so the packet follows the spanning tree (or a shortest
//! path) to the switch the owner is attached to.

use std::net::IpAddr;

use netloom_flow::{BridgeId, Dependency, DropReason, OfPort, word};

use super::normal::Way;
use super::{Translator, Visiting, split};
use crate::model::Home;
use crate::recorder::Forward;

/// Who owns an address.
enum Owner {
    /// Someone of the tenant, over this port.
    At(OfPort),
    /// Someone of the tenant whom no path leads to.
    Unreachable,
    /// Someone of another tenant only.
    Foreign,
    Nobody,
}

/// A request for a link-layer address.
struct Request {
    target: IpAddr,
    /// The sender asks for its own address: it announces it.
    is_announcement: bool,
}

impl<'a> Translator<'a> {
    /// The way of a multicast packet under `arp: local`.
    pub(super) fn solicit(&mut self, visiting: &Visiting<'a>, vlan: u16) -> Way {
        if is_report(visiting.flow.eth_dst()) {
            self.depend_on_bridge(visiting.bridge); // stands for the routers, too
            let routed = self.switch.directory.is_routed(visiting.flow.tenant());
            return if routed { Way::Flood } else { Way::Nowhere(DropReason::NoRouter) };
        }
        let Some(request) = self.request(visiting) else { return Way::Flood };
        if request.is_announcement {
            return Way::Flood;
        }
        self.depend_on_bridge(visiting.bridge); // stands for the subnets, too
        let bucket = self.switch.versions.of_address(request.target);
        self.depend(Dependency::Mac { bucket, version: self.switch.versions.version(bucket) });
        let homes = self.switch.directory.homes_of(request.target);
        let is_ours = self.switch.directory.is_inside(visiting.flow.tenant(), request.target);
        match self.owner(visiting, homes, vlan) {
            Owner::At(port) => Way::To(port, Forward::Known(port)),
            Owner::Foreign if is_ours => Way::Nowhere(DropReason::Tenant),
            Owner::Nobody if is_ours => Way::Nowhere(DropReason::UnknownOwner),
            Owner::Unreachable | Owner::Foreign | Owner::Nobody => Way::Flood,
        }
    }

    /// The way to a MAC address of the lab; `None`: to be flooded.
    pub(super) fn way_home(&mut self, visiting: &Visiting<'a>, mac: [u8; 6], vlan: u16) -> Option<Way> {
        self.depend_on_owner(mac);
        let homes = self.switch.directory.homes_of_mac(mac);
        match self.owner(visiting, homes, vlan) {
            Owner::At(port) => Some(Way::To(port, Forward::Known(port))),
            Owner::Foreign => Some(Way::Nowhere(DropReason::Tenant)),
            Owner::Unreachable | Owner::Nobody => None,
        }
    }

    /// The answer depends on who owns a MAC address.
    pub(super) fn depend_on_owner(&mut self, mac: [u8; 6]) {
        let bucket = self.switch.versions.of_owner(mac);
        self.depend(Dependency::Mac { bucket, version: self.switch.versions.version(bucket) });
    }

    fn owner(&mut self, visiting: &Visiting<'a>, homes: &[Home], vlan: u16) -> Owner {
        let tenant = visiting.flow.tenant();
        let mut answer = match homes {
            [] => return Owner::Nobody,
            _ => Owner::Foreign,
        };
        self.depend_on_bridge(visiting.bridge);
        for home in homes.iter().filter(|home| home.tenant == tenant) {
            answer = Owner::Unreachable;
            let Some((bridge, number)) = self.switch.dp_ports.get(&home.port).copied() else { continue };
            let way = if bridge == visiting.bridge.id {
                let port = visiting.bridge.port(number);
                port.filter(|port| port.vlans.includes(vlan)).map(|port| port.number)
            } else {
                self.toward(visiting, bridge)
            };
            if let Some(port) = way {
                return Owner::At(port);
            }
        }
        answer
    }

    /// The port that leads to another bridge.
    fn toward(&mut self, visiting: &Visiting<'a>, to: BridgeId) -> Option<OfPort> {
        let here = visiting.bridge.id;
        let ports = self.switch.routes.shortest(here, to);
        match ports.as_slice() {
            [] => self.switch.routes.over_tree(here, to),
            [only] => Some(*only),
            several => {
                let hash = self.connection_hash(visiting);
                let at = usize::try_from(hash % several.len() as u64).unwrap_or(0);
                several.get(at).copied()
            }
        }
    }

    /// What a packet asks for, if it is an ARP request or a neighbour solicitation.
    fn request(&mut self, visiting: &Visiting<'a>) -> Option<Request> {
        let flow = &visiting.flow;
        self.look(flow, word::ETH_DST, 0xffff);
        match flow.eth_type() {
            0x0806 => {
                self.look(flow, word::IP, 0xff << 56);
                if flow.key.0[word::IP] >> 56 != 1 {
                    return None;
                }
                self.look(flow, word::IPV4, !0);
                let (sender, target) = split(flow.key.0[word::IPV4]);
                let is_announcement = sender == target;
                Some(Request { target: IpAddr::V4(target.into()), is_announcement })
            }
            0x86dd => {
                // Protocol ICMPv6, not a later fragment; type 135, code 0.
                self.look(flow, word::IP, 0xff << 56 | 2 << 32);
                if flow.key.0[word::IP] & (0xff << 56 | 2 << 32) != 58 << 56 {
                    return None;
                }
                self.look(flow, word::L4, !0 << 32);
                if flow.key.0[word::L4] >> 32 != 135 << 16 {
                    return None;
                }
                self.look(flow, word::ND_TARGET, !0);
                self.look(flow, word::ND_TARGET + 1, !0);
                let (high, low) = (flow.key.0[word::ND_TARGET], flow.key.0[word::ND_TARGET + 1]);
                let target = u128::from(high) << 64 | u128::from(low);
                Some(Request { target: IpAddr::V6(target.into()), is_announcement: target == 0 })
            }
            _ => None,
        }
    }
}

/// Where reports of MLDv2 (RFC 3810 section 5.2.14) and IGMPv3 (RFC 3376 section 4.2.14) go: to all routers that
/// understand them. Every host sends some when it comes up; a switch that knows where routers are spares the others
/// (RFC 4541 section 2.1.1).
const fn is_report(mac: [u8; 6]) -> bool {
    matches!(mac, [0x33, 0x33, 0, 0, 0, 0x16] | [0x01, 0, 0x5e, 0, 0, 0x16])
}
