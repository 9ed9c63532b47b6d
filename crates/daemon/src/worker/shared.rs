//! A worker and its way to the switch model, for whoever has something to be done: its own thread or, while that
//! sleeps, somebody who has packets to send. Waking a thread takes longer than sending a packet.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netloom_datapath::{Slowpath, Worker};
use netloom_flow::Nanos;
use netloom_sys::clock;

use super::thread::Injected;

/// A worker, held by one thread at a time, and how much mail it has not read.
#[derive(Debug)]
pub(super) struct Shared<T: ?Sized> {
    unread: AtomicUsize,
    held: Mutex<T>,
}

/// What is held.
pub(super) struct Held<S> {
    pub(super) worker: Worker,
    pub(super) slow: S,
    /// Packets that were carried out, as far as the thread has not seen yet that there were any.
    pub(super) served: u32,
    /// Some of them came from nowhere: somebody answers.
    pub(super) answered: bool,
}

/// Something that can carry out packets that no port received.
pub(super) trait Inject: Send + fmt::Debug {
    /// Carries them out. `true`: the worker's own thread has to look what has come of it.
    fn inject(&mut self, packets: &[Injected]) -> bool;
}

impl<S: Slowpath + Send> Inject for Held<S> {
    fn inject(&mut self, packets: &[Injected]) -> bool {
        let due = self.worker.deadline();
        for (port, frame, translation) in packets {
            let now = Nanos(clock::now());
            self.worker.inject_next(*port, frame, translation, now, &mut self.slow);
        }
        self.worker.flush();
        // They count as traffic: who answers packets has more to say soon.
        self.served = self.served.saturating_add(u32::try_from(packets.len()).unwrap_or(u32::MAX));
        self.answered = true;
        self.worker.deadline() != due || self.worker.has_handoffs()
    }
}

impl<S> fmt::Debug for Held<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl<S> Held<S> {
    /// A worker that has done nothing yet.
    pub(super) const fn new(worker: Worker, slow: S) -> Self {
        Self { worker, slow, served: 0, answered: false }
    }
}

impl<T> Shared<T> {
    /// Nobody holds it yet.
    pub(super) const fn new(held: T) -> Self {
        Self { unread: AtomicUsize::new(0), held: Mutex::new(held) }
    }
}

impl<T: ?Sized> Shared<T> {
    /// A piece of mail is about to be sent.
    pub(super) fn announce(&self) {
        self.unread.fetch_add(1, Ordering::AcqRel);
    }

    /// What a piece of mail said has been done.
    pub(super) fn read(&self) {
        self.unread.fetch_sub(1, Ordering::AcqRel);
    }

    /// For its own thread. A panic of another that held it would be a bug there; a worker is whole between packets.
    pub(super) fn hold(&self) -> MutexGuard<'_, T> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Inject + ?Sized> Shared<T> {
    /// Carries packets out here and now, if nobody else has the worker and it has done everything it was told before.
    /// Whether its thread has to look.
    pub(super) fn try_inject(&self, packets: &[Injected]) -> Option<bool> {
        let mut held = self.held.try_lock().ok()?;
        (self.unread.load(Ordering::Acquire) == 0).then(|| held.inject(packets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it was asked.
    #[derive(Debug, Default)]
    struct Fake(usize);

    impl Inject for Fake {
        fn inject(&mut self, _packets: &[Injected]) -> bool {
            self.0 += 1;
            self.0 > 1
        }
    }

    #[test]
    fn packets_are_carried_out_by_whoever_comes_while_nobody_holds_the_worker() {
        let shared = Shared::new(Fake::default());
        assert_eq!(shared.try_inject(&[]), Some(false));
        assert_eq!(shared.try_inject(&[]), Some(true), "its thread is to look what has come of it");
        let held = shared.hold();
        assert_eq!(shared.try_inject(&[]), None, "somebody else is at it");
        drop(held);
        assert_eq!(shared.hold().0, 2);
    }

    #[test]
    fn what_was_said_before_is_done_before() {
        let shared = Shared::new(Fake::default());
        shared.announce();
        shared.announce();
        assert_eq!(shared.try_inject(&[]), None);
        shared.read();
        assert_eq!(shared.try_inject(&[]), None, "one is left");
        shared.read();
        assert_eq!(shared.try_inject(&[]), Some(false));
    }
}
