//! The table of all connections of a lab, shared by its workers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_flow::{BridgeId, ConnectionFilter, ConnectionRow, DropReason, Nanos, TenantId, Track, ct_state};

use super::connection::Connection;
use super::expectation::{Expectation, Expectations};
use super::fragment::Fragments;
use super::helper::{self, Replacement};
use super::kept::KeptConnection;
use super::limits::{Limits, Zone};
use super::look::{Look, Transport};
use super::nat;
use super::protocol::{Protocol, Verdict};
use super::sequence::Shift;
use super::shard::{Place, Shard};
use super::timeout::Timeouts;
use super::tracked::Tracked;
use super::tuple::{Key, Scope, Tuple};
use crate::cache::hash;

/// Parts of the table.
const SHARDS: usize = 64;
/// Connections looked at in one shard in one call of [`Tracker::expire`].
const EXPIRE_STEPS: usize = 4_096;

/// How often a packet is looked up again because another worker has changed the table meanwhile.
const RACES: usize = 8;

/// What tracking is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerConfig {
    /// The lab's seed: of hashes and of chosen ports.
    pub seed: u64,
    /// Most connections. Beyond, one that is not established makes room, or the new one is dropped and counted.
    pub limit: usize,
}

/// A zone of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneState {
    /// Its number.
    pub zone: u16,
    /// Connections it has, those of all tenants.
    pub connections: u32,
    /// Most it may have; `None`: no limit of its own.
    pub limit: Option<u32>,
    /// Its own timeouts, if it has some.
    pub timeouts: Option<Timeouts>,
}

/// All connections of a lab.
///
/// Workers share it. A packet without a `ct` action touches none of it; one with it takes the lock of a part of the
/// table, chosen by a hash of its addresses, ports and zone, for as long as its state is brought up to date. It reads
/// no clock: `now` comes with each call.
pub struct Tracker {
    config: TrackerConfig,
    shards: Box<[Mutex<Shard>]>,
    count: AtomicUsize,
    draws: AtomicU64,
    limits: Mutex<Limits>,
    expectations: Mutex<Expectations>,
    /// Somebody is expected.
    expects: AtomicBool,
    timeouts: Mutex<Policies>,
    /// A helper was asked for, ever: then super-packets may have to be cut.
    helps: AtomicBool,
    /// Those of one datagram may come by ports of several workers.
    fragments: Mutex<Fragments>,
    /// What this one is a shadow of.
    base: Option<Arc<Self>>,
}

/// Timeouts of all zones, and of those with their own.
#[derive(Debug, Default)]
struct Policies {
    all: Arc<Timeouts>,
    zones: BTreeMap<Zone, Arc<Timeouts>>,
}

/// What tracking came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) tracked: Tracked,
    /// How the packet's addresses are to be changed.
    pub(crate) translation: Option<Rewrite>,
    /// Somebody reads along, or has changed the stream.
    pub(crate) watched: Option<Watched>,
}

/// A packet of a connection that is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Watched {
    place: Place,
    pub(crate) is_reply: bool,
    /// How the numbers of this direction and of the other one are moved.
    pub(crate) shifts: [Shift; 2],
}

/// How a packet's addresses and ports are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewrite {
    /// What the packet is to be. Of an error of ICMP: what the packet it is about was, the other way.
    pub(crate) to: Tuple,
    pub(crate) source: bool,
    pub(crate) destination: bool,
    /// It is an error of ICMP: the packet inside is changed, too.
    pub(crate) is_error: bool,
}

/// What a packet asks for.
struct Question<'a> {
    wanted: &'a Track,
    look: &'a Look,
    scope: Scope,
    /// As the connection's packets are before translation.
    tuple: Tuple,
    /// That is the reverse of what the packet says.
    is_turned: bool,
    /// Bits of the state that an earlier `ct` in this zone left: what it translated.
    earlier: u32,
    now: Nanos,
}

/// Another worker was faster.
struct Lost;

impl Tracker {
    /// A table without connections.
    #[must_use]
    pub fn new(config: TrackerConfig) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(config.seed))).collect();
        Self {
            config,
            shards,
            count: AtomicUsize::new(0),
            draws: AtomicU64::new(0),
            limits: Mutex::default(),
            expectations: Mutex::default(),
            expects: AtomicBool::new(false),
            timeouts: Mutex::default(),
            helps: AtomicBool::new(false),
            fragments: Mutex::default(),
            base: None,
        }
    }

    /// A table that knows what another one knows, and changes nothing there: for a packet that is only followed.
    #[must_use]
    pub fn shadow(of: &Arc<Self>) -> Self {
        let helps = AtomicBool::new(of.helps());
        Self { base: Some(Arc::clone(of)), helps, ..Self::new(of.config) }
    }

    /// How many connections there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// How many connections a zone has.
    #[must_use]
    pub fn count_of(&self, bridge: BridgeId, zone: u16) -> u32 {
        lock(&self.limits).count((bridge, zone))
    }

    /// Limits the connections of a zone; `None`: no more. Those there are stay.
    pub fn set_limit(&self, bridge: BridgeId, zone: u16, limit: Option<u32>) {
        lock(&self.limits).set((bridge, zone), limit);
    }

    /// Gives a zone other settings: most connections, and timeouts of those that are committed from now on; `None`: the
    /// usual. Those there are stay.
    pub fn set_zone(&self, bridge: BridgeId, zone: u16, limit: Option<u32>, timeouts: Option<Timeouts>) {
        self.set_limit(bridge, zone, limit);
        match timeouts {
            Some(timeouts) => self.set_timeouts(Some((bridge, zone)), timeouts),
            None => _ = lock(&self.timeouts).zones.remove(&(bridge, zone)),
        }
    }

    /// The zones of a bridge with connections, or settings of their own, by number.
    #[must_use]
    pub fn zones(&self, bridge: BridgeId) -> Vec<ZoneState> {
        let timeouts: BTreeMap<Zone, Timeouts> =
            lock(&self.timeouts).zones.iter().map(|(zone, timeouts)| (*zone, **timeouts)).collect();
        let limits = lock(&self.limits);
        let all: BTreeSet<Zone> = limits.zones().chain(timeouts.keys().copied()).collect();
        all.into_iter()
            .filter(|(of, _)| *of == bridge)
            .map(|zone| ZoneState {
                zone: zone.1,
                connections: limits.count(zone),
                limit: limits.limit(zone),
                timeouts: timeouts.get(&zone).copied(),
            })
            .collect()
    }

    /// Sets the timeouts of connections that are committed in a zone from now on; of all without their own, if no zone
    /// is given.
    pub fn set_timeouts(&self, zone: Option<(BridgeId, u16)>, timeouts: Timeouts) {
        let Policies { all, zones } = &mut *lock(&self.timeouts);
        match zone {
            Some(zone) => _ = zones.insert(zone, Arc::new(timeouts)),
            None => *all = Arc::new(timeouts),
        }
    }

    /// Forgets connections whose time has come. Called once a second it keeps up with tens of thousands a second.
    pub fn expire(&self, now: Nanos) {
        let mut gone = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            lock(shard).expire(number, now, EXPIRE_STEPS, &mut gone);
        }
        gone.into_iter().for_each(|(place, connection)| self.forget(place, &connection));
    }

    /// Forgets connections; how many there were.
    pub fn flush(&self, filter: &ConnectionFilter) -> usize {
        let mut gone = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let mut shard = lock(shard);
            let found: Vec<Place> = shard
                .iter(number)
                .filter(|(_, connection)| connection.matches(filter))
                .map(|(place, _)| place)
                .collect();
            gone.extend(found.into_iter().filter_map(|place| Some((place, shard.remove(place)?))));
        }
        let count = gone.len();
        gone.into_iter().for_each(|(place, connection)| self.forget(place, &connection));
        count
    }

    /// Connections as they are shown, in the order of their addresses.
    #[must_use]
    pub fn rows(&self, filter: &ConnectionFilter, now: Nanos) -> Vec<ConnectionRow> {
        let mut rows = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let shard = lock(shard);
            let here = shard.iter(number).map(|(_, connection)| connection);
            rows.extend(
                here.filter(|connection| connection.expires > now && connection.matches(filter))
                    .map(|connection| connection.row(now)),
            );
        }
        rows.sort_unstable();
        rows
    }

    /// What is kept of the connections of a bridge, in no particular order. One that opens or closes is not, nor one whose
    /// stream was changed.
    #[must_use]
    pub fn keep(&self, bridge: BridgeId, now: Nanos) -> Vec<KeptConnection> {
        let mut kept = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let shard = lock(shard);
            let here = shard.iter(number).map(|(_, connection)| connection);
            let here = here.filter(|it| it.scope.bridge == bridge && it.expires > now);
            kept.extend(here.filter_map(|connection| KeptConnection::of(connection, now)));
        }
        kept
    }

    /// Takes a connection up again that was kept `passed` ago. `false`: its time is over, its place is taken, or there is no
    /// room.
    pub fn resume(&self, bridge: BridgeId, kept: &KeptConnection, passed: Nanos, now: Nanos) -> bool {
        let scope = kept.scope(bridge);
        let Some(connection) = kept.connection(scope, self.timeouts_of(scope), passed, now) else {
            return false;
        };
        if self.take_room(scope).is_err() {
            return false;
        }
        if connection.helper.is_some() {
            self.helps.store(true, Ordering::Relaxed);
        }
        let tuples = [connection.original, connection.reply];
        let is_in = matches!(self.take_in(scope, tuples, |_| connection), Ok(Some(_)));
        if !is_in {
            self.give_room_back(scope);
        }
        is_in
    }

    /// Tracks a packet. `before` is what was said of it before, if it was tracked.
    ///
    /// # Errors
    /// Why it is to be dropped.
    pub(crate) fn track(
        &self,
        wanted: &Track,
        tenant: TenantId,
        look: &Look,
        before: Option<&Tracked>,
        now: Nanos,
    ) -> Result<Outcome, DropReason> {
        if wanted.alg.is_some() {
            self.helps.store(true, Ordering::Relaxed);
        }
        let scope = scope(wanted, tenant);
        let (earlier, tuple) = known_as(scope, look, before);
        let is_turned = earlier != 0;
        let mut question = Question { wanted, look, scope, tuple, is_turned, earlier, now };
        for _ in 0..RACES {
            if let Some(outcome) = self.meet(&question) {
                return Ok(outcome);
            }
            // What was translated by a connection that is gone is a packet like any other.
            (question.tuple, question.is_turned) = (look.tuple, false);
            if let Ok(result) = self.begin(&question) {
                return result;
            }
            // Somebody else was faster: the connection is known now.
        }
        Ok(Outcome::of(Tracked::invalid(scope)))
    }

    /// Whether there may be connections that are [watched](Self::watches).
    pub(crate) fn helps(&self) -> bool {
        self.helps.load(Ordering::Relaxed)
    }

    /// Whether the packets of a connection have to be seen one by one: somebody reads along, or has changed the stream.
    pub(crate) fn watches(
        &self,
        wanted: &Track,
        tenant: TenantId,
        look: &Look,
        before: Option<&Tracked>,
        now: Nanos,
    ) -> bool {
        if !self.helps() {
            return false;
        }
        let scope = scope(wanted, tenant);
        let (_, tuple) = known_as(scope, look, before);
        let found = self.find(&(scope, tuple), now);
        found.is_some_and(|(shard, place)| shard.get(place).is_some_and(Connection::is_watched))
    }

    /// The fragments that wait.
    pub(crate) fn fragments(&self) -> MutexGuard<'_, Fragments> {
        lock(&self.fragments)
    }

    /// A packet of a connection that is known.
    fn meet(&self, question: &Question<'_>) -> Option<Outcome> {
        let Question { wanted, look, scope, tuple, is_turned, earlier, now } = *question;
        let (mut shard, place) = self.find(&(scope, tuple), now)?;
        let is_reply = place.is_reply ^ is_turned;
        let connection = shard.get_mut(place)?;
        let is_over = if look.is_error {
            false
        } else if wanted.commit && wanted.force && is_reply {
            true
        } else {
            match connection.protocol.meet(&look.transport, is_reply) {
                Verdict::Invalid => return Some(Outcome::of(Tracked::invalid(scope))),
                Verdict::Again => true,
                Verdict::Fits => false,
            }
        };
        if is_over {
            let connection = shard.remove(place);
            drop(shard);
            connection.iter().for_each(|connection| self.forget(place, connection));
            return None;
        }
        if !look.is_error {
            if let Some(seen) = connection.seen.get_mut(usize::from(is_reply)) {
                *seen += 1;
            }
            connection.refresh(now);
        }
        if wanted.commit {
            mark(connection, wanted);
        }
        let outcome = connection.outcome(wanted, look, place, is_reply, earlier);
        let expires = connection.expires;
        shard.park(place, expires);
        Some(outcome)
    }

    /// A packet of a connection that is not known: it may begin one.
    fn begin(&self, question: &Question<'_>) -> Result<Result<Outcome, DropReason>, Lost> {
        let Question { wanted, look, scope, earlier, now, .. } = *question;
        if look.is_error || !Protocol::may_begin(look) {
            return Ok(Ok(Outcome::of(Tracked::invalid(scope))));
        }
        let expected = self.expected(scope, &look.tuple, now);
        let (mark, label) = expected.map_or((0, 0), |expected| (expected.mark, expected.label));
        let related = if expected.is_some() { ct_state::REL } else { 0 };
        if !wanted.commit {
            let original = Some(expected.map_or(look.tuple, |expected| expected.parent));
            let state = ct_state::TRK | ct_state::NEW | related | earlier;
            return Ok(Ok(Outcome::of(Tracked { scope, state, mark, label, original })));
        }
        if let Err(reason) = self.take_room(scope) {
            return Ok(Err(reason));
        }
        let result = self.commit(question, expected.as_ref());
        if !matches!(result, Ok(Ok(_))) {
            self.give_room_back(scope);
        }
        result
    }

    /// Remembers a new connection. There is room for it.
    fn commit(
        &self,
        question: &Question<'_>,
        expected: Option<&Expectation>,
    ) -> Result<Result<Outcome, DropReason>, Lost> {
        let Question { wanted, look, earlier, .. } = *question;
        let mut found = None;
        let mut is_lost = false;
        let mut is_free = |reply: Tuple| match self.insert(question, expected, reply) {
            Ok(inserted) => {
                found = inserted;
                found.is_some()
            }
            Err(Lost) => {
                is_lost = true;
                true
            }
        };
        match (&wanted.nat, expected) {
            (Some(_), Some(expected)) => _ = is_free(expected.reply(&look.tuple)),
            // What an earlier zone, or this one, has translated already stays as it is.
            (Some(nat), None) if earlier == 0 => {
                let draw = hash::add(self.config.seed, self.draws.fetch_add(1, Ordering::Relaxed));
                nat::choose(&look.tuple, nat, self.config.seed, draw, &mut is_free);
            }
            _ => _ = is_free(look.tuple.reversed()),
        }
        if is_lost {
            return Err(Lost);
        }
        let Some((place, outcome)) = found else { return Ok(Err(DropReason::CtNat)) };
        if let Some(expected) = expected {
            let mut expectations = lock(&self.expectations);
            expectations.remove(expected);
            self.expects.store(!expectations.is_empty(), Ordering::Relaxed);
        }
        debug_assert!(!place.is_reply);
        Ok(Ok(outcome))
    }

    /// Puts a connection into the table, if nobody else has its answer.
    fn insert(
        &self,
        question: &Question<'_>,
        expected: Option<&Expectation>,
        reply: Tuple,
    ) -> Result<Option<(Place, Outcome)>, Lost> {
        let Question { wanted, look, scope, earlier, now, .. } = *question;
        let mut outcome = None;
        let make = |home| {
            let mut connection = Connection {
                scope,
                original: look.tuple,
                reply,
                protocol: Protocol::new(look),
                seen: [1, 0],
                mark: expected.map_or(0, |expected| expected.mark),
                label: expected.map_or(0, |expected| expected.label),
                helper: wanted.alg,
                parent: expected.map(|expected| expected.parent),
                shifts: [Shift::default(); 2],
                timeouts: self.timeouts_of(scope),
                expires: now,
                parked: u64::MAX,
            };
            connection.refresh(now);
            mark(&mut connection, wanted);
            let answer = Place { shard: home, slot: 0, generation: 0, is_reply: false };
            outcome = Some(connection.outcome(wanted, look, answer, false, earlier));
            connection
        };
        let Some(place) = self.take_in(scope, [look.tuple, reply], make)? else { return Ok(None) };
        Ok(outcome.map(|mut outcome| {
            if let Some(watched) = &mut outcome.watched {
                watched.place = place;
            }
            (place, outcome)
        }))
    }

    /// Puts a connection between these two into the table, which is made once it is known that it can be; `make` is told in
    /// which shard it is at home. `None`: somebody else has its answer.
    fn take_in(
        &self,
        scope: Scope,
        [original, reply]: [Tuple; 2],
        make: impl FnOnce(usize) -> Connection,
    ) -> Result<Option<Place>, Lost> {
        let (forth, back) = ((scope, original), (scope, reply));
        let (home, other) = (self.shard_of(&forth), self.shard_of(&back));
        // Two locks are taken in the order of their numbers.
        let (mut shard, mut second) = match home.cmp(&other) {
            std::cmp::Ordering::Equal => (self.shard(home), None),
            std::cmp::Ordering::Less => {
                let shard = self.shard(home);
                (shard, Some(self.shard(other)))
            }
            std::cmp::Ordering::Greater => {
                let second = self.shard(other);
                (self.shard(home), Some(second))
            }
        };
        if shard.find(&forth).is_some() {
            return Err(Lost);
        }
        if second.as_ref().unwrap_or(&shard).find(&back).is_some() || self.is_known_below(&back) {
            return Ok(None);
        }
        let place = shard.insert(home, make(home));
        // Who talks to himself by one port has no other direction.
        if back != forth {
            second.as_mut().unwrap_or(&mut shard).sign(back, Place { is_reply: true, ..place });
        }
        Ok(Some(place))
    }

    /// Reads the payload of a watched connection; what is to be read instead, if anything. The sender counts from
    /// `seq` there.
    pub(crate) fn read(
        &self,
        watched: &Watched,
        payload: &[u8],
        seq: u32,
        now: Nanos,
    ) -> Option<Replacement> {
        let mut shard = self.shard(watched.place.shard);
        let connection = shard.get_mut(watched.place)?;
        let replacement = {
            let mut expectations = lock(&self.expectations);
            let replacement = helper::read(connection, watched.is_reply, payload, &mut expectations, now);
            self.expects.store(!expectations.is_empty(), Ordering::Relaxed);
            replacement?
        };
        let by = i32::try_from(replacement.text.len()).ok()? - i32::try_from(replacement.range.len()).ok()?;
        if by != 0
            && let Some(shift) = connection.shifts.get_mut(usize::from(watched.is_reply))
        {
            shift.grow(seq, by);
        }
        Some(replacement)
    }

    fn expected(&self, scope: Scope, tuple: &Tuple, now: Nanos) -> Option<Expectation> {
        let here = || lock(&self.expectations).find(scope, tuple, now);
        let found = self.expects.load(Ordering::Relaxed).then(here).flatten();
        found.or_else(|| self.base.as_ref()?.expected(scope, tuple, now))
    }

    /// Where a key leads, with the shard of the connection locked.
    fn find(&self, key: &Key, now: Nanos) -> Option<(MutexGuard<'_, Shard>, Place)> {
        let here = self.shard_of(key);
        let mut shard = self.shard(here);
        if self.base.is_some() && shard.find(key).is_none() {
            drop(shard);
            self.borrow(key, now)?;
            shard = self.shard(here);
        }
        let place = shard.find(key)?;
        if place.shard != here {
            drop(shard);
            shard = self.shard(place.shard);
        }
        let is_over = shard.get(place)?.expires <= now;
        if is_over {
            let connection = shard.remove(place);
            drop(shard);
            connection.iter().for_each(|connection| self.forget(place, connection));
            return None;
        }
        Some((shard, place))
    }

    /// Takes a copy of a connection of the table this one is a shadow of.
    fn borrow(&self, key: &Key, now: Nanos) -> Option<()> {
        let copy = {
            let (shard, place) = self.base.as_ref()?.find(key, now)?;
            shard.get(place)?.clone()
        };
        let (forth, back) = ((copy.scope, copy.original), (copy.scope, copy.reply));
        let home = self.shard_of(&forth);
        self.count.fetch_add(1, Ordering::Relaxed);
        let place = self.shard(home).insert(home, Connection { parked: u64::MAX, ..copy });
        if back != forth {
            self.shard(self.shard_of(&back)).sign(back, Place { is_reply: true, ..place });
        }
        Some(())
    }

    /// Whether the table this one is a shadow of knows a key.
    fn is_known_below(&self, key: &Key) -> bool {
        self.base.as_ref().is_some_and(|base| base.shard(base.shard_of(key)).find(key).is_some())
    }

    /// After a connection was taken out of its shard, which is not locked any more.
    fn forget(&self, place: Place, connection: &Connection) {
        let back = (connection.scope, connection.reply);
        self.shard(self.shard_of(&back)).unsign(&back, place);
        self.give_room_back(connection.scope);
        if connection.helper.is_some() {
            lock(&self.expectations).forget(connection.scope, &connection.original);
        }
    }

    fn take_room(&self, scope: Scope) -> Result<(), DropReason> {
        if !lock(&self.limits).take((scope.bridge, scope.zone)) {
            return Err(DropReason::CtFull);
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.config.limit && !self.evict() {
            self.give_room_back(scope);
            return Err(DropReason::CtFull);
        }
        Ok(())
    }

    fn give_room_back(&self, scope: Scope) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        lock(&self.limits).give_back((scope.bridge, scope.zone));
    }

    /// Lets one connection make room that is not established. Another shard is looked at first each time.
    fn evict(&self) -> bool {
        let from = usize::try_from(self.draws.fetch_add(1, Ordering::Relaxed) % SHARDS as u64).unwrap_or(0);
        for number in (from..from + SHARDS).map(|number| number % SHARDS) {
            let evicted = self.shard(number).evict(number);
            if let Some((place, connection)) = evicted {
                self.forget(place, &connection);
                return true;
            }
        }
        false
    }

    fn timeouts_of(&self, scope: Scope) -> Arc<Timeouts> {
        let Policies { all, zones } = &*lock(&self.timeouts);
        Arc::clone(zones.get(&(scope.bridge, scope.zone)).unwrap_or(all))
    }

    fn shard_of(&self, (scope, tuple): &Key) -> usize {
        let zone = u64::from(scope.bridge.0) << 32 | u64::from(scope.tenant.0) << 16 | u64::from(scope.zone);
        let hash = hash::add(tuple.symmetric_hash(self.config.seed), zone);
        usize::try_from(hash % SHARDS as u64).unwrap_or(0)
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        // Numbers come from `shard_of` only, which is below SHARDS.
        lock(&self.shards[number % SHARDS])
    }
}

impl Connection {
    fn outcome(&self, wanted: &Track, look: &Look, place: Place, is_reply: bool, earlier: u32) -> Outcome {
        let mut tracked = self.tracked(is_reply, look.is_error);
        tracked.state |= earlier;
        let (source, destination) = self.translates(is_reply);
        let mut translation = None;
        if wanted.nat.is_some() && earlier == 0 && (source || destination) {
            tracked.state |= if source { ct_state::SNAT } else { 0 };
            tracked.state |= if destination { ct_state::DNAT } else { 0 };
            let to = self.translated(is_reply);
            translation = Some(Rewrite { to, source, destination, is_error: look.is_error });
        }
        let [forth, back] = self.shifts;
        let shifts = if is_reply { [back, forth] } else { [forth, back] };
        let is_moved = self.is_moved() && matches!(look.transport, Transport::Tcp(_));
        let is_watched = !look.is_error && (self.helper.is_some() || is_moved);
        let watched = is_watched.then_some(Watched { place, is_reply, shifts });
        Outcome { tracked, translation, watched }
    }
}

/// What an earlier `ct` in this zone translated of a packet, and by what its connection is found: what was translated,
/// by what its answer is.
fn known_as(scope: Scope, look: &Look, before: Option<&Tracked>) -> (u32, Tuple) {
    let earlier = before.filter(|before| before.scope == scope).map_or(0, |before| before.state);
    let earlier = earlier & (ct_state::SNAT | ct_state::DNAT);
    (earlier, if earlier == 0 { look.tuple } else { look.tuple.reversed() })
}

impl Outcome {
    const fn of(tracked: Tracked) -> Self {
        Self { tracked, translation: None, watched: None }
    }
}

/// Where the connection of a packet is known.
pub(crate) const fn scope(wanted: &Track, tenant: TenantId) -> Scope {
    Scope { bridge: wanted.bridge, tenant, zone: wanted.zone }
}

/// Writes what `exec` says.
const fn mark(connection: &mut Connection, wanted: &Track) {
    let (value, bits) = wanted.mark;
    connection.mark = connection.mark & !bits | value & bits;
    let (value, bits) = wanted.label;
    connection.label = connection.label & !bits | value & bits;
}

/// A panic of another thread while it held the lock is that thread's bug; what it left is whole enough to go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("config", &self.config)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
