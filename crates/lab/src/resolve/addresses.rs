//! Addresses: written ones are checked, the others handed out.
//!
//! One domain gets the lab's whole `subnet:`, several get the next free /24 of it each; tenants do not see each
//! other, so each of them starts anew. IPv6 likewise, by /64. An interface has the same number in both families.
//! What the running lab has handed out stays, where it still fits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Draft;
use super::domains::DraftDomain;
use crate::address::{Cidr, Family, Subnets};
use crate::error::Span;
use crate::file::{ByInterface, Gaps};
use crate::lab;
use crate::mac::Mac;

const POOL_V4: Cidr = Cidr { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), len: 8 };
const POOL_V6: Cidr = Cidr { ip: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0)), len: 48 };

/// Gives every interface its MTU, MAC and IP addresses.
pub(super) fn hand_out(draft: &mut Draft<'_>, mut domains: Vec<DraftDomain>) -> Vec<lab::Domain> {
    let written = written_addresses(draft);
    mtus(draft);
    macs(draft);
    subnets(draft, &mut domains, &written);
    settle_written(draft, &domains, &written);
    for domain in &mut domains {
        automatic(draft, domain);
    }
    domains.into_iter().map(|d| d.domain).collect()
}

/// An address the file gives to an interface.
struct Written {
    node: usize,
    interface: usize,
    ip: IpAddr,
    len: Option<u8>,
    span: Span,
}

/// The interface that a key means: the first, or the one it names; an error if there is none.
fn interface_of(
    draft: &mut Draft<'_>,
    node: usize,
    name: Option<&crate::error::Spanned<String>>,
) -> Option<usize> {
    let found = draft.nodes.get(node)?;
    match name {
        // That its network or link does not exist is said elsewhere.
        None if found.interfaces.is_empty() && (found.spec.networks.is_some() || found.is_cut_off) => None,
        None if found.interfaces.is_empty() => {
            let (span, message) =
                (found.span, format!("`{}` has an address but no link or network", found.name));
            draft.error_unless(
                Gaps::THINGS | Gaps::LINKS,
                span,
                message,
                Some("join it to a switch, a node or a network"),
            );
            None
        }
        None => Some(0),
        Some(name) => {
            let index = found.interfaces.iter().position(|i| i.name == name.value);
            if index.is_none() {
                let names: Vec<_> = found.interfaces.iter().map(|i| i.name.as_str()).collect();
                let hint = if names.is_empty() {
                    "it has none: no link or network joins it".to_owned()
                } else {
                    format!("it has {}", names.join(", "))
                };
                let message = format!("`{}` has no interface `{}`", found.name, name.value);
                draft.error_unless(Gaps::THINGS | Gaps::LINKS, name.span, message, Some(&hint));
            }
            index
        }
    }
}

/// Calls `each` for every value that nodes give to interfaces.
fn each_value<T: Clone>(
    draft: &mut Draft<'_>,
    key: impl Fn(&crate::file::NodeSpec) -> Option<&ByInterface<T>>,
    mut each: impl FnMut(&mut Draft<'_>, usize, usize, &T),
) {
    for node in 0..draft.nodes.len() {
        let Some(spec) = draft.nodes.get(node).map(|n| n.spec.clone()) else { continue };
        for (name, value) in key(&spec).into_iter().flatten() {
            if let Some(interface) = interface_of(draft, node, name.as_ref()) {
                each(draft, node, interface, value);
            }
        }
    }
}

fn written_addresses(draft: &mut Draft<'_>) -> Vec<Written> {
    let mut out = Vec::new();
    // Also an empty list is written: an interface without addresses.
    let mut own = BTreeSet::new();
    each_value(
        draft,
        |spec| spec.ip.as_ref(),
        |_, node, interface, addresses| {
            own.insert((node, interface));
            out.extend(addresses.iter().map(|address| {
                let (ip, len) = address.value;
                Written { node, interface, ip, len, span: address.span }
            }));
        },
    );
    for (n, node) in draft.nodes.iter_mut().enumerate() {
        let is_nic = node.nic().is_some();
        for (i, interface) in node.interfaces.iter_mut().enumerate() {
            // A real interface has the addresses that the machine gave it, which are none of the lab's.
            interface.automatic = !is_nic && !own.contains(&(n, i));
        }
    }
    out
}

fn mtus(draft: &mut Draft<'_>) {
    super::tunnels::mtus(draft);
    for node in 0..draft.nodes.len() {
        let Some(spec) = draft.nodes.get(node).map(|n| n.spec.clone()) else { continue };
        for (name, mtu) in spec.mtu.iter().flatten() {
            let all = draft.nodes.get(node).map_or(0, |n| n.interfaces.len());
            // A bare MTU is that of all interfaces.
            let range = match name {
                None => 0..all,
                Some(_) => match interface_of(draft, node, name.as_ref()) {
                    Some(i) => i..i + 1,
                    None => 0..0,
                },
            };
            for interface in
                draft.nodes.get_mut(node).and_then(|n| n.interfaces.get_mut(range)).into_iter().flatten()
            {
                interface.mtu = *mtu;
            }
        }
    }
}

fn macs(draft: &mut Draft<'_>) {
    let mut taken: BTreeMap<Mac, usize> = BTreeMap::new();
    each_value(
        draft,
        |spec| spec.mac.as_ref(),
        |draft, node, interface, mac| {
            let Some(slot) = draft.nodes.get_mut(node) else { return };
            if let Some(interface) = slot.interfaces.get_mut(interface) {
                interface.mac = mac.value;
            }
            if let Some(other) = taken.insert(mac.value, node) {
                let other = draft.nodes.get(other).map(|n| n.name.clone()).unwrap_or_default();
                draft.error(
                    mac.span,
                    format!("the MAC address {} is that of `{other}` already", mac.value),
                    None,
                );
            }
        },
    );
    for node in 0..draft.nodes.len() {
        let Some(slot) = draft.nodes.get_mut(node) else { continue };
        let Some(mac) = slot.spec.vf.as_ref().and_then(|vf| vf.value.mac.clone()) else { continue };
        if let Some(own) = slot.interfaces.iter_mut().find(|i| i.name == super::functions::INTERFACE) {
            own.mac = mac.value;
        }
        if let Some(other) = taken.insert(mac.value, node) {
            let other = draft.nodes.get(other).map(|n| n.name.clone()).unwrap_or_default();
            let message = format!("the MAC address {} is that of `{other}` already", mac.value);
            draft.error(mac.span, message, None);
        }
    }
    let seed = draft.file.seed;
    let mut taken: BTreeSet<Mac> = taken.into_keys().collect();
    // A real interface has its own.
    for node in draft.nodes.iter_mut().filter(|node| node.nic().is_none()) {
        for interface in node.interfaces.iter_mut().filter(|i| i.mac == Mac([0; 6])) {
            let tries = (0..u32::MAX).map(|again| Mac::derive(seed, &node.name, &interface.name, again));
            interface.mac = tries.into_iter().find(|mac| taken.insert(*mac)).unwrap_or(interface.mac);
        }
    }
}

/// Chooses the subnets of every domain that needs them.
fn subnets(draft: &mut Draft<'_>, domains: &mut [DraftDomain], written: &[Written]) {
    let bare: BTreeSet<_> =
        written.iter().filter(|w| w.len.is_none()).map(|w| (w.node, w.interface)).collect();
    let mut by_tenant: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, domain) in domains.iter().enumerate() {
        by_tenant.entry(domain.tenant).or_default().push(i);
    }
    let mut taken: BTreeMap<usize, BTreeSet<Cidr>> = BTreeMap::new();
    for w in written {
        let interface = draft.nodes.get(w.node).and_then(|n| n.interfaces.get(w.interface));
        if let (Some(interface), Some(len)) = (interface, w.len) {
            taken.entry(interface.tenant).or_default().insert(Cidr { ip: w.ip, len }.network());
        }
    }
    for (tenant, indices) in by_tenant {
        let mut taken = taken.remove(&tenant).unwrap_or_default();
        taken.extend(indices.iter().filter_map(|i| domains.get(*i)).flat_map(|d| d.written.iter().copied()));
        for family in Family::BOTH {
            let taken = taken.iter().copied().filter(|t| t.family() == family).collect();
            choose(draft, domains, &indices, family, taken, &bare);
        }
    }
}

/// The pool of a family: the lab's `subnet:` or what is usual.
fn pool(draft: &Draft<'_>, family: Family) -> Cidr {
    let own = draft.file.subnet.iter().map(|s| s.value).find(|s| s.family() == family);
    own.unwrap_or(match family {
        Family::Ipv4 => POOL_V4,
        Family::Ipv6 => POOL_V6,
    })
}

fn choose(
    draft: &mut Draft<'_>,
    domains: &mut [DraftDomain],
    indices: &[usize],
    family: Family,
    mut taken: Vec<Cidr>,
    bare: &BTreeSet<(usize, usize)>,
) {
    let pool = pool(draft, family);
    let single = indices.len() == 1;
    let mut waiting = Vec::new();
    for index in indices {
        let Some(domain) = domains.get_mut(*index) else { continue };
        if let Some(own) = domain.written.iter().find(|w| w.family() == family) {
            domain.domain.subnets.push(*own);
            continue;
        }
        let needs = |(n, i): &(usize, usize)| {
            let automatic =
                draft.nodes.get(*n).and_then(|n| n.interfaces.get(*i)).is_some_and(|i| i.automatic);
            automatic || (family == Family::Ipv4 && bare.contains(&(*n, *i)))
        };
        if !domain.members.iter().any(needs) {
            continue;
        }
        if single {
            let len = if family == Family::Ipv6 { pool.len.max(64) } else { pool.len };
            domain.domain.subnets.push(Cidr { ip: pool.ip, len });
            continue;
        }
        let len = length_for(family, domain.members.len() as u64 + 1);
        match running_subnet(draft, domain, family)
            .filter(|s| s.len <= len && s.len > pool.len && pool.contains(s.ip))
        {
            Some(kept) if taken.iter().all(|t| !t.overlaps(kept)) => {
                taken.push(kept);
                domain.domain.subnets.push(kept);
            }
            _ => waiting.push((*index, len)),
        }
    }
    let mut free = Subnets::new(pool, taken);
    for (index, len) in waiting {
        let Some(domain) = domains.get_mut(index) else { continue };
        match free.take(len) {
            Some(subnet) => domain.domain.subnets.push(subnet),
            None => {
                let span = draft.file.subnet.iter().find(|s| s.value.family() == family).map(|s| s.span);
                let message = format!("{pool} has no free /{len} left for `{}`", domain.domain.of);
                draft.error_unless(
                    Gaps::ALL,
                    span.unwrap_or_default(),
                    message,
                    Some("give the lab a larger `subnet:`"),
                );
                return;
            }
        }
    }
}

/// A /24, or as much shorter as the members need; a /64.
fn length_for(family: Family, members: u64) -> u8 {
    match family {
        Family::Ipv4 => (1..=24).rev().find(|len| (1u64 << (32 - len)) >= members + 2).unwrap_or(1),
        Family::Ipv6 => 64,
    }
}

/// The subnet that the running lab has for a domain: that of the first member with an address from it.
fn running_subnet(draft: &Draft<'_>, domain: &DraftDomain, family: Family) -> Option<Cidr> {
    domain.members.iter().find_map(|(n, i)| {
        let node = draft.nodes.get(*n)?;
        let interface = node.interfaces.get(*i)?;
        let running = draft.running.interfaces.get(&(node.name.as_str(), interface.name.as_str()))?;
        let address = running.addresses.iter().find(|a| a.family() == family)?;
        (running.automatic && interface.automatic).then(|| address.network())
    })
}

/// Puts the written addresses in place; each once in its domain.
fn settle_written(draft: &mut Draft<'_>, domains: &[DraftDomain], written: &[Written]) {
    let mut seen: BTreeMap<(usize, IpAddr), usize> = BTreeMap::new();
    for w in written {
        let Some(found) = draft.nodes.get(w.node).and_then(|n| n.interfaces.get(w.interface)) else {
            continue;
        };
        let domain = found.domain;
        let family = Family::of(w.ip);
        let subnet = domains.get(domain).and_then(|d| d.domain.subnets.iter().find(|s| s.family() == family));
        let Some(len) = w.len.or_else(|| subnet.map(|s| s.len)) else {
            let hint = format!("write `{}/{}`", w.ip, if family == Family::Ipv4 { 24 } else { 64 });
            draft.error_unless(
                Gaps::ALL,
                w.span,
                format!("the length of the prefix of {} is not known", w.ip),
                Some(&hint),
            );
            continue;
        };
        if let (None, Some(subnet)) = (w.len, subnet.filter(|s| !s.contains(w.ip))) {
            let hint = format!("choose one of it, or write the length: `{}/{len}`", w.ip);
            draft.error_unless(
                Gaps::ALL,
                w.span,
                format!("{} is not in the subnet {subnet}", w.ip),
                Some(&hint),
            );
            continue;
        }
        let cidr = Cidr { ip: w.ip, len };
        let host = cidr.host_number();
        if family == Family::Ipv4 && len < 31 && (host == 0 || host > cidr.hosts()) {
            let what = if host == 0 { "the network itself" } else { "the broadcast address" };
            draft.error(w.span, format!("{cidr} is {what}, not the address of a host"), None);
            continue;
        }
        if let Some(other) = seen.insert((domain, w.ip), w.node) {
            let other = draft.nodes.get(other).map(|n| n.name.clone()).unwrap_or_default();
            draft.error_unless(
                Gaps::DOMAINS,
                w.span,
                format!("the address {} is that of `{other}` already", w.ip),
                Some("an address is unique in its broadcast domain"),
            );
            continue;
        }
        if let Some(interface) = draft.nodes.get_mut(w.node).and_then(|n| n.interfaces.get_mut(w.interface)) {
            interface.addresses.push(cidr);
        }
    }
}

/// Numbers the interfaces of a domain that have no written address.
fn automatic(draft: &mut Draft<'_>, domain: &DraftDomain) {
    let subnets = &domain.domain.subnets;
    let mut used = BTreeSet::new();
    let mut waiting = Vec::new();
    let mut gateways = Vec::new();
    for (n, i) in &domain.members {
        let Some(node) = draft.nodes.get(*n) else { continue };
        let Some(interface) = node.interfaces.get(*i) else { continue };
        if !interface.automatic {
            let within = |a: &&Cidr| subnets.iter().any(|s| s.contains(a.ip));
            used.extend(interface.addresses.iter().filter(within).filter_map(|a| {
                let subnet = subnets.iter().find(|s| s.contains(a.ip))?;
                Some(Cidr { ip: a.ip, len: subnet.len }.host_number())
            }));
            continue;
        }
        waiting.push((*n, *i, running_number(draft, &node.name, &interface.name, subnets)));
    }
    // Those that run first: nobody else gets their number.
    let mut rest = Vec::new();
    for (n, i, kept) in waiting {
        match kept.filter(|number| used.insert(*number)) {
            Some(number) => place(draft, n, i, subnets, number),
            None if draft.nodes.get(n).is_some_and(|node| node.gateway_of.is_some()) => gateways.push((n, i)),
            None => rest.push((n, i)),
        }
    }
    let most = subnets.iter().map(|s| s.hosts()).min().unwrap_or(0);
    // Gateways from the top, as people write them.
    let mut last = most;
    for (n, i) in gateways {
        while last > 0 && used.contains(&last) {
            last -= 1;
        }
        // Of a full subnet the nodes complain below.
        if last > 0 && used.insert(last) {
            place(draft, n, i, subnets, last);
        } else {
            rest.push((n, i));
        }
    }
    let mut next = 1u64;
    for (n, i) in rest {
        while used.contains(&next) {
            next += 1;
        }
        if next > most && !subnets.is_empty() {
            let span = draft.nodes.get(n).map(|n| n.span).unwrap_or_default();
            let list: Vec<_> = subnets.iter().map(ToString::to_string).collect();
            draft.error_unless(
                Gaps::ALL,
                span,
                format!("{} has no free address left", list.join(" or ")),
                Some("give it a larger `subnet:`"),
            );
            return;
        }
        place(draft, n, i, subnets, next);
        next += 1;
    }
}

fn running_number(draft: &Draft<'_>, node: &str, interface: &str, subnets: &[Cidr]) -> Option<u64> {
    let running = draft.running.interfaces.get(&(node, interface)).filter(|i| i.automatic)?;
    let address = running.addresses.first()?;
    let subnet = subnets.iter().find(|s| s.contains(address.ip))?;
    let number = Cidr { ip: address.ip, len: subnet.len }.host_number();
    (1..=subnet.hosts()).contains(&number).then_some(number)
}

fn place(draft: &mut Draft<'_>, node: usize, interface: usize, subnets: &[Cidr], number: u64) {
    if let Some(interface) = draft.nodes.get_mut(node).and_then(|n| n.interfaces.get_mut(interface)) {
        interface.addresses = subnets.iter().map(|s| s.nth(number)).collect();
    }
}
