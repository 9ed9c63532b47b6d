//! Counters and ages: as numbers in fixed places up to 1.4, as fields (OXS) in 1.5.
//!
//! ```text
//! reserved:16 length:16 (without padding), fields: class:16 = 0x8002 field:7 reserved:1 length:8 value, padding to 8
//! ```
//!
//! Source: OpenFlow 1.5.1 §7.2.4.

use netloom_flow::Nanos;
use netloom_flow::action::Tally;

use super::reader::Reader;
use super::writer::{Out, Put, with_exact_len};
use crate::OfError;
use crate::error::Result;
use crate::msg::Counts;

const SECOND: u64 = 1_000_000_000;
const CLASS: u16 = 0x8002;

/// A duration as seconds and nanoseconds.
pub(super) fn put_duration(out: &mut Out, duration: Nanos) {
    // All ones would say that it is not known.
    out.u32(u32::try_from(duration.0 / SECOND).unwrap_or(u32::MAX).min(u32::MAX - 1));
    out.u32(u32::try_from(duration.0 % SECOND).unwrap_or(0));
}

pub(super) fn read_duration(r: &mut Reader<'_>) -> Result<Nanos> {
    let (seconds, nanos) = (u64::from(r.u32()?), u64::from(r.u32()?));
    Ok(Nanos(seconds * SECOND + nanos.min(SECOND - 1)))
}

/// A duration that need not be known: all ones if it is not.
pub(super) fn put_some_duration(out: &mut Out, duration: Option<Nanos>) {
    match duration {
        Some(duration) => put_duration(out, duration),
        None => out.u64(u64::MAX),
    }
}

pub(super) fn read_some_duration(r: &mut Reader<'_>) -> Result<Option<Nanos>> {
    if r.rest().first_chunk() == Some(&[0xff; 4]) {
        r.skip(8)?;
        return Ok(None);
    }
    read_duration(r).map(Some)
}

/// What OXS says of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Oxs {
    pub(super) counts: Counts,
    pub(super) idle_age: Option<u32>,
    pub(super) flows: u32,
}

pub(super) fn read_oxs(r: &mut Reader<'_>) -> Result<Oxs> {
    r.skip(2)?;
    let len = usize::from(r.u16()?).checked_sub(4).ok_or(OfError::BrcBadLen)?;
    let mut fields = r.part(len)?;
    r.skip((len + 4).next_multiple_of(8) - (len + 4))?;
    let mut oxs = Oxs::default();
    while !fields.is_empty() {
        let (class, [field, len]) = (fields.u16()?, fields.array()?);
        let mut value = fields.part(len.into())?;
        match (class, field >> 1) {
            (CLASS, 0) => oxs.counts.duration = read_duration(&mut value)?,
            (CLASS, 1) => oxs.idle_age = Some(value.u32()?),
            (CLASS, 3) => oxs.flows = value.u32()?,
            (CLASS, 4) => oxs.counts.packets = value.u64()?,
            (CLASS, 5) => oxs.counts.bytes = value.u64()?,
            // What others may count.
            _ => {}
        }
    }
    Ok(oxs)
}

/// Reads thresholds of counters, in the same form.
///
/// # Errors
/// `BicUnsupInst`: of something that is not looked at, or none at all.
pub(super) fn read_thresholds(r: &mut Reader<'_>) -> Result<Tally> {
    r.skip(2)?;
    let len = usize::from(r.u16()?).checked_sub(4).ok_or(OfError::BicBadLen)?;
    let mut fields = r.part(len)?;
    r.skip((len + 4).next_multiple_of(8) - (len + 4))?;
    let mut thresholds = Tally::default();
    while !fields.is_empty() {
        let (class, [field, len]) = (fields.u16()?, fields.array()?);
        let mut value = fields.part(len.into())?;
        match (class, field >> 1) {
            (CLASS, 0) => thresholds.duration = read_duration(&mut value)?,
            (CLASS, 4) => thresholds.packets = value.u64()?,
            (CLASS, 5) => thresholds.bytes = value.u64()?,
            _ => return Err(OfError::BicUnsupInst),
        }
    }
    if thresholds == Tally::default() { Err(OfError::BicUnsupInst) } else { Ok(thresholds) }
}

/// Writes thresholds, those that are none left out.
pub(super) fn put_thresholds(out: &mut Out, thresholds: &Tally) {
    with_exact_len(out, 2, |out| {
        out.u32(0);
        if thresholds.duration.0 != 0 {
            field(out, 0, 8);
            put_duration(out, thresholds.duration);
        }
        for (number, value) in [(4, thresholds.packets), (5, thresholds.bytes)] {
            if value != 0 {
                field(out, number, 8);
                out.u64(value);
            }
        }
    });
}

fn field(out: &mut Out, number: u8, len: u8) {
    out.u16(CLASS);
    out.u8(number << 1);
    out.u8(len);
}

/// Writes counters, age and idle time of a flow.
pub(super) fn put_oxs(out: &mut Out, oxs: &Oxs) {
    with_exact_len(out, 2, |out| {
        out.u32(0);
        field(out, 0, 8);
        put_duration(out, oxs.counts.duration);
        if let Some(idle) = oxs.idle_age {
            field(out, 1, 8);
            out.u32(idle);
            out.u32(0);
        }
        put_numbers(out, &oxs.counts);
    });
}

/// Writes the sum over flows.
pub(super) fn put_aggregate(out: &mut Out, oxs: &Oxs) {
    with_exact_len(out, 2, |out| {
        out.u32(0);
        field(out, 3, 4);
        out.u32(oxs.flows);
        put_numbers(out, &oxs.counts);
    });
}

fn put_numbers(out: &mut Out, counts: &Counts) {
    for (number, value) in [(4, counts.packets), (5, counts.bytes)] {
        if value != crate::msg::stats::UNKNOWN {
            field(out, number, 8);
            out.u64(value);
        }
    }
}
