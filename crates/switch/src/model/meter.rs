//! A meter of a bridge.

use std::sync::Arc;

use netloom_flow::{Meter, Nanos};

/// A meter as the bridge has it. Its buckets and counters are shared with the datapath.
#[derive(Debug, Clone)]
pub(crate) struct MeterEntry {
    pub(crate) meter: Arc<Meter>,
    pub(crate) created: Nanos,
    /// Changes with its settings.
    pub(crate) version: u64,
}
