//! Ports: descriptions, `OFPT_PORT_STATUS`, `OFPT_PORT_MOD`.
//!
//! ```text
//! 1.0   port:16 hw_addr:48 name:16 bytes config:32 state:32 curr advertised supported peer:32 each     48 bytes
//! 1.1   port:32 zero:32 hw_addr:48 zero:16 name config state, features, curr_speed max_speed:32        64 bytes
//! 1.4   port:32 length:16 zero:16 hw_addr zero:16 name config state, properties
//! ```
//!
//! Source: OpenFlow 1.0.0 §5.2.1, 1.1.0 §A.2.1, 1.4.0 §7.2.1.

use netloom_flow::OfPort;
use netloom_packet::Mac;

use super::action::{property, read_property};
use super::port;
use super::reader::Reader;
use super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::{PortConfig, PortDesc, PortFeatures, PortMod, PortReason, PortState, PortStatus};
use crate::{OfError, Version};

/// Bytes of a name.
const NAME_LEN: usize = 16;

/// Settings that only 1.0 has.
const ONLY_10: PortConfig =
    PortConfig(PortConfig::NO_STP.0 | PortConfig::NO_RECV_STP.0 | PortConfig::NO_FLOOD.0);

pub(super) fn read_list(version: Version, r: &mut Reader<'_>) -> Result<Vec<PortDesc>> {
    let mut ports = Vec::new();
    while !r.is_empty() {
        ports.push(read(version, r)?);
    }
    Ok(ports)
}

/// Features of 1.0: the same up to 10 Gb/s, then the media at once.
fn features_from_10(bits: u32) -> PortFeatures {
    PortFeatures(bits & 0x7f | (bits & 0xf80) << 4)
}

fn features_to_10(features: PortFeatures) -> u32 {
    features.0 & 0x7f | (features.0 & 0xf800) >> 4
}

fn read_port(version: Version, r: &mut Reader<'_>) -> Result<OfPort> {
    if version == Version::V10 {
        r.u16().map(port::from_16)
    } else {
        port::from_32(r.u32()?, OfError::BrcBadPort)
    }
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<PortDesc> {
    match version {
        Version::V10 => read_10(r),
        Version::V11 | Version::V12 | Version::V13 => read_11(r),
        Version::V14 | Version::V15 => read_14(r),
    }
}

fn read_10(r: &mut Reader<'_>) -> Result<PortDesc> {
    let feature = |r: &mut Reader<'_>| r.u32().map(features_from_10);
    Ok(PortDesc {
        port: port::from_16(r.u16()?),
        hw_addr: Mac(r.array()?),
        name: r.text(NAME_LEN)?,
        config: PortConfig(r.u32()? & 0x7f),
        state: PortState(r.u32()? & (PortState::LINK_DOWN.0 | PortState::STP_MASK.0)),
        current: feature(r)?,
        advertised: feature(r)?,
        supported: feature(r)?,
        peer: feature(r)?,
        current_kbps: 0,
        max_kbps: 0,
    })
}

fn read_11(r: &mut Reader<'_>) -> Result<PortDesc> {
    let port = read_port(Version::V11, r)?;
    r.skip(4)?;
    let mut desc = read_common(port, r)?;
    read_features(&mut desc, r)?;
    Ok(desc)
}

/// What 1.1 and 1.4 have alike, from the address to the state.
fn read_common(port: OfPort, r: &mut Reader<'_>) -> Result<PortDesc> {
    let hw_addr = Mac(r.array()?);
    r.skip(2)?;
    Ok(PortDesc {
        port,
        hw_addr,
        name: r.text(NAME_LEN)?,
        config: PortConfig(r.u32()?).without(ONLY_10),
        state: PortState(r.u32()? & 7),
        current: PortFeatures::default(),
        advertised: PortFeatures::default(),
        supported: PortFeatures::default(),
        peer: PortFeatures::default(),
        current_kbps: 0,
        max_kbps: 0,
    })
}

fn read_features(desc: &mut PortDesc, r: &mut Reader<'_>) -> Result<()> {
    let mut feature = || r.u32().map(PortFeatures);
    (desc.current, desc.advertised, desc.supported, desc.peer) =
        (feature()?, feature()?, feature()?, feature()?);
    (desc.current_kbps, desc.max_kbps) = (r.u32()?, r.u32()?);
    Ok(())
}

fn read_14(r: &mut Reader<'_>) -> Result<PortDesc> {
    let (number, len) = (r.u32()?, usize::from(r.u16()?));
    let mut body = r.part(len.checked_sub(6).ok_or(OfError::BrcBadLen)?)?;
    let port = port::from_32(number, OfError::BrcBadPort)?;
    body.skip(2)?;
    let mut desc = read_common(port, &mut body)?;
    while !body.is_empty() {
        // The property of Ethernet; those of optics and of experimenters say nothing that is kept.
        if let (0, mut p) = read_property(&mut body)? {
            p.skip(4)?;
            read_features(&mut desc, &mut p)?;
        }
    }
    Ok(desc)
}

pub(super) fn put(version: Version, out: &mut Out, desc: &PortDesc) {
    match version {
        Version::V10 => put_10(out, desc),
        Version::V11 | Version::V12 | Version::V13 => {
            out.u32(desc.port.0);
            out.zeros(4);
            put_common(version, out, desc);
            put_features(out, desc);
        }
        Version::V14 | Version::V15 => {
            super::writer::with_len(out, 4, |out| {
                out.u32(desc.port.0);
                out.zeros(4);
                put_common(version, out, desc);
                property(out, 0, |out| {
                    out.zeros(4);
                    put_features(out, desc);
                });
            });
        }
    }
}

fn put_10(out: &mut Out, desc: &PortDesc) {
    out.u16(port::to_16(desc.port));
    out.extend_from_slice(&desc.hw_addr.0);
    out.text(&desc.name, NAME_LEN);
    out.u32(desc.config.0);
    out.u32(desc.state.0 & (PortState::LINK_DOWN.0 | PortState::STP_MASK.0));
    for features in [desc.current, desc.advertised, desc.supported, desc.peer] {
        out.u32(features_to_10(features));
    }
}

fn put_common(version: Version, out: &mut Out, desc: &PortDesc) {
    debug_assert_ne!(version, Version::V10, "1.0 has a layout of its own");
    out.extend_from_slice(&desc.hw_addr.0);
    out.zeros(2);
    out.text(&desc.name, NAME_LEN);
    out.u32(desc.config.without(ONLY_10).0);
    out.u32(desc.state.0 & 7);
}

fn put_features(out: &mut Out, desc: &PortDesc) {
    for features in [desc.current, desc.advertised, desc.supported, desc.peer] {
        out.u32(features.0);
    }
    out.u32(desc.current_kbps);
    out.u32(desc.max_kbps);
}

pub(super) fn read_status(version: Version, r: &mut Reader<'_>) -> Result<PortStatus> {
    let reason = match r.u8()? {
        0 => PortReason::Add,
        1 => PortReason::Delete,
        2 => PortReason::Modify,
        _ => return Err(OfError::NxbrcBadReason),
    };
    r.skip(7)?;
    Ok(PortStatus { reason, desc: read(version, r)? })
}

pub(super) fn put_status(version: Version, out: &mut Out, status: &PortStatus) {
    out.u8(status.reason as u8);
    out.zeros(7);
    put(version, out, &status.desc);
}

pub(super) fn read_mod(version: Version, r: &mut Reader<'_>) -> Result<PortMod> {
    let port = read_port(version, r)?;
    let padded = version > Version::V10;
    r.skip(if padded { 4 } else { 0 })?;
    let hw_addr = Mac(r.array()?);
    r.skip(if padded { 2 } else { 0 })?;
    let (config, mask) = (PortConfig(r.u32()?), PortConfig(r.u32()?));
    let kept = if padded { ONLY_10 } else { PortConfig::default() };
    let advertise = match version {
        Version::V10 => features_from_10(r.u32()?),
        Version::V11 | Version::V12 | Version::V13 => PortFeatures(r.u32()?),
        Version::V14 | Version::V15 => read_mod_properties(r)?,
    };
    if version <= Version::V13 {
        r.skip(4)?;
    }
    Ok(PortMod { port, hw_addr, config: config.without(kept), mask: mask.without(kept), advertise })
}

fn read_mod_properties(r: &mut Reader<'_>) -> Result<PortFeatures> {
    let mut advertise = PortFeatures::default();
    while !r.is_empty() {
        match read_property(r)? {
            (0, mut p) => advertise = PortFeatures(p.u32()?),
            (0xffff, _) => return Err(OfError::BpcBadExperimenter),
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(advertise)
}

pub(super) fn put_mod(version: Version, out: &mut Out, change: &PortMod) {
    if version == Version::V10 {
        out.u16(port::to_16(change.port));
        out.extend_from_slice(&change.hw_addr.0);
    } else {
        out.u32(change.port.0);
        out.zeros(4);
        out.extend_from_slice(&change.hw_addr.0);
        out.zeros(2);
    }
    out.u32(change.config.0);
    out.u32(change.mask.0);
    match version {
        Version::V10 => out.u32(features_to_10(change.advertise)),
        Version::V11 | Version::V12 | Version::V13 => out.u32(change.advertise.0),
        Version::V14 | Version::V15 => {
            if !change.advertise.is_empty() {
                property(out, 0, |out| out.u32(change.advertise.0));
            }
            return;
        }
    }
    out.zeros(4);
}
