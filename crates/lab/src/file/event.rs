//! Events as the file has them.

use super::keys;
use super::link::{BothWays, both_ways};
use super::read::Reader;
use super::yaml::Node;
use crate::error::{Span, Spanned};
use crate::lab::{NodeChange, When};
use crate::quantity;

/// What an event does, before its names are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventEntry {
    Link { link: Spanned<String>, settings: Box<BothWays> },
    Node { node: Spanned<String>, change: NodeChange },
    Run { node: Spanned<String>, command: Spanned<String> },
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenEvent {
    pub(crate) when: When,
    pub(crate) what: EventEntry,
    pub(crate) span: Span,
}

/// Reads `events:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<WrittenEvent> {
    reader.list(node).iter().filter_map(|item| read(reader, item)).collect()
}

fn read(reader: &mut Reader, node: &Node) -> Option<WrittenEvent> {
    let fields = reader.fields(node, keys::EVENT, "an event");
    let mut time = |name: &str| fields.take(name).and_then(|n| reader.parse(n, quantity::duration));
    let (at, every) = (time("at"), time("every"));
    let link = fields.take("link").and_then(|n| reader.string(n));
    let node_name = fields.take("node").and_then(|n| reader.string(n));
    let run = fields.take("run").and_then(|n| reader.string(n));
    let change = fields.take("do").and_then(|n| reader.choice(n, keys::DOINGS)).map(|i| match i {
        0 => NodeChange::Start,
        1 => NodeChange::Stop,
        2 => NodeChange::Restart,
        3 => NodeChange::Pause,
        _ => NodeChange::Resume,
    });
    let settings = both_ways(reader, &fields);
    let span = node.span;
    let when = match (at, every) {
        (Some(at), None) => When::At(at.value),
        (None, Some(every)) if every.value.0 >= 1_000_000 => When::Every(every.value),
        (None, Some(every)) => {
            reader.error(every.span, "an event cannot happen more often than every 1ms", None);
            return None;
        }
        (Some(_), Some(_)) => {
            reader.error(span, "an event has either `at` or `every`", Some("write two events"));
            return None;
        }
        (None, None) => {
            // If the key is there its error is noted already.
            reader.error(span, "the event lacks its time", Some("add `at: 10s` or `every: 1s`"));
            return None;
        }
    };
    let changes_link = settings != BothWays::default();
    let what = match (link, node_name, change, run) {
        (Some(link), None, None, None) if changes_link => {
            EventEntry::Link { link, settings: Box::new(settings) }
        }
        (Some(link), None, None, None) => {
            reader.error(
                link.span,
                "the event changes nothing of the link",
                Some("add `state: down`, or any setting of a link"),
            );
            return None;
        }
        (None, Some(node), Some(change), None) if !changes_link => EventEntry::Node { node, change },
        (None, Some(node), None, Some(command)) if !changes_link => EventEntry::Run { node, command },
        _ => {
            let hint = "`link` with settings, `node` with `do`, or `node` with `run`";
            reader.error(span, "an event is about one link or one node", Some(hint));
            return None;
        }
    };
    Some(WrittenEvent { when, what, span })
}
