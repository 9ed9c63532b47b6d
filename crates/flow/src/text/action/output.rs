//! `output:1`, `output:reg0[]`, `output(port=1,max_len=100)`, `enqueue:1:2`

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::{port, value};
use super::place::Place;
use crate::{Action, Controller, FieldId, OfPort};

/// Reads what stands behind `output`.
pub(super) fn parse(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    if let Some(inner) = text.in_parentheses() {
        return truncated(text, inner, place);
    }
    if text.text.contains('[') || is_field(text, place) {
        return Ok(Action::OutputReg { source: place.source(text)?, max_len: u16::MAX });
    }
    to_port(text, place)
}

/// A port by number or name.
pub(super) fn to_port(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    Ok(match place.port(text)? {
        OfPort::CONTROLLER => Action::Controller(Controller::default()),
        port => Action::Output(port),
    })
}

/// `port=1,max_len=100`
fn truncated(text: Piece<'_>, inner: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (mut to, mut max_len) = (None, None);
    for item in Items::new(inner) {
        match (item.key.text, item.value) {
            ("port", Some(value)) => to = Some(place.port(value)?),
            ("max_len", Some(value)) => max_len = Some((value, value::small::<u32>(value)?)),
            _ => return Err(FlowTextError::new(item.whole, "'output(...)' takes port and max_len")),
        }
    }
    match (to, max_len) {
        (Some(port), Some((_, max_len))) if max_len >= 14 => Ok(Action::OutputTrunc { port, max_len }),
        (Some(_), Some((at, _))) => Err(FlowTextError::new(at, "max_len is at least 14, an Ethernet header")),
        _ => Err(FlowTextError::new(text, "'output(...)' needs port and max_len")
            .hint("as in output(port=2,max_len=100)")),
    }
}

/// `PORT:QUEUE`, `(PORT,QUEUE)`, `PORTqQUEUE`
pub(super) fn enqueue(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (inner, separator) = text.in_parentheses().map_or((text, ":"), |inner| (inner, ","));
    let parts = inner.rsplit_once(separator).or_else(|| inner.rsplit_once("q"));
    let Some((port, queue)) = parts else {
        return Err(FlowTextError::new(text, "'enqueue' needs a port and a queue").hint("as in enqueue:1:2"));
    };
    Ok(Action::Enqueue { port: place.port(port)?, queue: value::small(queue)? })
}

/// Whether it names a field and no port: `output:reg0`, but not `output:in_port`.
fn is_field(text: Piece<'_>, place: &Place<'_>) -> bool {
    FieldId::named(text.text).is_some()
        && port::reserved(text.text).is_none()
        && (place.ports)(text.text).is_none()
}
