//! Links: which there are, where they end, what they are called, and the numbers of switch ports.
//!
//! The order is that of the file: first the nodes' networks, then the links of a topology, then `links:`. It
//! gives interfaces their names and ports their numbers.

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::LinkSettings;

use super::{Draft, DraftEnd, DraftInterface, DraftLink, DraftPort, Thing};
use crate::error::{Span, Spanned, TextError, did_you_mean};
use crate::file::{BothWays, EndPattern, Gaps, LinkEntry, Naming};
use crate::lab::Vlan;
use crate::mac::Mac;
use crate::names::{MAX_NAMES, check_interface, full_name, pair, split_full};

/// MTU of an interface unless the file says.
const MTU: u32 = 1_500;

/// The highest number of a port (OpenFlow 1.0 keeps what is above).
const MAX_PORT: u32 = 0xfeff;

/// Fills in the links, then interfaces and ports.
pub(super) fn connect(draft: &mut Draft<'_>) {
    let mut refinable = BTreeMap::new();
    super::functions::fallbacks(draft);
    memberships(draft, &mut refinable);
    let parts = draft.file.topology.as_ref().map(|t| (t.value.parts().links, t.span));
    if let Some((links, span)) = parts {
        for (a, b) in links {
            if let (Some(a), Some(b)) = (draft.names.get(&a).copied(), draft.names.get(&b).copied()) {
                add_made(draft, a, b, span, &mut refinable);
            }
        }
    }
    written(draft, &mut refinable);
    super::tunnels::add(draft);
    names_of_links(draft);
    super::functions::interfaces(draft);
    interfaces(draft);
    ports(draft);
}

/// The pair of things a link joins, in one order.
fn unordered(a: Thing, b: Thing) -> (Thing, Thing) {
    if a <= b { (a, b) } else { (b, a) }
}

type Refinable = BTreeMap<(Thing, Thing), usize>;

/// A link for each network that a node joins.
fn memberships(draft: &mut Draft<'_>, refinable: &mut Refinable) {
    for node in 0..draft.nodes.len() {
        let Some((spec, tenant)) = draft.nodes.get(node).map(|n| (n.spec.clone(), n.tenant)) else {
            continue;
        };
        for wanted in spec.networks.iter().flatten() {
            let Some(switch) = network(draft, &wanted.value, tenant, wanted.span) else { continue };
            if refinable.contains_key(&unordered(Thing::Node(node), Thing::Switch(switch))) {
                let name = draft.nodes.get(node).map(|n| n.name.clone()).unwrap_or_default();
                draft.error(
                    wanted.span,
                    format!("`{name}` is in the network `{}` already", wanted.value),
                    None,
                );
                continue;
            }
            add_made(draft, Thing::Node(node), Thing::Switch(switch), wanted.span, refinable);
        }
    }
}

/// The switch of a network: that of the node's tenant first.
fn network(draft: &mut Draft<'_>, name: &str, tenant: usize, span: Span) -> Option<usize> {
    let own = full_name(draft.tenants.get(tenant).map(String::as_str), name);
    let found = [own.as_str(), name].into_iter().find_map(|name| match draft.names.get(name) {
        Some(Thing::Switch(i)) if draft.switches.get(*i).is_some_and(|s| s.network.is_some()) => Some(*i),
        _ => None,
    });
    if found.is_none() {
        let known =
            draft.networks.iter().filter_map(|n| draft.switches.get(n.switch)).map(|s| s.name.as_str());
        let hint =
            did_you_mean(&own, known).unwrap_or_else(|| format!("declare it: `networks: {{ {own}: {{}} }}`"));
        draft.error_unless(Gaps::THINGS, span, format!("there is no network `{name}`"), Some(&hint));
    }
    found
}

/// A link that a network or topology makes: plain but for the defaults.
fn add_made(draft: &mut Draft<'_>, a: Thing, b: Thing, span: Span, refinable: &mut Refinable) {
    let (forth, back) = settings(&BothWays::default(), &draft.file.link_defaults);
    refinable.insert(unordered(a, b), draft.links.len());
    let end = |thing| DraftEnd { thing, name: None, index: 0 };
    draft.links.push(DraftLink {
        id: String::new(),
        named: false,
        ends: [end(a), end(b)],
        forth,
        back,
        entry: None,
        span,
        tenant: None,
        line: 0,
        tunnel: None,
        fused: None,
        of_tenant: None,
    });
}

/// Settings of each direction: the link's own win over the defaults.
pub(super) fn settings(own: &BothWays, defaults: &BothWays) -> (LinkSettings, LinkSettings) {
    let (forth, back) = own.split();
    let (forth_default, back_default) = defaults.split();
    let make = |patch: crate::settings::SettingsPatch| {
        let mut settings = LinkSettings::default();
        patch.apply(&mut settings);
        settings
    };
    (make(forth.or(&forth_default)), make(back.or(&back_default)))
}

/// The links of `links:`; one that a topology or network made already is refined instead.
fn written(draft: &mut Draft<'_>, refinable: &mut Refinable) {
    let file = draft.file;
    let mut expanded = 0;
    for (index, entry) in file.links.iter().enumerate() {
        let tenant = match &entry.tenant {
            Some(name) => match draft.tenant(&name.value, name.span) {
                Some(tenant) => Some(tenant),
                None => continue,
            },
            None => None,
        };
        let (left, right) = &entry.ends.value;
        let pairs = match pair(&left.names, &right.names) {
            Ok(pairs) => pairs,
            Err(TextError { message, hint, .. }) => {
                draft.error(entry.ends.span, message, hint.as_deref());
                continue;
            }
        };
        if let (Some(name), true) = (&entry.name, pairs.len() > 1) {
            let message = format!("{} links would all be called `{}`", pairs.len(), name.value);
            draft.error(name.span, message, Some("links of a range go by `A--B`; leave the name out"));
        }
        expanded += pairs.len();
        if draft.reader.is_full() {
            return;
        }
        if draft.links.len() + pairs.len() > 2 * MAX_NAMES || expanded > 4 * MAX_NAMES {
            draft.error(entry.ends.span, format!("the lab has more than {} links", 2 * MAX_NAMES), None);
            return;
        }
        let (forth, back) = settings(&entry.settings, &file.link_defaults);
        for (a, b) in pairs {
            let ends = (
                look_up(draft, left, &a, tenant, &entry.ends),
                look_up(draft, right, &b, tenant, &entry.ends),
            );
            let (Some(a), Some(b)) = ends else {
                cut_off(draft, [ends.0, ends.1].into_iter().flatten());
                break;
            };
            if a == b {
                let name = draft.thing_name(a).to_owned();
                draft.error(entry.ends.span, format!("`{name}` is linked to itself"), None);
                continue;
            }
            add_written(draft, index, entry, (a, b), (forth.clone(), back.clone()), tenant, refinable);
        }
    }
}

/// Notes that links of these lead nowhere.
fn cut_off(draft: &mut Draft<'_>, things: impl Iterator<Item = Thing>) {
    for thing in things {
        if let Thing::Node(node) = thing
            && let Some(node) = draft.nodes.get_mut(node)
        {
            node.is_cut_off = true;
        }
    }
}

/// What a name at one end of a link stands for: in the link's tenant first.
fn look_up(
    draft: &mut Draft<'_>,
    end: &EndPattern,
    name: &str,
    tenant: Option<usize>,
    place: &Spanned<(EndPattern, EndPattern)>,
) -> Option<Thing> {
    let named = end.names.tenant.as_deref();
    let full = full_name(named, name);
    let in_tenant = match (named, tenant.and_then(|t| draft.tenants.get(t))) {
        (None, Some(tenant)) => draft.names.get(&full_name(Some(tenant), name)).copied(),
        _ => None,
    };
    let found = in_tenant.or_else(|| draft.names.get(&full).copied());
    if found.is_none() {
        let elsewhere =
            draft.tenants.iter().map(|t| full_name(Some(t), name)).find(|n| draft.names.contains_key(n));
        let hint = elsewhere
            .filter(|_| named.is_none())
            .map(|name| format!("did you mean `{name}`?"))
            .or_else(|| did_you_mean(&full, draft.names.keys().map(String::as_str)));
        let hint = hint.unwrap_or_else(|| "add it under `nodes:` or `switches:`".to_owned());
        draft.error_unless(
            Gaps::THINGS,
            place.span,
            format!("the link ends at `{full}`, which does not exist"),
            Some(&hint),
        );
    }
    found
}

fn add_written(
    draft: &mut Draft<'_>,
    index: usize,
    entry: &LinkEntry,
    (a, b): (Thing, Thing),
    (forth, back): (LinkSettings, LinkSettings),
    tenant: Option<usize>,
    refinable: &mut Refinable,
) {
    let (left, right) = &entry.ends.value;
    let line = draft.file.line(entry.ends.span);
    let named = entry.name.as_ref().map(|n| n.value.clone());
    let made = refinable.remove(&unordered(a, b));
    let ends = [
        DraftEnd { thing: a, name: left.interface.clone(), index: 0 },
        DraftEnd { thing: b, name: right.interface.clone(), index: 0 },
    ];
    let id = named.clone().unwrap_or_default();
    let named = named.is_some();
    let fused = super::tunnels::fused(draft, entry, (a, b));
    let span = entry.ends.span;
    let link = DraftLink {
        id,
        named,
        ends,
        forth,
        back,
        entry: Some(index),
        span,
        tenant,
        line,
        tunnel: None,
        fused,
        of_tenant: None,
    };
    match made.and_then(|i| draft.links.get_mut(i)) {
        Some(slot) => *slot = link,
        None => draft.links.push(link),
    }
}

/// Gives every link its id: its name, else `A--B`, from the second one on `A--B#2`.
fn names_of_links(draft: &mut Draft<'_>) {
    let mut counts: BTreeMap<(Thing, Thing), u32> = BTreeMap::new();
    let mut peers: BTreeMap<String, u32> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut clashes = Vec::new();
    for i in 0..draft.links.len() {
        let Some(link) = draft.links.get(i) else { continue };
        if link.named {
            if !seen.insert(link.id.clone()) {
                let span = link.entry.and_then(|e| draft.file.links.get(e)?.name.as_ref()).map(|n| n.span);
                clashes.push((span.unwrap_or(link.span), format!("a second link is called `{}`", link.id)));
            }
            continue;
        }
        let [a, b] = &link.ends;
        let mut id = format!("{}--{}", draft.thing_name(a.thing), draft.thing_name(b.thing));
        let count = match &link.tunnel {
            Some(tunnel) => {
                id.push_str(&tunnel.peer());
                if let Some(tenant) = link.of_tenant.and_then(|tenant| draft.tenants.get(tenant)) {
                    id.push_str(&format!("-{tenant}"));
                }
                peers.entry(id.clone()).or_default()
            }
            None => counts.entry(unordered(a.thing, b.thing)).or_default(),
        };
        *count += 1;
        if *count > 1 {
            id.push_str(&format!("#{count}"));
        }
        if let Some(link) = draft.links.get_mut(i) {
            link.id = id;
        }
    }
    clashes.into_iter().take(10).for_each(|(span, message)| draft.error(span, message, None));
}

/// Gives every end at a node its interface: named ones their names, the others eth0, eth1 ... around them.
fn interfaces(draft: &mut Draft<'_>) {
    let there = |node: &super::DraftNode| node.interfaces.iter().map(|it| it.name.clone()).collect();
    let mut taken: Vec<BTreeSet<String>> = draft.nodes.iter().map(there).collect();
    let mut clashes = Vec::new();
    for link in &draft.links {
        for end in &link.ends {
            if let (Thing::Node(i), Some(name)) = (end.thing, &end.name)
                && let Some(taken) = taken.get_mut(i)
                && !taken.insert(name.clone())
            {
                clashes.push((link.span, draft.thing_name(end.thing).to_owned(), name.clone()));
            }
        }
    }
    for (span, node, name) in clashes.into_iter().take(10) {
        draft.error(
            span,
            format!("a second link ends at `{node}:{name}`"),
            Some("an interface has one link"),
        );
    }
    let mut next = vec![0u32; draft.nodes.len()];
    for index in 0..draft.links.len() {
        for side in 0..2 {
            let Some(end) = draft.links.get(index).and_then(|l| l.ends.get(side)) else { continue };
            let Thing::Node(node) = end.thing else { continue };
            let stem = match draft.file.naming {
                Naming::Plain => "eth".to_owned(),
                Naming::Mininet => format!("{}-eth", split_full(draft.thing_name(end.thing)).1),
            };
            if let Some(name) = draft.nodes.get(node).and_then(|node| node.nic()).map(str::to_owned) {
                let (span, written) = (draft.links.get(index).map(|l| l.span), end.name.clone());
                if let Some(other) = written.filter(|other| *other != name) {
                    let said =
                        format!("`{}` has no interface `{other}`", draft.thing_name(Thing::Node(node)));
                    draft.error_unless(
                        Gaps::THINGS,
                        span.unwrap_or_default(),
                        said,
                        Some(&format!("it is {name}")),
                    );
                }
                add_interface(draft, node, index, side, name);
                continue;
            }
            let named = end.name.is_some();
            let name = end.name.clone().unwrap_or_else(|| match (next.get_mut(node), taken.get(node)) {
                (Some(next), Some(taken)) => free_name(&stem, next, taken),
                _ => String::new(),
            });
            if let (false, Err(error)) = (named, check_interface(&name)) {
                let span = draft.nodes.get(node).map(|n| n.span).unwrap_or_default();
                draft.error(span, error.message, Some("give the node a shorter name"));
            }
            add_interface(draft, node, index, side, name);
        }
    }
}

/// The next of eth0, eth1 ... that no link names; `stem` is all but the number.
fn free_name(stem: &str, next: &mut u32, taken: &BTreeSet<String>) -> String {
    loop {
        let name = format!("{stem}{next}");
        *next += 1;
        if !taken.contains(&name) {
            return name;
        }
    }
}

fn add_interface(draft: &mut Draft<'_>, node: usize, link: usize, side: usize, name: String) {
    let tenant = tenant_at(draft, link, node);
    let vlan = match vlan_of(draft, link) {
        Vlan::Any => 0,
        Vlan::Access(vlan) => vlan,
        Vlan::Trunk { native, .. } => native.unwrap_or(0),
    };
    let index = push_interface(draft, node, name, link, (tenant, vlan));
    if let (Some(index), Some(end)) = (index, draft.links.get_mut(link).and_then(|l| l.ends.get_mut(side))) {
        end.index = index;
    }
}

/// An interface that no link ends at: a virtual function.
pub(super) fn add_bare_interface(draft: &mut Draft<'_>, node: usize, name: String) {
    let Some(found) = draft.nodes.get(node) else { return };
    let vlan = found.spec.vf.as_ref().and_then(|vf| vf.value.vlan).unwrap_or(0);
    let tenant = found.tenant;
    push_interface(draft, node, name, NO_LINK, (tenant, vlan));
}

/// Stands for a link where there is none.
pub(super) const NO_LINK: usize = usize::MAX;

fn push_interface(
    draft: &mut Draft<'_>,
    node: usize,
    name: String,
    link: usize,
    (tenant, vlan): (usize, u16),
) -> Option<usize> {
    let slot = draft.nodes.get_mut(node)?;
    let index = slot.interfaces.len();
    slot.interfaces.push(DraftInterface {
        name,
        link,
        tenant,
        vlan,
        domain: 0,
        mac: Mac([0; 6]),
        mtu: MTU,
        addresses: Vec::new(),
        automatic: false,
    });
    Some(index)
}

/// The tenant a link has at a node: that of the network it ends at, the one it names, or the node's own.
fn tenant_at(draft: &mut Draft<'_>, link: usize, node: usize) -> usize {
    let own = draft.nodes.get(node).map_or(0, |n| n.tenant);
    let Some(found) = draft.links.get(link) else { return own };
    let network = found.ends.iter().find_map(|end| match end.thing {
        Thing::Switch(i) => draft.networks.get(draft.switches.get(i)?.network?).map(|n| n.tenant),
        Thing::Node(_) | Thing::Tunnel(_) => None,
    });
    let (span, named) = (found.span, found.tenant);
    match (network, named) {
        (Some(network), Some(named)) if network != named => {
            let (network, named) = (draft.tenant_name(network), draft.tenant_name(named));
            draft.error_unless(
                Gaps::DOMAINS,
                span,
                format!("the network belongs to tenant `{network}`, the link to `{named}`"),
                None,
            );
        }
        (None, None) => {
            let other = found.ends.iter().find_map(|end| match end.thing {
                Thing::Node(i) if i != node => draft.nodes.get(i).map(|n| n.tenant),
                _ => None,
            });
            if let Some(other) = other.filter(|other| *other < own) {
                let (a, b) = (draft.tenant_name(own), draft.tenant_name(other));
                let message = format!("the link joins tenant `{a}` and tenant `{b}`");
                draft.error_unless(
                    Gaps::DOMAINS,
                    span,
                    message,
                    Some(&format!("say whose it is, such as `tenant: {a}`")),
                );
            }
        }
        _ => {}
    }
    network.or(named).unwrap_or(own)
}

/// What the switch port at the end of a link to a node, or both ends between switches, do with VLANs.
fn vlan_of(draft: &Draft<'_>, link: usize) -> Vlan {
    let entry = draft.links.get(link).and_then(|l| draft.file.links.get(l.entry?));
    let Some(entry) = entry else {
        // Where there is no virtual function, its ordinary card is in the VLAN that the other would be in.
        let function = draft.links.get(link).and_then(|link| super::functions::behind(draft, link));
        return function.and_then(|vf| vf.vlan).map_or(Vlan::Any, Vlan::Access);
    };
    if let Some(vlan) = &entry.vlan {
        return Vlan::Access(vlan.value);
    }
    if entry.trunk.is_none() && entry.native.is_none() {
        return Vlan::Any;
    }
    let vlans = entry.trunk.as_ref().map(|t| t.value.clone()).unwrap_or_default();
    Vlan::Trunk { vlans, native: entry.native.as_ref().map(|n| n.value) }
}

/// Gives every end at a switch its port. Ports of the running lab keep their numbers; new ones take the lowest
/// that are free, in file order.
fn ports(draft: &mut Draft<'_>) {
    let mut kept: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); draft.switches.len()];
    for link in &draft.links {
        for (side, end) in link.ends.iter().enumerate() {
            if let (Thing::Switch(i), Some(number)) = (end.thing, running_number(draft, link, side))
                && let Some(kept) = kept.get_mut(i)
            {
                kept.insert(number);
            }
        }
    }
    let mut next = vec![1u32; draft.switches.len()];
    let mut names: Vec<BTreeSet<String>> = vec![BTreeSet::new(); draft.switches.len()];
    for index in 0..draft.links.len() {
        for side in 0..2 {
            let Some(link) = draft.links.get(index) else { continue };
            let Some(DraftEnd { thing: Thing::Switch(switch), name, .. }) = link.ends.get(side) else {
                continue;
            };
            let (switch, wanted, span) = (*switch, name.clone(), link.span);
            let number = running_number(draft, link, side).unwrap_or_else(|| {
                let (Some(next), Some(kept)) = (next.get_mut(switch), kept.get(switch)) else { return 0 };
                while kept.contains(next) {
                    *next += 1;
                }
                *next += 1;
                *next - 1
            });
            let name =
                wanted.unwrap_or_else(|| format!("{}-eth{number}", draft.thing_name(Thing::Switch(switch))));
            if names.get_mut(switch).is_some_and(|names| !names.insert(name.clone())) {
                let switch = draft.thing_name(Thing::Switch(switch)).to_owned();
                draft.error(span, format!("a second port of `{switch}` is called `{name}`"), None);
            }
            if number > MAX_PORT {
                let switch = draft.thing_name(Thing::Switch(switch)).to_owned();
                draft.error(span, format!("`{switch}` has more than {MAX_PORT} ports"), None);
                return;
            }
            add_port(draft, switch, index, side, number, name);
        }
    }
}

fn running_number(draft: &Draft<'_>, link: &DraftLink, side: usize) -> Option<u32> {
    let end = link.ends.get(side)?;
    draft.running.ports.get(&(draft.thing_name(end.thing), link.id.as_str(), side == 0)).copied()
}

fn add_port(draft: &mut Draft<'_>, switch: usize, link: usize, side: usize, number: u32, name: String) {
    let tenant = draft.links.get(link).and_then(|l| l.ends.get(1 - side)).and_then(|far| match far.thing {
        Thing::Node(i) => draft.nodes.get(i)?.interfaces.get(far.index).map(|i| i.tenant),
        // Between switches each frame keeps its own tenant, unless the link is given to one.
        Thing::Switch(_) | Thing::Tunnel(_) => draft.links.get(link)?.tenant,
    });
    let vlan = vlan_of(draft, link);
    let Some(slot) = draft.switches.get_mut(switch) else { return };
    let index = slot.ports.len();
    slot.ports.push(DraftPort { number, name, link, side, tenant, vlan });
    if let Some(end) = draft.links.get_mut(link).and_then(|l| l.ends.get_mut(side)) {
        end.index = index;
    }
}
