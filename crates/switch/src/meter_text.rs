//! Meters in the syntax of `ovs-ofctl`.

use netloom_flow::text::{
    BandKind as TextKind, BandText, MeterText, MeterUnit, parse_meter, parse_meter_filter,
};
use netloom_flow::{Band, BandKind, FlowTextError, MeterSettings, Nanos};

use crate::meter_mod::{MeterCommand, MeterError, MeterRow};
use crate::switch::Switch;

/// What is to be done with meters that are given as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeterVerb {
    /// Add them.
    Add,
    /// Give them other settings.
    Modify,
    /// Remove them.
    Delete,
}

/// Why meters given as text were not changed. Nothing was, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeterTextError {
    /// There is no such bridge.
    #[error("There is no bridge called {0}")]
    NoBridge(String),
    /// The text is not a meter.
    #[error("{0}")]
    Text(#[from] FlowTextError),
    /// It cannot be.
    #[error("{0}")]
    Meter(#[from] MeterError),
}

impl Switch {
    /// Carries out changes of meters, one a line: all of them or none. Returns how many were changed.
    ///
    /// # Errors
    /// Nothing was changed: which line is wrong, from 0, and why.
    pub fn change_meters(
        &mut self,
        bridge: &str,
        verb: MeterVerb,
        lines: &[String],
        now: Nanos,
    ) -> Result<usize, (usize, MeterTextError)> {
        let id = self.bridge_id(bridge).ok_or_else(|| (0, MeterTextError::NoBridge(bridge.to_owned())))?;
        self.all_or_none(now, |model| {
            let mut count = 0;
            for (at, line) in lines.iter().enumerate() {
                let (meter, command) = change(verb, line).map_err(|error| (at, error))?;
                count += model.meter_mod(id, meter, command, now).map_err(|error| (at, error.into()))?;
            }
            Ok(count)
        })
    }
}

fn change(verb: MeterVerb, line: &str) -> Result<(u32, MeterCommand), MeterTextError> {
    if verb == MeterVerb::Delete {
        return Ok((parse_meter_filter(line)?.meter, MeterCommand::Delete));
    }
    let text = parse_meter(line)?;
    let settings = settings(&text);
    let command = if verb == MeterVerb::Add { MeterCommand::Add } else { MeterCommand::Modify };
    Ok((text.meter, command(settings)))
}

/// What a text asks for.
pub(crate) fn settings(text: &MeterText) -> MeterSettings {
    let band = |band: &BandText| Band {
        kind: match band.kind {
            TextKind::Drop => BandKind::Drop,
            TextKind::DscpRemark { prec_level } => BandKind::DscpRemark { precedence: prec_level },
        },
        rate: band.rate,
        burst: band.burst_size,
    };
    MeterSettings {
        in_packets: text.unit == Some(MeterUnit::Pktps),
        with_burst: text.burst,
        with_stats: text.stats,
        bands: text.bands.iter().map(band).collect(),
    }
}

impl From<&MeterRow> for MeterText {
    fn from(row: &MeterRow) -> Self {
        let settings = &row.settings;
        let band = |band: &Band| {
            let kind = match band.kind {
                BandKind::Drop => TextKind::Drop,
                BandKind::DscpRemark { precedence } => TextKind::DscpRemark { prec_level: precedence },
                BandKind::Experimenter => return None,
            };
            Some(BandText { kind, rate: band.rate, burst_size: band.burst })
        };
        Self {
            meter: row.id,
            unit: Some(if settings.in_packets { MeterUnit::Pktps } else { MeterUnit::Kbps }),
            burst: settings.with_burst,
            stats: settings.with_stats,
            bands: settings.bands.iter().filter_map(band).collect(),
        }
    }
}
