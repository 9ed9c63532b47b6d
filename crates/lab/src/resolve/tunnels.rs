//! Tunnels: links whose other end is elsewhere, and what they leave to nodes of an MTU.

use std::collections::BTreeMap;

use netloom_flow::LinkSettings;

use super::{Draft, DraftEnd, DraftLink, Thing, domains, wires};
use crate::error::TextError;
use crate::file::{EndPattern, Far, Gaps, LinkEntry, TunnelEntry};
use crate::tunnel::{Fused, Tunnel, TunnelKeyOut};

/// Fills in the tunnels that lead out of the lab.
pub(super) fn add(draft: &mut Draft<'_>) {
    let file = draft.file;
    for entry in file.tunnels.iter().filter(|entry| entry.far == Far::Elsewhere) {
        let Some(switch) = switch(draft, entry, &entry.near) else { continue };
        let (forth, back) = wires::settings(&entry.settings, &file.link_defaults);
        let of_all = entry.tenant.as_ref().map(|tenant| (tenant, None));
        let by_tenant = entry.keys.iter().map(|(tenant, key)| (tenant, Some(*key)));
        let wanted: Vec<_> = if entry.keys.is_empty() { vec![of_all] } else { by_tenant.map(Some).collect() };
        for wanted in wanted {
            let tenant = match wanted {
                None => match only_tenant(draft, entry) {
                    Some(tenant) => Some(tenant),
                    None => continue,
                },
                Some((name, _)) => match draft.tenant(&name.value, name.span) {
                    Some(tenant) => Some(tenant),
                    None => continue,
                },
            };
            let mut tunnel = entry.tunnel.clone();
            if let Some((_, Some(key))) = wanted {
                (tunnel.in_key, tunnel.out_key) = (Some(key), TunnelKeyOut::Fixed(key));
            }
            add_one(draft, entry, switch, tunnel, tenant, (forth.clone(), back.clone()));
        }
    }
    doubles(draft);
}

/// What a link is that stands for a tunnel between two switches.
pub(super) fn fused(draft: &mut Draft<'_>, entry: &LinkEntry, ends: (Thing, Thing)) -> Option<Fused> {
    let (tunnel, keys) = entry.tunnel.as_ref()?;
    if !matches!(ends, (Thing::Switch(_), Thing::Switch(_))) {
        let hint = "link the node to a switch, and begin the tunnel there";
        draft.error(entry.ends.span, "a tunnel joins two switches, or a switch and an address", Some(hint));
        return None;
    }
    let mut named = Vec::new();
    for (tenant, key) in keys {
        let tenant = draft.tenant(&tenant.value, tenant.span)?;
        named.push((draft.tenant_name(tenant), *key));
    }
    Some(Fused { tunnel: tunnel.clone(), keys: named })
}

/// Whose a tunnel is of which the file does not say it: it is plain where all nodes are one tenant's.
fn only_tenant(draft: &mut Draft<'_>, entry: &TunnelEntry) -> Option<usize> {
    let tenants: std::collections::BTreeSet<usize> = draft.nodes.iter().map(|node| node.tenant).collect();
    if tenants.len() > 1 {
        let names: Vec<_> = tenants.into_iter().map(|tenant| draft.tenant_name(tenant)).collect();
        let hint = format!(
            "say it by `tenant: {}`, or give each a key of its own: `key: {{ {}: 1, {}: 2 }}`",
            names[0], names[0], names[1]
        );
        draft.error_unless(
            Gaps::THINGS,
            entry.span,
            "the tunnel does not say whose packets it carries",
            Some(&hint),
        );
        return None;
    }
    Some(tenants.first().copied().unwrap_or(0))
}

fn add_one(
    draft: &mut Draft<'_>,
    entry: &TunnelEntry,
    switch: usize,
    tunnel: Tunnel,
    tenant: Option<usize>,
    (forth, back): (LinkSettings, LinkSettings),
) {
    let index = tenant.filter(|_| !entry.keys.is_empty());
    let of_tenant = index.map(|tenant| draft.tenant_name(tenant));
    let named = entry.name.as_ref().map(|name| match &of_tenant {
        Some(tenant) => format!("{}-{tenant}", name.value),
        None => name.value.clone(),
    });
    let near = entry.near.interface.as_ref().map(|name| match &of_tenant {
        Some(tenant) => format!("{name}-{tenant}"),
        None => name.clone(),
    });
    let ends = [
        DraftEnd { thing: Thing::Switch(switch), name: near, index: 0 },
        DraftEnd { thing: Thing::Tunnel(draft.links.len()), name: None, index: 0 },
    ];
    draft.links.push(DraftLink {
        named: named.is_some(),
        id: named.unwrap_or_default(),
        ends,
        forth,
        back,
        entry: None,
        span: entry.span,
        tenant,
        line: draft.file.line(entry.span),
        tunnel: Some(tunnel),
        fused: None,
        of_tenant: index,
    });
}

/// The switch that a tunnel begins at.
fn switch(draft: &mut Draft<'_>, entry: &TunnelEntry, end: &EndPattern) -> Option<usize> {
    let names: Vec<String> = match crate::names::pair(&end.names, &end.names) {
        Ok(pairs) => pairs.into_iter().map(|(name, _)| name).collect(),
        Err(TextError { message, hint, .. }) => {
            draft.error(entry.span, message, hint.as_deref());
            return None;
        }
    };
    let [name] = names.as_slice() else {
        draft.error(entry.span, "a tunnel begins at one switch", Some("write one tunnel for each"));
        return None;
    };
    let full = crate::names::full_name(end.names.tenant.as_deref(), name);
    match draft.names.get(&full).copied() {
        Some(Thing::Switch(switch)) => Some(switch),
        Some(_) => {
            let hint = "link the node to a switch, and begin the tunnel there";
            draft.error(entry.span, format!("the tunnel begins at `{full}`, which is no switch"), Some(hint));
            None
        }
        None => {
            let message = format!("the tunnel begins at `{full}`, which does not exist");
            draft.error_unless(Gaps::THINGS, entry.span, message, Some("add it under `switches:`"));
            None
        }
    }
}

/// Two tunnels that want the same packets.
fn doubles(draft: &mut Draft<'_>) {
    let mut seen = BTreeMap::new();
    let mut ports = BTreeMap::new();
    let mut clashes = Vec::new();
    for link in &draft.links {
        let Some(tunnel) = &link.tunnel else { continue };
        let heard = format!(
            "{:?} {:?} {:?} {:?} {} {}",
            tunnel.kind, tunnel.in_key, tunnel.remote, tunnel.local, tunnel.dst_port, tunnel.v6
        );
        if let Some(line) = seen.insert(heard, link.line) {
            let message = format!("the tunnel of line {line} has the same key and ends");
            clashes.push((link.span, message, "give them different keys"));
        }
        let spoken = format!("{:?} {:?}", tunnel.kind, tunnel.exts);
        let port = (tunnel.dst_port, tunnel.v6);
        match ports.insert(port, (spoken.clone(), link.line)) {
            Some((other, line)) if tunnel.dst_port != 0 && other != spoken => {
                let message = format!("the tunnel of line {line} speaks something else at port {}", port.0);
                clashes.push((link.span, message, "choose another `dst_port`, at both ends"));
            }
            _ => {}
        }
    }
    clashes.into_iter().take(10).for_each(|(span, message, hint)| draft.error(span, message, Some(hint)));
}

/// Lowers the MTU of interfaces that reach a tunnel to what fits through it.
pub(super) fn mtus(draft: &mut Draft<'_>) {
    let roots = domains::components(draft);
    let root = |switch: usize| roots.get(switch).copied().unwrap_or(switch);
    let mut least: BTreeMap<(usize, Option<usize>), u32> = BTreeMap::new();
    let mut note = |switch: usize, tenant: Option<usize>, mtu: u32| {
        let slot = least.entry((root(switch), tenant)).or_insert(mtu);
        *slot = mtu.min(*slot);
    };
    for link in &draft.links {
        if let (Some(tunnel), Thing::Switch(switch)) = (&link.tunnel, link.ends[0].thing) {
            note(switch, link.tenant, tunnel.mtu());
        }
    }
    let inside: Vec<_> = draft.file.tunnels.iter().filter(|entry| entry.far != Far::Elsewhere).collect();
    for entry in inside {
        let near = crate::names::pair(&entry.near.names, &entry.near.names).unwrap_or_default();
        for (name, _) in near {
            let full = crate::names::full_name(entry.near.names.tenant.as_deref(), &name);
            if let Some(Thing::Switch(switch)) = draft.names.get(&full) {
                note(*switch, None, entry.tunnel.mtu());
            }
        }
    }
    if least.is_empty() {
        return;
    }
    let links = &draft.links;
    let at = |link: usize| {
        links.get(link).and_then(|link| {
            link.ends
                .iter()
                .find_map(|end| if let Thing::Switch(s) = end.thing { Some(root(s)) } else { None })
        })
    };
    for interface in draft.nodes.iter_mut().flat_map(|node| &mut node.interfaces) {
        let Some(root) = at(interface.link) else { continue };
        for tenant in [None, Some(interface.tenant)] {
            if let Some(mtu) = least.get(&(root, tenant)) {
                interface.mtu = interface.mtu.min(*mtu);
            }
        }
    }
}
