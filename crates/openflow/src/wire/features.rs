//! `OFPT_FEATURES_REPLY`, `OFPT_SET_CONFIG` and `OFPT_GET_CONFIG_REPLY`.
//!
//! ```text
//! datapath_id:64 n_buffers:32 n_tables:8 auxiliary_id:8 (from 1.3) zero:16 capabilities:32 actions:32 ports (to 1.2)
//! flags:16 miss_send_len:16
//! ```

use super::port_desc;
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::{Capabilities, Config, Features, FragMode};
use crate::{OfError, Version};

/// The bit of `STP` in 1.0, which is that of `GROUP_STATS` later.
const STP_10: u32 = 1 << 3;

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<Features> {
    let (datapath_id, buffers, [tables, auxiliary]) = (r.u64()?, r.u32()?, r.array()?);
    r.skip(2)?;
    let (capabilities, actions) = (r.u32()?, r.u32()?);
    let ports = if version <= Version::V12 { port_desc::read_list(version, r)? } else { Vec::new() };
    let capabilities = match version {
        Version::V10 if capabilities & STP_10 != 0 => {
            Capabilities(capabilities & !STP_10).with(Capabilities::STP)
        }
        _ => Capabilities(capabilities),
    };
    Ok(Features { datapath_id, buffers, tables, auxiliary, capabilities, actions, ports })
}

pub(super) fn put(version: Version, out: &mut Out, features: &Features) {
    let mut capabilities = features.capabilities.without(Capabilities::STP);
    if version == Version::V10 {
        capabilities = capabilities.without(Capabilities::GROUP_STATS);
        if features.capabilities.has(Capabilities::STP) {
            capabilities = Capabilities(capabilities.0 | STP_10);
        }
    }
    if version >= Version::V12 {
        capabilities = capabilities.without(Capabilities::ARP_MATCH_IP);
    }
    out.u64(features.datapath_id);
    out.u32(features.buffers);
    out.u8(features.tables);
    out.u8(if version >= Version::V13 { features.auxiliary } else { 0 });
    out.zeros(2);
    out.u32(capabilities.0);
    out.u32(if version == Version::V10 { features.actions } else { 0 });
    if version <= Version::V12 {
        // As many as fit: 64 bytes each at most, in a message of 65,535.
        features.ports.iter().take(1000).for_each(|port| port_desc::put(version, out, port));
    }
}

/// The flag for packets whose TTL ran out: up to 1.2; in 1.0 it is of OVS.
const INVALID_TTL: u16 = 1 << 2;

pub(super) fn read_config(version: Version, r: &mut Reader<'_>) -> Result<Config> {
    let (flags, miss_send_len) = (r.u16()?, r.u16()?);
    let has_ttl_flag = version <= Version::V12;
    let known = if has_ttl_flag { 3 | INVALID_TTL } else { 3 };
    if flags & !known != 0 {
        return Err(OfError::ScfcBadFlags);
    }
    let frag = match flags & 3 {
        0 => FragMode::Normal,
        1 => FragMode::Drop,
        2 => FragMode::Reassemble,
        _ => FragMode::NxMatch,
    };
    Ok(Config { frag, invalid_ttl_to_controller: flags & INVALID_TTL != 0, miss_send_len })
}

pub(super) fn put_config(version: Version, out: &mut Out, config: &Config) {
    let ttl = config.invalid_ttl_to_controller && version <= Version::V12;
    out.u16(config.frag as u16 | if ttl { INVALID_TTL } else { 0 });
    out.u16(config.miss_send_len);
}
