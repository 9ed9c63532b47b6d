//! Which messages come unasked: `OFPT_SET_ASYNC`, `OFPT_GET_ASYNC_REPLY`, `NXT_SET_ASYNC_CONFIG` and `..2`.
//!
//! ```text
//! to 1.3  three pairs of masks: packet-in, port status, flow removed; the first for primary, the second for secondary
//! from 1.4, and NXT_SET_ASYNC_CONFIG2   properties mask:32; even types for secondary, odd ones for primary
//! ```
//!
//! Counters of flows are told from 1.5 on.

use super::action::{property, read_property};
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::{AsyncConfig, AsyncMasks};
use crate::{OfError, Version};

pub(super) fn read_pairs(r: &mut Reader<'_>) -> Result<AsyncConfig> {
    let mut config = AsyncConfig::default();
    let mut pair = || -> Result<(Option<u32>, Option<u32>)> { Ok((Some(r.u32()?), Some(r.u32()?))) };
    (config.primary.packet_in, config.secondary.packet_in) = pair()?;
    (config.primary.port_status, config.secondary.port_status) = pair()?;
    (config.primary.flow_removed, config.secondary.flow_removed) = pair()?;
    Ok(config)
}

pub(super) fn put_pairs(out: &mut Out, config: &AsyncConfig) {
    let (primary, secondary) = (&config.primary, &config.secondary);
    for mask in [
        primary.packet_in,
        secondary.packet_in,
        primary.port_status,
        secondary.port_status,
        primary.flow_removed,
        secondary.flow_removed,
    ] {
        out.u32(mask.unwrap_or(0));
    }
}

/// The kinds of messages in the order of their properties, two types each.
fn slots(masks: &mut AsyncMasks) -> [&mut Option<u32>; 7] {
    [
        &mut masks.packet_in,
        &mut masks.port_status,
        &mut masks.flow_removed,
        &mut masks.role_status,
        &mut masks.table_status,
        &mut masks.requestforward,
        &mut masks.flow_stats,
    ]
}

/// How many kinds a version has.
const fn kinds(version: Version) -> usize {
    if matches!(version, Version::V15) { 7 } else { 6 }
}

/// Reasons there are for each kind; bits of others are refused in requests.
const fn known(kind: usize) -> u32 {
    match kind {
        0 | 2 => 0x3f,
        1 | 3 => 0x07,
        4 => 0x18,
        _ => 0x03,
    }
}

/// What to make of masks that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strict {
    /// They are refused: in a request.
    Yes,
    /// They are taken.
    No,
}

pub(super) fn read_properties(version: Version, r: &mut Reader<'_>, strict: Strict) -> Result<AsyncConfig> {
    let mut config = AsyncConfig::default();
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        if matches!(kind, 0xfffe | 0xffff) {
            return Err(OfError::BpcBadExperimenter);
        }
        let index = usize::from(kind / 2);
        let masks = if kind % 2 == 0 { &mut config.secondary } else { &mut config.primary };
        let mut slots = slots(masks);
        let slot = slots.get_mut(..kinds(version)).and_then(|all| all.get_mut(index));
        let slot = slot.ok_or(OfError::BpcBadType)?;
        let mask = p.u32()?;
        p.end()?;
        if strict == Strict::Yes && mask & !known(index) != 0 {
            return Err(OfError::AcfcInvalid);
        }
        **slot = Some(mask);
    }
    Ok(config)
}

pub(super) fn put_properties(version: Version, out: &mut Out, config: &AsyncConfig) {
    let mut config = *config;
    let (secondary, primary) = (slots(&mut config.secondary), slots(&mut config.primary));
    for (index, (secondary, primary)) in (0u16..).zip(secondary.iter().zip(&primary)).take(kinds(version)) {
        for (offset, mask) in [(0, **secondary), (1, **primary)] {
            if let Some(mask) = mask {
                property(out, 2 * index + offset, |out| out.u32(mask));
            }
        }
    }
}
