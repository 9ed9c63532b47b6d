//! Tenants, nodes, switches and networks: which there are, and by which name.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Draft, DraftNetwork, DraftNode, DraftSwitch, Thing};
use crate::error::{Span, did_you_mean};
use crate::file::{Gaps, NodeSpec, SwitchSpec};
use crate::names::{DEFAULT_TENANT, MAX_NAMES, Pattern, full_name, split_full};

/// Fills in tenants, nodes, switches and networks.
pub(super) fn collect(draft: &mut Draft<'_>) {
    tenants(draft);
    let parts = draft.file.topology.as_ref().map(|t| t.value.parts()).unwrap_or_default();
    // What a topology made may be refined once by the file; everything else exists once.
    let mut refinable = BTreeMap::new();
    let span = draft.file.topology.as_ref().map(|t| t.span).unwrap_or_default();
    let node_defaults = Rc::new(draft.file.node_defaults.clone());
    for name in parts.hosts {
        let thing = add_node(draft, name.clone(), 0, Rc::clone(&node_defaults), span, 0);
        refinable.insert(name, thing);
    }
    let switch_defaults = Rc::new(draft.file.switch_defaults.clone());
    for name in parts.switches {
        let thing = add_switch(draft, name.clone(), None, Rc::clone(&switch_defaults), 0);
        refinable.insert(name, thing);
    }
    nodes(draft, &mut refinable);
    switches(draft, &mut refinable);
    networks(draft);
    names_under_netns(draft);
    aliases(draft);
}

/// A name of a node is nobody else's.
fn aliases(draft: &mut Draft<'_>) {
    let mut clashes = Vec::new();
    for node in &draft.nodes {
        for alias in node.spec.aliases.iter().flatten() {
            let tenant = split_full(&node.name).0;
            let named = full_name(Some(tenant), &alias.value);
            if named != node.name && matches!(draft.names.get(&named), Some(Thing::Node(_))) {
                clashes.push((
                    alias.span,
                    format!("`{}` cannot be `{}`, too: that is a node", node.name, alias.value),
                ));
            }
        }
    }
    clashes.into_iter().take(10).for_each(|(span, message)| draft.error(span, message, None));
}

fn tenants(draft: &mut Draft<'_>) {
    draft.tenants.push(DEFAULT_TENANT.to_owned());
    draft.tenant_index.insert(DEFAULT_TENANT.to_owned(), 0);
    for tenant in &draft.file.tenants {
        if draft.tenants.len() >= usize::from(u16::MAX) {
            draft.error(tenant.name.span, "more than 65,534 tenants", None);
            return;
        }
        let name = &tenant.name.value;
        if name != DEFAULT_TENANT {
            draft.tenant_index.insert(name.clone(), draft.tenants.len());
            draft.tenants.push(name.clone());
        }
    }
}

impl Draft<'_> {
    /// The index of a tenant; an error if there is none of that name.
    pub(super) fn tenant(&mut self, name: &str, span: Span) -> Option<usize> {
        let found = self.tenant_index.get(name).copied();
        if found.is_none() {
            let hint = did_you_mean(name, self.tenants.iter().map(String::as_str));
            let hint = hint.unwrap_or_else(|| format!("declare it: `tenants: {{ {name}: {{}} }}`"));
            self.error_unless(Gaps::THINGS, span, format!("there is no tenant `{name}`"), Some(&hint));
        }
        found
    }

    fn tenant_of(&mut self, pattern: &Pattern, span: Span) -> Option<usize> {
        pattern.tenant.clone().map_or(Some(0), |name| self.tenant(&name, span))
    }

    pub(super) fn too_many(&mut self, span: Span) -> bool {
        let many = self.names.len() >= MAX_NAMES;
        if many {
            self.error(span, format!("the lab has more than {MAX_NAMES} nodes and switches"), None);
        }
        many
    }

    /// Notes that a name is in use already.
    pub(super) fn taken(&mut self, name: &str, span: Span) {
        let what = match self.names.get(name) {
            Some(Thing::Switch(i)) if self.switches.get(*i).is_some_and(|s| s.network.is_some()) => "network",
            Some(Thing::Switch(_)) => "switch",
            _ => "node",
        };
        let message = format!("the name `{name}` is taken: there is a {what} of that name");
        self.error(
            span,
            message,
            Some("names are unique among the nodes, switches and networks of a tenant"),
        );
    }
}

fn nodes(draft: &mut Draft<'_>, refinable: &mut BTreeMap<String, Thing>) {
    let file = draft.file;
    let mut expanded = 0;
    for entry in &file.nodes {
        expanded += entry.pattern.value.count();
        if draft.reader.is_full() || expanded > 2 * MAX_NAMES as u64 {
            let message = format!("the lab has more than {MAX_NAMES} nodes and switches");
            draft.error(entry.pattern.span, message, None);
            return;
        }
        let span = entry.pattern.span;
        let Some(tenant) = draft.tenant_of(&entry.pattern.value, span) else { continue };
        // What nodes have by default is for those that netloom makes.
        let is_nic = entry.spec.interface.is_some();
        let spec = Rc::new(if is_nic { entry.spec.clone() } else { entry.spec.over(&file.node_defaults) });
        let line = file.line(span);
        for name in entry.pattern.value.expand_full() {
            match refinable.remove(&name) {
                Some(Thing::Node(i)) => {
                    if let Some(node) = draft.nodes.get_mut(i) {
                        (node.spec, node.span, node.line) = (Rc::clone(&spec), span, line);
                    }
                }
                _ if draft.names.contains_key(&name) => draft.taken(&name, span),
                _ if draft.too_many(span) => return,
                _ => {
                    add_node(draft, name, tenant, Rc::clone(&spec), span, line);
                }
            }
        }
    }
}

fn switches(draft: &mut Draft<'_>, refinable: &mut BTreeMap<String, Thing>) {
    let file = draft.file;
    for entry in &file.switches {
        if draft.reader.is_full() {
            return;
        }
        let span = entry.pattern.span;
        let spec = Rc::new(entry.spec.over(&file.switch_defaults));
        let line = file.line(span);
        for name in entry.pattern.value.expand() {
            match refinable.remove(&name) {
                Some(Thing::Switch(i)) => {
                    if let Some(switch) = draft.switches.get_mut(i) {
                        (switch.spec, switch.line) = (Rc::clone(&spec), line);
                    }
                }
                _ if draft.names.contains_key(&name) => draft.taken(&name, span),
                _ if draft.too_many(span) => return,
                _ => {
                    add_switch(draft, name, None, Rc::clone(&spec), line);
                }
            }
        }
    }
}

/// Every network is a switch of its own.
fn networks(draft: &mut Draft<'_>) {
    let file = draft.file;
    for (index, entry) in file.networks.iter().enumerate() {
        let span = entry.pattern.span;
        let Some(tenant) = draft.tenant_of(&entry.pattern.value, span) else { continue };
        for name in entry.pattern.value.expand() {
            let name = full_name(draft.tenants.get(tenant).map(String::as_str), &name);
            if draft.names.contains_key(&name) {
                draft.taken(&name, span);
                continue;
            }
            if draft.too_many(span) {
                return;
            }
            let network = draft.networks.len();
            let spec = Rc::new(file.switch_defaults.clone());
            let line = file.line(span);
            if let Thing::Switch(switch) = add_switch(draft, name, Some(network), spec, line) {
                draft.networks.push(DraftNetwork { tenant, switch, entry: index });
            }
        }
    }
}

/// Two nodes cannot have one name under /run/netns.
fn names_under_netns(draft: &mut Draft<'_>) {
    let mut seen = BTreeMap::new();
    let mut clashes = Vec::new();
    for node in &draft.nodes {
        if let Some(name) = &node.spec.netns
            && let Some(other) = seen.insert(name.value.clone(), node.name.clone())
        {
            clashes.push((
                name.span,
                format!("`{other}` and `{}` would both be {} under /run/netns", node.name, name.value),
            ));
        }
    }
    clashes.into_iter().take(10).for_each(|(span, message)| draft.error(span, message, None));
}

pub(super) fn add_node(
    draft: &mut Draft<'_>,
    name: String,
    tenant: usize,
    spec: Rc<NodeSpec>,
    span: Span,
    line: u32,
) -> Thing {
    let thing = Thing::Node(draft.nodes.len());
    draft.names.insert(name.clone(), thing);
    draft.nodes.push(DraftNode {
        name,
        tenant,
        spec,
        span,
        line,
        interfaces: Vec::new(),
        gateway_of: None,
        is_cut_off: false,
    });
    thing
}

fn add_switch(
    draft: &mut Draft<'_>,
    name: String,
    network: Option<usize>,
    spec: Rc<SwitchSpec>,
    line: u32,
) -> Thing {
    let thing = Thing::Switch(draft.switches.len());
    draft.names.insert(name.clone(), thing);
    draft.switches.push(DraftSwitch { name, network, spec, line, ports: Vec::new() });
    thing
}
