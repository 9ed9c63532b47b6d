//! Nodes, with what they inherit: of their group, their kind, and the defaults.

use netloom_lab::Span;

use super::{MANAGEMENT, exec};
use crate::made::{Made, Map};
use crate::outside::variables;
use crate::published;
use crate::read::{Field, Reading, find};

/// What a node becomes.
pub(super) enum Kind {
    /// A switch.
    Bridge,
    /// A container, with or without the network for management.
    Host { managed: bool },
}

/// `defaults`, `kinds` and `groups`.
#[derive(Debug, Default)]
pub(super) struct Shared<'n> {
    defaults: Vec<Field<'n>>,
    kinds: Vec<Field<'n>>,
    groups: Vec<Field<'n>>,
}

impl<'n> Shared<'n> {
    pub(super) fn of(reading: &mut Reading<'_>, topology: &[Field<'n>]) -> Self {
        let mut part = |name: &str| {
            let field = find(topology, name);
            field.map(|field| reading.fields(field.node, name)).unwrap_or_default()
        };
        Self { defaults: part("defaults"), kinds: part("kinds"), groups: part("groups") }
    }

    /// All keys of a node; the same key may come several times, the node's own first.
    pub(super) fn keys(&self, reading: &mut Reading<'_>, node: Field<'n>) -> Vec<Field<'n>> {
        let mut keys = reading.fields(node.node, "a node");
        let text = |keys: &[Field<'n>], name: &str| find(keys, name).and_then(|field| field.node.text());
        let mut inherited = Vec::new();
        let group = text(&keys, "group").or_else(|| text(&self.defaults, "group"));
        if let Some(group) = group.and_then(|name| find(&self.groups, name)) {
            inherited.extend(reading.fields(group.node, "a group"));
        }
        let kind =
            text(&keys, "kind").or_else(|| text(&inherited, "kind")).or_else(|| text(&self.defaults, "kind"));
        if let Some(kind) = kind.and_then(|name| find(&self.kinds, name)) {
            inherited.extend(reading.fields(kind.node, "a kind"));
        }
        inherited.extend(&self.defaults);
        keys.extend(inherited);
        keys
    }
}

/// What kind of thing it is.
pub(super) fn kind(reading: &mut Reading<'_>, node: Field<'_>, keys: &[Field<'_>]) -> Kind {
    let text = find(keys, "kind").and_then(|field| reading.text(field)).unwrap_or_default();
    let mode = find(keys, "network-mode").and_then(|field| reading.text(field));
    if let Some(mode) = mode.filter(|mode| mode != "none") {
        let why = format!("network mode `{mode}` is not carried over");
        reading.note(node.span, format!("topology.nodes.{}", node.name), why);
    }
    match text.as_str() {
        "bridge" | "ovs-bridge" => Kind::Bridge,
        "linux" => Kind::Host { managed: find(keys, "network-mode").is_none() },
        other => {
            let why = format!(
                "the kind `{other}` has set-up of its own, which is not carried over: a plain container"
            );
            reading.note(node.span, format!("topology.nodes.{}", node.name), why);
            Kind::Host { managed: find(keys, "network-mode").is_none() }
        }
    }
}

/// Makes the node.
pub(super) fn node(reading: &mut Reading<'_>, node: Field<'_>, keys: &[Field<'_>], managed: bool) -> Map {
    let path = format!("topology.nodes.{}", node.name);
    let mut map = Map::default();
    match find(keys, "image").and_then(|field| reading.text(field)) {
        Some(image) => map.text("image", image),
        None => reading.error(node.span, format!("the node `{}` has no image", node.name), None),
    }
    // As there: the commands set addresses and routes.
    map.put("privileged", Made::Bare("true".to_owned()));
    environment(reading, keys, &mut map);
    let own = run(reading, keys, &mut map);
    place(reading, keys, managed, own, &mut map);
    let mut seen: Vec<&str> = Vec::new();
    for field in keys {
        // Of what is inherited, the nearest counts.
        if seen.contains(&field.name) {
            continue;
        }
        seen.push(field.name);
        let what = format!("{path}.{}", field.name);
        match field.name {
            "kind" | "image" | "group" | "env" | "env-files" | "exec" | "mgmt-ipv4" | "mgmt-ipv6"
            | "mgmt_ipv4" | "mgmt_ipv6" | "network-mode" | "sysctls" | "binds" | "image-pull-policy"
            | "auto-remove" => {}
            "cmd" | "entrypoint" | "user" => {
                if let Some(text) = reading.text(*field) {
                    map.text(field.name, text);
                }
            }
            "ports" => ports(reading, *field, &what, &mut map),
            "cpu" => limit(reading, "cpu", *field, &mut map),
            "cpu-set" => limit(reading, "cpuset", *field, &mut map),
            "memory" => limit(reading, "memory", *field, &mut map),
            "restart-policy" => match reading.text(*field).as_deref() {
                Some("always" | "unless-stopped") => map.text("restart", "always"),
                Some("on-failure") => map.text("restart", "on-failure"),
                _ => {}
            },
            _ => reading.note(field.span, what, "not carried over"),
        }
    }
    joined(reading, keys, "sysctls", "sysctl", &mut map);
    map.list("volumes", binds(reading, keys, &path));
    map.limits_as_docker();
    map
}

/// Variables: files first, then what is inherited, then the node's own.
fn environment(reading: &mut Reading<'_>, keys: &[Field<'_>], map: &mut Map) {
    let mut all: Vec<(String, String)> = Vec::new();
    let outside = reading.outside;
    for field in keys.iter().rev().filter(|field| field.name == "env-files") {
        for path in reading.texts(*field) {
            match outside.file(&path) {
                Some(text) => all.extend(variables(&text, |name| outside.variable(name))),
                None => reading.error(field.node.span, format!("`{path}` cannot be read"), None),
            }
        }
    }
    for field in keys.iter().rev().filter(|field| field.name == "env") {
        let pairs = reading.pairs(*field);
        all.extend(pairs.into_iter().map(|(name, value)| (name, value.unwrap_or_default())));
    }
    map.map("env", last_of_each(all));
}

/// Maps that are joined, the nearest winning.
fn joined(reading: &mut Reading<'_>, keys: &[Field<'_>], from: &str, to: &str, map: &mut Map) {
    let mut all = Vec::new();
    for field in keys.iter().rev().filter(|field| field.name == from) {
        all.extend(reading.pairs(*field).into_iter().map(|(name, value)| (name, value.unwrap_or_default())));
    }
    map.map(to, last_of_each(all));
}

fn last_of_each(all: Vec<(String, String)>) -> Map {
    let mut map = Map::default();
    for (at, (name, value)) in all.iter().enumerate() {
        if all.iter().skip(at + 1).all(|(later, _)| later != name) {
            map.text(name, value.clone());
        }
    }
    map
}

/// Commands of all levels, the outermost first; those that set an address become one of the node's.
fn run(reading: &mut Reading<'_>, keys: &[Field<'_>], map: &mut Map) -> Vec<(String, String)> {
    let (mut commands, mut addresses) = (Vec::new(), Vec::new());
    for field in keys.iter().rev().filter(|field| field.name == "exec") {
        for command in reading.texts(*field) {
            match exec::address(&command) {
                Some(address) => addresses.push(address),
                None => commands.push(command),
            }
        }
    }
    map.list("run", commands);
    addresses
}

/// Networks and addresses.
fn place(
    reading: &mut Reading<'_>,
    keys: &[Field<'_>],
    managed: bool,
    own: Vec<(String, String)>,
    map: &mut Map,
) {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    let mut add =
        |interface: String, address: String| match all.iter_mut().find(|(known, _)| *known == interface) {
            Some((_, addresses)) => addresses.push(address),
            None => all.push((interface, vec![address])),
        };
    if managed {
        map.list("networks", vec![MANAGEMENT.to_owned()]);
        for name in ["mgmt-ipv4", "mgmt_ipv4", "mgmt-ipv6", "mgmt_ipv6"] {
            if let Some(address) = find(keys, name).and_then(|field| reading.text(field)) {
                add("eth0".to_owned(), address);
            }
        }
    }
    own.into_iter().for_each(|(interface, address)| add(interface, address));
    let mut ip = Map::default();
    all.into_iter().for_each(|(interface, addresses)| ip.list(&interface, addresses));
    map.map("ip", ip);
}

/// Binds of all levels; those of one place nearer win.
fn binds(reading: &mut Reading<'_>, keys: &[Field<'_>], path: &str) -> Vec<String> {
    let mut all: Vec<(String, String)> = Vec::new();
    for field in keys.iter().filter(|field| field.name == "binds") {
        for text in reading.texts(*field) {
            if let Some((target, bind)) = bind(reading, &text, field.span, path)
                && all.iter().all(|(known, _)| *known != target)
            {
                all.push((target, bind));
            }
        }
    }
    all.into_iter().map(|(_, bind)| bind).collect()
}

fn bind(reading: &mut Reading<'_>, text: &str, span: Span, path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, mode) = match parts[..] {
        [source, target] => (source, target, ""),
        [source, target, mode] => (source, target, mode),
        _ => {
            reading.note(span, format!("{path}.binds"), format!("`{text}` is not carried over"));
            return None;
        }
    };
    if text.contains("__clab") {
        reading.note(
            span,
            format!("{path}.binds"),
            format!("`{text}` is not carried over: it is containerlab's own"),
        );
        return None;
    }
    let source = if source.starts_with(['/', '.']) { source.to_owned() } else { format!("./{source}") };
    let read_only = if mode.split(',').any(|word| word == "ro") { ":ro" } else { "" };
    Some((target.to_owned(), format!("{source}:{target}{read_only}")))
}

fn limit(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    let Some(text) = reading.text(field) else { return };
    match (key, crate::size::bytes(&text)) {
        ("memory", Some(bytes)) => map.memory(bytes),
        ("memory", None) => {
            reading.error(field.node.span, format!("`{text}` is no size"), Some("such as 512m or 2g"));
        }
        _ => map.limit(key, &text),
    }
}

/// Ports published on the machine, in Docker's words.
fn ports(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let mut all = Vec::new();
    for text in reading.texts(field) {
        match published::forward(&text) {
            Some(port) => all.push(port),
            None => reading.error(
                field.node.span,
                format!("`{text}` is no port to publish"),
                Some("such as 8080:80"),
            ),
        }
    }
    published::put(reading, field.span, what, all, map);
}
