//! The table: one entry for each field.
//!
//! ```text
//! Name "name" [aliases] at word, shift, width;
//!     bits in actions; how values are written; if prerequisite; maskable, writable;
//!     implied [bits]; nxm [class number name]; oxm [class number name]; exp [by experimenter number name]
//! ```

use super::{Field, Format, Oxm};
use crate::{Prerequisite, word};

macro_rules! header {
    () => {
        None
    };
    ($class:literal $number:literal $name:ident) => {
        Some(Oxm { name: stringify!($name), class: $class, experimenter: 0, number: $number })
    };
    (by $experimenter:literal $number:literal $name:ident) => {
        Some(Oxm {
            name: stringify!($name),
            class: Oxm::EXPERIMENTER,
            experimenter: $experimenter,
            number: $number,
        })
    };
}

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident $name:literal [$($alias:literal)*] at $word:expr, $shift:literal, $width:literal;
       bits $bits:literal; $format:ident; if $pre:ident; $maskable:literal, $writable:literal;
       implied [$($implied:expr)*]; nxm [$($nxm:tt)*]; oxm [$($oxm:tt)*]$(; exp [$($exp:tt)*])?)*) => {
        /// A field: an index into the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum FieldId { $($(#[$doc])* $id,)* }

        impl FieldId {
            /// All fields, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$id,)*];

            /// What is known of it.
            #[inline]
            #[must_use]
            pub fn field(self) -> &'static Field {
                &FIELDS[self as usize]
            }
        }

        static FIELDS: [Field; FieldId::ALL.len()] = [$(Field {
            id: FieldId::$id,
            name: $name,
            aliases: &[$($alias),*],
            word: index($word),
            shift: $shift,
            width: $width,
            bits: $bits,
            maskable: $maskable,
            writable: $writable,
            format: Format::$format,
            prerequisite: Prerequisite::$pre,
            implied: &[$($implied),*],
            nxm: header!($($nxm)*),
            oxm: header!($($oxm)*),
            experimenter: header!($($($exp)*)?),
        }),*];
    };
}

/// A word index as the table keeps it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "there are fewer than 256 words; checked at compile time"
)]
const fn index(word: usize) -> u8 {
    assert!(word < 256);
    word as u8
}

/// The bit of `vlan_tci` that says a VLAN header is there.
const PRESENT: (u8, u64) = (index(word::ETH_SRC), 0x1000);
/// What makes a tunnel address an IPv4-mapped one.
const SRC_MAPPED: (u8, u64) = (index(word::TUN_SRC + 1), 0xffff_0000_0000);
const DST_MAPPED: (u8, u64) = (index(word::TUN_DST + 1), 0xffff_0000_0000);
/// The same of the addresses of a connection.
const CT_SRC_MAPPED: (u8, u64) = (index(word::CT_SRC + 1), 0xffff_0000_0000);
const CT_DST_MAPPED: (u8, u64) = (index(word::CT_DST + 1), 0xffff_0000_0000);

fields! {
    /// The ingress port in 16 bits, as NXM has it.
    InPort "in_port" [] at word::IN_PORT, 32, 32;
        bits 16; Port; if None; false, true;
        implied []; nxm [0x0000 0 NXM_OF_IN_PORT]; oxm []
    /// The ingress port in 32 bits.
    InPortOxm "in_port_oxm" [] at word::IN_PORT, 32, 32;
        bits 32; Port; if None; false, true;
        implied []; nxm []; oxm [0x8000 0 OXM_OF_IN_PORT]
    /// The ingress port that is a device. The same as the ingress port, as long as no port of ours stands for another.
    InPhyPort "in_phy_port" [] at word::DP_HASH, 0, 32;
        bits 32; Port; if None; false, false;
        implied []; nxm []; oxm [0x8000 1 OXM_OF_IN_PHY_PORT]
    /// The recirculation id. Not for users.
    RecircId "recirc_id" [] at word::IN_PORT, 0, 32;
        bits 32; Hexadecimal; if None; false, false;
        implied []; nxm [0x0001 36 NXM_NX_RECIRC_ID]; oxm []
    /// The packet type: namespace and type, 0 for Ethernet.
    PacketType "packet_type" [] at word::TENANT, 0, 32;
        bits 32; PacketType; if None; false, false;
        implied []; nxm []; oxm [0x8000 44 OXM_OF_PACKET_TYPE]
    /// The conntrack state, after `ct`.
    CtState "ct_state" [] at word::CT, 32, 32;
        bits 32; CtState; if None; true, false;
        implied []; nxm [0x0001 105 NXM_NX_CT_STATE]; oxm []
    /// The conntrack zone.
    CtZone "ct_zone" [] at word::TENANT, 32, 16;
        bits 16; Hexadecimal; if None; false, false;
        implied []; nxm [0x0001 106 NXM_NX_CT_ZONE]; oxm []
    /// The mark of the connection.
    CtMark "ct_mark" [] at word::CT, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 107 NXM_NX_CT_MARK]; oxm []
    /// The label of the connection.
    CtLabel "ct_label" [] at word::CT_LABEL, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 108 NXM_NX_CT_LABEL]; oxm []
    /// IPv4 source of the connection's first packet.
    CtNwSrc "ct_nw_src" [] at word::CT_SRC + 1, 0, 32;
        bits 32; Ipv4; if Ct; true, false;
        implied [CT_SRC_MAPPED]; nxm [0x0001 120 NXM_NX_CT_NW_SRC]; oxm []
    /// IPv4 destination of the connection's first packet.
    CtNwDst "ct_nw_dst" [] at word::CT_DST + 1, 0, 32;
        bits 32; Ipv4; if Ct; true, false;
        implied [CT_DST_MAPPED]; nxm [0x0001 121 NXM_NX_CT_NW_DST]; oxm []
    /// IPv6 source of the connection's first packet.
    CtIpv6Src "ct_ipv6_src" [] at word::CT_SRC, 0, 128;
        bits 128; Ipv6; if Ct; true, false;
        implied []; nxm [0x0001 122 NXM_NX_CT_IPV6_SRC]; oxm []
    /// IPv6 destination of the connection's first packet.
    CtIpv6Dst "ct_ipv6_dst" [] at word::CT_DST, 0, 128;
        bits 128; Ipv6; if Ct; true, false;
        implied []; nxm [0x0001 123 NXM_NX_CT_IPV6_DST]; oxm []
    /// IP protocol of the connection.
    CtNwProto "ct_nw_proto" [] at word::CT_L4, 24, 8;
        bits 8; Decimal; if Ct; false, false;
        implied []; nxm [0x0001 119 NXM_NX_CT_NW_PROTO]; oxm []
    /// Source port of the connection's first packet.
    CtTpSrc "ct_tp_src" [] at word::CT_L4, 48, 16;
        bits 16; Decimal; if Ct; true, false;
        implied []; nxm [0x0001 124 NXM_NX_CT_TP_SRC]; oxm []
    /// Destination port of the connection's first packet.
    CtTpDst "ct_tp_dst" [] at word::CT_L4, 32, 16;
        bits 16; Decimal; if Ct; true, false;
        implied []; nxm [0x0001 125 NXM_NX_CT_TP_DST]; oxm []
    /// The tunnel key.
    TunId "tun_id" ["tunnel_id"] at word::TUN_ID, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 16 NXM_NX_TUN_ID]; oxm [0x8000 38 OXM_OF_TUNNEL_ID]
    /// The tunnel's IPv4 source.
    TunSrc "tun_src" [] at word::TUN_SRC + 1, 0, 32;
        bits 32; Ipv4; if None; true, true;
        implied [SRC_MAPPED]; nxm [0x0001 31 NXM_NX_TUN_IPV4_SRC]; oxm []
    /// The tunnel's IPv4 destination.
    TunDst "tun_dst" [] at word::TUN_DST + 1, 0, 32;
        bits 32; Ipv4; if None; true, true;
        implied [DST_MAPPED]; nxm [0x0001 32 NXM_NX_TUN_IPV4_DST]; oxm []
    /// The tunnel's IPv6 source.
    TunIpv6Src "tun_ipv6_src" [] at word::TUN_SRC, 0, 128;
        bits 128; Ipv6; if None; true, true;
        implied []; nxm [0x0001 109 NXM_NX_TUN_IPV6_SRC]; oxm []
    /// The tunnel's IPv6 destination.
    TunIpv6Dst "tun_ipv6_dst" [] at word::TUN_DST, 0, 128;
        bits 128; Ipv6; if None; true, true;
        implied []; nxm [0x0001 110 NXM_NX_TUN_IPV6_DST]; oxm []
    /// Tunnel flags; bit 0 is OAM.
    TunFlags "tun_flags" [] at word::TUN_META, 48, 16;
        bits 16; TunFlags; if None; true, true;
        implied []; nxm [0x0001 104 NXM_NX_TUN_FLAGS]; oxm []
    /// The group id of VXLAN GBP.
    TunGbpId "tun_gbp_id" [] at word::TUN_META, 16, 16;
        bits 16; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 38 NXM_NX_TUN_GBP_ID]; oxm []
    /// The flags of VXLAN GBP.
    TunGbpFlags "tun_gbp_flags" [] at word::TUN_META, 8, 8;
        bits 8; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 39 NXM_NX_TUN_GBP_FLAGS]; oxm []
    /// The TOS byte of the tunnel's outer header.
    TunTos "tun_tos" [] at word::TUN_META, 40, 8;
        bits 8; Decimal; if None; false, false;
        implied []; nxm []; oxm []
    /// TTL or hop limit of the tunnel's outer header.
    TunTtl "tun_ttl" [] at word::TUN_META, 32, 8;
        bits 8; Decimal; if None; false, false;
        implied []; nxm []; oxm []
    /// The index of ERSPAN version 1.
    TunErspanIdx "tun_erspan_idx" [] at word::TUN_EXT, 40, 20;
        bits 20; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm []; exp [by 0x2320 11 NXOXM_ET_ERSPAN_IDX]
    /// The version of ERSPAN.
    TunErspanVer "tun_erspan_ver" [] at word::TUN_EXT, 32, 4;
        bits 4; Decimal; if None; true, true;
        implied []; nxm []; oxm []; exp [by 0x2320 12 NXOXM_ET_ERSPAN_VER]
    /// The direction that ERSPAN version 2 mirrors.
    TunErspanDir "tun_erspan_dir" [] at word::TUN_EXT, 24, 1;
        bits 1; Decimal; if None; true, true;
        implied []; nxm []; oxm []; exp [by 0x2320 13 NXOXM_ET_ERSPAN_DIR]
    /// The hardware id of ERSPAN version 2.
    TunErspanHwid "tun_erspan_hwid" [] at word::TUN_EXT, 16, 6;
        bits 6; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm []; exp [by 0x2320 14 NXOXM_ET_ERSPAN_HWID]
    /// The flags of GTP-U.
    TunGtpuFlags "tun_gtpu_flags" [] at word::TUN_EXT, 8, 8;
        bits 8; Hexadecimal; if None; true, false;
        implied []; nxm []; oxm []; exp [by 0x2320 15 NXOXM_ET_GTPU_FLAGS]
    /// The message type of GTP-U.
    TunGtpuMsgtype "tun_gtpu_msgtype" [] at word::TUN_EXT, 0, 8;
        bits 8; Decimal; if None; true, false;
        implied []; nxm []; oxm []; exp [by 0x2320 16 NXOXM_ET_GTPU_MSGTYPE]
    /// The tunnel option that the TLV map gives number 0.
    TunMetadata0 "tun_metadata0" [] at word::TUN_OPTION, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 40 NXM_NX_TUN_METADATA0]; oxm []
    /// The tunnel option that the TLV map gives number 1.
    TunMetadata1 "tun_metadata1" [] at word::TUN_OPTION + 2, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 41 NXM_NX_TUN_METADATA1]; oxm []
    /// The tunnel option that the TLV map gives number 2.
    TunMetadata2 "tun_metadata2" [] at word::TUN_OPTION + 4, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 42 NXM_NX_TUN_METADATA2]; oxm []
    /// The tunnel option that the TLV map gives number 3.
    TunMetadata3 "tun_metadata3" [] at word::TUN_OPTION + 6, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 43 NXM_NX_TUN_METADATA3]; oxm []
    /// The tunnel option that the TLV map gives number 4.
    TunMetadata4 "tun_metadata4" [] at word::TUN_OPTION + 8, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 44 NXM_NX_TUN_METADATA4]; oxm []
    /// The tunnel option that the TLV map gives number 5.
    TunMetadata5 "tun_metadata5" [] at word::TUN_OPTION + 10, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 45 NXM_NX_TUN_METADATA5]; oxm []
    /// The tunnel option that the TLV map gives number 6.
    TunMetadata6 "tun_metadata6" [] at word::TUN_OPTION + 12, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 46 NXM_NX_TUN_METADATA6]; oxm []
    /// The tunnel option that the TLV map gives number 7.
    TunMetadata7 "tun_metadata7" [] at word::TUN_OPTION + 14, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 47 NXM_NX_TUN_METADATA7]; oxm []
    /// The tunnel option that the TLV map gives number 8.
    TunMetadata8 "tun_metadata8" [] at word::TUN_OPTION + 16, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 48 NXM_NX_TUN_METADATA8]; oxm []
    /// The tunnel option that the TLV map gives number 9.
    TunMetadata9 "tun_metadata9" [] at word::TUN_OPTION + 18, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 49 NXM_NX_TUN_METADATA9]; oxm []
    /// The tunnel option that the TLV map gives number 10.
    TunMetadata10 "tun_metadata10" [] at word::TUN_OPTION + 20, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 50 NXM_NX_TUN_METADATA10]; oxm []
    /// The tunnel option that the TLV map gives number 11.
    TunMetadata11 "tun_metadata11" [] at word::TUN_OPTION + 22, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 51 NXM_NX_TUN_METADATA11]; oxm []
    /// The tunnel option that the TLV map gives number 12.
    TunMetadata12 "tun_metadata12" [] at word::TUN_OPTION + 24, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 52 NXM_NX_TUN_METADATA12]; oxm []
    /// The tunnel option that the TLV map gives number 13.
    TunMetadata13 "tun_metadata13" [] at word::TUN_OPTION + 26, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 53 NXM_NX_TUN_METADATA13]; oxm []
    /// The tunnel option that the TLV map gives number 14.
    TunMetadata14 "tun_metadata14" [] at word::TUN_OPTION + 28, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 54 NXM_NX_TUN_METADATA14]; oxm []
    /// The tunnel option that the TLV map gives number 15.
    TunMetadata15 "tun_metadata15" [] at word::TUN_OPTION + 30, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 55 NXM_NX_TUN_METADATA15]; oxm []
    /// The tunnel option that the TLV map gives number 16.
    TunMetadata16 "tun_metadata16" [] at word::TUN_OPTION + 32, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 56 NXM_NX_TUN_METADATA16]; oxm []
    /// The tunnel option that the TLV map gives number 17.
    TunMetadata17 "tun_metadata17" [] at word::TUN_OPTION + 34, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 57 NXM_NX_TUN_METADATA17]; oxm []
    /// The tunnel option that the TLV map gives number 18.
    TunMetadata18 "tun_metadata18" [] at word::TUN_OPTION + 36, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 58 NXM_NX_TUN_METADATA18]; oxm []
    /// The tunnel option that the TLV map gives number 19.
    TunMetadata19 "tun_metadata19" [] at word::TUN_OPTION + 38, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 59 NXM_NX_TUN_METADATA19]; oxm []
    /// The tunnel option that the TLV map gives number 20.
    TunMetadata20 "tun_metadata20" [] at word::TUN_OPTION + 40, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 60 NXM_NX_TUN_METADATA20]; oxm []
    /// The tunnel option that the TLV map gives number 21.
    TunMetadata21 "tun_metadata21" [] at word::TUN_OPTION + 42, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 61 NXM_NX_TUN_METADATA21]; oxm []
    /// The tunnel option that the TLV map gives number 22.
    TunMetadata22 "tun_metadata22" [] at word::TUN_OPTION + 44, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 62 NXM_NX_TUN_METADATA22]; oxm []
    /// The tunnel option that the TLV map gives number 23.
    TunMetadata23 "tun_metadata23" [] at word::TUN_OPTION + 46, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 63 NXM_NX_TUN_METADATA23]; oxm []
    /// The tunnel option that the TLV map gives number 24.
    TunMetadata24 "tun_metadata24" [] at word::TUN_OPTION + 48, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 64 NXM_NX_TUN_METADATA24]; oxm []
    /// The tunnel option that the TLV map gives number 25.
    TunMetadata25 "tun_metadata25" [] at word::TUN_OPTION + 50, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 65 NXM_NX_TUN_METADATA25]; oxm []
    /// The tunnel option that the TLV map gives number 26.
    TunMetadata26 "tun_metadata26" [] at word::TUN_OPTION + 52, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 66 NXM_NX_TUN_METADATA26]; oxm []
    /// The tunnel option that the TLV map gives number 27.
    TunMetadata27 "tun_metadata27" [] at word::TUN_OPTION + 54, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 67 NXM_NX_TUN_METADATA27]; oxm []
    /// The tunnel option that the TLV map gives number 28.
    TunMetadata28 "tun_metadata28" [] at word::TUN_OPTION + 56, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 68 NXM_NX_TUN_METADATA28]; oxm []
    /// The tunnel option that the TLV map gives number 29.
    TunMetadata29 "tun_metadata29" [] at word::TUN_OPTION + 58, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 69 NXM_NX_TUN_METADATA29]; oxm []
    /// The tunnel option that the TLV map gives number 30.
    TunMetadata30 "tun_metadata30" [] at word::TUN_OPTION + 60, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 70 NXM_NX_TUN_METADATA30]; oxm []
    /// The tunnel option that the TLV map gives number 31.
    TunMetadata31 "tun_metadata31" [] at word::TUN_OPTION + 62, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 71 NXM_NX_TUN_METADATA31]; oxm []
    /// The tunnel option that the TLV map gives number 32.
    TunMetadata32 "tun_metadata32" [] at word::TUN_OPTION + 64, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 72 NXM_NX_TUN_METADATA32]; oxm []
    /// The tunnel option that the TLV map gives number 33.
    TunMetadata33 "tun_metadata33" [] at word::TUN_OPTION + 66, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 73 NXM_NX_TUN_METADATA33]; oxm []
    /// The tunnel option that the TLV map gives number 34.
    TunMetadata34 "tun_metadata34" [] at word::TUN_OPTION + 68, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 74 NXM_NX_TUN_METADATA34]; oxm []
    /// The tunnel option that the TLV map gives number 35.
    TunMetadata35 "tun_metadata35" [] at word::TUN_OPTION + 70, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 75 NXM_NX_TUN_METADATA35]; oxm []
    /// The tunnel option that the TLV map gives number 36.
    TunMetadata36 "tun_metadata36" [] at word::TUN_OPTION + 72, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 76 NXM_NX_TUN_METADATA36]; oxm []
    /// The tunnel option that the TLV map gives number 37.
    TunMetadata37 "tun_metadata37" [] at word::TUN_OPTION + 74, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 77 NXM_NX_TUN_METADATA37]; oxm []
    /// The tunnel option that the TLV map gives number 38.
    TunMetadata38 "tun_metadata38" [] at word::TUN_OPTION + 76, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 78 NXM_NX_TUN_METADATA38]; oxm []
    /// The tunnel option that the TLV map gives number 39.
    TunMetadata39 "tun_metadata39" [] at word::TUN_OPTION + 78, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 79 NXM_NX_TUN_METADATA39]; oxm []
    /// The tunnel option that the TLV map gives number 40.
    TunMetadata40 "tun_metadata40" [] at word::TUN_OPTION + 80, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 80 NXM_NX_TUN_METADATA40]; oxm []
    /// The tunnel option that the TLV map gives number 41.
    TunMetadata41 "tun_metadata41" [] at word::TUN_OPTION + 82, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 81 NXM_NX_TUN_METADATA41]; oxm []
    /// The tunnel option that the TLV map gives number 42.
    TunMetadata42 "tun_metadata42" [] at word::TUN_OPTION + 84, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 82 NXM_NX_TUN_METADATA42]; oxm []
    /// The tunnel option that the TLV map gives number 43.
    TunMetadata43 "tun_metadata43" [] at word::TUN_OPTION + 86, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 83 NXM_NX_TUN_METADATA43]; oxm []
    /// The tunnel option that the TLV map gives number 44.
    TunMetadata44 "tun_metadata44" [] at word::TUN_OPTION + 88, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 84 NXM_NX_TUN_METADATA44]; oxm []
    /// The tunnel option that the TLV map gives number 45.
    TunMetadata45 "tun_metadata45" [] at word::TUN_OPTION + 90, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 85 NXM_NX_TUN_METADATA45]; oxm []
    /// The tunnel option that the TLV map gives number 46.
    TunMetadata46 "tun_metadata46" [] at word::TUN_OPTION + 92, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 86 NXM_NX_TUN_METADATA46]; oxm []
    /// The tunnel option that the TLV map gives number 47.
    TunMetadata47 "tun_metadata47" [] at word::TUN_OPTION + 94, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 87 NXM_NX_TUN_METADATA47]; oxm []
    /// The tunnel option that the TLV map gives number 48.
    TunMetadata48 "tun_metadata48" [] at word::TUN_OPTION + 96, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 88 NXM_NX_TUN_METADATA48]; oxm []
    /// The tunnel option that the TLV map gives number 49.
    TunMetadata49 "tun_metadata49" [] at word::TUN_OPTION + 98, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 89 NXM_NX_TUN_METADATA49]; oxm []
    /// The tunnel option that the TLV map gives number 50.
    TunMetadata50 "tun_metadata50" [] at word::TUN_OPTION + 100, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 90 NXM_NX_TUN_METADATA50]; oxm []
    /// The tunnel option that the TLV map gives number 51.
    TunMetadata51 "tun_metadata51" [] at word::TUN_OPTION + 102, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 91 NXM_NX_TUN_METADATA51]; oxm []
    /// The tunnel option that the TLV map gives number 52.
    TunMetadata52 "tun_metadata52" [] at word::TUN_OPTION + 104, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 92 NXM_NX_TUN_METADATA52]; oxm []
    /// The tunnel option that the TLV map gives number 53.
    TunMetadata53 "tun_metadata53" [] at word::TUN_OPTION + 106, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 93 NXM_NX_TUN_METADATA53]; oxm []
    /// The tunnel option that the TLV map gives number 54.
    TunMetadata54 "tun_metadata54" [] at word::TUN_OPTION + 108, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 94 NXM_NX_TUN_METADATA54]; oxm []
    /// The tunnel option that the TLV map gives number 55.
    TunMetadata55 "tun_metadata55" [] at word::TUN_OPTION + 110, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 95 NXM_NX_TUN_METADATA55]; oxm []
    /// The tunnel option that the TLV map gives number 56.
    TunMetadata56 "tun_metadata56" [] at word::TUN_OPTION + 112, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 96 NXM_NX_TUN_METADATA56]; oxm []
    /// The tunnel option that the TLV map gives number 57.
    TunMetadata57 "tun_metadata57" [] at word::TUN_OPTION + 114, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 97 NXM_NX_TUN_METADATA57]; oxm []
    /// The tunnel option that the TLV map gives number 58.
    TunMetadata58 "tun_metadata58" [] at word::TUN_OPTION + 116, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 98 NXM_NX_TUN_METADATA58]; oxm []
    /// The tunnel option that the TLV map gives number 59.
    TunMetadata59 "tun_metadata59" [] at word::TUN_OPTION + 118, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 99 NXM_NX_TUN_METADATA59]; oxm []
    /// The tunnel option that the TLV map gives number 60.
    TunMetadata60 "tun_metadata60" [] at word::TUN_OPTION + 120, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 100 NXM_NX_TUN_METADATA60]; oxm []
    /// The tunnel option that the TLV map gives number 61.
    TunMetadata61 "tun_metadata61" [] at word::TUN_OPTION + 122, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 101 NXM_NX_TUN_METADATA61]; oxm []
    /// The tunnel option that the TLV map gives number 62.
    TunMetadata62 "tun_metadata62" [] at word::TUN_OPTION + 124, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 102 NXM_NX_TUN_METADATA62]; oxm []
    /// The tunnel option that the TLV map gives number 63.
    TunMetadata63 "tun_metadata63" [] at word::TUN_OPTION + 126, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 103 NXM_NX_TUN_METADATA63]; oxm []
    /// The packet mark, as the kernel's `skb->mark`.
    PktMark "pkt_mark" [] at word::PKT_MARK, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 33 NXM_NX_PKT_MARK]; oxm []
    /// The datapath's hash of the packet.
    DpHash "dp_hash" [] at word::DP_HASH, 32, 32;
        bits 32; Hexadecimal; if None; true, false;
        implied []; nxm [0x0001 35 NXM_NX_DP_HASH]; oxm []; exp [by 0x2320 0 NXOXM_ET_DP_HASH]
    /// OpenFlow metadata.
    Metadata "metadata" [] at word::METADATA, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8000 2 OXM_OF_METADATA]
    /// Register 0.
    Reg0 "reg0" [] at word::REG, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 0 NXM_NX_REG0]; oxm []
    /// Register 1.
    Reg1 "reg1" [] at word::REG, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 1 NXM_NX_REG1]; oxm []
    /// Register 2.
    Reg2 "reg2" [] at word::REG + 1, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 2 NXM_NX_REG2]; oxm []
    /// Register 3.
    Reg3 "reg3" [] at word::REG + 1, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 3 NXM_NX_REG3]; oxm []
    /// Register 4.
    Reg4 "reg4" [] at word::REG + 2, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 4 NXM_NX_REG4]; oxm []
    /// Register 5.
    Reg5 "reg5" [] at word::REG + 2, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 5 NXM_NX_REG5]; oxm []
    /// Register 6.
    Reg6 "reg6" [] at word::REG + 3, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 6 NXM_NX_REG6]; oxm []
    /// Register 7.
    Reg7 "reg7" [] at word::REG + 3, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 7 NXM_NX_REG7]; oxm []
    /// Register 8.
    Reg8 "reg8" [] at word::REG + 4, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 8 NXM_NX_REG8]; oxm []
    /// Register 9.
    Reg9 "reg9" [] at word::REG + 4, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 9 NXM_NX_REG9]; oxm []
    /// Register 10.
    Reg10 "reg10" [] at word::REG + 5, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 10 NXM_NX_REG10]; oxm []
    /// Register 11.
    Reg11 "reg11" [] at word::REG + 5, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 11 NXM_NX_REG11]; oxm []
    /// Register 12.
    Reg12 "reg12" [] at word::REG + 6, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 12 NXM_NX_REG12]; oxm []
    /// Register 13.
    Reg13 "reg13" [] at word::REG + 6, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 13 NXM_NX_REG13]; oxm []
    /// Register 14.
    Reg14 "reg14" [] at word::REG + 7, 32, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 14 NXM_NX_REG14]; oxm []
    /// Register 15.
    Reg15 "reg15" [] at word::REG + 7, 0, 32;
        bits 32; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 15 NXM_NX_REG15]; oxm []
    /// Registers 0 and 1.
    Xreg0 "xreg0" [] at word::REG, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 0 OXM_OF_PKT_REG0]
    /// Registers 2 and 3.
    Xreg1 "xreg1" [] at word::REG + 1, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 1 OXM_OF_PKT_REG1]
    /// Registers 4 and 5.
    Xreg2 "xreg2" [] at word::REG + 2, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 2 OXM_OF_PKT_REG2]
    /// Registers 6 and 7.
    Xreg3 "xreg3" [] at word::REG + 3, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 3 OXM_OF_PKT_REG3]
    /// Registers 8 and 9.
    Xreg4 "xreg4" [] at word::REG + 4, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 4 OXM_OF_PKT_REG4]
    /// Registers 10 and 11.
    Xreg5 "xreg5" [] at word::REG + 5, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 5 OXM_OF_PKT_REG5]
    /// Registers 12 and 13.
    Xreg6 "xreg6" [] at word::REG + 6, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 6 OXM_OF_PKT_REG6]
    /// Registers 14 and 15.
    Xreg7 "xreg7" [] at word::REG + 7, 0, 64;
        bits 64; Hexadecimal; if None; true, true;
        implied []; nxm []; oxm [0x8001 7 OXM_OF_PKT_REG7]
    /// Registers 0 to 3.
    Xxreg0 "xxreg0" [] at word::REG, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 111 NXM_NX_XXREG0]; oxm []
    /// Registers 4 to 7.
    Xxreg1 "xxreg1" [] at word::REG + 2, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 112 NXM_NX_XXREG1]; oxm []
    /// Registers 8 to 11.
    Xxreg2 "xxreg2" [] at word::REG + 4, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 113 NXM_NX_XXREG2]; oxm []
    /// Registers 12 to 15.
    Xxreg3 "xxreg3" [] at word::REG + 6, 0, 128;
        bits 128; Hexadecimal; if None; true, true;
        implied []; nxm [0x0001 114 NXM_NX_XXREG3]; oxm []
    /// The conjunction that matched.
    ConjId "conj_id" [] at word::CONJ, 32, 32;
        bits 32; Decimal; if None; false, false;
        implied []; nxm [0x0001 37 NXM_NX_CONJ_ID]; oxm []
    /// The output port in the action set.
    ActsetOutput "actset_output" [] at word::CONJ, 0, 32;
        bits 32; Port; if None; false, false;
        implied []; nxm []; oxm [0x8000 43 OXM_OF_ACTSET_OUTPUT]; exp [by 0x4f4e_4600 43 ONFOXM_ET_ACTSET_OUTPUT]
    /// Ethernet source.
    EthSrc "eth_src" ["dl_src"] at word::ETH_SRC, 16, 48;
        bits 48; Ethernet; if None; true, true;
        implied []; nxm [0x0000 2 NXM_OF_ETH_SRC]; oxm [0x8000 4 OXM_OF_ETH_SRC]
    /// Ethernet destination.
    EthDst "eth_dst" ["dl_dst"] at word::ETH_DST, 16, 48;
        bits 48; Ethernet; if None; true, true;
        implied []; nxm [0x0000 1 NXM_OF_ETH_DST]; oxm [0x8000 3 OXM_OF_ETH_DST]
    /// Ethernet type, after VLAN headers.
    EthType "eth_type" ["dl_type"] at word::ETH_DST, 0, 16;
        bits 16; Hexadecimal; if None; false, true;
        implied []; nxm [0x0000 3 NXM_OF_ETH_TYPE]; oxm [0x8000 5 OXM_OF_ETH_TYPE]
    /// The outermost VLAN tag; 0x1000: it is there.
    VlanTci "vlan_tci" [] at word::ETH_SRC, 0, 16;
        bits 16; Hexadecimal; if None; true, true;
        implied []; nxm [0x0000 4 NXM_OF_VLAN_TCI]; oxm []
    /// The VLAN id, of a packet that has one.
    DlVlan "dl_vlan" [] at word::ETH_SRC, 0, 12;
        bits 12; Decimal; if None; false, true;
        implied [PRESENT]; nxm []; oxm []
    /// The VLAN id with bit 0x1000: a VLAN header is there.
    VlanVid "vlan_vid" [] at word::ETH_SRC, 0, 13;
        bits 12; Decimal; if None; true, true;
        implied []; nxm []; oxm [0x8000 6 OXM_OF_VLAN_VID]
    /// The VLAN priority, of a packet that has one.
    DlVlanPcp "dl_vlan_pcp" [] at word::ETH_SRC, 13, 3;
        bits 3; Decimal; if None; false, true;
        implied [PRESENT]; nxm []; oxm []
    /// The VLAN priority.
    VlanPcp "vlan_pcp" [] at word::ETH_SRC, 13, 3;
        bits 3; Decimal; if Vlan; false, true;
        implied [PRESENT]; nxm []; oxm [0x8000 7 OXM_OF_VLAN_PCP]
    /// The service instance of provider backbone bridging.
    PbbIsid "pbb_isid" [] at word::PBB, 0, 24;
        bits 24; Hexadecimal; if Pbb; true, true;
        implied []; nxm []; oxm [0x8000 37 OXM_OF_PBB_ISID]
    /// Whether the service instance uses its customer's addresses.
    PbbUca "pbb_uca" [] at word::PBB, 24, 1;
        bits 1; Decimal; if Pbb; false, true;
        implied []; nxm []; oxm [0x8000 41 OXM_OF_PBB_UCA]
    /// The label of the outermost MPLS header.
    MplsLabel "mpls_label" [] at word::MPLS, 44, 20;
        bits 20; Decimal; if Mpls; false, true;
        implied []; nxm []; oxm [0x8000 34 OXM_OF_MPLS_LABEL]
    /// Its traffic class.
    MplsTc "mpls_tc" [] at word::MPLS, 41, 3;
        bits 3; Decimal; if Mpls; false, true;
        implied []; nxm []; oxm [0x8000 35 OXM_OF_MPLS_TC]
    /// Whether it is the bottom of the stack.
    MplsBos "mpls_bos" [] at word::MPLS, 40, 1;
        bits 1; Decimal; if Mpls; false, true;
        implied []; nxm []; oxm [0x8000 36 OXM_OF_MPLS_BOS]
    /// Its time to live.
    MplsTtl "mpls_ttl" [] at word::MPLS, 32, 8;
        bits 8; Decimal; if Mpls; false, true;
        implied []; nxm [0x0001 30 NXM_NX_MPLS_TTL]; oxm []
    /// IPv4 source.
    Ipv4Src "ip_src" ["nw_src"] at word::IPV4, 32, 32;
        bits 32; Ipv4; if Ipv4; true, true;
        implied []; nxm [0x0000 7 NXM_OF_IP_SRC]; oxm [0x8000 11 OXM_OF_IPV4_SRC]
    /// IPv4 destination.
    Ipv4Dst "ip_dst" ["nw_dst"] at word::IPV4, 0, 32;
        bits 32; Ipv4; if Ipv4; true, true;
        implied []; nxm [0x0000 8 NXM_OF_IP_DST]; oxm [0x8000 12 OXM_OF_IPV4_DST]
    /// IPv6 source.
    Ipv6Src "ipv6_src" [] at word::IPV6_SRC, 0, 128;
        bits 128; Ipv6; if Ipv6; true, true;
        implied []; nxm [0x0001 19 NXM_NX_IPV6_SRC]; oxm [0x8000 26 OXM_OF_IPV6_SRC]
    /// IPv6 destination.
    Ipv6Dst "ipv6_dst" [] at word::IPV6_DST, 0, 128;
        bits 128; Ipv6; if Ipv6; true, true;
        implied []; nxm [0x0001 20 NXM_NX_IPV6_DST]; oxm [0x8000 27 OXM_OF_IPV6_DST]
    /// IPv6 flow label.
    Ipv6Label "ipv6_label" [] at word::IP, 0, 20;
        bits 20; Hexadecimal; if Ipv6; true, true;
        implied []; nxm [0x0001 27 NXM_NX_IPV6_LABEL]; oxm [0x8000 28 OXM_OF_IPV6_FLABEL]
    /// Which IPv6 extension headers there are, as bits of OpenFlow 1.3.
    Ipv6Exthdr "ipv6_exthdr" [] at word::IP, 20, 9;
        bits 9; Hexadecimal; if Ipv6; true, false;
        implied []; nxm []; oxm [0x8000 39 OXM_OF_IPV6_EXTHDR]
    /// IP protocol, after extension headers.
    NwProto "nw_proto" ["ip_proto"] at word::IP, 56, 8;
        bits 8; Decimal; if Ip; false, true;
        implied []; nxm [0x0000 6 NXM_OF_IP_PROTO]; oxm [0x8000 10 OXM_OF_IP_PROTO]
    /// DSCP in the upper 6 bits of the TOS byte: a multiple of 4.
    NwTos "nw_tos" [] at word::IP, 48, 8;
        bits 8; Decimal; if Ip; false, true;
        implied []; nxm [0x0000 5 NXM_OF_IP_TOS]; oxm []
    /// DSCP.
    IpDscp "ip_dscp" ["nw_dscp"] at word::IP, 50, 6;
        bits 6; Decimal; if Ip; false, true;
        implied []; nxm []; oxm [0x8000 8 OXM_OF_IP_DSCP]
    /// The two bits of ECN.
    NwEcn "nw_ecn" ["ip_ecn"] at word::IP, 48, 2;
        bits 2; Decimal; if Ip; false, true;
        implied []; nxm [0x0001 28 NXM_NX_IP_ECN]; oxm [0x8000 9 OXM_OF_IP_ECN]
    /// TTL or hop limit.
    NwTtl "nw_ttl" ["ip_ttl"] at word::IP, 40, 8;
        bits 8; Decimal; if Ip; false, true;
        implied []; nxm [0x0001 29 NXM_NX_IP_TTL]; oxm []
    /// Whether it is a fragment: bit 0, and a later one: bit 1.
    NwFrag "ip_frag" ["nw_frag"] at word::IP, 32, 2;
        bits 8; Frag; if Ip; true, false;
        implied []; nxm [0x0001 26 NXM_NX_IP_FRAG]; oxm []
    /// The operation of ARP.
    ArpOp "arp_op" [] at word::IP, 56, 8;
        bits 16; Decimal; if Arp; false, true;
        implied []; nxm [0x0000 15 NXM_OF_ARP_OP]; oxm [0x8000 21 OXM_OF_ARP_OP]
    /// ARP sender protocol address.
    ArpSpa "arp_spa" [] at word::IPV4, 32, 32;
        bits 32; Ipv4; if Arp; true, true;
        implied []; nxm [0x0000 16 NXM_OF_ARP_SPA]; oxm [0x8000 22 OXM_OF_ARP_SPA]
    /// ARP target protocol address.
    ArpTpa "arp_tpa" [] at word::IPV4, 0, 32;
        bits 32; Ipv4; if Arp; true, true;
        implied []; nxm [0x0000 17 NXM_OF_ARP_TPA]; oxm [0x8000 23 OXM_OF_ARP_TPA]
    /// ARP sender hardware address.
    ArpSha "arp_sha" [] at word::ARP_SHA, 16, 48;
        bits 48; Ethernet; if Arp; true, true;
        implied []; nxm [0x0001 17 NXM_NX_ARP_SHA]; oxm [0x8000 24 OXM_OF_ARP_SHA]
    /// ARP target hardware address.
    ArpTha "arp_tha" [] at word::ARP_THA, 16, 48;
        bits 48; Ethernet; if Arp; true, true;
        implied []; nxm [0x0001 18 NXM_NX_ARP_THA]; oxm [0x8000 25 OXM_OF_ARP_THA]
    /// The flags of NSH.
    NshFlags "nsh_flags" [] at word::NSH, 56, 8;
        bits 8; Decimal; if Nsh; true, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 1 NXOXM_NSH_FLAGS]
    /// The time to live of NSH.
    NshTtl "nsh_ttl" [] at word::NSH, 48, 8;
        bits 8; Decimal; if Nsh; false, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 10 NXOXM_NSH_TTL]
    /// The type of the metadata of NSH.
    NshMdtype "nsh_mdtype" [] at word::NSH, 40, 8;
        bits 8; Decimal; if Nsh; false, false;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 2 NXOXM_NSH_MDTYPE]
    /// What NSH carries.
    NshNp "nsh_np" [] at word::NSH, 32, 8;
        bits 8; Decimal; if Nsh; false, false;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 3 NXOXM_NSH_NP]
    /// The service path.
    NshSpi "nsh_spi" ["nsp"] at word::NSH, 8, 24;
        bits 24; Hexadecimal; if Nsh; false, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 4 NXOXM_NSH_SPI]
    /// The place on the service path.
    NshSi "nsh_si" ["nsi"] at word::NSH, 0, 8;
        bits 8; Decimal; if Nsh; false, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 5 NXOXM_NSH_SI]
    /// Context 1 of NSH.
    NshC1 "nsh_c1" ["nshc1"] at word::NSH_CONTEXT, 32, 32;
        bits 32; Hexadecimal; if Nsh; true, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 6 NXOXM_NSH_C1]
    /// Context 2 of NSH.
    NshC2 "nsh_c2" ["nshc2"] at word::NSH_CONTEXT, 0, 32;
        bits 32; Hexadecimal; if Nsh; true, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 7 NXOXM_NSH_C2]
    /// Context 3 of NSH.
    NshC3 "nsh_c3" ["nshc3"] at word::NSH_CONTEXT + 1, 32, 32;
        bits 32; Hexadecimal; if Nsh; true, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 8 NXOXM_NSH_C3]
    /// Context 4 of NSH.
    NshC4 "nsh_c4" ["nshc4"] at word::NSH_CONTEXT + 1, 0, 32;
        bits 32; Hexadecimal; if Nsh; true, true;
        implied []; nxm []; oxm []; exp [by 0x005a_d650 9 NXOXM_NSH_C4]
    /// Source port of TCP, UDP or SCTP.
    TpSrc "tp_src" [] at word::L4, 48, 16;
        bits 16; Decimal; if Ports; true, true;
        implied []; nxm []; oxm []
    /// Destination port of TCP, UDP or SCTP.
    TpDst "tp_dst" [] at word::L4, 32, 16;
        bits 16; Decimal; if Ports; true, true;
        implied []; nxm []; oxm []
    /// TCP source port.
    TcpSrc "tcp_src" [] at word::L4, 48, 16;
        bits 16; Decimal; if Tcp; true, true;
        implied []; nxm [0x0000 9 NXM_OF_TCP_SRC]; oxm [0x8000 13 OXM_OF_TCP_SRC]
    /// TCP destination port.
    TcpDst "tcp_dst" [] at word::L4, 32, 16;
        bits 16; Decimal; if Tcp; true, true;
        implied []; nxm [0x0000 10 NXM_OF_TCP_DST]; oxm [0x8000 14 OXM_OF_TCP_DST]
    /// TCP flags.
    TcpFlags "tcp_flags" [] at word::L4, 16, 12;
        bits 12; TcpFlags; if Tcp; true, false;
        implied []; nxm [0x0001 34 NXM_NX_TCP_FLAGS]; oxm [0x8000 42 OXM_OF_TCP_FLAGS]; exp [by 0x4f4e_4600 42 ONFOXM_ET_TCP_FLAGS]
    /// UDP source port.
    UdpSrc "udp_src" [] at word::L4, 48, 16;
        bits 16; Decimal; if Udp; true, true;
        implied []; nxm [0x0000 11 NXM_OF_UDP_SRC]; oxm [0x8000 15 OXM_OF_UDP_SRC]
    /// UDP destination port.
    UdpDst "udp_dst" [] at word::L4, 32, 16;
        bits 16; Decimal; if Udp; true, true;
        implied []; nxm [0x0000 12 NXM_OF_UDP_DST]; oxm [0x8000 16 OXM_OF_UDP_DST]
    /// SCTP source port.
    SctpSrc "sctp_src" [] at word::L4, 48, 16;
        bits 16; Decimal; if Sctp; true, true;
        implied []; nxm []; oxm [0x8000 17 OXM_OF_SCTP_SRC]
    /// SCTP destination port.
    SctpDst "sctp_dst" [] at word::L4, 32, 16;
        bits 16; Decimal; if Sctp; true, true;
        implied []; nxm []; oxm [0x8000 18 OXM_OF_SCTP_DST]
    /// ICMP type.
    IcmpType "icmp_type" [] at word::L4, 48, 8;
        bits 8; Decimal; if Icmpv4; false, true;
        implied []; nxm [0x0000 13 NXM_OF_ICMP_TYPE]; oxm [0x8000 19 OXM_OF_ICMPV4_TYPE]
    /// ICMP code.
    IcmpCode "icmp_code" [] at word::L4, 32, 8;
        bits 8; Decimal; if Icmpv4; false, true;
        implied []; nxm [0x0000 14 NXM_OF_ICMP_CODE]; oxm [0x8000 20 OXM_OF_ICMPV4_CODE]
    /// ICMPv6 type.
    Icmpv6Type "icmpv6_type" [] at word::L4, 48, 8;
        bits 8; Decimal; if Icmpv6; false, true;
        implied []; nxm [0x0001 21 NXM_NX_ICMPV6_TYPE]; oxm [0x8000 29 OXM_OF_ICMPV6_TYPE]
    /// ICMPv6 code.
    Icmpv6Code "icmpv6_code" [] at word::L4, 32, 8;
        bits 8; Decimal; if Icmpv6; false, true;
        implied []; nxm [0x0001 22 NXM_NX_ICMPV6_CODE]; oxm [0x8000 30 OXM_OF_ICMPV6_CODE]
    /// Target of a neighbour discovery message.
    NdTarget "nd_target" [] at word::ND_TARGET, 0, 128;
        bits 128; Ipv6; if Nd; true, true;
        implied []; nxm [0x0001 23 NXM_NX_ND_TARGET]; oxm [0x8000 31 OXM_OF_IPV6_ND_TARGET]
    /// Source link-layer address of a neighbour solicitation.
    NdSll "nd_sll" [] at word::ARP_SHA, 16, 48;
        bits 48; Ethernet; if NdSolicit; true, true;
        implied []; nxm [0x0001 24 NXM_NX_ND_SLL]; oxm [0x8000 32 OXM_OF_IPV6_ND_SLL]
    /// Target link-layer address of a neighbour advertisement.
    NdTll "nd_tll" [] at word::ARP_THA, 16, 48;
        bits 48; Ethernet; if NdAdvert; true, true;
        implied []; nxm [0x0001 25 NXM_NX_ND_TLL]; oxm [0x8000 33 OXM_OF_IPV6_ND_TLL]
    /// The reserved word of a neighbour discovery message.
    NdReserved "nd_reserved" [] at word::L4, 0, 32;
        bits 32; Decimal; if Nd; false, true;
        implied []; nxm [0x1000 1 ERICOXM_OF_ICMPV6_ND_RESERVED]; oxm []
    /// The type of the first link-layer address option of a neighbour discovery message.
    NdOptionsType "nd_options_type" [] at word::ARP_SHA, 0, 8;
        bits 8; Decimal; if Nd; false, true;
        implied []; nxm [0x1000 2 ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE]; oxm []
}
