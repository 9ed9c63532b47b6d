//! Any bytes at a control socket: the session never panics, and what it answers is JSON.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_ovsdb::unixctl::Session;

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::default();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for part in [first, second] {
        session.receive(part);
        while let Ok(Some(request)) = session.next_request() {
            session.reply(&request, &Ok(request.words.join(" ")));
            session.reply(&request, &Err(request.command.clone()));
        }
    }
    for message in serde_json::Deserializer::from_slice(&session.take_output()).into_iter::<serde_json::Value>() {
        assert!(message.expect("an answer is JSON").is_object());
    }
});
