//! The keys of a node that give it a virtual function of a network card.

use super::keys;
use super::read::Reader;
use super::yaml::Node;
use crate::error::{Spanned, TextError};
use crate::lab::VfState;
use crate::mac::Mac;
use crate::quantity;

/// What of a virtual function was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VfSpec {
    pub(crate) pf: Option<Spanned<String>>,
    pub(crate) mac: Option<Spanned<Mac>>,
    pub(crate) vlan: Option<u16>,
    pub(crate) spoof_check: Option<bool>,
    pub(crate) trust: Option<bool>,
    pub(crate) rate: Option<Spanned<u32>>,
    pub(crate) min_rate: Option<Spanned<u32>>,
    pub(crate) state: Option<VfState>,
    pub(crate) fallback: Option<Spanned<String>>,
}

/// Reads `vf:`.
pub(super) fn read(reader: &mut Reader, node: &Node) -> Spanned<VfSpec> {
    let fields = reader.fields(node, keys::VF, "a virtual function");
    let pf = fields.take("pf").and_then(|node| reader.parse(node, device));
    if pf.is_none() && fields.take("pf").is_none() {
        let hint = "such as `vf: { pf: enp3s0f0 }`; `netloom vf ls` lists them";
        reader.error(node.span, "a virtual function needs its `pf`", Some(hint));
    }
    let mut rate = |name: &str| fields.take(name).and_then(|node| reader.parse(node, megabits));
    let (rate, min_rate) = (rate("rate"), rate("min-rate"));
    if let (Some(most), Some(least)) = (&rate, &min_rate)
        && most.value < least.value
    {
        reader.error(least.span, "more is guaranteed by `min-rate` than `rate` allows", None);
    }
    let spec = VfSpec {
        pf,
        mac: fields.take("mac").and_then(|node| reader.parse(node, str::parse::<Mac>)),
        vlan: fields.integer(reader, "vlan").and_then(|vlan| u16::try_from(vlan.value).ok()),
        spoof_check: fields.take("spoofchk").and_then(|node| reader.flag(node)),
        trust: fields.take("trust").and_then(|node| reader.flag(node)),
        rate,
        min_rate,
        state: fields.take("state").and_then(|node| match reader.choice(node, keys::VF_STATES)? {
            0 => Some(VfState::Auto),
            1 => Some(VfState::Enable),
            _ => Some(VfState::Disable),
        }),
        fallback: fields.take("fallback").and_then(|node| reader.string(node)),
    };
    Spanned::new(spec, node.span)
}

/// A network device or a PCI address: a word that is also a file's name.
fn device(text: &str) -> Result<String, TextError> {
    let fine =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-' | b'_' | b'@'));
    if fine && (1..=32).contains(&text.len()) && !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    Err(TextError::new(format!("`{text}` names no physical function"))
        .hint("its network device, such as enp3s0f0, or its PCI address, such as 0000:03:00.0"))
}

/// A rate in the unit of the kernel's interface, `struct ifla_vf_rate`.
fn megabits(text: &str) -> Result<u32, TextError> {
    let bits = quantity::rate(text)?;
    match u32::try_from(bits / 1_000_000) {
        Ok(mbit) if bits.is_multiple_of(1_000_000) && mbit > 0 => Ok(mbit),
        _ => Err(TextError::new(format!("`{text}` is not a whole number of Mbit"))
            .hint("cards count the rates of virtual functions so: 100Mbit, 5Gbit")),
    }
}
