//! How many connections each zone has, and may have.

use std::collections::BTreeMap;

use netloom_flow::BridgeId;

/// A zone of a bridge.
pub(crate) type Zone = (BridgeId, u16);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    counts: BTreeMap<Zone, u32>,
    given: BTreeMap<Zone, u32>,
}

impl Limits {
    /// Takes room for a connection; `false`: there is none.
    pub(crate) fn take(&mut self, zone: Zone) -> bool {
        let count = self.counts.entry(zone).or_default();
        let has_room = self.given.get(&zone).is_none_or(|limit| *count < *limit);
        *count += u32::from(has_room);
        has_room
    }

    pub(crate) fn give_back(&mut self, zone: Zone) {
        if let Some(count) = self.counts.get_mut(&zone) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.counts.remove(&zone);
            }
        }
    }

    /// Limits a zone; `None`: no more.
    pub(crate) fn set(&mut self, zone: Zone, limit: Option<u32>) {
        match limit {
            Some(limit) => _ = self.given.insert(zone, limit),
            None => _ = self.given.remove(&zone),
        }
    }

    /// Those with connections or a limit.
    pub(crate) fn zones(&self) -> impl Iterator<Item = Zone> {
        self.counts.keys().chain(self.given.keys()).copied()
    }

    pub(crate) fn limit(&self, zone: Zone) -> Option<u32> {
        self.given.get(&zone).copied()
    }

    pub(crate) fn count(&self, zone: Zone) -> u32 {
        self.counts.get(&zone).copied().unwrap_or(0)
    }
}
