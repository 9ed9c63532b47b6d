//! What is only for containers, and the order in which nodes start.

use std::collections::BTreeMap;

use super::Draft;
use crate::container::{After, Condition, HealthRule};
use crate::error::{Span, Spanned, did_you_mean};
use crate::file::{Gaps, only_containers};
use crate::lab::{Lab, Node};
use crate::names::{DEFAULT_TENANT, full_name};

/// Fills in what nodes wait for; refuses circles, and what cannot come true.
pub(super) fn resolve(draft: &mut Draft<'_>, lab: &mut Lab) {
    let mut misplaced: Vec<Spanned<&'static str>> = Vec::new();
    for node in &draft.nodes {
        if let (None, Some(first)) = (&node.spec.container.image, &node.spec.container.first)
            && !misplaced.contains(first)
        {
            misplaced.push(first.clone());
        }
    }
    misplaced.iter().for_each(|first| only_containers(&mut draft.reader, first));
    if draft.nodes.iter().all(|node| node.spec.after.is_none()) {
        return;
    }
    let index: BTreeMap<&str, usize> =
        lab.nodes.iter().enumerate().map(|(i, n)| (n.name.as_str(), i)).collect();
    let mut errors: Vec<(Span, String, Option<String>)> = Vec::new();
    let mut found: Vec<Vec<(usize, Condition, Span)>> = vec![Vec::new(); lab.nodes.len()];
    for (draft, found) in draft.nodes.iter().zip(&mut found) {
        for written in draft.spec.after.iter().flatten() {
            let (name, when) = &written.value;
            let tenant = lab.nodes.get(index.get(draft.name.as_str()).copied().unwrap_or_default());
            match look_up(&index, tenant.map_or(DEFAULT_TENANT, |node| &node.tenant), name) {
                Some(other) => {
                    errors.extend(
                        lab.nodes
                            .get(other)
                            .and_then(|node| in_vain(node, *when))
                            .map(|(what, hint)| (written.span, what, Some(hint))),
                    );
                    found.push((other, *when, written.span));
                }
                None => {
                    let hint = did_you_mean(name, lab.nodes.iter().map(|n| n.name.as_str()));
                    errors.push((written.span, format!("there is no node `{name}`"), hint));
                }
            }
        }
    }
    if let Some((at, name)) = circle(&found, lab) {
        let hint = "of nodes that wait for each other none would ever start";
        errors.push((at, format!("`{name}` would wait for itself"), Some(hint.to_owned())));
    }
    errors.sort_by_key(|(span, ..)| span.start);
    errors.dedup();
    for (span, message, hint) in errors {
        draft.error_unless(Gaps::THINGS, span, message, hint.as_deref());
    }
    let names: Vec<String> = lab.nodes.iter().map(|node| node.name.clone()).collect();
    for (node, found) in lab.nodes.iter_mut().zip(found) {
        let after = |(other, when, _): (usize, Condition, Span)| {
            Some(After { node: names.get(other)?.clone(), when })
        };
        node.after = found.into_iter().filter_map(after).collect();
    }
}

/// A node by its name: in its own tenant first.
fn look_up(index: &BTreeMap<&str, usize>, tenant: &str, name: &str) -> Option<usize> {
    let own = full_name(Some(tenant), name);
    index.get(own.as_str()).or_else(|| index.get(name)).copied()
}

/// Why it would be waited for for ever.
fn in_vain(node: &Node, when: Condition) -> Option<(String, String)> {
    let name = &node.name;
    match when {
        Condition::Healthy => match (&node.health, &node.container) {
            (HealthRule::Check(_), _) | (HealthRule::Image, Some(_)) => None,
            _ => Some((
                format!("nothing says whether `{name}` is healthy"),
                format!("give `{name}` a `health`"),
            )),
        },
        Condition::Done if !node.has_programs() => {
            Some((format!("`{name}` has no program that could be done"), format!("give `{name}` a `run`")))
        }
        Condition::Started | Condition::Done => None,
    }
}

/// A node that waits for itself, by way of others: where that is written, and its name.
fn circle(after: &[Vec<(usize, Condition, Span)>], lab: &Lab) -> Option<(Span, String)> {
    // 0: not seen, 1: on the way, 2: leads into no circle.
    let mut state = vec![0_u8; after.len()];
    for start in 0..after.len() {
        let mut way = vec![(start, 0)];
        while let Some((node, next)) = way.pop() {
            let Some(state_here) = state.get_mut(node) else { continue };
            if *state_here == 2 {
                continue;
            }
            *state_here = 1;
            match after.get(node).and_then(|all| all.get(next)) {
                Some((other, _, span)) => {
                    if state.get(*other) == Some(&1) {
                        return Some((*span, lab.nodes.get(*other)?.name.clone()));
                    }
                    way.push((node, next + 1));
                    way.push((*other, 0));
                }
                None => {
                    if let Some(state) = state.get_mut(node) {
                        *state = 2;
                    }
                }
            }
        }
    }
    None
}
