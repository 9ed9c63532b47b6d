//! A lab as a drawing: text, Graphviz, Mermaid or SVG.

mod dot;
mod layout;
mod mermaid;
mod svg;
mod text;

pub(crate) use dot::dot;
pub(crate) use mermaid::mermaid;
pub(crate) use svg::svg;
pub(crate) use text::text;

use netloom_api::LinkRow;

/// What is written beside a link: its name if it has one of its own, and its settings.
fn label(link: &LinkRow) -> String {
    let mut parts = Vec::new();
    if !link.name.contains("--") {
        parts.push(link.name.clone());
    }
    parts.push(super::output::table::settings(link));
    if !link.up {
        parts.push("down".into());
    } else if link.blocked {
        parts.push("blocked".into());
    }
    parts.retain(|part| !part.trim().is_empty());
    parts.join(", ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use netloom_api::{DirectionRow, EndRow, Graph, InterfaceRow, LabRow, NodeRow, SwitchRow};

    use super::*;

    /// Two tenants, two switches in a row, one shaped link between them.
    fn lab() -> Graph {
        let node = |name: &str, tenant: &str, address: &str| NodeRow {
            name: name.into(),
            tenant: tenant.into(),
            kind: "host".into(),
            state: "up".into(),
            interfaces: vec![InterfaceRow {
                name: "eth0".into(),
                addresses: vec![address.into()],
                ..Default::default()
            }],
            ..Default::default()
        };
        let switch = |name: &str| SwitchRow { name: name.into(), state: "up".into(), ..Default::default() };
        let end = |node: &str, interface: &str, switch| EndRow {
            node: node.into(),
            interface: interface.into(),
            switch,
        };
        let link = |a: EndRow, b: EndRow| LinkRow {
            name: format!("{}--{}", a.node, b.node),
            a,
            b,
            up: true,
            ..Default::default()
        };
        let settings = BTreeMap::from([("delay".to_owned(), "20ms".to_owned())]);
        let shaped = DirectionRow { settings, ..Default::default() };
        let mut core = link(end("s1", "s1-eth2", true), end("s2", "s2-eth1", true));
        core.name = "core".into();
        core.forth = shaped;
        Graph {
            lab: LabRow { name: "shop".into(), ..Default::default() },
            nodes: vec![node("red/web", "red", "10.0.0.1/8"), node("blue/<h1>", "blue", "10.0.0.1/8")],
            switches: vec![switch("s1"), switch("s2")],
            links: vec![
                link(end("red/web", "eth0", false), end("s1", "s1-eth1", true)),
                core,
                LinkRow { up: false, ..link(end("blue/<h1>", "eth0", false), end("s2", "s2-eth2", true)) },
            ],
        }
    }

    #[test]
    fn every_form_shows_every_thing() {
        let lab = lab();
        let all = [text(&lab), dot(&lab), mermaid(&lab), svg(&lab)];
        insta::assert_snapshot!(all.join("\n----\n"));
    }

    #[test]
    fn an_empty_lab_can_be_drawn() {
        for drawn in [
            text(&Graph::default()),
            dot(&Graph::default()),
            mermaid(&Graph::default()),
            svg(&Graph::default()),
        ] {
            assert!(!drawn.is_empty());
        }
    }
}
