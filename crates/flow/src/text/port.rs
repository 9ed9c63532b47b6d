//! Ports by number or name.

use std::fmt;

use super::error::FlowTextError;
use super::piece::Piece;
use crate::OfPort;

/// Finds the number of a port by its name.
pub type PortNames<'a> = &'a dyn Fn(&str) -> Option<OfPort>;

/// For text without names of ports.
pub fn no_names(_: &str) -> Option<OfPort> {
    None
}

const RESERVED: &[(&str, OfPort)] = &[
    ("IN_PORT", OfPort::IN_PORT),
    ("TABLE", OfPort::TABLE),
    ("NORMAL", OfPort::NORMAL),
    ("FLOOD", OfPort::FLOOD),
    ("ALL", OfPort::ALL),
    ("CONTROLLER", OfPort::CONTROLLER),
    ("LOCAL", OfPort::LOCAL),
    ("ANY", OfPort::NONE),
    ("NONE", OfPort::NONE),
];

/// A reserved port by its name, in any case.
pub(super) fn reserved(name: &str) -> Option<OfPort> {
    RESERVED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, port)| *port)
}

/// Reads a port: a number, a reserved name, or a name that `names` knows, which may stand in quotation marks.
pub(super) fn parse(text: Piece<'_>, names: PortNames<'_>) -> Result<OfPort, FlowTextError> {
    let text = text.trim();
    if let Ok(number) = super::value::number(text, u128::from(u32::MAX)) {
        return by_number(u32::try_from(number).unwrap_or(u32::MAX)).ok_or_else(|| {
            FlowTextError::new(text, format!("{number} is not a port number"))
                .hint("ports have the numbers 1 to 65279; reserved ports have names such as LOCAL")
        });
    }
    let quoted = text.text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    let found = match quoted {
        Some(name) => names(name),
        None => reserved(text.text).or_else(|| names(text.text)),
    };
    found.ok_or_else(|| {
        let what = if text.text.is_empty() {
            "A port is missing".into()
        } else {
            format!("Unknown port '{}'", text.text)
        };
        FlowTextError::new(text, what).did_you_mean(text.text, RESERVED.iter().map(|(name, _)| *name))
    })
}

/// Numbers of 16 bits, and the reserved ones in 16 or 32 bits.
fn by_number(number: u32) -> Option<OfPort> {
    match number {
        0..=0xfeff => Some(OfPort(number)),
        0xff00..=0xffff => reserved_number(number | 0xffff_0000),
        _ => reserved_number(number),
    }
}

fn reserved_number(number: u32) -> Option<OfPort> {
    RESERVED.iter().map(|(_, port)| *port).find(|port| port.0 == number)
}

/// A port as it is printed: the name of a reserved one, else the number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown(pub(crate) OfPort);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match RESERVED.iter().find(|(_, port)| *port == self.0) {
            Some((name, _)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}
