//! The match of a flow: read in any order, printed in the order of OVS.

use std::fmt;

use super::error::FlowTextError;
use super::piece::{Item, Piece};
use super::port::PortNames;
use super::value::{self, Shown, hex};
use crate::{FieldId, FlowMatch, Prerequisite};

/// Words that stand for an Ethernet type and an IP protocol.
const SHORTHANDS: &[(&str, u128, Option<u128>)] = &[
    ("ip", 0x0800, None),
    ("ipv4", 0x0800, None),
    ("icmp", 0x0800, Some(1)),
    ("icmp4", 0x0800, Some(1)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("sctp", 0x0800, Some(132)),
    ("ipv6", 0x86dd, None),
    ("ip6", 0x86dd, None),
    ("icmp6", 0x86dd, Some(58)),
    ("icmpv6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("sctp6", 0x86dd, Some(132)),
    ("arp", 0x0806, None),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
];

const ARP: [u128; 2] = [0x0806, 0x8035];
const IPV6: u128 = 0x86dd;
const PRESENT: u128 = 0x1000;

/// Fields of OVS that no key holds.
const UNSUPPORTED: &[&str] = &["tun_metadata", "igmp", "reg", "xxreg", "eth"];

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

/// All names of fields.
pub(super) fn field_names() -> impl Iterator<Item = &'static str> {
    FieldId::ALL.iter().flat_map(|id| {
        let field = id.field();
        std::iter::once(field.name).chain(field.aliases.iter().copied())
    })
}

/// All names that may stand in a match, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SHORTHANDS.iter().map(|(name, _, _)| *name).chain(field_names())
}

/// Collects the parts of a match until all are known: prerequisites may come after what needs them.
#[derive(Debug, Default)]
pub(super) struct Parser<'a> {
    matches: FlowMatch,
    fields: Vec<(Item<'a>, Piece<'a>)>,
}

impl<'a> Parser<'a> {
    /// Takes an item, if it is one of a match.
    pub(super) fn take(&mut self, item: Item<'a>) -> Result<bool, FlowTextError> {
        let name = item.key.text;
        if let Some((_, eth_type, proto)) = SHORTHANDS.iter().find(|(known, _, _)| *known == name) {
            if let Some(value) = item.value {
                return Err(FlowTextError::new(value, format!("'{name}' takes no value")));
            }
            self.demand(item.whole, FieldId::EthType, *eth_type, u128::MAX)?;
            if let Some(proto) = proto {
                self.demand(item.whole, FieldId::NwProto, *proto, u128::MAX)?;
            }
            return Ok(true);
        }
        if FieldId::named(name).is_none() {
            let is_one = |known: &str| {
                let ends = |rest: &str| known.ends_with('_') || rest.bytes().all(|c| c.is_ascii_digit());
                name.strip_prefix(known).is_some_and(ends)
            };
            if UNSUPPORTED.iter().any(|known| is_one(known)) {
                return Err(FlowTextError::new(item.key, format!("Field '{name}' is not supported yet")));
            }
            return Ok(false);
        }
        let Some(value) = item.value else {
            return Err(FlowTextError::new(item.whole, format!("'{name}' needs a value"))
                .hint(format!("write {name}=VALUE")));
        };
        self.fields.push((item, value));
        Ok(true)
    }

    /// Puts the match together.
    pub(super) fn finish(mut self, ports: PortNames<'_>) -> Result<FlowMatch, FlowTextError> {
        let fields = std::mem::take(&mut self.fields);
        let early = |item: &Item<'_>| matches!(FieldId::named(item.key.text), Some(FieldId::EthType));
        let proto = |item: &Item<'_>| matches!(FieldId::named(item.key.text), Some(FieldId::NwProto));
        let (types, rest): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(item, _)| early(item));
        let (protos, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(item, _)| proto(item));
        for (item, value) in types.iter().chain(&protos).chain(&rest) {
            self.field(item.key, *value, ports)?;
        }
        for (item, _) in protos.iter().chain(&rest) {
            let Some(id) = named(&self.matches, item.key.text) else { continue };
            check(item.whole, item.key.text, id.field().prerequisite, &self.matches)?;
        }
        Ok(self.matches)
    }

    fn field(&mut self, key: Piece<'_>, text: Piece<'_>, ports: PortNames<'_>) -> Result<(), FlowTextError> {
        let Some(id) = named(&self.matches, key.text) else {
            return Err(FlowTextError::new(key, format!("Unknown field '{}'", key.text)));
        };
        // `dl_vlan=0xffff`: no VLAN header, from OpenFlow 1.0.
        if id == FieldId::DlVlan && matches!(text.trim().text, "0xffff" | "65535") {
            return self.demand(text, FieldId::VlanTci, 0, u128::MAX);
        }
        let (value, mask) = value::masked(id.field(), text, ports)?;
        if mask == 0 {
            return Ok(());
        }
        if id == FieldId::VlanVid && value != 0 {
            vlan_vid_is_present(text, value, mask)?;
        }
        self.demand(text, id, value, mask)
    }

    /// Adds a demand, unless it contradicts an earlier one.
    fn demand(&mut self, at: Piece<'_>, id: FieldId, value: u128, mask: u128) -> Result<(), FlowTextError> {
        let mut one = FlowMatch::any();
        one.set_masked(id, value, mask);
        if !one.overlaps(&self.matches) {
            let (old, old_mask) = self.matches.field(id);
            let field = id.field();
            return Err(FlowTextError::new(
                at,
                "This contradicts what the flow says before: no packet matches both",
            )
            .hint(format!(
                "{} is already {}",
                field.name,
                Shown { field, value: old, mask: old_mask }
            )));
        }
        let (_, old_mask) = self.matches.field(id);
        let (value, mask) = one.field(id);
        let (old, _) = self.matches.field(id);
        self.matches.set_masked(id, value | old, mask | old_mask);
        Ok(())
    }
}

/// The field a name means in this match: `nw_src` of ARP is `arp_spa`, `icmp_type` of IPv6 is `icmpv6_type`.
fn named(matches: &FlowMatch, name: &str) -> Option<FieldId> {
    let id = FieldId::named(name)?;
    let eth_type = matches.exact(FieldId::EthType);
    let is_arp = eth_type.is_some_and(|t| ARP.contains(&t));
    let is_ipv6 = eth_type == Some(IPV6);
    Some(match id {
        FieldId::Ipv4Src if is_arp => FieldId::ArpSpa,
        FieldId::Ipv4Dst if is_arp => FieldId::ArpTpa,
        FieldId::NwProto if is_arp => FieldId::ArpOp,
        FieldId::IcmpType if is_ipv6 => FieldId::Icmpv6Type,
        FieldId::IcmpCode if is_ipv6 => FieldId::Icmpv6Code,
        id => id,
    })
}

/// An error if a whole VLAN id is given without the bit that says that a VLAN header is there.
pub(super) fn vlan_vid_is_present(at: Piece<'_>, value: u128, mask: u128) -> Result<(), FlowTextError> {
    if value & PRESENT != 0 || mask & PRESENT == 0 {
        return Ok(());
    }
    Err(FlowTextError::new(at, "vlan_vid lacks the bit 0x1000, which says that a VLAN header is there")
        .hint(format!("write {}, which is {:#x}", value | PRESENT, value | PRESENT)))
}

/// An error that names what to add, unless the prerequisite is met.
pub(super) fn check(
    at: Piece<'_>,
    name: &str,
    needs: Prerequisite,
    matches: &FlowMatch,
) -> Result<(), FlowTextError> {
    if needs.met_by(matches) {
        return Ok(());
    }
    Err(FlowTextError::new(at, format!("'{name}' needs a flow for {} only", needs.packets()))
        .hint(format!("add {}", needs.to_add())))
}

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
        for id in
            FieldId::ALL.iter().filter(|id| (FieldId::TunMetadata0..=FieldId::TunMetadata7).contains(id))
        {
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
pub(super) fn masked_hex(f: &mut fmt::Formatter<'_>, name: &str, value: u64, mask: u64) -> fmt::Result {
    write!(f, "{name}:{}", hex(u128::from(value)))?;
    if mask == u64::MAX { Ok(()) } else { write!(f, "/{}", hex(u128::from(mask))) }
}
