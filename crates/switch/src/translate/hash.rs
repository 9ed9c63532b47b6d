//! Hashes of packets, for choices that are to be the same for all packets of a connection. What is hashed is looked at.

use std::hash::{BuildHasher, Hash, Hasher};

use netloom_flow::action::{Bundle, BundleAlgorithm, HashFields, Multipath, MultipathAlgorithm};
use netloom_flow::{DropReason, FieldId, OfPort, Subfield, word};

use super::frame::Place;
use super::{Translator, Visiting};
use crate::model::Keyed;

impl<'a> Translator<'a> {
    /// Addresses, protocol and ports; another one in every switch.
    pub(super) fn connection_hash(&mut self, visiting: &Visiting<'a>) -> u64 {
        let flow = &visiting.flow;
        let mut hash = Keyed(self.switch.settings.seed ^ u64::from(visiting.bridge.id.0)).build_hasher();
        let mut mix = |translator: &mut Self, index: usize, bits: u64| {
            translator.look(flow, index, bits);
            (flow.key.0[index] & bits).hash(&mut hash);
        };
        mix(self, word::ETH_DST, !0);
        mix(self, word::ETH_SRC, !0 << 16);
        let kind = flow.eth_type();
        let addresses = match kind {
            // Of ARP the protocol addresses, so that many neighbours behind one router are shared as well.
            0x0800 | 0x0806 => word::IPV4..word::IPV4 + 1,
            0x86dd => word::IPV6_SRC..word::IPV6_DST + 2,
            _ => return hash.finish(),
        };
        for index in addresses {
            mix(self, index, !0);
        }
        if kind == 0x0806 {
            return hash.finish();
        }
        // All fragments of a packet have to go one way, and only the first one has ports.
        mix(self, word::IP, 0xff << 56 | 0xff << 32);
        let (protocol, is_fragment) = (flow.key.0[word::IP] >> 56, flow.key.0[word::IP] >> 32 & 0xff != 0);
        if !is_fragment && matches!(protocol, 6 | 17 | 132) {
            mix(self, word::L4, !0 << 32);
        }
        hash.finish()
    }

    /// The fields a controller chose, as far as the packet has them; all of the connection if it chose none.
    pub(super) fn field_hash(
        &mut self,
        visiting: &Visiting<'a>,
        basis: u64,
        fields: &[(FieldId, u128)],
    ) -> u64 {
        if fields.is_empty() {
            return self.connection_hash(visiting) ^ basis;
        }
        let mut hash = Keyed(self.switch.settings.seed ^ basis).build_hasher();
        for (field, mask) in fields {
            if self.has(&visiting.flow, *field) {
                (self.read(visiting, Subfield::whole(*field)) & mask).hash(&mut hash);
            }
        }
        hash.finish()
    }

    /// What `multipath` and `bundle` hash. Alike in both directions where the name says symmetric.
    fn named_hash(&mut self, visiting: &Visiting<'a>, fields: HashFields, basis: u16) -> u64 {
        let mut hash = Keyed(u64::from(basis)).build_hasher();
        let mut mix = |value: u128| value.hash(&mut hash);
        let read = |translator: &mut Self, field| {
            if translator.has(&visiting.flow, field) {
                translator.read(visiting, Subfield::whole(field))
            } else {
                0
            }
        };
        match fields {
            HashFields::EthSrc => mix(read(self, FieldId::EthSrc)),
            HashFields::NwSrc => mix(read(self, FieldId::Ipv4Src) | read(self, FieldId::Ipv6Src)),
            HashFields::NwDst => mix(read(self, FieldId::Ipv4Dst) | read(self, FieldId::Ipv6Dst)),
            symmetric => {
                let sum = |a: u128, b: u128| a ^ b;
                if symmetric == HashFields::SymmetricL4 {
                    mix(sum(read(self, FieldId::EthSrc), read(self, FieldId::EthDst)));
                    mix(read(self, FieldId::EthType));
                    mix(read(self, FieldId::VlanTci) & 0xfff);
                }
                mix(sum(read(self, FieldId::Ipv4Src), read(self, FieldId::Ipv4Dst)));
                mix(sum(read(self, FieldId::Ipv6Src), read(self, FieldId::Ipv6Dst)));
                if symmetric != HashFields::SymmetricL3 {
                    mix(read(self, FieldId::NwProto));
                    mix(sum(read(self, FieldId::TcpSrc), read(self, FieldId::TcpDst)));
                    mix(sum(read(self, FieldId::SctpSrc), read(self, FieldId::SctpDst)));
                    if symmetric == HashFields::SymmetricL3L4Udp {
                        mix(sum(read(self, FieldId::UdpSrc), read(self, FieldId::UdpDst)));
                    }
                }
            }
        }
        hash.finish()
    }

    pub(super) fn multipath(&mut self, visiting: &mut Visiting<'a>, multipath: &Multipath) {
        let hash = self.named_hash(visiting, multipath.fields, multipath.basis);
        let links = u64::from(multipath.max_link) + 1;
        let link = match multipath.algorithm {
            MultipathAlgorithm::ModuloN => hash % links,
            MultipathAlgorithm::HashThreshold => ((hash >> 32) * links) >> 32,
            MultipathAlgorithm::HighestRandomWeight => {
                (0..links).max_by_key(|link| again(hash, *link)).unwrap_or(0)
            }
            MultipathAlgorithm::IterHash => iterated(hash, links, multipath.arg),
        };
        self.write(visiting, multipath.target, link.into());
    }

    pub(super) fn bundle(&mut self, visiting: &mut Visiting<'a>, bundle: &Bundle, place: Place) {
        let live: Vec<OfPort> =
            bundle.members.iter().copied().filter(|port| self.is_up(visiting.bridge, *port)).collect();
        let chosen = match bundle.algorithm {
            BundleAlgorithm::ActiveBackup => live.first().copied(),
            BundleAlgorithm::HighestRandomWeight => {
                let hash = self.named_hash(visiting, bundle.fields, bundle.basis);
                live.into_iter().max_by_key(|port| again(hash, port.0.into()))
            }
        };
        match (bundle.target, chosen) {
            (Some(target), port) => {
                let number = port.unwrap_or(OfPort::NONE).0;
                // Where there is room for 16 bits only, the number is that of OpenFlow 1.0.
                self.write(
                    visiting,
                    target,
                    (u128::from(number)) & (target.mask() >> target.offset.min(127)),
                );
            }
            (None, Some(port)) => self.output(visiting, port, place),
            (None, None) => self.drop(visiting, DropReason::NoBucket, visiting.flow.in_port()),
        }
    }
}

/// A hash of a hash and a number.
fn again(hash: u64, number: u64) -> u64 {
    Keyed(hash).hash_one(number)
}

/// The first hash below `links` when all are cut to as few bits as the numbers of links need.
///
/// Source: `NX_MP_ALG_ITER_HASH` in ovs-actions(7).
fn iterated(hash: u64, links: u64, arg: u32) -> u64 {
    let range = links.next_power_of_two();
    let found = (0..64).map(|n| again(hash, u64::from(arg) << 32 | n) % range).find(|link| *link < links);
    found.unwrap_or(0)
}
