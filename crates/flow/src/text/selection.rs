//! How a select group chooses: `selection_method=hash,selection_method_param=7,fields(eth_dst,ip_dst=255.255.0.0)`
//!
//! Source: ovs-ofctl(8), "Group Syntax"; Netronome's group property.

use std::fmt;

use super::error::FlowTextError;
use super::matches::field_names;
use super::piece::{Item, Items, Piece};
use super::port::no_names;
use super::value::{self, hex};
use crate::FieldId;

/// How a select group chooses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SelectionText {
    /// By what.
    pub method: Option<SelectionMethod>,
    /// For the method.
    pub param: u64,
    /// The fields that are hashed, and which of their bits.
    pub fields: Vec<(FieldId, u128)>,
}

/// By what a select group chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SelectionMethod {
    /// The hash of the datapath.
    DpHash,
    /// A hash over the fields.
    Hash,
}

impl SelectionMethod {
    /// Its name, as it is on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DpHash => "dp_hash",
            Self::Hash => "hash",
        }
    }
}

/// The words of it.
pub(super) const NAMES: [&str; 3] = ["selection_method", "selection_method_param", "fields"];

/// Takes an item, if it is one of it.
pub(super) fn option(selection: &mut SelectionText, item: Item<'_>) -> Result<bool, FlowTextError> {
    match (item.key.text, item.value) {
        ("selection_method", Some(value)) => {
            selection.method = Some(match value.text {
                "dp_hash" => SelectionMethod::DpHash,
                "hash" => SelectionMethod::Hash,
                other => {
                    return Err(FlowTextError::new(value, format!("'{other}' is not a way to select"))
                        .hint("one of dp_hash, hash"));
                }
            });
        }
        ("selection_method_param", Some(value)) => selection.param = value::small(value)?,
        ("fields", Some(value)) => {
            let list = Items::new(value.in_parentheses().unwrap_or(value));
            selection.fields = list.map(hashed).collect::<Result<_, _>>()?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// `eth_dst`, `ip_dst=255.255.0.0`
fn hashed(item: Item<'_>) -> Result<(FieldId, u128), FlowTextError> {
    let id = FieldId::named(item.key.text).ok_or_else(|| {
        FlowTextError::new(item.key, format!("Unknown field '{}'", item.key.text))
            .did_you_mean(item.key.text, field_names())
    })?;
    let field = id.field();
    let mask = match item.value {
        None => field.max(),
        Some(value) => bits(value, id)?,
    };
    if mask == 0 || (mask != field.max() && !field.maskable) {
        return Err(FlowTextError::new(item.whole, format!("{} is hashed as a whole", field.name)));
    }
    Ok((id, mask))
}

fn bits(text: Piece<'_>, id: FieldId) -> Result<u128, FlowTextError> {
    if text.text.starts_with("0x") {
        return value::number(text, id.field().max());
    }
    value::plain(id.field(), text, &no_names)
}

impl fmt::Display for SelectionText {
    /// With a comma before each item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = self.method {
            write!(f, ",selection_method={}", method.as_str())?;
        }
        if self.param != 0 {
            write!(f, ",selection_method_param={}", self.param)?;
        }
        if self.fields.is_empty() {
            return Ok(());
        }
        f.write_str(",fields(")?;
        for (i, (id, mask)) in self.fields.iter().enumerate() {
            let field = id.field();
            write!(f, "{}{}", if i == 0 { "" } else { "," }, field.name)?;
            if *mask != field.max() {
                write!(f, "={}", hex(*mask))?;
            }
        }
        f.write_str(")")
    }
}
