//! Headers, values and masks, as actions and lists of fields have them.

use netloom_flow::field::Oxm;
use netloom_flow::{FieldId, OfPort, Subfield};

use super::super::port;
use super::super::reader::Reader;
use super::super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;

/// The cookie as a field: only in flow mods and requests for statistics of NXM. It shares its number with
/// `mpls_ttl`; the length tells them apart.
pub(super) const COOKIE: (u16, u8) = (0x0001, 30);

/// A header that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    class: u16,
    number: u8,
    experimenter: u32,
    pub(super) has_mask: bool,
    /// Of value and mask together.
    pub(super) len: usize,
}

impl Header {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self> {
        let (class, [field, len]) = (r.u16()?, r.array()?);
        let (mut len, mut experimenter) = (usize::from(len), 0);
        if class == Oxm::EXPERIMENTER {
            experimenter = r.u32()?;
            len = len.checked_sub(4).ok_or(r.short())?;
        }
        Ok(Self { class, number: field >> 1, experimenter, has_mask: field & 1 == 1, len })
    }

    /// The field it is of, if there is one.
    pub(crate) fn field(self) -> Option<FieldId> {
        if self.is_cookie() {
            return None;
        }
        by_header(self.class, self.number, self.experimenter)
    }

    pub(super) fn is_cookie(self) -> bool {
        (self.class, self.number) == COOKIE && self.len == if self.has_mask { 16 } else { 8 }
    }

    /// The length of the value, if it is one that the field can have.
    pub(super) fn value_len(self, field: FieldId) -> Option<usize> {
        let len = if self.has_mask { self.len / 2 } else { self.len };
        let whole = !self.has_mask || self.len.is_multiple_of(2);
        let right = if field.option().is_some() {
            (1..=124).contains(&len)
        } else {
            len == field.field().wire_bytes()
        };
        (whole && right).then_some(len)
    }
}

/// Finds the field of a header.
fn by_header(class: u16, number: u8, experimenter: u32) -> Option<FieldId> {
    match class {
        Oxm::EXPERIMENTER => FieldId::by_experimenter(experimenter, number),
        _ => FieldId::by_header(class, number),
    }
}

/// How many bytes a value gets, of which the bits `used` count. The length of a tunnel option is what the TLV map says,
/// which is not known here: it gets as many words of 4 bytes as are used.
fn len_for(id: FieldId, used: u128) -> usize {
    match id.option() {
        Some(_) => (128 - used.leading_zeros() as usize).div_ceil(32).max(1) * 4,
        None => id.field().wire_bytes(),
    }
}

/// Which of its headers a field gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// That of NXM, if there is one.
    Nxm,
    /// That of OXM, if there is one.
    Oxm,
}

/// The header a field gets.
fn header_of(id: FieldId, style: Style) -> Option<Oxm> {
    let field = id.field();
    match style {
        Style::Nxm => field.nxm.or(field.oxm).or(field.experimenter),
        Style::Oxm => field.oxm.or(field.nxm).or(field.experimenter),
    }
}

/// Whether a field has any header.
pub(crate) fn has_header(id: FieldId) -> bool {
    header_of(id, Style::Oxm).is_some()
}

/// Writes a field's header, for values of `len` bytes.
fn put_header(out: &mut Out, id: FieldId, style: Style, has_mask: bool, len: usize) {
    let Some(header) = header_of(id, style) else { return };
    let named = header.class == Oxm::EXPERIMENTER;
    let len = len * if has_mask { 2 } else { 1 } + if named { 4 } else { 0 };
    out.u16(header.class);
    out.u8(header.number << 1 | u8::from(has_mask));
    out.u8(u8::try_from(len).unwrap_or(u8::MAX));
    if named {
        out.u32(header.experimenter);
    }
}

/// Writes a field's header as actions refer to it: with the length of its values.
pub(crate) fn put_field(out: &mut Out, part: Subfield, style: Style) {
    put_header(out, part.field, style, false, len_for(part.field, part.mask()));
}

/// Writes a field's header as tables of features list it.
pub(crate) fn put_listed(out: &mut Out, id: FieldId, has_mask: bool) {
    put_header(out, id, Style::Oxm, has_mask, id.field().wire_bytes());
}

/// Reads the header of a field as actions refer to it.
pub(crate) fn read_field(r: &mut Reader<'_>) -> Result<FieldId> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BacBadSetType)?;
    // A field may be named by length 0, too.
    if header.has_mask || header.len != 0 && header.value_len(id).is_none() {
        return Err(OfError::BacBadSetType);
    }
    Ok(id)
}

/// Reads a header as tables of features list them: the field, and whether a mask goes along. Unknown fields and
/// those of experimenters are `None`.
pub(crate) fn read_listed(r: &mut Reader<'_>) -> Result<Option<(FieldId, bool)>> {
    let header = Header::read(r)?;
    Ok(header.field().map(|id| (id, header.has_mask)))
}

/// Writes a value, or value and mask unless all bits are meant.
pub(crate) fn put_value(out: &mut Out, id: FieldId, style: Style, value: u128, mask: u128) {
    let full = mask == id.field().max();
    // All of an option is meant by a value without a mask, however short it is.
    let len = len_for(id, if full { value } else { mask });
    put_header(out, id, style, !full, len);
    let value = if id == FieldId::InPort { u128::from(to_16(value)) } else { value };
    out.number(value, len);
    if !full {
        out.number(mask, len);
    }
}

/// `n` bytes of ones.
pub(super) const fn ones(n: usize) -> u128 {
    if n >= 16 { u128::MAX } else { (1 << (8 * n)) - 1 }
}

fn to_16(port: u128) -> u16 {
    port::to_16(OfPort(u32::try_from(port).unwrap_or(u32::MAX)))
}

/// A field with its value, as actions set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) field: FieldId,
    pub(crate) value: u128,
    pub(crate) mask: u128,
    /// All bits of the field.
    pub(crate) is_whole: bool,
}

/// Reads a field with the value, and the mask, that an action sets.
pub(crate) fn read_assignment(r: &mut Reader<'_>) -> Result<Assignment> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BacBadSetType)?;
    let len = header.value_len(id).ok_or(OfError::BacBadSetLen)?;
    let max = id.field().max();
    let value = read_number(r, len, OfError::BacBadSetArgument)?;
    let mask = match header.has_mask {
        true => read_number(r, len, OfError::BacBadSetMask)?,
        false => all_of(id, len) & max,
    };
    if value & !max != 0 || !is_port(id, value) {
        return Err(OfError::BacBadSetArgument);
    }
    if value & !mask != 0 || mask & !max != 0 {
        return Err(OfError::BacBadSetMask);
    }
    Ok(Assignment { field: id, value, mask, is_whole: mask == max })
}

/// Reads a field and which of its bits are hashed: as a value that stands for the mask.
pub(crate) fn read_selected(r: &mut Reader<'_>) -> Result<(FieldId, u128)> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BmcBadField)?;
    let len = header.value_len(id).ok_or(OfError::BmcBadLen)?;
    if header.has_mask {
        return Err(OfError::BmcBadMask);
    }
    let mask = read_number(r, len, OfError::BmcBadMask)?;
    if mask == 0 || mask & !ones(len) != 0 {
        return Err(OfError::BmcBadMask);
    }
    Ok((id, mask & id.field().max()))
}

/// The opposite.
pub(crate) fn put_selected(out: &mut Out, id: FieldId, mask: u128) {
    let len = len_for(id, mask);
    put_header(out, id, Style::Oxm, false, len);
    // All bits of a field are all bits of its bytes.
    out.number(if mask == id.field().max() { ones(len) } else { mask }, len);
}

/// The bits that a value of `len` bytes is about if it has no mask: those of an option are all that the TLV map gives it,
/// however few are sent, as in OVS.
pub(super) fn all_of(id: FieldId, len: usize) -> u128 {
    if id.option().is_some() { id.field().max() } else { ones(len) }
}

/// A value of `len` bytes. Of a longer one than 16 bytes, only the last may be other than 0.
pub(super) fn read_number(r: &mut Reader<'_>, len: usize, error: OfError) -> Result<u128> {
    r.zeros(len.saturating_sub(16), error)?;
    r.number(len.min(16))
}

/// Whether a value is a port there can be, if the field is for ports of 32 bits.
pub(super) fn is_port(id: FieldId, value: u128) -> bool {
    let port = u32::try_from(value).unwrap_or(u32::MAX);
    !matches!(id, FieldId::InPortOxm | FieldId::ActsetOutput)
        || port::from_32(port, OfError::BmcBadValue).is_ok()
}
