//! The thread that writes what is kept, half a second after it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_datapath::{Counters, Tracker};
use netloom_flow::{BridgeId, Nanos};
use netloom_switch::{Kept, Stamp, Switch};
use netloom_sys::HostError;

use super::Folder;
use super::text::Whole;
use crate::keeper::received;
use crate::slowpath::{self, SharedSwitch};
use crate::tracked::Tracked;

/// How often it is looked whether something has changed.
const LOOK: Duration = Duration::from_millis(500);
/// After writing, so many times as long as that took: a fifth of a processor at most.
const REST: u32 = 4;
/// Places of flows looked at under one hold of the model: some 50 us, for which others may wait.
const PART: usize = 512;
/// After so many attempts to see a bridge at one moment, the model is held.
const ATTEMPTS: usize = 3;

/// What is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    pub(crate) switch: SharedSwitch,
    pub(crate) tracked: Arc<Tracked>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) tracker: Arc<Tracker>,
}

/// The thread. It writes once more when this is dropped.
#[derive(Debug)]
pub(in crate::switchd) struct Writer {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts it.
    ///
    /// # Errors
    /// No thread left.
    pub(in crate::switchd) fn start(folder: Folder, sources: Sources) -> Result<Self, HostError> {
        let (end, ends) = mpsc::channel();
        let work = move || {
            let files = files(&folder, &sources);
            let mut work = Work { folder, sources, seen: None, files, told: BTreeMap::new() };
            let mut pause = LOOK;
            while ends.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let took = work.look();
                pause = LOOK.max(took * REST);
            }
            work.write();
        };
        let thread = std::thread::Builder::new().name("kept".to_owned()).spawn(work);
        let thread = thread.map_err(|error| HostError::from_io("start the thread", "kept", &error))?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The files of the bridges that there are: those of bridges that go are removed.
fn files(folder: &Folder, sources: &Sources) -> BTreeSet<PathBuf> {
    let switch = slowpath::read(&sources.switch);
    switch.bridges().filter_map(|(_, name)| folder.file(name)).collect()
}

struct Work {
    folder: Folder,
    sources: Sources,
    /// What was so when it was written last: the model, and the packets that had come.
    seen: Option<(Stamp, u64)>,
    /// The files that are there, or may be.
    files: BTreeSet<PathBuf>,
    /// Why a bridge is not kept, as it was said last.
    told: BTreeMap<String, String>,
}

impl Work {
    /// Writes if something is otherwise; how long that took.
    fn look(&mut self) -> Duration {
        let stamp = slowpath::read(&self.sources.switch).stamp();
        let now = (stamp, received(&self.sources.counters));
        if self.seen == Some(now) {
            return Duration::ZERO;
        }
        self.seen = Some(now);
        let begun = slowpath::now();
        self.write();
        let Nanos(took) = slowpath::now().since(begun);
        Duration::from_nanos(took)
    }

    /// Writes the files of all bridges, and removes those of bridges that are gone.
    fn write(&mut self) {
        self.sources.tracked.credit(&self.sources.switch);
        let bridges = slowpath::read(&self.sources.switch).bridge_ids();
        let mut written = BTreeSet::new();
        for bridge in bridges {
            let Some(whole) = self.whole(bridge) else { continue };
            let Some(path) = self.folder.file(&whole.bridge.name) else { continue };
            let name = whole.bridge.name.clone();
            match self.folder.write(&path, &whole) {
                Ok(()) => {
                    written.insert(path);
                    self.told.remove(&name);
                }
                Err(error) => self.tell(name, &error.to_string()),
            }
        }
        for path in self.files.difference(&written) {
            let _ = std::fs::remove_file(path);
        }
        self.files = written;
    }

    /// Says once why a bridge is not kept.
    fn tell(&mut self, bridge: String, why: &str) {
        if self.told.get(&bridge).is_none_or(|told| told != why) {
            tracing::error!(target: "bridge", bridge, "it would not outlive a restart: {why}");
            self.told.insert(bridge, why.to_owned());
        }
    }

    /// What a bridge keeps at one moment. `None`: it is gone.
    fn whole(&self, bridge: BridgeId) -> Option<Whole> {
        let connections = |kept: &Kept| self.sources.tracker.keep(bridge, kept.clock);
        for _ in 0..ATTEMPTS {
            if let Some(kept) = self.piecewise(bridge)? {
                return Some(Whole { connections: connections(&kept), bridge: kept });
            }
        }
        let switch = slowpath::write_between(&self.sources.switch);
        let mut kept = switch.keep(bridge, slowpath::now())?;
        switch.keep_flows(bridge, &mut kept, 0, usize::MAX);
        drop(switch);
        Some(Whole { connections: connections(&kept), bridge: kept })
    }

    /// Looks at it in parts. The inner `None`: it has changed meanwhile.
    fn piecewise(&self, bridge: BridgeId) -> Option<Option<Kept>> {
        let mut switch = self.between();
        let stamp = switch.stamp();
        let mut kept = switch.keep(bridge, slowpath::now())?;
        let mut next = switch.keep_flows(bridge, &mut kept, 0, PART);
        while let Some(from) = next {
            drop(switch);
            self.sources.tracked.give_way();
            switch = slowpath::read(&self.sources.switch);
            if switch.stamp() != stamp {
                return Some(None);
            }
            next = switch.keep_flows(bridge, &mut kept, from, PART);
        }
        Some(Some(kept))
    }

    /// The model for reading, not in the middle of a bundle.
    fn between(&self) -> std::sync::RwLockReadGuard<'_, Switch> {
        loop {
            let switch = slowpath::read(&self.sources.switch);
            if !switch.is_committing() {
                return switch;
            }
            drop(switch);
            std::thread::yield_now();
        }
    }
}
