//! The layout of keys: 64-bit words in four stages.
//!
//! A key is an array of words in host order; a *field* is a run of bits in one word, or in two or more adjacent
//! words for wider ones. The first [`PACKET_WORDS`] words are the [`PacketKey`]; the pipeline's own words follow,
//! so a datapath mask is a prefix of a pipeline mask.
//!
//! ```text
//! stage 0 metadata    IN_PORT TENANT CT CT_LABEL CT_SRC CT_DST CT_L4 TUN_* PKT_MARK
//! stage 1 L2          ETH_DST ETH_SRC VLAN MPLS
//! stage 2 L3          IPV4 IPV6_SRC IPV6_DST IP ND_TARGET ARP_SHA ARP_THA
//! stage 3 L4          L4
//! pipeline            METADATA REG* CONJ DP_HASH TUN_EXT TUN_METADATA TUN_PRESENT
//! ```
//!
//! Headers that exclude each other share words, and the Ethernet type tells which one is there: NSH and PBB lie where
//! IP would. The options of a tunnel are one number in a packet's key, which stands for all of them together; a bridge's
//! TLV map makes fields of them, among the pipeline's own words: an unused one costs a lookup nothing, while those of a
//! packet are cleared for each packet. The 64 fields would take more words than there are, so each bridge has its
//! [layout](crate::OptionLayout); a match that belongs to no bridge has them behind the last word of a key.
//!
//! Comments give the bits from the top: `a:48 b:16` is `a << 16 | b`.

/// Words of a [`PacketKey`].
pub const PACKET_WORDS: usize = 34;
/// Words of a [`FlowKey`]: at most 64, so that a bitmap of them is one word.
pub const FLOW_WORDS: usize = 64;

/// `in_port:32 recirc_id:32`
pub const IN_PORT: usize = 0;
/// `tenant:16 ct_zone:16 packet_type:32` (packet type: namespace:16 type:16, 0 for Ethernet)
pub const TENANT: usize = 1;
/// `ct_state:32 ct_mark:32`
pub const CT: usize = 2;
/// `ct_label`, high half; the low half follows.
pub const CT_LABEL: usize = 3;
/// Source of the connection's first packet, 128 bits (IPv4 as IPv4-mapped), high half first.
pub const CT_SRC: usize = 5;
/// Its destination, likewise.
pub const CT_DST: usize = 7;
/// `ct_tp_src:16 ct_tp_dst:16 ct_nw_proto:8 zero:24`
pub const CT_L4: usize = 9;
/// `tun_id`
pub const TUN_ID: usize = 10;
/// Tunnel source, 128 bits (IPv4 as IPv4-mapped), high half first.
pub const TUN_SRC: usize = 11;
/// Tunnel destination, likewise.
pub const TUN_DST: usize = 13;
/// `tun_flags:16 tun_tos:8 tun_ttl:8 tun_gbp_id:16 tun_gbp_flags:8 zero:8`
pub const TUN_META: usize = 15;
/// The number of the [set of options](crate::OptionSet) that came with the packet; 0: none that anybody knows.
pub const TUN_OPTIONS: usize = 16;
/// `pkt_mark:32 skb_priority:32`
pub const PKT_MARK: usize = 17;
/// `eth_dst:48 eth_type:16` (the type after any VLAN headers)
pub const ETH_DST: usize = 18;
/// `eth_src:48 vlan_tci:16` (outermost; bit 0x1000 says that it is there, as in OVS)
pub const ETH_SRC: usize = 19;
/// `vlan_tpid:16 inner_tpid:16 inner_tci:16 zero:16` (inner with its bit 0x1000 if there)
pub const VLAN: usize = 20;
/// `mpls_lse0:32 mpls_lse1:32`; `mpls_lse2:32 zero:32` follows.
pub const MPLS: usize = 21;
/// `ipv4_src:32 ipv4_dst:32` (in ARP: sender and target protocol address)
pub const IPV4: usize = 23;
/// IPv6 source, high half first.
pub const IPV6_SRC: usize = 24;
/// IPv6 destination, high half first.
pub const IPV6_DST: usize = 26;
/// `nw_proto:8 nw_tos:8 nw_ttl:8 nw_frag:8 zero:3 ipv6_exthdr:9 ipv6_label:20` (in ARP: `nw_proto` is the low byte of
/// the operation)
///
/// `nw_frag`: bit 0 fragment, bit 1 later fragment, as in OVS.
pub const IP: usize = 28;
/// ND target, high half first.
pub const ND_TARGET: usize = 29;
/// `arp_sha:48 zero:8 nd_options_type:8` (in ND: the source link-layer address option)
pub const ARP_SHA: usize = 31;
/// `arp_tha:48 zero:16` (in ND: the target link-layer address option)
pub const ARP_THA: usize = 32;
/// `tp_src:16 tp_dst:16 tcp_flags:16 zero:16` (in ICMP: type and code in `tp_src` and `tp_dst`; in ND: `nd_reserved`
/// in the low half)
pub const L4: usize = 33;
/// In NSH: `nsh_c1:32 nsh_c2:32`; `nsh_c3:32 nsh_c4:32` follows.
pub const NSH_CONTEXT: usize = IPV6_SRC;
/// In NSH: `nsh_flags:8 nsh_ttl:8 nsh_mdtype:8 nsh_np:8 nsh_spi:24 nsh_si:8`
pub const NSH: usize = IPV6_DST;
/// In PBB: `zero:39 pbb_uca:1 pbb_isid:24`
pub const PBB: usize = IP;
/// OpenFlow metadata.
pub const METADATA: usize = 34;
/// `reg0:32 reg1:32`, seven more words follow: the 64-bit `xreg`s.
pub const REG: usize = 35;
/// `conj_id:32 actset_output:32`
pub const CONJ: usize = 43;
/// `dp_hash:32 in_phy_port:32`
pub const DP_HASH: usize = 44;
/// `erspan_idx:24 erspan_ver:8 erspan_dir:8 erspan_hwid:8 gtpu_flags:8 gtpu_msgtype:8`
pub const TUN_EXT: usize = 45;
/// The first of the words of tunnel options; which option lies where is the bridge's [layout](crate::OptionLayout).
pub const TUN_METADATA: usize = 46;
/// Which tunnel options the packet has: bit n for `tun_metadata` n.
pub const TUN_PRESENT: usize = 63;

/// Behind the words of a key, in a match only: two for each `tun_metadata`, high half first.
pub const TUN_OPTION: usize = FLOW_WORDS;
/// How many numbers `tun_metadata` has.
pub const OPTION_FIELDS: usize = 64;

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
