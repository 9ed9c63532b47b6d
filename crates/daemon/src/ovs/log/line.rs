//! A line of the log.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::levels::Level;

/// The last part of an event's target.
pub(super) fn module<'a>(metadata: &Metadata<'a>) -> &'a str {
    metadata.target().rsplit("::").next().unwrap_or_default()
}

/// All of a line behind its date: number, module, level, text, fields.
pub(super) fn rest(number: u64, module: &str, level: Level, event: &Event<'_>) -> String {
    let mut text = Text { message: String::new(), fields: String::new() };
    event.record(&mut text);
    format!("{number:05}|{module}|{}|{}{}", level.word(), text.message, text.fields)
}

struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
