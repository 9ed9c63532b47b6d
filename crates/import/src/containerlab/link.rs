//! Links.

use netloom_lab::yaml::Value;

use crate::made::{Made, Map};
use crate::names::Names;
use crate::read::{Field, Reading, find, items};

/// `links:` in the lab file's form.
pub(super) fn links(
    reading: &mut Reading<'_>,
    topology: &[Field<'_>],
    names: &Names,
    bridges: &[&str],
) -> Vec<Made> {
    let Some(field) = find(topology, "links") else { return Vec::new() };
    let all = items(field.node).iter().enumerate();
    all.filter_map(|(number, node)| {
        let what = format!("topology.links[{number}]");
        let link = reading.fields(node, "a link");
        one(reading, Field { node, ..field }, &link, &what, names, bridges)
    })
    .collect()
}

fn one(
    reading: &mut Reading<'_>,
    place: Field<'_>,
    link: &[Field<'_>],
    what: &str,
    names: &Names,
    bridges: &[&str],
) -> Option<Made> {
    let kind = find(link, "type").and_then(|field| reading.text(field));
    if let Some(kind) = kind.filter(|kind| kind != "veth") {
        reading.note(place.node.span, what, format!("a link of type `{kind}` is not carried over"));
        return None;
    }
    let ends = find(link, "endpoints").map(|field| items(field.node)).unwrap_or_default();
    let [left, right] = ends else {
        reading.error(
            place.node.span,
            "a link has two `endpoints`",
            Some("such as [\"a:eth1\", \"b:eth1\"]"),
        );
        return None;
    };
    let mut ends = Vec::new();
    for node in [left, right] {
        let (name, port) = end(reading, Field { node, ..place })?;
        if matches!(name.as_str(), "host" | "mgmt-net" | "macvlan") {
            reading.note(place.node.span, what, format!("a link to `{name}` is not carried over"));
            return None;
        }
        let Some(new) = names.new_name(&name) else {
            reading.error(node.span, format!("there is no node `{name}`"), None);
            return None;
        };
        // The name of a bridge's port is one of the machine's there.
        let is_bridge = bridges.contains(&name.as_str());
        ends.push(if is_bridge { new.to_owned() } else { format!("{new}:{port}") });
    }
    let text = Made::Text(ends.join(" -- "));
    let mut map = Map::default();
    for field in link {
        match field.name {
            "mtu" => map.put("mtu", Made::Bare(reading.text(*field)?)),
            "endpoints" | "type" => {}
            other => reading.note(field.span, format!("{what}.{other}"), "not carried over"),
        }
    }
    if map == Map::default() {
        return Some(text);
    }
    let mut whole = Map::default();
    whole.put("link", text);
    whole.join(map);
    Some(Made::Map(whole))
}

/// `NODE:INTERFACE`, or a map of both.
fn end(reading: &mut Reading<'_>, item: Field<'_>) -> Option<(String, String)> {
    if matches!(item.node.value, Value::Map(_)) {
        let keys = reading.fields(item.node, "an endpoint");
        let mut part = |name: &str| find(&keys, name).and_then(|field| reading.text(field));
        return Some((part("node")?, part("interface")?));
    }
    let text = reading.text(item)?;
    let Some((node, port)) = text.split_once(':') else {
        reading.error(item.node.span, format!("`{text}` is no endpoint"), Some("such as a:eth1"));
        return None;
    };
    Some((node.to_owned(), port.to_owned()))
}
