//! `OFPT_MULTIPART_*`, which were `OFPT_STATS_*` up to 1.2.
//!
//! ```text
//! 1.0  type:16 flags:16 body
//! 1.1  type:16 flags:16 zero:32 body
//! ```
//!
//! An experimenter's (type 0xffff): `experimenter:32 subtype:32 body`; that of Nicira in 1.0 with 4 bytes of zeros
//! before its body.

mod flow;
mod group;
mod ipfix;
mod monitor;
mod port;
mod reply;
mod request;
mod table;
mod table_features;

use super::reader::Reader;
use super::writer::{Out, Put};
use super::{EncodeError, oxm};
use crate::error::{NICIRA, ONF, Result};
use crate::frame::HEADER_LEN;
use crate::{OfError, Version};

pub(super) use reply::{put as put_reply, read as read_reply};
pub(super) use request::{put as put_request, read as read_request};

/// What a multipart message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A type of the standard.
    Standard(u16),
    /// A type of an experimenter.
    Experimenter(u32, u32),
}

/// The type of experimenters.
const EXPERIMENTER: u16 = 0xffff;

/// Bytes between the header and the body.
pub(crate) fn prefix_len(version: Version, body: &[u8]) -> usize {
    let base = if version == Version::V10 { 4 } else { 8 };
    let kind = netloom_packet::bytes::be16(body, 0);
    if kind != Some(EXPERIMENTER) {
        return base;
    }
    let id = netloom_packet::bytes::be32(body, base);
    base + if version == Version::V10 && id == Some(NICIRA) { 12 } else { 8 }
}

/// Reads type and flags, and what experimenters add.
fn read_kind(version: Version, r: &mut Reader<'_>) -> Result<Kind> {
    let (kind, _flags) = (r.u16()?, r.u16()?);
    r.skip(if version == Version::V10 { 0 } else { 4 })?;
    if kind != EXPERIMENTER {
        return Ok(Kind::Standard(kind));
    }
    let id = r.u32()?;
    if id != NICIRA && id != ONF {
        // What others put there is theirs; the first 32 bits are their type in 1.3.
        return Ok(Kind::Experimenter(id, if r.len() >= 4 { r.u32()? } else { 0 }));
    }
    let subtype = r.u32()?;
    r.skip(if version == Version::V10 { 4 } else { 0 })?;
    Ok(Kind::Experimenter(id, subtype))
}

fn put_kind(version: Version, out: &mut Out, kind: Kind) {
    let number = match kind {
        Kind::Standard(number) => number,
        Kind::Experimenter(..) => EXPERIMENTER,
    };
    out.u16(number);
    out.u16(0);
    out.zeros(if version == Version::V10 { 0 } else { 4 });
    if let Kind::Experimenter(id, subtype) = kind {
        out.u32(id);
        out.u32(subtype);
        out.zeros(if version == Version::V10 && id == NICIRA { 4 } else { 0 });
    }
}

/// Reads elements until the end.
fn read_all<T>(r: &mut Reader<'_>, read: impl Fn(&mut Reader<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    while !r.is_empty() {
        all.push(read(r)?);
    }
    Ok(all)
}

/// A reply in the making: frames that are opened and closed as elements come.
pub(crate) struct Parts<'a> {
    out: &'a mut Out,
    version: Version,
    xid: crate::Xid,
    type_number: u8,
    kind: Kind,
    /// Where the present frame begins.
    start: usize,
    /// Where its first element begins.
    body: usize,
}

/// How long a frame becomes at most: below 64 KiB, as lengths have 16 bits.
const MAX_LEN: usize = 0xffff;
/// The flag that says that more comes.
const MORE: u16 = 1;

impl<'a> Parts<'a> {
    pub(crate) fn begin(
        out: &'a mut Out,
        version: Version,
        xid: crate::Xid,
        type_number: u8,
        kind: Kind,
    ) -> Self {
        let mut parts = Self { out, version, xid, type_number, kind, start: 0, body: 0 };
        parts.open();
        parts
    }

    fn open(&mut self) {
        self.start = self.out.len();
        let header = crate::frame::Header {
            version: self.version.wire(),
            kind: self.type_number,
            len: 0,
            xid: self.xid,
        };
        self.out.extend_from_slice(&header.emit());
        put_kind(self.version, self.out, self.kind);
        self.body = self.out.len();
    }

    fn close(&mut self, more: bool) {
        let len = self.out.len() - self.start;
        self.out.patch16(self.start + 2, len);
        if more {
            self.out.patch16(self.start + HEADER_LEN + 2, MORE.into());
        }
    }

    /// Writes one element, in the next frame if this one would become too long. An element that fits into no frame
    /// is left out.
    pub(crate) fn element(&mut self, put: impl FnOnce(&mut Out)) {
        let mark = self.out.len();
        put(self.out);
        if self.out.len() - self.start <= MAX_LEN {
            return;
        }
        let element = self.out.split_off(mark);
        let prefix = self.body - self.start;
        if element.len() + prefix > MAX_LEN {
            return;
        }
        self.close(true);
        self.open();
        self.out.extend_from_slice(&element);
    }

    pub(crate) fn end(mut self) {
        self.close(false);
    }
}

/// The error for a type that a version does not have.
fn unknown(kind: Kind) -> OfError {
    match kind {
        Kind::Standard(_) => OfError::BrcBadStat,
        Kind::Experimenter(id, _) if id == NICIRA || id == ONF => OfError::BrcBadSubtype,
        Kind::Experimenter(..) => OfError::BrcBadVendor,
    }
}
