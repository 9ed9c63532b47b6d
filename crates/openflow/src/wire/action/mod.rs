//! Actions on the wire.
//!
//! ```text
//! type:16 length:16 ...                                        a multiple of 8 bytes
//! 0xffff:16 length:16 experimenter:32 subtype:16 ...
//! ```
//!
//! What one version says with an action of its own, another says with several, or with one of Nicira's. Reading
//! gives the same [`Action`]; writing takes what the version has.
//!
//! Source: OpenFlow 1.0.0 §5.2.4, 1.1.0 to 1.5.1 §A.2.5 and §7.2.6; ovs-actions(7).

mod ct;
mod field;
mod learn;
mod nicira;
mod nicira_emit;
mod property;
mod standard;
mod standard_emit;
mod subfield;

use netloom_flow::{Action, FieldId, FlowMatch};

use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::{NICIRA, ONF, Result};
use crate::{OfError, Version};

pub(crate) use property::{property, read_property};

/// The type of experimenters' actions.
const EXPERIMENTER: u16 = 0xffff;

/// How deep actions may lie in actions.
const MAX_DEPTH: u8 = 16;

/// Reads actions until the end.
///
/// # Errors
/// `BacBadLen` for a length that cannot be; `BacBadType`, `BacBadVendor`, `BacBadVendorType` for unknown ones; and
/// what each action has of its own.
pub(crate) fn read_list(version: Version, r: &mut Reader<'_>) -> Result<Vec<Action>> {
    read_nested(version, r, 0)
}

fn read_nested(version: Version, r: &mut Reader<'_>, depth: u8) -> Result<Vec<Action>> {
    if depth > MAX_DEPTH {
        return Err(OfError::BacTooMany);
    }
    let mut r = r.part(r.len())?.or(OfError::BacBadLen);
    // Most actions have 8 or 16 bytes.
    let mut list = Vec::with_capacity((r.len() / 16).min(8));
    while !r.is_empty() {
        let (kind, mut body) = read_header(&mut r)?;
        let action = if kind == EXPERIMENTER {
            read_experimenter(version, &mut body, depth)?
        } else {
            standard::read(version, kind, &mut body)?
        };
        list.push(action);
    }
    Ok(list)
}

/// Reads type and length, and cuts the body off.
fn read_header<'a>(r: &mut Reader<'a>) -> Result<(u16, Reader<'a>)> {
    let (kind, len) = (r.u16()?, usize::from(r.u16()?));
    if len < 8 || len % 8 != 0 {
        return Err(OfError::BacBadLen);
    }
    Ok((kind, r.part(len - 4)?))
}

fn read_experimenter(version: Version, body: &mut Reader<'_>, depth: u8) -> Result<Action> {
    let experimenter = body.u32()?;
    match experimenter {
        NICIRA => {
            let subtype = body.u16()?;
            nicira::read(version, subtype, body, depth)
        }
        ONF if body.u16()? == 3200 && (Version::V13..=Version::V14).contains(&version) => {
            body.skip(2)?;
            field::read_copy_field(body)
        }
        ONF => Err(OfError::BacBadVendorType),
        _ => Err(OfError::BacBadVendor),
    }
}

/// What must be known to write an action in another version's words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    pub(crate) version: Version,
    /// The protocol that the flow matches, for `mod_tp_src` where there is only `set_field:tcp_src`.
    ip_proto: u128,
    /// Whether the packet has a VLAN header at this point.
    has_vlan: bool,
}

impl Context {
    /// For the actions of a flow.
    pub(crate) fn of(version: Version, matches: &FlowMatch) -> Self {
        Self {
            version,
            ip_proto: matches.exact(FieldId::NwProto).unwrap_or(6),
            has_vlan: matches.word(netloom_flow::word::ETH_SRC).0 & 0x1000 != 0,
        }
    }

    /// For actions of a packet that nothing is known of.
    pub(crate) fn any(version: Version) -> Self {
        Self::of(version, &FlowMatch::any())
    }
}

/// Writes actions. What the version cannot say is left out.
pub(crate) fn put_list(out: &mut Out, context: Context, list: &[Action]) {
    let mut context = context;
    for action in list {
        put(out, &context, action);
        match action {
            Action::PushVlan { .. } | Action::SetVlanVid(_) | Action::SetVlanPcp(_) => {
                context.has_vlan = true
            }
            Action::PopVlan => context.has_vlan = false,
            _ => {}
        }
    }
}

fn put(out: &mut Out, context: &Context, action: &Action) {
    if !standard_emit::put(out, context, action) {
        nicira_emit::put(out, context, action);
    }
}

/// Writes a standard action: type, length, then what `body` writes, padded to 8 bytes.
fn standard(out: &mut Out, kind: u16, body: impl FnOnce(&mut Out)) {
    super::writer::with_len(out, 2, |out| {
        out.u16(kind);
        out.u16(0);
        body(out);
    });
}

/// Likewise an action of Nicira.
fn nicira_action(out: &mut Out, subtype: u16, body: impl FnOnce(&mut Out)) {
    standard(out, EXPERIMENTER, |out| {
        out.u32(NICIRA);
        out.u16(subtype);
        body(out);
    });
}
