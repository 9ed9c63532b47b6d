//! Actions on fields: `set_field`, `mod_nw_src` and its like; parts of fields.

use std::fmt;

use super::super::value;
use crate::{FieldId, Operand, Spelling, Subfield};

/// The actions that set a field under a name of their own.
pub(super) const MODS: &[(&str, FieldId)] = &[
    ("mod_dl_src", FieldId::EthSrc),
    ("mod_dl_dst", FieldId::EthDst),
    ("mod_nw_src", FieldId::Ipv4Src),
    ("mod_nw_dst", FieldId::Ipv4Dst),
    ("mod_nw_tos", FieldId::NwTos),
    ("mod_nw_ecn", FieldId::NwEcn),
    ("mod_nw_ttl", FieldId::NwTtl),
    ("mod_tp_src", FieldId::TpSrc),
    ("mod_tp_dst", FieldId::TpDst),
    ("set_tunnel", FieldId::TunId),
    ("set_tunnel64", FieldId::TunId),
    ("set_mpls_label", FieldId::MplsLabel),
    ("set_mpls_tc", FieldId::MplsTc),
    ("set_mpls_ttl", FieldId::MplsTtl),
];

pub(super) fn set_field(
    f: &mut fmt::Formatter<'_>,
    id: FieldId,
    value: u128,
    mask: u128,
    spelling: Spelling,
) -> fmt::Result {
    let field = id.field();
    let shown = value::Shown { field, value, mask };
    match MODS.iter().find(|(_, known)| *known == id) {
        Some((name, _)) if spelling == Spelling::Mod && mask == field.max() => {
            let wide = if id == FieldId::TunId && value > u128::from(u32::MAX) { "64" } else { "" };
            write!(f, "{name}{wide}:{shown}")
        }
        _ => write!(f, "set_field:{shown}->{}", field.name),
    }
}

impl fmt::Display for Subfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.field.field().long_name())?;
        match self.bits {
            _ if self.is_whole() => f.write_str("[]"),
            1 => write!(f, "[{}]", self.offset),
            bits => write!(f, "[{}..{}]", self.offset, u16::from(self.offset) + u16::from(bits) - 1),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Operand<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Field(part) => part.fmt(f),
        }
    }
}
