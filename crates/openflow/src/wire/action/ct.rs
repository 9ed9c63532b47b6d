//! Reading `NXAST_CT`, and `NXAST_NAT` inside of it.
//!
//! ```text
//! flags:16 (1 commit, 2 force) zone (field:32 offset and bits:16, or zero:32 constant:16) table:8 zero:24 alg:16 actions
//! zero:16 flags:16 (1 source, 2 destination, 4 persistent, 8 hash, 16 random) present:16, then what is present:
//!     1, 2 first and last IPv4 address; 4, 8 IPv6; 16, 32 first and last port
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_flow::action::{Ct, CtAlg, Nat, NatRange, Operand, PortSelection};
use netloom_flow::{Action, FieldId, TableId};

use super::super::reader::Reader;
use super::{read_nested, subfield};
use crate::error::Result;
use crate::{OfError, Version};

/// Reads `ct`.
pub(super) fn read(version: Version, r: &mut Reader<'_>, depth: u8) -> Result<Action> {
    let flags = r.u16()?;
    let zone = subfield::read_operand(r)?;
    let table = r.u8()?;
    r.skip(3)?;
    let alg = r.u16()?;
    let (commit, force) = (flags & 1 != 0, flags & 2 != 0);
    if force && !commit {
        return Err(OfError::BacBadArgument);
    }
    if matches!(zone, Operand::Field(part) if part.bits != 16) {
        return Err(OfError::BacBadSetLen);
    }
    let alg = match alg {
        0 => None,
        number => Some(CtAlg::from_number(number).ok_or(OfError::BacBadArgument)?),
    };
    let (nat, exec) = ct_actions(version, r, depth)?;
    if !commit && (!exec.is_empty() || matches!(nat, Some(Nat::Source(_) | Nat::Destination(_)))) {
        return Err(OfError::BacBadArgument);
    }
    Ok(Action::Ct(Box::new(Ct {
        commit,
        force,
        zone,
        table: (table != 0xff).then_some(TableId(table)),
        alg,
        nat,
        exec: exec.into(),
    })))
}

/// The actions inside of `ct`: at most one translation, and what is written to the connection.
fn ct_actions(version: Version, r: &mut Reader<'_>, depth: u8) -> Result<(Option<Nat>, Vec<Action>)> {
    let (mut translation, mut exec) = (None, Vec::new());
    while !r.is_empty() {
        if let Some(mut body) = nat_body(r)? {
            if translation.replace(nat(&mut body)?).is_some() {
                return Err(OfError::BacBadArgument);
            }
            continue;
        }
        let len = r.rest().get(2..4).map_or(0, |len| len.iter().fold(0, |n, b| n << 8 | usize::from(*b)));
        let mut one = r.part(len.max(8))?;
        let actions = read_nested(version, &mut one, depth + 1)?;
        let writes = |a: &Action| matches!(a.writes(), Some(FieldId::CtMark | FieldId::CtLabel));
        if !actions.iter().all(writes) {
            return Err(OfError::BacBadArgument);
        }
        exec.extend(actions);
    }
    Ok((translation, exec))
}

/// If a `nat` comes next, its body behind the subtype.
fn nat_body<'a>(r: &mut Reader<'a>) -> Result<Option<Reader<'a>>> {
    let mut ahead = r.clone();
    let (kind, mut body) = super::read_header(&mut ahead)?;
    if kind != super::EXPERIMENTER || body.u32()? != crate::error::NICIRA || body.u16()? != 36 {
        return Ok(None);
    }
    *r = ahead;
    Ok(Some(body))
}

fn nat(r: &mut Reader<'_>) -> Result<Nat> {
    r.skip(2)?;
    let (flags, present) = (r.u16()?, r.u16()?);
    let (source, destination) = (flags & 1 != 0, flags & 2 != 0);
    if flags >> 5 != 0 || present >> 6 != 0 || source && destination || flags & 0x18 == 0x18 {
        return Err(OfError::BacBadArgument);
    }
    if !source && !destination {
        return if flags == 0 && present == 0 { Ok(Nat::Existing) } else { Err(OfError::BacBadArgument) };
    }
    let range = NatRange {
        addresses: nat_addresses(present, r)?,
        ports: nat_ports(present, r)?,
        selection: match flags & 0x18 {
            0x08 => Some(PortSelection::Hash),
            0x10 => Some(PortSelection::Random),
            _ => None,
        },
        persistent: flags & 4 != 0,
    };
    r.zeros(r.len(), OfError::BacBadArgument)?;
    if range.addresses.is_none() && (range.ports.is_some() || flags & 0x1c != 0) {
        return Err(OfError::BacBadArgument);
    }
    Ok(if source { Nat::Source(range) } else { Nat::Destination(range) })
}

/// First and last address; the last may be left out.
fn nat_addresses(present: u16, r: &mut Reader<'_>) -> Result<Option<(IpAddr, IpAddr)>> {
    let address = |r: &mut Reader<'_>| -> Result<IpAddr> {
        Ok(if present & 3 != 0 {
            Ipv4Addr::from(r.array::<4>()?).into()
        } else {
            Ipv6Addr::from(r.array::<16>()?).into()
        })
    };
    let (min, max) = match present & 15 {
        0 => return Ok(None),
        1 | 4 => (address(r)?, None),
        3 | 12 => (address(r)?, Some(address(r)?)),
        _ => return Err(OfError::BacBadArgument),
    };
    let max = max.unwrap_or(min);
    if min.is_unspecified() && max != min || max < min {
        return Err(OfError::BacBadArgument);
    }
    Ok(Some((min, max)))
}

fn nat_ports(present: u16, r: &mut Reader<'_>) -> Result<Option<(u16, u16)>> {
    let min = match present >> 4 & 3 {
        0 => return Ok(None),
        1 | 3 => r.u16()?,
        _ => return Err(OfError::BacBadArgument),
    };
    let max = if present & 0x20 != 0 { r.u16()? } else { min };
    if min == 0 || max < min { Err(OfError::BacBadArgument) } else { Ok(Some((min, max))) }
}
