//! Actions that write fields.

use netloom_flow::{Action, FieldId, Spelling};

use super::super::oxm;
use super::super::reader::Reader;
use super::subfield;
use crate::error::Result;
use crate::{OfError, Version};

/// An action of 1.0 and 1.1 that sets one field.
pub(super) fn modify(field: FieldId, value: impl Into<u128>) -> Action {
    Action::SetField { field, value: value.into(), mask: field.field().max(), spelling: Spelling::Mod }
}

/// `OFPAT_SET_FIELD`: a field with its value; from 1.5 also with a mask.
pub(super) fn read_set_field(version: Version, r: &mut Reader<'_>) -> Result<Action> {
    let set = oxm::read_assignment(r)?;
    r.zeros(r.len(), OfError::BacBadSetArgument)?;
    if !set.field.field().writable {
        return Err(OfError::BacBadSetArgument);
    }
    if version < Version::V15 && !set.is_whole {
        return Err(OfError::BacBadSetMask);
    }
    Ok(Action::SetField { field: set.field, value: set.value, mask: set.mask, spelling: Spelling::SetField })
}

/// `NXAST_REG_LOAD2`: a field with its value and mask.
pub(super) fn read_load2(r: &mut Reader<'_>) -> Result<Action> {
    read_set_field(Version::V15, r)
}

/// `NXAST_REG_LOAD`
pub(super) fn read_load(r: &mut Reader<'_>) -> Result<Action> {
    let (offset, n) = subfield::split(r.u16()?);
    let target = subfield::target(oxm::read_field(r)?, offset, n)?;
    let value = u128::from(r.u64()?);
    if value & !(target.mask() >> target.offset) != 0 {
        return Err(OfError::BacBadSetArgument);
    }
    Ok(Action::Load { value, target })
}

/// `NXAST_REG_MOVE`
pub(super) fn read_move(r: &mut Reader<'_>) -> Result<Action> {
    let (n, source, target) = (r.u16()?, r.u16()?, r.u16()?);
    read_move_fields(r, n, source, target)
}

/// `OFPAT_COPY_FIELD`, and the ONF's extension like it.
pub(super) fn read_copy_field(r: &mut Reader<'_>) -> Result<Action> {
    let (n, source, target) = (r.u16()?, r.u16()?, r.u16()?);
    r.skip(2)?;
    read_move_fields(r, n, source, target)
}

fn read_move_fields(r: &mut Reader<'_>, n: u16, source: u16, target: u16) -> Result<Action> {
    let from = oxm::read_field(r)?;
    let to = oxm::read_field(r)?;
    r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
    Ok(Action::Move { source: subfield::bits(from, source, n)?, target: subfield::target(to, target, n)? })
}
