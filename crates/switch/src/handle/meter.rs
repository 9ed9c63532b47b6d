//! Meters on the wire.

use netloom_flow::{Band, BandKind, BridgeId, MeterSettings, Nanos};
use netloom_openflow::OfError;
use netloom_openflow::msg::{self, MeterConfig, MeterFeatures, MeterFlags, MeterStats};

use super::error::of_meter;
use crate::meter_mod::{MAX_BANDS, MAX_METER, MeterCommand};
use crate::switch::Switch;

impl Switch {
    pub(super) fn handle_meter_mod(
        &mut self,
        bridge: BridgeId,
        request: &msg::MeterMod,
        now: Nanos,
    ) -> Result<(), OfError> {
        let command = match request.command {
            msg::MeterCommand::Add => MeterCommand::Add(settings(&request.config)?),
            msg::MeterCommand::Modify => MeterCommand::Modify(settings(&request.config)?),
            msg::MeterCommand::Delete => MeterCommand::Delete,
        };
        self.meter_mod(bridge, request.config.meter, command, now).map(drop).map_err(|error| of_meter(&error))
    }

    /// The meters as they are; one that is asked for by number has to be there.
    pub(super) fn meter_configs(&self, bridge: BridgeId, id: u32) -> Result<Vec<MeterConfig>, OfError> {
        let config = |row: &crate::meter_mod::MeterRow| MeterConfig {
            meter: row.id,
            flags: flags(&row.settings),
            bands: row.settings.bands.iter().map(told).collect(),
        };
        Ok(self.present_meters(bridge, id)?.iter().map(config).collect())
    }

    pub(super) fn meter_stats(
        &self,
        bridge: BridgeId,
        id: u32,
        now: Nanos,
    ) -> Result<Vec<MeterStats>, OfError> {
        let stats = |row: &crate::meter_mod::MeterRow| MeterStats {
            meter: row.id,
            flows: u32::try_from(row.flows).unwrap_or(u32::MAX),
            packets: row.read.input.0,
            bytes: row.read.input.1,
            duration: now.since(row.created),
            bands: row.read.bands.clone(),
        };
        Ok(self.present_meters(bridge, id)?.iter().map(stats).collect())
    }

    fn present_meters(&self, bridge: BridgeId, id: u32) -> Result<Vec<crate::meter_mod::MeterRow>, OfError> {
        let rows = self.meters(bridge, id);
        if rows.is_empty() && id != msg::meter::METER_ALL {
            return Err(OfError::MmfcUnknownMeter);
        }
        Ok(rows)
    }
}

/// What meters can do: drop and remark, rates of either kind, bursts.
pub(super) fn features() -> MeterFeatures {
    let capabilities = MeterFlags::KBPS | MeterFlags::PKTPS | MeterFlags::BURST | MeterFlags::STATS;
    MeterFeatures {
        max_meters: MAX_METER,
        bands: 1 << 1 | 1 << 2,
        capabilities: capabilities.0.into(),
        max_bands: u8::try_from(MAX_BANDS).unwrap_or(u8::MAX),
        max_color: 0,
    }
}

fn settings(config: &MeterConfig) -> Result<MeterSettings, OfError> {
    let known = MeterFlags::KBPS | MeterFlags::PKTPS | MeterFlags::BURST | MeterFlags::STATS;
    let is_both = config.flags.has(MeterFlags::KBPS) && config.flags.has(MeterFlags::PKTPS);
    if is_both || !config.flags.without(known).is_empty() {
        return Err(OfError::MmfcBadFlags);
    }
    let bands = config.bands.iter().map(|band| Band {
        kind: match band.kind {
            msg::BandKind::Drop => BandKind::Drop,
            msg::BandKind::DscpRemark { precedence } => BandKind::DscpRemark { precedence },
            msg::BandKind::Experimenter(_) => BandKind::Experimenter,
        },
        rate: band.rate,
        burst: band.burst,
    });
    Ok(MeterSettings {
        in_packets: config.flags.has(MeterFlags::PKTPS),
        with_burst: config.flags.has(MeterFlags::BURST),
        with_stats: config.flags.has(MeterFlags::STATS),
        bands: bands.collect(),
    })
}

fn flags(settings: &MeterSettings) -> MeterFlags {
    let of = |is_set: bool, flag: MeterFlags| if is_set { flag } else { MeterFlags::default() };
    let rate = if settings.in_packets { MeterFlags::PKTPS } else { MeterFlags::KBPS };
    rate | of(settings.with_burst, MeterFlags::BURST) | of(settings.with_stats, MeterFlags::STATS)
}

fn told(band: &Band) -> msg::Band {
    let kind = match band.kind {
        BandKind::Drop => msg::BandKind::Drop,
        BandKind::DscpRemark { precedence } => msg::BandKind::DscpRemark { precedence },
        BandKind::Experimenter => msg::BandKind::Experimenter(0),
    };
    msg::Band { kind, rate: band.rate, burst: band.burst }
}
