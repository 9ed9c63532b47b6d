//! Events and expectations: the names in them looked up.

use std::cell::Cell;
use std::collections::BTreeMap;

use netloom_flow::text::{parse_group, parse_meter, parse_zone};
use netloom_flow::{OfPort, parse_flow_with};

use crate::error::{Span, Spanned, TextError, did_you_mean};
use crate::expect::{Check, Expectation, Sentence, Subject};
use crate::file::{EventEntry, Gaps, LabFile, Reader, WrittenEvent};
use crate::lab::{Event, Happening, Lab};
use crate::names::Pattern;

/// The most events of a lab, ranges expanded.
const MAX_EVENTS: usize = 100_000;

/// Fills in the events and expectations of the lab.
pub(super) fn resolve(reader: &mut Reader, file: &LabFile, lab: &mut Lab) {
    for event in &file.events {
        if reader.is_full() {
            return;
        }
        let line = file.line(event.span);
        let events = happenings(reader, lab, event);
        if lab.events.len() + events.len() > MAX_EVENTS {
            reader.error(event.span, format!("the lab has more than {MAX_EVENTS} events"), None);
            break;
        }
        lab.events.extend(events.into_iter().map(|what| Event { when: event.when, what, line }));
    }
    flows(reader, file, lab);
    for sentence in &file.expect {
        if reader.is_full() {
            return;
        }
        check(reader, lab, &sentence.value, sentence.span);
        lab.expect.push(Expectation { sentence: sentence.value.clone(), line: file.line(sentence.span) });
    }
}

/// Every flow, group and meter must be one that the switch takes; ports may be named.
fn flows(reader: &mut Reader, file: &LabFile, lab: &Lab) {
    let written = file.switches.iter().map(|s| &s.spec).chain([&file.switch_defaults]);
    let by_line: BTreeMap<(u32, &str), &Spanned<String>> = written
        .flat_map(|s| [&s.flows, &s.groups, &s.meters, &s.zones].into_iter().flatten().flatten())
        .map(|flow| ((file.line(flow.span), flow.value.as_str()), flow))
        .collect();
    for switch in &lab.switches {
        let missed = Cell::new(false);
        let named = |name: &str| {
            let port = switch.ports.iter().find(|port| port.name == name);
            missed.set(port.is_none());
            port.map(|port| OfPort(port.number))
        };
        let flows = switch.flows.iter().map(|it| (it, parse_flow_with(&it.text, &named).err()));
        let groups = switch.groups.iter().map(|it| (it, parse_group(&it.text, &named).err()));
        let meters = switch.meters.iter().map(|it| (it, parse_meter(&it.text).err()));
        let zones = switch.zones.iter().map(|it| (it, parse_zone(&it.text).err()));
        for (flow, error) in flows.chain(groups).chain(meters).chain(zones) {
            let missed = missed.take();
            if let (Some(error), Some(place)) = (error, by_line.get(&(flow.line, flow.text.as_str()))) {
                // A word like nothing else may be a port of a link that could not be read.
                let may_follow = missed && error.hint.is_none();
                let relies = if may_follow { Gaps::THINGS | Gaps::LINKS } else { Gaps::NONE };
                let text = TextError { part: Some(error.span), message: error.message, hint: error.hint };
                reader.text_error_unless(relies, place.span, flow.text.len(), text);
            }
        }
    }
}

fn happenings(reader: &mut Reader, lab: &Lab, event: &WrittenEvent) -> Vec<Happening> {
    match &event.what {
        EventEntry::Link { link, settings } => {
            let (forth, back) = settings.split();
            let Some((id, flipped)) = find_link(reader, lab, &link.value, link.span) else {
                return Vec::new();
            };
            let (forth, back) = if flipped { (back, forth) } else { (forth, back) };
            vec![Happening::Link { link: id, forth: Box::new(forth), back: Box::new(back) }]
        }
        EventEntry::Node { node, change } => nodes(reader, lab, &node.value, node.span)
            .into_iter()
            .map(|node| Happening::Node { node, change: *change })
            .collect(),
        EventEntry::Run { node, command } => insiders(reader, lab, &node.value, node.span)
            .into_iter()
            .map(|node| Happening::Run { node, command: command.value.clone() })
            .collect(),
    }
}

/// The id of a link, and whether its ends are named the other way round.
fn find_link(reader: &mut Reader, lab: &Lab, name: &str, span: Span) -> Option<(String, bool)> {
    match lab.links_named(name).as_slice() {
        [link] => {
            let flipped = name.split_once("--").is_some_and(|(a, _)| link.a.name() != a && link.id != name);
            Some((link.id.clone(), flipped))
        }
        [] => {
            let hint = did_you_mean(name, lab.links.iter().map(|l| l.id.as_str()));
            let hint = hint.unwrap_or_else(|| "a link goes by its `name:`, or by `A--B`".to_owned());
            reader.error_unless(
                Gaps::THINGS | Gaps::LINKS,
                span,
                format!("there is no link `{name}`"),
                Some(&hint),
            );
            None
        }
        several => {
            let ids: Vec<_> = several.iter().map(|l| l.id.as_str()).take(10).collect();
            let hint = format!("give them names; these are {}", ids.join(", "));
            reader.error(span, format!("there are {} links `{name}`", several.len()), Some(&hint));
            None
        }
    }
}

/// The nodes of a name or range.
fn nodes(reader: &mut Reader, lab: &Lab, text: &str, span: Span) -> Vec<String> {
    let names = match Pattern::parse(text) {
        Ok(pattern) if pattern.count() > lab.nodes.len() as u64 => {
            reader.error_unless(Gaps::THINGS, span, format!("`{text}` is more nodes than the lab has"), None);
            return Vec::new();
        }
        Ok(pattern) => pattern.expand_full(),
        Err(error) => {
            reader.text_error(span, text.len(), error);
            return Vec::new();
        }
    };
    if let Some(missing) = names.iter().find(|name| lab.node(name).is_none()) {
        let hint = did_you_mean(missing, lab.nodes.iter().map(|n| n.name.as_str()));
        reader.error_unless(Gaps::THINGS, span, format!("there is no node `{missing}`"), hint.as_deref());
        return Vec::new();
    }
    names
}

/// The nodes of a name or range, in which something is to run.
fn insiders(reader: &mut Reader, lab: &Lab, text: &str, span: Span) -> Vec<String> {
    let mut names = nodes(reader, lab, text, span);
    if let Some(nic) = names.iter().filter_map(|name| lab.node(name)).find(|node| node.is_nic()) {
        let TextError { message, hint, .. } = nic.nobody_inside();
        reader.error(span, message, hint.as_deref());
        names.clear();
    }
    names
}

/// Looks up what a sentence is about.
fn check(reader: &mut Reader, lab: &Lab, sentence: &Sentence, span: Span) {
    let mut subject = |subject: &Subject| {
        if let Err(error) = subject.stations(lab) {
            reader.text_error_unless(Gaps::THINGS, span, sentence.text.len(), error.at(subject.part.clone()));
        }
    };
    match &sentence.check {
        Check::Reach(reach) => {
            subject(&reach.from);
            subject(&reach.to);
        }
        Check::Measure(measure) => {
            subject(&measure.from);
            subject(&measure.to);
        }
        Check::NoLoops => {}
        Check::Command(command) => {
            insiders(reader, lab, &command.node, span);
        }
    }
}
