//! What a packet must be for a field to exist in it.

use crate::{FieldId, FlowKey, FlowMask, FlowMatch, word};

/// What must hold for a field to exist. Those of L4 also demand that the packet is not a later fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prerequisite {
    /// Nothing.
    None,
    /// What connection tracking knows of a connection: the packet went through `ct`, and is not invalid.
    Ct,
    /// A VLAN header.
    Vlan,
    /// A header of provider backbone bridging.
    Pbb,
    /// A Network Service Header.
    Nsh,
    /// MPLS, unicast or multicast.
    Mpls,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IPv4 or IPv6.
    Ip,
    /// ARP or RARP.
    Arp,
    /// TCP, UDP or SCTP over IPv4 or IPv6.
    Ports,
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// SCTP over IPv4 or IPv6.
    Sctp,
    /// ICMP over IPv4.
    Icmpv4,
    /// ICMPv6 over IPv6.
    Icmpv6,
    /// Neighbour solicitation or advertisement.
    Nd,
    /// Neighbour solicitation.
    NdSolicit,
    /// Neighbour advertisement.
    NdAdvert,
}

/// Ethernet types.
const IPV4: u64 = 0x0800;
const IPV6: u64 = 0x86dd;
const ETH_TYPE: u64 = 0xffff;
const PRESENT: u64 = 0x1000;
/// Bits of `ct_state`.
const CT_NEW: u128 = 0x01;
const CT_ESTABLISHED: u128 = 0x02;
const CT_RELATED: u128 = 0x04;
const CT_REPLY: u128 = 0x08;
const CT_INVALID: u128 = 0x10;
const CT_TRACKED: u128 = 0x20;
const CT_TRANSLATED: u128 = 0xc0;
/// One of these is set in every packet of a connection that is known.
const CT_KNOWN: u64 = 0x0b << 32;
const NW_PROTO: u64 = 0xff << 56;
const LATER: u64 = 2 << 32;
const ICMP_TYPE: u64 = 0xff << 48;
const ICMP_CODE: u64 = 0xff << 32;

impl Prerequisite {
    /// The Ethernet types that will do; empty: any.
    #[must_use]
    pub const fn eth_types(self) -> &'static [u64] {
        match self {
            Self::None | Self::Ct | Self::Vlan => &[],
            Self::Pbb => &[0x88e7],
            Self::Nsh => &[0x894f],
            Self::Mpls => &[0x8847, 0x8848],
            Self::Ipv4 | Self::Icmpv4 => &[IPV4],
            Self::Ipv6 | Self::Icmpv6 | Self::Nd | Self::NdSolicit | Self::NdAdvert => &[IPV6],
            Self::Ip | Self::Ports | Self::Tcp | Self::Udp | Self::Sctp => &[IPV4, IPV6],
            Self::Arp => &[0x0806, 0x8035],
        }
    }

    /// The IP protocols that will do; empty: any.
    #[must_use]
    pub const fn ip_protos(self) -> &'static [u64] {
        match self {
            Self::Ports => &[6, 17, 132],
            Self::Tcp => &[6],
            Self::Udp => &[17],
            Self::Sctp => &[132],
            Self::Icmpv4 => &[1],
            Self::Icmpv6 | Self::Nd | Self::NdSolicit | Self::NdAdvert => &[58],
            _ => &[],
        }
    }

    /// The ICMPv6 types it takes; empty: any.
    #[must_use]
    pub const fn icmp_types(self) -> &'static [u64] {
        match self {
            Self::Nd => &[135, 136],
            Self::NdSolicit => &[135],
            Self::NdAdvert => &[136],
            _ => &[],
        }
    }

    /// The packets that fulfil it, in words.
    #[must_use]
    pub const fn packets(self) -> &'static str {
        match self {
            Self::None => "any packets",
            Self::Ct => "tracked connections",
            Self::Vlan => "packets with a VLAN header",
            Self::Pbb => "provider backbone bridging",
            Self::Nsh => "NSH",
            Self::Mpls => "MPLS",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Ip => "IP",
            Self::Arp => "ARP",
            Self::Ports => "TCP, UDP or SCTP",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Icmpv4 => "ICMP",
            Self::Icmpv6 => "ICMPv6",
            Self::Nd => "neighbour discovery",
            Self::NdSolicit => "neighbour solicitations",
            Self::NdAdvert => "neighbour advertisements",
        }
    }

    /// What a person adds to a flow so that it holds.
    #[must_use]
    pub const fn to_add(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Ct => "ct_state=+trk+est (or +new, +rel, +rpl, or +trk-inv)",
            Self::Vlan => "dl_vlan=ID, or vlan_tci=0x1000/0x1000",
            Self::Pbb => "dl_type=0x88e7",
            Self::Nsh => "dl_type=0x894f",
            Self::Mpls => "mpls (or mplsm)",
            Self::Ipv4 => "ip",
            Self::Ipv6 => "ipv6",
            Self::Ip => "ip (or ipv6)",
            Self::Arp => "arp (or rarp)",
            Self::Ports => "tcp, udp or sctp (or tcp6, udp6, sctp6)",
            Self::Tcp => "tcp (or tcp6)",
            Self::Udp => "udp (or udp6)",
            Self::Sctp => "sctp (or sctp6)",
            Self::Icmpv4 => "icmp",
            Self::Icmpv6 => "icmp6",
            Self::Nd => "icmp6,icmp_type=135 (or 136)",
            Self::NdSolicit => "icmp6,icmp_type=135",
            Self::NdAdvert => "icmp6,icmp_type=136",
        }
    }

    /// Whether a packet fulfils it. The bits looked at are added to `mask`.
    #[must_use]
    pub fn holds(self, key: &FlowKey, mask: Option<&mut FlowMask>) -> bool {
        let mut unused = FlowMask::default();
        let seen = mask.unwrap_or(&mut unused);
        if self == Self::Ct {
            seen.0[word::CT] |= CT_KNOWN;
            return key.0[word::CT] & CT_KNOWN != 0;
        }
        self.check(|word, bits| {
            seen.0[word] |= bits;
            Some(key.0[word] & bits)
        })
    }

    /// Whether every packet that matches `matches` fulfils it.
    #[must_use]
    pub fn met_by(self, matches: &FlowMatch) -> bool {
        match self {
            Self::None => return true,
            Self::Ct => return knows_connection(matches),
            _ => {}
        }
        // A packet without an Ethernet header is of the type that its packet type names.
        let names_type = matches.present() >> word::TENANT & 1 == 1;
        let bare = if names_type { matches.exact(FieldId::PacketType) } else { None };
        let bare = bare.filter(|kind| kind >> 16 == 1);
        self.check(|word, bits| {
            let (key, mask) = matches.word(word);
            if let (word::ETH_DST, ETH_TYPE, Some(kind)) = (word, bits, bare)
                && mask & bits == 0
            {
                return u64::try_from(kind & 0xffff).ok();
            }
            // A flow need not say that it is not for later fragments, nor that the ICMP code is 0: what it
            // matches does not exist in other packets.
            let implied = matches!((word, bits), (word::IP, LATER) | (word::L4, ICMP_CODE));
            (mask & bits == bits || implied).then_some(key & bits)
        })
    }

    /// The one place that says what each needs. `read` returns the bits, or `None` where they are not known.
    fn check(self, mut read: impl FnMut(usize, u64) -> Option<u64>) -> bool {
        if self == Self::Vlan {
            return read(word::ETH_SRC, PRESENT) == Some(PRESENT);
        }
        let mut one_of = |word: usize, bits: u64, shift: u32, wanted: &[u64]| {
            wanted.is_empty() || read(word, bits).is_some_and(|value| wanted.contains(&(value >> shift)))
        };
        if !one_of(word::ETH_DST, ETH_TYPE, 0, self.eth_types()) {
            return false;
        }
        if self.ip_protos().is_empty() {
            return true;
        }
        one_of(word::IP, NW_PROTO, 56, self.ip_protos())
            && one_of(word::IP, LATER, 32, &[0])
            && one_of(word::L4, ICMP_TYPE, 48, self.icmp_types())
            && (self.icmp_types().is_empty() || one_of(word::L4, ICMP_CODE, 32, &[0]))
    }
}

/// Whether every packet that matches belongs to a connection that is known: it has a state that only those have, or is
/// tracked and not invalid.
///
/// Source: `is_ct_valid` of OVS.
fn knows_connection(matches: &FlowMatch) -> bool {
    let (state, mask) = matches.field(FieldId::CtState);
    let of_known = CT_NEW | CT_ESTABLISHED | CT_RELATED | CT_REPLY | CT_TRANSLATED;
    state & of_known != 0 || (state & CT_TRACKED != 0 && mask & CT_INVALID != 0 && state & CT_INVALID == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Prerequisite; 19] = [
        Prerequisite::None,
        Prerequisite::Ct,
        Prerequisite::Vlan,
        Prerequisite::Pbb,
        Prerequisite::Nsh,
        Prerequisite::Mpls,
        Prerequisite::Ipv4,
        Prerequisite::Ipv6,
        Prerequisite::Ip,
        Prerequisite::Arp,
        Prerequisite::Ports,
        Prerequisite::Tcp,
        Prerequisite::Udp,
        Prerequisite::Sctp,
        Prerequisite::Icmpv4,
        Prerequisite::Icmpv6,
        Prerequisite::Nd,
        Prerequisite::NdSolicit,
        Prerequisite::NdAdvert,
    ];

    fn packet(fields: &[(FieldId, u128)]) -> FlowKey {
        let mut key = FlowKey::default();
        for (id, value) in fields {
            id.field().write(&mut key, *value, u128::MAX);
        }
        key
    }

    fn held(key: &FlowKey) -> Vec<Prerequisite> {
        ALL.into_iter().filter(|needs| needs.holds(key, None)).collect()
    }

    #[test]
    fn packets_fulfil_what_they_are() {
        use Prerequisite::{Icmpv6, Ip, Ipv4, Ipv6, Nd, NdSolicit, None, Ports, Tcp, Vlan};
        let tcp = [(FieldId::EthType, 0x800), (FieldId::NwProto, 6)];
        assert_eq!(held(&packet(&[])), [None]);
        assert_eq!(held(&packet(&tcp)), [None, Ipv4, Ip, Ports, Tcp]);
        assert_eq!(held(&packet(&[tcp[0], tcp[1], (FieldId::NwFrag, 1)])), [None, Ipv4, Ip, Ports, Tcp]);
        assert_eq!(
            held(&packet(&[tcp[0], tcp[1], (FieldId::NwFrag, 3)])),
            [None, Ipv4, Ip],
            "a later fragment"
        );
        assert_eq!(held(&packet(&[(FieldId::VlanTci, 0x1005)])), [None, Vlan]);
        let solicitation = [(FieldId::EthType, 0x86dd), (FieldId::NwProto, 58), (FieldId::Icmpv6Type, 135)];
        assert_eq!(held(&packet(&solicitation)), [None, Ipv6, Ip, Icmpv6, Nd, NdSolicit]);
    }

    #[test]
    fn a_connection_is_known_by_its_state() {
        let state = |value, mask| {
            let mut matches = FlowMatch::any();
            matches.set_masked(FieldId::CtState, value, mask);
            Prerequisite::Ct.met_by(&matches)
        };
        assert!(state(CT_NEW, CT_NEW) && state(CT_TRACKED | CT_REPLY, u128::MAX));
        assert!(state(CT_TRACKED, CT_TRACKED | CT_INVALID));
        assert!(
            !state(CT_TRACKED, CT_TRACKED) && !state(0, CT_NEW) && !state(CT_TRACKED | CT_INVALID, u128::MAX)
        );
        let tracked = |state| Prerequisite::Ct.holds(&packet(&[(FieldId::CtState, state)]), None);
        assert!(tracked(CT_TRACKED | CT_ESTABLISHED) && !tracked(CT_TRACKED | CT_INVALID) && !tracked(0));
    }

    #[test]
    fn the_bits_looked_at_decide() {
        let samples: Vec<FlowKey> = [0x0800, 0x86dd, 0x0806, 0x8847]
            .into_iter()
            .flat_map(|kind| {
                [0, 1, 6, 17, 58].map(|proto| [(FieldId::EthType, kind), (FieldId::NwProto, proto)])
            })
            .flat_map(|both| {
                [0, 1, 3].map(|frag| {
                    packet(&[both[0], both[1], (FieldId::NwFrag, frag), (FieldId::Icmpv6Type, 135)])
                })
            })
            .collect();
        for needs in ALL {
            for key in &samples {
                let mut mask = FlowMask::default();
                let answer = needs.holds(key, Some(&mut mask));
                for other in &samples {
                    let twin =
                        FlowKey(std::array::from_fn(|i| (key.0[i] & mask.0[i]) | (other.0[i] & !mask.0[i])));
                    assert_eq!(needs.holds(&twin, None), answer, "{needs:?} {key:?} {other:?} {mask:?}");
                }
            }
        }
    }

    #[test]
    fn a_flow_fulfils_what_all_its_packets_fulfil() {
        let mut matches = FlowMatch::any();
        matches.set(FieldId::EthType, 0x800);
        assert!(Prerequisite::Ip.met_by(&matches) && !Prerequisite::Ports.met_by(&matches));
        matches.set_masked(FieldId::NwProto, 6, 6);
        assert!(!Prerequisite::Tcp.met_by(&matches), "only some bits of the protocol are given");
        matches.set(FieldId::NwProto, 6);
        assert!(Prerequisite::Tcp.met_by(&matches));
        matches.set(FieldId::NwFrag, 3);
        assert!(!Prerequisite::Tcp.met_by(&matches));
    }

    #[test]
    fn the_packet_type_stands_for_the_ethernet_type_of_bare_packets() {
        let mut matches = FlowMatch::any();
        matches.set(FieldId::PacketType, 0x1_894f);
        assert!(Prerequisite::Nsh.met_by(&matches) && !Prerequisite::Ip.met_by(&matches));
        matches.set(FieldId::PacketType, 0);
        assert!(!Prerequisite::Nsh.met_by(&matches));
    }
}
