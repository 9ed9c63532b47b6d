//! Actions on fields: `set_field`, `mod_nw_src` and its like; parts of fields.

use std::fmt;

use super::super::error::FlowTextError;
use super::super::matches::{check, vlan_vid_is_present};
use super::super::piece::Piece;
use super::super::value;
use super::place::{Place, arrow, equally_wide, fitting, writable};
use crate::check::Scope;
use crate::{Action, FieldId, Operand, Prerequisite, Spelling, Subfield};

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
    ("set_vlan_vid", FieldId::VlanVid),
    ("set_vlan_pcp", FieldId::VlanPcp),
];

/// The bit of a VLAN id that says that the header is there.
const PRESENT: u128 = 0x1000;

/// `mod_nw_src:10.0.0.1`. Packets without the field are left alone, as in OpenFlow 1.0.
pub(super) fn modify(text: Piece<'_>, id: FieldId, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let field = id.field();
    let value = match id {
        FieldId::VlanVid => value::number(text, PRESENT - 1)? | PRESENT,
        _ => value::plain(field, text, place.ports)?,
    };
    Ok(Action::SetField { field: id, value, mask: field.max(), spelling: Spelling::Mod })
}

/// `set_field:VALUE[/MASK]->FIELD`
pub(super) fn set(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (text, target) = arrow(text, "set_field:VALUE->FIELD")?;
    let target = target.slice(0, target.text.strip_suffix("[]").unwrap_or(target.text).len());
    let id = writable(target)?;
    let (value, mask) = value::masked(id.field(), text, place.ports)?;
    place.exists(target, Subfield::whole(id))?;
    if id == FieldId::VlanVid {
        if place.scope != Scope::Bucket {
            check(target, target.text, Prerequisite::Vlan, &place.seen)?;
        }
        vlan_vid_is_present(text, value, mask)?;
    }
    Ok(Action::SetField { field: id, value, mask, spelling: Spelling::SetField })
}

/// `load:VALUE->FIELD[BITS]`
pub(super) fn load(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (text, target) = arrow(text, "load:VALUE->FIELD[BITS]")?;
    let target = place.target(target)?;
    Ok(Action::Load { value: fitting(text, target)?, target })
}

/// How long a tunnel option is only a TLV map says: as much of it as the other field has, if all of it is named.
fn as_wide(part: Subfield, other: Subfield) -> Subfield {
    let is_option = part.field.option().is_some() && part.is_whole();
    Subfield { bits: if is_option { part.bits.min(other.bits) } else { part.bits }, ..part }
}

/// `move:FIELD[BITS]->FIELD[BITS]`
pub(super) fn copy(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (from, to) = arrow(text, "move:FIELD[BITS]->FIELD[BITS]")?;
    let (source, target) = (place.source(from)?, place.target(to)?);
    let (source, target) = (as_wide(source, target), as_wide(target, source));
    equally_wide(text, source, target)?;
    Ok(Action::Move { source, target })
}

pub(super) fn set_field(
    f: &mut fmt::Formatter<'_>,
    id: FieldId,
    value: u128,
    mask: u128,
    spelling: Spelling,
) -> fmt::Result {
    let field = id.field();
    let shown = value::Shown { field, value, mask };
    if spelling == Spelling::Mod && mask == field.max() {
        match id {
            FieldId::MplsLabel => return write!(f, "set_mpls_label({shown})"),
            FieldId::MplsTc => return write!(f, "set_mpls_tc({shown})"),
            FieldId::MplsTtl => return write!(f, "set_mpls_ttl({shown})"),
            FieldId::VlanVid => return write!(f, "set_vlan_vid:{}", value & !PRESENT),
            _ => {}
        }
    }
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
