//! `topology:` as the file has it.

use super::keys::{self, Table};
use super::read::{Fields, Reader};
use super::yaml::{Node, Value};
use crate::error::Spanned;
use crate::topology::Topology;

/// Reads `topology:`: exactly one of the known ones.
pub(crate) fn read(reader: &mut Reader, node: &Node) -> Option<Spanned<Topology>> {
    let fields = reader.fields(node, keys::TOPOLOGY, "topology");
    let mut found = Vec::new();
    let short = |reader: &mut Reader, name: &str| -> Option<u64> {
        let node = fields.take(name).filter(|node| !matches!(node.value, Value::Map(_)))?;
        reader.integer(node, fields.bounds(name)).map(|n| n.value)
    };
    if let Some(hosts) = short(reader, "single") {
        found.push(Topology::Single { hosts });
    }
    if let Some(switches) = short(reader, "linear") {
        found.push(Topology::Linear { switches, hosts: 1 });
    }
    let mut part = |name: &str, table: Table, make: &dyn Fn(&mut Reader, &Fields<'_>) -> Option<Topology>| {
        if let Some(node) = fields.take(name).filter(|n| n.text().is_none() || n.is_null()) {
            let inner = reader.fields(node, table, name);
            found.extend(make(reader, &inner));
        } else if let Some(node) = fields.take(name).filter(|_| !matches!(name, "single" | "linear")) {
            reader.error(node.span, format!("{name} wants a map"), Some("such as { k: 4 }"));
        }
    };
    part("single", keys::SINGLE, &|r, f| Some(Topology::Single { hosts: need(r, f, "hosts")? }));
    part("linear", keys::LINEAR, &|r, f| {
        let hosts = f.integer(r, "hosts").map_or(1, |n| n.value);
        Some(Topology::Linear { switches: need(r, f, "switches")?, hosts })
    });
    part("tree", keys::TREE, &|r, f| {
        let fanout = f.integer(r, "fanout").map_or(2, |n| n.value);
        Some(Topology::Tree { depth: need(r, f, "depth")?, fanout })
    });
    part("torus", keys::TORUS, &|r, f| {
        let (x, y) = (need(r, f, "x"), need(r, f, "y"));
        let hosts = f.integer(r, "hosts").map_or(1, |n| n.value);
        Some(Topology::Torus { x: x?, y: y?, hosts })
    });
    part("fat-tree", keys::FAT_TREE, &|r, f| {
        let (k, hosts) = (need(r, f, "k"), f.integer(r, "hosts").map(|n| n.value));
        let k = k?;
        if k % 2 != 0 {
            r.error(f.span, format!("a fat tree needs an even number of ports, not {k}"), None);
            return None;
        }
        Some(Topology::FatTree { k, hosts: hosts.unwrap_or(k / 2) })
    });
    part("clos", keys::CLOS, &|r, f| {
        let (spines, leaves) = (need(r, f, "spines"), need(r, f, "leaves"));
        let hosts = f.integer(r, "hosts").map_or(1, |n| n.value);
        Some(Topology::Clos { spines: spines?, leaves: leaves?, hosts })
    });
    if found.len() > 1 {
        reader.error(
            node.span,
            "a lab has one topology",
            Some("draw the rest with nodes, switches and links"),
        );
    }
    let topology = found.into_iter().next()?;
    let (nodes, links) = topology.size();
    let most = crate::names::MAX_NAMES as u64;
    if nodes > most || links > most {
        reader.error(
            node.span,
            format!("this topology has {nodes} nodes and switches and {links} links, more than {most}"),
            None,
        );
        return None;
    }
    Some(Spanned::new(topology, node.span))
}

fn need(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<u64> {
    if fields.take(name).is_none() {
        reader.error(fields.span, format!("`{name}` is missing"), None);
    }
    fields.integer(reader, name).map(|n| n.value)
}
