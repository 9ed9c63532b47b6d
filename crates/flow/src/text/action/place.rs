//! Where an action stands, and what it may rely on there.

use super::super::error::FlowTextError;
use super::super::matches::{check, field_names};
use super::super::piece::Piece;
use super::super::port::{self, PortNames};
use super::super::value;
use crate::action::Subfield;
use crate::check::Scope;
use crate::{FieldId, FlowMatch, OfPort, TableId};

/// Where an action stands.
#[derive(Clone)]
pub(in crate::text) struct Place<'a> {
    /// What is known of a packet at this point of the list.
    pub(in crate::text) seen: FlowMatch,
    /// The table of the flow.
    pub(in crate::text) table: TableId,
    /// Finds ports by name.
    pub(in crate::text) ports: PortNames<'a>,
    /// What kind of list it is.
    pub(in crate::text) scope: Scope,
    /// How many lists are around this one.
    pub(in crate::text) depth: usize,
}

impl Place<'_> {
    /// A part of a field that every packet here has.
    pub(super) fn source(&self, text: Piece<'_>) -> Result<Subfield, FlowTextError> {
        let part = subfield(text.trim())?;
        self.exists(text, part)?;
        Ok(part)
    }

    /// A part of a field that every packet here has and that actions may write.
    pub(super) fn target(&self, text: Piece<'_>) -> Result<Subfield, FlowTextError> {
        let text = text.trim();
        let part = subfield(text)?;
        writable(text.split_once("[").map_or(text, |(name, _)| name))?;
        self.exists(text, part)?;
        Ok(part)
    }

    /// An error unless every packet of the flow has the field. Of the packets of a group nothing is known.
    pub(super) fn exists(&self, at: Piece<'_>, part: Subfield) -> Result<(), FlowTextError> {
        let field = part.field.field();
        if self.scope == Scope::Bucket {
            return Ok(());
        }
        // Under the name it was given, if that stands there alone.
        let name = at.text.split('[').next().filter(|name| FieldId::named(name) == Some(part.field));
        check(at, name.unwrap_or(field.name), field.prerequisite, &self.seen)
    }

    /// A port that packets can be sent to.
    pub(super) fn port(&self, text: Piece<'_>) -> Result<OfPort, FlowTextError> {
        match port::parse(text, self.ports)? {
            port @ (OfPort::NONE | OfPort::TABLE) => {
                Err(FlowTextError::new(text, format!("A flow cannot output to {}", port::Shown(port))))
            }
            port => Ok(port),
        }
    }
}

/// A field that actions may write.
pub(super) fn writable(name: Piece<'_>) -> Result<FieldId, FlowTextError> {
    let id = field(name)?;
    if id.field().writable {
        return Ok(id);
    }
    Err(FlowTextError::new(name, format!("'{}' is read-only", name.text)))
}

pub(super) fn field(name: Piece<'_>) -> Result<FieldId, FlowTextError> {
    FieldId::named(name.text).ok_or_else(|| {
        FlowTextError::new(name, format!("Unknown field '{}'", name.text))
            .did_you_mean(name.text, field_names())
    })
}

/// `reg0[3]`, `reg0[0..7]`, `reg0[]`, `reg0`
pub(super) fn subfield(text: Piece<'_>) -> Result<Subfield, FlowTextError> {
    let Some((name, range)) = text.split_once("[") else { return Ok(Subfield::whole(field(text)?)) };
    let whole = Subfield::whole(field(name)?);
    let bad = || {
        FlowTextError::new(text, format!("'{}' is not a part of a field", text.text))
            .hint("as in reg0[0..15], reg0[3] or reg0[]")
    };
    let range = range.slice(0, range.text.strip_suffix(']').ok_or_else(bad)?.len());
    if range.trim().text.is_empty() {
        return Ok(whole);
    }
    let (from, to) = range.split_once("..").unwrap_or((range, range));
    let bit = |text| value::number(text, 127).map(|n| u8::try_from(n).unwrap_or(127));
    let (from, to) = (bit(from)?, bit(to)?);
    if from > to {
        return Err(FlowTextError::new(range, format!("The first bit, {from}, is above the last, {to}")));
    }
    if to >= whole.bits {
        return Err(FlowTextError::new(
            range,
            format!("{} has {} bits, 0 to {}", name.text, whole.bits, whole.bits - 1),
        ));
    }
    Ok(Subfield { offset: from, bits: to - from + 1, ..whole })
}

/// What stands before and behind the last `->`.
pub(super) fn arrow<'a>(text: Piece<'a>, form: &str) -> Result<(Piece<'a>, Piece<'a>), FlowTextError> {
    let (left, right) = text
        .rsplit_once("->")
        .ok_or_else(|| FlowTextError::new(text, "'->' is missing").hint(format!("write {form}")))?;
    Ok((left.trim(), right.trim()))
}

/// An error unless both have as many bits.
pub(super) fn equally_wide(at: Piece<'_>, source: Subfield, target: Subfield) -> Result<(), FlowTextError> {
    if source.bits == target.bits {
        return Ok(());
    }
    Err(FlowTextError::new(
        at,
        format!("The source has {} bits and the destination {}", source.bits, target.bits),
    ))
}

/// A number that fits into a part of a field.
pub(super) fn fitting(text: Piece<'_>, target: Subfield) -> Result<u128, FlowTextError> {
    let value = value::number(text, u128::MAX)?;
    if value <= target.mask() >> target.offset.min(127) {
        return Ok(value);
    }
    Err(FlowTextError::new(text, format!("{} does not fit in {} bits", text.trim().text, target.bits)))
}
