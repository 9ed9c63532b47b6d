//! Any bytes from a client: the server never panics, and what it answers is JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_ovsdb::{Database, Now, Schema, Server, SessionSettings, UuidSource};

const SCHEMA: &str = r#"{"name":"db","version":"1.0.0","tables":{
    "R":{"isRoot":true,"indexes":[["n"]],"columns":{"n":{"type":"integer"},
        "s":{"type":{"key":{"type":"uuid","refTable":"L"},"min":0,"max":"unlimited"}},
        "m":{"type":{"key":"string","value":"real","min":0,"max":3}}}},
    "L":{"columns":{"w":{"type":{"key":{"type":"uuid","refTable":"L","refType":"weak"},"min":0}}}}}}"#;

fuzz_target!(|bytes: &[u8]| {
    let now = Now::default();
    let mut server = Server::new(UuidSource::new([1, 2]));
    server.add_database(now, Database::new(Schema::parse(SCHEMA).expect("a schema")), true);
    let session = server.connect(now, SessionSettings::default());
    let (first, second) = bytes.split_at(bytes.len() / 2);
    server.handle_bytes(now, session, first);
    server.handle_bytes(now, session, second);
    while server.poll_write().is_some() {}
    for message in serde_json::Deserializer::from_slice(server.output(session)).into_iter::<serde_json::Value>() {
        assert!(message.expect("an answer is JSON").is_object());
    }
});
