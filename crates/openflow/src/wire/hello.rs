//! `OFPT_HELLO`: elements, of which the first kind is a bitmap of versions.
//!
//! ```text
//! type:16 length:16 ..., padding to 8     type 1: bitmaps of 32 bits, the lowest versions first
//! ```
//!
//! Source: OpenFlow 1.3.1 §A.5.1. Unknown elements are skipped, and what is behind a broken one.

use super::reader::Reader;
use super::writer::{Out, Put, with_exact_len};
use crate::msg::Hello;
use crate::{OfError, Versions};

pub(super) fn read(r: &mut Reader<'_>) -> Hello {
    let mut hello = Hello { versions: None };
    let mut r = Reader::new(r.take_rest(), OfError::BrcBadLen);
    while let (Ok(kind), Ok(len)) = (r.u16(), r.u16()) {
        let Some(len) = usize::from(len).checked_sub(4) else { break };
        let Ok(mut body) = r.part(len) else { break };
        if let (1, Ok(bits)) = (kind, body.u32()) {
            hello.versions = Some(Versions(bits));
        }
        if r.skip((len + 4).next_multiple_of(8) - (len + 4)).is_err() {
            break;
        }
    }
    hello
}

pub(super) fn put(out: &mut Out, hello: &Hello) {
    if let Some(Versions(bits)) = hello.versions {
        with_exact_len(out, 2, |out| {
            out.u16(1);
            out.u16(0);
            out.u32(bits);
        });
    }
}
