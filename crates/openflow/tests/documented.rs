//! The table of messages in docs/openflow.md is what the code can say.

#[expect(dead_code, reason = "the samples are for several tests")]
mod samples;

use std::collections::BTreeMap;
use std::fmt::Write;

use netloom_openflow::wire::{Protocol, encode};
use netloom_openflow::{Message, Version};
use samples::XID;

const DOCS: &str = include_str!("../../../docs/openflow.md");
const BEGIN: &str = "<!-- messages -->\n";
const END: &str = "<!-- end of messages -->";

/// `FlowMod`, `MultipartRequest Flow`
fn name(message: &Message) -> String {
    let first = |text: String| text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
    let kind = first(format!("{message:?}"));
    match message {
        Message::MultipartRequest(request) => format!("{kind} {}", first(format!("{request:?}"))),
        Message::MultipartReply(reply) => format!("{kind} {}", first(format!("{reply:?}"))),
        _ => kind,
    }
}

/// How a version says a message: by a type of its own, or by one of an experimenter.
fn how(version: Version, message: &Message) -> &'static str {
    let mut bytes = Vec::new();
    if encode(&Protocol::new(version), XID, message, &mut bytes).is_err() {
        return "";
    }
    let is_long = matches!(message, Message::MultipartRequest(_) | Message::MultipartReply(_));
    match (bytes[1], bytes.get(8..10)) {
        (4, _) => "ext",
        (_, Some([0xff, 0xff])) if is_long => "ext",
        _ => "yes",
    }
}

fn table() -> String {
    let mut rows: BTreeMap<String, [&str; 6]> = BTreeMap::new();
    for (column, version) in Version::ALL.into_iter().enumerate() {
        for message in samples::all(version) {
            let said = how(version, &message);
            let cell = &mut rows.entry(name(&message)).or_default()[column];
            // One kind may come in several forms.
            if *cell != "yes" && !said.is_empty() {
                *cell = said;
            }
        }
    }
    let mut table =
        "| message | 1.0 | 1.1 | 1.2 | 1.3 | 1.4 | 1.5 |\n|---|---|---|---|---|---|---|\n".to_owned();
    for (name, cells) in rows {
        writeln!(table, "| `{name}` | {} |", cells.join(" | ")).expect("text grows");
    }
    table
}

#[test]
fn the_table_of_messages_is_what_is_said() {
    let written = DOCS.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (written, _) = written.expect("docs/openflow.md has the table between its marks");
    let table = table();
    assert!(written == table, "docs/openflow.md should have:\n{table}");
}
