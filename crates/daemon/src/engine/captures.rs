//! Who captures where: any number of captures at one port, though the datapath has one sink a port.
//!
//! ```text
//! worker ── frame ──► Fan of the port ──► CaptureTap of capture 1 ──► its stream
//!                                    └──► CaptureTap of capture 2 ──► its stream
//! ```
//!
//! A port is captured while somebody listens there: only then does the datapath copy, and only then does the switch
//! model lead every packet past the port one by one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_datapath::{CaptureSink, Frame, PortSpec, Way};
use netloom_flow::{Nanos, PortId};
use netloom_netdev::CaptureTap;

use super::core::Core;

/// The captures of a lab.
#[derive(Debug, Default)]
pub(crate) struct Captures(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    fans: BTreeMap<PortId, Fan>,
}

/// Everybody who captures at one port, by the number of the capture.
#[derive(Debug, Clone, Default)]
struct Fan(Arc<Mutex<BTreeMap<u64, CaptureTap>>>);

impl CaptureSink for Fan {
    fn frame(&mut self, way: Way, at: Nanos, frame: &Frame<'_>) {
        // Held elsewhere only while a capture begins or ends.
        lock(&self.0).values_mut().for_each(|tap| tap.frame(way, at, frame));
    }
}

impl Captures {
    /// Starts a capture with a tap at each of some ports; the number ends it.
    pub(super) fn begin(&self, core: &Core, taps: Vec<(PortSpec, CaptureTap)>) -> u64 {
        let mut inner = lock(&self.0);
        let number = inner.next;
        inner.next += 1;
        for (spec, tap) in taps {
            let fan = inner.fans.entry(spec.id).or_default();
            let first = lock(&fan.0).is_empty();
            lock(&fan.0).insert(number, tap);
            if first {
                let fan = fan.clone();
                core.set_capture(&spec, Some(&|| Box::new(fan.clone())));
            }
        }
        core.settle();
        number
    }

    /// Ends a capture: its reader sees the end. `spec` knows the ports that still exist.
    pub(super) fn end(&self, core: &Core, number: u64, spec: impl Fn(PortId) -> Option<PortSpec>) {
        let mut inner = lock(&self.0);
        inner.fans.retain(|port, fan| {
            let mut taps = lock(&fan.0);
            if taps.remove(&number).is_some()
                && taps.is_empty()
                && let Some(spec) = spec(*port)
            {
                core.set_capture(&spec, None);
            }
            !taps.is_empty()
        });
    }

    /// Ends all captures.
    pub(super) fn end_all(&self) {
        lock(&self.0).fans.values().for_each(|fan| lock(&fan.0).clear());
    }
}

/// Changes are single insertions and removals: a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
