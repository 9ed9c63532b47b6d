//! The real ovsdb-tool reads our files, and we read its. Skips aloud where the program is missing.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]
#![expect(clippy::disallowed_methods, reason = "shared with a test that waits for a server")]
#![expect(dead_code, reason = "shared with a test that uses more of it")]

mod real;

use netloom_ovsdb::file::{FileError, Tail, load};
use netloom_ovsdb::server::Write;
use netloom_ovsdb::{Database, Now, Schema, Server, UuidSource};
use real::{Folder, path, tool};
use serde_json::{Value, json};

fn schema() -> Value {
    json!({"name": "db", "version": "1.2.3", "tables": {
        "Root": {"isRoot": true, "columns": {
            "name": {"type": "string"},
            "set": {"type": {"key": "integer", "min": 1, "max": "unlimited"}},
            "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            "status": {"type": "string", "ephemeral": true},
            "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}}}},
        "Leaf": {"columns": {"name": {"type": "string"}}}}})
}

fn transactions() -> Vec<Value> {
    let mutate = |column: &str, mutator: &str, operand: Value| json!(["db", {"op": "mutate", "table": "Root", "where": [], "mutations": [[column, mutator, operand]]}]);
    vec![
        json!(["db", {"op": "insert", "table": "Root", "row": {"name": "\u{e4} \"q\"", "status": "up",
            "leaves": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]]}},
            {"op": "insert", "table": "Leaf", "uuid-name": "a", "row": {"name": "a"}},
            {"op": "insert", "table": "Leaf", "uuid-name": "b", "row": {"name": "b"}},
            {"op": "comment", "comment": "first"}]),
        mutate("set", "insert", json!(["set", [4, 5]])),
        mutate("set", "delete", json!(0)),
        mutate("map", "insert", json!(["map", [["k", "v"], ["l", "w"]]])),
        json!(["db", {"op": "update", "table": "Root", "where": [], "row": {"map": ["map", [["k", "x"]]]}}]),
        json!(["db", {"op": "update", "table": "Root", "where": [], "row": {"status": "down"}}]),
        json!(["db", {"op": "update", "table": "Root", "where": [], "row": {"leaves": ["set", []]}}]),
    ]
}

const QUERY: &str = r#"["db",{"op":"select","table":"Root","where":[],"columns":["_uuid","name","set","map","leaves"]},
    {"op":"select","table":"Leaf","where":[],"columns":["_uuid","name"]}]"#;

fn ask(database: Database) -> Value {
    let mut server = Server::new(UuidSource::new([3, 4]));
    server.add_database(Now::default(), database, false);
    let text = server.transact_now(Now::default(), &serde_json::from_str(QUERY).unwrap());
    in_order(serde_json::from_str(&text).unwrap())
}

/// The rows that ovsdb-tool finds in a file.
fn query(file: &std::path::Path) -> Value {
    in_order(serde_json::from_str(&tool(&["query", path(file), QUERY])).unwrap())
}

fn in_order(mut results: Value) -> Value {
    for result in results.as_array_mut().into_iter().flatten() {
        result["rows"].as_array_mut().unwrap().sort_by_key(Value::to_string);
    }
    results
}

#[test]
fn ovsdb_tool_reads_what_we_write() {
    if real::missing() {
        return;
    }
    let folder = Folder::new("write");
    let (file, now) = (folder.file("db"), Now { ms: 0, date_ms: 1_700_000_000_000 });
    let database = Database::new(Schema::from_json(&schema()).unwrap());
    let mut bytes = netloom_ovsdb::file::snapshot(&database, None, now.date_ms);
    let mut server = Server::new(UuidSource::new([1, 2]));
    server.add_database(now, database, true);
    for transaction in transactions() {
        let text = server.transact_now(now, &transaction);
        assert!(!text.contains("error"), "{text}");
        while let Some(Write::Append { record, .. }) = server.poll_write() {
            bytes.extend(record);
        }
        std::fs::write(&file, &bytes).unwrap();
        let theirs = query(&file);
        let ours = ask(server.database("db").unwrap().clone());
        assert_eq!(theirs, ours, "after {transaction}");
        let loaded = load(&bytes, &mut UuidSource::new([5, 6])).unwrap();
        assert_eq!(ask(loaded.database), ours);
    }
    assert_eq!(tool(&["db-version", path(&file)]).trim(), "1.2.3");
    let log = tool(&["show-log", path(&file)]);
    assert!(log.contains("record 0: \"db\" schema"), "{log}");
    assert!(log.contains("record 1: 2023-11-14 22:13:20.000 \"first\""), "{log}");
    // The change of an ephemeral column is no record.
    assert!(log.contains("record 6") && !log.contains("record 7"), "{log}");
    std::fs::write(&file, server.compact(now, "db").unwrap()).unwrap();
    let theirs = query(&file);
    assert_eq!(theirs, ask(server.database("db").unwrap().clone()));
}

#[test]
fn we_read_what_ovsdb_tool_writes() {
    if real::missing() {
        return;
    }
    let folder = Folder::new("read");
    let file = folder.file("db");
    std::fs::write(folder.file("schema"), schema().to_string()).unwrap();
    tool(&["create", path(&file), path(&folder.file("schema"))]);
    let mut records = 0;
    let mut check = |compacted: bool| {
        let bytes = std::fs::read(&file).unwrap();
        let loaded = load(&bytes, &mut UuidSource::new([1, 2])).unwrap();
        assert_eq!(loaded.tail, Tail::Clean);
        let theirs = query(&file);
        assert_eq!(ask(loaded.database), theirs);
        records = if compacted { loaded.transactions } else { records.max(loaded.transactions) };
        records
    };
    for transaction in transactions() {
        tool(&["transact", path(&file), &transaction.to_string()]);
        check(false);
    }
    assert!(check(false) >= 5);
    tool(&["compact", path(&file)]);
    assert_eq!(check(true), 1);
    let mut bytes = std::fs::read(&file).unwrap();
    let whole = bytes.len();
    bytes.truncate(whole - 5);
    let torn = load(&bytes, &mut UuidSource::new([1, 2])).unwrap();
    assert!(matches!(torn.tail, Tail::Torn { .. }));
    assert_eq!(torn.transactions, 0);
    let cluster = load(b"OVSDB CLUSTER 5 0\n", &mut UuidSource::new([1, 2])).unwrap_err();
    assert!(matches!(cluster, FileError::NotStandalone(_)));
}
