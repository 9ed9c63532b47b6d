//! One worker: its ports, caches and links, and the calls by which the edge drives it.
//!
//! ```text
//! loop {                                       // the edge's; a poll with nothing due costs nothing
//!     wait for devices, until worker.deadline()
//!     worker.begin_round(now, quiet)
//!     for port in ready { worker.service(port, now, slow); worker.poll(clock, slow) }
//!     move worker.handoffs(w) to the others, worker.accept(theirs)
//! }
//! ```

use std::fmt;
use std::sync::Arc;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DropReason, Epoch, Nanos, PortId};
use netloom_packet::{parse, wire};

use crate::cache::{Cache, CachedFlow};
use crate::conntrack::Tracker;
use crate::counters::Counters;
use crate::frame::{Arrival, Frame, Meta};
use crate::handoff::Handoff;
use crate::link::Load;
use crate::pass::{self, Place, WORK};
use crate::pool::PoolLimit;
use crate::port::{Budget, Change, Direction, Port, PortSpec, Received, Serviced, Slowpath};
use crate::share::Share;
use crate::station::{Quiet, Station, Watch};
use crate::wiring::Wiring;

/// Units that leave links in one go; a few tens of microseconds of work.
const DEPARTURES: usize = 128;

/// Cached flows looked at in one [`Worker::expire`].
const EXPIRE_STEPS: usize = 4_096;

/// What a worker is made with.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The lab's seed: of hashes and of all chance.
    pub seed: u64,
    /// Packet memory, shared by the workers of a lab.
    pub pool: PoolLimit,
    /// Bytes of cached flows of this worker.
    pub cache_limit: usize,
    /// The switch model's epoch.
    pub epoch: Epoch,
    /// This worker's number, from 0.
    pub worker: u16,
    /// How many workers there are.
    pub workers: u16,
    /// The connections of the lab, shared by its workers.
    pub tracker: Arc<Tracker>,
}

/// See the module.
pub struct Worker {
    pub(crate) cache: Cache,
    pub(crate) wiring: Wiring,
    pub(crate) epoch: Epoch,
    /// Lookups still to be made before the worker turns to something else.
    pub(crate) work: u32,
    /// Lookups that the cache had no answer to, since the present reading began.
    pub(crate) missed: u32,
    rounds: Rounds,
}

/// What is known of when ports had nothing unread.
#[derive(Debug)]
struct Rounds {
    /// The present round; 0 if the edge does not tell.
    number: u64,
    quiet: Quiet,
    /// Ports read in it so far.
    ports: u32,
    /// Ports read in the one before.
    before: u32,
}

impl Rounds {
    const fn next(&self, quiet: Quiet) -> Self {
        Self { number: self.number + 1, quiet, ports: 0, before: self.ports }
    }

    /// Whether several ports are read in turn.
    const fn are_contended(&self) -> bool {
        self.number > 0 && (self.ports > 1 || self.before > 1)
    }
}

impl Worker {
    /// A worker without ports.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        let counters = Arc::new(Counters::default());
        let WorkerConfig { seed, pool, cache_limit, epoch, worker, workers, tracker } = config;
        Self {
            cache: Cache::new(seed, cache_limit),
            wiring: Wiring::new(seed, worker, workers, pool, counters, tracker),
            epoch,
            work: WORK,
            missed: 0,
            rounds: Rounds { number: 0, quiet: Quiet::Elsewhere(Nanos::ZERO), ports: 0, before: 0 },
        }
    }

    /// All counters of this worker; keep it and read when you like, from any thread.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.wiring.counters)
    }

    /// How many flows are cached.
    #[must_use]
    pub const fn cached_flows(&self) -> usize {
        self.cache.len()
    }

    /// All cached flows, for somebody who wants to see them: takes as long as copying them.
    pub fn flows(&self) -> impl Iterator<Item = CachedFlow> + '_ {
        self.cache.all()
    }

    /// Carries out a change.
    pub fn apply(&mut self, change: Change, now: Nanos) {
        self.wiring.now = now;
        match change {
            Change::AddPort(spec, driver) => self.add_port(&spec, driver),
            Change::RemovePort(port) => self.wiring.remove(port),
            Change::SetLink { port, direction, settings } => self.wiring.set_link(port, direction, settings),
            Change::SetQos { port, qos } => self.wiring.set_qos(port, qos.as_deref()),
            Change::SetPolicing { port, policing } => self.wiring.set_policing(port, policing),
            Change::SetShared { port, policer } => self.wiring.set_shared(port, policer),
            Change::SetPort { port, up } => {
                if let Some(station) = self.wiring.station(port) {
                    station.up = up;
                }
            }
            Change::SetCapture { port, sink } => {
                if let Some(station) = self.wiring.station(port) {
                    station.capture = sink;
                }
            }
            Change::Flush => self.cache.clear(),
        }
    }

    fn add_port(&mut self, spec: &PortSpec, driver: Option<Box<dyn Port>>) {
        let counters = self.wiring.counters.add_port(spec.id);
        let mut station = Station::new(spec, driver, counters);
        if let Some(mut old) = self.wiring.take_station(spec.id) {
            station.to_switch = old.to_switch.take();
            station.from_switch = old.from_switch.take();
            station.capture = old.capture.take();
            station.police = std::mem::take(&mut old.police);
            // A port that is another worker's now takes its device along.
            if station.driver.is_none() && station.worker == self.wiring.number() {
                station.driver = old.driver.take();
                station.caps = old.caps;
            }
        }
        self.wiring.put_station(spec.id, station);
        self.wiring.set_link(spec.id, Direction::ToSwitch, spec.to_switch.clone());
        self.wiring.set_link(spec.id, Direction::FromSwitch, spec.from_switch.clone());
    }

    /// Says that a new round of serving ports begins, for the measure of how long packets lay unread.
    pub fn begin_round(&mut self, now: Nanos, quiet: Quiet) {
        self.wiring.now = now;
        self.rounds = self.rounds.next(quiet);
    }

    /// Reads a port's device within the budget of a round and passes every frame on.
    pub fn service(&mut self, port: PortId, now: Nanos, slow: &mut dyn Slowpath) -> Serviced {
        self.wiring.now = now;
        self.rounds.ports += 1;
        let (rounds, quiet, contended) = (self.rounds.number, self.rounds.quiet, self.rounds.are_contended());
        self.missed = 0;
        let Some(station) = self.wiring.station(port) else { return Serviced::default() };
        let Some(mut driver) = station.driver.take() else { return Serviced::default() };
        station.reading = true;
        let since = station.watch.since(rounds, quiet).unwrap_or(now);
        let unread = u32::try_from(now.since(since).0).unwrap_or(u32::MAX);
        let meta = Meta { at: now, unread, hops: 0, tenant: station.tenant, tunnel: None };
        let budget =
            Budget { exhaust: station.watch.must_exhaust(rounds), ..station.share.budget(contended) };
        let received = driver.receive(budget, &mut |frame| match frame.arrival {
            Arrival::Here => {
                frame.meta = meta;
                self.accept_frame(port, frame, slow);
            }
            Arrival::By(tunnel) => self.accept_tunnelled(tunnel, frame, meta, slow),
            Arrival::Refused(tunnel, reason) => self.wiring.drop(tunnel.unwrap_or(port), reason, 1),
        });
        let missed = self.missed;
        self.wiring.counters.looked_up(received.packets, missed);
        if let Some(station) = self.wiring.station(port) {
            station.caps = driver.offloads();
            station.driver = Some(driver);
            station.reading = false;
            station.share = Share { packets: received.packets, missed };
            let Received { more: left, unsure, .. } = received;
            let empty_at = if left || unsure { since } else { now };
            station.watch = Watch { empty_at, left, unsure, round: rounds };
        }
        if received.malformed > 0 {
            self.wiring.drop(port, DropReason::Malformed, received.malformed);
        }
        self.wiring.send_late(port);
        self.depart(slow);
        self.wiring.flush();
        Serviced { packets: received.packets, more: received.more, error: received.error }
    }

    /// One frame that came out of a tunnel.
    fn accept_tunnelled(&mut self, port: PortId, frame: &mut Frame<'_>, meta: Meta, slow: &mut dyn Slowpath) {
        let Some(station) = self.wiring.station(port) else {
            return self.wiring.drop(port, DropReason::PortDown, 1);
        };
        frame.meta = Meta { tenant: station.tenant, tunnel: frame.meta.tunnel, ..meta };
        self.accept_frame(port, frame, slow);
    }

    /// One frame from a device: over the link to the switch if that is shaped, else straight on.
    fn accept_frame(&mut self, port: PortId, frame: &mut Frame<'_>, slow: &mut dyn Slowpath) {
        self.work = WORK;
        let link = self.wiring.link(port, Direction::ToSwitch);
        if link.is_some_and(|link| !link.is_transparent()) {
            let headers = pass::headers(frame).ok();
            let sound = headers.filter(|headers| frame.offload.check(frame.len(), headers).is_ok());
            let Some(headers) = sound else { return self.wiring.drop(port, DropReason::Malformed, 1) };
            let wire = wire(frame.len(), &headers, &frame.offload);
            self.wiring.enter(port, Direction::ToSwitch, DEFAULT_QUEUE, Load::Lent(frame), &headers, wire);
        } else if let Some(out) = self.pass(frame, Place::new(port), slow) {
            self.wiring.output(out.port, Load::Lent(frame), &out.headers, out.wire);
        }
        self.pass_arrivals(slow);
    }

    /// Lets leave what has come to the end of its link by `now`. If a lot has, some is left for the next call, which
    /// [`Self::deadline`] then says is due.
    pub fn poll(&mut self, now: Nanos, slow: &mut dyn Slowpath) {
        self.wiring.now = now;
        self.depart(slow);
        if self.wiring.resume() {
            self.work = WORK;
            self.pass_arrivals(slow);
        }
        self.wiring.flush();
    }

    fn depart(&mut self, slow: &mut dyn Slowpath) {
        for _ in 0..DEPARTURES {
            let due = self.wiring.timers.next().filter(|(due, _)| *due <= self.wiring.now);
            let Some((_, link)) = due else { break };
            self.work = WORK;
            self.wiring.run_link(link);
            self.pass_arrivals(slow);
        }
    }

    /// When [`Self::poll`] is to be called next; `None`: not before something is received or changed.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let links = self.wiring.timers.next().map(|(due, _)| due);
        links.into_iter().chain(self.wiring.waiting.deadline()).min()
    }

    /// Forgets cached flows that carried nothing since `before`. A call looks at some thousand flows (well under a
    /// millisecond); called every 100 ms or so it comes round.
    pub fn expire(&mut self, before: Nanos) {
        self.cache.expire(before, EXPIRE_STEPS);
    }

    /// Closes the seconds of all links' timing that are over, so that a link gone quiet is judged too. Once a second
    /// is enough.
    ///
    /// Gives up what waits for a fragment that does not come; the first worker forgets connections that have ended.
    pub fn judge(&mut self, now: Nanos) {
        self.wiring.give_up_fragments(now);
        if self.wiring.is_first() {
            self.wiring.tracker.expire(now);
        }
        let ports: Vec<PortId> = self.wiring.ports().collect();
        for port in ports {
            for way in [Direction::ToSwitch, Direction::FromSwitch] {
                if let Some(link) = self.wiring.link(port, way) {
                    link.close_second(now);
                }
            }
        }
    }

    /// Judges the timing of all links up to now even within a second, so that what comes next is judged by itself.
    pub fn cut(&mut self) {
        let ports: Vec<PortId> = self.wiring.ports().collect();
        for port in ports {
            for way in [Direction::ToSwitch, Direction::FromSwitch] {
                if let Some(link) = self.wiring.link(port, way) {
                    link.cut_second();
                }
            }
        }
    }

    /// What this worker has for another one's ports; to be moved there by the edge, whole or as far as its ring has
    /// room. What the edge throws away it reports by [`Self::count_lost_handoff`].
    pub fn handoffs(&mut self, worker: u16) -> &mut Vec<Handoff> {
        let at = usize::from(worker);
        if self.wiring.handoffs.len() <= at {
            self.wiring.handoffs.resize_with(at + 1, Vec::new);
        }
        &mut self.wiring.handoffs[at]
    }

    /// Whether there are any.
    #[must_use]
    pub fn has_handoffs(&self) -> bool {
        self.wiring.handoffs.iter().any(|list| !list.is_empty())
    }

    /// Counts a packet that did not fit into a ring.
    pub fn count_lost_handoff(&mut self, handoff: Handoff) {
        self.wiring.drop(handoff.port, DropReason::HandoffFull, handoff.wire.packets);
        self.wiring.pool.recycle(handoff.packet);
    }

    /// Sends a packet that another worker had for a port of this one.
    pub fn accept(&mut self, handoff: Handoff, now: Nanos, slow: &mut dyn Slowpath) {
        self.wiring.now = now;
        self.work = WORK;
        let Handoff { mut packet, port, queue, wire } = handoff;
        let headers = parse(packet.frame().data()).unwrap_or_default();
        self.wiring.enqueue(port, queue, Load::Owned(packet), &headers, wire);
        self.pass_arrivals(slow);
        self.depart(slow);
    }

    /// Lets devices send what they have batched: at the end of a round in which [`Self::accept`] was called.
    pub fn flush(&mut self) {
        self.wiring.flush();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("flows", &self.cached_flows())
            .field("wiring", &self.wiring)
            .finish_non_exhaustive()
    }
}

/// A worker lives on a thread of its own, and what it hands over goes to another.
const _: () = {
    const fn send<T: Send>() {}
    send::<Worker>();
    send::<Handoff>();
};
