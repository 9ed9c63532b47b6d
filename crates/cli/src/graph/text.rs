//! A tree of text, rooted at the switch with the most links; a link met twice is named where it closes a loop.

use std::collections::BTreeSet;
use std::fmt::Write;

use netloom_api::{Graph, LinkRow};

use super::label;

/// The lab as text.
pub(crate) fn text(graph: &Graph) -> String {
    let mut out = format!("{}\n", graph.lab.name);
    let mut walk = Walk { graph, seen: BTreeSet::new(), drawn: BTreeSet::new() };
    let degree =
        |name: &str| graph.links.iter().filter(|link| link.a.node == name || link.b.node == name).count();
    let mut roots: Vec<_> = graph.switches.iter().map(|switch| switch.name.as_str()).collect();
    // Stable: among equals the first of the file.
    roots.sort_by_key(|name| std::cmp::Reverse(degree(name)));
    roots.extend(graph.nodes.iter().map(|node| node.name.as_str()));
    for root in roots {
        if !walk.seen.contains(root) {
            let _ = writeln!(out, "{}", walk.title(root));
            walk.below(root, "", &mut out);
        }
    }
    out
}

struct Walk<'a> {
    graph: &'a Graph,
    seen: BTreeSet<&'a str>,
    drawn: BTreeSet<usize>,
}

impl<'a> Walk<'a> {
    fn title(&self, name: &str) -> String {
        match self.graph.nodes.iter().find(|node| node.name == name) {
            Some(node) => {
                let addresses: Vec<_> = node.addresses().collect();
                format!("{name}  {}", addresses.join("  ")).trim_end().to_owned()
            }
            None => name.to_owned(),
        }
    }

    /// Depth is bounded by the number of things, and each thing is entered once; an own stack, as a chain of a
    /// thousand switches is a lab like any other.
    fn below(&mut self, root: &'a str, indent: &str, out: &mut String) {
        self.seen.insert(root);
        let mut stack = vec![(self.links_of(root), indent.to_owned())];
        while let Some((links, indent)) = stack.last_mut() {
            let Some((index, link, other)) = links.pop() else {
                stack.pop();
                continue;
            };
            if !self.drawn.insert(index) {
                continue;
            }
            let last = links.iter().all(|(index, ..)| self.drawn.contains(index));
            let (branch, bar) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            let words = label(link);
            let words = if words.is_empty() { words } else { format!("  ({words})") };
            let indent = indent.clone();
            if self.seen.insert(other) {
                let _ = writeln!(out, "{indent}{branch}{}{words}", self.title(other));
                stack.push((self.links_of(other), format!("{indent}{bar}")));
            } else {
                let _ = writeln!(out, "{indent}{branch}-> {other}{words}");
            }
        }
    }

    /// Links of a thing, last first.
    fn links_of(&self, name: &str) -> Vec<(usize, &'a LinkRow, &'a str)> {
        let ends = |link: &'a LinkRow| match (link.a.node.as_str(), link.b.node.as_str()) {
            (a, b) if a == name => Some(b),
            (a, b) if b == name => Some(a),
            _ => None,
        };
        let links = self.graph.links.iter().enumerate();
        let mut links: Vec<_> =
            links.filter_map(|(index, link)| ends(link).map(|other| (index, link, other))).collect();
        links.reverse();
        links
    }
}
