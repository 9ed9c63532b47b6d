//! SVG, without any other program.

use std::fmt::Write;

use netloom_api::Graph;

use super::label;
use super::layout::{Spot, layout};

/// Distance of rows, and least distance in a row, in pixels.
const ROW: usize = 110;
const COLUMN: usize = 130;

/// The lab as an SVG drawing.
pub(crate) fn svg(graph: &Graph) -> String {
    let (spots, rows) = layout(graph);
    let widest = spots.values().map(|spot| spot.of).max().unwrap_or(1);
    let (width, height) = (widest * COLUMN + 40, rows * ROW + 40);
    let at = |spot: &Spot| {
        let step = (width - 40) / spot.of.max(1);
        (20 + step * spot.column + step / 2, 20 + ROW * spot.row + ROW / 2)
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" text-anchor=\"middle\">\n<title>{}</title>\n",
        escape(&graph.lab.name)
    );
    for link in &graph.links {
        let (Some(a), Some(b)) = (spots.get(link.a.node.as_str()), spots.get(link.b.node.as_str())) else {
            continue;
        };
        let ((x1, y1), (x2, y2)) = (at(a), at(b));
        let dash = if link.up && !link.blocked { "" } else { " stroke-dasharray=\"5 4\"" };
        let _ =
            writeln!(out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"#888\"{dash}/>");
        let words = label(link);
        if !words.is_empty() {
            let (x, y) = (x1.midpoint(x2), y1.midpoint(y2).saturating_sub(4));
            let _ = writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" fill=\"#666\" font-size=\"10\">{}</text>",
                escape(&words)
            );
        }
    }
    for switch in &graph.switches {
        if let Some(spot) = spots.get(switch.name.as_str()) {
            let (x, y) = at(spot);
            thing(&mut out, (x, y), "#dce9f7", 4, &[&switch.name]);
        }
    }
    for node in &graph.nodes {
        if let Some(spot) = spots.get(node.name.as_str()) {
            let lines: Vec<_> = std::iter::once(node.name.as_str()).chain(node.addresses()).take(3).collect();
            thing(&mut out, at(spot), "#fff", 14, &lines);
        }
    }
    out.push_str("</svg>\n");
    out
}

fn thing(out: &mut String, (x, y): (usize, usize), fill: &str, round: usize, lines: &[&str]) {
    let height = 14 * lines.len() + 10;
    let (left, top) = (x.saturating_sub(55), y.saturating_sub(height / 2));
    let _ = writeln!(
        out,
        "<rect x=\"{left}\" y=\"{top}\" width=\"110\" height=\"{height}\" rx=\"{round}\" fill=\"{fill}\" stroke=\"#444\"/>"
    );
    for (n, line) in lines.iter().enumerate() {
        let _ = writeln!(out, "<text x=\"{x}\" y=\"{}\">{}</text>", top + 16 + 14 * n, escape(line));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
