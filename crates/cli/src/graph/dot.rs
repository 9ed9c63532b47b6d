//! Graphviz: `netloom graph -o dot | dot -Tpng`.

use std::fmt::Write;

use netloom_api::Graph;

use super::label;

/// The lab in the language of Graphviz.
pub(crate) fn dot(graph: &Graph) -> String {
    let mut out = format!(
        "graph {} {{\n  layout=neato; overlap=false; node [fontname=\"sans-serif\"];\n",
        quote(&graph.lab.name)
    );
    for switch in &graph.switches {
        let _ = writeln!(
            out,
            "  {} [shape=box, style=\"rounded,filled\", fillcolor=\"#dce9f7\"];",
            quote(&switch.name)
        );
    }
    for node in &graph.nodes {
        let text = std::iter::once(node.name.as_str()).chain(node.addresses()).collect::<Vec<_>>().join("\n");
        let _ = writeln!(out, "  {} [shape=ellipse, label={}];", quote(&node.name), quote(&text));
    }
    for link in &graph.links {
        let style = if link.up && !link.blocked { "" } else { ", style=dashed" };
        let words = label(link);
        let _ = writeln!(
            out,
            "  {} -- {} [label={}, taillabel={}, headlabel={}{style}];",
            quote(&link.a.node),
            quote(&link.b.node),
            quote(&words),
            quote(&link.a.interface),
            quote(&link.b.interface)
        );
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
