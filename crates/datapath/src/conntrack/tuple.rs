//! What names a connection: addresses, ports and protocol of one direction, in one zone.

use std::net::{IpAddr, Ipv6Addr};

use netloom_flow::{BridgeId, TenantId, TupleRow};
use netloom_packet::parse::ip_proto;

use crate::cache::hash;

/// Where a connection is known: packets of other bridges, tenants and zones have nothing to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Scope {
    pub(crate) bridge: BridgeId,
    pub(crate) tenant: TenantId,
    pub(crate) zone: u16,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tuple {
    /// IPv4 as IPv4-mapped.
    pub(crate) src: u128,
    pub(crate) dst: u128,
    /// The id of an ICMP query stands in both.
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) proto: u8,
    pub(crate) is_ipv6: bool,
    /// Types of ICMP: of this direction, and of the answer.
    pub(crate) kinds: [u8; 2],
}

/// The prefix of IPv4-mapped addresses.
pub(crate) const MAPPED: u128 = 0xffff << 32;

/// An IPv4 address among those of IPv6.
pub(crate) fn mapped(address: [u8; 4]) -> u128 {
    MAPPED | u128::from(u32::from_be_bytes(address))
}

/// An address in 128 bits.
pub(crate) fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => mapped(address.octets()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The IPv4 address in 128 bits.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are the address")]
pub(crate) const fn narrow(address: u128) -> [u8; 4] {
    (address as u32).to_be_bytes()
}

impl Tuple {
    /// The answer's.
    pub(crate) const fn reversed(self) -> Self {
        let [kind, answer] = self.kinds;
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
            kinds: [answer, kind],
            ..self
        }
    }

    pub(crate) const fn is_icmp(&self) -> bool {
        matches!(self.proto, ip_proto::ICMP | ip_proto::ICMPV6)
    }

    /// Whether its ports (or ids) may be translated.
    pub(crate) const fn has_ports(&self) -> bool {
        matches!(self.proto, ip_proto::TCP | ip_proto::UDP | ip_proto::SCTP) || self.is_icmp()
    }

    /// The same for both directions.
    pub(crate) fn symmetric_hash(&self, seed: u64) -> u64 {
        let end = |address: u128, port: u16| {
            hash::fold(
                low(address) ^ seed ^ u64::from(port),
                low(address >> 64) ^ hash::add(seed, u64::from(port)),
            )
        };
        let both = end(self.src, self.src_port) ^ end(self.dst, self.dst_port);
        hash::add(both ^ seed, u64::from(self.proto))
    }

    pub(crate) fn row(&self) -> TupleRow {
        let address = |address: u128| {
            if self.is_ipv6 {
                IpAddr::V6(Ipv6Addr::from_bits(address))
            } else {
                IpAddr::V4(narrow(address).into())
            }
        };
        TupleRow {
            src: address(self.src),
            dst: address(self.dst),
            src_port: self.src_port,
            dst_port: self.dst_port,
            icmp: self.is_icmp().then_some((self.kinds[0], 0)),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of the address")]
const fn low(address: u128) -> u64 {
    address as u64
}

/// What a table of connections finds them by.
pub(crate) type Key = (Scope, Tuple);

/// Keyed hashing of [`Key`]s for maps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed(pub(crate) u64);

impl std::hash::BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher(self.0)
    }
}

/// See [`Keyed`].
#[derive(Debug)]
pub(crate) struct KeyedHasher(u64);

impl std::hash::Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            self.write_u64(word);
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = hash::add(self.0, value);
    }

    fn write_u128(&mut self, value: u128) {
        self.write_u64(low(value >> 64));
        self.write_u64(low(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_have_one_hash_and_the_answer_of_an_answer_is_the_question() {
        let tuple = Tuple {
            src: mapped([10, 0, 0, 1]),
            dst: mapped([10, 0, 0, 2]),
            src_port: 1234,
            dst_port: 80,
            proto: 6,
            is_ipv6: false,
            kinds: [0, 0],
        };
        assert_eq!(tuple.reversed().reversed(), tuple);
        assert_eq!(tuple.symmetric_hash(7), tuple.reversed().symmetric_hash(7));
        assert_ne!(tuple.symmetric_hash(7), tuple.symmetric_hash(8));
        let shards: std::collections::BTreeSet<u64> =
            (0..1_000_u16).map(|port| Tuple { src_port: port, ..tuple }.symmetric_hash(7) % 64).collect();
        assert_eq!(shards.len(), 64);
        assert_eq!(tuple.row().src, IpAddr::from([10, 0, 0, 1]));
    }
}
