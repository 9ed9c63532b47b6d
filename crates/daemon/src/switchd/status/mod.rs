//! What came of the configuration, written back to the rows.
//!
//! Every column is a value wanted; those that have another one are written, all in one transaction. So nothing is written
//! while nothing changes, and a client that waits for `cur_cfg` sees the ports' numbers at the same moment.
//!
//! Source: ovs-vswitchd.conf.db(5); `bridge.c` of OVS for when columns are cleared.

mod controller;
mod interface;
mod mirror;
mod reported;
mod root;

use netloom_openflow::msg::Role;
use netloom_ovsdb::replica::Transaction;
use netloom_ovsdb::{Replica, Uuid};
use serde_json::{Value, json};

pub(super) use self::reported::Reported;
use self::reported::Seen;
use super::plant::{Id, News, Plant};

/// How much of the status is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What changes with the configuration, devices and connections.
    State,
    /// That, and what counts: statistics and durations.
    Everything,
}

/// Columns that are to have values.
#[derive(Debug, Default)]
pub(super) struct Cells(Vec<(&'static str, Uuid, &'static str, Value)>);

impl Cells {
    fn put(&mut self, table: &'static str, row: Uuid, column: &'static str, value: impl Into<Value>) {
        self.0.push((table, row, column, value.into()));
    }

    /// A transaction of all that differs; `None`: nothing does.
    fn transaction(self, replica: &Replica) -> Option<Transaction> {
        let mut transaction = Transaction::new();
        let mut is_empty = true;
        let mut cells = self.0.into_iter().peekable();
        while let Some((table, uuid, column, value)) = cells.next() {
            let mut fields = vec![(column, value)];
            while let Some((_, _, column, value)) =
                cells.next_if(|(other, row, ..)| *other == table && *row == uuid)
            {
                fields.push((column, value));
            }
            let Some(row) = replica.rows_of(table).and_then(|rows| rows.row(uuid)) else { continue };
            fields.retain(|(column, value)| !row.is(column, value));
            if !fields.is_empty() {
                transaction.update(row, &fields);
                is_empty = false;
            }
        }
        (!is_empty).then_some(transaction)
    }
}

/// What is to be written; `None`: all is as it should be.
pub(super) fn difference(
    replica: &Replica,
    plant: &Plant,
    (part, news): (Part, &News),
    reported: &mut Reported,
) -> Option<Transaction> {
    let desired = &plant.desired;
    let mut cells = Cells::default();
    if part == Part::Everything {
        *reported = Reported::default();
    }
    for bridge in &desired.bridges {
        if let Some(bridged) = plant.bridges.get(&bridge.uuid) {
            cells.put("Bridge", bridge.uuid, "datapath_id", format!("{:016x}", bridged.datapath_id));
            cells.put("Bridge", bridge.uuid, "datapath_version", "<built-in>");
        }
        cells.put("Bridge", bridge.uuid, "status", without_effect(&bridge.without_effect));
        if *news == News::All {
            for port in &bridge.ports {
                if let Some(uuid) = port.uuid.filter(|uuid| reported.is_news_of_port(*uuid, port)) {
                    cells.put("Port", uuid, "status", without_effect(&port.without_effect));
                }
            }
        }
        controller::put(&mut cells, bridge, plant, part);
        if part == Part::Everything {
            mirror::put(&mut cells, bridge, plant);
        }
    }
    match news {
        News::All => {
            for bridge in &desired.bridges {
                let crossed = (part == Part::Everything).then(|| interface::crossed(bridge, plant));
                for wanted in bridge.ports.iter().flat_map(|port| &port.interfaces) {
                    put_interface(&mut cells, Id::of(bridge, wanted), plant, reported);
                    if let Some(crossed) = &crossed {
                        interface::put_statistics(&mut cells, Id::of(bridge, wanted), plant, crossed);
                    }
                }
            }
        }
        News::Of(ids) => ids.iter().for_each(|id| put_interface(&mut cells, *id, plant, reported)),
    }
    root::put(&mut cells, replica, desired);
    cells.transaction(replica)
}

fn put_interface(cells: &mut Cells, id: Id, plant: &Plant, reported: &mut Reported) {
    let Id::Row(uuid) = id else { return };
    if !reported.is_news(uuid, Seen::of(id, plant)) {
        return;
    }
    match (plant.standing.get(&id), plant.failed.get(&id)) {
        (Some(standing), _) => interface::put(cells, uuid, standing, plant),
        (None, Some(why)) => interface::clear(cells, uuid, why),
        (None, None) => {}
    }
}

/// What is asked for and has no effect, in the status of the row that asks for it.
fn without_effect(columns: &[&str]) -> Value {
    map(columns.iter().map(|column| ((*column).to_owned(), "no effect yet".to_owned())))
}

/// A map of strings in RFC 7047's notation.
fn map(pairs: impl Iterator<Item = (String, String)>) -> Value {
    json!(["map", pairs.map(|(key, value)| json!([key, value])).collect::<Vec<_>>()])
}

/// The empty set.
fn none() -> Value {
    json!(["set", []])
}

/// A value, or none.
fn optional(value: Option<impl Into<Value>>) -> Value {
    value.map_or_else(none, Into::into)
}

/// OVS's words.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "master",
        Role::Secondary => "slave",
        Role::NoChange | Role::Equal => "other",
    }
}
