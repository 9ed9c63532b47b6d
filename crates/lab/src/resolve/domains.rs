//! Broadcast domains: who hears whom. Switches that are joined, a network, or the two ends of a link between
//! nodes; each tenant, and each VLAN of an access port, apart.

use std::collections::BTreeMap;

use super::{Draft, Thing};
use crate::address::Cidr;
use crate::file::Gaps;
use crate::lab;

/// A domain, and who is in it.
pub(super) struct DraftDomain {
    pub(super) domain: lab::Domain,
    pub(super) tenant: usize,
    /// `(node, interface)`, in file order.
    pub(super) members: Vec<(usize, usize)>,
    /// The subnets that are written for it.
    pub(super) written: Vec<Cidr>,
}

/// What makes a domain; the order is that in which domains get their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Network(usize),
    Switches(usize),
    Link(usize),
    /// A card, by the first node that has a virtual function of it.
    Card(usize),
}

/// Finds the domains and notes for each interface which it is in.
pub(super) fn find(draft: &mut Draft<'_>) -> Vec<DraftDomain> {
    let roots = components(draft);
    // The networks of each component: the first by the component's root, and all by the first.
    let mut joined: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, network) in draft.networks.iter().enumerate() {
        joined.entry(roots.get(network.switch).copied().unwrap_or_default()).or_default().push(i);
    }
    let network_of: BTreeMap<usize, usize> =
        joined.iter().filter_map(|(root, list)| Some((*root, *list.first()?))).collect();
    let joined: BTreeMap<usize, Vec<usize>> =
        joined.into_values().filter_map(|list| Some((*list.first()?, list))).collect();
    let mut cards: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, node) in draft.nodes.iter().enumerate() {
        card(node).map(|pf| cards.entry(pf).or_insert(n));
    }
    let mut members: BTreeMap<(Origin, usize, u16), Vec<(usize, usize)>> = BTreeMap::new();
    for (n, node) in draft.nodes.iter().enumerate() {
        for (i, interface) in node.interfaces.iter().enumerate() {
            let switch = draft.links.get(interface.link).and_then(|link| {
                link.ends.iter().find_map(|e| if let Thing::Switch(s) = e.thing { Some(s) } else { None })
            });
            let origin = match switch.and_then(|s| roots.get(s)) {
                Some(root) => network_of.get(root).map_or(Origin::Switches(*root), |n| Origin::Network(*n)),
                None if interface.link == super::wires::NO_LINK => {
                    Origin::Card(card(node).and_then(|pf| cards.get(pf)).copied().unwrap_or(n))
                }
                None => Origin::Link(interface.link),
            };
            members.entry((origin, interface.tenant, interface.vlan)).or_default().push((n, i));
        }
    }
    let mut out = Vec::new();
    for (index, ((origin, tenant, vlan), members)) in members.into_iter().enumerate() {
        for (n, i) in &members {
            if let Some(interface) = draft.nodes.get_mut(*n).and_then(|node| node.interfaces.get_mut(*i)) {
                interface.domain = index;
            }
        }
        let (of, written) = describe(draft, origin, tenant, &joined);
        let domain = lab::Domain { tenant: draft.tenant_name(tenant), vlan, of, subnets: Vec::new() };
        out.push(DraftDomain { domain, tenant, members, written });
    }
    subnets_of_links(draft);
    out
}

/// The card that a node has a virtual function of.
fn card(node: &super::DraftNode) -> Option<&str> {
    node.spec.vf.as_ref()?.value.pf.as_ref().map(|pf| pf.value.as_str())
}

/// For each switch the first switch it is joined with.
pub(super) fn components(draft: &Draft<'_>) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..draft.switches.len()).collect();
    for link in &draft.links {
        if let [Thing::Switch(a), Thing::Switch(b)] = [&link.ends[0], &link.ends[1]].map(|e| e.thing) {
            let (a, b) = (root(&mut parent, a), root(&mut parent, b));
            if let Some(slot) = parent.get_mut(a.max(b)) {
                *slot = a.min(b);
            }
        }
    }
    (0..parent.len()).map(|i| root(&mut parent, i)).collect()
}

/// The root of a component, halving the path to it.
fn root(parent: &mut [usize], mut i: usize) -> usize {
    while let Some(up) = parent.get(i).copied().filter(|up| *up != i) {
        let above = parent.get(up).copied().unwrap_or(up);
        if let Some(slot) = parent.get_mut(i) {
            *slot = above;
        }
        i = up;
    }
    i
}

/// The name of a domain, and the subnets that are written for it.
fn describe(
    draft: &mut Draft<'_>,
    origin: Origin,
    tenant: usize,
    joined: &BTreeMap<usize, Vec<usize>>,
) -> (String, Vec<Cidr>) {
    let file = draft.file;
    match origin {
        Origin::Network(first) => {
            let mut written: Vec<Cidr> = Vec::new();
            let mut clash = None;
            for i in joined.get(&first).into_iter().flatten() {
                let Some(network) = draft.networks.get(*i).filter(|n| n.tenant == tenant) else { continue };
                for subnet in
                    file.networks.get(network.entry).map(|e| e.subnet.as_slice()).unwrap_or_default()
                {
                    if written.iter().any(|w| w.family() == subnet.value.family() && *w != subnet.value) {
                        clash = Some(subnet.clone());
                    } else if !written.contains(&subnet.value) {
                        written.push(subnet.value);
                    }
                }
            }
            if let Some(subnet) = clash {
                draft.error_unless(
                    Gaps::DOMAINS,
                    subnet.span,
                    format!("`{}` is a second subnet of networks that are joined", subnet.value),
                    None,
                );
            }
            let name =
                draft.networks.get(first).and_then(|n| draft.switches.get(n.switch)).map(|s| s.name.clone());
            (name.unwrap_or_default(), written)
        }
        Origin::Switches(root) => (draft.thing_name(Thing::Switch(root)).to_owned(), Vec::new()),
        Origin::Card(node) => {
            (draft.nodes.get(node).and_then(card).unwrap_or_default().to_owned(), Vec::new())
        }
        Origin::Link(link) => {
            let found = draft.links.get(link);
            let entry = found.and_then(|l| file.links.get(l.entry?));
            let written = entry.map(|e| e.subnet.iter().map(|s| s.value).collect()).unwrap_or_default();
            (found.map(|l| l.id.clone()).unwrap_or_default(), written)
        }
    }
}

/// `subnet:` of a link has a meaning only between two nodes.
fn subnets_of_links(draft: &mut Draft<'_>) {
    let misplaced = |link: &super::DraftLink| {
        let entry = draft.file.links.get(link.entry?)?;
        let subnet = entry.subnet.first()?;
        link.ends.iter().any(|e| matches!(e.thing, Thing::Switch(_))).then_some(subnet.span)
    };
    let mut spans: Vec<_> = draft.links.iter().filter_map(misplaced).collect();
    spans.dedup();
    for span in spans {
        let hint = "give the nodes a network with a `subnet:`, or set `subnet:` for the whole lab";
        draft.error(span, "a link to a switch has no subnet of its own", Some(hint));
    }
}
