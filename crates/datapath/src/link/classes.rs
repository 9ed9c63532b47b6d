//! Queues in front of a link: OVS's QoS record of a port, as a queue discipline.
//!
//! Each packet is for one of them; a [`Scheduler`] says which sends next, and when. Its time is the link's own
//! schedule, so rates are met to the last bit however late the worker looks.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{LinkSettings, Nanos, Qos, Queue};
use netloom_packet::{Headers, Offload};

use crate::counters::QueueCounters;
use crate::link::queue::{QueueDiscipline, Unit};
use crate::qos::{ClassId, ClassSettings, Scheduler};

/// Where the counters of a queue come from.
pub(crate) type CountersOf<'a> = &'a dyn Fn(u32) -> Arc<QueueCounters>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Classes {
    scheduler: Scheduler<Unit>,
    qos: Qos,
    /// The link behind them, as far as queues have to know it.
    link: LinkSettings,
    /// By number; queue 0 is always there.
    queues: BTreeMap<u32, Class>,
    /// The numbers of classes.
    numbers: BTreeMap<ClassId, u32>,
    /// The latest moment it has been told of.
    now: Nanos,
}

#[derive(Debug)]
struct Class {
    id: ClassId,
    counters: Arc<QueueCounters>,
}

impl Classes {
    /// Queues in front of a link with these settings.
    pub(crate) fn new(qos: &Qos, link: &LinkSettings, counters: CountersOf<'_>, now: Nanos) -> Self {
        let mut classes = Self {
            scheduler: Scheduler::new(root(qos), now),
            qos: Qos::default(),
            link: link.clone(),
            queues: BTreeMap::new(),
            numbers: BTreeMap::new(),
            now,
        };
        classes.change(qos, counters, now);
        classes
    }

    /// Other queues from `now` on. What waits stays; what waits in a queue that goes waits in queue 0 instead.
    pub(crate) fn change(&mut self, qos: &Qos, counters: CountersOf<'_>, now: Nanos) {
        self.now = self.now.max(now);
        self.qos.clone_from(qos);
        for number in [DEFAULT_QUEUE].into_iter().chain(qos.queues.keys().copied()) {
            if !self.queues.contains_key(&number)
                && let Some(id) = self.scheduler.add(ClassId::ROOT, self.settings(number), self.now)
            {
                self.queues.insert(number, Class { id, counters: counters(number) });
                self.numbers.insert(id, number);
            }
        }
        self.settle();
        let gone = |number: &u32| *number != DEFAULT_QUEUE && !qos.queues.contains_key(number);
        let gone: Vec<u32> = self.queues.keys().copied().filter(gone).collect();
        for class in gone.iter().filter_map(|number| self.queues.remove(number)).collect::<Vec<_>>() {
            self.numbers.remove(&class.id);
            let homeless = self.scheduler.remove(class.id);
            homeless.into_iter().for_each(|unit| self.take_over(unit, now));
        }
    }

    /// Brings all rates to what QoS and link say.
    fn settle(&mut self) {
        self.scheduler.change(ClassId::ROOT, root(&self.qos), self.now);
        for (number, class) in &self.queues {
            self.scheduler.change(class.id, self.settings(*number), self.now);
        }
    }

    fn settings(&self, number: u32) -> ClassSettings {
        let Queue { min_rate, max_rate, burst, priority, limit, .. } =
            self.qos.queues.get(&number).copied().unwrap_or_default();
        let line = [self.qos.max_rate, self.link.rate].into_iter().flatten().min();
        let queue = limit.or(self.link.queue);
        ClassSettings { min_rate, max_rate, burst, priority, quantum: None, queue, line_rate: line }
    }

    fn class(&self, queue: u32) -> Option<&Class> {
        self.queues.get(&queue).or_else(|| self.queues.get(&DEFAULT_QUEUE))
    }
}

/// What all queues together may have.
fn root(qos: &Qos) -> ClassSettings {
    ClassSettings { max_rate: qos.max_rate, ..ClassSettings::default() }
}

impl QueueDiscipline for Classes {
    fn enqueue(&mut self, unit: Unit, now: Nanos) -> Result<(), Unit> {
        self.now = self.now.max(now);
        let Some(Class { id, .. }) = self.class(unit.queue) else { return Err(unit) };
        let (id, queue, wire) = (*id, unit.queue, unit.wire);
        let done = self.scheduler.enqueue(id, unit, wire);
        if let Some(Class { counters, .. }) = self.class(queue) {
            if done.is_ok() { counters.held.add(wire) } else { counters.dropped.add(wire) }
        }
        done
    }

    fn take_over(&mut self, unit: Unit, now: Nanos) {
        self.now = self.now.max(now);
        let Some(Class { id, counters }) = self.queues.get(&unit.queue).or_else(|| self.queues.get(&0))
        else {
            return;
        };
        let wire = unit.wire;
        if self.scheduler.take_over(*id, unit, wire).is_ok() {
            counters.held.add(wire);
        }
    }

    fn dequeue(&mut self, now: Nanos) -> Option<Unit> {
        self.now = self.now.max(now);
        let (id, unit) = self.scheduler.dequeue(self.now)?;
        if let Some(class) = self.numbers.get(&id).and_then(|number| self.queues.get(number)) {
            class.counters.held.subtract(unit.wire);
            class.counters.sent.add(unit.wire);
        }
        Some(unit)
    }

    fn next(&self) -> Option<Nanos> {
        // Never ZERO, which would stand for any time.
        self.scheduler.next(self.now.max(Nanos(1)))
    }

    fn drain(&mut self) -> Vec<Unit> {
        let mut units = self.scheduler.drain();
        units.sort_by_key(|unit| unit.number);
        for unit in &units {
            if let Some(class) = self.class(unit.queue) {
                class.counters.held.subtract(unit.wire);
            }
        }
        units
    }

    fn set_link(&mut self, settings: &LinkSettings, now: Nanos) {
        self.now = self.now.max(now);
        self.link.clone_from(settings);
        self.settle();
    }

    fn unit_segments(&self, queue: u32, headers: &Headers, offload: &Offload) -> Option<NonZeroU32> {
        self.scheduler.unit_segments(self.class(queue)?.id, headers, offload)
    }

    fn classes(&mut self) -> Option<&mut Classes> {
        Some(self)
    }

    fn is_empty(&self) -> bool {
        self.scheduler.is_empty()
    }
}
