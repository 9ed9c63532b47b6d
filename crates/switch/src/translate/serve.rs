//! What a network answers by itself: addresses, routers, names.
//!
//! Such a packet is handed up before the first table is asked. No flow stands for that, so nobody can see, count or remove
//! one by mistake.
//!
//! | what | known by |
//! |---|---|
//! | anything to the service itself | its Ethernet address |
//! | who has the service's address? | ARP, or neighbour solicitation, and the address |
//! | which DHCP servers are there? | broadcast, UDP port 67; `33:33:00:01:00:02`, UDP port 547 |
//! | which routers are there? | `33:33:00:00:00:02`, ICMPv6 type 133 |
//!
//! The destination's Ethernet address is asked first, and NORMAL looks at it anyhow: what one node sends another costs no
//! further bit of the cached flow. Only broadcasts, and multicasts to the groups above, are looked into.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use netloom_flow::action::PacketInReason;
use netloom_flow::{DpAction, FlowKey, Punt, TableId, word};

use super::flow::PRESENT;
use super::{Translator, Visiting, split};
use crate::config::Service;
use crate::recorder::{Event, Served};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const UDP: u64 = 17;
const ICMPV6: u64 = 58;
/// Ports of DHCP servers.
const DHCP: u64 = 67;
const DHCP6: u64 = 547;
/// Types of ICMPv6.
const ROUTER_SOLICIT: u64 = 133;
const SOLICIT: u64 = 135;

impl<'a> Translator<'a> {
    /// What the network's service is asked by a packet that comes in, if anything.
    pub(super) fn asks_service(&mut self, visiting: &Visiting<'a>) -> Option<Served> {
        let service = visiting.bridge.config.service.as_ref()?;
        let flow = &visiting.flow;
        // The tenant is always part of the question.
        if flow.tenant() != service.tenant {
            return None;
        }
        self.look(flow, word::ETH_DST, !0 << 16);
        let dst = flow.eth_dst();
        let is_group = dst == BROADCAST || dst[..2] == [0x33, 0x33];
        if dst != service.mac && !is_group {
            return None;
        }
        self.look(flow, word::ETH_SRC, 0xffff);
        if flow.tci() & PRESENT != 0 {
            return None;
        }
        if dst == service.mac {
            return Some(kind(&flow.key));
        }
        let found = match dst {
            BROADCAST => self.asks_all(visiting, service),
            [0x33, 0x33, 0, 0, 0, 2] if service.dhcp => self.is_icmpv6(visiting, ROUTER_SOLICIT),
            [0x33, 0x33, 0, 1, 0, 2] if service.dhcp => self.is_udp(visiting, IPV6, DHCP6),
            [0x33, 0x33, 0xff, a, b, c] if service.v6.iter().any(|it| it.octets()[13..] == [a, b, c]) => {
                self.is_icmpv6(visiting, SOLICIT) && self.is_target(visiting, &service.v6)
            }
            _ => false,
        };
        found.then(|| kind(&flow.key))
    }

    fn asks_all(&mut self, visiting: &Visiting<'a>, service: &Service) -> bool {
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        match (visiting.flow.eth_type(), service.v4) {
            (ARP, Some(own)) => self.is_arp_for(visiting, own),
            (IPV4, Some(_)) => service.dhcp && self.is_udp(visiting, IPV4, DHCP),
            _ => false,
        }
    }

    fn is_arp_for(&mut self, visiting: &Visiting<'a>, own: Ipv4Addr) -> bool {
        const REQUEST: u64 = 1;
        let flow = &visiting.flow;
        self.look(flow, word::IP, 0xff << 56);
        if flow.key.0[word::IP] >> 56 != REQUEST {
            return false;
        }
        self.look(flow, word::IPV4, 0xffff_ffff);
        split(flow.key.0[word::IPV4]).1 == own.to_bits()
    }

    /// Whether it is of a protocol, and no later fragment.
    fn is_of(&mut self, visiting: &Visiting<'a>, eth_type: u16, protocol: u64) -> bool {
        let flow = &visiting.flow;
        self.look(flow, word::ETH_DST, 0xffff);
        if flow.eth_type() != eth_type {
            return false;
        }
        const LATER: u64 = 2 << 32;
        self.look(flow, word::IP, 0xff << 56 | LATER);
        flow.key.0[word::IP] & (0xff << 56 | LATER) == protocol << 56
    }

    fn is_udp(&mut self, visiting: &Visiting<'a>, eth_type: u16, port: u64) -> bool {
        if !self.is_of(visiting, eth_type, UDP) {
            return false;
        }
        self.look(&visiting.flow, word::L4, 0xffff << 32);
        visiting.flow.key.0[word::L4] >> 32 & 0xffff == port
    }

    /// Of this type, with the code 0.
    fn is_icmpv6(&mut self, visiting: &Visiting<'a>, kind: u64) -> bool {
        if !self.is_of(visiting, IPV6, ICMPV6) {
            return false;
        }
        self.look(&visiting.flow, word::L4, !0 << 32);
        visiting.flow.key.0[word::L4] >> 32 == kind << 16
    }

    fn is_target(&mut self, visiting: &Visiting<'a>, own: &[Ipv6Addr]) -> bool {
        let flow = &visiting.flow;
        self.look(flow, word::ND_TARGET, !0);
        self.look(flow, word::ND_TARGET + 1, !0);
        own.contains(&target(&flow.key))
    }

    /// Hands a packet up to the service.
    pub(super) fn serve(&mut self, visiting: &mut Visiting<'a>, served: Served) {
        visiting.settled = true;
        self.recorder.record(Event::Served(served));
        self.commit(&visiting.flow);
        let mut key = FlowKey::default();
        for index in [word::IN_PORT, word::TENANT] {
            key.0[index] = visiting.flow.key.0[index];
        }
        key.0[word::TENANT] &= 0xffff << 48;
        self.actions.push(DpAction::Userspace(Arc::new(Punt {
            bridge: visiting.bridge.id,
            is_served: true,
            table: TableId(0),
            cookie: None,
            reason: PacketInReason::Action,
            is_miss: false,
            is_for_all: false,
            is_miss_flow: false,
            max_len: u16::MAX,
            controller: 0,
            userdata: Box::default(),
            paused: None,
            key,
            layout: None,
        })));
    }
}

const BROADCAST: [u8; 6] = [0xff; 6];

fn target(key: &FlowKey) -> Ipv6Addr {
    let (high, low) = (key.0[word::ND_TARGET], key.0[word::ND_TARGET + 1]);
    Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low))
}

/// What is asked, for people: it decides nothing, so no bit of it counts as looked at.
fn kind(key: &FlowKey) -> Served {
    let (protocol, ports) = (key.0[word::IP] >> 56, key.0[word::L4] >> 32);
    match (protocol, ports & 0xffff) {
        (UDP, DHCP) => Served::Dhcp,
        (UDP, DHCP6) => Served::Dhcp6,
        (UDP | 6, 53) => Served::Names,
        (ICMPV6, _) if ports >> 16 == ROUTER_SOLICIT => Served::Routers,
        _ => Served::Neighbour,
    }
}
