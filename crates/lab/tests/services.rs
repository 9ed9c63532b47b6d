//! Where the services of networks are, and what nodes find names with.

use std::path::Path;

use netloom_flow::PortId;
use netloom_lab::config::{config, owners};
use netloom_lab::lab::Lab;
use netloom_lab::plan::{Drifted, Present, plan};
use netloom_lab::{load, resolve, resolve_after};

fn lab_after(source: &str, running: Option<&Lab>) -> Lab {
    let source = &format!("netloom: 1\n{source}");
    let file =
        load(source, Path::new("dir/shop.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(source)));
    resolve_after(&file, running).unwrap_or_else(|e| panic!("{}", e.render(source)))
}

fn lab(source: &str) -> Lab {
    lab_after(source, None)
}

/// `red/lan 10.0.0.253/24 fd00::fd/64`, a line per network.
fn services(lab: &Lab) -> Vec<String> {
    let line = |service: &netloom_lab::lab::Service| {
        let list: Vec<_> = service.addresses.iter().map(ToString::to_string).collect();
        format!("{} {}", service.network, list.join(" "))
    };
    lab.services.iter().map(line).collect()
}

const TENANTS: &str = "
tenants: { red: {}, blue: {} }
networks:
  red/lan: { subnet: [10.0.0.0/24, 'fd00:1::/64'] }
  blue/lan: { subnet: 10.0.0.0/24, dhcp: false }
  lan: {}
nodes: { red/h1..2: { networks: [lan] }, blue/h1: { networks: [lan] }, h1: { networks: [lan] } }
";

#[test]
fn a_service_is_near_the_end_of_its_subnet_and_nobody_elses() {
    let lab = lab(TENANTS);
    let v6 = &lab.services[2].addresses[1];
    assert_eq!(
        services(&lab),
        [
            "red/lan 10.0.0.253/24 fd00:1::fd/64".to_owned(),
            "blue/lan 10.0.0.253/24 ".to_owned() + &lab.services[1].addresses[1].to_string(),
            format!("lan 10.255.255.253/8 {v6}"),
        ]
    );
    assert_eq!(lab.services.iter().map(|it| it.dhcp).collect::<Vec<_>>(), [true, false, true]);
    let mut macs: Vec<_> = lab.services.iter().map(|it| it.mac).collect();
    macs.extend(lab.nodes.iter().flat_map(|node| &node.interfaces).map(|it| it.mac));
    macs.sort_unstable();
    macs.dedup();
    assert_eq!(macs.len(), 3 + 4, "no MAC address twice");
}

#[test]
fn it_makes_way_for_nodes_and_gateways_and_stays_otherwise() {
    let with = |nodes: &str| {
        services(&lab(&format!("networks: {{ lan: {{ subnet: 10.0.0.0/24 }} }}\nnodes: {{ {nodes} }}")))
    };
    let at = |text: &[String]| text[0].split(' ').nth(1).map(str::to_owned);
    assert_eq!(at(&with("a: { networks: [lan] }")).as_deref(), Some("10.0.0.253/24"));
    assert_eq!(
        at(&with("a..c: { networks: [lan] }".replace("a..c", "a1..200").as_str())).as_deref(),
        Some("10.0.0.253/24")
    );
    assert_eq!(at(&with("a: { networks: [lan], ip: 10.0.0.253 }")).as_deref(), Some("10.0.0.252/24"));
    assert_eq!(
        at(&with("a: { networks: [lan], ip: 10.0.0.253 }, b: { networks: [lan], gateway: 10.0.0.252 }"))
            .as_deref(),
        Some("10.0.0.251/24")
    );
    let full = lab("networks: { lan: { subnet: 10.0.0.0/30 } }\nnodes: { a1..2: { networks: [lan] } }");
    assert_eq!(services(&full), ["lan "], "two addresses, two nodes");
    assert_eq!(full.resolver(&full.nodes[0]), None);
    let six = lab(
        "networks: { lan: { subnet: 'fd00::/64' } }\nsubnet: 'fd00::/48'\nnodes: { a: { networks: [lan], ip: 'fd00::9/64' } }",
    );
    assert_eq!(services(&six), ["lan fd00::fffd/64"]);
}

#[test]
fn a_network_nobody_is_in_and_a_drawn_switch_have_none() {
    let lab = lab("
networks: { lan: {}, empty: {} }
nodes: { a..: {}, b: { networks: [lan] } }
switches: { s1: {} }
links: [a1 -- s1]
"
    .replace("a..: {}", "a1: {}")
    .as_str());
    assert_eq!(lab.services.iter().map(|it| it.network.as_str()).collect::<Vec<_>>(), ["lan"]);
    assert_eq!(lab.resolver(lab.node("a1").expect("a node")), None);
}

#[test]
fn nodes_ask_the_services_of_their_networks() {
    let lab = lab(TENANTS);
    let resolver = |node: &str| lab.resolver(lab.node(node).expect("a node")).expect("a resolver");
    let text = resolver("red/h1").text;
    assert!(text.ends_with("\nnameserver 10.0.0.253\nsearch red.shop\n"), "{text}");
    assert!(resolver("h1").text.ends_with("search default.shop\n"));
    assert_eq!(resolver("red/h1"), resolver("red/h2"));
    assert_ne!(resolver("red/h1").key, resolver("blue/h1").key);
    // The key is part of a file's name, and stays when the address does not.
    let edited = TENANTS.replace("red/h1..2:", "red/x: { networks: [lan], ip: 10.0.0.253 }, red/h1..2:");
    let edited = lab_after(&edited, Some(&lab));
    let other = edited.resolver(edited.node("red/h1").expect("a node")).expect("a resolver");
    assert_eq!(other.key, resolver("red/h1").key);
    assert!(other.text.contains("10.0.0.252"), "{}", other.text);
    assert!(!other.key.contains('/'));
}

#[test]
fn the_switch_is_told_and_so_are_the_switches_that_are_joined() {
    let lab = lab(&format!("{TENANTS}switches: {{ s1: {{}} }}\nlinks: [s1 -- red/lan, red/far -- s1]\n")
        .replace("red/h1..2:", "red/far: {}, red/h1..2:"));
    let ids = |link: &str, left: bool| {
        let at = lab.links.iter().position(|known| known.id == link)?;
        u32::try_from(2 * at + usize::from(left)).ok().map(PortId)
    };
    let config = config(&lab, &ids);
    let of = |name: &str| {
        config.bridges.iter().find(|bridge| bridge.name == name).and_then(|it| it.service.clone())
    };
    let red = of("red/lan").expect("a service");
    assert_eq!((red.v4, red.v6.len(), red.dhcp), (Some([10, 0, 0, 253].into()), 2, true));
    assert!(of("blue/lan").is_some_and(|blue| !blue.dhcp));
    assert!(of("s1").is_none());
    let owners = owners(&lab, &ids);
    let own = owners.owners.iter().find(|owner| owner.mac == red.mac).expect("an owner");
    assert!(own.addresses.contains(&[10, 0, 0, 253].into()));
}

#[test]
fn a_plan_says_where_a_network_answers() {
    let before = lab(TENANTS);
    let text = plan(None, &before, &Present::default(), Drifted::Keep).to_string();
    assert!(text.contains("answers at 10.0.0.253 fd00:1::fd: dhcp, names"), "{text}");
    let after =
        lab_after(&TENANTS.replace("'fd00:1::/64'] }", "'fd00:1::/64'], dhcp: false }"), Some(&before));
    let text = plan(Some(&before), &after, &Present::default(), Drifted::Keep).to_string();
    assert!(text.contains("answers at 10.0.0.253 fd00:1::fd: names"), "{text}");
    assert!(text.contains("0 to add, 1 to change, 0 to remove"), "{text}");
}

#[test]
fn what_dhcp_may_be_is_checked() {
    let source = "netloom: 1\nnetworks:\n  lan: { dhcp: maybe }\n";
    let text = load(source, Path::new("shop.loom.yml"), &[])
        .and_then(|file| resolve(&file))
        .expect_err("neither")
        .render(source);
    assert!(text.contains("neither true nor false") && text.contains("3"), "{text}");
}
