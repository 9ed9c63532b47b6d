//! Resolving lab files: addresses, names and numbers as documented, and what cannot be.

use std::path::Path;

use netloom_lab::lab::{Lab, Vlan};
use netloom_lab::{load, resolve, resolve_after};

fn lab(source: &str) -> Lab {
    lab_after(source, None)
}

fn lab_after(source: &str, running: Option<&Lab>) -> Lab {
    let source = &format!("netloom: 1\n{source}");
    let file =
        load(source, Path::new("dir/shop.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(source)));
    resolve_after(&file, running).unwrap_or_else(|e| panic!("{}", e.render(source)))
}

fn errors(source: &str) -> String {
    let source = &format!("netloom: 1\n{source}");
    let file =
        load(source, Path::new("shop.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(source)));
    resolve(&file).expect_err("cannot be").render(source)
}

/// `node eth0 address address`, a line per interface.
fn addresses(lab: &Lab) -> Vec<String> {
    let line = |node: &netloom_lab::lab::Node, i: &netloom_lab::lab::Interface| {
        let list: Vec<_> = i.addresses.iter().map(ToString::to_string).collect();
        format!("{} {} {}", node.name, i.name, list.join(" "))
    };
    lab.nodes.iter().flat_map(|n| n.interfaces.iter().map(move |i| line(n, i))).collect()
}

fn routes(lab: &Lab, node: &str) -> Vec<String> {
    let node = lab.node(node).expect("a node");
    let show = |r: &netloom_lab::lab::Route| {
        let via = r.via.map(|v| format!(" via {v}")).unwrap_or_default();
        let dev = r.dev.as_ref().map(|d| format!(" dev {d}")).unwrap_or_default();
        format!("{}{via}{dev}", r.to)
    };
    node.routes.iter().map(show).collect()
}

#[test]
fn one_domain_takes_its_addresses_from_the_whole_subnet_in_every_tenant_alike() {
    let lab = lab("
tenants: { red: {}, blue: {} }
nodes: { red/h1..2: {}, blue/h1: {}, blue/h2: { ip: 10.0.0.1 }, h1: {} }
switches: { s1: {}, s2: {} }
links: [red/h1..2 -- s1, blue/h1..2 -- s2, s1 -- s2, h1 -- s1]
");
    assert_eq!(
        addresses(&lab),
        [
            "red/h1 eth0 10.0.0.1/8 fd00::1/64",
            "red/h2 eth0 10.0.0.2/8 fd00::2/64",
            "blue/h1 eth0 10.0.0.2/8 fd00::2/64",
            "blue/h2 eth0 10.0.0.1/8",
            "h1 eth0 10.0.0.1/8 fd00::1/64",
        ]
    );
    assert_eq!(
        lab.tenants.iter().map(|t| (t.name.as_str(), t.id)).collect::<Vec<_>>(),
        [("default", 0), ("red", 1), ("blue", 2)]
    );
}

#[test]
fn several_domains_take_the_next_free_24_each() {
    let lab = lab("
networks: { lan: { subnet: 10.0.1.0/24 } }
nodes: { a: { networks: [lan] }, b1..2: {} }
");
    // Nodes without a link have no interface, and no address.
    assert_eq!(addresses(&lab), ["a eth0 10.0.1.1/24 fd00::1/64"]);
    let lab = lab_after(
        "
networks: { lan: { subnet: 10.0.1.0/24 } }
nodes: { a: { networks: [lan], forward: true }, b1..2: {}, c: {} }
switches: { s1: {} }
links: [b1..2 -- s1, a -- s1, b1 -- c, c -- a]
",
        None,
    );
    assert_eq!(
        addresses(&lab),
        [
            "a eth0 10.0.1.1/24 fd00::1/64",
            "a eth1 10.0.0.1/24 fd00:0:0:1::1/64",
            "a eth2 10.0.3.1/24 fd00:0:0:3::1/64",
            "b1 eth0 10.0.0.2/24 fd00:0:0:1::2/64",
            "b1 eth1 10.0.2.1/24 fd00:0:0:2::1/64",
            "b2 eth0 10.0.0.3/24 fd00:0:0:1::3/64",
            "c eth0 10.0.2.2/24 fd00:0:0:2::2/64",
            "c eth1 10.0.3.2/24 fd00:0:0:3::2/64",
        ]
    );
    assert_eq!(routes(&lab, "b2"), ["0.0.0.0/0 via 10.0.0.1", "::/0 via fd00:0:0:1::1"]);
    assert_eq!(routes(&lab, "a"), [""; 0]);
}

#[test]
fn a_domain_too_large_for_a_24_gets_more() {
    let lab = lab("
nodes: { h1..300: {}, a: {}, b: {} }
switches: { s1: {} }
links: [h1..300 -- s1, a -- b]
");
    assert_eq!(addresses(&lab)[299], "h300 eth0 10.0.1.44/23 fd00::12c/64");
    assert_eq!(addresses(&lab)[300], "a eth0 10.0.2.1/24 fd00:0:0:1::1/64");
}

#[test]
fn written_addresses_win_and_get_the_length_of_their_network() {
    let lab = lab("
subnet: [192.168.0.0/16, 2001:db8::/64]
networks: { lan: {} }
nodes:
  a: { networks: [lan], ip: 192.168.0.2 }
  b: { networks: [lan], ip: [192.168.7.7, 2001:db8::7/64] }
  c1..2: { networks: [lan] }
");
    assert_eq!(
        addresses(&lab),
        [
            "a eth0 192.168.0.2/16",
            "b eth0 192.168.7.7/16 2001:db8::7/64",
            "c1 eth0 192.168.0.1/16 2001:db8::1/64",
            "c2 eth0 192.168.0.3/16 2001:db8::3/64",
        ]
    );
}

#[test]
fn three_routers_know_the_shortest_paths() {
    let lab = lab("
nodes:
  h1: {}
  h2: {}
  r1..3: { forward: true, routes: auto }
switches: { s1: {}, s2: {} }
links: [h1 -- s1, r1 -- s1, r1 -- r2, r2 -- r3, r3 -- r1, r2 -- s2, h2 -- s2]
");
    assert_eq!(routes(&lab, "h1"), ["0.0.0.0/0 via 10.0.0.2", "::/0 via fd00::2"]);
    let r3 = routes(&lab, "r3");
    assert_eq!(
        r3.iter().filter(|r| !r.contains("::")).collect::<Vec<_>>(),
        [
            "10.0.0.0/24 via 10.0.4.1 dev eth1",
            "10.0.1.0/24 via 10.0.3.1 dev eth0",
            "10.0.2.0/24 via 10.0.3.1 dev eth0",
        ]
    );
    assert_eq!(r3.len(), 6);
}

#[test]
fn two_routers_on_a_domain_are_no_default() {
    let lab = lab("
nodes: { h: {}, r1..2: { forward: true }, g: { gateway: none } }
switches: { s: {} }
links: [h -- s, r1..2 -- s, g -- s]
");
    assert_eq!(routes(&lab, "h"), [""; 0]);
}

#[test]
fn ports_are_numbered_in_file_order_and_keep_their_number() {
    let ports = |lab: &Lab| {
        let s = lab.switch("s1").expect("s1");
        s.ports.iter().map(|p| format!("{} {} {}", p.number, p.name, p.peer.name())).collect::<Vec<_>>()
    };
    let before = lab("
nodes: { a: {}, b: {}, c: {} }
switches: { s1: {} }
links: [a -- s1, 'b -- s1:up', c -- s1]
");
    assert_eq!(ports(&before), ["1 s1-eth1 a", "2 up b", "3 s1-eth3 c"]);
    let edited = "
nodes: { n: {}, a: {}, c: {} }
switches: { s1: {} }
links: [n -- s1, c -- s1, a -- s1]
";
    let after = lab_after(edited, Some(&before));
    assert_eq!(ports(&after), ["1 s1-eth1 a", "2 s1-eth2 n", "3 s1-eth3 c"]);
    // So do the addresses that were handed out.
    assert_eq!(addresses(&after)[0], "n eth0 10.0.0.2/8 fd00::2/64");
    assert_eq!(addresses(&after)[2], "c eth0 10.0.0.3/8 fd00::3/64");
    assert_eq!(ports(&lab(edited)), ["1 s1-eth1 n", "2 s1-eth2 c", "3 s1-eth3 a"]);
}

#[test]
fn links_have_settings_of_both_directions_and_ids() {
    let lab = lab("
defaults: { link: { delay: 1ms } }
nodes: { a: {}, b: {} }
switches: { s1: {}, s2: {} }
links:
  - { link: s1 -- s2, name: core, rate: 1Gbit, back: { rate: 50Mbit, delay: 5ms } }
  - s2 -- s1
  - s1 -- s2
  - { link: a -- s1, vlan: 10 }
  - { link: b -- s1, trunk: [10, 20..22], native: 20 }
");
    let ids: Vec<_> = lab.links.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(ids, ["core", "s2--s1", "s1--s2#2", "a--s1", "b--s1"]);
    let core = &lab.links[0];
    assert_eq!((core.forth.rate, core.back.rate), (Some(1_000_000_000), Some(50_000_000)));
    assert_eq!((core.forth.delay.0, core.back.delay.0), (1_000_000, 5_000_000));
    assert_eq!(lab.links_named("s1--s2").len(), 3);
    assert_eq!(lab.links_named("s1--s2#2").len(), 1);
    let s1 = lab.switch("s1").expect("s1");
    assert_eq!(s1.ports[3].vlan, Vlan::Access(10));
    assert_eq!(s1.ports[4].vlan, Vlan::Trunk { vlans: vec![10, 20, 21, 22], native: Some(20) });
    assert_eq!(s1.ports[0].tenant, None);
    assert_ne!(lab.nodes[0].interfaces[0].domain, lab.nodes[1].interfaces[0].domain, "two VLANs");
}

#[test]
fn a_topology_is_refined_by_the_rest_of_the_file() {
    let lab = lab("
topology: { tree: { depth: 2, fanout: 2 } }
nodes: { h1: { mtu: 1400 }, x: {} }
switches: { s2: { fail_mode: secure } }
links: [{ link: h1 -- s2, delay: 5ms }, x -- s1]
");
    assert_eq!((lab.nodes.len(), lab.switches.len(), lab.links.len()), (5, 3, 7));
    assert_eq!(lab.node("h1").expect("h1").interfaces[0].mtu, 1400);
    let link = lab.links_named("h1--s2")[0];
    assert_eq!((link.forth.delay.0, link.back.delay.0), (5_000_000, 5_000_000));
    assert_eq!(addresses(&lab)[3], "h4 eth0 10.0.0.4/8 fd00::4/64");
}

#[test]
fn networks_are_switches_nobody_draws() {
    let lab = lab("
tenants: { red: {} }
networks: { red/lan: {}, lan: {} }
nodes: { red/a: { networks: [lan] }, b: { networks: [lan] }, gw: { networks: [lan, red/lan], forward: true } }
links: [{ link: red/a -- red/lan, delay: 5ms }]
");
    let names: Vec<_> = lab.switches.iter().map(|s| (s.name.as_str(), s.implicit)).collect();
    assert_eq!(names, [("red/lan", true), ("lan", true)]);
    assert_eq!(lab.links.len(), 4);
    assert_eq!(lab.links_named("red/a--red/lan")[0].forth.delay.0, 5_000_000);
    let tenants: Vec<_> = lab.node("gw").expect("gw").interfaces.iter().map(|i| i.tenant.as_str()).collect();
    assert_eq!(tenants, ["default", "red"]);
    assert_eq!(lab.hosts_file("red"), "10.0.0.1 a a.red\nfd00::1 a a.red\n");
}

#[test]
fn a_node_may_have_other_names_which_are_nobody_elses() {
    let lab = lab("
tenants: { red: {} }
networks: { red/lan: {}, lan: {} }
nodes:
  red/a1..2: { networks: [lan], aliases: [a, App_1] }
  b: { networks: [lan], aliases: a1 }
");
    let hosts = lab.hosts_file("red");
    assert!(hosts.starts_with("10.0.0.1 a1 a1.red a App_1\n"), "{hosts}");
    assert!(hosts.contains("10.0.0.2 a2 a2.red a App_1\n"), "{hosts}");
    assert!(
        lab.hosts_file("default").starts_with("10.0.0.1 b b.default a1\n"),
        "another tenant's name is free"
    );
    let said = errors("nodes: { a: { aliases: [b] }, b: { aliases: b } }\nlinks: [a -- b]\n");
    assert!(said.contains("`a` cannot be `b`, too: that is a node"), "{said}");
    for name in ["c.d", "-x", ""] {
        let source = format!("netloom: 1\nnodes: {{ a: {{ aliases: ['{name}'] }} }}\n");
        let said = load(&source, Path::new("a.yml"), &[]).expect_err("no name").render(&source);
        assert!(said.contains(&format!("`{name}` is no name for a node")), "{said}");
    }
}

#[test]
fn under_mininet_interfaces_are_called_as_its_users_know_them() {
    let source = "netloom: 1\nnodes: { h1: {}, averylonghost: {} }\nswitches: { s1: {} }\nlinks: [h1 -- s1, averylonghost -- s1]\n";
    let mut file = load(source, Path::new("a.yml"), &[]).expect("good");
    file.naming = netloom_lab::Naming::Mininet;
    let errors = resolve(&file).expect_err("one name is too long").render(source);
    assert!(errors.contains("`averylonghost-eth0` is not the name of an interface"), "{errors}");
    let short = source.replace("averylonghost", "h2");
    let mut file = load(&short, Path::new("a.yml"), &[]).expect("good");
    file.naming = netloom_lab::Naming::Mininet;
    let lab = resolve(&file).expect("good");
    assert_eq!(lab.nodes[1].interfaces[0].name, "h2-eth0");
    let (dev, ip, mac) = &lab.neighbours(&lab.nodes[0])[0];
    assert_eq!(
        (dev.as_str(), ip.to_string(), *mac),
        ("h1-eth0", "10.0.0.2".into(), lab.nodes[1].interfaces[0].mac)
    );
}

#[test]
fn equal_files_make_equal_labs_and_macs_differ() {
    let source = "
seed: 7
topology: { fat-tree: { k: 4 } }
expect: [all can reach all, h1..4 can reach h16 tcp/80]
events: [{ at: 1s, node: h1..3, do: restart }, { every: 1s, link: h1--p1e1, state: down }]
";
    let (a, b) = (lab(source), lab(source));
    assert_eq!(a, b);
    assert_eq!(a.events.len(), 4);
    let macs: std::collections::BTreeSet<_> =
        a.nodes.iter().flat_map(|n| n.interfaces.iter().map(|i| i.mac)).collect();
    assert_eq!(macs.len(), 16);
    let text = serde_json::to_string(&a).expect("plain data");
    assert_eq!(serde_json::from_str::<Lab>(&text).expect("read back"), a);
}

#[test]
fn what_cannot_be_is_said_with_its_line() {
    let source = "
tenants: { red: {} }
networks: { lan: { subnet: 10.0.0.0/24 } }
nodes:
  a: { networks: [lan], ip: 10.0.0.7 }
  b: { networks: [lan], ip: 10.0.0.7 }
  c: { networks: [lan], ip: 10.0.1.7 }
  d: { networks: [lna], routes: [default via 10.0.0.1] }
  e: { networks: [lan], ip: { eth1: 10.0.0.9 }, gateway: 10.9.9.9 }
  rde/x: {}
  f: { ip: 10.0.0.3/24 }
  m1..2: { networks: [lan], mac: 02:00:00:00:00:01 }
switches: { s1: {}, c: {} }
links:
  - a -- s9
  - { link: a:eth1 -- s1, name: x }
  - { link: a:eth1 -- s1, name: x }
  - a -- a
  - m1..2 -- s1..3
  - web -- s1
  - { link: a -- s1, subnet: 10.7.0.0/24 }
events:
  - { at: 1s, link: y, state: down }
  - { at: 1s, node: h, do: stop }
expect:
  - a can reach z
  - red can reach a
";
    insta::assert_snapshot!(errors(source));
}

/// Prints how long a large lab takes; quadratic work would be minutes.
#[test]
fn large_labs_resolve() {
    for n in [1_000, 4_000] {
        let source = format!(
            "
nodes: {{ h1..{n}: {{}} }}
switches: {{ s1..{n}: {{}} }}
links: [h1..{n} -- s1..{n}, s1..{0} -- s2..{n}]
expect: [all can reach all]
",
            n - 1
        );
        assert_eq!(lab(&source).links.len(), 2 * n - 1);
    }
}
