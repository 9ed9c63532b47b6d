//! Networks: those of the file, and who joins which.

use netloom_lab::yaml::Value;

use crate::made::{Made, Map};
use crate::names::{Names, label};
use crate::read::{Field, Reading, find, items};

/// The networks of a file.
pub(super) struct Networks {
    names: Names,
    /// Subnets by the old name.
    subnets: Vec<(String, Vec<String>)>,
    /// Old names, in the order in which they were joined.
    joined: Vec<String>,
    /// Old names of those that lead nowhere else.
    internal: Vec<String>,
}

/// Who names no network is in this one.
const DEFAULT: &str = "default";

impl Networks {
    /// Reads `networks:` of the file.
    pub(super) fn of(reading: &mut Reading<'_>, top: &[Field<'_>]) -> Self {
        let field = find(top, "networks");
        let fields = field.map(|field| reading.fields(field.node, "`networks`")).unwrap_or_default();
        let old = fields.iter().map(|field| field.name).chain([DEFAULT]);
        let names = Names::of(old.collect::<std::collections::BTreeSet<_>>());
        let subnets = fields.iter().map(|field| (field.name.to_owned(), network(reading, *field))).collect();
        let internal = fields.iter().filter(|field| is_internal(reading, **field));
        let internal = internal.map(|field| field.name.to_owned()).collect();
        Self { names, subnets, joined: Vec::new(), internal }
    }

    /// Adds a service's networks and addresses to its node.
    ///
    /// `aliases` gets the other names that the service has in them.
    pub(super) fn join(
        &mut self,
        reading: &mut Reading<'_>,
        keys: &[Field<'_>],
        path: &str,
        (map, aliases): (&mut Map, &mut Vec<String>),
    ) {
        if let Some(mode) = find(keys, "network_mode") {
            match reading.text(mode).as_deref() {
                Some("none") => return,
                Some("bridge") | None => {}
                Some(other) => {
                    let why =
                        format!("`{other}` is not carried over: the node is in the network `{DEFAULT}`");
                    reading.note(mode.span, format!("{path}.network_mode"), why);
                }
            }
        }
        let mut all = Vec::new();
        let mut addresses = Map::default();
        for (number, (name, keys)) in memberships(reading, keys).into_iter().enumerate() {
            let Some(new) = self.names.new_name(&name) else {
                let span = find(&keys, "").map_or_else(Default::default, |field| field.span);
                reading.error(
                    span,
                    format!("{path}: there is no network `{name}`"),
                    Some("declare it under `networks:`"),
                );
                continue;
            };
            all.push(new.to_owned());
            if !self.joined.contains(&name) {
                self.joined.push(name.clone());
            }
            let mut own = Vec::new();
            for field in keys {
                match field.name {
                    "ipv4_address" | "ipv6_address" => own.extend(reading.text(field)),
                    "aliases" => aliases.extend(reading.texts(field)),
                    "priority" | "" => {}
                    other => {
                        let what = format!("{path}.networks.{name}.{other}");
                        reading.note(
                            field.span,
                            what,
                            "not carried over: others reach a node by its own name",
                        );
                    }
                }
            }
            addresses.list(&format!("eth{number}"), own);
        }
        map.list("networks", all);
        map.map("ip", addresses);
        if let Some(mac) = find(keys, "mac_address").and_then(|field| reading.text(field)) {
            map.text("mac", mac);
        }
    }

    /// Those that somebody joined.
    pub(super) fn made(&self) -> Map {
        let mut map = Map::default();
        for old in &self.joined {
            let mut network = Map::default();
            let subnets =
                self.subnets.iter().find(|(name, _)| name == old).map(|(_, subnets)| subnets.clone());
            network.list("subnet", subnets.unwrap_or_default());
            // As Docker lets everybody out of it.
            if !self.internal.contains(old) {
                network.put("internet", Made::Bare("true".to_owned()));
            }
            map.put(self.names.new_name(old).unwrap_or(&label(old)), Made::Map(network));
        }
        map
    }
}

/// The networks of a service, each with its keys; of one in the list only its place, under an empty name.
fn memberships<'n>(reading: &mut Reading<'_>, keys: &[Field<'n>]) -> Vec<(String, Vec<Field<'n>>)> {
    let Some(field) = find(keys, "networks").filter(|field| !items(field.node).is_empty()) else {
        return vec![(DEFAULT.to_owned(), Vec::new())];
    };
    let place = Field { name: "", ..field };
    if matches!(field.node.value, Value::Map(_)) {
        let fields = reading.fields(field.node, "`networks`");
        let one = |reading: &mut Reading<'_>, field: Field<'n>| {
            let mut keys = reading.fields(field.node, "a network");
            keys.push(Field { name: "", ..field });
            (field.name.to_owned(), keys)
        };
        return fields.into_iter().map(|field| one(reading, field)).collect();
    }
    reading.texts(field).into_iter().map(|name| (name, vec![place])).collect()
}

fn is_internal(reading: &mut Reading<'_>, network: Field<'_>) -> bool {
    let keys = reading.fields(network.node, "a network");
    find(&keys, "internal").is_some_and(|field| reading.flag(field))
}

/// Its subnets.
fn network(reading: &mut Reading<'_>, network: Field<'_>) -> Vec<String> {
    let mut subnets = Vec::new();
    for field in reading.fields(network.node, "a network") {
        let what = format!("networks.{}.{}", network.name, field.name);
        match field.name {
            "ipam" => {
                let ipam = reading.fields(field.node, "`ipam`");
                let configs = find(&ipam, "config").map(|field| items(field.node)).unwrap_or_default();
                for node in configs {
                    let keys = reading.fields(node, "`config`");
                    subnets.extend(find(&keys, "subnet").and_then(|field| reading.text(field)));
                }
            }
            // Every network of a lab is a bridge of its own, with IPv6.
            "driver" | "enable_ipv4" | "enable_ipv6" | "internal" | "name" | "attachable" | "labels" => {}
            "external" if field.node.text() == Some("false") => {}
            name if name.starts_with("x-") => {}
            _ => reading.note(field.span, what, "not carried over"),
        }
    }
    subnets
}
