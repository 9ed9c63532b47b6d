//! Whatever a file says: an answer, no panic, and no more work than the file is worth.

use std::path::Path;

use netloom_lab::plan::{Drifted, Present, Step, plan};
use netloom_lab::{Errors, Lab, load, quantity, resolve, resolve_after};
use proptest::prelude::*;

fn try_resolve(source: &str) -> Result<Lab, Errors> {
    resolve(&load(source, Path::new("a.loom.yml"), &[])?)
}

/// Pieces that come together to something close to a lab file.
const PIECES: &[&str] = &[
    "netloom: 1\n",
    "nodes:",
    "switches:",
    "links:",
    "networks:",
    "tenants:",
    "expect:",
    "events:",
    "topology:",
    "\n",
    "\n  ",
    "\n  - ",
    " { ",
    " } ",
    " [ ",
    " ] ",
    ", ",
    ": ",
    "h1",
    "h1..4",
    "red/h1",
    "s1",
    "a -- b",
    "h1 -- s1",
    "link",
    "delay",
    "rate",
    "10ms",
    "1Gbit",
    "1%",
    "ip",
    "10.0.0.1/24",
    "fd00::1",
    "eth0",
    "eth0:",
    "routes",
    "auto",
    "forward",
    "true",
    "default via 10.0.0.1",
    "subnet",
    "10.0.0.0/8",
    "linear",
    "tree",
    "fat-tree",
    "4",
    "k",
    "$x",
    "vars",
    "x: 3",
    "&a",
    "*a",
    "all can reach all",
    "at 1s, ",
    "no loops",
    "flows",
    "actions=normal",
    "\u{e9}",
    "\"",
    "'",
    "#",
    "|",
    "\t",
    "0",
    "99999999999",
    "..",
    "--",
    "/",
    "name",
    "mac",
    "02:00:00:00:00:01",
    "vlan",
    "trunk",
    "10..20",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_an_answer(text in "\\PC{0,200}") {
        let _ = try_resolve(&text);
        let _ = netloom_lab::expect::parse_sentence(&text);
        let _ = (quantity::duration(&text).is_ok(), quantity::rate(&text).is_ok(), quantity::percent(&text).is_ok());
    }

    #[test]
    fn anything_like_a_lab_file_has_an_answer(picks in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let body: String = picks.iter().filter_map(|i| PIECES.get(*i).copied()).collect();
        if let Err(errors) = try_resolve(&format!("netloom: 1\n{body}")) {
            prop_assert!(!errors.errors.is_empty());
            for error in &errors.errors {
                prop_assert!(error.span.start <= error.span.end, "{error:?}");
                prop_assert!(error.span.end <= body.len() + 11, "{error:?}");
            }
        }
    }

    #[test]
    fn random_labs_resolve_to_consistent_ones(
        hosts in 1u32..12,
        switches in 1u32..6,
        wires in prop::collection::vec((0u32..12, 0u32..6), 0..30),
        forward in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut source = String::from("netloom: 1\nnodes:\n");
        for h in 0..hosts {
            let routes = if forward[h as usize] { "{ forward: true, routes: auto }" } else { "{}" };
            source.push_str(&format!("  h{h}: {routes}\n"));
        }
        source.push_str(&format!("switches: {{ s0..{}: {{}} }}\nlinks:\n", switches - 1));
        for (h, s) in &wires {
            source.push_str(&format!("  - h{} -- s{}\n", h % hosts, s % switches));
        }
        source.push_str("  - h0 -- s0\n");
        let lab = try_resolve(&source).map_err(|e| TestCaseError::fail(e.render(&source)))?;
        // The same file again is nothing to do.
        let file = load(&source, Path::new("a.loom.yml"), &[]).expect("resolved before");
        let again = resolve_after(&file, Some(&lab)).expect("resolved before");
        prop_assert_eq!(&again, &lab);
        // A host more, first in the file, touches no other host of a lab with one domain.
        if lab.domains.len() == 1 {
            let edited = source.replace("nodes:\n", "nodes:\n  new: {}\n").replace("links:\n", "links:\n  - new -- s0\n");
            let file = load(&edited, Path::new("a.loom.yml"), &[]).expect("an edit");
            let edited = resolve_after(&file, Some(&lab)).expect("an edit");
            let plan = plan(Some(&lab), &edited, &Present::default(), Drifted::Keep);
            let touched: Vec<_> = plan.steps.iter().map(Step::label).filter(|l| l.contains("node ")).collect();
            if !forward[..hosts as usize].contains(&true) {
                prop_assert_eq!(touched, ["make node new"]);
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for node in &lab.nodes {
            for interface in &node.interfaces {
                for address in &interface.addresses {
                    prop_assert!(seen.insert(address.ip), "{} twice", address.ip);
                    let subnets = &lab.domains[interface.domain].subnets;
                    prop_assert!(subnets.iter().any(|s| s.contains(address.ip) && s.len == address.len));
                }
            }
            for route in &node.routes {
                let via = route.via.expect("a gateway");
                let mut addresses = node.addresses();
                prop_assert!(addresses.any(|a| a.contains(via) && a.ip != via), "{} via {via}", node.name);
                prop_assert!(node.addresses().all(|a| route.to.len == 0 || !route.to.contains(a.ip)));
            }
        }
        for switch in &lab.switches {
            prop_assert!(switch.ports.iter().map(|p| p.number).eq(1..=u32::try_from(switch.ports.len()).expect("few")));
        }
    }
}

#[test]
fn bombs_end_soon() {
    let many = |n: usize, line: &str| format!("netloom: 1\n{}", line.repeat(n));
    let bombs = [
        "netloom: 1\nnodes: { a1..1000b1..1000: {} }\n".to_owned(),
        "netloom: 1\nnodes: { a1..999999999: {} }\n".to_owned(),
        format!(
            "netloom: 1\nnodes:\n{}",
            (0..50).map(|i| format!("  a{i}x1..90000: {{}}\n")).collect::<String>()
        ),
        "netloom: 1\ntopology: { tree: { depth: 16, fanout: 60000 } }\n".to_owned(),
        "netloom: 1\ntopology: { torus: { x: 1000, y: 1000, hosts: 1000 } }\n".to_owned(),
        "netloom: 1\nnodes: { a1..50000: {}, b: {} }\nlinks:\n".to_owned()
            + &"  - a1..50000 -- b\n".repeat(20),
        "netloom: 1\nnodes: { a: {} }\nexpect:\n".to_owned()
            + &"  - a1..90000 can reach b1..90000\n".repeat(1_000),
        "netloom: 1\nnodes: { a: {} }\nlinks:\n".to_owned() + &"  - a1..90000 -- b1..90000\n".repeat(1_000),
        many(100_000, "a: b\n"),
        "netloom: 1\nvars: { x: ".to_owned() + &"y".repeat(100_000) + " }\nname: " + &"$x".repeat(100_000),
        "netloom: 1\nnodes: { h1..1500: { forward: true, routes: auto } }\nlinks: [h1..1499 -- h2..1500]\n"
            .to_owned(),
        "[".repeat(1_000_000),
        "a: ".repeat(100_000),
        "- ".repeat(1_000_000),
        "&a ".repeat(10_000),
        "x".repeat(9 << 20),
    ];
    for bomb in bombs {
        let head: String = bomb.chars().take(80).collect();
        match try_resolve(&bomb) {
            Ok(_) => panic!("{head}"),
            Err(errors) => assert!(errors.errors.len() <= 1_001, "{head}"),
        }
    }
}
