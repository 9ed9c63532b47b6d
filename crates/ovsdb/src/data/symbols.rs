//! `named-uuid`: names that a transaction gives to rows, before or after it inserts them.

use std::collections::BTreeMap;

use crate::uuid::{Uuid, UuidSource};

#[derive(Debug)]
struct Symbol {
    uuid: Uuid,
    inserted: bool,
}

/// The names of one transaction.
#[derive(Debug)]
pub(crate) struct Symbols<'a> {
    uuids: &'a mut UuidSource,
    named: BTreeMap<String, Symbol>,
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(uuids: &'a mut UuidSource) -> Self {
        Self { uuids, named: BTreeMap::new() }
    }

    /// The UUID that `name` stands for, whether its row is there yet or not.
    pub(crate) fn resolve(&mut self, name: &str) -> Uuid {
        self.symbol(name).uuid
    }

    /// Notes that a row will be inserted under `name` with a UUID that the client chose.
    pub(crate) fn reserve(&mut self, name: &str, uuid: Uuid) {
        self.named.entry(name.to_owned()).or_insert(Symbol { uuid, inserted: false });
    }

    /// The UUID of a row inserted under `name`, which is `wanted` if the client says so. `None` if the name is taken.
    pub(crate) fn insert(&mut self, name: &str, wanted: Option<Uuid>) -> Option<Uuid> {
        let symbol = self.symbol(name);
        if symbol.inserted {
            return None;
        }
        symbol.inserted = true;
        symbol.uuid = wanted.unwrap_or(symbol.uuid);
        Some(symbol.uuid)
    }

    /// A UUID that nothing has.
    pub(crate) fn generate(&mut self) -> Uuid {
        self.uuids.generate()
    }

    fn symbol(&mut self, name: &str) -> &mut Symbol {
        let uuids = &mut *self.uuids;
        let new = || Symbol { uuid: uuids.generate(), inserted: false };
        self.named.entry(name.to_owned()).or_insert_with(new)
    }
}
