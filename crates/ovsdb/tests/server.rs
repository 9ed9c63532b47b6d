//! The server: what waits, who lags, who breaks off; and a replica of it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use netloom_ovsdb::replica::{Event, Transaction, TransactionResult};
use netloom_ovsdb::server::{CloseReason, Write};
use netloom_ovsdb::transact::{Change, Guard};
use netloom_ovsdb::{
    Database, Now, OvsdbError, Replica, Schema, Server, SessionId, SessionSettings, UuidSource,
};
use serde_json::{Value, json};

fn schema(version: &str) -> Value {
    json!({"name": "db", "version": version, "tables": {
        "T": {"indexes": [["name"]], "columns": {"name": {"type": "string"}, "n": {"type": "integer"},
            "map": {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}}}}})
}

fn at(ms: u64) -> Now {
    Now { ms, date_ms: ms }
}

fn server() -> Server {
    let mut server = Server::new(UuidSource::new([1, 2]));
    server.add_database(at(0), Database::new(Schema::from_json(&schema("1.0.0")).unwrap()), true);
    server
}

fn send(server: &mut Server, now: Now, session: SessionId, id: Value, method: &str, params: Value) {
    let request = json!({"id": id, "method": method, "params": params});
    server.handle_bytes(now, session, request.to_string().as_bytes());
}

fn receive(server: &mut Server, now: Now, session: SessionId) -> Vec<Value> {
    while server.poll_write().is_some() {}
    let mut messages = Vec::new();
    loop {
        let output = server.output(session).to_vec();
        if output.is_empty() {
            return messages;
        }
        messages
            .extend(serde_json::Deserializer::from_slice(&output).into_iter::<Value>().map(Result::unwrap));
        server.sent(now, session, output.len());
    }
}

fn insert(name: &str) -> Value {
    json!(["db", {"op": "insert", "table": "T", "row": {"name": name}}])
}

fn wait_for(name: &str, timeout: Value) -> Value {
    let mut wait = json!({"op": "wait", "table": "T", "where": [["name", "==", name]], "columns": ["name"],
        "until": "==", "rows": [{"name": name}]});
    if !timeout.is_null() {
        wait["timeout"] = timeout;
    }
    json!(["db", wait])
}

/// Lets rows of the name `free` come, and notes what it was asked.
#[derive(Debug, Default, Clone)]
struct Picky(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl Guard for Picky {
    fn judge(&self, schema: &Schema, changes: &[Change]) -> Result<(), OvsdbError> {
        let mut asked = self.0.lock().unwrap();
        for change in changes {
            let table = &schema.tables[change.table];
            let row = change.new.as_ref().or(change.old.as_ref()).unwrap();
            let name = row.get(table.column("name").unwrap()).single().unwrap().as_str().unwrap().to_owned();
            asked.push(name.clone());
            if name != "free" {
                return Err(OvsdbError::new("not allowed", format!("{name} is not free")));
            }
        }
        Ok(())
    }
}

#[test]
fn a_guard_has_the_last_word_on_whom_it_guards() {
    let mut server = server();
    let picky = Picky::default();
    server.set_guard(Box::new(picky.clone()));
    let guarded = server.connect(at(0), SessionSettings { guarded: true, ..SessionSettings::default() });
    let trusted = server.connect(at(0), SessionSettings::default());
    let mut of = |session, params| {
        send(&mut server, at(0), session, json!(1), "transact", params);
        receive(&mut server, at(0), session).remove(0)["result"].clone()
    };
    let count = json!(["db", {"op": "select", "table": "T", "where": [], "columns": ["name"]}]);
    assert_eq!(of(guarded, insert("free")).as_array().unwrap().len(), 1);
    // All or nothing.
    let both = json!(["db", {"op": "insert", "table": "T", "row": {"name": "a"}}, {"op": "update", "table": "T",
        "where": [["name", "==", "free"]], "row": {"n": 1}}]);
    let refused = of(guarded, both);
    assert_eq!(refused[2], json!({"error": "not allowed", "details": "a is not free"}), "{refused}");
    let left = of(guarded, count.clone());
    assert_eq!(left[0]["rows"], json!([{"name": "free"}]));
    // What changes nothing, and what the database refuses itself, it is not asked about.
    let asked = picky.0.lock().unwrap().len();
    of(guarded, json!(["db", {"op": "update", "table": "T", "where": [], "row": {"name": "free"}}]));
    assert_eq!(of(guarded, insert("free"))[1]["error"], "constraint violation");
    of(trusted, insert("b"));
    assert_eq!(picky.0.lock().unwrap().len(), asked);
    assert_eq!(of(trusted, count)[0]["rows"].as_array().unwrap().len(), 2);
    assert_eq!(
        of(guarded, json!(["db", {"op": "delete", "table": "T", "where": [["name", "==", "b"]]}]))[1]["details"],
        "b is not free"
    );
    send(&mut server, at(0), guarded, json!(2), "convert", json!(["db", schema("1.0.1")]));
    assert_eq!(receive(&mut server, at(0), guarded)[0]["error"]["error"], "not allowed");
}

#[test]
fn a_transaction_waits_for_another() {
    let mut server = server();
    let a = server.connect(at(0), SessionSettings::default());
    let b = server.connect(at(0), SessionSettings::default());
    send(&mut server, at(0), a, json!("w"), "transact", wait_for("x", json!(500)));
    send(&mut server, at(0), a, json!("for ever"), "transact", wait_for("y", json!(null)));
    assert_eq!(receive(&mut server, at(0), a), [] as [Value; 0]);
    assert_eq!(server.deadline(), Some(500));
    send(&mut server, at(1), b, json!(1), "transact", insert("x"));
    assert_eq!(receive(&mut server, at(1), a), [json!({"id": "w", "result": [{}], "error": null})]);
    assert_eq!(server.deadline(), None);
    send(&mut server, at(2), a, json!("for ever"), "transact", insert("z"));
    assert_eq!(receive(&mut server, at(2), a)[0]["error"]["details"], "transact: duplicate request ID");
    send(&mut server, at(2), a, json!(null), "cancel", json!(["for ever"]));
    let canceled = json!({"id": "for ever", "result": null, "error": "canceled"});
    assert_eq!(receive(&mut server, at(2), a), [canceled]);
}

#[test]
fn a_wait_ends_at_its_time() {
    let mut server = server();
    let a = server.connect(at(0), SessionSettings::default());
    send(&mut server, at(100), a, json!(1), "transact", wait_for("x", json!(500)));
    server.handle_timeout(at(599));
    assert_eq!(receive(&mut server, at(599), a).len(), 0);
    server.handle_timeout(at(600));
    let reply = receive(&mut server, at(600), a);
    assert_eq!(reply[0]["result"][0]["error"], "timed out");
    assert_eq!(reply[0]["result"][0]["details"], "\"wait\" timed out after 500 ms");
}

#[test]
fn nobody_is_told_before_it_is_written() {
    let mut server = server();
    let a = server.connect(at(0), SessionSettings::default());
    send(
        &mut server,
        at(0),
        a,
        json!(1),
        "transact",
        json!(["db", {"op": "insert", "table": "T", "row": {}},
        {"op": "commit", "durable": true}]),
    );
    assert!(server.output(a).is_empty());
    let Some(Write::Append { durable: true, record, database }) = server.poll_write() else {
        panic!("no record")
    };
    assert_eq!(database, "db");
    assert!(record.starts_with(b"OVSDB JSON "));
    assert!(!server.output(a).is_empty());
    assert_eq!(server.poll_session(), Some(a));
}

#[test]
fn updates_for_a_slow_reader_are_merged() {
    let mut server = server();
    let settings = SessionSettings { backlog_bytes: 2000, ..SessionSettings::default() };
    let slow = server.connect(at(0), settings);
    let busy = server.connect(at(0), SessionSettings::default());
    send(
        &mut server,
        at(0),
        slow,
        json!(1),
        "monitor_cond",
        json!(["db", "m", {"T": {"columns": ["name", "n"]}}]),
    );
    receive(&mut server, at(0), slow);
    send(&mut server, at(0), busy, json!(0), "transact", insert("count"));
    receive(&mut server, at(0), busy);
    let count = json!(["db", {"op": "mutate", "table": "T", "where": [["name", "==", "count"]],
        "mutations": [["n", "+=", 1]]}, {"op": "insert", "table": "T", "row": {"name": "short-lived"}}]);
    let end = json!(["db", {"op": "delete", "table": "T", "where": [["name", "==", "short-lived"]]}]);
    for round in 0..1000 {
        send(&mut server, at(round), busy, json!(1), "transact", count.clone());
        send(&mut server, at(round), busy, json!(1), "transact", end.clone());
        assert_eq!(receive(&mut server, at(round), busy).len(), 2);
    }
    assert!(server.output(slow).len() < 3000, "{} bytes wait", server.output(slow).len());
    assert!(!server.wants_input(slow));
    let messages = receive(&mut server, at(2000), slow);
    let (mut n, mut rows) = (0, 0_i32);
    for message in &messages {
        for update in message["params"][1]["T"].as_object().unwrap().values() {
            n = update["modify"]["n"].as_i64().unwrap_or(n);
            rows += i32::from(update.get("insert").is_some()) - i32::from(update.get("delete").is_some());
        }
    }
    assert_eq!((n, rows), (1000, 1));
    assert!(server.wants_input(slow));
    // An own transaction's reply comes after what was merged.
    send(&mut server, at(2000), slow, json!("own"), "transact", insert("own"));
    let messages = receive(&mut server, at(2000), slow);
    assert_eq!((messages[0]["method"].as_str(), messages[1]["id"].as_str()), (Some("update2"), Some("own")));
}

#[test]
fn a_broken_client_is_hung_up_on() {
    let mut server = server();
    let a = server.connect(at(0), SessionSettings::default());
    server.handle_bytes(at(0), a, b"{\"id\":1,\"method\":\"echo\",\"params\":[]} nonsense");
    assert!(matches!(server.closed(a), Some(CloseReason::Stream(_))));
    assert_eq!(receive(&mut server, at(0), a).len(), 1, "what came before is answered");
    let b = server.connect(at(0), SessionSettings { pending: 2, ..SessionSettings::default() });
    for id in 0..3 {
        send(&mut server, at(0), b, json!(id), "transact", wait_for("x", json!(null)));
    }
    assert_eq!(server.closed(b), Some(&CloseReason::TooManyPending(2)));
    server.disconnect(at(0), b);
    assert_eq!(server.closed(b), None);
    let c = server.connect(at(0), SessionSettings { probe_ms: 5000, ..SessionSettings::default() });
    assert_eq!(server.deadline(), Some(5000));
    server.handle_timeout(at(5000));
    assert_eq!(receive(&mut server, at(5000), c)[0]["method"], "echo");
    server.handle_timeout(at(10_000));
    assert_eq!(server.closed(c), Some(&CloseReason::Silent(10_000)));
}

/// Lets both sides talk until they have nothing to say.
fn talk(server: &mut Server, session: SessionId, replica: &mut Replica) -> Vec<Event> {
    loop {
        let output = replica.take_output();
        server.handle_bytes(at(0), session, &output);
        while server.poll_write().is_some() {}
        let answer = server.output(session).to_vec();
        server.sent(at(0), session, answer.len());
        replica.handle_bytes(&answer);
        if output.is_empty() && answer.is_empty() {
            return std::iter::from_fn(|| replica.poll_event()).collect();
        }
    }
}

fn names(replica: &Replica) -> Vec<String> {
    let rows = replica.rows_of("T").unwrap().rows();
    let mut names: Vec<String> = rows.filter_map(|row| row.text("name").map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn a_replica_follows_and_changes() {
    let mut server = server();
    server.transact_now(at(0), &insert("first"));
    let session = server.connect(at(0), SessionSettings::default());
    let mut replica = Replica::new("db").columns("T", &["name", "n", "map", "unknown"]).lock("l");
    replica.connect();
    let events = talk(&mut server, session, &mut replica);
    assert!(events.iter().any(|event| matches!(event, Event::Synchronised)));
    assert!(events.iter().any(|event| matches!(event, Event::Lock(true))));
    assert_eq!(names(&replica), ["first"]);

    let mut change = Transaction::new();
    let row = replica.rows_of("T").unwrap().rows().next().unwrap();
    change.require(row, &["name", "n", "map"]).update(row, &[("n", json!(5))]);
    change.mutate(row, "map", "insert", json!(["map", [["k", "v"]]])).insert(
        "T",
        "x",
        &[("name", json!("second"))],
    );
    let stale = change.clone();
    let id = replica.transact(change);
    let events = talk(&mut server, session, &mut replica);
    let place = |wanted: fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let done = place(|event| matches!(event, Event::Done(..)));
    assert!(place(|event| matches!(event, Event::Changed(changes) if changes.len() == 2)) < done);
    let Event::Done(done, TransactionResult::Committed { inserted, .. }) = &events[done] else {
        panic!("{events:?}")
    };
    assert_eq!(*done, id);
    let table = replica.rows_of("T").unwrap();
    assert_eq!(table.row(inserted[0]).unwrap().text("name"), Some("second"));
    let first = table.rows().find(|row| row.text("name") == Some("first")).unwrap();
    assert_eq!((first.integer("n"), first.value_of("map", "k")), (Some(5), Some("v")));

    replica.transact(stale);
    let events = talk(&mut server, session, &mut replica);
    assert!(matches!(events[..], [Event::Done(_, TransactionResult::TryAgain)]), "{events:?}");
    let mut twin = Transaction::new();
    twin.insert("T", "x", &[("name", json!("first"))]);
    replica.transact(twin);
    let events = talk(&mut server, session, &mut replica);
    let refused = |event: &Event| {
        matches!(event, Event::Done(_, TransactionResult::Refused { error, .. })
        if error == "constraint violation")
    };
    assert!(refused(&events[0]), "{events:?}");
}

#[test]
fn a_replica_that_comes_back_is_told_what_it_missed() {
    let mut server = server();
    for name in ["a", "b"] {
        server.transact_now(at(0), &insert(name));
    }
    let session = server.connect(at(0), SessionSettings::default());
    let mut replica = Replica::new("db");
    replica.connect();
    talk(&mut server, session, &mut replica);
    server.disconnect(at(0), session);
    let gone = json!(["db", {"op": "delete", "table": "T", "where": [["name", "==", "a"]]},
        {"op": "insert", "table": "T", "row": {"name": "c"}}]);
    server.transact_now(at(0), &gone);
    for rounds in [0, 200] {
        for n in 0..rounds {
            let count = json!(["db", {"op": "update", "table": "T", "where": [["name", "==", "b"]], "row": {"n": n}}]);
            server.transact_now(at(0), &count);
        }
        let session = server.connect(at(0), SessionSettings::default());
        replica.connect();
        let events = talk(&mut server, session, &mut replica);
        let changed = |event: &Event| if let Event::Changed(changes) = event { changes.len() } else { 0 };
        let wanted = if rounds == 0 { 2 } else { 1 };
        assert_eq!(
            events.iter().map(changed).sum::<usize>(),
            wanted,
            "only what changed is news: {events:?}"
        );
        assert_eq!(names(&replica), ["b", "c"]);
        server.disconnect(at(0), session);
    }
}

#[test]
fn a_schema_may_change_under_those_who_said_so() {
    let mut server = server();
    server.transact_now(at(0), &insert("kept"));
    let session = server.connect(at(0), SessionSettings::default());
    let mut replica = Replica::new("db");
    replica.connect();
    talk(&mut server, session, &mut replica);
    let old = server.connect(at(0), SessionSettings::default());
    send(&mut server, at(0), old, json!(1), "monitor", json!(["db", 1, {"T": {}}]));
    let admin = server.connect(at(0), SessionSettings::default());
    let mut new = schema("2.0.0");
    new["tables"]["T"]["columns"]["more"] = json!({"type": "string"});
    new["tables"]["T"]["columns"].as_object_mut().unwrap().remove("n");
    send(&mut server, at(0), admin, json!(1), "convert", json!(["db", new]));
    assert!(matches!(server.poll_write(), Some(Write::Replace { .. })));
    assert_eq!(receive(&mut server, at(0), admin)[0]["result"], json!({}));
    assert_eq!(server.closed(old), Some(&CloseReason::SchemaChanged));
    talk(&mut server, session, &mut replica);
    assert_eq!(replica.schema().unwrap().version, "2.0.0");
    assert_eq!(names(&replica), ["kept"]);
    assert!(replica.is_synchronised());
}

#[test]
fn a_database_that_goes_takes_along_what_waits_in_it() {
    let mut server = server();
    let [aware, unaware] = [(); 2].map(|()| server.connect(at(0), SessionSettings::default()));
    send(&mut server, at(0), aware, json!(1), "set_db_change_aware", json!([true]));
    send(&mut server, at(0), aware, json!(2), "monitor", json!(["db", "m", {"T": {}}]));
    send(&mut server, at(0), aware, json!(3), "transact", wait_for("x", json!(null)));
    send(
        &mut server,
        at(0),
        unaware,
        json!(1),
        "monitor",
        json!(["_Server", "m", {"Database": {"columns": ["name"]}}]),
    );
    receive(&mut server, at(0), aware);
    receive(&mut server, at(0), unaware);
    assert_eq!(server.usage().monitors, 2);
    assert_eq!(server.usage().triggers, 1);
    assert!(server.remove_database(at(1), "_Server").is_none(), "it stays");
    assert!(server.remove_database(at(1), "db").is_some());
    assert!(server.remove_database(at(1), "db").is_none());
    server.end_sessions(&CloseReason::DatabasesChanged, false);
    assert_eq!(server.names().collect::<Vec<_>>(), ["_Server"]);
    let told = receive(&mut server, at(1), aware);
    assert_eq!(told[0], json!({"id": 3, "result": null, "error": "canceled"}));
    assert_eq!((told[1]["method"].as_str(), &told[1]["params"]), (Some("monitor_canceled"), &json!(["m"])));
    assert_eq!(server.closed(aware), None);
    let told = server.output(unaware).to_vec();
    assert!(String::from_utf8(told).unwrap().contains(r#""old":{"name":"db"}"#));
    assert_eq!(server.closed(unaware), Some(&CloseReason::DatabasesChanged));
    assert_eq!(server.usage().triggers, 0);
}

#[test]
fn a_session_that_may_only_read_changes_nothing() {
    let mut server = server();
    let settings = SessionSettings { read_only: true, ..SessionSettings::default() };
    let reader = server.connect(at(0), settings);
    let before = server.database("db").unwrap().clone();
    for (method, params) in
        [("convert", json!(["db", schema("2.0.0")])), ("transact", insert("a")), ("lock", json!(["x"]))]
    {
        send(&mut server, at(1), reader, json!(1), method, params);
        let said = receive(&mut server, at(1), reader).remove(0).to_string();
        assert!(said.contains("not allowed"), "{method}: {said}");
    }
    assert_eq!(*server.database("db").unwrap(), before);
    send(
        &mut server,
        at(1),
        reader,
        json!(2),
        "transact",
        json!(["db", {"op": "select", "table": "T", "where": []}]),
    );
    assert_eq!(receive(&mut server, at(1), reader)[0]["result"], json!([{"rows": []}]));
}
