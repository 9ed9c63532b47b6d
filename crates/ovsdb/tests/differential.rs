//! A few hundred transactions and monitors, asked of a real ovsdb-server and of ours: the answers and updates are the
//! same but for UUIDs. Skips aloud where the program is missing.

#![expect(clippy::unwrap_used, reason = "a test may fail")]
#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]
#![expect(clippy::disallowed_methods, reason = "a real server takes its time to listen")]

mod real;

use real::{Names, Ours, Peer, Real};
use serde_json::{Value, json};

fn schema() -> Value {
    json!({"name": "db", "version": "1.0.0", "tables": {
        "Node": {"isRoot": true, "maxRows": 40, "indexes": [["name"], ["n", "r"]], "columns": {
            "name": {"type": "string"},
            "fixed": {"type": "string", "mutable": false},
            "n": {"type": {"key": {"type": "integer", "minInteger": -100, "maxInteger": 100}}},
            "r": {"type": "real"},
            "b": {"type": "boolean", "ephemeral": true},
            "set": {"type": {"key": "integer", "min": 0, "max": 3}},
            "many": {"type": {"key": "string", "min": 1, "max": "unlimited"}},
            "map": {"type": {"key": "string", "value": "integer", "min": 0, "max": "unlimited"}},
            "mode": {"type": {"key": {"type": "string", "enum": ["set", ["a", "b"]]}, "min": 0, "max": 1}},
            "id": {"type": {"key": "uuid", "min": 0, "max": 1}},
            "leaves": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}},
            "named": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "Leaf"}, "min": 0,
                "max": "unlimited"}}}},
        "Leaf": {"columns": {
            "name": {"type": "string"},
            "next": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": 1}}}},
        "Watch": {"isRoot": true, "columns": {
            "leaf": {"type": {"key": {"type": "uuid", "refTable": "Leaf", "refType": "weak"}, "min": 0, "max": 9}},
            "by": {"type": {"key": "string", "value": {"type": "uuid", "refTable": "Leaf", "refType": "weak"},
                "min": 0, "max": "unlimited"}}}}}})
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 40).unwrap() % limit
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

fn set(random: &mut Random, element: impl Fn(&mut Random) -> Value) -> Value {
    let mut items: Vec<Value> = (0..random.below(4)).map(|_| element(random)).collect();
    items.sort_by_key(Value::to_string);
    items.dedup();
    match items.len() {
        1 if random.below(2) == 0 => items[0].clone(),
        _ => json!(["set", items]),
    }
}

fn leaf(random: &mut Random) -> Value {
    random.of(&[json!(["named-uuid", "x"]), json!(["named-uuid", "y"])])
}

fn map(random: &mut Random, value: impl Fn(&mut Random) -> Value) -> Value {
    let keys = ["k", "l", "m"];
    let count = random.below(4);
    json!(["map", keys[..count].iter().map(|key| json!([key, value(random)])).collect::<Vec<_>>()])
}

fn number(random: &mut Random) -> Value {
    json!(random.below(9))
}

/// A value for a column; with `leaves`, rows may be referred to by name.
fn value(random: &mut Random, column: &str, leaves: bool) -> Value {
    match column {
        "name" => json!(format!("n{}", random.below(30))),
        "n" => json!(i64::try_from(random.below(220)).unwrap() - 110),
        "r" => random.of(&[json!(0), json!(1.5), json!(-2), json!(1e10), json!(0.1)]),
        "b" => json!(random.below(2) == 0),
        "set" => set(random, number),
        "many" => set(random, |random| random.of(&[json!("p"), json!("q r"), json!("\u{e4}\n\"")])),
        "map" => map(random, number),
        "mode" => random.of(&[json!("a"), json!("b"), json!("c"), json!(["set", []]), json!(5)]),
        "id" => random.of(&[json!(["set", []]), json!(["uuid", "01234567-89ab-cdef-0123-456789abcdef"])]),
        "leaves" | "leaf" if leaves => set(random, leaf),
        "named" | "by" if leaves => map(random, leaf),
        "leaves" | "leaf" => json!(["set", []]),
        "named" | "by" => json!(["map", []]),
        _ => json!("text"),
    }
}

const NODE: [&str; 12] =
    ["name", "fixed", "n", "r", "b", "set", "many", "map", "mode", "id", "leaves", "named"];

fn row(random: &mut Random, columns: &[&str], leaves: bool) -> Value {
    let mut row = serde_json::Map::new();
    for _ in 0..random.below(5) {
        let column = random.of(columns);
        row.insert(column.to_owned(), value(random, column, leaves));
    }
    Value::Object(row)
}

/// Clauses about one row at most, so that it does not matter which comes first.
fn by_name(random: &mut Random) -> Value {
    json!([["name", "==", format!("n{}", random.below(30))]])
}

fn clauses(random: &mut Random) -> Value {
    let mut clauses = Vec::new();
    for _ in 0..=random.below(2) {
        let column = random.of(&["name", "n", "r", "b", "set", "many", "map", "mode"]);
        let function = random.of(&["==", "!=", "<", "<=", ">", ">=", "includes", "excludes"]);
        clauses.push(json!([column, function, value(random, column, false)]));
    }
    Value::Array(clauses)
}

fn operation(random: &mut Random, leaves: bool) -> Value {
    match random.below(16) {
        0..=3 => {
            let mut node = row(random, &NODE, leaves);
            node["name"] = value(random, "name", false);
            json!({"op": "insert", "table": "Node", "row": node})
        }
        4..=5 => {
            json!({"op": "update", "table": "Node", "where": by_name(random), "row": row(random, &NODE, leaves)})
        }
        6..=9 => {
            let column = random.of(&NODE);
            let mutator = random.of(&["+=", "-=", "*=", "/=", "%=", "insert", "delete", "insert", "delete"]);
            let mutation = json!([column, mutator, value(random, column, leaves)]);
            json!({"op": "mutate", "table": "Node", "where": by_name(random), "mutations": [mutation]})
        }
        10 => json!({"op": "delete", "table": "Node", "where": by_name(random)}),
        11 => json!({"op": "delete", "table": random.of(&["Watch", "Leaf"]), "where": []}),
        12 => {
            json!({"op": "select", "table": "Node", "where": clauses(random), "columns": ["name", "n", "set", "leaves"]})
        }
        13 => json!({"op": "insert", "table": "Watch", "row": row(random, &["leaf", "by"], leaves)}),
        14 => json!({"op": "wait", "table": "Node", "where": by_name(random), "columns": ["n"], "timeout": 0,
                     "until": random.of(&["==", "!="]), "rows": [{"n": random.below(3)}]}),
        _ => random.of(&[
            json!({"op": "comment", "comment": "hello"}),
            json!({"op": "commit", "durable": false}),
            json!({"op": "abort"}),
            json!({"op": "assert", "lock": "l"}),
            json!({"op": "select", "table": "Nod", "where": []}),
            json!({"op": "select", "table": "Node", "where": [["nam", "==", 1]]}),
            json!({"op": "select", "table": "Node", "where": [5]}),
            json!({"op": "select", "table": "Node", "where": [], "columns": ["name", "name"]}),
            json!({"op": "select", "table": "Node", "where": [], "columns": ["name"], "sort": ["name"]}),
            json!({"op": "insert", "table": "Node", "row": {"x": 1}}),
            json!({"op": "insert", "table": "Node", "row": [1]}),
            json!({"op": "insert", "table": "Node", "row": {}, "extra": 1}),
            json!({"op": "insert", "table": "Leaf", "row": {}, "uuid": "x"}),
            json!({"op": "wait", "table": "Node", "where": [], "until": "=", "rows": []}),
            json!({"op": "wait", "table": "Node", "where": [], "until": "==", "rows": [], "timeout": -1}),
            json!({"op": "mutate", "table": "Node", "where": [], "mutations": [["n", "+", 1]]}),
            json!({"op": "fly"}),
            json!({}),
        ]),
    }
}

fn transaction(random: &mut Random) -> Value {
    let leaves = random.below(2) == 0;
    let mut operations = vec![json!("db")];
    operations.extend((0..=random.below(4)).map(|_| operation(random, leaves)));
    if leaves {
        for name in ["x", "y"] {
            let mut leaf = json!({"name": format!("leaf {name}")});
            if random.below(3) == 0 {
                leaf["next"] = json!(["named-uuid", "y"]);
            }
            operations.push(json!({"op": "insert", "table": "Leaf", "uuid-name": name, "row": leaf}));
        }
    }
    Value::Array(operations)
}

/// What is compared of an error: its text depends on which of several rows is looked at first.
fn blur(mut message: Value) -> Value {
    for one in message["result"].as_array_mut().into_iter().flatten() {
        let Some(error) = one.as_object_mut().filter(|one| one.contains_key("error")) else { continue };
        let details = error.get("details").and_then(Value::as_str).unwrap_or_default().to_owned();
        if error["error"] == "referential integrity violation" || details.contains("multiple rows in") {
            error.remove("details");
        }
    }
    // The names of databases come in any order.
    if let Some(names) = message["result"].as_array_mut().filter(|result| result.iter().all(Value::is_string))
    {
        names.sort_by_key(Value::to_string);
    }
    // The real server has no history to tell from: its transactions have no names.
    let is_since = message["result"].as_array().is_some_and(|r| r.len() == 3 && r[0].is_boolean());
    if is_since {
        message["result"][1] = json!("<txn>");
    }
    if message["method"] == "update3" {
        message["params"][1] = json!("<txn>");
    }
    message
}

struct Both {
    real: (Real, Names),
    ours: (Ours, Names),
    asked: u64,
}

impl Both {
    fn start(name: &str, schema: &Value, sessions: usize) -> Self {
        let real = Real::start(name, schema, sessions);
        let ours = Ours::start(schema, sessions);
        Self { real: (real, Names::default()), ours: (ours, Names::default()), asked: 0 }
    }

    /// Asks both, compares, and returns our reply. `$0` in a text stands for the first row that was inserted.
    fn ask(&mut self, session: usize, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let wanted = side(&mut self.real, session, id, method, params);
        let found = side(&mut self.ours, session, id, method, params);
        for (at, (wanted, found)) in wanted.iter().zip(&found).enumerate() {
            assert_eq!(
                found, wanted,
                "\nours (left) and the real one after request {id}, at session {at}:\n{params}"
            );
        }
        found[session].last().cloned().unwrap_or_default()
    }
}

fn side(
    (peer, names): &mut (impl Peer, Names),
    session: usize,
    id: u64,
    method: &str,
    params: &Value,
) -> Vec<Vec<Value>> {
    let mut text = params.to_string();
    for (at, uuid) in names.uuids.iter().enumerate().rev() {
        text = text.replace(&format!("${at}\""), &format!("{uuid}\""));
    }
    let received = peer.ask(session, id, method, &serde_json::from_str(&text).unwrap());
    if method == "transact"
        && let Some(reply) = received[session].iter().find(|message| message["id"] == id)
    {
        names.learn(&reply["result"]);
    }
    let normal = |message: &Value| blur(names.normalise(message));
    received.iter().map(|messages| messages.iter().map(normal).collect()).collect()
}

#[test]
fn random_transactions_and_monitors_go_the_same_way() {
    if real::missing() {
        return;
    }
    let mut both = Both::start("random", &schema(), 5);
    let all = json!({"Node": {}, "Leaf": {}, "Watch": {}});
    both.ask(1, "monitor", &json!(["db", 1, all]));
    both.ask(2, "monitor_cond", &json!(["db", ["m", 2], all]));
    let some = json!({
        "Node": [{"columns": ["name", "n", "leaves"], "where": [["n", "<", 3], ["b", "==", true]]}],
        "Watch": [{"columns": [], "select": {"modify": false}}]});
    both.ask(3, "monitor_cond_since", &json!(["db", "three", some, "00000000-0000-0000-0000-000000000000"]));
    let picky = json!({"Node": [{"columns": ["name"], "select": {"initial": false, "delete": false}}, {"columns": ["set"]}]});
    both.ask(4, "monitor", &json!(["db", {"a": 1}, picky]));
    let mut random = Random(2024);
    let (mut done, mut refused) = (0, 0);
    for round in 0..1500 {
        let reply = both.ask(0, "transact", &transaction(&mut random));
        let is_error = |one: &Value| one.get("error").is_some();
        match reply["result"].as_array().is_some_and(|result| result.iter().any(is_error)) {
            true => refused += 1,
            false => done += 1,
        }
        if round % 100 == 50 {
            let limit = random.below(60);
            let where_ = json!({"Node": [{"where": [["n", ">", limit], ["mode", "==", "a"]]}]});
            both.ask(3, "monitor_cond_change", &json!(["three", "three", where_]));
        }
    }
    for table in ["Node", "Leaf", "Watch"] {
        both.ask(0, "transact", &json!(["db", {"op": "select", "table": table, "where": []}]));
    }
    assert!(done > 150 && refused > 150, "{done} done and {refused} refused: not much of a test");
}

#[test]
fn methods_answer_the_same() {
    if real::missing() {
        return;
    }
    let mut both = Both::start("methods", &schema(), 3);
    let zero = "00000000-0000-0000-0000-000000000000";
    for (session, method, params) in [
        (0, "list_dbs", json!([])),
        (0, "get_schema", json!(["db"])),
        (0, "get_schema", json!(["nothing"])),
        (0, "get_schema", json!([])),
        (0, "get_schema", json!([5])),
        (0, "echo", json!([1, {"a": null}])),
        (0, "fly", json!([])),
        (0, "transact", json!(["db"])),
        (0, "transact", json!(["nothing", {}])),
        (0, "transact", json!(["_Server", {"op": "insert", "table": "Database", "row": {"model": "relay"}}])),
        (0, "set_db_change_aware", json!([true])),
        (0, "set_db_change_aware", json!([1])),
        (0, "lock", json!(["l"])),
        (0, "lock", json!(["l"])),
        (0, "lock", json!(["a b"])),
        (1, "lock", json!(["l"])),
        (2, "steal", json!(["l"])),
        (0, "transact", json!(["db", {"op": "assert", "lock": "l"}])),
        (2, "transact", json!(["db", {"op": "assert", "lock": "l"}])),
        (2, "unlock", json!(["l"])),
        (0, "unlock", json!(["l"])),
        (0, "unlock", json!(["l"])),
        (1, "unlock", json!(["l"])),
        (1, "monitor", json!(["db", null, {"Node": {"columns": ["name"]}}])),
        (1, "monitor", json!(["db", null, {}])),
        (1, "monitor", json!(["db", 2, {"No": {}}])),
        (1, "monitor", json!(["db", 2, {"Node": {"columns": ["x"]}}])),
        (1, "monitor", json!(["db", 2, {"Node": {"columns": ["n", "n"]}}])),
        (1, "monitor", json!(["db", 2, {"Node": {"columns": [5]}}])),
        (1, "monitor", json!(["db", 2, {"Node": {"where": []}}])),
        (1, "monitor", json!(["db", 2, {"Node": {"select": {"insert": 1}}}])),
        (1, "monitor", json!(["db", 2, []])),
        (1, "monitor_cond", json!(["db", 2])),
        (1, "monitor_cond", json!(["db", 2, {"Node": {"where": [["x", "==", 1]]}}])),
        (1, "monitor_cond_since", json!(["db", 2, {"Node": {}}, "x"])),
        (1, "monitor_cond_since", json!(["db", 2, {"Node": {}}, 5])),
        (1, "monitor_cond_since", json!(["db", 3, {"Node": {"columns": ["name"], "where": [false]}}, zero])),
        (1, "monitor_cond_change", json!([3, 3, {"Node": [{"columns": []}]}])),
        (1, "monitor_cond_change", json!([3, 3, {"Leaf": [{"where": []}]}])),
        (1, "monitor_cond_change", json!([3, 3, {"Node": {"where": []}}])),
        (1, "monitor_cond_change", json!([9, 3, {}])),
        (1, "monitor_cond_change", json!([3, null, {}])),
        (
            0,
            "transact",
            json!(["db", {"op": "insert", "table": "Node", "row": {"name": "one", "many": "m"}}]),
        ),
        (1, "monitor_cond_change", json!([3, "four", {"Node": [{"where": [["name", "==", "one"]]}]}])),
        (
            0,
            "transact",
            json!(["db", {"op": "update", "table": "Node", "where": [["_uuid", "==", ["uuid", "$0"]]],
            "row": {"name": "two"}}]),
        ),
        (1, "monitor_cancel", json!(["four"])),
        (1, "monitor_cancel", json!(["four"])),
        (1, "monitor_cancel", json!([])),
        (0, "transact", json!(["db", {"op": "delete", "table": "Node", "where": []}])),
        (
            2,
            "monitor_cond",
            json!(["_Server", ["s"], {"Database": [{"columns": ["name", "model", "connected",
            "leader", "cid", "index"]}]}]),
        ),
        (0, "convert", json!(["db", {"name": "other", "version": "1.0.0", "tables": {}}])),
        (0, "convert", json!(["db", 5])),
    ] {
        both.ask(session, method, &params);
    }
}

#[test]
fn the_switch_s_own_schema_is_read_and_told_the_same() {
    if real::missing() {
        return;
    }
    let Ok(text) = std::fs::read_to_string("/usr/share/openvswitch/vswitch.ovsschema") else {
        eprintln!("SKIPPED: vswitch.ovsschema is not installed");
        return;
    };
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut both = Both::start("vswitch", &schema, 2);
    both.ask(0, "get_schema", &json!(["Open_vSwitch"]));
    both.ask(0, "transact", &json!(["Open_vSwitch", {"op": "insert", "table": "Open_vSwitch", "row": {}}]));
    let all: serde_json::Map<String, Value> =
        schema["tables"].as_object().unwrap().keys().map(|name| (name.clone(), json!({}))).collect();
    both.ask(
        1,
        "monitor_cond_since",
        &json!(["Open_vSwitch", 1, all, "00000000-0000-0000-0000-000000000000"]),
    );
    for n in 0..10 {
        let (bridge, port) = (format!("br{n}"), format!("eth{n}"));
        both.ask(0, "transact", &json!(["Open_vSwitch",
            {"op": "wait", "table": "Open_vSwitch", "timeout": 0, "until": "!=", "where": [], "columns": ["bridges"],
             "rows": []},
            {"op": "insert", "table": "Interface", "uuid-name": "i", "row": {"name": port, "type": "internal",
             "ofport": n, "options": ["map", [["key", "flow"]]]}},
            {"op": "insert", "table": "Port", "uuid-name": "p", "row": {"name": port, "interfaces": ["named-uuid", "i"],
             "tag": n, "trunks": ["set", [1, 2]]}},
            {"op": "insert", "table": "Bridge", "uuid-name": "b", "row": {"name": bridge, "ports": ["named-uuid", "p"],
             "fail_mode": "secure", "protocols": ["set", ["OpenFlow10", "OpenFlow15"]]}},
            {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [
                ["bridges", "insert", ["set", [["named-uuid", "b"]]]], ["next_cfg", "+=", 1]]},
            {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
            {"op": "comment", "comment": "add-br"}]));
    }
    both.ask(0, "transact", &json!(["Open_vSwitch",
        {"op": "update", "table": "Bridge", "where": [["name", "==", "br3"]], "row": {"fail_mode": ["set", []]}},
        {"op": "update", "table": "Port", "where": [["name", "==", "eth4"]], "row": {"tag": 5000}}]));
    both.ask(0, "transact", &json!(["Open_vSwitch",
        {"op": "update", "table": "Bridge", "where": [["name", "==", "br3"]], "row": {"fail_mode": ["set", []]}},
        {"op": "mutate", "table": "Bridge", "where": [], "mutations": [
            ["external_ids", "insert", ["map", [["a", "b"]]]], ["protocols", "delete", "OpenFlow10"]]}]));
    both.ask(
        0,
        "transact",
        &json!(["Open_vSwitch",
        {"op": "update", "table": "Open_vSwitch", "where": [], "row": {"bridges": ["set", []]}}]),
    );
}
