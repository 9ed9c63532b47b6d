//! All connections of a lab, and their way to the switch model.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_datapath::{Counters, Tracker};
use netloom_flow::{BridgeId, PortId};
use netloom_openflow::msg::{ControllerReason, MultipartReply, Role};
use netloom_openflow::remote::Turn;
use netloom_openflow::session::{Event, Request, Session};
use netloom_openflow::{Message, Version, Versions};
use netloom_switch::{
    Answer, Connection, Control, Injection, Kind, Notice, PortCounts, PortTraffic, QueueTraffic, Switch,
};
use netloom_sys::heap;
use netloom_transport::{Inbox, Reader};
use tokio::sync::Notify;

use super::snoop::{self, Snoops};
use super::standing::{Controllers, Key, Standing};
use crate::punts::Punts;
use crate::slowpath::{self, SharedSwitch};
use crate::tracked::Tracked;
use crate::worker::Caller;

/// All connections of a lab.
#[derive(Debug)]
pub(crate) struct Hub {
    switch: SharedSwitch,
    tracked: Arc<Tracked>,
    punts: Arc<Punts>,
    counters: Vec<Arc<Counters>>,
    /// Who carries out packet-outs. Let go before the worker ends, which waits for that.
    worker: Mutex<Option<Caller>>,
    tracker: Arc<Tracker>,
    members: Mutex<BTreeMap<u64, Member>>,
    next: AtomicU64,
    joined: Notify,
    controllers: Mutex<Controllers>,
    snoops: Snoops,
    /// Who reads long rows of messages.
    reader: Reader,
    /// Packets of packet-outs that were not waited for.
    injected: AtomicUsize,
}

/// Bytes of what is told at once of flows that are watched, roughly.
const UPDATES: usize = 16 << 10;
/// Most packets of packet-outs that are not waited for.
const INJECTED: usize = 512;

/// Most changes carried out in a row after the first: some 50 us, for which a miss may wait.
const ROW: usize = 48;

/// A connection that has agreed on a version.
#[derive(Debug)]
struct Member {
    bridge: BridgeId,
    connection: Connection,
    /// What it is told unasked; what finds no room is not told, and counted.
    inbox: Inbox,
    dropped: AtomicU64,
    /// Which controller it is.
    key: Option<Key>,
}

impl Member {
    /// The controller, if it was called, and its role. Those that came by themselves have each their own.
    fn called_with_role(&self) -> Option<(Key, Role)> {
        let key = self.key.clone().filter(|_| self.connection.kind() == Kind::Primary)?;
        Some((key, self.connection.role()))
    }

    fn is_main(&self) -> bool {
        self.connection.auxiliary() == 0
    }

    fn tell(&self, message: Message) {
        if !self.inbox.put(message) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells all it is to be told of flows it watches: what is answered afterwards stands behind it.
    fn tell_updates(&mut self, session: &mut Session) {
        while let Some(updates) = self.connection.updates(usize::MAX) {
            // What the agreed version cannot say is not said.
            let _ = session.send(&updates);
        }
        if self.connection.has_updates() {
            self.inbox.nudge();
        }
    }
}

type Members = BTreeMap<u64, Member>;

impl Hub {
    /// No connection yet.
    pub(crate) fn new(
        switch: SharedSwitch,
        tracked: Arc<Tracked>,
        punts: Arc<Punts>,
        counters: Vec<Arc<Counters>>,
        worker: Option<Caller>,
        tracker: Arc<Tracker>,
    ) -> Self {
        Self {
            switch,
            tracked,
            punts,
            counters,
            worker: Mutex::new(worker),
            tracker,
            members: Mutex::default(),
            next: AtomicU64::new(0),
            joined: Notify::new(),
            controllers: Mutex::default(),
            snoops: Snoops::default(),
            reader: Reader::default(),
            injected: AtomicUsize::new(0),
        }
    }

    /// The bridge of that name.
    pub(super) fn bridge(&self, name: &str) -> Option<BridgeId> {
        let model = slowpath::read(&self.switch);
        model.bridges().find(|(_, known)| *known == name).map(|(id, _)| id)
    }

    /// Whether anybody is connected.
    pub(super) fn is_busy(&self) -> bool {
        !self.members().is_empty() || !self.controllers().is_empty()
    }

    /// The controllers of all bridges.
    pub(super) fn controllers(&self) -> MutexGuard<'_, Controllers> {
        self.controllers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who looks on at which controller.
    pub(super) const fn snoops(&self) -> &Snoops {
        &self.snoops
    }

    /// Who reads long rows of messages.
    pub(super) fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The most important of the controllers that a bridge calls.
    pub(super) fn most_important(&self, bridge: &str) -> Option<Key> {
        let called = self.standings(bridge).into_iter().filter(|standing| !standing.is_passive());
        let first = called.min_by_key(|standing| std::cmp::Reverse(snoop::importance(standing.role)));
        first.map(|standing| standing.key)
    }

    /// The versions a bridge may speak.
    pub(super) fn versions(&self, bridge: BridgeId) -> Versions {
        self.controllers().versions(bridge)
    }

    /// How the controllers of a bridge stand, in no particular order.
    pub(crate) fn standings(&self, bridge: &str) -> Vec<Standing> {
        let members = self.members();
        let mut standings = self.controllers().of(bridge);
        for standing in &mut standings {
            let of_it = |member: &&Member| member.key.as_ref().is_some_and(|key| *key == standing.key);
            for member in members.values().filter(of_it) {
                let (held, waiting) = (member.connection.held(), member.inbox.held());
                standing.held.bundled += held.bundled;
                standing.held.bundled_bytes += held.bundled_bytes;
                standing.held.monitors += held.monitors;
                standing.held.updates += held.updates;
                standing.waiting.messages += waiting.messages;
                standing.waiting.bytes += waiting.bytes;
            }
            let connected: Vec<_> = members.values().filter(of_it).filter(|it| it.is_main()).collect();
            standing.dropped += connected.iter().map(|it| it.dropped.load(Ordering::Relaxed)).sum::<u64>();
            standing.peers = connected.len();
            if let Some(member) = connected.first() {
                standing.version = Some(member.connection.version());
                standing.role = Some(member.connection.role());
            }
        }
        standings
    }

    /// The version of the main connection to a controller, if there is one.
    pub(super) fn version_of(&self, key: &Key) -> Option<Version> {
        let members = self.members();
        let main = members.values().find(|it| it.key.as_ref() == Some(key) && it.is_main());
        main.map(|it| it.connection.version())
    }

    /// Whether a bridge is on its own, since all its controllers are missed.
    pub(crate) fn is_on_its_own(&self, bridge: &str) -> bool {
        self.controllers().is_on_its_own(bridge)
    }

    /// Has bridges learn by themselves whose controllers are missed for long, and no more once one is there.
    pub(super) fn watch(&self) {
        let now = slowpath::now();
        let turns = self.controllers().turns(now);
        for (bridge, turn) in turns {
            self.tracked.credit(&self.switch);
            tracing::warn!(%bridge, ?turn, "controllers");
            slowpath::write(&self.switch).set_fail_open(bridge, turn == Turn::Open, now);
        }
    }

    /// Sends no packet any more.
    pub(super) fn end(&self) {
        drop(self.worker().take());
    }

    /// Comes back when somebody has joined, or packets wait.
    pub(super) async fn news(&self) {
        tokio::select! {
            () = self.joined.notified() => {}
            () = self.punts.news() => {}
        }
    }

    /// Takes a connection in; its number.
    pub(super) fn join(
        &self,
        bridge: BridgeId,
        connection: Connection,
        inbox: Inbox,
        key: Option<Key>,
    ) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut members = self.members();
        let mut model = slowpath::write(&self.switch);
        if members.is_empty() {
            // What happened before is nobody's news.
            drop(model.take_events());
            self.punts.set_open(true);
        }
        if let Some(key) = key.as_ref().filter(|_| connection.auxiliary() == 0) {
            self.controllers().handle_up(key, slowpath::now());
        }
        let connection = connection.numbered(id);
        members.insert(id, Member { bridge, connection, inbox, dropped: AtomicU64::new(0), key });
        control(&mut model, &members, bridge);
        self.joined.notify_one();
        id
    }

    /// Lets a connection go.
    pub(super) fn leave(&self, id: u64) {
        let mut members = self.members();
        let Some(gone) = members.remove(&id) else { return };
        if let Some(key) = gone.key.as_ref().filter(|_| gone.is_main()) {
            self.controllers().handle_end(key, gone.dropped.load(Ordering::Relaxed), slowpath::now());
        }
        control(&mut slowpath::write(&self.switch), &members, gone.bridge);
        if members.is_empty() {
            self.punts.set_open(false);
        }
    }

    /// Whether packets of packet-outs before a message may leave after it was carried out: nothing is answered.
    pub(super) const fn puts_off(message: &Message) -> bool {
        matches!(message, Message::FlowMod(_) | Message::PacketOut(_))
    }

    /// Carries out a message, and puts the answers into the session. Of a row of changes that nobody need hear of, it
    /// takes some more, since most of the time would go into locks. Returns the packets to [`Self::inject`].
    pub(super) fn handle(
        &self,
        id: u64,
        session: &mut Session,
        mut request: Request,
        message: Message,
    ) -> Vec<Injection> {
        if !Self::puts_off(&message) {
            // Whatever is answered stands behind the packets that were sent before it was asked.
            self.settle();
        }
        let mut members = self.members();
        let Some(member) = members.get_mut(&id) else { return Vec::new() };
        // Pulling takes time for each cached flow: what has no use for it does without, above all an addition.
        let has_hits = self.tracked.has_any();
        if has_hits && slowpath::read(&self.switch).reads_hits(member.bridge, &message) {
            self.tracked.credit(&self.switch);
        }
        self.tracked.give_way();
        if let Some(key) = &member.key {
            // A bridge on its own is taken over by whoever asks first, before that is done.
            self.controllers().handle_message(key, &message);
            self.watch();
        }
        member.connection.begin(request.xid);
        let before = member.connection.role();
        let mut model = slowpath::write(&self.switch);
        let (bridge, now) = (member.bridge, slowpath::now());
        let is_row = is_in_row(&message);
        let mut handled = model.handle(bridge, &mut member.connection, message, self, now);
        let mut packets = std::mem::take(&mut handled.injections);
        let (mut left, mut touched) = (if is_row { ROW } else { 0 }, 0_usize);
        while left > 0 && handled.is_nothing() && !self.tracked.is_waited_for() {
            if session.queued().next().is_none() {
                // To read a message takes as long as to carry it out, and others may have the model meanwhile.
                drop(model);
                let has_more = session.read_on();
                self.tracked.give_way();
                model = slowpath::write(&self.switch);
                if !has_more {
                    break;
                }
            }
            let reads_hits = |message: &Message| has_hits && model.reads_hits(bridge, message);
            let Some((next, message)) = next_in_row(session, reads_hits) else { break };
            request = next;
            member.connection.begin(request.xid);
            if touched == 0 {
                touched = session.queued().count();
                model.foresee(bridge, session.queued().filter_map(message_of).chain([&message]));
            }
            touched = touched.saturating_sub(1);
            handled = model.handle(bridge, &mut member.connection, message, self, now);
            packets.append(&mut handled.injections);
            left -= 1;
        }
        let is_long = is_row && left == 0;
        while let Some(commit) = handled.commit.take() {
            drop(model);
            heap::make_room();
            self.tracked.give_way();
            model = slowpath::write(&self.switch);
            model.go_on(&mut member.connection, *commit, slowpath::now(), &mut handled);
        }
        if member.connection.role() != before {
            share_role(&mut members, id);
        }
        if handled.demotes_others {
            demote_others(&mut members, id, model.role_generation(bridge));
        }
        control(&mut model, &members, bridge);
        // What it did itself is told before it is answered: a barrier stands behind everything.
        notify(&mut model, &mut members, Some((id, &mut *session)));
        drop(model);
        if is_long {
            // Where so many came, as many follow.
            heap::make_room();
        }
        let others = members.iter().filter(|(other, it)| **other != id && it.bridge == bridge);
        add_statuses(&mut handled.answers, others.map(|(_, member)| &member.connection));
        members.get_mut(&id).into_iter().for_each(|member| member.tell_updates(session));
        drop(members);
        for filter in &handled.flushes {
            self.tracker.flush(filter);
        }
        for answer in handled.answers {
            put(session, &request, answer);
        }
        packets.append(&mut handled.injections);
        packets
    }

    /// Tells what has happened by itself.
    pub(super) fn beat(&self) {
        self.watch();
        let mut members = self.members();
        let now = slowpath::now();
        members.values_mut().for_each(|member| member.connection.tick(now));
        notify(&mut slowpath::write(&self.switch), &mut members, None);
    }

    /// Puts what a connection is to be told of flows it watches into its session, a little of it, and says whether
    /// there is more. Everything before has been read by the peer.
    pub(super) fn tell(&self, id: u64, session: &mut Session) -> bool {
        let mut members = self.members();
        let Some(Member { connection, .. }) = members.get_mut(&id) else { return false };
        let Some(updates) = connection.updates(UPDATES) else {
            if connection.has_updates() {
                slowpath::read(&self.switch).resume_monitors(connection);
            }
            return connection.has_updates();
        };
        // What the agreed version cannot say is not said.
        let _ = session.send(&updates);
        connection.has_updates()
    }

    /// Hands on the packets that wait.
    pub(super) fn packets(&self) {
        let members = self.members();
        for packet in self.punts.take() {
            for member in members.values().filter(|member| member.bridge == packet.punt.bridge) {
                let message = member.connection.packet_in(&packet.punt, &packet.bytes, packet.total_len);
                message.into_iter().for_each(|message| member.tell(message));
            }
        }
    }

    /// Has packets carried out. Now and then it waits for it: who sends many is slowed down.
    pub(super) fn inject(&self, injections: Vec<Injection>) {
        if injections.is_empty() {
            return;
        }
        let count = injections.len();
        let packets = injections.into_iter().map(|Injection { in_port, frame, translation }| {
            self.tracked.add(Arc::clone(&translation));
            (in_port, frame, translation)
        });
        if self.worker().as_ref().is_none_or(|worker| worker.inject(packets.collect())) {
            return;
        }
        if self.injected.fetch_add(count, Ordering::Relaxed) + count >= INJECTED {
            self.settle();
        }
    }

    /// Waits until every packet of a packet-out is on its way.
    fn settle(&self) {
        if self.injected.swap(0, Ordering::Relaxed) > 0
            && let Some(worker) = &*self.worker()
        {
            worker.barrier();
        }
    }

    fn worker(&self) -> MutexGuard<'_, Option<Caller>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortCounts for Hub {
    fn traffic(&self, port: PortId) -> PortTraffic {
        let mut sum = PortTraffic::default();
        for port in self.counters.iter().filter_map(|counters| counters.port(port)) {
            let (rx, tx) = (port.rx(), port.tx());
            sum.rx_packets += rx.packets;
            sum.rx_bytes += rx.bytes;
            sum.tx_packets += tx.packets;
            sum.tx_bytes += tx.bytes;
            sum.dropped += port.drops().iter().map(|(_, packets)| packets).sum::<u64>();
        }
        sum
    }

    fn queues(&self, port: PortId) -> BTreeMap<u32, QueueTraffic> {
        let mut sums = BTreeMap::<u32, QueueTraffic>::new();
        for (queue, read) in self.counters.iter().flat_map(|counters| counters.queues(port)) {
            let sum =
                sums.entry(queue).or_insert(QueueTraffic { since: read.since, ..QueueTraffic::default() });
            sum.tx_packets += read.sent.packets;
            sum.tx_bytes += read.sent.bytes;
            sum.dropped += read.dropped.packets;
        }
        sums
    }
}

/// Whether controllers send many messages like this one, which are answered only if they are refused.
const fn is_in_row(message: &Message) -> bool {
    matches!(message, Message::FlowMod(_) | Message::PacketOut(_) | Message::BundleAdd(_))
}

const fn message_of(event: &Event) -> Option<&Message> {
    match event {
        Event::Message(_, message) => Some(message),
        _ => None,
    }
}

/// The next message of a session, if it can be carried out at once after another such change.
fn next_in_row(session: &mut Session, reads_hits: impl Fn(&Message) -> bool) -> Option<(Request, Message)> {
    let is_next = |event: &Event| match event {
        Event::Message(_, message) => is_in_row(message) && !reads_hits(message),
        _ => false,
    };
    match session.poll_event_if(is_next)? {
        Event::Message(request, message) => Some((request, message)),
        _ => None,
    }
}

/// Says to the model what all connections of a bridge together want.
fn control(model: &mut Switch, members: &Members, bridge: BridgeId) {
    let mut sum = Control::default();
    let mut is_watched = false;
    for member in members.values().filter(|member| member.bridge == bridge) {
        is_watched |= member.connection.is_watching();
        let wanted = member.connection.control();
        sum.miss |= wanted.miss;
        sum.any |= wanted.any;
        sum.invalid_ttl |= wanted.invalid_ttl;
    }
    model.set_control(bridge, sum);
    model.set_watched(bridge, is_watched);
}

/// A controller that is called has one role, whichever of its connections it said so by.
fn share_role(members: &mut Members, id: u64) {
    let Some((key, role)) = members.get(&id).and_then(Member::called_with_role) else { return };
    let of_it = |it: &&mut Member| it.called_with_role().is_some_and(|(other, _)| other == key);
    members.values_mut().filter(of_it).for_each(|it| it.connection.share_role(role));
}

/// All other controllers of the bridge are no primary ones any more.
fn demote_others(members: &mut Members, id: u64, generation: Option<u64>) {
    let Some(me) = members.get(&id) else { return };
    let (bridge, key) = (me.bridge, me.called_with_role().map(|(key, _)| key));
    let is_other = |it: &Member| {
        it.bridge == bridge && (key.is_none() || it.called_with_role().map(|(key, _)| key) != key)
    };
    for (_, other) in members.iter_mut().filter(|(other, it)| **other != id && is_other(it)) {
        let told = other.connection.demote(generation);
        told.into_iter().for_each(|message| other.tell(message));
    }
}

/// Tells events: to `me` at once, to the others by their inbox.
fn notify(model: &mut Switch, members: &mut Members, mut me: Option<(u64, &mut Session)>) {
    let events = model.take_events();
    if events.is_empty() {
        return;
    }
    let mut bridges: Vec<BridgeId> = events.iter().map(|(bridge, _)| *bridge).collect();
    bridges.dedup();
    bridges.sort_unstable();
    bridges.dedup();
    for bridge in bridges {
        let (ids, told): (Vec<u64>, Vec<&Member>) =
            members.iter().filter(|(_, member)| member.bridge == bridge).unzip();
        let connections: Vec<&Connection> = told.iter().map(|member| &member.connection).collect();
        for (at, message) in model.notices(&events, bridge, &connections) {
            match &mut me {
                // What the agreed version cannot say is not said.
                Some((id, session)) if ids.get(at) == Some(id) => drop(session.send(&message)),
                _ => told.get(at).into_iter().for_each(|member| member.tell(message.clone())),
            }
        }
        let flows = || {
            events.iter().filter_map(|(at, notice)| match notice {
                Notice::Flow(changed) if *at == bridge => Some(changed),
                _ => None,
            })
        };
        for (id, member) in members.iter_mut().filter(|(_, member)| member.bridge == bridge) {
            member.connection.watch(flows());
            if member.connection.has_updates() && me.as_ref().is_none_or(|(mine, _)| mine != id) {
                member.inbox.nudge();
            }
        }
    }
}

/// Adds how the other connections of a bridge stand, where that was asked.
fn add_statuses<'m>(answers: &mut [Answer], others: impl Iterator<Item = &'m Connection>) {
    if let [Answer::Reply(Message::MultipartReply(MultipartReply::ControllerStatus(all)))] = answers {
        all.extend(others.map(|connection| connection.status(ControllerReason::Request)));
    }
}

fn put(session: &mut Session, request: &Request, answer: Answer) {
    match answer {
        Answer::Reply(message) => {
            if let Err(error) = session.reply(request, &message) {
                tracing::warn!(%error, "an OpenFlow answer cannot be said");
                session.refuse(request, netloom_openflow::OfError::BrcBadLen);
            }
        }
        Answer::Refuse(error) => session.refuse(request, error),
        Answer::RefusePart(head, error) => session.refuse_part(&head, error),
    }
}
