//! The fields of a match: each at most once, behind what it needs.

use std::sync::OnceLock;

use netloom_flow::{FLOW_WORDS, FieldId, FlowMatch, Prerequisite, word};

use super::super::port;
use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_exact_len};
use super::header::{COOKIE, Header, Style, all_of, has_header, is_port, put_value, read_number};
use crate::OfError;
use crate::error::Result;

/// What a match was found to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fields {
    pub(crate) matches: FlowMatch,
    /// Cookie and mask.
    pub(crate) cookie: Option<(u64, u64)>,
}

/// What to make of fields that are not expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// An error: in flow mods.
    Refuse,
    /// Left out: in what a switch tells.
    Ignore,
}

/// Reads fields until the end.
///
/// # Errors
/// `BmcBadField` for an unknown field; `BmcBadLen` for a wrong length; `BmcBadMask` for a mask that the field
/// cannot have; `BmcBadWildcards` for bits outside the mask; `BmcBadValue`; `BmcBadPrereq` where a field that must
/// come before is missing; `BmcDupField`.
pub(crate) fn read_fields(r: &mut Reader<'_>, unknown: Unknown) -> Result<Fields> {
    let mut r = r.part(r.len())?.or(OfError::BmcBadLen);
    let mut fields = Fields::default();
    while !r.is_empty() {
        let header = Header::read(&mut r)?;
        let mut body = r.part(header.len)?;
        if header.is_cookie() {
            let value = body.u64()?;
            let mask = if header.has_mask { body.u64()? } else { u64::MAX };
            if fields.cookie.replace((value, mask)).is_some() {
                return Err(OfError::BmcDupField);
            }
            continue;
        }
        match header.field() {
            None if unknown == Unknown::Ignore => {}
            None => return Err(OfError::BmcBadField),
            Some(id) => read_into(&mut fields.matches, header, id, &mut body, unknown)?,
        }
    }
    Ok(fields)
}

fn read_into(
    matches: &mut FlowMatch,
    header: Header,
    id: FieldId,
    body: &mut Reader<'_>,
    unknown: Unknown,
) -> Result<()> {
    let len = header.value_len(id).ok_or(OfError::BmcBadLen)?;
    let (field, all) = (id.field(), all_of(id, len));
    let value = read_number(body, len, OfError::BmcBadValue)?;
    let mask = if header.has_mask { read_number(body, len, OfError::BmcBadMask)? } else { all };
    if value & !mask != 0 {
        return Err(OfError::BmcBadWildcards);
    }
    if mask != all && mask != 0 && !field.maskable {
        return Err(OfError::BmcBadMask);
    }
    if value & !possible(id) != 0 || mask != 0 && !is_port(id, value) {
        return Err(OfError::BmcBadValue);
    }
    // A switch that tells metadata leaves out what the packet itself says.
    if unknown == Unknown::Refuse && !field.prerequisite.met_by(matches) {
        return Err(OfError::BmcBadPrereq);
    }
    if matches.field(id).1 & (mask & field.max()) != 0 && !implied_only(matches, id) {
        return Err(OfError::BmcDupField);
    }
    let mask = mask & field.max();
    match id {
        // The reserved ports move up, as everywhere else.
        FieldId::InPort if mask != 0 => {
            let port = port::from_16(u16::try_from(value).unwrap_or(u16::MAX));
            matches.set(FieldId::InPortOxm, port.0.into());
        }
        _ => matches.set_masked(id, value, mask),
    }
    Ok(())
}

/// The bits a value may have.
fn possible(id: FieldId) -> u128 {
    match id {
        FieldId::InPort => 0xffff,
        _ => id.field().max(),
    }
}

/// Whether what `matches` says of a field is only what another field implied: the bit that a VLAN header is there.
fn implied_only(matches: &FlowMatch, id: FieldId) -> bool {
    matches!(id, FieldId::VlanVid | FieldId::VlanTci) && matches.field(FieldId::VlanTci).1 == 0x1000
}

/// All of the ingress port, in its word.
const PORT: u64 = 0xffff_ffff << 32;

/// Writes the fields of a match, each bit once, prerequisites first. What has no header is left out.
pub(crate) fn put_fields(out: &mut Out, matches: &FlowMatch, style: Style) {
    // The port, and nothing else: what most packets for controllers say.
    let is_port = matches.present() == 1 << word::IN_PORT && matches.word(word::IN_PORT).1 == PORT;
    if is_port && style == Style::Oxm {
        let (value, mask) = said(matches, FieldId::InPortOxm);
        return put_value(out, FieldId::InPortOxm, style, value, mask);
    }
    let mut left = matches.clone();
    // Most matches say something of a few words only, and a field has two at most: it may begin one before.
    let words = matches.present() | matches.present() >> 1;
    let mut fields: Vec<FieldId> = Vec::with_capacity(16);
    let present = (0_usize..).zip(fields_by_word()).filter(|(word, _)| words >> word & 1 == 1);
    present.for_each(|(_, at)| fields.extend_from_slice(at));
    fields.extend(matches.options().filter_map(|(number, ..)| FieldId::of_option(number)));
    fields.sort_unstable();
    for depth in 0..=DEPTH_MAX {
        for id in fields.iter().filter(|id| depth_of(id.field().prerequisite) == depth) {
            if sayable(&left, matches, *id, style) {
                let (value, mask) = said(&left, *id);
                put_value(out, *id, style, value, mask);
                left.clear(*id);
            }
        }
    }
}

/// The fields that begin in each word.
fn fields_by_word() -> &'static [Vec<FieldId>] {
    static TABLE: OnceLock<Vec<Vec<FieldId>>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let of =
            |word: usize| FieldId::ALL.iter().copied().filter(move |id| usize::from(id.field().word) == word);
        (0..FLOW_WORDS).map(|word| of(word).collect()).collect()
    })
}

/// What a match says of a field's own bits, without those of a field beside it in the same byte.
fn said(matches: &FlowMatch, id: FieldId) -> (u128, u128) {
    let ((value, mask), own) = (matches.field(id), id.field().max());
    (value & own, mask & own)
}

/// The value of a field, if all of its own bits are demanded and every packet that matches has it.
pub(crate) fn exact(matches: &FlowMatch, id: FieldId) -> Option<u128> {
    let (value, mask) = said(matches, id);
    (mask == id.field().max() && id.field().prerequisite.met_by(matches)).then_some(value)
}

/// The depth of the deepest prerequisite.
const DEPTH_MAX: u8 = 3;

/// How many other fields must come before: those of a packet type, then those of a protocol, then of a message.
fn depth_of(prerequisite: Prerequisite) -> u8 {
    if !prerequisite.icmp_types().is_empty() {
        3
    } else if !prerequisite.ip_protos().is_empty() {
        2
    } else {
        u8::from(prerequisite != Prerequisite::None)
    }
}

/// Whether what is `left` of a match says something of a field, and a header of this style can say it.
fn sayable(left: &FlowMatch, matches: &FlowMatch, id: FieldId, style: Style) -> bool {
    let field = id.field();
    let mask = said(left, id).1;
    mask != 0
        && (mask == field.max() || field.maskable)
        && !is_other_style(id, style)
        && has_header(id)
        && field.prerequisite.met_by(matches)
        && implied_holds(matches, id)
}

/// Whether the bits that a field implies are demanded.
fn implied_holds(matches: &FlowMatch, id: FieldId) -> bool {
    id.field().implied.iter().all(|(word, bits)| {
        let (key, mask) = matches.word((*word).into());
        key & bits == *bits && mask & bits == *bits
    })
}

/// Whether a field is the other style's way to say what a field of this style says.
fn is_other_style(id: FieldId, style: Style) -> bool {
    match style {
        Style::Nxm => {
            matches!(id, FieldId::InPortOxm | FieldId::VlanVid | FieldId::VlanPcp | FieldId::IpDscp)
        }
        Style::Oxm => matches!(id, FieldId::InPort | FieldId::VlanTci | FieldId::NwTos),
    }
}

/// Reads a match in the form of OXM, and its padding.
///
/// ```text
/// type:16 = 1, length:16 (with these 4 bytes, without padding), fields, padding to 8
/// ```
pub(crate) fn read_match(r: &mut Reader<'_>, unknown: Unknown) -> Result<FlowMatch> {
    let (kind, len) = (r.u16()?, r.u16()?);
    if kind != 1 {
        return Err(OfError::BmcBadType);
    }
    read_match_body(r, len, unknown)
}

/// Likewise, after type and length.
pub(crate) fn read_match_body(r: &mut Reader<'_>, len: u16, unknown: Unknown) -> Result<FlowMatch> {
    let mut r8 = r.clone().or(OfError::BmcBadLen);
    let len = usize::from(len).checked_sub(4).ok_or(OfError::BmcBadLen)?;
    let mut body = r8.part(len)?;
    r8.skip((len + 4).next_multiple_of(8) - (len + 4))?;
    let fields = read_fields(&mut body, unknown)?;
    if fields.cookie.is_some() {
        return Err(OfError::BmcBadField);
    }
    *r = r8.or(r.short());
    Ok(fields.matches)
}

/// Writes a match in the form of OXM, and its padding.
pub(crate) fn put_match(out: &mut Out, matches: &FlowMatch) {
    with_exact_len(out, 2, |out| {
        out.u16(1);
        out.u16(0);
        put_fields(out, matches, Style::Oxm);
    });
}

/// Writes the fields of NXM, and the cookie if it counts; returns their length. The padding is not counted.
pub(crate) fn put_nxm(out: &mut Out, matches: &FlowMatch, cookie: u64, cookie_mask: u64) -> usize {
    let start = out.len();
    put_fields(out, matches, Style::Nxm);
    if cookie_mask != 0 {
        let full = cookie_mask == u64::MAX;
        out.u16(COOKIE.0);
        out.u8(COOKIE.1 << 1 | u8::from(!full));
        out.u8(if full { 8 } else { 16 });
        out.u64(cookie & cookie_mask);
        if !full {
            out.u64(cookie_mask);
        }
    }
    let len = out.len() - start;
    out.pad(start, 8);
    len
}

/// Whether fields can say all of a match.
pub(crate) fn can_say(matches: &FlowMatch) -> bool {
    let mut bytes = Out::new();
    put_match(&mut bytes, matches);
    let mut r = Reader::new(&bytes, OfError::BmcBadLen);
    read_match(&mut r, Unknown::Refuse).is_ok_and(|read| read == *matches)
}
