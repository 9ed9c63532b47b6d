//! Properties: parts that say their type and length.
//!
//! ```text
//! type:16 length:16 (with these 4 bytes, without padding) ..., padding to 8
//! ```
//!
//! Source: OpenFlow 1.4.0 §7.2; of Nicira's messages, `NXPINT_*` and `NXAC2PT_*`.

use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_exact_len};
use crate::OfError;
use crate::error::Result;

/// Reads type and body, and the padding.
///
/// # Errors
/// `BpcBadLen` for a length that cannot be.
pub(crate) fn read_property<'a>(r: &mut Reader<'a>) -> Result<(u16, Reader<'a>)> {
    let mut p = r.clone().or(OfError::BpcBadLen);
    let (kind, len) = (p.u16()?, usize::from(p.u16()?));
    let body = p.part(len.checked_sub(4).ok_or(OfError::BpcBadLen)?)?;
    p.skip(len.next_multiple_of(8) - len)?;
    *r = p.or(r.short());
    Ok((kind, body))
}

/// Writes a property.
pub(crate) fn property(out: &mut Out, kind: u16, body: impl FnOnce(&mut Out)) {
    with_exact_len(out, 2, |out| {
        out.u16(kind);
        out.u16(0);
        body(out);
    });
}
