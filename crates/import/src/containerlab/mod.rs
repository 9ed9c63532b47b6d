//! Topologies of containerlab (<https://containerlab.dev>): nodes of kind `linux`, bridges, links.
//!
//! There, every node also has `eth0` in a network for management, has all privileges, and gets its addresses by the
//! commands of `exec`. Here it is so, too; an address that a command would set is written as the node's own, so that
//! netloom does not choose another.

mod exec;
mod link;
mod node;

use netloom_lab::yaml::Node;
use netloom_lab::{FileError, Span};

use crate::made::{Made, Map};
use crate::names::{Names, label};
use crate::note::Imported;
use crate::outside::Outside;
use crate::read::{Reading, find};
use node::Kind;

/// Makes a lab file of a topology. `name` is what the lab is called if the file does not say.
///
/// # Errors
/// Everything that makes it no topology.
pub fn containerlab(source: &str, name: &str, outside: &dyn Outside) -> Result<Imported, Vec<FileError>> {
    let root = Reading::parse(source)?;
    let mut reading = Reading::new(outside);
    let map = read(&mut reading, &root, name);
    if !reading.errors.is_empty() {
        return Err(reading.errors);
    }
    reading.notes.sort_by_key(|note| note.span);
    Ok(Imported {
        text: map.write("Made from a topology of containerlab by `netloom import`."),
        notes: reading.notes,
    })
}

/// The network that every node has its `eth0` in.
const MANAGEMENT: &str = "mgmt";

fn read(reading: &mut Reading<'_>, root: &Node, name: &str) -> Map {
    let top = reading.fields(root, "a topology");
    let Some(topology) = find(&top, "topology") else {
        reading.error(
            Span { end: root.span.start, ..root.span },
            "there is no `topology`",
            Some("this is no file of containerlab"),
        );
        return Map::default();
    };
    let topology = reading.fields(topology.node, "`topology`");
    let nodes =
        find(&topology, "nodes").map(|field| reading.fields(field.node, "`nodes`")).unwrap_or_default();
    let names = Names::of(nodes.iter().map(|field| field.name));
    let shared = node::Shared::of(reading, &topology);
    let (mut hosts, mut switches) = (Map::default(), Map::default());
    let mut bridges = Vec::new();
    let mut managed = false;
    for field in &nodes {
        let new = names.new_name(field.name).unwrap_or(field.name).to_owned();
        if new != field.name {
            reading.note(
                field.span,
                format!("topology.nodes.{}", field.name),
                format!("it is called `{new}`"),
            );
        }
        let own = shared.keys(reading, *field);
        match node::kind(reading, *field, &own) {
            Kind::Bridge => {
                bridges.push(field.name);
                switches.put(&new, Made::Map(Map::default()));
            }
            Kind::Host { managed: is_managed } => {
                managed |= is_managed;
                hosts.put(&new, Made::Map(node::node(reading, *field, &own, is_managed)));
            }
        }
    }
    let links = link::links(reading, &topology, &names, &bridges);
    for field in &topology {
        if !matches!(field.name, "nodes" | "links" | "kinds" | "defaults" | "groups") {
            reading.note(field.span, format!("topology.{}", field.name), "not carried over");
        }
    }
    let mut map = Map::default();
    map.put("netloom", Made::Bare("1".to_owned()));
    let own = find(&top, "name").and_then(|field| reading.text(field));
    map.text("name", label(&own.unwrap_or_else(|| name.to_owned())).to_ascii_lowercase());
    let mut networks = Map::default();
    for field in &top {
        match field.name {
            "name" | "topology" => {}
            "mgmt" => networks.list("subnet", management(reading, field.node)),
            other => reading.note(field.span, other, "not carried over"),
        }
    }
    if managed {
        // As Docker's bridge leads the nodes out.
        networks.put("internet", Made::Bare("true".to_owned()));
        let mut all = Map::default();
        all.put(MANAGEMENT, Made::Map(networks));
        map.map("networks", all);
    }
    map.map("nodes", hosts);
    map.map("switches", switches);
    if !links.is_empty() {
        map.put("links", Made::List(links));
    }
    map
}

/// Subnets of the network for management.
fn management(reading: &mut Reading<'_>, node: &Node) -> Vec<String> {
    let mut subnets = Vec::new();
    for field in reading.fields(node, "`mgmt`") {
        match field.name {
            "ipv4-subnet" | "ipv6-subnet" => {
                subnets.extend(reading.text(field).filter(|text| text != "auto"))
            }
            "network" | "bridge" => {}
            other => reading.note(field.span, format!("mgmt.{other}"), "not carried over"),
        }
    }
    subnets
}
