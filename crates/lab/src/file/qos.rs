//! Queues and policing of ports, as the file has them.

use std::collections::BTreeMap;

use netloom_flow::qos::MAX_QUEUE;
use netloom_flow::{Policing, Qos, Queue};

use super::keys;
use super::node::pattern;
use super::read::{Fields, Reader, integer};
use super::yaml::{Node, Value};
use crate::error::{Span, Spanned};
use crate::names::Pattern;
use crate::quantity;

/// What a port is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PortQos {
    pub(crate) qos: Option<Qos>,
    pub(crate) policing: Option<Policing>,
}

/// An entry of the top level's `qos:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QosEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) port: PortQos,
}

/// What a switch says of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QosSpec {
    /// As an entry of the top level's `qos:` has it.
    Named(Spanned<String>),
    /// Written here.
    Written(PortQos),
}

/// Ports of a switch, by their own names or those of what they lead to, and what they are given.
pub(crate) type PortSpecs = Vec<(Spanned<Pattern>, QosSpec)>;

/// Reads the top level's `qos:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<QosEntry> {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let port = read(reader, value);
        match crate::names::check_label(name) {
            Ok(()) => out.push(QosEntry { name: Spanned::new(name.to_owned(), span), port }),
            Err(error) => reader.text_error(span, name.len(), error),
        }
    }
    out
}

/// Reads a switch's `qos:`.
pub(crate) fn of_switch(reader: &mut Reader, node: &Node) -> PortSpecs {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let spec = if matches!(value.value, Value::Map(_)) {
            Some(QosSpec::Written(read(reader, value)))
        } else {
            reader.string(value).map(QosSpec::Named)
        };
        if let (Some(pattern), Some(spec)) = (pattern(reader, name, span), spec) {
            out.push((pattern, spec));
        }
    }
    out
}

fn read(reader: &mut Reader, node: &Node) -> PortQos {
    // Whoever names it finds it, whatever is wrong within.
    reader.minor(|reader| read_port(reader, node))
}

fn read_port(reader: &mut Reader, node: &Node) -> PortQos {
    let errors = reader.errors.len();
    let fields = reader.fields(node, keys::QOS, "qos");
    let max_rate = rate(reader, &fields, "max-rate");
    let queues = fields.take("queues").map(|node| queues(reader, node, max_rate));
    let policing = fields.take("police").and_then(|node| policing(reader, node));
    let qos = (max_rate.is_some() || queues.is_some())
        .then(|| Qos { max_rate, queues: queues.unwrap_or_default() });
    if qos.is_none() && policing.is_none() && reader.errors.len() == errors {
        let hint = "such as `{ max-rate: 100Mbit, queues: { 1: { min-rate: 20Mbit } } }`";
        reader.error(
            node.span,
            "this says neither how packets leave a port nor what may come in",
            Some(hint),
        );
    }
    PortQos { qos, policing }
}

fn queues(reader: &mut Reader, node: &Node, whole: Option<u64>) -> BTreeMap<u32, Queue> {
    let mut out = BTreeMap::new();
    for (number, span, value) in reader.entries(node) {
        let queue = queue(reader, value);
        match integer(number, (0, MAX_QUEUE.into())).map(u32::try_from) {
            Ok(Ok(number)) => _ = out.insert(number, queue),
            Ok(Err(_)) => {}
            Err(error) => reader.text_error(span, number.len(), error),
        }
    }
    let promised = out.values().fold(0, |sum: u64, queue| sum.saturating_add(queue.min_rate));
    if let Some(whole) = whole.filter(|whole| *whole < promised) {
        let (promised, whole) = (quantity::show_rate(promised), quantity::show_rate(whole));
        let message = format!("the queues are promised {promised}, which is more than `max-rate: {whole}`");
        reader.error(node.span, message, Some("lower some `min-rate`, or raise `max-rate`"));
    }
    out
}

fn queue(reader: &mut Reader, node: &Node) -> Queue {
    let fields = reader.fields(node, keys::QUEUE, "a queue");
    let mut small = |name: &str| fields.integer(reader, name).and_then(|n| u8::try_from(n.value).ok());
    let (priority, dscp) = (small("priority"), small("dscp"));
    let queue = Queue {
        min_rate: rate(reader, &fields, "min-rate").unwrap_or(0),
        max_rate: rate(reader, &fields, "max-rate"),
        burst: size(reader, &fields, "burst"),
        priority: priority.unwrap_or(0),
        dscp,
        limit: fields.take("limit").and_then(|n| reader.parse(n, quantity::queue)).map(|limit| limit.value),
    };
    if let Some(most) = queue.max_rate.filter(|most| *most < queue.min_rate) {
        let (least, most) = (quantity::show_rate(queue.min_rate), quantity::show_rate(most));
        let message = format!("the queue is promised {least} and may have {most} at most");
        reader.error(node.span, message, Some("`min-rate` cannot be above `max-rate`"));
    }
    queue
}

fn policing(reader: &mut Reader, node: &Node) -> Option<Policing> {
    let errors = reader.errors.len();
    let fields = reader.fields(node, keys::POLICE, "police");
    let span = fields.span;
    let policing = Policing {
        rate: rate(reader, &fields, "rate"),
        burst: size(reader, &fields, "burst"),
        packet_rate: fields.integer(reader, "packets").map(|n| n.value),
        packet_burst: fields.integer(reader, "packet-burst").map(|n| n.value),
    };
    let lacks = |reader: &mut Reader, message, span: Span| {
        reader.error(
            span,
            message,
            Some("such as `police: { rate: 10Mbit }` or `police: { packets: 1000 }`"),
        );
        None
    };
    match policing {
        Policing { rate: None, burst: Some(_), .. } => lacks(reader, "a `burst` needs a `rate`", span),
        Policing { packet_rate: None, packet_burst: Some(_), .. } => {
            lacks(reader, "a `packet-burst` needs `packets`, so many a second", span)
        }
        Policing { rate: None, packet_rate: None, .. } if reader.errors.len() == errors => {
            lacks(reader, "this lets everything in", span)
        }
        policing => Some(policing),
    }
}

fn rate(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<u64> {
    fields.take(name).and_then(|node| reader.parse(node, quantity::rate)).map(|rate| rate.value)
}

fn size(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<u64> {
    fields.take(name).and_then(|node| reader.parse(node, quantity::size)).map(|size| size.value)
}
