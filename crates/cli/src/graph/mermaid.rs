//! Mermaid, which many sites draw in a Markdown page.

use std::collections::BTreeMap;
use std::fmt::Write;

use netloom_api::Graph;

use super::label;

/// The lab as a Mermaid flowchart.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut out = String::from("graph LR\n");
    let names =
        graph.switches.iter().map(|switch| &switch.name).chain(graph.nodes.iter().map(|node| &node.name));
    // Names hold `/` and `-`, which its identifiers may not.
    let ids: BTreeMap<_, _> = names.enumerate().map(|(n, name)| (name.as_str(), format!("n{n}"))).collect();
    let id = |name: &str| ids.get(name).cloned().unwrap_or_else(|| "missing".into());
    for switch in &graph.switches {
        let _ = writeln!(out, "  {}[\"{}\"]", id(&switch.name), escape(&switch.name));
    }
    for node in &graph.nodes {
        let text = std::iter::once(node.name.as_str())
            .chain(node.addresses())
            .map(escape)
            .collect::<Vec<_>>()
            .join("<br/>");
        let _ = writeln!(out, "  {}([\"{text}\"])", id(&node.name));
    }
    for link in &graph.links {
        let line = if link.up && !link.blocked { "---" } else { "-.-" };
        let words = label(link);
        let words = if words.is_empty() { words } else { format!("|\"{}\"|", escape(&words)) };
        let _ = writeln!(out, "  {} {line}{words} {}", id(&link.a.node), id(&link.b.node));
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "#amp;").replace('<', "#lt;").replace('>', "#gt;").replace('"', "#quot;")
}
