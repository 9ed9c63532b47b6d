//! Sets of rules like those ClassBench makes, of three kinds, the same for every switch and every run.
//!
//! Three in ten lie within another rule of the set. Source of the shapes: Taylor and Turner, "ClassBench: a packet
//! classification benchmark", 2007: routes are prefixes of one address, access lists name both addresses and a port,
//! firewalls leave more of it open.

use super::wire::{Demand, Field};

/// A kind of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Prefixes of the destination.
    Route,
    /// Both addresses, protocol and a port.
    Acl,
    /// As the latter, with fields left open.
    Firewall,
}

/// Numbers that look random: `xorshift64*`.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The same ones every time.
    pub(super) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// One below a limit.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<const N: usize>(&mut self, all: [u64; N]) -> u64 {
        let at = self.below(N as u64);
        all.into_iter().zip(0..).find(|(_, n)| *n == at).map_or(0, |(value, _)| value)
    }
}

/// A prefix of 32 bits as a mask.
fn prefix(bits: u64) -> u64 {
    if bits == 0 { 0 } else { u64::from(u32::MAX << (32 - bits)) }
}

/// So many rules, each with its priority: the more it says, the higher.
pub(super) fn make(kind: Kind, count: usize) -> Vec<(u16, Vec<Demand>)> {
    let mut random = Random::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut rules = Vec::with_capacity(count);
    let mut before = (0_u64, 0_u64);
    while rules.len() < count {
        // An overlapping rule says more of the same addresses as the one before.
        let overlaps = random.below(10) < 3;
        let (src, dst) = if overlaps { before } else { (random.below(1 << 32), random.below(1 << 32)) };
        before = (src, dst);
        let long = |random: &mut Random| {
            if overlaps { 32 } else { random.one_of([16, 20, 24, 24, 28, 32]) }
        };
        let (src_len, dst_len) = (long(&mut random), long(&mut random));
        let open = |random: &mut Random, odds: u64| kind == Kind::Firewall && random.below(100) < odds;
        let mut demands: Vec<Demand> = vec![(Field::EthType, 0x0800, None)];
        let mut said = dst_len;
        let tcp = random.below(4) > 0;
        if kind != Kind::Route && !open(&mut random, 10) {
            demands.push((Field::IpProto, if tcp { 6 } else { 17 }, None));
            said += 8;
            let port = random.one_of([80, 443, 53, 22, 8080]);
            let port = if random.below(2) == 0 { port } else { random.below(1 << 16) };
            if !open(&mut random, 40) {
                demands.push((if tcp { Field::TcpDst } else { Field::UdpDst }, port, None));
                said += 16;
            }
        }
        if kind != Kind::Route && !open(&mut random, 30) {
            let mask = prefix(src_len);
            demands.insert(1, (Field::Ipv4Src, src & mask, Some(mask)));
            said += src_len;
        }
        let mask = prefix(dst_len);
        demands.push((Field::Ipv4Dst, dst & mask, Some(mask)));
        demands.sort_by_key(|(field, ..)| *field as u8);
        if seen.insert(demands.clone()) {
            rules.push((u16::try_from(1_000 + said).unwrap_or(u16::MAX), demands));
        }
    }
    rules
}
