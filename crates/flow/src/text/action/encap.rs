//! `encap(ethernet)`, `encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Item, Items, Piece};
use super::super::value;
use super::show::separated;
use super::simple::hex_bytes;
use crate::Action;
use crate::action::{Encap, NshTlv};

/// Longest value of a piece of metadata.
const MAX_TLV: usize = 124;

/// Reads what stands behind `encap`.
pub(super) fn parse(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let inner = text.in_parentheses().unwrap_or(text);
    let mut items = Items::new(inner);
    let encap = match (items.next(), items.next()) {
        (Some(Item { key, value: None, .. }), None) if key.text == "ethernet" => Encap::Ethernet,
        (Some(Item { key, value: None, .. }), None) if key.text == "mpls" => Encap::Mpls,
        (Some(Item { key, value: None, .. }), None) if key.text == "mpls_mc" => Encap::MplsMulticast,
        (Some(Item { key, value, .. }), None) if key.text == "nsh" => nsh(value)?,
        _ => {
            return Err(FlowTextError::new(inner, "'encap' takes the kind of a header")
                .hint("one of ethernet, nsh, mpls, mpls_mc"));
        }
    };
    Ok(Action::Encap(encap))
}

/// `(md_type=2,tlv(0x1000,10,0x12345678))`
fn nsh(text: Option<Piece<'_>>) -> Result<Encap, FlowTextError> {
    let (mut md_type, mut tlvs) = (None, Vec::new());
    for item in text.map(|text| Items::new(text.in_parentheses().unwrap_or(text))).into_iter().flatten() {
        match (item.key.text, item.value) {
            ("md_type", Some(value)) => match value::small(value)? {
                kind @ (1 | 2) => md_type = Some(kind),
                _ => return Err(FlowTextError::new(value, "Metadata of NSH is of type 1 or 2")),
            },
            ("tlv", Some(value)) => tlvs.push(tlv(value)?),
            _ => return Err(FlowTextError::new(item.whole, "'nsh' takes md_type and tlv")),
        }
    }
    Ok(Encap::Nsh { md_type, tlvs: tlvs.into() })
}

/// `(0x1000,10,0x12345678)`
fn tlv(text: Piece<'_>) -> Result<NshTlv, FlowTextError> {
    let parts: Vec<Piece<'_>> =
        Items::new(text.in_parentheses().unwrap_or(text)).map(|item| item.whole).collect();
    let [class, kind, bytes] = *parts else {
        return Err(FlowTextError::new(text, "'tlv' takes a class, a type and bytes")
            .hint("as in tlv(0x1000,10,0x12345678)"));
    };
    let digits = bytes.slice(bytes.text.len() - bytes.text.trim_start_matches("0x").len(), bytes.text.len());
    let value = hex_bytes(digits).filter(|value| value.len() <= MAX_TLV).ok_or_else(|| {
        FlowTextError::new(bytes, format!("This is not a list of at most {MAX_TLV} hexadecimal bytes"))
            .hint("as in 0x12345678")
    })?;
    Ok(NshTlv { class: value::small(class)?, kind: value::small(kind)?, value })
}

/// Reads what stands behind `decap`.
pub(super) fn parse_decap(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let inner = text.in_parentheses().unwrap_or(text);
    let mut packet_type = None;
    for item in Items::new(inner) {
        let ("packet_type", Some(value)) = (item.key.text, item.value) else {
            return Err(FlowTextError::new(item.whole, "'decap' takes a packet_type")
                .hint("as in decap(packet_type(ns=1,type=0x894f))"));
        };
        packet_type = Some(kind(value)?);
    }
    Ok(Action::Decap { packet_type })
}

/// `(ns=1,type=0x894f)`
fn kind(text: Piece<'_>) -> Result<u32, FlowTextError> {
    let (mut namespace, mut kind) = (None, None);
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        match (item.key.text, item.value) {
            ("ns", Some(value)) => namespace = Some(value::small::<u16>(value)?),
            ("type", Some(value)) => kind = Some(value::small::<u16>(value)?),
            _ => return Err(FlowTextError::new(item.whole, "'packet_type' takes ns and type")),
        }
    }
    match (namespace, kind) {
        (Some(namespace), Some(kind)) => Ok(u32::from(namespace) << 16 | u32::from(kind)),
        _ => Err(FlowTextError::new(text, "'packet_type' needs ns and type")),
    }
}

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (md_type, tlvs) = match self {
            Self::Ethernet => return f.write_str("encap(ethernet)"),
            Self::Mpls => return f.write_str("encap(mpls)"),
            Self::MplsMulticast => return f.write_str("encap(mpls_mc)"),
            Self::Nsh { md_type, tlvs } => (md_type, tlvs),
        };
        if md_type.is_none() && tlvs.is_empty() {
            return f.write_str("encap(nsh)");
        }
        let md_type = md_type.map(|kind| format!("md_type={kind}"));
        f.write_str("encap(nsh(")?;
        separated(f, md_type.into_iter().chain(tlvs.iter().map(ToString::to_string)))?;
        f.write_str("))")
    }
}

impl fmt::Display for NshTlv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tlv(0x{:04x},{},0x", self.class, self.kind)?;
        self.value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
