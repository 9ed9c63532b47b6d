//! What Mininet prints while it starts and stops.

use super::translate::Lab;
use crate::prompt::natural;

/// Before the lab is up.
pub(super) fn creating(lab: &Lab) -> String {
    let controller = if lab.controller { "*** Adding controller\n" } else { "" };
    let mut links: Vec<_> = lab.topo.links.iter().collect();
    links.sort_by_key(|(a, b)| (natural(a), natural(b)));
    let shown = if lab.settings.shown.is_empty() {
        String::new()
    } else {
        // Once for each end, as there.
        format!("({s}) ({s}) ", s = lab.settings.shown)
    };
    let links: String = links.iter().map(|(a, b)| format!("{shown}({a}, {b}) ")).collect();
    format!(
        "*** Creating network\n{controller}*** Adding hosts:\n{}\n*** Adding switches:\n{}\n*** Adding links:\n{links}\n",
        words(&lab.topo.hosts),
        words(&lab.topo.switches),
    )
}

/// When the lab is up.
pub(super) fn started(lab: &Lab) -> String {
    let controller = if lab.controller { "c0 " } else { "" };
    format!(
        "*** Configuring hosts\n{}\n*** Starting controller\n{controller}\n*** Starting {} switches\n{}...\n",
        words(&lab.topo.hosts),
        lab.topo.switches.len(),
        words(&lab.topo.switches),
    )
}

/// Before the lab is ended.
pub(super) fn stopping(lab: &Lab) -> String {
    let (controllers, names) = if lab.controller { (1, "c0 ") } else { (0, "") };
    format!(
        "*** Stopping {controllers} controllers\n{names}\n*** Stopping {} links\n{}\n*** Stopping {} switches\n{}\n*** Stopping {} hosts\n{}\n",
        lab.topo.links.len(),
        ".".repeat(lab.topo.links.len()),
        lab.topo.switches.len(),
        words(&lab.topo.switches),
        lab.topo.hosts.len(),
        words(&lab.topo.hosts),
    )
}

/// At the end.
pub(super) fn done(seconds: f64) -> String {
    format!("*** Done\ncompleted in {seconds:.3} seconds\n")
}

fn words(names: &[String]) -> String {
    let mut names: Vec<_> = names.iter().collect();
    names.sort_by_key(|name| natural(name));
    names.iter().map(|name| format!("{name} ")).collect()
}
