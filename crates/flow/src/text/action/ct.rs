//! `ct(commit,table=1,zone=5,nat(src=10.0.0.1-10.0.0.9:1024-2047,random),exec(set_field:1->ct_mark),alg=ftp)`

use std::fmt;
use std::net::IpAddr;

use super::super::error::FlowTextError;
use super::super::flow::table_ref;
use super::super::piece::{Items, Piece};
use super::super::value;
use super::list::nested;
use super::place::Place;
use super::show::{Shown, separated};
use crate::action::{Ct, CtAlg, Nat, NatRange, PortSelection};
use crate::check::Scope;
use crate::{Action, Operand};

/// Reads what stands behind the name.
pub(super) fn parse(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let mut ct = Ct::default();
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        match (item.key.text, item.value) {
            ("commit", None) => ct.commit = true,
            ("force", None) => ct.force = true,
            ("table", Some(value)) => ct.table = table_ref(value)?,
            ("zone", Some(value)) => ct.zone = zone(value, place)?,
            ("nat", value) => ct.nat = Some(nat(value)?),
            ("alg", Some(value)) => {
                ct.alg = Some(match value.text {
                    "ftp" => CtAlg::Ftp,
                    "tftp" => CtAlg::Tftp,
                    other => {
                        return Err(FlowTextError::new(
                            value,
                            format!("'{other}' is not a protocol that ct knows"),
                        )
                        .hint("one of ftp, tftp"));
                    }
                });
            }
            ("exec", Some(value)) => ct.exec = nested(value, place, Scope::Connection)?,
            _ => {
                return Err(FlowTextError::new(item.whole, "'ct' does not take this")
                    .hint("it takes commit, force, table, zone, nat, exec and alg"));
            }
        }
    }
    Ok(Action::Ct(Box::new(ct)))
}

/// A number, or 16 bits of a field.
fn zone(text: Piece<'_>, place: &Place<'_>) -> Result<Operand<u16>, FlowTextError> {
    if text.text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Operand::Value(value::small(text)?));
    }
    let part = place.source(text)?;
    if part.bits != 16 {
        return Err(FlowTextError::new(text, format!("A zone has 16 bits, and this has {}", part.bits))
            .hint("as in zone=reg0[0..15]"));
    }
    Ok(Operand::Field(part))
}

/// `nat`, `nat(src=10.0.0.1)`
fn nat(text: Option<Piece<'_>>) -> Result<Nat, FlowTextError> {
    let mut range = NatRange::default();
    let mut kind: Option<fn(NatRange) -> Nat> = None;
    let mut flag = None;
    for item in text.map(|text| Items::new(text.in_parentheses().unwrap_or(text))).into_iter().flatten() {
        match (item.key.text, item.value) {
            ("src" | "dst", _) if kind.is_some() => {
                return Err(FlowTextError::new(
                    item.whole,
                    "One translation is of the source or of the destination",
                ));
            }
            ("src", value) => {
                (range.addresses, range.ports) = value.map(ranges).transpose()?.unwrap_or_default();
                kind = Some(Nat::Source);
            }
            ("dst", value) => {
                (range.addresses, range.ports) = value.map(ranges).transpose()?.unwrap_or_default();
                kind = Some(Nat::Destination);
            }
            ("persistent", None) => (range.persistent, flag) = (true, Some(item.key)),
            ("hash" | "random", None) if range.selection.is_some() => {
                return Err(FlowTextError::new(item.key, "A port is chosen by hash or at random, not both"));
            }
            ("hash", None) => (range.selection, flag) = (Some(PortSelection::Hash), Some(item.key)),
            ("random", None) => (range.selection, flag) = (Some(PortSelection::Random), Some(item.key)),
            _ => {
                return Err(FlowTextError::new(item.whole, "'nat' does not take this")
                    .hint("it takes src, dst, persistent, hash and random"));
            }
        }
    }
    match (kind, flag) {
        (Some(kind), _) => Ok(kind(range)),
        (None, None) => Ok(Nat::Existing),
        (None, Some(flag)) => Err(FlowTextError::new(flag, "This belongs to a new address")
            .hint("as in nat(src=10.0.0.1,persistent)")),
    }
}

/// First and last of addresses, and of ports.
type Ranges = (Option<(IpAddr, IpAddr)>, Option<(u16, u16)>);

/// `10.0.0.1-10.0.0.9:1024-2047`, `[fe80::1]-[fe80::9]:80`, `fe80::1-fe80::9`
fn ranges(text: Piece<'_>) -> Result<Ranges, FlowTextError> {
    let text = text.trim();
    let bad = || {
        FlowTextError::new(text, format!("'{}' is not a range of addresses and ports", text.text))
            .hint("as in 10.0.0.1-10.0.0.9:1024-2047 or [2001:db8::1]-[2001:db8::9]:80")
    };
    let is_bracketed = text.text.starts_with('[');
    let is_ipv4 = text.text.contains('.') && !is_bracketed && !text.text.starts_with(':');
    let (addresses, ports) = match text.rsplit_once(":") {
        // The last colon of bare IPv6 addresses is one of theirs.
        Some((addresses, ports)) if is_ipv4 || addresses.text.ends_with(']') => (addresses, Some(ports)),
        _ => (text, None),
    };
    let (first, last) = addresses.split_once("-").unwrap_or((addresses, addresses));
    let address = |piece: Piece<'_>| -> Result<IpAddr, FlowTextError> {
        let bare = piece.text.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        bare.unwrap_or(piece.text).parse().map_err(|_| bad())
    };
    let (first, last) = (address(first)?, address(last)?);
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return Err(bad());
    }
    let Some(ports) = ports else { return Ok((Some((first, last)), None)) };
    let (low, high) = ports.split_once("-").unwrap_or((ports, ports));
    let (low, high) = (value::small::<u16>(low)?, value::small::<u16>(high)?);
    if low > high || low == 0 {
        return Err(FlowTextError::new(ports, "The first port is above the last, or 0"));
    }
    Ok((Some((first, last)), Some((low, high))))
}

impl fmt::Display for Ct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: Vec<String> = Vec::new();
        if self.commit {
            items.push("commit".into());
        }
        if self.force {
            items.push("force".into());
        }
        items.extend(self.table.map(|table| format!("table={table}")));
        if self.zone != Operand::Value(0) {
            items.push(format!("zone={}", self.zone));
        }
        items.extend(self.nat.map(|nat| nat.to_string()));
        if !self.exec.is_empty() {
            items.push(format!("exec({})", Shown(&self.exec)));
        }
        items.extend(self.alg.map(|alg| format!("alg={}", alg_name(alg))));
        f.write_str("ct(")?;
        separated(f, items)?;
        f.write_str(")")
    }
}

const fn alg_name(alg: CtAlg) -> &'static str {
    match alg {
        CtAlg::Ftp => "ftp",
        CtAlg::Tftp => "tftp",
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Existing => f.write_str("nat"),
            Self::Source(range) => write!(f, "nat(src{range})"),
            Self::Destination(range) => write!(f, "nat(dst{range})"),
        }
    }
}

impl fmt::Display for NatRange {
    /// What follows `src` or `dst`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(addresses) = self.addresses {
            write_addresses(f, addresses, self.ports.is_some())?;
        }
        if let Some((first, last)) = self.ports {
            write!(f, ":{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
        }
        if self.persistent {
            f.write_str(",persistent")?;
        }
        f.write_str(match self.selection {
            None => "",
            Some(PortSelection::Hash) => ",hash",
            Some(PortSelection::Random) => ",random",
        })
    }
}

/// `=10.0.0.1-10.0.0.9`; addresses of IPv6 in brackets if a port follows.
fn write_addresses(f: &mut fmt::Formatter<'_>, range: (IpAddr, IpAddr), has_ports: bool) -> fmt::Result {
    let (first, last) = range;
    let (open, close) = if has_ports && first.is_ipv6() { ("[", "]") } else { ("", "") };
    write!(f, "={open}{first}{close}")?;
    if last != first {
        write!(f, "-{open}{last}{close}")?;
    }
    Ok(())
}
