//! Meters.

use netloom_flow::Nanos;

use crate::bits::bits;

/// The highest number of a meter (`OFPM_MAX`).
pub const METER_MAX: u32 = 0xffff_0000;
/// The meter of what goes to the local port by the slow path (`OFPM_SLOWPATH`).
pub const METER_SLOWPATH: u32 = 0xffff_fffd;
/// The meter of what goes to controllers (`OFPM_CONTROLLER`).
pub const METER_CONTROLLER: u32 = 0xffff_fffe;
/// All meters (`OFPM_ALL`).
pub const METER_ALL: u32 = 0xffff_ffff;

/// What a meter mod does (`OFPMC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MeterCommand {
    /// Add a meter.
    Add = 0,
    /// Replace it.
    Modify = 1,
    /// Delete it, and the flows that use it.
    Delete = 2,
}

bits!(
    /// Properties of a meter (`OFPMF_*`).
    MeterFlags(u16) {
        /// Rates are in kb/s.
        KBPS = 1 << 0,
        /// Rates are in packets/s.
        PKTPS = 1 << 1,
        /// The burst counts.
        BURST = 1 << 2,
        /// It keeps statistics.
        STATS = 1 << 3,
    }
);

/// What a band does with what exceeds its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BandKind {
    /// Drop it.
    Drop,
    /// Raise its drop precedence.
    DscpRemark {
        /// By how much.
        precedence: u8,
    },
    /// As this experimenter knows.
    Experimenter(u32),
}

/// A band of a meter (`ofp_meter_band_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Band {
    /// What it does.
    pub kind: BandKind,
    /// From which rate on.
    pub rate: u32,
    /// How much may come at once, in kilobits or packets.
    pub burst: u32,
}

/// A meter: in a change, and as it is (`OFPMP_METER_CONFIG`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeterConfig {
    /// Its number.
    pub meter: u32,
    /// Its properties.
    pub flags: MeterFlags,
    /// Its bands.
    pub bands: Vec<Band>,
}

/// Adds, changes or deletes meters (`OFPT_METER_MOD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterCommand,
    /// The meter.
    pub config: MeterConfig,
}

/// What a meter counted (`OFPMP_METER`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterStats {
    /// Its number.
    pub meter: u32,
    /// How many flows use it.
    pub flows: u32,
    /// Packets that came in.
    pub packets: u64,
    /// Bytes that came in.
    pub bytes: u64,
    /// How long it has been.
    pub duration: Nanos,
    /// Packets and bytes of each band.
    pub bands: Vec<(u64, u64)>,
}

/// What meters can do (`OFPMP_METER_FEATURES`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterFeatures {
    /// How many.
    pub max_meters: u32,
    /// A bit for each kind of band: bit 1 drop, bit 2 remark.
    pub bands: u32,
    /// Which flags.
    pub capabilities: u32,
    /// How many bands each.
    pub max_bands: u8,
    /// How many colours.
    pub max_color: u8,
}
