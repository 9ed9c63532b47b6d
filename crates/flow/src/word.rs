//! The layout of keys: 64-bit words in four stages.
//!
//! A key is an array of words in host order; a *field* is a run of bits in one word, or in two or more adjacent
//! words for wider ones. The first [`PACKET_WORDS`] words are the [`PacketKey`]; the pipeline's own words follow,
//! so a datapath mask is a prefix of a pipeline mask.
//!
//! ```text
//! stage 0 metadata    IN_PORT TENANT CT CT_LABEL CT_NW TUN_* PKT_MARK
//! stage 1 L2          ETH_DST ETH_SRC VLAN MPLS
//! stage 2 L3          IPV4 IPV6_SRC IPV6_DST IP ND_TARGET ARP_SHA ARP_THA
//! stage 3 L4          L4
//! pipeline            METADATA REG* CONJ
//! ```
//!
//! Comments give the bits from the top: `a:48 b:16` is `a << 16 | b`.

/// Words of a [`PacketKey`].
pub const PACKET_WORDS: usize = 29;
/// Words of a [`FlowKey`].
pub const FLOW_WORDS: usize = 40;

/// `in_port:32 recirc_id:32`
pub const IN_PORT: usize = 0;
/// `tenant:16 ct_zone:16 packet_type:32` (packet type: namespace:16 type:16, 0 for Ethernet)
pub const TENANT: usize = 1;
/// `ct_state:32 ct_mark:32`
pub const CT: usize = 2;
/// `ct_label`, high half; the low half follows.
pub const CT_LABEL: usize = 3;
/// `ct_nw_src:32 ct_nw_dst:32`
pub const CT_NW: usize = 5;
/// `tun_id`
pub const TUN_ID: usize = 6;
/// Tunnel source, 128 bits (IPv4 as IPv4-mapped), high half first.
pub const TUN_SRC: usize = 7;
/// Tunnel destination, likewise.
pub const TUN_DST: usize = 9;
/// `tun_flags:16 tun_tos:8 tun_ttl:8 tun_gbp_id:16 tun_gbp_flags:8 zero:8`
pub const TUN_META: usize = 11;
/// `pkt_mark:32 skb_priority:32`
pub const PKT_MARK: usize = 12;
/// `eth_dst:48 eth_type:16` (the type after any VLAN headers)
pub const ETH_DST: usize = 13;
/// `eth_src:48 vlan_tci:16` (outermost; bit 0x1000 says that it is there, as in OVS)
pub const ETH_SRC: usize = 14;
/// `vlan_tpid:16 inner_tpid:16 inner_tci:16 zero:16` (inner with its bit 0x1000 if there)
pub const VLAN: usize = 15;
/// `mpls_lse0:32 mpls_lse1:32`; `mpls_lse2:32 zero:32` follows.
pub const MPLS: usize = 16;
/// `ipv4_src:32 ipv4_dst:32` (in ARP: sender and target protocol address)
pub const IPV4: usize = 18;
/// IPv6 source, high half first.
pub const IPV6_SRC: usize = 19;
/// IPv6 destination, high half first.
pub const IPV6_DST: usize = 21;
/// `nw_proto:8 nw_tos:8 nw_ttl:8 nw_frag:8 ipv6_label:32` (in ARP: `nw_proto` is the low byte of the operation)
///
/// `nw_frag`: bit 0 fragment, bit 1 later fragment, as in OVS.
pub const IP: usize = 23;
/// ND target, high half first.
pub const ND_TARGET: usize = 24;
/// `arp_sha:48 zero:16` (in ND: the source link-layer address option)
pub const ARP_SHA: usize = 26;
/// `arp_tha:48 zero:16` (in ND: the target link-layer address option)
pub const ARP_THA: usize = 27;
/// `tp_src:16 tp_dst:16 tcp_flags:16 zero:16` (in ICMP: type and code in `tp_src` and `tp_dst`)
pub const L4: usize = 28;
/// OpenFlow metadata.
pub const METADATA: usize = 29;
/// `reg0:32 reg1:32`, seven more words follow: the 64-bit `xreg`s.
pub const REG: usize = 30;
/// `conj_id:32 actset_output:32`
pub const CONJ: usize = 38;
/// `dp_hash:32 zero:32`
pub const DP_HASH: usize = 39;

/// First word of each stage, and the end: a lookup may stop after any stage.
pub const STAGES: [usize; 5] = [0, ETH_DST, IPV4, L4, PACKET_WORDS];

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u64; $len]);

        impl Default for $name {
            fn default() -> Self {
                Self([0; $len])
            }
        }

        impl $name {
            /// Bitmap of the words that are not zero: bit n for word n.
            #[must_use]
            pub fn present(&self) -> u64 {
                self.0.iter().enumerate().fold(0, |map, (i, w)| map | (u64::from(*w != 0) << i))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let used = self.0.iter().enumerate().filter(|(_, w)| **w != 0);
                f.debug_map().entries(used.map(|(i, w)| (i, format!("{w:016x}")))).finish()
            }
        }
    };
}

words!(/// What a packet, its port, tunnel, conntrack and recirculation id say.
    PacketKey, PACKET_WORDS);
words!(/// Which bits of a [`PacketKey`] count.
    PacketMask, PACKET_WORDS);
words!(/// What a flow table sees: the packet's key and the pipeline's own words.
    FlowKey, FLOW_WORDS);
words!(/// Which bits of a [`FlowKey`] count.
    FlowMask, FLOW_WORDS);
