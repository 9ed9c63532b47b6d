//! Reading `NXAST_LEARN` and `NXAST_LEARN2`.
//!
//! ```text
//! idle:16 hard:16 priority:16 cookie:64 flags:16 table:8 zero:8 fin_idle:16 fin_hard:16
//! the second form: limit:32 offset:16 zero:16 [field of the result]
//! parts of the flow, until one that is 0
//! ```

use netloom_flow::action::{Learn, LearnSpec, Operand};
use netloom_flow::{Action, TableId};

use super::super::oxm;
use super::super::reader::Reader;
use super::subfield;
use crate::OfError;
use crate::error::Result;

/// `learn`, or with `limit` and `result` as the second form has them.
pub(super) fn read(r: &mut Reader<'_>, second: bool) -> Result<Action> {
    let mut learn = Learn {
        idle_timeout: r.u16()?,
        hard_timeout: r.u16()?,
        priority: r.u16()?,
        cookie: r.u64()?,
        ..Learn::default()
    };
    let (flags, [table, zero]) = (r.u16()?, r.array()?);
    (learn.fin_idle_timeout, learn.fin_hard_timeout) = (r.u16()?, r.u16()?);
    let known = if second { 7 } else { 3 };
    if zero != 0 || table == 0xff || flags & !known != 0 {
        return Err(OfError::BacBadArgument);
    }
    learn.table = TableId(table);
    learn.send_flow_rem = flags & 1 != 0;
    learn.delete_learned = flags & 2 != 0;
    if second {
        learn.limit = r.u32()?;
        let offset = r.u16()?;
        r.zeros(2, OfError::NxbrcMustBeZero)?;
        if flags & 4 != 0 {
            learn.result = Some(subfield::target(oxm::read_field(r)?, offset, 1)?);
        }
    }
    let mut specs = Vec::new();
    while r.len() >= 2 {
        match r.u16()? {
            0 => break,
            header => specs.push(read_spec(header, r)?),
        }
    }
    r.zeros(r.len(), OfError::BacBadArgument)?;
    learn.specs = specs.into();
    Ok(Action::Learn(Box::new(learn)))
}

/// A part of the flow: `zero:2 source-is-constant:1 target:2 bits:11`, source, target.
fn read_spec(header: u16, r: &mut Reader<'_>) -> Result<LearnSpec> {
    let (constant, target, bits) = (header & 1 << 13 != 0, header >> 11 & 3, header & 0x7ff);
    if header >> 14 != 0 || target > 2 || constant && target == 2 {
        return Err(OfError::BacBadArgument);
    }
    let source = if constant {
        let mut bytes = r.part(2 * usize::from(bits.div_ceil(16)))?;
        // More than 128 bits cannot fit any field: what is above them must be 0, and the target refuses the rest.
        bytes.zeros(bytes.len().saturating_sub(16), OfError::BacBadArgument)?;
        Operand::Value(bytes.number(bytes.len())?)
    } else {
        let field = oxm::read_field(r)?;
        Operand::Field(subfield::bits(field, r.u16()?, bits)?)
    };
    if let (2, Operand::Field(part)) = (target, source) {
        return Ok(LearnSpec::Output(part));
    }
    let (field, offset) = (oxm::read_field(r)?, r.u16()?);
    if target == 1 {
        return Ok(LearnSpec::Load { target: subfield::target(field, offset, bits)?, source });
    }
    Ok(LearnSpec::Match { target: subfield::bits(field, offset, bits)?, source })
}
