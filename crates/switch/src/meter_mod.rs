//! Adding, changing and removing meters.

use std::sync::Arc;

use netloom_flow::{BandKind, BridgeId, Meter, MeterRead, MeterSettings, Nanos};

use crate::events::Removed;
use crate::model::{MeterEntry, uses_meter};
use crate::switch::Switch;
use crate::undo::Undo;

/// The highest number of a meter that flows can use.
pub(crate) const MAX_METER: u32 = 262_144;
/// The numbers of meters that are not of flows: for the slow path, for the controllers (`OFPM_SLOWPATH`,
/// `OFPM_CONTROLLER`).
const VIRTUAL: [u32; 2] = [0xffff_fffd, 0xffff_fffe];
/// All meters, where one is to be named (`OFPM_ALL`).
pub(crate) const ALL: u32 = 0xffff_ffff;
/// Most bands of a meter.
pub(crate) const MAX_BANDS: usize = 8;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeterCommand {
    /// Add a meter.
    Add(MeterSettings),
    /// Give a meter other settings. Its counters begin at 0.
    Modify(MeterSettings),
    /// Remove a meter, or with number 0xffffffff all, and the flows that use it.
    Delete,
}

/// Why meters were not changed. Nothing was, then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// There is no such bridge.
    #[error("There is no bridge {0}")]
    NoBridge(BridgeId),
    /// The meter is there already.
    #[error("Meter {0} exists already")]
    Exists(u32),
    /// The meter is not there.
    #[error("There is no meter {0}")]
    Unknown(u32),
    /// No meter can have this number.
    #[error("{0} is not the number of a meter")]
    Invalid(u32),
    /// Too many bands.
    #[error("A meter has at most 8 bands")]
    TooManyBands,
    /// A band has a rate of 0.
    #[error("A band needs a rate")]
    BadRate,
    /// A kind of band that is not carried out.
    #[error("A band is to drop or to remark")]
    BadBand,
}

/// A meter as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterRow {
    /// Its number.
    pub id: u32,
    /// Its settings.
    pub settings: MeterSettings,
    /// Its counters.
    pub read: MeterRead,
    /// How many flows use it.
    pub flows: usize,
    /// When it was added.
    pub created: Nanos,
}

/// Whether a meter can be.
pub(crate) fn check_meter(id: u32, settings: &MeterSettings) -> Result<(), MeterError> {
    if (id == 0 || id > MAX_METER) && !VIRTUAL.contains(&id) {
        return Err(MeterError::Invalid(id));
    }
    if settings.bands.len() > MAX_BANDS {
        return Err(MeterError::TooManyBands);
    }
    if settings.bands.iter().any(|band| band.kind == BandKind::Experimenter) {
        return Err(MeterError::BadBand);
    }
    if settings.bands.iter().any(|band| band.rate == 0) {
        return Err(MeterError::BadRate);
    }
    Ok(())
}

impl Switch {
    /// Carries out a change of meters. Pull all hits first. Returns how many meters were changed or removed.
    ///
    /// # Errors
    /// Nothing was changed, see [`MeterError`].
    pub fn meter_mod(
        &mut self,
        bridge: BridgeId,
        id: u32,
        command: MeterCommand,
        now: Nanos,
    ) -> Result<usize, MeterError> {
        let known = self.bridges.get(bridge).ok_or(MeterError::NoBridge(bridge))?.meters.get(&id);
        match (command, known) {
            (MeterCommand::Delete, _) => Ok(self.delete_meters(bridge, id, now)),
            (MeterCommand::Add(_), Some(_)) => Err(MeterError::Exists(id)),
            (MeterCommand::Modify(_), None) => Err(MeterError::Unknown(id)),
            (MeterCommand::Add(settings), None) => self.put_meter(bridge, id, settings, now),
            (MeterCommand::Modify(settings), Some(entry)) => {
                let created = entry.created;
                self.put_meter(bridge, id, settings, created)
            }
        }
    }

    /// The meters of a bridge, by number; one, or with 0xffffffff all.
    #[must_use]
    pub fn meters(&self, bridge: BridgeId, id: u32) -> Vec<MeterRow> {
        let Some(bridge) = self.bridges.get(bridge) else { return Vec::new() };
        let row = |(id, entry): (&u32, &MeterEntry)| {
            let rules = bridge.tables.values().flat_map(|table| table.rules.iter());
            MeterRow {
                id: *id,
                settings: entry.meter.settings().clone(),
                read: entry.meter.read(),
                flows: rules.filter(|(_, _, rule)| uses_meter(&rule.flow.actions, *id)).count(),
                created: entry.created,
            }
        };
        bridge.meters.iter().filter(|(known, _)| id == ALL || **known == id).map(row).collect()
    }

    fn put_meter(
        &mut self,
        bridge: BridgeId,
        id: u32,
        settings: MeterSettings,
        created: Nanos,
    ) -> Result<usize, MeterError> {
        check_meter(id, &settings)?;
        let version = self.next_version();
        if let Some(present) = self.bridges.get_mut(bridge) {
            let entry = MeterEntry { meter: Arc::new(Meter::new(settings)), created, version };
            let old = present.meters.insert(id, entry);
            self.journal.note(|| Undo::Meter(bridge, id, old));
        }
        self.advance();
        Ok(1)
    }

    fn delete_meters(&mut self, bridge: BridgeId, id: u32, now: Nanos) -> usize {
        let Some(present) = self.bridges.get_mut(bridge) else { return 0 };
        let gone: Vec<u32> =
            present.meters.keys().copied().filter(|known| id == ALL || *known == id).collect();
        for id in &gone {
            let old = present.meters.remove(id);
            self.journal.note(|| Undo::Meter(bridge, *id, old));
        }
        let rules = present.tables.values().flat_map(|table| table.rules.iter());
        let uses_one = |actions: &[_]| gone.iter().any(|meter| uses_meter(actions, *meter));
        let rules: Vec<_> =
            rules.filter(|(_, _, rule)| uses_one(&rule.flow.actions)).map(|(_, _, rule)| rule.id).collect();
        rules.into_iter().for_each(|rule| self.remove_rule(rule, Removed::MeterDelete, now));
        if !gone.is_empty() {
            self.advance();
        }
        gone.len()
    }
}
