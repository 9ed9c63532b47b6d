//! Fields on the wire: the headers of OXM and NXM, values and masks.
//!
//! ```text
//! class:16 field:7 has-mask:1 length:8 [experimenter:32 if class is 0xffff] value [mask]
//! ```
//!
//! The length counts what follows it. Both kinds of header are understood in every version.
//!
//! Source: OpenFlow 1.5.1 §7.2.3.2; ovs-fields(7), "Evolution of OpenFlow Fields".

use netloom_flow::field::Oxm;
use netloom_flow::{FieldId, FlowMatch, OfPort, Prerequisite, Subfield};

use super::port;
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;

/// The cookie as a field: only in flow mods and requests for statistics of NXM. It shares its number with
/// `mpls_ttl`; the length tells them apart.
const COOKIE: (u16, u8) = (0x0001, 30);

/// A header that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    class: u16,
    number: u8,
    experimenter: u32,
    has_mask: bool,
    /// Of value and mask together.
    len: usize,
}

impl Header {
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self> {
        let (class, [field, len]) = (r.u16()?, r.array()?);
        let (mut len, mut experimenter) = (usize::from(len), 0);
        if class == Oxm::EXPERIMENTER {
            experimenter = r.u32()?;
            len = len.checked_sub(4).ok_or(r.short())?;
        }
        Ok(Self { class, number: field >> 1, experimenter, has_mask: field & 1 == 1, len })
    }

    /// The field it is of, if there is one.
    pub(crate) fn field(self) -> Option<FieldId> {
        if self.is_cookie() {
            return None;
        }
        by_header(self.class, self.number, self.experimenter)
    }

    fn is_cookie(self) -> bool {
        (self.class, self.number) == COOKIE && self.len == if self.has_mask { 16 } else { 8 }
    }

    /// The length of the value, if it is one that the field can have.
    fn value_len(self, field: FieldId) -> Option<usize> {
        let len = if self.has_mask { self.len / 2 } else { self.len };
        let whole = !self.has_mask || self.len.is_multiple_of(2);
        let right =
            if is_option(field) { (1..=124).contains(&len) } else { len == field.field().wire_bytes() };
        (whole && right).then_some(len)
    }
}

/// Finds the field of a header.
fn by_header(class: u16, number: u8, experimenter: u32) -> Option<FieldId> {
    match class {
        Oxm::EXPERIMENTER => FieldId::by_experimenter(experimenter, number),
        _ => FieldId::by_header(class, number),
    }
}

/// Whether a field stands for a tunnel option, whose length is what the TLV map says.
const fn is_option(id: FieldId) -> bool {
    matches!(
        id,
        FieldId::TunMetadata0
            | FieldId::TunMetadata1
            | FieldId::TunMetadata2
            | FieldId::TunMetadata3
            | FieldId::TunMetadata4
            | FieldId::TunMetadata5
            | FieldId::TunMetadata6
            | FieldId::TunMetadata7
    )
}

/// How many bytes a value gets, of which the bits `used` count. Tunnel options of which nobody uses more have 4.
fn len_for(id: FieldId, used: u128) -> usize {
    if is_option(id) && used <= u128::from(u32::MAX) { 4 } else { id.field().wire_bytes() }
}

/// Which of its headers a field gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// That of NXM, if there is one.
    Nxm,
    /// That of OXM, if there is one.
    Oxm,
}

/// The header a field gets.
fn header_of(id: FieldId, style: Style) -> Option<Oxm> {
    let field = id.field();
    match style {
        Style::Nxm => field.nxm.or(field.oxm).or(field.experimenter),
        Style::Oxm => field.oxm.or(field.nxm).or(field.experimenter),
    }
}

/// Whether a field has any header.
pub(crate) fn has_header(id: FieldId) -> bool {
    header_of(id, Style::Oxm).is_some()
}

/// Writes a field's header, for values of `len` bytes.
fn put_header(out: &mut Out, id: FieldId, style: Style, has_mask: bool, len: usize) {
    let Some(header) = header_of(id, style) else { return };
    let named = header.class == Oxm::EXPERIMENTER;
    let len = len * if has_mask { 2 } else { 1 } + if named { 4 } else { 0 };
    out.u16(header.class);
    out.u8(header.number << 1 | u8::from(has_mask));
    out.u8(u8::try_from(len).unwrap_or(u8::MAX));
    if named {
        out.u32(header.experimenter);
    }
}

/// Writes a field's header as actions refer to it: with the length of its values.
pub(crate) fn put_field(out: &mut Out, part: Subfield, style: Style) {
    put_header(out, part.field, style, false, len_for(part.field, part.mask()));
}

/// Writes a field's header as tables of features list it.
pub(crate) fn put_listed(out: &mut Out, id: FieldId, has_mask: bool) {
    put_header(out, id, Style::Oxm, has_mask, id.field().wire_bytes());
}

/// Reads the header of a field as actions refer to it.
pub(crate) fn read_field(r: &mut Reader<'_>) -> Result<FieldId> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BacBadSetType)?;
    // A field may be named by length 0, too.
    if header.has_mask || header.len != 0 && header.value_len(id).is_none() {
        return Err(OfError::BacBadSetType);
    }
    Ok(id)
}

/// Reads a header as tables of features list them: the field, and whether a mask goes along. Unknown fields and
/// those of experimenters are `None`.
pub(crate) fn read_listed(r: &mut Reader<'_>) -> Result<Option<(FieldId, bool)>> {
    let header = Header::read(r)?;
    Ok(header.field().map(|id| (id, header.has_mask)))
}

/// Writes a value, or value and mask unless all bits are meant.
pub(crate) fn put_value(out: &mut Out, id: FieldId, style: Style, value: u128, mask: u128) {
    let len = len_for(id, mask);
    let full = mask == id.field().max() || is_option(id) && mask == ones(len);
    put_header(out, id, style, !full, len);
    let value = if id == FieldId::InPort { u128::from(to_16(value)) } else { value };
    out.number(value, len);
    if !full {
        out.number(mask, len);
    }
}

/// `n` bytes of ones.
const fn ones(n: usize) -> u128 {
    if n >= 16 { u128::MAX } else { (1 << (8 * n)) - 1 }
}

fn to_16(port: u128) -> u16 {
    port::to_16(OfPort(u32::try_from(port).unwrap_or(u32::MAX)))
}

/// A field with its value, as actions set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) field: FieldId,
    pub(crate) value: u128,
    pub(crate) mask: u128,
}

/// Reads a field with the value, and the mask, that an action sets.
pub(crate) fn read_assignment(r: &mut Reader<'_>) -> Result<Assignment> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BacBadSetType)?;
    let len = header.value_len(id).ok_or(OfError::BacBadSetLen)?;
    let max = id.field().max();
    let value = read_number(r, len, OfError::BacBadSetArgument)?;
    let mask = match header.has_mask {
        true => read_number(r, len, OfError::BacBadSetMask)?,
        false => ones(len) & max,
    };
    if value & !max != 0 {
        return Err(OfError::BacBadSetArgument);
    }
    if value & !mask != 0 || mask & !max != 0 {
        return Err(OfError::BacBadSetMask);
    }
    Ok(Assignment { field: id, value, mask })
}

/// Reads a field and which of its bits are hashed: as a value that stands for the mask.
pub(crate) fn read_selected(r: &mut Reader<'_>) -> Result<(FieldId, u128)> {
    let header = Header::read(r)?;
    let id = header.field().ok_or(OfError::BmcBadField)?;
    let len = header.value_len(id).ok_or(OfError::BmcBadLen)?;
    if header.has_mask {
        return Err(OfError::BmcBadMask);
    }
    let mask = read_number(r, len, OfError::BmcBadMask)?;
    if mask == 0 || mask & !ones(len) != 0 {
        return Err(OfError::BmcBadMask);
    }
    Ok((id, mask & id.field().max()))
}

/// The opposite.
pub(crate) fn put_selected(out: &mut Out, id: FieldId, mask: u128) {
    let len = len_for(id, mask);
    put_header(out, id, Style::Oxm, false, len);
    // All bits of a field are all bits of its bytes.
    out.number(if mask == id.field().max() { ones(len) } else { mask }, len);
}

/// A value of `len` bytes. Of a longer one than 16 bytes, only the last may be other than 0.
fn read_number(r: &mut Reader<'_>, len: usize, error: OfError) -> Result<u128> {
    r.zeros(len.saturating_sub(16), error)?;
    r.number(len.min(16))
}

/// What a match was found to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    let (field, all) = (id.field(), ones(len));
    let value = read_number(body, len, OfError::BmcBadValue)?;
    let mask = if header.has_mask { read_number(body, len, OfError::BmcBadMask)? } else { all };
    if value & !mask != 0 {
        return Err(OfError::BmcBadWildcards);
    }
    if mask != all && mask != 0 && !field.maskable {
        return Err(OfError::BmcBadMask);
    }
    if value & !possible(id) != 0 {
        return Err(OfError::BmcBadValue);
    }
    // A switch that tells metadata leaves out what the packet itself says.
    if unknown == Unknown::Refuse && !field.prerequisite.met_by(matches) {
        return Err(OfError::BmcBadPrereq);
    }
    if matches.field(id).1 & (mask & field.max()) != 0 && !implied_only(matches, id) {
        return Err(OfError::BmcDupField);
    }
    matches.set_masked(id, value, mask & field.max());
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

/// Writes the fields of a match, each bit once, prerequisites first. What has no header is left out.
pub(crate) fn put_fields(out: &mut Out, matches: &FlowMatch, style: Style) {
    let mut left = *matches;
    for depth in 0..=DEPTH_MAX {
        for id in FieldId::ALL.iter().filter(|id| depth_of(id.field().prerequisite) == depth) {
            if sayable(&left, matches, *id, style) {
                let (value, mask) = left.field(*id);
                put_value(out, *id, style, value, mask);
                left.clear(*id);
            }
        }
    }
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
    let mask = left.field(id).1;
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
    super::writer::with_exact_len(out, 2, |out| {
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
