//! The megaflow cache: what the slow path said, for all packets that look the same where it looked.
//!
//! A table per ingress port and mask (tuple space search). Every flow of a port has the ingress port in its mask,
//! so tables are kept per port: a lookup walks only the masks of its own port, the most used ones first, and a
//! peer that provokes many masks slows down nobody else. Beyond [`MASKS`] masks a port's flows are cached with
//! every bit in the mask, which is correct and keeps the walk short.

use std::sync::Arc;

use netloom_flow::{Nanos, PACKET_WORDS, PacketKey, PacketMask, Translation, word};

use crate::cache::hash;
use crate::cache::table::Table;

/// Most masks of one port.
const MASKS: usize = 64;
/// After so many lookups of a port its tables are sorted anew by their hits.
const SORT_EVERY: u32 = 1_024;
/// How many flows the clock hand passes at most for one eviction.
const HAND_STEPS: usize = 64;

/// A cached flow.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The epoch at which it was last known to hold.
    pub(crate) epoch: u64,
    /// What to do.
    pub(crate) translation: Arc<Translation>,
    pattern: Pattern,
    hash: u64,
    /// Used since the clock hand last passed.
    used: bool,
}

/// A cached flow, as it is shown.
#[derive(Debug, Clone)]
pub struct CachedFlow {
    /// The bits that packets have in common, 0 elsewhere.
    pub key: PacketKey,
    /// Which bits those are.
    pub mask: PacketMask,
    /// What is done with them, and what has passed.
    pub translation: Arc<Translation>,
}

/// A masked key without the words that do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    /// Which words matter.
    map: u64,
    /// `[key, mask]` for each of them, in order.
    words: Box<[[u64; 2]]>,
}

/// Flows that share a mask.
#[derive(Debug)]
struct Subtable {
    map: u64,
    mask: Box<[u64]>,
    table: Table,
    hits: u32,
}

/// The tables of one port.
#[derive(Debug, Default)]
struct PortTables {
    subtables: Vec<Subtable>,
    lookups: u32,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Megaflows {
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    ports: Vec<PortTables>,
    seed: u64,
    bytes: usize,
    limit: usize,
    hand: usize,
    broom: usize,
}

impl Megaflows {
    /// A cache of at most about `limit` bytes.
    pub(crate) const fn new(seed: u64, limit: usize) -> Self {
        Self {
            flows: Vec::new(),
            free: Vec::new(),
            ports: Vec::new(),
            seed,
            bytes: 0,
            limit,
            hand: 0,
            broom: 0,
        }
    }

    /// How many flows it holds.
    pub(crate) const fn len(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// All flows.
    pub(crate) fn all(&self) -> impl Iterator<Item = CachedFlow> + '_ {
        self.flows.iter().flatten().map(|flow| {
            let (key, mask) = flow.pattern.spread();
            CachedFlow { key, mask, translation: Arc::clone(&flow.translation) }
        })
    }

    /// What to do with packets of a flow; `None` if it is gone.
    #[inline]
    pub(crate) fn translation(&self, flow: u32) -> Option<&Arc<Translation>> {
        Some(&self.flows.get(flow as usize)?.as_ref()?.translation)
    }

    /// Whether a flow is still there and fits the key.
    #[inline]
    pub(crate) fn fits(&self, flow: u32, key: &PacketKey) -> bool {
        self.flows.get(flow as usize).and_then(Option::as_ref).is_some_and(|flow| flow.pattern.fits(key))
    }

    /// A flow by its number, which is noted as used, for the clock.
    #[inline]
    pub(crate) fn touch(&mut self, flow: u32) -> Option<&mut Flow> {
        let flow = self.flows.get_mut(flow as usize)?.as_mut()?;
        flow.used = true;
        Some(flow)
    }

    /// The flow that fits a key.
    pub(crate) fn find(&mut self, key: &PacketKey) -> Option<u32> {
        let Self { flows, ports, seed, .. } = self;
        let port = ports.get_mut(port_index(key))?;
        port.lookups += 1;
        if port.lookups >= SORT_EVERY {
            port.sort();
        }
        let fits = |flow: u32| {
            flows.get(flow as usize).and_then(Option::as_ref).is_some_and(|flow| flow.pattern.fits(key))
        };
        for subtable in &mut port.subtables {
            if let Some(flow) = subtable.table.find(subtable.hash(*seed, key), fits) {
                subtable.hits = subtable.hits.saturating_add(1);
                return Some(flow);
            }
        }
        None
    }

    /// Caches a translation of `key` that holds at `epoch`, and returns the flow's number.
    ///
    /// The mask is widened to the ingress port and the recirculation id, which every lookup depends on.
    pub(crate) fn insert(&mut self, key: &PacketKey, translation: Arc<Translation>, epoch: u64) -> u32 {
        let index = port_index(key);
        if self.ports.len() <= index {
            self.ports.resize_with(index + 1, PortTables::default);
        }
        let mut mask = translation.mask;
        mask.0[word::IN_PORT] = u64::MAX;
        let pattern = self.ports[index].pattern(key, &mask);
        let hash = pattern.hash(self.seed);
        let flow = Flow { epoch, translation, pattern, hash, used: true };
        self.bytes += flow.bytes();
        let number = self.number(flow);
        let Self { flows, ports, .. } = self;
        let flow = flows[number as usize].as_ref().expect("just stored");
        ports[index].subtable(&flow.pattern).table.insert(hash, number);
        while self.bytes > self.limit && self.len() > 1 {
            self.evict(number);
        }
        number
    }

    fn number(&mut self, flow: Flow) -> u32 {
        if let Some(number) = self.free.pop() {
            self.flows[number as usize] = Some(flow);
            return number;
        }
        self.flows.push(Some(flow));
        u32::try_from(self.flows.len() - 1).expect("the byte limit is far below 2^32 flows")
    }

    /// Lets go of a flow: its hits are final.
    pub(crate) fn remove(&mut self, number: u32) {
        let Self { flows, ports, .. } = self;
        let Some(slot) = flows.get(number as usize).and_then(Option::as_ref) else { return };
        let index = (slot.pattern.words[0][0] >> 32) as usize;
        let tables = &mut ports[index].subtables;
        if let Some(at) = tables.iter().position(|table| table.is_for(&slot.pattern)) {
            tables[at].table.remove(slot.hash, number);
            if tables[at].table.len() == 0 {
                tables.remove(at);
            }
        }
        if let Some(flow) = self.flows[number as usize].take() {
            self.bytes -= flow.bytes();
            flow.translation.hits.retire();
            self.free.push(number);
        }
    }

    /// Lets go of flows that carried nothing since `before`, looking at no more than `steps` places.
    pub(crate) fn expire(&mut self, before: Nanos, steps: usize) {
        for _ in 0..steps.min(self.flows.len()) {
            self.broom = (self.broom + 1) % self.flows.len();
            let idle = self.flows[self.broom]
                .as_ref()
                .is_some_and(|flow| flow.translation.hits.read().used < before);
            if idle && let Ok(number) = u32::try_from(self.broom) {
                self.remove(number);
            }
        }
    }

    /// Removes one flow that was not used since the hand last passed, but never `spare`.
    fn evict(&mut self, spare: u32) {
        let mut last = None;
        for step in 1..=HAND_STEPS {
            self.hand = (self.hand + 1) % self.flows.len();
            let Some(flow) = self.flows[self.hand].as_mut() else { continue };
            if self.hand == spare as usize {
                continue;
            }
            last = Some(self.hand);
            if !std::mem::take(&mut flow.used) || step == HAND_STEPS {
                break;
            }
        }
        // Nothing but free places so far: the hand goes on until it meets a flow.
        while last.is_none() {
            self.hand = (self.hand + 1) % self.flows.len();
            last = (self.hand != spare as usize && self.flows[self.hand].is_some()).then_some(self.hand);
        }
        if let Some(number) = last.and_then(|n| u32::try_from(n).ok()) {
            self.remove(number);
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        for flow in self.flows.drain(..).flatten() {
            flow.translation.hits.retire();
        }
        self.free.clear();
        self.ports.clear();
        self.bytes = 0;
        (self.hand, self.broom) = (0, 0);
    }
}

impl Drop for Megaflows {
    fn drop(&mut self) {
        self.clear();
    }
}

impl PortTables {
    fn sort(&mut self) {
        self.lookups = 0;
        self.subtables.sort_by_key(|table| std::cmp::Reverse(table.hits));
        self.subtables.iter_mut().for_each(|table| table.hits /= 2);
    }

    /// The pattern to cache `key` under: by `mask`, or by every bit if the port has too many masks.
    fn pattern(&self, key: &PacketKey, mask: &PacketMask) -> Pattern {
        let pattern = Pattern::new(key, mask);
        if self.subtables.len() < MASKS || self.subtables.iter().any(|table| table.is_for(&pattern)) {
            return pattern;
        }
        Pattern::new(key, &PacketMask([u64::MAX; PACKET_WORDS]))
    }

    fn subtable(&mut self, pattern: &Pattern) -> &mut Subtable {
        let at = self.subtables.iter().position(|table| table.is_for(pattern)).unwrap_or_else(|| {
            let mask = pattern.words.iter().map(|[_, mask]| *mask).collect();
            self.subtables.push(Subtable { map: pattern.map, mask, table: Table::default(), hits: 0 });
            self.subtables.len() - 1
        });
        &mut self.subtables[at]
    }
}

impl Subtable {
    fn is_for(&self, pattern: &Pattern) -> bool {
        self.map == pattern.map && self.mask.iter().eq(pattern.words.iter().map(|[_, mask]| mask))
    }

    #[inline]
    fn hash(&self, seed: u64, key: &PacketKey) -> u64 {
        let masked = bits(self.map).zip(&self.mask).map(|(at, mask)| key.0[at] & mask);
        masked.fold(seed, hash::add)
    }
}

impl Pattern {
    fn new(key: &PacketKey, mask: &PacketMask) -> Self {
        let map = mask.present();
        // As many as there are: memory is taken once, and none is given back.
        let mut words = Vec::with_capacity(map.count_ones() as usize);
        words.extend(bits(map).map(|at| [key.0[at] & mask.0[at], mask.0[at]]));
        Self { map, words: words.into() }
    }

    /// The key and the mask it was made of.
    fn spread(&self) -> (PacketKey, PacketMask) {
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        for (at, [value, bits]) in bits(self.map).zip(&self.words) {
            (key.0[at], mask.0[at]) = (*value, *bits);
        }
        (key, mask)
    }

    #[inline]
    fn fits(&self, key: &PacketKey) -> bool {
        bits(self.map).zip(&self.words).all(|(at, [value, mask])| key.0[at] & mask == *value)
    }

    fn hash(&self, seed: u64) -> u64 {
        self.words.iter().map(|[value, _]| *value).fold(seed, hash::add)
    }
}

impl Flow {
    /// About what it costs, so that a byte limit means something.
    fn bytes(&self) -> usize {
        let t = &self.translation;
        size_of::<Option<Self>>()
            + size_of::<Translation>()
            + size_of_val(&*self.pattern.words)
            + size_of_val(&*t.actions)
            + size_of_val(&*t.dependencies)
            + size_of_val(&*t.effects)
            + 32
    }
}

/// The positions of the bits that are set.
#[inline]
fn bits(mut map: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = map.trailing_zeros() as usize;
        (at < PACKET_WORDS).then(|| {
            map &= map - 1;
            at
        })
    })
}

const fn port_index(key: &PacketKey) -> usize {
    (key.0[word::IN_PORT] >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use netloom_flow::Hits;

    use super::*;

    #[test]
    fn what_is_shown_is_what_is_cached() {
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        (key.0[word::IN_PORT], key.0[word::ETH_DST]) = (7 << 32, 0x0200_0000_0001_0800);
        mask.0[word::ETH_DST] = 0xffff;
        let translation = Translation {
            mask,
            actions: [].into(),
            dependencies: [].into(),
            effects: [].into(),
            cacheable: true,
            stamp: AtomicU64::new(0),
            hits: Hits::default(),
        };
        let mut cache = Megaflows::new(1, 1 << 20);
        cache.insert(&key, Arc::new(translation), 0);
        let [flow] = &cache.all().collect::<Vec<_>>()[..] else { panic!("one flow") };
        assert_eq!((flow.key.0[word::IN_PORT], flow.key.0[word::ETH_DST]), (7 << 32, 0x0800));
        assert_eq!((flow.mask.0[word::IN_PORT], flow.mask.0[word::ETH_DST]), (u64::MAX, 0xffff));
        cache.clear();
        assert_eq!(cache.all().count(), 0);
    }
}
