//! Router advertisements: how the link is, and by whom it is left.
//!
//! Each client has its own, with its own MTU, prefix and router, out of its own port. The prefix is on the link, but no
//! address is made of it (A = 0): the lab has resolved one for each interface, and DHCPv6 hands out that one (M = 1). A
//! guest that made itself another would be nobody to the lab's names, probes and rules.
//!
//! The sender must be the router's link-local address, as hosts route to the sender (RFC 4861 section 4.2). So where the
//! lab has a router, the advertisement speaks in its name; where there is none, the service speaks in its own, and says
//! that it is no router (lifetime 0).
//!
//! Source: RFC 4861 sections 4.2, 4.6 and 6.2; RFC 8106 section 5.

use std::net::Ipv6Addr;

use netloom_flow::Nanos;
use netloom_packet::Mac;

use crate::dns::Name;
use crate::outgoing::{ALL_NODES, group_mac, icmpv6};
use crate::spec::{Client, Spec, prefix_of};

/// Advertisements at the beginning, and the seconds before each (`MAX_INITIAL_RTR_ADVERTISEMENTS`,
/// `MAX_INITIAL_RTR_ADVERT_INTERVAL`).
const FIRST: u32 = 3;
const FIRST_SECONDS: u64 = 16;
/// The seconds between all later ones (`MaxRtrAdvInterval`).
const SECONDS: u64 = 600;
/// What an advertisement says is so for as many seconds: three of them may be lost.
const LIFETIME: u16 = 1_800;
/// Clients that are advertised to at once, so that many in a network are no burst.
const AT_ONCE: usize = 32;
/// The pause before the next of them.
const PAUSE: Nanos = Nanos::from_millis(10);

/// When which client is told next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    rounds: u32,
    next: Nanos,
    /// The client with which a round goes on.
    at: usize,
}

impl Schedule {
    /// The first round soon after now.
    pub(crate) fn new(now: Nanos) -> Self {
        Self { rounds: 0, next: now + Nanos::from_secs(FIRST_SECONDS), at: 0 }
    }

    pub(crate) const fn next(&self) -> Nanos {
        self.next
    }

    /// Those of `all` clients whose turn it is.
    pub(crate) fn due(&mut self, now: Nanos, all: usize) -> std::ops::Range<usize> {
        if now < self.next {
            return 0..0;
        }
        let from = self.at.min(all);
        let to = (from + AT_ONCE).min(all);
        if to < all {
            (self.at, self.next) = (to, now + PAUSE);
        } else {
            self.rounds = self.rounds.saturating_add(1);
            let pause = if self.rounds < FIRST { FIRST_SECONDS } else { SECONDS };
            (self.at, self.next) = (0, now + Nanos::from_secs(pause));
        }
        from..to
    }
}

/// The advertisement for a client, to one that asked or to all nodes at its port; `None` if it has no IPv6 address.
pub(crate) fn emit(spec: &Spec, client: &Client, to: Option<(Mac, Ipv6Addr)>) -> Option<Vec<u8>> {
    let (address, len) = client.v6?;
    let (lifetime, from, mac) = match client.router {
        Some(router) => (LIFETIME, router.address, router.mac),
        None => (0, spec.link_local(), spec.mac),
    };
    const MANAGED: u8 = 0x80;
    const OTHER: u8 = 0x40;
    const HOPS: u8 = 64;
    let mut out = vec![134, 0, 0, 0, HOPS, MANAGED | OTHER];
    out.extend(lifetime.to_be_bytes());
    out.extend([0; 8]); // reachable time, retransmission timer: not said
    // Source link-layer address.
    out.extend([1, 1]);
    out.extend(mac.0);
    // MTU, of no less than every link has (RFC 8200 section 5).
    if client.mtu >= 1_280 {
        out.extend([5, 1, 0, 0]);
        out.extend(u32::from(client.mtu).to_be_bytes());
    }
    prefix(&mut out, prefix_of(address, len), len);
    let server = spec.v6.map_or_else(|| spec.link_local(), |(own, _)| own);
    out.extend([25, 3, 0, 0]);
    out.extend(u32::from(LIFETIME).to_be_bytes());
    out.extend(server.octets());
    search(&mut out, &spec.zone.domain());
    let (to_mac, to) = to.unwrap_or((group_mac(ALL_NODES), ALL_NODES));
    // The frame is the service's own: a switch on the way must not learn the router at the wrong port.
    icmpv6((spec.mac, to_mac), from, to, out)
}

/// Prefix information (RFC 4861 section 4.6.2): on the link, for ever; no addresses are made of it.
fn prefix(out: &mut Vec<u8>, prefix: Ipv6Addr, len: u8) {
    const ON_LINK: u8 = 0x80;
    out.extend([3, 4, len, ON_LINK]);
    out.extend([0xff; 8]); // valid and preferred lifetime
    out.extend([0; 4]);
    out.extend(prefix.octets());
}

/// The search list (RFC 8106 section 5.2), one domain, padded to 8 bytes.
fn search(out: &mut Vec<u8>, domain: &str) {
    let Some(name) = Name::of(domain) else { return };
    let units = (8 + name.wire().len()).div_ceil(8);
    let Ok(count) = u8::try_from(units) else { return };
    let end = out.len() + units * 8;
    out.extend([31, count, 0, 0]);
    out.extend(u32::from(LIFETIME).to_be_bytes());
    out.extend(name.wire());
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_clients_are_told_in_turns_three_times_soon_and_then_rarely() {
        let second = Nanos::from_secs(1);
        let mut schedule = Schedule::new(second);
        assert!(schedule.due(second, 40).is_empty());
        let mut told = Vec::new();
        for _ in 0..8 {
            let now = schedule.next();
            told.push((now.0 / 1_000_000_000, schedule.due(now, 40)));
        }
        let expected = [
            (17, 0..32),
            (17, 32..40),
            (33, 0..32),
            (33, 32..40),
            (49, 0..32),
            (49, 32..40),
            (649, 0..32),
            (649, 32..40),
        ];
        assert_eq!(told, expected);
        // Fewer by now than there were.
        assert!(schedule.due(Nanos::MAX, 0).is_empty());
    }
}
