//! Reading a match.

use super::super::error::FlowTextError;
use super::super::piece::{Item, Piece};
use super::super::port::{self, PortNames};
use super::super::value::{self, Shown};
use crate::{FieldId, FlowMatch, Prerequisite};

/// Words that stand for an Ethernet type and an IP protocol.
pub(super) const SHORTHANDS: &[(&str, u128, Option<u128>)] = &[
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

pub(super) const ARP: [u128; 2] = [0x0806, 0x8035];
const IPV6: u128 = 0x86dd;
pub(super) const PRESENT: u128 = 0x1000;

/// Fields of OVS that no key holds.
const UNSUPPORTED: &[&str] = &["igmp", "reg", "xxreg"];

/// All names of fields.
pub(in crate::text) fn field_names() -> impl Iterator<Item = &'static str> {
    FieldId::ALL.iter().flat_map(|id| {
        let field = id.field();
        std::iter::once(field.name).chain(field.aliases.iter().copied())
    })
}

/// All names that may stand in a match, for suggestions.
pub(in crate::text) fn names() -> impl Iterator<Item = &'static str> {
    SHORTHANDS.iter().map(|(name, _, _)| *name).chain(field_names())
}

/// Collects the parts of a match until all are known: prerequisites may come after what needs them.
#[derive(Debug, Default)]
pub(in crate::text) struct Parser<'a> {
    matches: FlowMatch,
    fields: Vec<(Item<'a>, Piece<'a>)>,
}

impl<'a> Parser<'a> {
    /// Takes an item, if it is one of a match.
    pub(in crate::text) fn take(&mut self, item: Item<'a>) -> Result<bool, FlowTextError> {
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
        // `eth`: packets that begin with an Ethernet header, as all of ours do.
        if name == "eth" && item.value.is_none() {
            self.demand(item.whole, FieldId::PacketType, 0, u128::MAX)?;
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
    pub(in crate::text) fn finish(mut self, ports: PortNames<'_>) -> Result<FlowMatch, FlowTextError> {
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
        // A field that may have any value is still one that the packets have.
        if text.trim().text == "*" {
            return Ok(());
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
pub(in crate::text) fn vlan_vid_is_present(
    at: Piece<'_>,
    value: u128,
    mask: u128,
) -> Result<(), FlowTextError> {
    if value & PRESENT != 0 || mask & PRESENT == 0 {
        return Ok(());
    }
    Err(FlowTextError::new(at, "vlan_vid lacks the bit 0x1000, which says that a VLAN header is there")
        .hint(format!("write {}, which is {:#x}", value | PRESENT, value | PRESENT)))
}

/// An error that names what to add, unless the prerequisite is met.
pub(in crate::text) fn check(
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

/// Reads a number of 64 bits, with or without a mask.
pub(in crate::text) fn masked_u64(text: Piece<'_>) -> Result<(u64, u64), FlowTextError> {
    let (value, mask) = value::masked(FieldId::Metadata.field(), text, &port::no_names)?;
    let narrow = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
    Ok((narrow(value), narrow(mask)))
}
