//! Messages: questions as they come in, answers as they go out.
//!
//! ```text
//! 0    2       4         6         8         10        12
//! | id | flags | QDCOUNT | ANCOUNT | NSCOUNT | ARCOUNT | question | records
//! ```
//!
//! Source: RFC 1035 section 4; RFC 6891 section 6.

use netloom_packet::bytes::be16;

use super::name::{Name, skip};

/// Kinds of records.
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

/// Response codes; the last is of EDNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    BadVers = 16,
}

/// The Internet, and every class.
pub(super) const IN: u16 = 1;
pub(super) const ANY_CLASS: u16 = 255;

const HEADER: usize = 12;
const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const CD: u16 = 0x0010;
/// Without EDNS nobody takes more.
const SMALL: usize = 512;
/// More than this may be cut to fragments on the way (DNS flag day 2020).
pub(super) const LARGE: usize = 1_232;
/// Most records behind a question: EDNS, perhaps a signature.
const MAX_RECORDS: u16 = 4;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// As it came, type and class included: upper and lower case go back alike.
    raw: Vec<u8>,
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// A message with a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    flags: u16,
    pub(super) question: Question,
    /// Version of EDNS, if it is used.
    pub(super) edns: Option<u8>,
    /// Bytes of an answer that the client takes, at most [`LARGE`].
    pub(super) room: usize,
}

/// Why there is no question to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bad {
    /// Not even a header, or itself an answer: no word goes back, or two servers might talk for ever.
    Silent,
    /// Something else; what goes back.
    Answer(Vec<u8>),
}

impl Question {
    /// Reads the question behind the header.
    fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let (name, len) = Name::read(bytes.get(HEADER..)?)?;
        let at = HEADER + len;
        let (kind, class) = (be16(bytes, at)?, be16(bytes, at + 2)?);
        Some((Self { raw: bytes.get(HEADER..at + 4)?.to_vec(), name, kind, class }, at + 4))
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.name, self.kind, self.class) == (&other.name, other.kind, other.class)
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What goes back instead of an answer, if anything.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Bad> {
        let (Some(id), Some(flags), true) = (be16(bytes, 0), be16(bytes, 2), bytes.len() >= HEADER) else {
            return Err(Bad::Silent);
        };
        if flags & QR != 0 {
            return Err(Bad::Silent);
        }
        if flags & OPCODE != 0 {
            return Err(Bad::Answer(bare(id, flags, Code::NotImp)));
        }
        let whole = (|| {
            let counts = [4, 6, 8].map(|at| be16(bytes, at));
            if counts != [Some(1), Some(0), Some(0)] {
                return None;
            }
            let (question, at) = Question::read(bytes)?;
            let edns = edns(bytes, at, be16(bytes, 10)?)?;
            Some((question, edns))
        })();
        let Some((question, edns)) = whole else {
            return Err(Bad::Answer(bare(id, flags, Code::FormErr)));
        };
        let room = edns.map_or(SMALL, |(size, _)| usize::from(size).clamp(SMALL, LARGE));
        Ok(Self { id, flags, question, edns: edns.map(|(_, version)| version), room })
    }

    /// The same question for another server: what the client said besides stays here.
    pub(super) fn onward(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + self.question.raw.len() + 11);
        out.extend([0, 0]);
        out.extend((RD | self.flags & CD).to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 0, 0, 1]);
        out.extend(&self.question.raw);
        opt(&mut out, Code::NoError);
        out
    }

    /// An answer. Records that find no room are left out, and it says so.
    pub(super) fn answer(&self, code: Code, records: &[Record], is_own: bool) -> Vec<u8> {
        let reserve = if self.edns.is_some() { OPT_LEN } else { 0 };
        let mut flags = QR | RA | self.flags & (RD | CD) | (code as u16 & 0xf);
        if is_own {
            flags |= AA;
        }
        let mut out = Vec::with_capacity(SMALL);
        out.extend(self.id.to_be_bytes());
        out.extend([0; 2]);
        out.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        out.extend(&self.question.raw);
        let mut count = 0u16;
        for record in records {
            if out.len() + record.len() + reserve > self.room {
                flags |= TC;
                break;
            }
            record.emit(&mut out);
            count += 1;
        }
        if self.edns.is_some() {
            opt(&mut out, code);
        }
        netloom_packet::bytes::put16(&mut out, 2, flags);
        netloom_packet::bytes::put16(&mut out, 6, count);
        out
    }

    /// Another server's answer to [`Self::onward`] as the client gets it; `None` if it is none, or to another question.
    pub(super) fn relay(&self, reply: &[u8]) -> Option<Vec<u8>> {
        let flags = be16(reply, 2)?;
        let (question, _) = Question::read(reply)?;
        if flags & QR == 0
            || flags & OPCODE != 0
            || be16(reply, 4) != Some(1)
            || !question.is_same(&self.question)
        {
            return None;
        }
        // Who does not know EDNS is not told of it: cut off, as it is hard to tell where in the records it stands.
        let is_foreign = self.edns.is_none() && be16(reply, 10) != Some(0);
        if reply.len() > self.room || is_foreign && !ends_with_opt(reply) {
            let mut out = self.answer(Code::NoError, &[], false);
            netloom_packet::bytes::put16(&mut out, 2, QR | RA | TC | self.flags & RD | flags & 0xf);
            return Some(out);
        }
        let mut out = reply.to_vec();
        if is_foreign {
            out.truncate(reply.len() - OPT_LEN);
            let left = be16(reply, 10).unwrap_or(1) - 1;
            netloom_packet::bytes::put16(&mut out, 10, left);
        }
        netloom_packet::bytes::put16(&mut out, 0, self.id);
        netloom_packet::bytes::put16(&mut out, 2, flags & !RD | self.flags & RD | RA);
        Some(out)
    }
}

/// A record about the name in question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: u16,
    pub(super) data: Vec<u8>,
}

/// How long what is said may be kept, in seconds: an edit of the lab may change it.
const TTL: u32 = 5;

impl Record {
    fn len(&self) -> usize {
        12 + self.data.len()
    }

    fn emit(&self, out: &mut Vec<u8>) {
        // The name is the one in question, which begins behind the header.
        out.extend([0xc0, 12]);
        out.extend(self.kind.to_be_bytes());
        out.extend(IN.to_be_bytes());
        out.extend(TTL.to_be_bytes());
        out.extend(u16::try_from(self.data.len()).unwrap_or(0).to_be_bytes());
        out.extend(&self.data);
    }
}

/// An answer to what is no question: nothing but a header.
fn bare(id: u16, flags: u16, code: Code) -> Vec<u8> {
    let mut out = vec![0; HEADER];
    netloom_packet::bytes::put16(&mut out, 0, id);
    netloom_packet::bytes::put16(&mut out, 2, QR | flags & (OPCODE | RD) | code as u16);
    out
}

/// Bytes of EDNS without options.
const OPT_LEN: usize = 11;

/// EDNS: we take so much, version 0, no options.
fn opt(out: &mut Vec<u8>, code: Code) {
    out.push(0);
    out.extend(kind::OPT.to_be_bytes());
    out.extend(u16::try_from(LARGE).unwrap_or(0).to_be_bytes());
    out.push(u8::try_from(code as u16 >> 4).unwrap_or(0));
    out.extend([0; 5]);
}

/// Whether the last record is EDNS without options.
fn ends_with_opt(reply: &[u8]) -> bool {
    let tail = reply.len().checked_sub(OPT_LEN).and_then(|at| reply.get(at..));
    tail.is_some_and(|tail| tail.starts_with(&[0, 0, 41]) && tail.ends_with(&[0, 0]))
}

/// Size and version of EDNS among `count` records at `at`. The outer `None`: they are malformed, or there are two.
#[expect(clippy::option_option, reason = "malformed is not the same as absent")]
fn edns(bytes: &[u8], mut at: usize, count: u16) -> Option<Option<(u16, u8)>> {
    if count > MAX_RECORDS {
        return None;
    }
    let mut found = None;
    for _ in 0..count {
        let is_root = bytes.get(at) == Some(&0);
        at = skip(bytes, at)?;
        let (code, size) = (be16(bytes, at)?, be16(bytes, at + 2)?);
        let version = *bytes.get(at + 5)?;
        at += 10 + usize::from(be16(bytes, at + 8)?);
        if at > bytes.len() {
            return None;
        }
        if code == kind::OPT && (!is_root || found.replace((size, version)).is_some()) {
            return None;
        }
    }
    Some(found)
}
