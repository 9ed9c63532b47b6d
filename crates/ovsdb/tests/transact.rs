//! Transactions: what each operation does and says, and what a failed one leaves behind.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use netloom_ovsdb::transact::{Commit, Context, Outcome, execute};
use netloom_ovsdb::{Database, Schema, UuidSource};
use serde_json::{Value, json};

/// Nodes that keep leaves; leaves that are garbage without them; watchers that look without keeping.
fn schema() -> Schema {
    Schema::from_json(&json!({"name": "db", "version": "1.0.0", "tables": {
        "Node": {"isRoot": true, "maxRows": 3, "indexes": [["name"]], "columns": {
            "name": {"type": "string", "mutable": false},
            "n": {"type": {"key": {"type": "integer", "minInteger": -100, "maxInteger": 100}}},
            "r": {"type": "real"},
            "set": {"type": {"key": "integer", "min": 0, "max": 3}},
            "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}},
            "mode": {"type": {"key": {"type": "string", "enum": ["set", ["a", "b"]]}, "min": 0, "max": 1}},
            "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}}}},
        "Leaf": {"columns": {
            "name": {"type": "string"},
            "next": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": 1}}}},
        "Watch": {"isRoot": true, "columns": {
            "leaf": {"type": {"key": {"type": "uuid", "refTable": "Leaf", "refType": "weak"}, "min": 0, "max": 9}},
            "one": {"type": {"key": {"type": "uuid", "refTable": "Leaf", "refType": "weak"}, "min": 1, "max": 2}}}}}}))
    .unwrap()
}

struct Fixture {
    database: Database,
    uuids: UuidSource,
}

impl Fixture {
    fn new() -> Self {
        Self { database: Database::new(schema()), uuids: UuidSource::new([1, 2]) }
    }

    fn try_all(&mut self, operations: &[Value], elapsed_ms: u64) -> Outcome {
        let params: Vec<Value> = [json!("db")].iter().chain(operations).cloned().collect();
        let owns_lock = |name: &str| name == "mine";
        let context =
            Context { owns_lock: &owns_lock, elapsed_ms, read_only: false, may_wait: true, guard: None };
        execute(&mut self.database, &Value::Array(params), context, &mut self.uuids)
    }

    fn run(&mut self, operations: &[Value]) -> (Value, Option<Commit>) {
        match self.try_all(operations, 0) {
            Outcome::Done { result, commit } => (serde_json::from_str(&result).unwrap(), commit),
            Outcome::Waiting { .. } => panic!("waits"),
        }
    }

    /// The results of operations that must succeed.
    fn ok(&mut self, operations: &[Value]) -> Value {
        let (result, commit) = self.run(operations);
        assert!(commit.is_some(), "{result}");
        result
    }

    /// The tag and the text of the error; nothing may have changed.
    fn refused(&mut self, operations: &[Value]) -> (String, String) {
        let before = self.database.clone();
        let (result, commit) = self.run(operations);
        assert!(commit.is_none(), "{result}");
        assert!(self.database == before, "something changed: {result}");
        let text = |error: &Value, name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let error = result.as_array().unwrap().iter().find(|one| one.get("error").is_some()).unwrap();
        (text(error, "error"), text(error, "details"))
    }

    fn count(&self, table: &str) -> usize {
        self.database.row_count(self.database.schema().table(table).unwrap())
    }

    fn select(&mut self, table: &str, columns: &[&str]) -> Value {
        let select =
            json!({"op": "select", "table": table, "where": [], "columns": columns, "sort": columns});
        self.ok(&[select])[0]["rows"].clone()
    }
}

fn insert(table: &str, row: Value) -> Value {
    json!({"op": "insert", "table": table, "row": row})
}

fn mutate(column: &str, mutator: &str, operand: Value) -> Value {
    json!({"op": "mutate", "table": "Node", "where": [], "mutations": [[column, mutator, operand]]})
}

#[test]
fn a_name_may_be_used_before_its_row_is_there() {
    let mut fixture = Fixture::new();
    let result = fixture.ok(&[
        insert("Node", json!({"name": "n", "leaves": ["named-uuid", "leaf"]})),
        json!({"op": "insert", "table": "Leaf", "row": {"name": "l"}, "uuid-name": "leaf"}),
        json!({"op": "mutate", "table": "Node", "where": [["leaves", "includes", ["named-uuid", "leaf"]]],
               "mutations": [["n", "+=", 1]]}),
        json!({"op": "select", "table": "Node", "where": [["name", "==", "n"]], "columns": ["n", "leaves"]}),
    ]);
    assert_eq!(result[2], json!({"count": 1}));
    assert_eq!(result[3]["rows"], json!([{"n": 1, "leaves": result[1]["uuid"]}]));
}

#[test]
fn garbage_goes_with_what_kept_it() {
    let mut fixture = Fixture::new();
    fixture.ok(&[
        insert("Node", json!({"name": "n", "leaves": ["named-uuid", "a"]})),
        json!({"op": "insert", "table": "Leaf", "row": {"name": "a", "next": ["named-uuid", "b"]}, "uuid-name": "a"}),
        json!({"op": "insert", "table": "Leaf", "row": {"name": "b", "next": ["named-uuid", "b"]}, "uuid-name": "b"}),
        insert("Leaf", json!({"name": "nobody's"})),
        insert("Watch", json!({"leaf": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]],
            "one": ["named-uuid", "a"]})),
    ]);
    assert_eq!(fixture.count("Leaf"), 2, "nobody's leaf is gone at once");
    let empty = json!({"op": "update", "table": "Node", "where": [], "row": {"leaves": ["set", []]}});
    let (tag, details) = fixture.refused(std::slice::from_ref(&empty));
    assert_eq!(tag, "constraint violation");
    assert!(details.starts_with("Deletion of 1 weak reference(s) to deleted"), "{details}");
    fixture.ok(&[json!({"op": "delete", "table": "Watch", "where": []})]);
    fixture.ok(&[empty]);
    assert_eq!(fixture.count("Leaf"), 0);
}

#[test]
fn weak_references_vanish_with_their_row() {
    let mut fixture = Fixture::new();
    let uuid = "00000000-0000-4000-8000-000000000001";
    fixture.ok(&[
        insert("Node", json!({"name": "n", "leaves": ["set", [["named-uuid", "a"], ["named-uuid", "b"]]]})),
        json!({"op": "insert", "table": "Leaf", "row": {"name": "a"}, "uuid-name": "a", "uuid": uuid}),
        json!({"op": "insert", "table": "Leaf", "row": {"name": "b"}, "uuid-name": "b"}),
        insert(
            "Watch",
            json!({"leaf": ["uuid", uuid], "one": ["set", [["named-uuid", "b"], ["uuid", uuid]]]}),
        ),
    ]);
    let (_, commit) = fixture.run(&[mutate("leaves", "delete", json!(["uuid", uuid]))]);
    assert_eq!(commit.unwrap().changes.len(), 3, "node, leaf and watch in one commit");
    let rows = fixture.select("Watch", &["leaf"]);
    assert_eq!(rows, json!([{"leaf": ["set", []]}]));
}

#[test]
fn integrity_is_checked_at_the_end() {
    let mut fixture = Fixture::new();
    let (tag, details) = fixture.refused(&[insert("Node", json!({"leaves": ["named-uuid", "nowhere"]}))]);
    assert_eq!(tag, "referential integrity violation");
    assert!(details.starts_with("Table Node column leaves row "), "{details}");
    assert!(details.ends_with(" in table Leaf."), "{details}");
    fixture.ok(&[
        insert("Node", json!({"name": "n", "leaves": ["named-uuid", "a"]})),
        json!({"op": "insert", "table": "Leaf", "row": {}, "uuid-name": "a"}),
    ]);
    let (tag, details) = fixture.refused(&[json!({"op": "delete", "table": "Leaf", "where": []})]);
    assert_eq!(tag, "referential integrity violation");
    assert!(details.starts_with("cannot delete Leaf row "), "{details}");
    assert!(details.ends_with(" because of 1 remaining reference(s)"), "{details}");
}

#[test]
fn an_index_lets_in_no_twin() {
    let mut fixture = Fixture::new();
    fixture.ok(&[insert("Node", json!({"name": "n"}))]);
    let (tag, details) = fixture.refused(&[insert("Node", json!({"name": "n"}))]);
    assert_eq!(tag, "constraint violation");
    let begin = "Transaction causes multiple rows in \"Node\" table to have identical values (n) for index on column \
                 \"name\".  First row, with UUID ";
    assert!(details.starts_with(begin), "{details}");
    assert!(details.contains("was inserted by this transaction."), "{details}");
    assert!(
        details.contains("existed in the database before this transaction and was not modified"),
        "{details}"
    );
    let (_, details) =
        fixture.refused(&[insert("Node", json!({"name": "m"})), insert("Node", json!({"name": "m"}))]);
    assert!(details.contains("identical values (m)"), "{details}");
    // One may take the name that another one leaves.
    fixture.ok(&[
        json!({"op": "delete", "table": "Node", "where": [["name", "==", "n"]]}),
        insert("Node", json!({"name": "n"})),
        json!({"op": "update", "table": "Node", "where": [["name", "==", "n"]], "row": {"n": 5}}),
    ]);
    assert_eq!(fixture.select("Node", &["name", "n"]), json!([{"name": "n", "n": 5}]));
}

#[test]
fn a_table_has_a_limit() {
    let mut fixture = Fixture::new();
    let nodes: Vec<Value> = (0..4).map(|n| insert("Node", json!({"name": format!("n{n}")}))).collect();
    let (tag, details) = fixture.refused(&nodes);
    assert_eq!(tag, "constraint violation");
    let wanted = "transaction causes \"Node\" table to contain 4 rows, greater than the schema-defined limit of 3 row(s)";
    assert_eq!(details, wanted);
    fixture.ok(&nodes[..3]);
}

#[test]
fn mutators_compute_and_refuse() {
    let mut fixture = Fixture::new();
    let row = json!({"name": "n", "n": 7, "r": 1.5, "set": ["set", [1, 2]], "map": ["map", [["a", "1"], ["b", "2"]]]});
    fixture.ok(&[insert("Node", row)]);
    for (column, mutator, operand, result) in [
        ("n", "+=", json!(3), json!(10)),
        ("n", "-=", json!(1), json!(9)),
        ("n", "*=", json!(5), json!(45)),
        ("n", "/=", json!(2), json!(22)),
        ("n", "%=", json!(5), json!(2)),
        ("r", "/=", json!(2), json!(0.75)),
        ("set", "+=", json!(1), json!(["set", [2, 3]])),
        ("set", "insert", json!(["set", [3, 4]]), json!(["set", [2, 3, 4]])),
        ("set", "delete", json!(["set", [1, 2, 3]]), json!(4)),
        (
            "map",
            "insert",
            json!(["map", [["a", "9"], ["c", "3"]]]),
            json!(["map", [["a", "1"], ["b", "2"], ["c", "3"]]]),
        ),
        ("map", "delete", json!(["map", [["a", "9"], ["c", "3"]]]), json!(["map", [["a", "1"], ["b", "2"]]])),
        ("map", "delete", json!(["set", ["a"]]), json!(["map", [["b", "2"]]])),
        ("map", "delete", json!("b"), json!(["map", []])),
    ] {
        fixture.ok(&[mutate(column, mutator, operand)]);
        assert_eq!(fixture.select("Node", &[column])[0][column], result, "{column} {mutator}");
    }
    for (column, mutator, operand, tag, details) in [
        ("n", "/=", json!(0), "domain error", "Division by zero."),
        ("n", "*=", json!(i64::MAX), "range error", "Result of \"*=\" operation is out of range."),
        (
            "n",
            "+=",
            json!(99),
            "constraint violation",
            "101 is not in the valid range -100 to 100 (inclusive)",
        ),
        (
            "set",
            "insert",
            json!(["set", [1, 2, 3]]),
            "constraint violation",
            "Attempted to store 4 elements in set of up to 3 integers.",
        ),
        (
            "name",
            "insert",
            json!("x"),
            "constraint violation",
            "Cannot mutate immutable column name in table Node.",
        ),
        (
            "map",
            "+=",
            json!(1),
            "syntax error",
            "Type mismatch: \"+=\" operator may not be applied to column map of type map of (string, string) pairs.",
        ),
        ("n", "^=", json!(1), "unknown mutator", "No mutator named ^=."),
        ("x", "+=", json!(1), "unknown column", "No column x in table Node."),
    ] {
        let refusal = fixture.refused(&[mutate(column, mutator, operand)]);
        assert_eq!(refusal, (tag.to_owned(), details.to_owned()));
    }
}

#[test]
fn conditions_choose_rows() {
    let mut fixture = Fixture::new();
    fixture.ok(&[
        insert("Node", json!({"name": "a", "n": 1, "set": ["set", [1, 2]], "mode": "a"})),
        insert("Node", json!({"name": "b", "n": 2, "set": 3})),
    ]);
    for (clauses, names) in [
        (json!([["n", "<", 2]]), vec!["a"]),
        (json!([["n", ">=", 1]]), vec!["a", "b"]),
        (json!([["n", "!=", 1]]), vec!["b"]),
        (json!([["set", "includes", 2]]), vec!["a"]),
        (json!([["set", "excludes", ["set", [1, 2]]]]), vec!["b"]),
        (json!([["set", "==", ["set", [2, 1]]]]), vec!["a"]),
        (json!([["mode", "==", "a"], ["n", "==", 2]]), vec![]),
        (json!([["mode", "==", ["set", []]]]), vec!["b"]),
        (json!([["name", "==", "b"]]), vec!["b"]),
        (json!([true]), vec!["a", "b"]),
        (json!([false]), vec![]),
    ] {
        let select =
            json!({"op": "select", "table": "Node", "where": clauses, "columns": ["name"], "sort": ["name"]});
        let rows = fixture.ok(&[select])[0]["rows"].clone();
        let found: Vec<&str> =
            rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{clauses}");
    }
    let refusal = fixture.refused(&[json!({"op": "select", "table": "Node", "where": [["n", "~", 1]]})]);
    assert_eq!(refusal, ("unknown function".to_owned(), "No function named ~.".to_owned()));
}

#[test]
fn what_follows_an_error_is_null() {
    let mut fixture = Fixture::new();
    let comment = json!({"op": "comment", "comment": "x"});
    let (result, _) = fixture.run(&[comment.clone(), json!({"op": "abort"}), comment]);
    let aborted = json!({"error": "aborted", "details": "aborted by request"});
    assert_eq!(result, json!([{}, aborted, null]));
    let (result, _) = fixture.run(&[json!({"op": "insert", "table": "Nod", "row": {}})]);
    assert_eq!(result[0]["details"], "Parsing ovsdb operation 1 of 1 failed: No table named Nod.");
    let (result, _) = fixture.run(&[json!({"op": "fly"})]);
    assert_eq!(result[0]["details"], "Parsing ovsdb operation 1 of 1 failed: No operation \"fly\"");
    let (result, _) =
        fixture.run(&[json!({"op": "assert", "lock": "mine"}), json!({"op": "assert", "lock": "other"})]);
    assert_eq!(result, json!([{}, {"error": "not owner", "details": "Asserted lock other not held."}]));
}

#[test]
fn a_wait_is_met_or_tried_again() {
    let mut fixture = Fixture::new();
    let wait = |timeout: Value, until: &str| {
        let mut wait = json!({"op": "wait", "table": "Node", "where": [], "columns": ["name"], "until": until,
            "rows": [{"name": "n"}]});
        if !timeout.is_null() {
            wait["timeout"] = timeout;
        }
        wait
    };
    let failed = ("timed out".to_owned(), "\"where\" clause test failed".to_owned());
    assert_eq!(fixture.refused(&[wait(json!(0), "==")]), failed);
    fixture.ok(&[wait(json!(0), "!=")]);
    let before = fixture.database.clone();
    let operations = [insert("Leaf", json!({})), wait(json!(50), "==")];
    assert!(matches!(fixture.try_all(&operations, 49), Outcome::Waiting { timeout_ms: Some(50) }));
    assert!(matches!(fixture.try_all(&[wait(json!(null), "==")], 99), Outcome::Waiting { timeout_ms: None }));
    assert!(fixture.database == before);
    let Outcome::Done { result, .. } = fixture.try_all(&operations, 50) else { panic!("still waits") };
    let result: Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result[1]["details"], "\"wait\" timed out after 50 ms");
    fixture.ok(&[insert("Node", json!({"name": "n"})), wait(json!(0), "==")]);
}

#[test]
fn no_change_is_no_commit_to_tell_of() {
    let mut fixture = Fixture::new();
    fixture.ok(&[insert("Node", json!({"name": "n", "n": 3}))]);
    let version = fixture.select("Node", &["_version"]);
    let update = json!({"op": "update", "table": "Node", "where": [], "row": {"n": 3}});
    let (_, commit) = fixture.run(&[update, mutate("n", "+=", json!(1)), mutate("n", "-=", json!(1))]);
    assert!(commit.unwrap().changes.is_empty());
    assert_eq!(fixture.select("Node", &["_version"]), version);
    fixture.ok(&[mutate("n", "+=", json!(1))]);
    assert_ne!(fixture.select("Node", &["_version"]), version);
}

#[test]
fn defaults_must_be_allowed_too() {
    let mut fixture = Fixture::new();
    let refusal = fixture.refused(&[insert("Watch", json!({}))]);
    assert_eq!(refusal.0, "constraint violation");
    assert!(refusal.1.contains("contained all-zeros UUID"), "{}", refusal.1);
    let refusal = fixture.refused(&[insert("Node", json!({"mode": "c"}))]);
    assert_eq!(refusal.1, "c is not one of the allowed values ([a, b])");
    let update = json!({"op": "update", "table": "Node", "where": [], "row": {"name": "x"}});
    assert_eq!(fixture.refused(&[update]).1, "Cannot update immutable column name in table Node.");
}
