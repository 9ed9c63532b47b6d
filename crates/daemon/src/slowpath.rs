//! Where a worker's miss meets the switch model.
//!
//! A translation is made on the worker that met the miss, against a read view of the model. What it learns is written
//! at once, so that the next packet already knows; what it counts is credited later, by [`Tracked::credit`].

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use netloom_datapath::Slowpath;
use netloom_flow::{Branch, HitsRead, Nanos, PacketKey, Punt, Translation, Upcall};
use netloom_switch::{HitsDelta, Switch};
use netloom_sys::heap;

use crate::punts::Punts;
use crate::trace::Watch;

/// The switch model of a lab: one writer at a time, any number of readers.
pub(crate) type SharedSwitch = Arc<RwLock<Switch>>;

/// Looks at the lock before a thread sleeps: most who hold it do so for a few microseconds, and to be woken takes ten
/// times as long.
const LOOKS: u32 = 200;

/// The model for reading. A panic of another thread while it held the lock is that thread's bug; the model is
/// changed in steps that each leave it whole, so the others go on.
pub(crate) fn read(switch: &RwLock<Switch>) -> std::sync::RwLockReadGuard<'_, Switch> {
    for _ in 0..LOOKS {
        match switch.try_read() {
            Ok(model) => return model,
            Err(TryLockError::Poisoned(broken)) => return broken.into_inner(),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    switch.read().unwrap_or_else(PoisonError::into_inner)
}

/// The model for writing. See [`read`].
pub(crate) fn write(switch: &RwLock<Switch>) -> std::sync::RwLockWriteGuard<'_, Switch> {
    for _ in 0..LOOKS {
        match switch.try_write() {
            Ok(model) => return model,
            Err(TryLockError::Poisoned(broken)) => return broken.into_inner(),
            Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
        }
    }
    switch.write().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's way to the switch model.
#[derive(Debug)]
pub(crate) struct Misses {
    switch: SharedSwitch,
    tracked: Arc<Tracked>,
    /// For controllers.
    punts: Arc<Punts>,
    /// For the networks' own services.
    served: Arc<Punts>,
    watch: Arc<Watch>,
    /// Translations since there was last made room for more.
    made: u32,
}

/// Translations for which there is made room at once: each takes a kilobyte, with its place in the cache.
const TOGETHER: u32 = 64;

impl Misses {
    /// For one worker; `punts` are for controllers, `served` for the networks' own services.
    pub(crate) fn new(
        switch: SharedSwitch,
        tracked: Arc<Tracked>,
        [punts, served]: [Arc<Punts>; 2],
        watch: Arc<Watch>,
    ) -> Self {
        Self { switch, tracked, punts, served, watch, made: 0 }
    }
}

/// The model for changing flows: not in the middle of a bundle.
pub(crate) fn write_between(switch: &RwLock<Switch>) -> std::sync::RwLockWriteGuard<'_, Switch> {
    loop {
        let model = write(switch);
        if !model.is_committing() {
            return model;
        }
        drop(model);
        std::thread::yield_now();
    }
}

impl Misses {
    /// The model for reading, and whoever writes many things in a row knows that somebody waits.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Switch> {
        self.tracked.readers.fetch_add(1, Ordering::Relaxed);
        let model = read(&self.switch);
        self.tracked.readers.fetch_sub(1, Ordering::Relaxed);
        model
    }

    /// Learns at once, has the rest credited later.
    fn meet(&mut self, translation: &Arc<Translation>, now: Nanos) {
        self.made += 1;
        if self.made >= TOGETHER {
            self.made = 0;
            heap::make_room();
        }
        if Switch::is_met(translation) {
            write(&self.switch).meet(translation, now);
        }
        self.tracked.add(Arc::clone(translation));
    }
}

impl Slowpath for Misses {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        let model = self.read();
        let made = if self.watch.is_armed() {
            self.watch.translate(&model, upcall)
        } else {
            model.translate(upcall)
        };
        drop(model);
        let translation = Arc::new(made);
        self.meet(&translation, upcall.now);
        translation
    }

    fn try_translate(&mut self, upcall: &Upcall<'_>) -> Option<Arc<Translation>> {
        let model = self.read();
        let mut made = model.try_translate(upcall)?;
        if self.watch.is_armed() {
            made = self.watch.translate(&model, upcall);
        }
        drop(model);
        let translation = Arc::new(made);
        self.meet(&translation, upcall.now);
        Some(translation)
    }

    fn punt(&mut self, punt: &Arc<Punt>, frame: &[u8], now: Nanos) -> bool {
        let queue = if punt.is_served { &self.served } else { &self.punts };
        queue.offer(punt, frame, now)
    }

    fn still_valid(&mut self, key: &PacketKey, translation: &Translation) -> bool {
        let model = self.read();
        let is_hidden = self.watch.is_armed() && self.watch.hides(&model, key, translation);
        !is_hidden && model.still_valid(key, translation)
    }
}

/// Every translation that a worker may still count hits on.
#[derive(Debug, Default)]
pub(crate) struct Tracked {
    flows: Mutex<Vec<Flow>>,
    /// How many there are, those included that are being credited.
    count: AtomicUsize,
    /// Workers that wait for the model.
    readers: AtomicU32,
}

#[derive(Debug)]
struct Flow {
    translation: Arc<Translation>,
    credited: HitsRead,
    /// The same for each branch, in the order of [`Branch::each`].
    branches: Box<[HitsRead]>,
}

impl Flow {
    /// Branches carry nothing unless the whole does.
    fn credit_branches(&mut self, model: &mut Switch) {
        let mut credited = self.branches.iter_mut();
        Branch::each(&self.translation.actions, &mut |branch| {
            let Some(credited) = credited.next() else { return };
            let now = branch.hits.read();
            model.credit_branch(branch, HitsDelta::between(credited, &now));
            *credited = now;
        });
    }
}

/// Looks whether a worker still waits before the processor is left to it.
const GLANCES: u32 = 100;
/// Most turns that are given to workers in a row.
const TURNS: u32 = 64;

/// Flows credited under one hold of the model, so that a miss never waits long.
const CHUNK: usize = 128;

impl Tracked {
    /// Lets workers go first that wait for the model: a lock alone would not, for who has just let go of it is the first
    /// to have it again.
    pub(crate) fn give_way(&self) {
        // A translation takes a microsecond or two: less than it takes to ask the kernel for something else to do.
        for _ in 0..GLANCES {
            if self.readers.load(Ordering::Relaxed) == 0 {
                return;
            }
            std::hint::spin_loop();
        }
        let mut turns = 0;
        while self.readers.load(Ordering::Relaxed) > 0 && turns < TURNS {
            std::thread::yield_now();
            turns += 1;
        }
    }

    /// Whether a worker waits for the model.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.readers.load(Ordering::Relaxed) > 0
    }

    /// Whether there is any flow whose hits may be credited.
    pub(crate) fn has_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Has a translation's hits credited from now on. What has no effects, as most packets of controllers, has nothing to
    /// be credited.
    pub(crate) fn add(&self, translation: Arc<Translation>) {
        let mut count = 0;
        Branch::each(&translation.actions, &mut |_| count += 1);
        if count == 0 && translation.effects.is_empty() {
            return;
        }
        let branches = vec![HitsRead::default(); count].into();
        self.count.fetch_add(1, Ordering::Relaxed);
        self.lock().push(Flow { translation, credited: HitsRead::default(), branches });
    }

    /// Brings every counter of the model up to date with what the caches have carried, and forgets the flows that
    /// the caches have let go. Returns how many flows had carried something.
    pub(crate) fn credit(&self, switch: &RwLock<Switch>) -> usize {
        // Taken out, so that misses can be added meanwhile.
        let mut flows = std::mem::take(&mut *self.lock());
        let mut busy = 0;
        for chunk in flows.chunks_mut(CHUNK) {
            let mut model = None;
            for flow in chunk {
                let now = flow.translation.hits.read();
                if now.packets != flow.credited.packets || now.bytes != flow.credited.bytes {
                    let delta = HitsDelta::between(&flow.credited, &now);
                    let model = model.get_or_insert_with(|| write(switch));
                    model.credit(&flow.translation, delta);
                    flow.credit_branches(model);
                    busy += 1;
                }
                flow.credited = now;
            }
        }
        let before = flows.len();
        flows.retain(|flow| !flow.credited.retired);
        self.count.fetch_sub(before - flows.len(), Ordering::Relaxed);
        let mut slot = self.lock();
        flows.append(&mut slot);
        *slot = flows;
        busy
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Flow>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The present moment on the clock of links and timeouts.
pub(crate) fn now() -> Nanos {
    Nanos(netloom_sys::clock::now())
}
