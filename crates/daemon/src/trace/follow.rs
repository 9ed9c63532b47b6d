//! Following a packet: a worker of the trace's own does what the real ones would do, and nobody gets anything.

use std::collections::VecDeque;
use std::sync::{Arc, RwLock};

use netloom_api::{Trace, TraceDrop, TraceLookup, TraceWhat};
use netloom_datapath::{Attach, Change, PoolLimit, PortSpec, Slowpath, Tracker, Worker, WorkerConfig};
use netloom_flow::{
    Branch, DpAction, DropReason, Epoch, Hits, LinkSettings, Nanos, PacketKey, PacketMask, PortId, Punt,
    RecircId, TenantId, Translation, Upcall, word,
};
use netloom_switch::Switch;

use super::chart::{Chart, Seat};
use super::node::{Fate, arrive};
use super::notes::Notes;
use super::story::{Story, Stretch, Where};
use super::tap::Desk;
use super::watch::Caught;
use super::words;
use crate::slowpath;

/// Most lookups of a trace: beyond, it only repeats itself.
const LOOKUPS: usize = 512;
/// Packet memory of a trace.
const POOL_BYTES: usize = 64 << 20;

/// Follows one packet. See the module.
pub(crate) struct Follower<'a> {
    model: &'a RwLock<Switch>,
    chart: &'a Chart,
    story: Story,
    desk: Desk,
    /// Frames that nodes are to send.
    departing: VecDeque<(Seat, Vec<u8>, Stretch)>,
    /// The first answer, if it was given already, and told: to the real packet.
    given: Option<(PacketMask, Box<[DpAction]>)>,
    budget: usize,
    now: Nanos,
    /// What is known of connections; nothing is changed about them.
    tracker: Arc<Tracker>,
}

impl<'a> Follower<'a> {
    /// For one packet of a lab. `tracker` is a shadow of the lab's; packets of one conversation share it.
    pub(crate) fn new(
        model: &'a RwLock<Switch>,
        tracker: &Arc<Tracker>,
        chart: &'a Chart,
        now: Nanos,
    ) -> Self {
        let tracker = Arc::clone(tracker);
        let (story, desk, departing, given) = Default::default();
        Self { model, chart, story, desk, departing, given, budget: LOOKUPS, now, tracker }
    }

    /// The way of a frame that a node sends.
    pub(crate) fn send(mut self, seat: Seat, frame: Vec<u8>, text: String) -> Trace {
        let start = self.story.begin();
        let node = self.chart.node(seat).map(|node| node.name.clone()).unwrap_or_default();
        self.story.say(start, 0, TraceWhat::Node { node, text });
        self.departing.push_back((seat, frame, start));
        self.go(None);
        self.story.tell()
    }

    /// The way of a frame that comes in at a port of a switch.
    pub(crate) fn enter(mut self, port: PortId, frame: Vec<u8>, tenant: TenantId) -> Trace {
        let start = self.story.begin();
        let spot = self.chart.ports.get(&port);
        let attach = spot.map_or(Attach::Switch, |spot| spot.spec.attach);
        self.story.expect(start, Where::Port(port));
        match attach {
            Attach::Peer(far) => {
                // It is sent at the link's far end, on behalf of somebody of its tenant.
                let mut sender = self.chart.ports.values().filter(|spot| spot.seat.is_some());
                let sender = sender.find(|spot| spot.spec.tenant == tenant).map_or(far, |spot| spot.spec.id);
                self.go(Some((sender, frame, far)));
            }
            Attach::Switch | Attach::Wire(_) => {
                self.desk.lay(port, frame);
                self.go(Some((port, Vec::new(), port)));
            }
        }
        self.story.tell()
    }

    /// The way of a packet whose first lookup was made for the real one.
    pub(crate) fn resume(mut self, caught: Caught) -> Trace {
        let ((port, recirc), tenant) = (caught.place(), caught.tenant());
        let far = self.chart.ports.get(&port).and_then(super::chart::Spot::peer);
        let Caught { frame, mask, actions, story, .. } = caught;
        self.story = story;
        self.given = Some((mask, actions));
        let mut worker = self.worker();
        match far {
            // Whoever it came from: from here on its tenant is known.
            _ if recirc != RecircId(0) => {
                let again = translation(vec![DpAction::Recirculate(recirc)]);
                worker.inject(self.of_tenant(tenant).unwrap_or(port), &frame, &again, self.now, &mut self);
            }
            Some(far) => {
                let out = translation(vec![DpAction::Output(far)]);
                worker.inject(self.of_tenant(tenant).unwrap_or(far), &frame, &out, self.now, &mut self);
            }
            None => {
                self.desk.lay(port, frame);
                worker.service(port, self.now, &mut self);
            }
        }
        self.rest(&mut worker);
        self.story.tell()
    }

    fn of_tenant(&self, tenant: TenantId) -> Option<PortId> {
        let mut spots = self.chart.ports.values().filter(|spot| spot.seat.is_some());
        spots.find(|spot| spot.spec.tenant == tenant).map(|spot| spot.spec.id)
    }

    /// Lets a first frame go, and then whatever comes of it.
    fn go(&mut self, first: Option<(PortId, Vec<u8>, PortId)>) {
        let mut worker = self.worker();
        match first {
            Some((port, frame, _)) if frame.is_empty() => _ = worker.service(port, self.now, self),
            Some((sender, frame, far)) => {
                worker.inject(sender, &frame, &translation(vec![DpAction::Output(far)]), self.now, self);
            }
            None => {}
        }
        self.rest(&mut worker);
    }

    fn rest(&mut self, worker: &mut Worker) {
        loop {
            if let Some((port, frame)) = self.desk.take() {
                self.arrives(port, &frame);
            } else if let Some((seat, frame, at)) = self.departing.pop_front() {
                self.departs(worker, seat, frame, at);
            } else {
                return;
            }
        }
    }

    /// A worker with all ports of the lab, and links that do nothing to packets.
    fn worker(&self) -> Worker {
        let config = WorkerConfig {
            seed: 0,
            pool: PoolLimit::new(POOL_BYTES),
            cache_limit: 1 << 16,
            epoch: Epoch::new(),
            worker: 0,
            workers: 1,
            tracker: Arc::clone(&self.tracker),
        };
        let mut worker = Worker::new(config);
        for (id, spot) in &self.chart.ports {
            let plain = LinkSettings::default;
            let spec = PortSpec {
                to_switch: plain(),
                from_switch: plain(),
                up: true,
                worker: 0,
                ..spot.spec.clone()
            };
            let device = spot.seat.map(|_| self.desk.device(*id));
            worker.apply(Change::AddPort(spec, device), self.now);
        }
        worker
    }

    /// A node sends a frame.
    fn departs(&mut self, worker: &mut Worker, seat: Seat, frame: Vec<u8>, at: Stretch) {
        let port = self.chart.port_of(seat);
        let Some((port, spot)) = port.and_then(|port| Some((port, self.chart.ports.get(&port)?))) else {
            return;
        };
        let (from, settings) = (self.chart.seat_name(seat), spot.inward());
        let to = if spot.here == from { spot.there.clone() } else { spot.here.clone() };
        let is_open = spot.spec.up && spot.spec.to_switch.up;
        self.story.say(at, 1, TraceWhat::Link { from: from.clone(), to, settings, cut: None });
        if !is_open {
            let reason = if spot.spec.up { DropReason::LinkDown } else { DropReason::PortDown };
            return self.dropped(at, 2, from, reason.as_str().to_owned());
        }
        self.budget = self.budget.saturating_sub(1);
        if self.budget == 0 {
            return self.dropped(at, 2, from, DropReason::HopLimit.as_str().to_owned());
        }
        let place = match spot.spec.attach {
            Attach::Wire(peer) => Where::Device(peer),
            Attach::Switch | Attach::Peer(_) => Where::Port(port),
        };
        self.story.expect(at, place);
        self.desk.lay(port, frame);
        worker.service(port, self.now, self);
    }

    /// A node gets a frame.
    fn arrives(&mut self, port: PortId, frame: &[u8]) {
        // Links of this worker let everything pass; what the lab's would not was told where it ended.
        let Some(at) = self.story.arrived(Where::Device(port)) else { return };
        let Some(seat) = self.chart.ports.get(&port).and_then(|spot| spot.seat) else { return };
        let node = self.chart.node(seat).map(|node| node.name.clone()).unwrap_or_default();
        match arrive(self.chart, seat, frame) {
            Fate::Delivered => {
                self.story.say(at, 0, TraceWhat::Delivered { to: self.chart.seat_name(seat) });
            }
            Fate::Ignored => {
                let text = "ignores it: it is for somebody else".to_owned();
                self.story.say(at, 0, TraceWhat::Node { node, text });
            }
            Fate::Stopped(reason) => self.dropped(at, 0, node, reason),
            Fate::Forwarded { by, frame, text } => {
                self.story.say(at, 0, TraceWhat::Node { node, text });
                self.departing.push_back((by, frame, at));
            }
        }
    }

    fn dropped(&mut self, at: Stretch, depth: u16, place: String, reason: String) {
        self.story.say(at, depth, TraceWhat::Drop(TraceDrop { place, reason, rule: None }));
    }

    /// The model's answer, with notes; `None`: the packet was to end before, or there were too many.
    fn look_up(&mut self, upcall: &Upcall<'_>) -> Option<(PacketMask, Box<[DpAction]>)> {
        let [port, recirc] = halves(upcall.key.0[word::IN_PORT]);
        let place = if recirc == 0 { Where::Port(PortId(port)) } else { Where::Again(RecircId(recirc)) };
        let at = self.story.arrived(place)?;
        self.budget = self.budget.saturating_sub(1);
        if self.budget == 0 {
            let spot = self.chart.ports.get(&PortId(port)).map(|spot| spot.here.clone());
            self.dropped(at, 0, spot.unwrap_or_default(), DropReason::HopLimit.as_str().to_owned());
            return None;
        }
        let mut notes = Notes::new(self.chart, &mut self.story, at, upcall.packet.len());
        let made = slowpath::read(self.model).trace(upcall, &mut notes);
        drop(notes);
        Some((made.mask, made.actions))
    }

    /// Notes what a cached flow would be.
    fn lookup(&mut self, key: &PacketKey, mask: &PacketMask, actions: &[DpAction]) {
        let [port, _] = halves(key.0[word::IN_PORT]);
        let spot = self.chart.ports.get(&PortId(port));
        let at = spot.map_or_else(|| port.to_string(), |spot| spot.here.clone());
        let port = |port: PortId| self.chart.port_name(port);
        let (megaflow, actions) = (words::megaflow(key, mask, &at), words::actions(&port, key, actions));
        self.story.lookups.push(TraceLookup { at, megaflow, actions });
    }
}

impl Slowpath for Follower<'_> {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        let (mask, actions) = match self.given.take() {
            Some(given) => given,
            None => match self.look_up(upcall) {
                Some(made) => made,
                None => return translation(Vec::new()),
            },
        };
        self.lookup(upcall.key, &mask, &actions);
        translation(harmless(&actions))
    }

    fn punt(&mut self, _: &Arc<Punt>, _: &[u8], _: Nanos) -> bool {
        true // told already
    }

    fn still_valid(&mut self, _: &PacketKey, _: &Translation) -> bool {
        false
    }
}

/// The same actions, so that carrying them out counts nowhere: meters are not asked, branches have counters of their
/// own.
fn harmless(actions: &[DpAction]) -> Vec<DpAction> {
    let branch =
        |branch: &Branch| Arc::new(Branch { actions: harmless(&branch.actions).into(), ..Branch::default() });
    let one = |action: &DpAction| match action {
        DpAction::Meter { passed, .. } => DpAction::Clone(harmless(&passed.actions).into()),
        DpAction::Clone(list) => DpAction::Clone(harmless(list).into()),
        DpAction::CheckLength { len, longer, other } => {
            DpAction::CheckLength { len: *len, longer: branch(longer), other: branch(other) }
        }
        other => other.clone(),
    };
    actions.iter().map(one).collect()
}

/// An answer for one packet.
fn translation(actions: Vec<DpAction>) -> Arc<Translation> {
    Arc::new(Translation {
        mask: PacketMask::default(),
        actions: actions.into(),
        dependencies: Box::default(),
        effects: Box::default(),
        cacheable: false,
        stamp: 0.into(),
        hits: Hits::default(),
    })
}

/// The two halves of a word.
#[expect(clippy::cast_possible_truncation, reason = "the word is cut in two")]
const fn halves(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}
