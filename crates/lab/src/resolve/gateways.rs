//! The gateways of networks with `internet: true`: nodes that nobody writes.

use std::rc::Rc;

use super::things::add_node;
use super::{Draft, Thing};
use crate::error::Spanned;
use crate::file::{NodeSpec, RouteSpec};
use crate::names::split_full;

/// What follows a network's name in that of its gateway.
const SUFFIX: &str = "-gw";

/// Adds them behind the nodes of the file, so that they change nobody's port or address.
pub(super) fn add(draft: &mut Draft<'_>) {
    for index in 0..draft.networks.len() {
        let Some(network) = draft.networks.get(index) else { continue };
        let (switch, tenant) = (network.switch, network.tenant);
        let Some(entry) = draft.file.networks.get(network.entry).filter(|entry| entry.internet) else {
            continue;
        };
        let span = entry.pattern.span;
        let Some(of) = draft.switches.get(switch).map(|switch| switch.name.clone()) else { continue };
        let name = format!("{of}{SUFFIX}");
        if split_full(&name).1.len() > LABEL {
            let message = format!("`{of}` is too long a name for a network with `internet`");
            draft.error(
                span,
                message,
                Some("its gateway is called NAME-gw, and a name has 63 letters at most"),
            );
            continue;
        }
        if draft.names.contains_key(&name) {
            draft.taken(&name, span);
            continue;
        }
        if draft.too_many(span) {
            return;
        }
        let own = Spanned::new(split_full(&of).1.to_owned(), span);
        // It reaches nodes behind routers of the lab as other nodes do.
        let (networks, port) = (Some(vec![own]), draft.file.node_defaults.port);
        let spec = NodeSpec { networks, routes: Some(RouteSpec::Auto), port, ..NodeSpec::default() };
        let line = draft.file.line(span);
        if let Thing::Node(node) = add_node(draft, name, tenant, Rc::new(spec), span, line)
            && let Some(node) = draft.nodes.get_mut(node)
        {
            node.gateway_of = Some(switch);
        }
    }
}

/// The longest label of a name (RFC 1035 §2.3.4).
const LABEL: usize = 63;
