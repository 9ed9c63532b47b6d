//! Values of fields: numbers, addresses, flags; with masks; read and printed.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_packet::Mac;

use super::error::FlowTextError;
use super::piece::Piece;
use super::port::{self, PortNames};
use crate::OfPort;
use crate::field::{Field, Format, ones};

/// Names of the bits of `ct_state`, from bit 0.
const CT_STATE: &[&str] = &["new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"];
/// Names of the bits of `tcp_flags`.
const TCP_FLAGS: &[&str] =
    &["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]"];
/// Names of the bits of `tun_flags`.
const TUN_FLAGS: &[&str] = &["oam"];

/// Names of fragment kinds: value and mask, and one more mask under which the name is read but not printed.
const FRAGS: &[(&str, u128, u128)] =
    &[("no", 0, 3), ("yes", 1, 1), ("first", 1, 3), ("later", 2, 2), ("not_later", 0, 2)];

/// Reads an unsigned number: decimal or hexadecimal, at most `max`.
pub(super) fn number(text: Piece<'_>, max: u128) -> Result<u128, FlowTextError> {
    let text = text.trim();
    let (digits, radix) = match text.text.strip_prefix("0x").or_else(|| text.text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (text.text, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        let what = if text.text.is_empty() {
            "A number is missing".into()
        } else {
            format!("'{}' is not a number", text.text)
        };
        return Err(FlowTextError::new(text, what));
    }
    if radix == 10 && digits.len() > 1 && digits.starts_with('0') {
        return Err(FlowTextError::new(text, format!("'{digits}' begins with 0"))
            .hint("write it without: Open vSwitch would read it as octal"));
    }
    match u128::from_str_radix(digits, radix) {
        Ok(value) if value <= max => Ok(value),
        _ => Err(FlowTextError::new(text, format!("{} is too large: at most {max}", text.text))),
    }
}

/// Reads a number that fits `T`.
pub(super) fn small<T: TryFrom<u128> + MaxValue>(text: Piece<'_>) -> Result<T, FlowTextError> {
    let value = number(text, T::MAX)?;
    T::try_from(value).map_err(|_| FlowTextError::new(text, format!("{value} is too large")))
}

/// The largest value of a type of number.
pub(super) trait MaxValue {
    const MAX: u128;
}

impl MaxValue for u8 {
    const MAX: u128 = Self::MAX as u128;
}

impl MaxValue for u16 {
    const MAX: u128 = Self::MAX as u128;
}

impl MaxValue for u32 {
    const MAX: u128 = Self::MAX as u128;
}

impl MaxValue for u64 {
    const MAX: u128 = Self::MAX as u128;
}

/// Reads value and mask of a field. Without a mask all bits count.
pub(super) fn masked(
    field: &Field,
    text: Piece<'_>,
    ports: PortNames<'_>,
) -> Result<(u128, u128), FlowTextError> {
    let text = text.trim();
    if let Some(named) = by_name(field, text)? {
        return Ok(named);
    }
    let Some((value, mask)) = text.split_once("/") else {
        return Ok((plain(field, text, ports)?, field.max()));
    };
    if !field.maskable {
        return Err(FlowTextError::new(mask, format!("{} takes no mask", field.name)));
    }
    let value_bits = plain(field, value, ports)?;
    let mask_bits = match field.format {
        Format::Ipv4 | Format::Ipv6 if !mask.text.contains(['.', ':']) => {
            let len = number(mask, u128::from(field.width))?;
            let len = u8::try_from(len).unwrap_or(u8::MAX);
            field.max() & !ones(field.width.saturating_sub(len))
        }
        _ => plain(field, mask, ports)?,
    };
    if value_bits & !mask_bits != 0 {
        let right = Shown { field, value: value_bits & mask_bits, mask: mask_bits };
        return Err(FlowTextError::new(text, format!("{} has bits outside its mask", value.text))
            .hint(format!("write {right}")));
    }
    Ok((value_bits, mask_bits))
}

/// Values that are words: flags and fragments, masks included.
fn by_name(field: &Field, text: Piece<'_>) -> Result<Option<(u128, u128)>, FlowTextError> {
    let names = match field.format {
        Format::CtState => CT_STATE,
        Format::TcpFlags => TCP_FLAGS,
        Format::TunFlags => TUN_FLAGS,
        Format::Frag => {
            let found = FRAGS.iter().find(|(name, _, _)| *name == text.text);
            if found.is_none() && text.text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(FlowTextError::new(text, format!("'{}' is not a kind of fragment", text.text))
                    .hint("one of no, yes, first, later, not_later"));
            }
            return Ok(found.map(|(_, value, mask)| (*value, *mask)));
        }
        _ => return Ok(None),
    };
    if text.text.starts_with(|c: char| c.is_ascii_digit()) || text.text.is_empty() {
        return Ok(None);
    }
    if text.text.starts_with(['+', '-']) {
        signed_flags(names, text)
    } else {
        listed_flags(field, names, text)
    }
    .map(Some)
}

/// `+syn-ack`: what must be set, and what must not.
fn signed_flags(names: &[&str], text: Piece<'_>) -> Result<(u128, u128), FlowTextError> {
    let (mut value, mut mask) = (0, 0);
    let mut from = 0;
    while let Some(sign) = text.text.get(from..).and_then(|rest| rest.chars().next()) {
        let start = from + 1;
        let len = text.text.get(start..).unwrap_or("").find(['+', '-']).unwrap_or(text.text.len() - start);
        let word = text.slice(start, start + len);
        let bit = flag(names, word)?;
        if mask & bit != 0 {
            return Err(FlowTextError::new(word, format!("'{}' is given twice", word.text)));
        }
        mask |= bit;
        if sign == '+' {
            value |= bit;
        }
        from = start + len;
    }
    Ok((value, mask))
}

/// `syn|ack`: these are set, all others are not.
fn listed_flags(field: &Field, names: &[&str], text: Piece<'_>) -> Result<(u128, u128), FlowTextError> {
    let mut value = 0;
    let mut rest = Some(text);
    while let Some(piece) = rest {
        let (word, tail) = piece.split_once("|").map_or((piece, None), |(word, tail)| (word, Some(tail)));
        value |= flag(names, word)?;
        rest = tail;
    }
    Ok((value, field.max()))
}

fn flag(names: &[&str], word: Piece<'_>) -> Result<u128, FlowTextError> {
    let word = word.trim();
    names.iter().position(|name| *name == word.text).map(|bit| 1 << bit).ok_or_else(|| {
        FlowTextError::new(word, format!("'{}' is not a flag", word.text))
            .hint(format!("the flags are {}", names.join(", ")))
            .did_you_mean(word.text, names.iter().copied())
    })
}

/// Reads a value without mask.
pub(super) fn plain(field: &Field, text: Piece<'_>, ports: PortNames<'_>) -> Result<u128, FlowTextError> {
    let text = text.trim();
    let bad = |what: &str, example: &str| {
        FlowTextError::new(text, format!("'{}' is not {what}", text.text)).hint(format!("as in {example}"))
    };
    match field.format {
        Format::Ethernet => match text.text.parse::<Mac>() {
            Ok(mac) => Ok(u128::from(mac.to_u64())),
            Err(_) => Err(bad("an Ethernet address", "02:00:00:00:00:01")),
        },
        Format::Ipv4 => match text.text.parse::<Ipv4Addr>() {
            Ok(address) => Ok(u128::from(u32::from(address))),
            Err(_) => Err(bad("an IPv4 address", "10.0.0.1")),
        },
        Format::Ipv6 => match text.text.parse::<Ipv6Addr>() {
            Ok(address) => Ok(u128::from(address)),
            Err(_) => Err(bad("an IPv6 address", "2001:db8::1")),
        },
        Format::Port => port::parse(text, ports).map(|port| u128::from(port.0)),
        Format::PacketType => packet_type(text),
        Format::Decimal
        | Format::Hexadecimal
        | Format::Frag
        | Format::CtState
        | Format::TcpFlags
        | Format::TunFlags => integer(field, text),
    }
}

fn integer(field: &Field, text: Piece<'_>) -> Result<u128, FlowTextError> {
    let is_range = text.text.split_once('-').is_some_and(|(a, b)| {
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
        digits(a) && digits(b)
    });
    if is_range {
        return Err(FlowTextError::new(text, "A match takes no range")
            .hint("write one flow for each value, or masks such as 0x50/0xfff8"));
    }
    let value = number(text, ones(field.width.max(1)))?;
    if value & !field.max() != 0 {
        return Err(FlowTextError::new(text, format!("{value} has bits that {} has not", field.name))
            .hint(format!("only the bits {:#x} may be set", field.max())));
    }
    Ok(value)
}

/// `(namespace,type)`
fn packet_type(text: Piece<'_>) -> Result<u128, FlowTextError> {
    let Some((namespace, kind)) = text.in_parentheses().and_then(|inner| inner.split_once(",")) else {
        return Err(FlowTextError::new(text, "A packet type is a pair").hint("as in (0,0) or (1,0x800)"));
    };
    Ok(number(namespace, 0xffff)? << 16 | number(kind, 0xffff)?)
}

/// Value and mask of a field, printed so that they can be read again. The mask is not 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) field: &'a Field,
    pub(super) value: u128,
    pub(super) mask: u128,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, mask } = *self;
        let is_exact = mask == field.max();
        match field.format {
            Format::Ethernet if is_exact => ethernet(value).fmt(f),
            Format::Ethernet => write!(f, "{}/{}", ethernet(value), ethernet(mask)),
            Format::Ipv4 => address(f, value << 96, mask << 96, 32, &|v| ipv4(v >> 96).to_string()),
            Format::Ipv6 => address(f, value, mask, 128, &|v| Ipv6Addr::from(v).to_string()),
            Format::Port => port::Shown(OfPort(u32::try_from(value).unwrap_or(u32::MAX))).fmt(f),
            Format::PacketType => write!(f, "({},{:#x})", value >> 16, value & 0xffff),
            Format::Frag => match FRAGS.iter().find(|(_, v, m)| (*v, *m) == (value, mask)) {
                Some((name, _, _)) => f.write_str(name),
                None => write!(f, "{value:#x}/{mask:#x}"),
            },
            Format::CtState => flags(f, CT_STATE, value, mask, is_exact),
            Format::TcpFlags => flags(f, TCP_FLAGS, value, mask, is_exact),
            Format::TunFlags => flags(f, TUN_FLAGS, value, mask, is_exact),
            Format::Decimal if is_exact => value.fmt(f),
            Format::Hexadecimal if is_exact => f.write_str(&hex(value)),
            Format::Decimal | Format::Hexadecimal => write!(f, "{}/{}", hex(value), hex(mask)),
        }
    }
}

/// C's `%#x`: no prefix on 0.
pub(super) fn hex(value: u128) -> String {
    if value == 0 { "0".into() } else { format!("{value:#x}") }
}

fn ethernet(value: u128) -> Mac {
    Mac::from_u64(u64::try_from(value).unwrap_or(0))
}

fn ipv4(value: u128) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(value).unwrap_or(0))
}

/// An address, with its mask as a prefix length where it is one. Both are left-aligned.
fn address(
    f: &mut fmt::Formatter<'_>,
    value: u128,
    mask: u128,
    width: u32,
    show: &dyn Fn(u128) -> String,
) -> fmt::Result {
    let len = mask.leading_ones();
    f.write_str(&show(value))?;
    match len {
        _ if len == width => Ok(()),
        _ if mask.checked_shl(len).unwrap_or(0) == 0 => write!(f, "/{len}"),
        _ => write!(f, "/{}", show(mask)),
    }
}

fn flags(f: &mut fmt::Formatter<'_>, names: &[&str], value: u128, mask: u128, is_exact: bool) -> fmt::Result {
    let named = ones(u8::try_from(names.len()).unwrap_or(0));
    let set = |bits: u128| names.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1);
    if is_exact && value & !named == 0 && value != 0 {
        let list: Vec<&str> = set(value).map(|(_, name)| *name).collect();
        return f.write_str(&list.join("|"));
    }
    if is_exact {
        return f.write_str(&hex(value));
    }
    if mask & !named != 0 {
        return write!(f, "{}/{}", hex(value), hex(mask));
    }
    set(mask).try_for_each(|(i, name)| write!(f, "{}{name}", if value >> i & 1 == 1 { '+' } else { '-' }))
}
