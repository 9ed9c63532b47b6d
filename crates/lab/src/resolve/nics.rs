//! Real interfaces of the machine: each is one node with one link, and has no address that the lab gave it.

use std::collections::BTreeMap;

use super::{Draft, DraftNode};
use crate::error::Span;

impl DraftNode {
    /// The interface of the machine that it is.
    pub(super) fn nic(&self) -> Option<&str> {
        self.spec.interface.as_ref().map(|name| name.value.as_str())
    }
}

/// Refuses interfaces that are two nodes, and those whose wire leads nowhere or to two places.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut errors: Vec<(Span, String, String)> = Vec::new();
    let by_default = draft.file.node_defaults.interface.as_ref();
    if let Some(name) = by_default {
        let said = format!("`{}` cannot be every node", name.value);
        errors.push((name.span, said, "give `interface` to one node".to_owned()));
    }
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for node in draft.nodes.iter().filter(|_| by_default.is_none()) {
        let Some(name) = &node.spec.interface else { continue };
        if let Some(other) = taken.insert(&name.value, &node.name) {
            let said = format!("`{}` cannot be {}: that is `{other}`", node.name, name.value);
            errors.push((name.span, said, "an interface is one node, with one link".to_owned()));
        }
    }
    for node in draft.nodes.iter().filter(|node| node.nic().is_some()) {
        let links: Vec<_> = node.interfaces.iter().map(|it| draft.links.get(it.link)).collect();
        match links[..] {
            [_] => {}
            [] => errors.push((
                node.span,
                format!("nothing is linked to `{}`", node.name),
                format!("an interface has one link: `links: [{} -- s1]`", node.name),
            )),
            [_, ref others @ ..] => {
                let span = others.iter().flatten().map(|link| link.span).next().unwrap_or(node.span);
                let said = format!("a second link ends at `{}`, which is one interface", node.name);
                errors.push((span, said, "link a switch to it, and others to the switch".to_owned()));
            }
        }
    }
    for (span, message, hint) in errors.into_iter().take(10) {
        draft.error(span, message, Some(&hint));
    }
}
