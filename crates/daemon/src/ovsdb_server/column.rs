//! What a database says about its own server: who is to be called or waited for, files of TLS; and what it is told of
//! that.
//!
//! Source: ovsdb-server(1), `--remote=db:...`, `--private-key=db:...`.

use std::collections::BTreeMap;

use netloom_ovsdb::schema::{AtomicType, TableSchema};
use netloom_ovsdb::{Database, Row, Server, Uuid};
use serde_json::{Value, json};

use super::target::Column;

/// How a remote is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Terms {
    /// Milliseconds of silence before an echo is asked for. `None`: as usual.
    pub(super) probe_ms: Option<u64>,
    /// The longest pause between two calls, in milliseconds. `None`: as usual.
    pub(super) max_backoff_ms: Option<u64>,
    pub(super) read_only: bool,
}

/// How a remote stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Standing {
    pub(super) is_connected: bool,
    pub(super) status: BTreeMap<String, String>,
}

/// Finds the table and column, or says what there is not.
fn find<'a>(server: &'a Server, column: &Column) -> Result<(&'a Database, usize, usize), String> {
    let Column { database, table, column: name } = column;
    let text = format!("\"db:{database},{table},{name}\"");
    let found = server.database(database).ok_or_else(|| format!("{text}: no database named {database}"))?;
    let at = found.schema().table(table).ok_or_else(|| format!("{text}: no table named {table}"))?;
    let kind = found.schema().tables.get(at);
    let column = kind.and_then(|kind| kind.column(name));
    let column = column.ok_or_else(|| format!("{text}: table \"{table}\" has no column \"{name}\""))?;
    Ok((found, at, column))
}

/// Whether remotes can be read from a column.
///
/// # Errors
/// Why not.
pub(super) fn check(server: &Server, column: &Column) -> Result<(), String> {
    find(server, column).map(drop)
}

/// The text in a column: the first there is.
pub(super) fn text(server: &Server, column: &Column) -> Option<String> {
    let (database, table, at) = find(server, column).ok()?;
    let mut texts = database.rows(table).filter_map(|row| row.get(at).atoms().first()?.as_str());
    texts.find(|text| !text.is_empty()).map(str::to_owned)
}

/// The remotes of a column, by target: texts, or rows that have more to say.
pub(super) fn remotes(server: &Server, column: &Column) -> BTreeMap<String, Terms> {
    let Ok((database, table, at)) = find(server, column) else { return BTreeMap::new() };
    let mut remotes = BTreeMap::new();
    for row in database.rows(table) {
        remotes.extend(
            row.get(at)
                .atoms()
                .iter()
                .filter_map(|atom| atom.as_str())
                .map(|target| (target.to_owned(), Terms::default())),
        );
    }
    for (kind, row) in referred(database, (table, at)) {
        if let Some(target) =
            field(kind, row, "target").and_then(|atom| atom.as_str()).filter(|it| !it.is_empty())
        {
            remotes.insert(target.to_owned(), terms(kind, row));
        }
    }
    remotes
}

/// The rows that a column refers to.
fn referred(database: &Database, (table, at): (usize, usize)) -> Vec<(&TableSchema, &Row)> {
    let schema = database.schema();
    let reference = schema.tables.get(table).and_then(|kind| kind.columns.get(at)?.kind.key.reference());
    let Some(target) = reference.and_then(|reference| schema.table(&reference.table)) else {
        return Vec::new();
    };
    let Some(kind) = schema.tables.get(target) else { return Vec::new() };
    let uuids = database.rows(table).flat_map(|row| row.get(at).atoms()).filter_map(|atom| atom.as_uuid());
    uuids.filter_map(|uuid| Some((kind, &**database.row(target, uuid)?))).collect()
}

fn field<'a>(kind: &TableSchema, row: &'a Row, name: &str) -> Option<&'a netloom_ovsdb::data::Atom> {
    row.get(kind.column(name)?).atoms().first()
}

fn terms(kind: &TableSchema, row: &Row) -> Terms {
    let number = |name: &str| {
        let number = field(kind, row, name)?.as_integer()?;
        Some(u64::try_from(number).unwrap_or(0))
    };
    Terms {
        probe_ms: number("inactivity_probe"),
        max_backoff_ms: number("max_backoff"),
        read_only: field(kind, row, "read_only").and_then(|atom| atom.as_bool()).unwrap_or(false),
    }
}

/// The transaction that tells the rows of a column how their remotes stand; `None` if they have no room for it.
pub(super) fn telling(
    server: &Server,
    column: &Column,
    standing: impl Fn(&str) -> Standing,
) -> Option<Value> {
    let (database, table, at) = find(server, column).ok()?;
    let mut operations = vec![Value::from(column.database.as_str())];
    for (kind, row) in referred(database, (table, at)) {
        let Some(target) = field(kind, row, "target").and_then(|atom| atom.as_str()) else { continue };
        let standing = standing(target);
        let mut wanted = serde_json::Map::new();
        if has(kind, "is_connected", AtomicType::Boolean, false) {
            wanted.insert("is_connected".to_owned(), json!(standing.is_connected));
        }
        if has(kind, "status", AtomicType::String, true) {
            let pairs: Vec<_> = standing.status.iter().map(|(key, value)| json!([key, value])).collect();
            wanted.insert("status".to_owned(), json!(["map", pairs]));
        }
        if !wanted.is_empty() {
            let uuid: Uuid = row.uuid();
            operations.push(json!({"op": "update", "table": &*kind.name, "row": wanted,
                "where": [["_uuid", "==", ["uuid", uuid.to_string()]]]}));
        }
    }
    (operations.len() > 1).then_some(Value::Array(operations))
}

fn has(kind: &TableSchema, name: &str, of: AtomicType, is_map: bool) -> bool {
    let column = kind.column(name).and_then(|at| kind.columns.get(at));
    column.is_some_and(|column| column.kind.key.kind == of && column.kind.value.is_some() == is_map)
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::{Now, Schema, UuidSource};

    use super::*;

    fn server() -> Server {
        let schema = json!({"name": "db", "version": "1.0.0", "tables": {
            "Root": {"isRoot": true, "columns": {
                "texts": {"type": {"key": "string", "min": 0, "max": "unlimited"}},
                "managers": {"type": {"key": {"type": "uuid", "refTable": "Manager"}, "min": 0, "max": "unlimited"}}}},
            "Manager": {"columns": {
                "target": {"type": "string"},
                "inactivity_probe": {"type": {"key": "integer", "min": 0, "max": 1}},
                "read_only": {"type": {"key": "boolean", "min": 0, "max": 1}},
                "is_connected": {"type": "boolean", "ephemeral": true},
                "status": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"},
                    "ephemeral": true}}}}});
        let mut server = Server::new(UuidSource::new([1, 2]));
        server.add_database(Now::default(), Database::new(Schema::from_json(&schema).unwrap()), false);
        let filled = server.transact_now(
            Now::default(),
            &json!(["db", {"op": "insert", "table": "Root", "row": {
                    "texts": ["set", ["ptcp:1", "ptcp:2"]], "managers": ["named-uuid", "m"]}},
                {"op": "insert", "table": "Manager", "uuid-name": "m", "row": {
                    "target": "ptcp:3", "inactivity_probe": 0, "read_only": true}}]),
        );
        assert!(!filled.contains("error"), "{filled}");
        server
    }

    fn column(name: &str) -> Column {
        Column { database: "db".to_owned(), table: "Root".to_owned(), column: name.to_owned() }
    }

    #[test]
    fn remotes_are_texts_or_rows() {
        let server = server();
        let texts = remotes(&server, &column("texts"));
        assert_eq!(texts.keys().collect::<Vec<_>>(), ["ptcp:1", "ptcp:2"]);
        let rows = remotes(&server, &column("managers"));
        let wanted = Terms { probe_ms: Some(0), max_backoff_ms: None, read_only: true };
        assert_eq!(rows, BTreeMap::from([("ptcp:3".to_owned(), wanted)]));
        assert_eq!(text(&server, &column("texts")).unwrap(), "ptcp:1");
        assert!(remotes(&server, &column("nothing")).is_empty());
        let error = check(&server, &Column { database: "x".into(), ..column("texts") }).unwrap_err();
        assert_eq!(error, "\"db:x,Root,texts\": no database named x");
    }

    #[test]
    fn rows_are_told_how_their_remotes_stand() {
        let mut server = server();
        let standing = |target: &str| Standing {
            is_connected: target == "ptcp:3",
            status: BTreeMap::from([("state".to_owned(), "ACTIVE".to_owned())]),
        };
        assert_eq!(telling(&server, &column("texts"), standing), None);
        let telling = telling(&server, &column("managers"), standing).unwrap();
        assert_eq!(server.transact_now(Now::default(), &telling), r#"[{"count":1}]"#);
        let rows = server.transact_now(
            Now::default(),
            &json!(["db", {"op": "select", "table": "Manager", "where": [], "columns": ["is_connected", "status"]}]),
        );
        assert_eq!(rows, r#"[{"rows":[{"is_connected":true,"status":["map",[["state","ACTIVE"]]]}]}]"#);
    }
}
