//! The thread that keeps the switch model's counters and time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use netloom_datapath::{Counters, Tracker};
use netloom_sys::HostError;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;

use crate::slowpath::{self, SharedSwitch};
use crate::tracked::Tracked;
use crate::worker::{Caller, Mail};

/// Pulls hits and lets time pass in the switch model, about once a second while there is traffic.
#[derive(Debug)]
pub(crate) struct Keeper {
    bell: Arc<EventFd>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// How often hits are pulled while packets move.
const PULL_NS: u64 = 1_000_000_000;
/// How often it is looked whether packets move again.
const LOOK_NS: u64 = 2_000_000_000;
/// Most flows that end under one hold of the model: some 50 us, for which a miss may wait.
const EXPIRED: usize = 64;

/// What it looks after.
pub(crate) struct Kept {
    pub(crate) switch: SharedSwitch,
    pub(crate) tracked: Arc<Tracked>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) callers: Vec<Caller>,
}

/// Packets received so far at all ports: whether it moves says whether the lab is idle.
pub(crate) fn received(counters: &[Arc<Counters>]) -> u64 {
    counters.iter().flat_map(|c| c.ports()).map(|(_, port)| port.rx().packets).sum()
}

impl Keeper {
    /// Starts it.
    ///
    /// # Errors
    /// No fd or thread left.
    pub(crate) fn start(kept: Kept) -> Result<Self, HostError> {
        let bell = Arc::new(EventFd::new()?);
        let mut epoll = Epoll::new(2)?;
        epoll.add(&*bell, 0, Interest::Read)?;
        epoll.add(kept.tracked.bell(), 1, Interest::Read)?;
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let work = move || {
            let mut seen = 0;
            while !stop.load(Ordering::Relaxed) {
                let pause = kept.round(&mut seen);
                kept.rest(&mut epoll, pause, &stop);
            }
        };
        let thread = std::thread::Builder::new().name("keeper".to_owned()).spawn(work);
        let thread = thread.map_err(|e| HostError::from_io("start the thread", "keeper", &e))?;
        Ok(Self { bell, over, thread: Some(thread) })
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.bell.signal();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Kept {
    /// Brings the model up to date; how long it may be left alone, in nanoseconds. `seen`: packets received up to the last
    /// round.
    fn round(&self, seen: &mut u64) -> u64 {
        let received = received(&self.counters);
        let moved = std::mem::replace(seen, received) != received;
        if moved {
            self.tracked.credit(&self.switch);
        }
        // Connections end also while nothing moves.
        if moved || self.tracker.count() > 0 {
            self.callers.iter().for_each(|caller| caller.send(Mail::Judge));
        }
        let now = slowpath::now();
        let due = slowpath::read(&self.switch).deadline();
        if due.is_some_and(|due| due <= now) {
            self.tracked.credit(&self.switch);
            while slowpath::write(&self.switch).tick_some(now, EXPIRED) {
                self.tracked.give_way();
            }
        }
        let next = slowpath::read(&self.switch).deadline().map_or(u64::MAX, |due| due.since(now).0);
        let pause = if moved { PULL_NS } else { LOOK_NS };
        pause.min(next.max(1_000_000))
    }

    /// Waits, and meanwhile credits new flows whenever there are many.
    fn rest(&self, epoll: &mut Epoll, pause: u64, stop: &AtomicBool) {
        let end = slowpath::now().0 + pause;
        while !stop.load(Ordering::Relaxed) {
            let left = end.saturating_sub(slowpath::now().0);
            if left == 0 {
                return;
            }
            // A signal or failure only makes the round come early.
            if epoll.wait(Some(left), |_| ()).is_err() {
                return;
            }
            if self.tracked.bell().clear() {
                self.tracked.credit_new(&self.switch);
            }
        }
    }
}
