//! Later fragments have no ports: they follow their first one, whose way is remembered for a while.
//!
//! A first fragment that comes later than others is not waited for: Linux sends them in order.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use netloom_packet::Headers;
use netloom_packet::bytes::{be16, be32, u8_at};
use netloom_packet::parse::ip_proto;

/// What the fragments of a datagram have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Datagram {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    id: u32,
    protocol: u8,
}

impl Datagram {
    /// That of a fragment.
    pub(super) fn of(data: &[u8], headers: &Headers, src: IpAddr, dst: IpAddr) -> Option<Self> {
        let l3 = usize::from(headers.l3);
        let (id, protocol) = if headers.is_ipv4() {
            (u32::from(be16(data, l3 + 4)?), u8_at(data, l3 + 9)?)
        } else {
            // Right behind the header, where Linux puts it; elsewhere it is not looked for.
            (u8_at(data, l3 + 6)? == ip_proto::FRAGMENT).then_some(())?;
            (be32(data, l3 + 44)?, u8_at(data, l3 + 40)?)
        };
        Some(Self { src, dst, id, protocol })
    }
}

/// Datagrams remembered at once; the oldest gives way.
const MOST: usize = 256;

/// Where the first fragments of datagrams went.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    ways: HashMap<Datagram, IpAddr>,
    order: VecDeque<Datagram>,
}

impl Fragments {
    /// A first fragment got this address in the place of one of its own.
    pub(super) fn note(&mut self, datagram: Datagram, address: IpAddr) {
        if self.ways.insert(datagram, address).is_some() {
            return;
        }
        self.order.push_back(datagram);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ways.remove(&oldest);
        }
    }

    /// The address for a later one.
    pub(super) fn way(&self, datagram: &Datagram) -> Option<IpAddr> {
        self.ways.get(datagram).copied()
    }
}
