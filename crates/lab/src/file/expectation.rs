//! Expectations as the file has them: sentences, or a command with what it must print.

use super::keys;
use super::read::Reader;
use super::yaml::{Node, Value};
use crate::error::Spanned;
use crate::expect::{Check, CommandCheck, Sentence, Timing, parse_sentence};
use crate::quantity;

/// Reads `expect:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<Spanned<Sentence>> {
    if let Value::Seq { items, flow: true } = &node.value {
        let torn = |item: &Node| {
            item.text().is_some_and(|text| {
                let mut words = text.split_whitespace();
                matches!(words.next(), Some("at" | "from"))
                    && !text.contains(',')
                    && words.all(|w| w != "reach")
            })
        };
        if items.iter().any(torn) {
            let hint = "write one sentence a line, each behind `- `, or put each in quotes";
            reader.error(node.span, "YAML has split these sentences at the commas within them", Some(hint));
            return Vec::new();
        }
    }
    reader.list(node).iter().filter_map(|item| read(reader, item)).collect()
}

fn read(reader: &mut Reader, node: &Node) -> Option<Spanned<Sentence>> {
    if !matches!(node.value, Value::Map(_)) {
        return reader.parse(node, parse_sentence);
    }
    let fields = reader.fields(node, keys::EXPECT, "an expectation about a command");
    let target = fields.take("node").and_then(|n| reader.string(n));
    let run = fields.take("run").and_then(|n| reader.string(n));
    let prints = fields.take("prints").and_then(|n| reader.string(n));
    let exit = fields.integer(reader, "exit").and_then(|n| u8::try_from(n.value).ok());
    let at = fields.take("at").and_then(|n| reader.parse(n, quantity::duration));
    let within = fields.take("within").and_then(|n| reader.parse(n, quantity::duration));
    let (Some(target), Some(run)) = (target, run) else {
        reader.error(fields.span, "an expectation is a sentence, or a map with `node` and `run`", None);
        return None;
    };
    let mut text = format!("{} run `{}`", target.value, run.value);
    if let Some(prints) = &prints {
        text.push_str(&format!(" prints \"{}\"", prints.value.trim()));
    }
    let check = CommandCheck {
        node: target.value,
        command: run.value,
        prints: prints.map(|p| p.value),
        exit: exit.unwrap_or(0),
    };
    let timing = at.map_or(Timing::Untimed, |at| Timing::At(at.value));
    let within = within.map(|w| w.value);
    Some(Spanned::new(Sentence { text, timing, within, check: Check::Command(check) }, node.span))
}
