//! Roles: `OFPT_ROLE_*`, `NXT_ROLE_*`.
//!
//! ```text
//! role:32 zero:32 generation:64          1.2: 0 no change, 1 equal, 2 master, 3 slave
//! role:32                                Nicira: 0 other, 1 master, 2 slave
//! role:32 reason:8 zero:24 generation:64 status
//! ```

use super::reader::Reader;
use super::writer::{Out, Put};
use crate::OfError;
use crate::error::Result;
use crate::msg::{Role, RoleMessage, RoleReason, RoleStatus};

/// The generation that is none.
const NO_GENERATION: u64 = u64::MAX;

pub(super) fn of_number(number: u32) -> Result<Role> {
    Ok(match number {
        0 => Role::NoChange,
        1 => Role::Equal,
        2 => Role::Primary,
        3 => Role::Secondary,
        _ => return Err(OfError::RrfcBadRole),
    })
}

pub(super) const fn number(role: Role) -> u32 {
    match role {
        Role::NoChange => 0,
        Role::Equal => 1,
        Role::Primary => 2,
        Role::Secondary => 3,
    }
}

pub(super) fn read(r: &mut Reader<'_>) -> Result<RoleMessage> {
    let role = of_number(r.u32()?)?;
    r.skip(4)?;
    let generation = r.u64()?;
    // Only who becomes primary or secondary takes part in the order of generations.
    let counts = matches!(role, Role::Primary | Role::Secondary) || generation != NO_GENERATION;
    Ok(RoleMessage { role, generation: counts.then_some(generation), nicira: false })
}

pub(super) fn read_nicira(r: &mut Reader<'_>) -> Result<RoleMessage> {
    let role = match r.u32()? {
        0 => Role::Equal,
        1 => Role::Primary,
        2 => Role::Secondary,
        _ => return Err(OfError::RrfcBadRole),
    };
    Ok(RoleMessage { role, generation: None, nicira: true })
}

pub(super) fn put(out: &mut Out, message: &RoleMessage) {
    out.u32(number(message.role));
    out.zeros(4);
    out.u64(message.generation.unwrap_or(NO_GENERATION));
}

pub(super) fn put_nicira(out: &mut Out, message: &RoleMessage) {
    out.u32(number(message.role).saturating_sub(1));
}

pub(super) fn read_status(r: &mut Reader<'_>) -> Result<RoleStatus> {
    let role = of_number(r.u32()?)?;
    let reason = match r.u8()? {
        0 => RoleReason::PrimaryRequest,
        1 => RoleReason::Config,
        2 => RoleReason::Experimenter,
        _ => return Err(OfError::NxbrcBadReason),
    };
    r.skip(3)?;
    let generation = r.u64()?;
    Ok(RoleStatus { role, reason, generation: (generation != NO_GENERATION).then_some(generation) })
}

pub(super) fn put_status(out: &mut Out, status: &RoleStatus) {
    out.u32(number(status.role));
    out.u8(status.reason as u8);
    out.zeros(3);
    out.u64(status.generation.unwrap_or(NO_GENERATION));
}
