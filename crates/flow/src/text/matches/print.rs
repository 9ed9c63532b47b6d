//! Printing a match, in the order of OVS.

use std::fmt;

use super::super::value::{Shown, hex};
use super::parse::{ARP, PRESENT, SHORTHANDS};
use crate::{FieldId, FlowMatch, Prerequisite};

/// Fields with the wider ones that hold IPv4 addresses as mapped ones.
const CT_ADDRESSES: [(FieldId, FieldId); 2] =
    [(FieldId::CtNwSrc, FieldId::CtIpv6Src), (FieldId::CtNwDst, FieldId::CtIpv6Dst)];
const TUNNEL_ADDRESSES: [(FieldId, FieldId); 2] =
    [(FieldId::TunSrc, FieldId::TunIpv6Src), (FieldId::TunDst, FieldId::TunIpv6Dst)];

/// The fields of NSH, in the order they are printed.
const NSH: [(&str, FieldId); 10] = [
    ("nsh_flags", FieldId::NshFlags),
    ("nsh_ttl", FieldId::NshTtl),
    ("nsh_mdtype", FieldId::NshMdtype),
    ("nsh_np", FieldId::NshNp),
    ("nsh_spi", FieldId::NshSpi),
    ("nsh_si", FieldId::NshSi),
    ("nsh_c1", FieldId::NshC1),
    ("nsh_c2", FieldId::NshC2),
    ("nsh_c3", FieldId::NshC3),
    ("nsh_c4", FieldId::NshC4),
];

impl fmt::Display for FlowMatch {
    /// As `ovs-ofctl dump-flows` prints it, without a final comma.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printer = Printer { f, matches: self, is_first: true };
        printer.metadata()?;
        let (is_typed, is_proto) = printer.shorthand()?;
        printer.registers()?;
        printer.l2(is_typed)?;
        printer.l3(is_proto)?;
        printer.l4()
    }
}

/// Prints one match.
struct Printer<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    matches: &'a FlowMatch,
    is_first: bool,
}

impl Printer<'_, '_> {
    fn item(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.f.write_str(",")?;
        }
        self.f.write_fmt(item)
    }

    /// A field under a name, if any of its bits count.
    fn field(&mut self, name: &str, id: FieldId) -> fmt::Result {
        let field = id.field();
        let (value, mask) = self.matches.field(id);
        let mask = mask & field.max();
        if mask == 0 {
            return Ok(());
        }
        self.item(format_args!("{name}={}", Shown { field, value: value & mask, mask }))
    }

    fn fields(&mut self, fields: &[(&str, FieldId)]) -> fmt::Result {
        fields.iter().try_for_each(|(name, id)| self.field(name, *id))
    }

    fn metadata(&mut self) -> fmt::Result {
        self.fields(&[
            ("pkt_mark", FieldId::PktMark),
            ("recirc_id", FieldId::RecircId),
            ("dp_hash", FieldId::DpHash),
            ("conj_id", FieldId::ConjId),
            ("actset_output", FieldId::ActsetOutput),
            ("ct_state", FieldId::CtState),
            ("ct_zone", FieldId::CtZone),
            ("ct_mark", FieldId::CtMark),
            ("ct_label", FieldId::CtLabel),
        ])?;
        self.mapped(&CT_ADDRESSES)?;
        self.fields(&[
            ("ct_nw_proto", FieldId::CtNwProto),
            ("ct_tp_src", FieldId::CtTpSrc),
            ("ct_tp_dst", FieldId::CtTpDst),
            ("packet_type", FieldId::PacketType),
        ])
    }

    /// Addresses that are IPv4 ones if they are mapped ones.
    fn mapped(&mut self, addresses: &[(FieldId, FieldId)]) -> fmt::Result {
        for (id, wide) in addresses {
            let (value, mask) = self.matches.field(*wide);
            let is_mapped = mask >> 32 == 0xffff && value >> 32 == 0xffff && mask & 0xffff_ffff != 0;
            let id = if is_mapped { id } else { wide };
            self.field(id.field().name, *id)?;
        }
        Ok(())
    }

    /// `tcp` and its like. Whether it said the Ethernet type, and the IP protocol.
    fn shorthand(&mut self) -> Result<(bool, bool), fmt::Error> {
        let Some(eth_type) = self.matches.exact(FieldId::EthType) else { return Ok((false, false)) };
        let proto = self.matches.exact(FieldId::NwProto);
        let find = |proto| SHORTHANDS.iter().find(|(_, t, p)| *t == eth_type && *p == proto);
        let full = if proto.is_some() { find(proto) } else { None };
        let Some((name, _, _)) = full.or_else(|| find(None)) else { return Ok((false, false)) };
        self.item(format_args!("{name}"))?;
        Ok((true, full.is_some()))
    }

    fn registers(&mut self) -> fmt::Result {
        for id in FieldId::ALL.iter().filter(|id| (FieldId::Reg0..=FieldId::Reg15).contains(id)) {
            self.field(id.field().name, *id)?;
        }
        self.field("tun_id", FieldId::TunId)?;
        self.mapped(&TUNNEL_ADDRESSES)?;
        self.fields(&[
            ("tun_tos", FieldId::TunTos),
            ("tun_ttl", FieldId::TunTtl),
            ("tun_gbp_id", FieldId::TunGbpId),
            ("tun_gbp_flags", FieldId::TunGbpFlags),
            ("tun_erspan_ver", FieldId::TunErspanVer),
            ("tun_erspan_idx", FieldId::TunErspanIdx),
            ("tun_erspan_dir", FieldId::TunErspanDir),
            ("tun_erspan_hwid", FieldId::TunErspanHwid),
            ("tun_gtpu_flags", FieldId::TunGtpuFlags),
            ("tun_gtpu_msgtype", FieldId::TunGtpuMsgtype),
            ("tun_flags", FieldId::TunFlags),
        ])?;
        for id in FieldId::ALL.iter().filter(|id| id.option().is_some()) {
            self.field(id.field().name, *id)?;
        }
        self.field("metadata", FieldId::Metadata)
    }

    fn l2(&mut self, is_typed: bool) -> fmt::Result {
        self.fields(&[("in_port", FieldId::InPort), ("in_phy_port", FieldId::InPhyPort)])?;
        self.vlan()?;
        self.fields(&[("dl_src", FieldId::EthSrc), ("dl_dst", FieldId::EthDst)])?;
        match self.matches.exact(FieldId::EthType) {
            Some(eth_type) if !is_typed => self.item(format_args!("dl_type=0x{eth_type:04x}")),
            _ => Ok(()),
        }
    }

    fn vlan(&mut self) -> fmt::Result {
        let (tci, mask) = self.matches.field(FieldId::VlanTci);
        let (vid, pcp) = (mask & 0x0fff, mask & 0xe000);
        let is_plain = mask & tci & PRESENT != 0 && matches!(vid, 0 | 0x0fff) && matches!(pcp, 0 | 0xe000);
        match mask {
            0 => Ok(()),
            _ if is_plain && (vid | pcp) != 0 => {
                if vid != 0 {
                    self.item(format_args!("dl_vlan={}", tci & 0x0fff))?;
                }
                if pcp != 0 {
                    self.item(format_args!("dl_vlan_pcp={}", tci >> 13))?;
                }
                Ok(())
            }
            0xffff => self.item(format_args!("vlan_tci=0x{tci:04x}")),
            _ => self.item(format_args!("vlan_tci=0x{tci:04x}/0x{mask:04x}")),
        }
    }

    fn l3(&mut self, is_proto: bool) -> fmt::Result {
        let is_arp = self.matches.exact(FieldId::EthType).is_some_and(|t| ARP.contains(&t));
        if is_arp {
            return self.fields(&[
                ("arp_spa", FieldId::ArpSpa),
                ("arp_tpa", FieldId::ArpTpa),
                ("arp_op", FieldId::ArpOp),
                ("arp_sha", FieldId::ArpSha),
                ("arp_tha", FieldId::ArpTha),
            ]);
        }
        // These lie where IP would.
        if Prerequisite::Nsh.met_by(self.matches) {
            return self.fields(&NSH);
        }
        if Prerequisite::Pbb.met_by(self.matches) {
            return self.fields(&[("pbb_isid", FieldId::PbbIsid), ("pbb_uca", FieldId::PbbUca)]);
        }
        self.fields(&[
            ("nw_src", FieldId::Ipv4Src),
            ("nw_dst", FieldId::Ipv4Dst),
            ("ipv6_src", FieldId::Ipv6Src),
            ("ipv6_dst", FieldId::Ipv6Dst),
        ])?;
        let (label, mask) = self.matches.field(FieldId::Ipv6Label);
        match mask {
            0 => {}
            0xf_ffff => self.item(format_args!("ipv6_label=0x{label:05x}"))?,
            _ => self.item(format_args!("ipv6_label=0x{label:05x}/0x{mask:05x}"))?,
        }
        self.field("ipv6_exthdr", FieldId::Ipv6Exthdr)?;
        if !is_proto {
            self.field("nw_proto", FieldId::NwProto)?;
        }
        self.fields(&[
            ("nw_tos", FieldId::NwTos),
            ("nw_ecn", FieldId::NwEcn),
            ("nw_ttl", FieldId::NwTtl),
            ("mpls_label", FieldId::MplsLabel),
            ("mpls_tc", FieldId::MplsTc),
            ("mpls_ttl", FieldId::MplsTtl),
            ("mpls_bos", FieldId::MplsBos),
            ("nw_frag", FieldId::NwFrag),
        ])
    }

    fn l4(&mut self) -> fmt::Result {
        if Prerequisite::Icmpv4.met_by(self.matches) || Prerequisite::Icmpv6.met_by(self.matches) {
            self.fields(&[("icmp_type", FieldId::IcmpType), ("icmp_code", FieldId::IcmpCode)])?;
            if !Prerequisite::Nd.met_by(self.matches) {
                return Ok(());
            }
            return self.fields(&[
                ("nd_target", FieldId::NdTarget),
                ("nd_sll", FieldId::NdSll),
                ("nd_tll", FieldId::NdTll),
                ("nd_reserved", FieldId::NdReserved),
                ("nd_options_type", FieldId::NdOptionsType),
            ]);
        }
        self.fields(&[
            ("tp_src", FieldId::TpSrc),
            ("tp_dst", FieldId::TpDst),
            ("tcp_flags", FieldId::TcpFlags),
        ])
    }
}

/// `name=value/mask`, hexadecimal.
pub(in crate::text) fn masked_hex(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: u64,
    mask: u64,
) -> fmt::Result {
    write!(f, "{name}:{}", hex(u128::from(value)))?;
    if mask == u64::MAX { Ok(()) } else { write!(f, "/{}", hex(u128::from(mask))) }
}
