//! Bits of fields, as actions refer to them.

use netloom_flow::action::Operand;
use netloom_flow::{FieldId, Subfield};

use super::super::oxm::{self, Style};
use super::super::reader::Reader;
use super::super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;

/// The bits from `offset` on.
///
/// # Errors
/// `BacBadSetLen` if they reach past the end of the field, or are none.
pub(super) fn bits(field: FieldId, offset: u16, bits: u16) -> Result<Subfield> {
    let width = u16::from(field.field().bits);
    if bits == 0 || offset.checked_add(bits).is_none_or(|end| end > width) {
        return Err(OfError::BacBadSetLen);
    }
    let narrow = |n: u16| u8::try_from(n).map_err(|_| OfError::BacBadSetLen);
    Ok(Subfield { field, offset: narrow(offset)?, bits: narrow(bits)? })
}

/// Likewise, of a field that may be written.
pub(super) fn target(field: FieldId, offset: u16, n: u16) -> Result<Subfield> {
    let part = bits(field, offset, n)?;
    if field.field().writable { Ok(part) } else { Err(OfError::BacBadSetArgument) }
}

/// Splits `offset:10 (bits - 1):6`.
pub(super) const fn split(offset_bits: u16) -> (u16, u16) {
    (offset_bits >> 6, (offset_bits & 0x3f) + 1)
}

/// The opposite.
pub(super) fn joined(part: Subfield) -> u16 {
    u16::from(part.offset) << 6 | u16::from(part.bits.saturating_sub(1)) & 0x3f
}

/// Writes the header of the field whose bits they are.
pub(super) fn put_field(out: &mut Out, part: Subfield) {
    oxm::put_field(out, part, Style::Nxm);
}

/// Reads `zone`-like values: a field with offset and bits, or without a field a constant.
pub(super) fn read_operand(r: &mut Reader<'_>) -> Result<Operand<u16>> {
    if r.rest().first_chunk() == Some(&[0; 4]) {
        r.skip(4)?;
        return r.u16().map(Operand::Value);
    }
    let field = oxm::read_field(r)?;
    let (offset, n) = split(r.u16()?);
    bits(field, offset, n).map(Operand::Field)
}

/// The opposite.
pub(super) fn put_operand(out: &mut Out, operand: Operand<u16>) {
    match operand {
        Operand::Value(value) => {
            out.u32(0);
            out.u16(value);
        }
        Operand::Field(part) => {
            put_field(out, part);
            out.u16(joined(part));
        }
    }
}
