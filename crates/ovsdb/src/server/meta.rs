//! `_Server`, the database that tells which databases there are.
//!
//! Source: ovsdb-server(7), "_Server(5)". A client waits for the row of its database to be connected.

use serde_json::json;

use super::{Hosted, Now, Server};
use crate::data::{Atom, Datum};
use crate::schema::Schema;
use crate::store::{Database, Row};
use crate::transact::Txn;

const NAME: &str = "_Server";

fn schema() -> Option<Schema> {
    let optional = |kind: &str| json!({"type": {"key": {"type": kind}, "min": 0, "max": 1}});
    let models = json!(["set", ["standalone", "clustered", "relay"]]);
    let columns = json!({
        "name": {"type": "string"},
        "model": {"type": {"key": {"type": "string", "enum": models}}},
        "connected": {"type": "boolean"},
        "leader": {"type": "boolean"},
        "schema": optional("string"),
        "cid": optional("uuid"),
        "sid": optional("uuid"),
        "index": optional("integer"),
    });
    let tables = json!({"Database": {"columns": columns, "isRoot": true}});
    Schema::from_json(&json!({"name": NAME, "version": "1.2.0", "cksum": "3009684573 744", "tables": tables}))
        .ok()
}

impl Server {
    pub(super) fn add_meta(&mut self) {
        if let Some(schema) = schema() {
            self.databases.insert(NAME.to_owned(), Hosted::new(Database::new(schema), false));
            self.describe(Now::default(), NAME);
        }
    }

    /// Writes the row of a database. A new row even if there was one: its schema may be another.
    pub(super) fn describe(&mut self, now: Now, name: &str) {
        let Some(schema_text) = self.databases.get(name).map(|hosted| hosted.schema_text.clone()) else {
            return;
        };
        let uuid = self.uuids.generate();
        let version = self.uuids.generate();
        let Some(meta) = self.databases.get_mut(NAME) else { return };
        let schema = std::sync::Arc::clone(meta.database.schema());
        let Some(table) = schema.tables.first() else { return };
        let mut txn = Txn::default();
        delete(&mut meta.database, &mut txn, name);
        let mut row = Row::new(table);
        let values = [
            ("name", Atom::from(name)),
            ("model", Atom::from("standalone")),
            ("connected", Atom::from(true)),
            ("leader", Atom::from(true)),
            ("schema", Atom::String(schema_text)),
        ];
        for (column, value) in values {
            if let Some(at) = table.column(column) {
                row.set(at, value.into());
            }
        }
        row.set_uuid(uuid);
        row.set_version(version);
        txn.insert(&mut meta.database, 0, row);
        self.finish(now, txn);
    }

    /// Removes the row of a database.
    pub(super) fn undescribe(&mut self, now: Now, name: &str) {
        let Some(meta) = self.databases.get_mut(NAME) else { return };
        let mut txn = Txn::default();
        delete(&mut meta.database, &mut txn, name);
        self.finish(now, txn);
    }

    fn finish(&mut self, now: Now, txn: Txn) {
        let Some(meta) = self.databases.get_mut(NAME) else { return };
        if let Ok(commit) = txn.commit(&mut meta.database, &mut self.uuids) {
            self.publish(now, NAME, commit);
            self.run_pending(now, NAME);
        }
    }
}

fn delete(meta: &mut Database, txn: &mut Txn, name: &str) {
    let column = meta.schema().tables.first().and_then(|table| table.column("name"));
    let is_of_it = |row: &Row| column.is_some_and(|at| *row.get(at) == Datum::One(name.into()));
    let old: Vec<_> = meta.rows(0).filter(|row| is_of_it(row)).map(|row| row.uuid()).collect();
    for uuid in old {
        txn.delete(meta, (0, uuid));
    }
}
