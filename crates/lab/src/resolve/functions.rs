//! Virtual functions of network cards: the interface that one is in its node, and what it cannot have, by name.
//!
//! Its frames go by the card's own switch and never pass ours. So nothing that our switch does with packets can be had of
//! it: that is refused with the reason, rather than written down and not done.

use std::collections::BTreeMap;

use super::{Draft, DraftEnd, DraftLink, Thing};
use crate::error::{Span, did_you_mean};
use crate::file::{BothWays, Gaps, NodeSpec, VfSpec};
use crate::lab::Vf;
use crate::names::full_name;

/// What it is called in its node: it is the first interface.
pub(super) const INTERFACE: &str = "eth0";

/// Why something cannot be had.
const REASON: &str = "the card's own switch carries its frames, past the lab's";
/// What to do instead.
const INSTEAD: &str =
    "a second, ordinary card can have it: leave the interface out of the link; or leave out `vf`";

/// What a node wants of a virtual function, if its file says all that is needed.
pub(super) fn vf(spec: &NodeSpec) -> Option<Box<Vf>> {
    let written = &spec.vf.as_ref()?.value;
    Some(Box::new(Vf {
        pf: written.pf.as_ref()?.value.clone(),
        interface: INTERFACE.to_owned(),
        vlan: written.vlan,
        spoof_check: written.spoof_check,
        trust: written.trust,
        rate: written.rate.as_ref().map(|rate| rate.value),
        min_rate: written.min_rate.as_ref().map(|rate| rate.value),
        state: written.state,
        fallback: written.fallback.as_ref().map(|name| name.value.clone()),
    }))
}

/// The links by which nodes are joined to a switch where there is no virtual function for them.
pub(super) fn fallbacks(draft: &mut Draft<'_>) {
    for node in 0..draft.nodes.len() {
        let Some(found) = draft.nodes.get(node) else { continue };
        let Some(fallback) = found.spec.vf.as_ref().and_then(|vf| vf.value.fallback.clone()) else {
            continue;
        };
        let own = full_name(draft.tenants.get(found.tenant).map(String::as_str), &fallback.value);
        let known = [own.as_str(), fallback.value.as_str()];
        let switch = known.into_iter().find_map(|name| match draft.names.get(name) {
            Some(Thing::Switch(switch)) => Some(*switch),
            _ => None,
        });
        let Some(switch) = switch else {
            let names = draft.switches.iter().map(|switch| switch.name.as_str());
            let hint = did_you_mean(&fallback.value, names)
                .unwrap_or_else(|| "the name of a switch or network".into());
            let message = format!("there is no switch or network `{}` to fall back to", fallback.value);
            draft.error_unless(Gaps::THINGS, fallback.span, message, Some(&hint));
            continue;
        };
        let (forth, back) = super::wires::settings(&BothWays::default(), &draft.file.link_defaults);
        let line = draft.file.line(fallback.span);
        draft.links.push(DraftLink {
            id: String::new(),
            named: false,
            ends: [
                DraftEnd { thing: Thing::Node(node), name: Some(INTERFACE.to_owned()), index: 0 },
                DraftEnd { thing: Thing::Switch(switch), name: None, index: 0 },
            ],
            forth,
            back,
            entry: None,
            span: fallback.span,
            tenant: None,
            line,
            tunnel: None,
            fused: None,
            of_tenant: None,
        });
    }
}

/// What the node at the end of such a link wants of its card.
pub(super) fn behind<'d>(draft: &'d Draft<'_>, link: &DraftLink) -> Option<&'d VfSpec> {
    let [DraftEnd { thing: Thing::Node(node), name: Some(name), .. }, _] = &link.ends else { return None };
    let spec = draft.nodes.get(*node)?.spec.vf.as_ref()?;
    (name == INTERFACE && link.entry.is_none()).then_some(&spec.value)
}

/// Interfaces of nodes that have no link: they come before all that have one.
pub(super) fn interfaces(draft: &mut Draft<'_>) {
    for node in 0..draft.nodes.len() {
        let Some(found) = draft.nodes.get(node) else { continue };
        let alone = found.spec.vf.as_ref().is_some_and(|vf| vf.value.fallback.is_none());
        if alone {
            super::wires::add_bare_interface(draft, node, INTERFACE.to_owned());
        }
    }
}

/// Refuses what a virtual function cannot have.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut errors: Vec<(Span, String, String)> = Vec::new();
    links(draft, &mut errors);
    quotas(draft, &mut errors);
    neighbours(draft, &mut errors);
    errors.sort_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
    errors.dedup();
    for (span, message, hint) in errors {
        draft.error(span, message, Some(&hint));
    }
}

/// A link of the file that ends at one; named for what it would have it do.
fn links(draft: &Draft<'_>, errors: &mut Vec<(Span, String, String)>) {
    for entry in &draft.file.links {
        for end in [&entry.ends.value.0, &entry.ends.value.1] {
            if end.interface.as_deref() != Some(INTERFACE) {
                continue;
            }
            let names = end.names.expand_full();
            let node = names.into_iter().find_map(|name| match draft.names.get(&name)? {
                Thing::Node(i) => draft.nodes.get(*i).filter(|node| node.spec.vf.is_some()),
                _ => None,
            });
            let Some(node) = node else { continue };
            let shaped = entry.settings != BothWays::default();
            let said = if shaped {
                format!(
                    "`{}:{INTERFACE}` is a virtual function, whose traffic cannot be shaped here: {REASON}",
                    node.name
                )
            } else {
                format!(
                    "`{}:{INTERFACE}` is a virtual function, and has no link of the lab: {REASON}",
                    node.name
                )
            };
            let hint = if shaped {
                format!("`vf: {{ rate: }}` has the card do it; {INSTEAD}")
            } else {
                INSTEAD.to_owned()
            };
            errors.push((entry.ends.span, said, hint));
        }
    }
}

/// A share of the tenant's that nobody would hold it to.
fn quotas(draft: &Draft<'_>, errors: &mut Vec<(Span, String, String)>) {
    for node in &draft.nodes {
        let Some(vf) = node.spec.vf.as_ref() else { continue };
        let tenant = draft.tenant_name(node.tenant);
        let bounded = draft.file.tenants.iter().any(|it| it.name.value == tenant && it.bandwidth.is_some());
        if bounded {
            let said =
                format!("the `bandwidth` of tenant `{tenant}` cannot hold for a virtual function: {REASON}");
            errors.push((
                vf.span,
                said,
                "`vf: { rate: }` bounds what it sends; take one of the two out".to_owned(),
            ));
        }
    }
}

/// Two tenants in one VLAN of one card would hear each other.
fn neighbours(draft: &Draft<'_>, errors: &mut Vec<(Span, String, String)>) {
    let mut first: BTreeMap<(String, u16), usize> = BTreeMap::new();
    for node in &draft.nodes {
        let Some(vf) = node.spec.vf.as_ref() else { continue };
        let Some(pf) = &vf.value.pf else { continue };
        let other = *first.entry((pf.value.clone(), vf.value.vlan.unwrap_or(0))).or_insert(node.tenant);
        if other != node.tenant {
            let [a, b] = [other, node.tenant].map(|tenant| draft.tenant_name(tenant));
            let said = format!("tenants `{a}` and `{b}` would hear each other on {}: {REASON}", pf.value);
            errors.push((
                vf.span,
                said,
                "give the virtual functions of each tenant a `vlan` of their own".to_owned(),
            ));
        }
    }
}
