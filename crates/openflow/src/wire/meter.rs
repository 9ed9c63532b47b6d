//! `OFPT_METER_MOD`, and meters in answers.
//!
//! ```text
//! change   command:16 flags:16 meter:32 bands
//! answer   length:16 flags:16 meter:32 bands
//! band     type:16 length:16 rate:32 burst:32 (1 drop: zero:32; 2 remark: precedence:8 zero:24; else experimenter:32)
//! counts   meter:32 length:16 zero:48 flows:32 packets:64 bytes:64 duration:64, for each band packets:64 bytes:64
//! ```
//!
//! Source: OpenFlow 1.3.5 §7.3.4.4, §7.3.5.

use super::counts::{put_duration, read_duration};
use super::reader::Reader;
use super::writer::{Out, Put, with_len};
use crate::OfError;
use crate::error::Result;
use crate::msg::{
    Band, BandKind, MeterCommand, MeterConfig, MeterFeatures, MeterFlags, MeterMod, MeterStats,
};

pub(super) fn read_mod(r: &mut Reader<'_>) -> Result<MeterMod> {
    let command = match r.u16()? {
        0 => MeterCommand::Add,
        1 => MeterCommand::Modify,
        2 => MeterCommand::Delete,
        _ => return Err(OfError::MmfcBadCommand),
    };
    let (flags, meter) = (MeterFlags(r.u16()?), r.u32()?);
    if command == MeterCommand::Delete {
        // What a meter to be deleted is like does not count.
        r.take_rest();
        return Ok(MeterMod { command, config: MeterConfig { meter, ..MeterConfig::default() } });
    }
    let rates = MeterFlags::KBPS | MeterFlags::PKTPS;
    let known = rates | MeterFlags::BURST | MeterFlags::STATS;
    if !flags.without(known).is_empty() || flags.has(rates) {
        return Err(OfError::MmfcBadFlags);
    }
    Ok(MeterMod { command, config: MeterConfig { meter, flags, bands: read_bands(r)? } })
}

fn read_bands(r: &mut Reader<'_>) -> Result<Vec<Band>> {
    let mut bands = Vec::new();
    while !r.is_empty() {
        let (kind, len) = (r.u16()?, usize::from(r.u16()?));
        let mut body = r.part(len.checked_sub(4).ok_or(OfError::BrcBadLen)?)?;
        let (rate, burst) = (body.u32()?, body.u32()?);
        let kind = match kind {
            1 => {
                body.skip(4)?;
                BandKind::Drop
            }
            2 => {
                let precedence = body.u8()?;
                body.skip(3)?;
                BandKind::DscpRemark { precedence }
            }
            0xffff => {
                let id = body.u32()?;
                body.take_rest();
                BandKind::Experimenter(id)
            }
            _ => return Err(OfError::MmfcBadBand),
        };
        body.end()?;
        bands.push(Band { kind, rate, burst });
    }
    Ok(bands)
}

fn put_bands(out: &mut Out, bands: &[Band]) {
    for band in bands {
        let (kind, rest) = match band.kind {
            BandKind::Drop => (1, 0),
            BandKind::DscpRemark { precedence } => (2, u32::from(precedence) << 24),
            BandKind::Experimenter(id) => (0xffff, id),
        };
        out.u16(kind);
        out.u16(16);
        out.u32(band.rate);
        out.u32(band.burst);
        out.u32(rest);
    }
}

pub(super) fn put_mod(out: &mut Out, change: &MeterMod) {
    out.u16(change.command as u16);
    out.u16(change.config.flags.0);
    out.u32(change.config.meter);
    put_bands(out, &change.config.bands);
}

pub(super) fn read_config(r: &mut Reader<'_>) -> Result<MeterConfig> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    Ok(MeterConfig { flags: MeterFlags(body.u16()?), meter: body.u32()?, bands: read_bands(&mut body)? })
}

pub(super) fn put_config(out: &mut Out, config: &MeterConfig) {
    with_len(out, 0, |out| {
        out.u16(0);
        out.u16(config.flags.0);
        out.u32(config.meter);
        put_bands(out, &config.bands);
    });
}

/// Length of the counts of a meter without those of its bands.
const STATS_LEN: usize = 40;

pub(super) fn read_stats(r: &mut Reader<'_>) -> Result<MeterStats> {
    let (meter, len) = (r.u32()?, usize::from(r.u16()?));
    let mut body = r.part(len.checked_sub(6).ok_or(OfError::BrcBadLen)?)?;
    body.skip(6)?;
    let (flows, packets, bytes, duration) =
        (body.u32()?, body.u64()?, body.u64()?, read_duration(&mut body)?);
    let mut bands = Vec::new();
    while !body.is_empty() {
        bands.push((body.u64()?, body.u64()?));
    }
    Ok(MeterStats { meter, flows, packets, bytes, duration, bands })
}

pub(super) fn put_stats(out: &mut Out, stats: &MeterStats) {
    out.u32(stats.meter);
    out.u16(u16::try_from(STATS_LEN + 16 * stats.bands.len()).unwrap_or(u16::MAX));
    out.zeros(6);
    out.u32(stats.flows);
    out.u64(stats.packets);
    out.u64(stats.bytes);
    put_duration(out, stats.duration);
    for (packets, bytes) in &stats.bands {
        out.u64(*packets);
        out.u64(*bytes);
    }
}

pub(super) fn read_features(r: &mut Reader<'_>) -> Result<MeterFeatures> {
    let (max_meters, bands, capabilities) = (r.u32()?, r.u32()?, r.u32()?);
    let [max_bands, max_color] = r.array()?;
    r.skip(2)?;
    Ok(MeterFeatures { max_meters, bands, capabilities, max_bands, max_color })
}

pub(super) fn put_features(out: &mut Out, features: &MeterFeatures) {
    out.u32(features.max_meters);
    out.u32(features.bands);
    out.u32(features.capabilities);
    out.extend_from_slice(&[features.max_bands, features.max_color, 0, 0]);
}
