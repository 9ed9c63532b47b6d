//! What the caches have carried, and what of it the model has been credited with.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use netloom_flow::{Branch, HitsRead, Translation};
use netloom_switch::{HitsDelta, Switch};
use netloom_sys::HostError;
use netloom_sys::eventfd::EventFd;

use crate::slowpath;

/// Every translation that a worker may still count hits on.
#[derive(Debug)]
pub(crate) struct Tracked {
    /// Those that have been credited at least once.
    flows: Mutex<Vec<Flow>>,
    /// Those that have not.
    new: Mutex<Vec<Flow>>,
    /// Effects of those that have not.
    backlog: AtomicUsize,
    /// Rings when that has become much.
    bell: EventFd,
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
    /// Credits what came since the last time; whether there was anything. The model is locked if it is needed.
    fn credit<'s>(&mut self, model: &mut Option<Held<'s>>, switch: &'s RwLock<Switch>) -> bool {
        let now = self.translation.hits.read();
        let is_busy = now.packets != self.credited.packets || now.bytes != self.credited.bytes;
        if is_busy {
            let delta = HitsDelta::between(&self.credited, &now);
            let model = model.get_or_insert_with(|| slowpath::write(switch));
            model.credit(&self.translation, delta);
            self.credit_branches(model);
        }
        self.credited = now;
        is_busy
    }

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

    /// What crediting it costs, about.
    fn weight(&self) -> usize {
        1 + self.translation.effects.len()
    }
}

/// The model, held for writing.
type Held<'s> = RwLockWriteGuard<'s, Switch>;

/// Looks whether a worker still waits before the processor is left to it.
const GLANCES: u32 = 100;
/// Most turns that are given to workers in a row.
const TURNS: u32 = 64;
/// Effects credited under one hold of the model, so that a miss never waits long: a packet through a chain of switches has
/// some for each of them.
const CHUNK: usize = 512;
/// So many effects are not left for later: some milliseconds of work.
const BACKLOG: usize = 16_384;

impl Tracked {
    /// None yet.
    ///
    /// # Errors
    /// No fd left.
    pub(crate) fn new() -> Result<Self, HostError> {
        Ok(Self {
            flows: Mutex::default(),
            new: Mutex::default(),
            backlog: AtomicUsize::new(0),
            bell: EventFd::new()?,
            count: AtomicUsize::new(0),
            readers: AtomicU32::new(0),
        })
    }

    /// Rings when [`Self::credit_new`] has much to do.
    pub(crate) const fn bell(&self) -> &EventFd {
        &self.bell
    }

    /// Waits for the model, and whoever writes many things in a row knows that somebody does.
    pub(crate) fn wait_for<M>(&self, model: impl FnOnce() -> M) -> M {
        self.readers.fetch_add(1, Ordering::Relaxed);
        let model = model();
        self.readers.fetch_sub(1, Ordering::Relaxed);
        model
    }

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
        let flow = Flow { translation, credited: HitsRead::default(), branches };
        let weight = flow.weight();
        self.count.fetch_add(1, Ordering::Relaxed);
        lock(&self.new).push(flow);
        let before = self.backlog.fetch_add(weight, Ordering::Relaxed);
        if before < BACKLOG && before + weight >= BACKLOG {
            self.bell.signal();
        }
    }

    /// Brings every counter of the model up to date with what the caches have carried, and forgets the flows that
    /// the caches have let go. Returns how many flows had carried something.
    pub(crate) fn credit(&self, switch: &RwLock<Switch>) -> usize {
        // Taken out, so that others can be added meanwhile.
        let mut flows = std::mem::take(&mut *lock(&self.flows));
        let mut busy = self.credit_all(&mut flows, switch);
        let (mut new, some) = self.take_new(switch);
        busy += some;
        flows.append(&mut new);
        let before = flows.len();
        flows.retain(|flow| !flow.credited.retired);
        self.count.fetch_sub(before - flows.len(), Ordering::Relaxed);
        self.put_back(flows);
        busy
    }

    /// The same for flows that have never been credited: the first packet of each has passed.
    pub(crate) fn credit_new(&self, switch: &RwLock<Switch>) {
        let (new, _) = self.take_new(switch);
        self.put_back(new);
    }

    fn take_new(&self, switch: &RwLock<Switch>) -> (Vec<Flow>, usize) {
        let mut new = std::mem::take(&mut *lock(&self.new));
        self.backlog.store(0, Ordering::Relaxed);
        let busy = self.credit_all(&mut new, switch);
        (new, busy)
    }

    fn credit_all(&self, flows: &mut [Flow], switch: &RwLock<Switch>) -> usize {
        let (mut model, mut held, mut busy) = (None, 0, 0);
        for flow in flows {
            if flow.credit(&mut model, switch) {
                busy += 1;
                held += flow.weight();
            }
            if held >= CHUNK {
                held = 0;
                model = None;
                self.give_way();
            }
        }
        busy
    }

    fn put_back(&self, mut flows: Vec<Flow>) {
        let mut slot = lock(&self.flows);
        // The longer list stays where it is.
        if slot.len() > flows.len() {
            std::mem::swap(&mut *slot, &mut flows);
        }
        flows.append(&mut slot);
        *slot = flows;
    }
}

fn lock(flows: &Mutex<Vec<Flow>>) -> MutexGuard<'_, Vec<Flow>> {
    flows.lock().unwrap_or_else(PoisonError::into_inner)
}
