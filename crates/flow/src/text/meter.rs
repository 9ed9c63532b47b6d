//! Meters: `meter=1,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100`
//!
//! Source: ovs-ofctl(8), "Meter Syntax"; OpenFlow 1.5.1 §5.11.

use std::fmt;

use super::error::FlowTextError;
use super::piece::{Item, Items, Piece};
use super::value;

/// A meter as `ovs-ofctl add-meter` takes it. `Display` prints what is read back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterText {
    /// Its number; see [`Self::ALL`] and its like.
    pub meter: u32,
    /// What rates are in; `None`: not said, as in a deletion.
    pub unit: Option<MeterUnit>,
    /// Whether `burst_size` of the bands counts.
    pub burst: bool,
    /// Whether it keeps statistics.
    pub stats: bool,
    /// Its bands.
    pub bands: Vec<BandText>,
}

/// What rates of a meter are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterUnit {
    /// Kilobits a second.
    Kbps,
    /// Packets a second.
    Pktps,
}

/// A band of a meter: what happens above a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BandText {
    /// What happens.
    pub kind: BandKind,
    /// Above which rate, in the meter's unit.
    pub rate: u32,
    /// How much may come at once, in kilobits or packets.
    pub burst_size: u32,
}

/// What happens to a packet above the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BandKind {
    /// It is dropped.
    Drop,
    /// Its drop precedence, in the DSCP, rises by so much.
    DscpRemark {
        /// By how much.
        prec_level: u8,
    },
}

impl MeterText {
    /// The highest number of a meter.
    pub const MAX: u32 = 0xffff_0000;
    /// The meter of what goes to the slow path (`OFPM_SLOWPATH`).
    pub const SLOWPATH: u32 = 0xffff_fffd;
    /// The meter of what goes to controllers (`OFPM_CONTROLLER`).
    pub const CONTROLLER: u32 = 0xffff_fffe;
    /// All meters (`OFPM_ALL`), in a deletion or a request.
    pub const ALL: u32 = 0xffff_ffff;
}

/// Numbers of meters that have names.
const METERS: [(&str, u32); 3] =
    [("all", MeterText::ALL), ("controller", MeterText::CONTROLLER), ("slowpath", MeterText::SLOWPATH)];

/// Reads a meter that is to be: it has a unit and bands.
///
/// # Errors
/// The first thing that is wrong, with its place and, where possible, what would be right.
pub fn parse_meter(text: &str) -> Result<MeterText, FlowTextError> {
    let meter = parse_meter_filter(text)?;
    let whole = Piece::new(text);
    if meter.unit.is_none() {
        return Err(FlowTextError::new(whole, "The meter has no unit").hint("add kbps or pktps"));
    }
    if meter.bands.is_empty() {
        return Err(FlowTextError::new(whole, "The meter has no bands").hint("add bands=type=drop,rate=RATE"));
    }
    Ok(meter)
}

/// Reads which meter is meant: nothing but its number need be given.
///
/// # Errors
/// As [`parse_meter`].
pub fn parse_meter_filter(text: &str) -> Result<MeterText, FlowTextError> {
    let mut meter = MeterText::default();
    let (mut is_named, mut in_bands) = (false, false);
    for item in Items::new(Piece::new(text)) {
        if in_bands {
            band(&mut meter.bands, item.key, item.value, item.whole)?;
            continue;
        }
        match (item.key.text, item.value) {
            ("meter", Some(value)) => {
                meter.meter = number(value)?;
                is_named = true;
            }
            ("kbps", None) => meter.unit = Some(MeterUnit::Kbps),
            ("pktps", None) => meter.unit = Some(MeterUnit::Pktps),
            ("burst", None) => meter.burst = true,
            ("stats", None) => meter.stats = true,
            ("bands" | "band", Some(value)) => {
                in_bands = true;
                if let Some(first) = Items::new(value).next() {
                    band(&mut meter.bands, first.key, first.value, first.whole)?;
                }
            }
            _ => return Err(unknown(item)),
        }
    }
    if is_named {
        return Ok(meter);
    }
    Err(FlowTextError::new(Piece::new(text), "The meter has no number").hint("add meter=NUMBER"))
}

fn number(text: Piece<'_>) -> Result<u32, FlowTextError> {
    if let Some((_, meter)) = METERS.iter().find(|(name, _)| *name == text.text) {
        return Ok(*meter);
    }
    match u32::try_from(value::number(text, u128::from(MeterText::MAX))?) {
        Ok(number @ 1..) => Ok(number),
        _ => Err(FlowTextError::new(text, "Meters are numbered from 1")),
    }
}

/// A part of a band; `type` begins the next.
fn band(
    bands: &mut Vec<BandText>,
    key: Piece<'_>,
    value: Option<Piece<'_>>,
    whole: Piece<'_>,
) -> Result<(), FlowTextError> {
    let bad = || {
        FlowTextError::new(whole, "A band has type, rate, burst_size and prec_level, the type first")
            .hint("as in bands=type=drop,rate=1000")
    };
    let value = value.ok_or_else(bad)?;
    if key.text == "type" {
        let kind = match value.text {
            "drop" => BandKind::Drop,
            "dscp_remark" => BandKind::DscpRemark { prec_level: 0 },
            other => {
                return Err(FlowTextError::new(value, format!("'{other}' is not a type of band"))
                    .hint("one of drop, dscp_remark"));
            }
        };
        bands.push(BandText { kind, rate: 0, burst_size: 0 });
        return Ok(());
    }
    let band = bands.last_mut().ok_or_else(bad)?;
    match (key.text, &mut band.kind) {
        ("rate", _) => band.rate = value::small(value)?,
        ("burst_size", _) => band.burst_size = value::small(value)?,
        ("prec_level", BandKind::DscpRemark { prec_level }) => *prec_level = value::small(value)?,
        _ => return Err(bad()),
    }
    Ok(())
}

fn unknown(item: Item<'_>) -> FlowTextError {
    let known = ["meter", "kbps", "pktps", "burst", "stats", "bands"];
    FlowTextError::new(item.key, format!("Unknown word '{}'", item.key.text))
        .did_you_mean(item.key.text, known.into_iter())
}

impl fmt::Display for MeterText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match METERS.iter().find(|(_, meter)| *meter == self.meter) {
            Some((name, _)) => write!(f, "meter={name}")?,
            None => write!(f, "meter={}", self.meter)?,
        }
        f.write_str(match self.unit {
            None => "",
            Some(MeterUnit::Kbps) => ",kbps",
            Some(MeterUnit::Pktps) => ",pktps",
        })?;
        for (name, is_set) in [(",burst", self.burst), (",stats", self.stats)] {
            f.write_str(if is_set { name } else { "" })?;
        }
        for (i, band) in self.bands.iter().enumerate() {
            write!(f, ",{}{band}", if i == 0 { "bands=" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Display for BandText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            BandKind::Drop => write!(f, "type=drop,rate={}", self.rate)?,
            BandKind::DscpRemark { prec_level } => {
                write!(f, "type=dscp_remark,rate={},prec_level={prec_level}", self.rate)?;
            }
        }
        if self.burst_size != 0 {
            write!(f, ",burst_size={}", self.burst_size)?;
        }
        Ok(())
    }
}
