//! Routes: written ones, gateways, the default through the only router there is, and `routes: auto`.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Draft, DraftNode};
use crate::address::{Cidr, Family};
use crate::error::{Span, Spanned};
use crate::file::{Gaps, RouteSpec, WrittenRoute};
use crate::lab::{Domain, Route};

/// The most routes that `routes: auto` may make in a lab.
const MAX_ROUTES: usize = 1_000_000;

/// The routes of every node, in the order of the nodes.
pub(super) fn compute(draft: &mut Draft<'_>, domains: &[Domain]) -> Vec<Vec<Route>> {
    let map = Map::new(draft, domains.len());
    let mut out = Vec::with_capacity(draft.nodes.len());
    let mut made = 0usize;
    for index in 0..draft.nodes.len() {
        let Some(node) = draft.nodes.get(index) else { continue };
        let spec = node.spec.clone();
        let mut routes = Vec::new();
        for gateway in spec.gateway.iter().flatten() {
            check_gateway(draft, index, gateway.value, gateway.span);
            routes.push(default_route(gateway.value, None));
        }
        match &spec.routes {
            Some(RouteSpec::List(list)) => {
                routes.extend(list.iter().map(|route| written(draft, index, route)))
            }
            Some(RouteSpec::Auto) => {
                routes.extend(map.shortest_paths(draft, index));
                made += routes.len();
                if made > MAX_ROUTES {
                    let span = draft.nodes.get(index).map(|n| n.span).unwrap_or_default();
                    let hint = "give fewer nodes `routes: auto`, or join more of them by switches";
                    draft.error(
                        span,
                        format!("`routes: auto` makes more than {MAX_ROUTES} routes"),
                        Some(hint),
                    );
                    return vec![Vec::new(); draft.nodes.len()];
                }
            }
            // The machine's own routes are none of the lab's.
            None if spec.interface.is_some() => {}
            None if spec.gateway.is_none() && spec.forward.is_none_or(|f| !f) => {
                routes.extend(map.only_router(draft, index));
                if routes.is_empty() {
                    routes.extend(map.way_out(draft, index));
                }
            }
            None => {}
        }
        out.push(routes);
    }
    out
}

fn default_route(via: IpAddr, dev: Option<String>) -> Route {
    let any = match via {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Route { to: Cidr { ip: any, len: 0 }, via: Some(via), dev, metric: None }
}

fn written(draft: &mut Draft<'_>, node: usize, route: &Spanned<WrittenRoute>) -> Route {
    let WrittenRoute { to, via, dev, metric } = &route.value;
    if let Some(via) = via {
        check_gateway(draft, node, *via, route.span);
    }
    if let Some(dev) = dev
        && let Some(found) = draft.nodes.get(node)
        && found.interfaces.iter().all(|i| i.name != *dev)
    {
        let names: Vec<_> = found.interfaces.iter().map(|i| i.name.clone()).collect();
        let message = format!("`{}` has no interface `{dev}`", found.name);
        draft.error_unless(
            Gaps::THINGS | Gaps::LINKS,
            route.span,
            message,
            Some(&format!("it has {}", names.join(", "))),
        );
    }
    let any = via.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let to = to.map_or_else(|| default_route(any, None).to, |(ip, len)| Cidr { ip, len });
    Route { to, via: *via, dev: dev.clone(), metric: *metric }
}

/// The kernel takes a gateway only if an interface has an address in its network.
fn check_gateway(draft: &mut Draft<'_>, node: usize, via: IpAddr, span: Span) {
    let Some(found) = draft.nodes.get(node) else { return };
    let link_local = matches!(via, IpAddr::V6(ip) if ip.segments()[0] & 0xffc0 == 0xfe80);
    let mut addresses = found.interfaces.iter().flat_map(|i| &i.addresses);
    if link_local || addresses.clone().next().is_none() || addresses.any(|a| a.contains(via)) {
        return;
    }
    let own: Vec<_> = found.interfaces.iter().flat_map(|i| &i.addresses).map(ToString::to_string).collect();
    let message =
        format!("`{}` cannot reach the gateway {via}: it has no address in that network", found.name);
    draft.error_unless(Gaps::ALL, span, message, Some(&format!("its addresses are {}", own.join(", "))));
}

/// Who forwards where.
struct Map {
    /// For each domain its forwarding members: `(node, interface)`.
    routers: Vec<Vec<(usize, usize)>>,
    /// For each domain the networks of its members' addresses.
    networks: Vec<BTreeSet<Cidr>>,
    /// For each domain the gateways that lead out of it: `(node, interface)`.
    gateways: Vec<Vec<(usize, usize)>>,
}

/// How to leave a node: the next hop and the index of the interface.
#[derive(Clone, Copy)]
struct Hop {
    via: IpAddr,
    dev: usize,
}

/// How to get to a domain.
enum Way {
    /// By an interface of the node itself.
    Own(usize),
    /// Through a router.
    Through(Hop),
}

impl Map {
    fn new(draft: &Draft<'_>, domains: usize) -> Self {
        let mut map = Self {
            routers: vec![Vec::new(); domains],
            networks: vec![BTreeSet::new(); domains],
            gateways: vec![Vec::new(); domains],
        };
        for (n, node) in draft.nodes.iter().enumerate() {
            for (i, interface) in node.interfaces.iter().enumerate() {
                if let (true, Some(routers)) = (forwards(node), map.routers.get_mut(interface.domain)) {
                    routers.push((n, i));
                }
                if let (true, Some(gateways)) =
                    (node.gateway_of.is_some(), map.gateways.get_mut(interface.domain))
                {
                    gateways.push((n, i));
                }
                if let Some(networks) = map.networks.get_mut(interface.domain) {
                    networks.extend(interface.addresses.iter().map(|a| a.network()));
                }
            }
        }
        map
    }

    /// The default routes of a node whose domains hold exactly one forwarding node, in each family the two share.
    fn only_router(&self, draft: &Draft<'_>, node: usize) -> Vec<Route> {
        let Some(found) = draft.nodes.get(node) else { return Vec::new() };
        let around = found.interfaces.iter().filter_map(|i| self.routers.get(i.domain));
        let nodes: BTreeSet<usize> = around.flatten().map(|(n, _)| *n).take(1_000).collect();
        let (Some(router), 1) = (nodes.first(), nodes.len()) else { return Vec::new() };
        let hop = |family| {
            found.interfaces.iter().find_map(|i| {
                let on = self.routers.get(i.domain)?.iter().find(|(n, _)| n == router)?;
                address_for(draft, on, &i.addresses, family)
            })
        };
        Family::BOTH.into_iter().filter_map(hop).map(|via| default_route(via, None)).collect()
    }

    /// The default routes of a node through the gateway of the first of its networks that has one; an error if it has no
    /// address in that network's subnets.
    fn way_out(&self, draft: &mut Draft<'_>, node: usize) -> Vec<Route> {
        let Some(found) = draft.nodes.get(node) else { return Vec::new() };
        let gateways =
            found.interfaces.iter().filter_map(|i| Some((i, self.gateways.get(i.domain)?.first()?)));
        let Some((interface, gateway)) = gateways.into_iter().next() else { return Vec::new() };
        let span = found.span;
        let hop = |family| address_for(draft, gateway, &interface.addresses, family);
        let hops: Vec<IpAddr> = Family::BOTH.into_iter().filter_map(hop).collect();
        if hops.is_empty() && !interface.addresses.is_empty() {
            let own: Vec<_> = interface.addresses.iter().map(ToString::to_string).collect();
            let name = draft.nodes.get(gateway.0).map_or("", |n| n.name.as_str());
            let message =
                format!("`{}` cannot reach the gateway `{name}`: it has only {}", found.name, own.join(", "));
            let hint = "give the network the `subnet:` of its nodes, or the node a `gateway:` of its own";
            draft.error_unless(Gaps::ALL, span, message, Some(hint));
        }
        hops.into_iter().map(|via| default_route(via, None)).collect()
    }

    /// Routes to every network that forwarding nodes lead to, each by the fewest hops.
    fn shortest_paths(&self, draft: &Draft<'_>, node: usize) -> Vec<Route> {
        let mut routes: Vec<_> =
            Family::BOTH.into_iter().flat_map(|family| self.paths(draft, node, family)).collect();
        routes.sort_by_key(|route| route.to);
        routes
    }

    fn paths(&self, draft: &Draft<'_>, node: usize, family: Family) -> Vec<Route> {
        let Some(found) = draft.nodes.get(node) else { return Vec::new() };
        let mut known: BTreeSet<Cidr> =
            found.interfaces.iter().flat_map(|i| &i.addresses).map(|a| a.network()).collect();
        let mut seen = vec![false; self.routers.len()];
        found.interfaces.iter().for_each(|i| {
            first(&mut seen, i.domain);
        });
        let mut routers_seen = vec![false; draft.nodes.len()];
        first(&mut routers_seen, node);
        let mut routes = Vec::new();
        // Domains to go on from, nearest first, and how to get there.
        let mut queue: VecDeque<(usize, Way)> =
            found.interfaces.iter().enumerate().map(|(i, own)| (own.domain, Way::Own(i))).collect();
        while let Some((domain, way)) = queue.pop_front() {
            for on in self.routers.get(domain).into_iter().flatten() {
                let hop = match &way {
                    Way::Own(dev) => found.interfaces.get(*dev).and_then(|own| {
                        Some(Hop { via: address_for(draft, on, &own.addresses, family)?, dev: *dev })
                    }),
                    Way::Through(hop) => Some(*hop),
                };
                let (Some(hop), Some(router)) = (hop, draft.nodes.get(on.0)) else { continue };
                let has_family = router
                    .interfaces
                    .get(on.1)
                    .is_some_and(|i| i.addresses.iter().any(|a| a.family() == family));
                if !has_family || !first(&mut routers_seen, on.0) {
                    continue;
                }
                for next in &router.interfaces {
                    if !next.addresses.iter().any(|a| a.family() == family) || !first(&mut seen, next.domain)
                    {
                        continue;
                    }
                    for to in
                        self.networks.get(next.domain).into_iter().flatten().filter(|n| n.family() == family)
                    {
                        if known.insert(*to) {
                            let dev = found.interfaces.get(hop.dev).map(|i| i.name.clone());
                            let via = Some(hop.via);
                            routes.push(Route { to: *to, via, dev, metric: None });
                        }
                    }
                    queue.push_back((next.domain, Way::Through(hop)));
                }
            }
        }
        routes
    }
}

/// Marks an index; whether it was not marked before.
fn first(seen: &mut [bool], index: usize) -> bool {
    seen.get_mut(index).is_some_and(|seen| !std::mem::replace(seen, true))
}

fn forwards(node: &DraftNode) -> bool {
    node.spec.forward.unwrap_or(false)
}

/// The address of a router's interface that is in a network of `own`.
fn address_for(draft: &Draft<'_>, on: &(usize, usize), own: &[Cidr], family: Family) -> Option<IpAddr> {
    let interface = draft.nodes.get(on.0)?.interfaces.get(on.1)?;
    let shared = |a: &&Cidr| a.family() == family && own.iter().any(|o| o.contains(a.ip) && a.contains(o.ip));
    interface.addresses.iter().find(shared).map(|a| a.ip)
}
