//! Waiting for a real packet.
//!
//! A wish is a match at a switch. While somebody waits, cached flows that go through that switch are looked up once
//! more, when their next packet comes: from then on they tell packets that are meant from others, so that exactly those
//! come here. The first of them is translated with a recorder; its packet goes on with that very answer. No packet
//! waits, is lost or overtakes another, and flows that do not touch the switch notice nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use netloom_api::TraceWhat;
use netloom_flow::{
    Dependency, DpAction, FlowMatch, PACKET_WORDS, PacketKey, PacketMask, PortId, RecircId, TenantId,
    Translation, Upcall, word,
};
use netloom_switch::{Event, Recorder, Switch};

use super::Chart;
use super::notes::Notes;
use super::story::Story;
use crate::slowpath;

/// What is waited for: a packet that looks like this when it comes in to a switch.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) chart: Arc<Chart>,
    pub(crate) switch: String,
    pub(crate) matches: FlowMatch,
}

impl Wish {
    /// The bits of a packet's key that a cached flow must have looked at to tell.
    fn covers(&self, mask: &PacketMask) -> bool {
        headers(&self.matches).all(|(n, bits)| bits & !mask.0.get(n).copied().unwrap_or(0) == 0)
    }
}

/// The words of a packet's headers, and the bits of them that count. Ports are another matter at every switch.
fn headers(matches: &FlowMatch) -> impl Iterator<Item = (usize, u64)> + '_ {
    (word::TENANT..PACKET_WORDS).map(|n| (n, matches.word(n).1))
}

/// A real packet, and what became of it in its first lookup.
#[derive(Debug)]
pub(crate) struct Caught {
    pub(super) key: PacketKey,
    pub(super) frame: Vec<u8>,
    pub(super) mask: PacketMask,
    pub(super) actions: Box<[DpAction]>,
    pub(super) story: Story,
}

impl Caught {
    /// The port it came in by, and the number under which it was looked up again.
    pub(crate) const fn place(&self) -> (PortId, RecircId) {
        let word = self.key.0[word::IN_PORT];
        #[expect(clippy::cast_possible_truncation, reason = "the word is cut in two")]
        (PortId((word >> 32) as u32), RecircId(word as u32))
    }

    pub(super) const fn tenant(&self) -> TenantId {
        TenantId((self.key.0[word::TENANT] >> 48) as u16)
    }

    /// Its headers in the syntax of flows.
    pub(crate) fn packet(&self) -> String {
        super::words::packet(&self.key)
    }
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    wish: Wish,
    answer: SyncSender<Caught>,
}

/// Everybody who waits for packets.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    is_armed: AtomicBool,
    waiting: Mutex<(u64, Vec<Waiting>)>,
}

impl Watch {
    /// Begins to wait; the number is for [`Self::end`].
    pub(crate) fn begin(&self, switch: &RwLock<Switch>, wish: Wish) -> (u64, Receiver<Caught>) {
        let (answer, caught) = sync_channel(1);
        // Whoever sees the new epoch waits for this lock, and then sees that it is armed.
        let model = slowpath::write(switch);
        let mut inner = self.lock();
        inner.0 += 1;
        let number = inner.0;
        inner.1.push(Waiting { number, wish, answer });
        self.is_armed.store(true, Ordering::Release);
        model.recheck();
        (number, caught)
    }

    /// Waits no more.
    pub(crate) fn end(&self, number: u64) {
        let mut inner = self.lock();
        inner.1.retain(|waiting| waiting.number != number);
        self.is_armed.store(!inner.1.is_empty(), Ordering::Release);
    }

    /// Whether anybody waits. To be asked with the model locked.
    pub(crate) fn is_armed(&self) -> bool {
        self.is_armed.load(Ordering::Acquire)
    }

    /// The answer to a miss while somebody waits.
    #[cold]
    pub(crate) fn translate(&self, model: &Switch, upcall: &Upcall<'_>) -> Translation {
        let mut inner = self.lock();
        let mut spotter = Spotter::new(&inner.1);
        let mut made = model.trace(upcall, &mut spotter);
        let (visited, found) = (spotter.visited, spotter.found);
        if !found.iter().any(|found| *found) {
            for (waiting, _) in inner.1.iter().zip(visited).filter(|(_, visited)| *visited) {
                for (n, bits) in headers(&waiting.wish.matches) {
                    made.mask.0[n] |= bits;
                }
            }
            return made;
        }
        let mut found = found.into_iter();
        let mut got = Vec::new();
        inner.1.retain_mut(|waiting| {
            let is_it = found.next().unwrap_or(false);
            if is_it {
                got.push((waiting.wish.chart.clone(), waiting.answer.clone()));
            }
            !is_it
        });
        self.is_armed.store(!inner.1.is_empty(), Ordering::Release);
        drop(inner);
        for (chart, answer) in got {
            let mut story = Story::default();
            let start = story.begin();
            arrival(&chart, upcall.key, &mut story, start);
            let mut notes = Notes::new(&chart, &mut story, start, upcall.packet.len());
            made = model.trace(upcall, &mut notes);
            drop(notes);
            let (key, frame) = (*upcall.key, upcall.packet.to_vec());
            // Nobody there any more: the next one will do as well.
            let _ =
                answer.try_send(Caught { key, frame, mask: made.mask, actions: made.actions.clone(), story });
        }
        made
    }

    /// Whether a cached flow may hide packets that are waited for.
    #[cold]
    pub(crate) fn hides(&self, model: &Switch, key: &PacketKey, translation: &Translation) -> bool {
        let inner = self.lock();
        let concerned = |waiting: &&Waiting| {
            let id = model.bridge_id(&waiting.wish.switch);
            let is_there =
                |it: &Dependency| matches!(it, Dependency::Table { bridge, .. } if Some(*bridge) == id);
            translation.dependencies.iter().any(is_there)
        };
        let mut concerned = inner.1.iter().filter(concerned).peekable();
        if concerned.peek().is_none() {
            return false;
        }
        if concerned.any(|waiting| !waiting.wish.covers(&translation.mask)) {
            return true;
        }
        let mut spotter = Spotter::new(&inner.1);
        let upcall = Upcall { key, packet: &[], now: slowpath::now() };
        let _ = model.trace(&upcall, &mut spotter);
        spotter.found.contains(&true)
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Vec<Waiting>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a packet came to its first switch.
fn arrival(chart: &Chart, key: &PacketKey, story: &mut Story, at: usize) {
    #[expect(clippy::cast_possible_truncation, reason = "the word is cut in two")]
    let (port, recirc) = (PortId((key.0[word::IN_PORT] >> 32) as u32), key.0[word::IN_PORT] as u32);
    let Some(spot) = chart.ports.get(&port).filter(|_| recirc == 0) else { return };
    let (from, to, settings) = (spot.there.clone(), spot.here.clone(), spot.inward());
    if spot.seat.is_some() {
        story.say(at, 0, TraceWhat::Link { from, to, settings, cut: None });
    }
}

/// Looks whether a packet is one that is waited for.
struct Spotter<'a> {
    waiting: &'a [Waiting],
    visited: Vec<bool>,
    found: Vec<bool>,
}

impl<'a> Spotter<'a> {
    fn new(waiting: &'a [Waiting]) -> Self {
        Self { waiting, visited: vec![false; waiting.len()], found: vec![false; waiting.len()] }
    }
}

impl Recorder for Spotter<'_> {
    fn record(&mut self, event: Event<'_>) {
        let Event::Enter { bridge, key, .. } = event else { return };
        let results = self.visited.iter_mut().zip(&mut self.found);
        for (waiting, (visited, found)) in self.waiting.iter().zip(results) {
            if waiting.wish.switch == bridge {
                *visited = true;
                *found |= waiting.wish.matches.matches(key);
            }
        }
    }

    fn listens(&self) -> bool {
        false
    }
}
