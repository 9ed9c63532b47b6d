//! Where a worker's miss meets the switch model.
//!
//! A translation is made on the worker that met the miss, against a read view of the model. What it learns is written
//! at once, so that the next packet already knows; what it counts is credited later, by [`Tracked::credit`].

use std::sync::{Arc, PoisonError, RwLock, TryLockError};

use netloom_datapath::Slowpath;
use netloom_flow::{Nanos, PacketKey, Punt, Translation, Upcall};
use netloom_switch::Switch;
use netloom_sys::heap;

use crate::asked::Asked;
use crate::punts::Punts;
use crate::trace::Watch;
use crate::tracked::Tracked;

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
    asked: Asked,
    /// Translations since there was last made room for more.
    made: u32,
}

/// Translations for which there is made room at once: each takes a kilobyte, with its place in the cache.
const TOGETHER: u32 = 64;

impl Misses {
    /// For one worker; `punts` are for controllers, `served` for the networks' own services. `seed` is the lab's.
    pub(crate) fn new(
        switch: SharedSwitch,
        tracked: Arc<Tracked>,
        [punts, served]: [Arc<Punts>; 2],
        watch: Arc<Watch>,
        seed: u64,
    ) -> Self {
        Self { switch, tracked, punts, served, watch, asked: Asked::new(seed), made: 0 }
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
        self.tracked.wait_for(|| read(&self.switch))
    }

    /// An answer as it is given down: one that only asks controllers is shared at first.
    fn give(&mut self, made: Translation, upcall: &Upcall<'_>) -> Arc<Translation> {
        if self.asked.is_first(upcall.key, &made) && !self.watch.is_armed() {
            let (shared, is_new) = self.asked.share(made);
            if is_new {
                self.tracked.add(Arc::clone(&shared));
            }
            return shared;
        }
        let translation = Arc::new(made);
        self.meet(&translation, upcall.now);
        translation
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
        self.give(made, upcall)
    }

    fn try_translate(&mut self, upcall: &Upcall<'_>) -> Option<Arc<Translation>> {
        let model = self.read();
        let mut made = model.try_translate(upcall)?;
        if self.watch.is_armed() {
            made = self.watch.translate(&model, upcall);
        }
        drop(model);
        Some(self.give(made, upcall))
    }

    fn take_back(&mut self, translation: &Translation) {
        if !self.asked.shares(translation) {
            translation.hits.retire();
        }
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

/// The present moment on the clock of links and timeouts.
pub(crate) fn now() -> Nanos {
    Nanos(netloom_sys::clock::now())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use netloom_flow::{Epoch, FieldId, FlowMatch, PACKET_WORDS, PortId, word};
    use netloom_switch::{FlowQuery, Settings};

    use super::*;
    use crate::wiring::PortMap;

    /// A flow of its own, so that addresses are looked at, and one that asks controllers.
    const LAB: &str = "\
netloom: 1
name: asking
nodes: { h1: {}, h2: {} }
switches:
  s1:
    flows:
      - priority=9,dl_src=02:00:00:00:00:09,actions=drop
      - priority=0,actions=controller
links: [h1 -- s1, h2 -- s1]
";

    fn model() -> Switch {
        let file = netloom_lab::load(LAB, Path::new("/asking.loom.yml"), &[]).unwrap();
        let lab = netloom_lab::resolve(&file).unwrap();
        let mut map = PortMap::default();
        map.update(&lab);
        let id = |link: &str, left: bool| map.link(link).map(|[a, b]| if left { a } else { b });
        let mut model = Switch::new(Settings::default(), Epoch::new());
        model.reconfigure(&netloom_lab::config::config(&lab, &id), Nanos::ZERO).unwrap();
        model
    }

    /// A packet of its own flow.
    fn packet(port: PortId, station: u128) -> PacketKey {
        let mut matches = FlowMatch::any();
        matches.set(FieldId::EthSrc, 0x0200_0000_0000 + station);
        let mut key = PacketKey::default();
        key.0.copy_from_slice(&matches.key().0[..PACKET_WORDS]);
        key.0[word::IN_PORT] = u64::from(port.0) << 32;
        key
    }

    #[test]
    fn packets_that_only_ask_are_counted_whether_their_answers_are_kept_or_not() {
        let switch: SharedSwitch = Arc::new(RwLock::new(model()));
        let tracked = Arc::new(Tracked::new().unwrap());
        let queues = [Arc::new(Punts::default()), Arc::new(Punts::default())];
        let mut slow = Misses::new(Arc::clone(&switch), Arc::clone(&tracked), queues, Arc::default(), 7);
        let ports: Vec<PortId> = read(&switch).ports("s1").iter().map(|port| port.dp_port).collect();
        let mut meet = |port: usize, station: u128| {
            let key = packet(ports[port], station);
            let made = slow.translate(&Upcall { key: &key, packet: &[], now: Nanos(1) });
            made.hits.add(1, 100, 0, Nanos(1));
            if !made.cacheable {
                slow.take_back(&made);
            }
            made
        };
        // Two ports in turn, then flows that come again, then one that asks nobody.
        let first: Vec<_> = (0..40).map(|n| meet(n % 2, 100 + n as u128)).collect();
        assert!(first.iter().all(|made| !made.cacheable && !made.hits.read().retired));
        assert!(Arc::ptr_eq(&first[0], &first[38]) && !Arc::ptr_eq(&first[0], &first[1]));
        let again: Vec<_> = (0..3).map(|n| meet(n % 2, 100 + n as u128)).collect();
        assert!(again.iter().all(|made| made.cacheable));
        assert!(meet(0, 9).cacheable);
        tracked.credit(&switch);
        let counted = |switch: &SharedSwitch| {
            let model = read(switch);
            let bridge = model.bridge_id("s1").unwrap();
            let mut counts: Vec<_> = model
                .flow_entries(bridge, &FlowQuery::default())
                .iter()
                .map(|entry| (entry.rule.flow.priority, entry.packets, entry.bytes))
                .collect();
            counts.sort_unstable();
            counts
        };
        assert_eq!(counted(&switch), [(0, 43, 4_300), (9, 1, 100)]);
        meet(1, 7_000);
        drop(slow);
        tracked.credit(&switch);
        assert_eq!(counted(&switch), [(0, 44, 4_400), (9, 1, 100)], "also what came last");
    }
}
