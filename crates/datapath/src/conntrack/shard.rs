//! A part of the table of connections, behind a lock of its own.
//!
//! A connection is at home in the shard of its first packet. The answers of one whose addresses are not translated
//! belong to the same shard, as the hash is symmetric; else their shard has a signpost. A signpost may be stale for a
//! moment: generations tell.

use std::collections::{BTreeMap, HashMap};

use netloom_flow::Nanos;

use super::connection::Connection;
use super::tuple::{Key, Keyed};

/// Where a connection is, and which direction of it a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: usize,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) is_reply: bool,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shard {
    map: HashMap<Key, Place, Keyed>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Connections by the second in which their end is looked at: each when it was to end, or earlier.
    due: BTreeMap<u64, Vec<(u32, u32)>>,
}

/// Connections looked at to make room for another one.
const EVICTION_STEPS: usize = 32;

const fn second(at: Nanos) -> u64 {
    at.0.div_ceil(1_000_000_000)
}

impl Shard {
    pub(crate) fn new(seed: u64) -> Self {
        let map = HashMap::with_hasher(Keyed(seed));
        Self { map, slots: Vec::new(), free: Vec::new(), due: BTreeMap::new() }
    }

    pub(crate) fn find(&self, key: &Key) -> Option<Place> {
        self.map.get(key).copied()
    }

    /// The connection at a place of this shard, if it is still the same one.
    pub(crate) fn get(&self, place: Place) -> Option<&Connection> {
        let slot = self.slots.get(place.slot as usize)?;
        slot.connection.as_deref().filter(|_| slot.generation == place.generation)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(place.slot as usize)?;
        slot.connection.as_deref_mut().filter(|_| slot.generation == place.generation)
    }

    /// Takes a connection in, at home in shard `number`, which this one is.
    pub(crate) fn insert(&mut self, number: usize, connection: Connection) -> Place {
        let key = (connection.scope, connection.original);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let expires = connection.expires;
        let mut generation = 0;
        if let Some(place) = self.slots.get_mut(slot as usize) {
            generation = place.generation;
            place.connection = Some(Box::new(connection));
        }
        let place = Place { shard: number, slot, generation, is_reply: false };
        self.map.insert(key, place);
        self.park(place, expires);
        place
    }

    /// A key leads to a connection of this or another shard.
    pub(crate) fn sign(&mut self, key: Key, place: Place) {
        self.map.insert(key, place);
    }

    /// Takes a signpost away if it still leads there.
    pub(crate) fn unsign(&mut self, key: &Key, place: Place) {
        let leads = |found: &Place| (found.shard, found.slot, found.generation);
        if self.map.get(key).is_some_and(|found| leads(found) == leads(&place)) {
            self.map.remove(key);
        }
    }

    /// Takes a connection out. The signpost of its answers is left to the caller.
    pub(crate) fn remove(&mut self, place: Place) -> Option<Box<Connection>> {
        let slot =
            self.slots.get_mut(place.slot as usize).filter(|slot| slot.generation == place.generation)?;
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(place.slot);
        self.unsign(&(connection.scope, connection.original), place);
        Some(connection)
    }

    /// Has the end of a connection looked at when it is due, unless that happens earlier anyway.
    pub(crate) fn park(&mut self, place: Place, expires: Nanos) {
        let due = second(expires);
        let Some(connection) = self.get_mut(place) else { return };
        if due < connection.parked {
            connection.parked = due;
            self.due.entry(due).or_default().push((place.slot, place.generation));
        }
    }

    /// Takes out connections whose time has come, looking at no more than `steps`.
    pub(crate) fn expire(
        &mut self,
        number: usize,
        now: Nanos,
        mut steps: usize,
        gone: &mut Vec<(Place, Box<Connection>)>,
    ) {
        while steps > 0 {
            let Some(mut entry) =
                self.due.first_entry().filter(|entry| *entry.key() <= now.0 / 1_000_000_000)
            else {
                return;
            };
            let (due, popped) = (*entry.key(), entry.get_mut().pop());
            if entry.get().is_empty() {
                entry.remove();
            }
            let Some((slot, generation)) = popped else { continue };
            steps -= 1;
            let place = Place { shard: number, slot, generation, is_reply: false };
            let Some(connection) = self.get_mut(place).filter(|connection| connection.parked == due) else {
                continue;
            };
            if connection.expires > now {
                connection.parked = u64::MAX;
                let expires = connection.expires;
                self.park(place, expires);
            } else if let Some(connection) = self.remove(place) {
                gone.push((place, connection));
            }
        }
    }

    /// Takes out one connection that is the least loss, if one of the next to end is.
    pub(crate) fn evict(&mut self, number: usize) -> Option<(Place, Box<Connection>)> {
        let mut found = None;
        let Self { due, slots, .. } = self;
        let mut left = EVICTION_STEPS;
        for (due, parked) in due.iter_mut() {
            // What is no longer parked there is in the way of the next search only.
            parked.retain(|&(slot, generation)| {
                if left == 0 || found.is_some() {
                    return true;
                }
                left -= 1;
                let slot_of = slots.get(slot as usize).filter(|it| it.generation == generation);
                let connection = slot_of.and_then(|it| it.connection.as_deref());
                let Some(connection) = connection.filter(|it| it.parked == *due) else { return false };
                if connection.protocol.is_expendable() {
                    found = Some(Place { shard: number, slot, generation, is_reply: false });
                }
                true
            });
            if left == 0 || found.is_some() {
                break;
            }
        }
        let place = found?;
        Some((place, self.remove(place)?))
    }

    /// All connections that are at home here.
    pub(crate) fn iter(&self, number: usize) -> impl Iterator<Item = (Place, &Connection)> + '_ {
        (0u32..).zip(&self.slots).filter_map(move |(slot, it)| {
            let place = Place { shard: number, slot, generation: it.generation, is_reply: false };
            Some((place, it.connection.as_deref()?))
        })
    }
}
