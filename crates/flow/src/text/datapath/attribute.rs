//! One attribute: a name, and fields with their masks in parentheses.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What is put together, and whether fields that do not matter are shown, too.
#[derive(Debug)]
pub(super) struct Attribute {
    name: &'static str,
    fields: Vec<String>,
    is_whole: bool,
}

/// A field's value and mask, of `width` bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Masked {
    pub(super) value: u128,
    pub(super) mask: u128,
    pub(super) width: u32,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Decimal,
    Hexadecimal,
    Mac,
    V4,
    V6,
}

impl Masked {
    pub(super) const fn is_exact(self) -> bool {
        self.mask == u128::MAX >> (128 - self.width)
    }

    fn written(self, style: Style) -> String {
        let mut text = in_style(style, self.value);
        if !self.is_exact() {
            let style = if style == Style::Decimal { Style::Hexadecimal } else { style };
            // Writing to a string cannot fail.
            let _ = write!(text, "/{}", in_style(style, self.mask));
        }
        text
    }
}

impl Attribute {
    pub(super) const fn new(name: &'static str, is_whole: bool) -> Self {
        Self { name, fields: Vec::new(), is_whole }
    }

    /// A field, if it matters or all are wanted.
    pub(super) fn field(&mut self, name: &str, masked: Masked, style: Style) -> &mut Self {
        if masked.mask != 0 || self.is_whole {
            self.fields.push(format!("{name}={}", masked.written(style)));
        }
        self
    }

    /// A field that has a word for its value, if it matters.
    pub(super) fn word(&mut self, name: &str, masked: Masked, word: &str) -> &mut Self {
        if masked.mask != 0 || self.is_whole {
            self.fields.push(format!("{name}={word}"));
        }
        self
    }

    /// `name(fields)`; `None`: none of them matters.
    pub(super) fn text(&self) -> Option<String> {
        (!self.fields.is_empty()).then(|| format!("{}({})", self.name, self.fields.join(",")))
    }
}

/// An attribute that is a single value.
pub(super) fn single(name: &str, masked: Masked, style: Style) -> String {
    format!("{name}({})", masked.written(style))
}

/// Bits that have names: `new|trk` if all of them matter, else `+new-est`.
pub(super) fn flags(masked: Masked, names: &[(u128, &str)]) -> String {
    let known = names.iter().fold(0, |all, (bit, _)| all | bit);
    if masked.mask & known == known {
        let set: Vec<&str> =
            names.iter().filter(|(bit, _)| masked.value & bit != 0).map(|(_, name)| *name).collect();
        return if set.is_empty() { "0".to_owned() } else { set.join("|") };
    }
    let mut text = String::new();
    for (bit, name) in names.iter().filter(|(bit, _)| masked.mask & bit != 0) {
        text.push(if masked.value & bit == 0 { '-' } else { '+' });
        text += name;
    }
    text
}

fn in_style(style: Style, value: u128) -> String {
    match style {
        Style::Decimal => value.to_string(),
        Style::Hexadecimal if value == 0 => "0".to_owned(),
        Style::Hexadecimal => format!("{value:#x}"),
        Style::Mac => {
            let [.., a, b, c, d, e, f] = value.to_be_bytes();
            format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
        }
        Style::V4 => {
            let [.., a, b, c, d] = value.to_be_bytes();
            Ipv4Addr::new(a, b, c, d).to_string()
        }
        Style::V6 => Ipv6Addr::from(value).to_string(),
    }
}
