//! What a connection's addresses and ports are translated to.
//!
//! A translated connection must have an answer of its own: two connections with the same answer could not be told
//! apart. So candidates are tried, the best first, until one is free.

use netloom_flow::action::{Nat, NatRange, PortSelection};

use super::tuple::{Keyed, Tuple, wide};
use crate::cache::hash;

/// Ports tried with one address.
const PORTS: u32 = 512;
/// Addresses tried.
const ADDRESSES: u128 = 8;

/// Calls `is_free` with the answers that a connection could have, the best first, until it says yes.
///
/// `draw` is a fresh number for those who want chance. Source: the manual of `ct`, ovs-actions(7): the old port if
/// it is in the range or there is none, else by hash; without a range of ports, any of the same kind.
pub(crate) fn choose(
    original: &Tuple,
    nat: &Nat,
    seed: u64,
    draw: u64,
    is_free: &mut dyn FnMut(Tuple) -> bool,
) -> bool {
    let (range, is_source) = match nat {
        Nat::Existing => return is_free(original.reversed()),
        Nat::Source(range) => (range, true),
        Nat::Destination(range) => (range, false),
    };
    let hash = std::hash::BuildHasher::hash_one(&Keyed(seed), (original.src, original.dst));
    let addresses = Addresses::of(range, original, is_source, hash);
    let ports = Ports::of(range, original, is_source, hash, draw);
    for address in addresses.iter() {
        for port in ports.iter() {
            if is_free(answer(original, is_source, address, port)) {
                return true;
            }
        }
    }
    // A destination that others have, too, can be told apart by another source port.
    let others = Ports::any(original.src_port, original.is_icmp(), hash);
    !is_source && original.has_ports() && {
        let first = answer(original, false, addresses.first(), ports.start);
        let free = |port| {
            let both = if first.is_icmp() { port } else { first.src_port };
            Tuple { dst_port: port, src_port: both, ..first }
        };
        others.iter().any(|port| is_free(free(port)))
    }
}

/// The answer to a connection whose source or destination is replaced.
fn answer(original: &Tuple, is_source: bool, address: u128, port: u16) -> Tuple {
    let plain = original.reversed();
    match is_source {
        true if plain.is_icmp() => Tuple { dst: address, dst_port: port, src_port: port, ..plain },
        true => Tuple { dst: address, dst_port: port, ..plain },
        false if plain.is_icmp() => Tuple { src: address, ..plain },
        false => Tuple { src: address, src_port: port, ..plain },
    }
}

/// The addresses of a range, from one of them on.
struct Addresses {
    first: u128,
    count: u128,
    start: u128,
}

impl Addresses {
    fn of(range: &NatRange, original: &Tuple, is_source: bool, hash: u64) -> Self {
        let own = if is_source { original.src } else { original.dst };
        let given = range.addresses.filter(|(first, last)| {
            let is_unspecified = first.is_unspecified() && last.is_unspecified();
            first.is_ipv6() == original.is_ipv6 && !is_unspecified
        });
        let Some((first, last)) = given else { return Self { first: own, count: 1, start: 0 } };
        let (first, last) = (wide(first), wide(last));
        let count = last.saturating_sub(first).saturating_add(1);
        Self { first, count, start: u128::from(hash) % count }
    }

    const fn first(&self) -> u128 {
        self.first.saturating_add(self.start)
    }

    fn iter(&self) -> impl Iterator<Item = u128> {
        let Self { first, count, start } = *self;
        (0..count.min(ADDRESSES)).map(move |n| first.saturating_add((start + n) % count))
    }
}

/// The ports of a range, from one of them on.
struct Ports {
    low: u16,
    high: u16,
    start: u16,
}

impl Ports {
    fn of(range: &NatRange, original: &Tuple, is_source: bool, hash: u64, draw: u64) -> Self {
        let (own, other) = if is_source {
            (original.src_port, original.dst_port)
        } else {
            (original.dst_port, original.src_port)
        };
        let none = Self { low: own, high: own, start: own };
        if !original.has_ports() || !is_source && original.is_icmp() {
            return none;
        }
        let Some((low, high)) = range.ports.filter(|(low, high)| low <= high && !original.is_icmp()) else {
            if !is_source {
                return none;
            }
            let any = Self::any(own, original.is_icmp(), hash);
            return match range.selection {
                Some(PortSelection::Random) => any.from(draw),
                _ => Self { start: own, ..any },
            };
        };
        let all = Self { low, high, start: low };
        match range.selection {
            Some(PortSelection::Random) => all.from(draw),
            None if (low..=high).contains(&own) => Self { start: own, ..all },
            Some(PortSelection::Hash) | None => all.from(hash::add(hash, other.into())),
        }
    }

    /// Ports of the same kind as `own`: privileged ones stay privileged. Source: `nf_nat_l4proto_unique_tuple` of Linux.
    fn any(own: u16, is_icmp: bool, hash: u64) -> Self {
        let (low, high) = match own {
            _ if is_icmp => (0, u16::MAX),
            ..512 => (1, 511),
            512..1_024 => (600, 1_023),
            _ => (1_024, u16::MAX),
        };
        Self { low, high, start: low }.from(hash)
    }

    fn from(self, number: u64) -> Self {
        let offset = u16::try_from(number % u64::from(self.count())).unwrap_or(0);
        Self { start: self.low.saturating_add(offset), ..self }
    }

    const fn count(&self) -> u32 {
        (self.high - self.low) as u32 + 1
    }

    fn iter(&self) -> impl Iterator<Item = u16> {
        let (low, start, count) = (u32::from(self.low), u32::from(self.start), self.count());
        let rest = (0..count.min(PORTS)).map(move |n| {
            let offset = (start.wrapping_sub(low) % count.max(1) + n) % count;
            u16::try_from(low + offset).unwrap_or(u16::MAX)
        });
        // One that is kept may lie outside of its kind's range.
        let is_outside = !(self.low..=self.high).contains(&self.start);
        is_outside.then_some(self.start).into_iter().chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    use netloom_packet::parse::ip_proto;

    use super::super::tuple::mapped;
    use super::*;

    fn tuple(src_port: u16) -> Tuple {
        Tuple {
            src: mapped([10, 0, 0, 1]),
            dst: mapped([10, 0, 0, 2]),
            src_port,
            dst_port: 80,
            proto: ip_proto::TCP,
            is_ipv6: false,
            kinds: [0, 0],
        }
    }

    fn range(first: &str, last: &str, ports: Option<(u16, u16)>) -> NatRange {
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        NatRange { addresses: Some((address(first), address(last))), ports, ..NatRange::default() }
    }

    /// The answers a sequence of connections gets, each free of the others.
    fn answers(nat: &Nat, ports: impl Iterator<Item = u16>) -> Vec<Option<Tuple>> {
        let mut taken = BTreeSet::new();
        ports
            .map(|port| {
                let mut found = None;
                choose(&tuple(port), nat, 1, 2, &mut |answer| {
                    let is_free = taken.insert(answer);
                    found = is_free.then_some(answer);
                    is_free
                });
                found
            })
            .collect()
    }

    #[test]
    fn a_range_is_used_up_to_the_last_port_and_then_refused() {
        let nat = Nat::Source(range("192.0.2.1", "192.0.2.2", Some((5_000, 5_009))));
        let answers = answers(&nat, 1_000..1_021);
        let used: BTreeSet<(u128, u16)> =
            answers.iter().flatten().map(|answer| (answer.dst, answer.dst_port)).collect();
        assert_eq!((used.len(), answers.iter().filter(|answer| answer.is_none()).count()), (20, 1));
        assert!(used.iter().all(|(address, port)| {
            [mapped([192, 0, 2, 1]), mapped([192, 0, 2, 2])].contains(address)
                && (5_000..5_010).contains(port)
        }));
        assert!(answers.iter().flatten().all(|answer| answer.src == mapped([10, 0, 0, 2])));
    }

    #[test]
    fn a_port_is_kept_if_it_may_be() {
        let wide = Nat::Source(range("192.0.2.1", "192.0.2.1", None));
        assert_eq!(answers(&wide, [4_444].into_iter())[0].unwrap().dst_port, 4_444);
        let narrow = Nat::Source(range("192.0.2.1", "192.0.2.1", Some((4_000, 5_000))));
        assert_eq!(answers(&narrow, [4_444].into_iter())[0].unwrap().dst_port, 4_444);
        let twice = answers(&wide, [600, 600].into_iter());
        assert_eq!(twice[0].unwrap().dst_port, 600);
        assert!((600..1_024).contains(&twice[1].unwrap().dst_port), "privileged stays privileged");
    }

    #[test]
    fn addresses_of_zero_change_nothing_but_a_port_that_is_taken() {
        let nat = Nat::Source(range("0.0.0.0", "0.0.0.0", None));
        let two = answers(&nat, [4_444, 4_444].into_iter());
        assert_eq!(two[0], Some(tuple(4_444).reversed()));
        let second = two[1].unwrap();
        assert!(second.dst == mapped([10, 0, 0, 1]) && second.dst_port != 4_444);
    }

    #[test]
    fn a_destination_that_others_have_is_told_apart_by_the_source_port() {
        let nat = Nat::Destination(range("192.0.2.9", "192.0.2.9", Some((8_080, 8_080))));
        let two = answers(&nat, [4_444, 4_444].into_iter());
        let plain = two[0].unwrap();
        assert_eq!((plain.src, plain.src_port, plain.dst_port), (mapped([192, 0, 2, 9]), 8_080, 4_444));
        let other = two[1].unwrap();
        assert_eq!((other.src, other.src_port), (plain.src, plain.src_port));
        assert_ne!(other.dst_port, 4_444);
    }

    #[test]
    fn the_id_of_a_query_is_in_both_places() {
        let echo = Tuple { proto: ip_proto::ICMP, src_port: 7, dst_port: 7, kinds: [8, 0], ..tuple(0) };
        let nat = Nat::Source(range("192.0.2.1", "192.0.2.1", None));
        let mut asked = 0;
        let mut found = None;
        choose(&echo, &nat, 1, 2, &mut |answer| {
            asked += 1;
            found = Some(answer);
            asked == 2
        });
        let answer = found.unwrap();
        assert_eq!((answer.src_port, answer.kinds), (answer.dst_port, [0, 8]));
        assert_ne!(answer.src_port, 7);
    }
}
