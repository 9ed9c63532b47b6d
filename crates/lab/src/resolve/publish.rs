//! Published ports: a port of the machine leads to one node.

use std::collections::BTreeMap;

use super::Draft;
use crate::publish::{Published, Transport};

/// Refuses ports that lead to two places.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut taken: BTreeMap<(Transport, u16), Vec<(Published, usize)>> = BTreeMap::new();
    let mut errors = Vec::new();
    for (index, node) in draft.nodes.iter().enumerate() {
        for port in node.spec.ports.iter().flatten() {
            let others = taken.entry((port.value.transport, port.value.port)).or_default();
            let other = others.iter().find(|(other, _)| other.clashes(&port.value));
            if let Some((other, at)) = other {
                let owner = draft.nodes.get(*at).map(|n| n.name.as_str()).unwrap_or_default();
                let message = format!(
                    "`{}` cannot have {}: the port leads to `{owner}` already, as {other}",
                    node.name, port.value
                );
                errors.push((port.span, message));
            }
            others.push((port.value, index));
        }
    }
    for (span, message) in errors.into_iter().take(10) {
        draft.error(span, message, Some("choose another port or address of the machine"));
    }
}
