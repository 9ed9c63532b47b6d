//! What joins a lab with the world outside: published ports, gateways of networks.

use std::path::Path;

use netloom_lab::plan::{Drifted, Present, plan};
use netloom_lab::{Lab, load, resolve, resolve_after};

fn try_lab(source: &str) -> Result<Lab, netloom_lab::Errors> {
    load(source, Path::new("/lab/out.loom.yml"), &[]).and_then(|file| resolve(&file))
}

fn lab(source: &str) -> Lab {
    try_lab(source).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(source: &str) -> Vec<String> {
    let errors = try_lab(source).expect_err("it is wrong").errors;
    errors.into_iter().map(|e| format!("{} [{}]", e.message, e.hint.unwrap_or_default())).collect()
}

fn addresses(lab: &Lab, node: &str) -> Vec<String> {
    lab.node(node).expect(node).addresses().map(|a| a.to_string()).collect()
}

fn routes(lab: &Lab, node: &str) -> Vec<String> {
    let via = |route: &netloom_lab::lab::Route| format!("{} via {}", route.to, route.via.expect("a gateway"));
    lab.node(node).expect(node).routes.iter().map(via).collect()
}

#[test]
fn ports_are_read_and_lead_to_one_node_each() {
    let web =
        lab("netloom: 1\nnodes: { web: { ports: [8080:80, 5353..5354:53..54/udp] }, b: { ports: 80 } }\n");
    let shown: Vec<_> = web.nodes[0].ports.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["127.0.0.1:8080 -> 80/tcp", "127.0.0.1:5353 -> 53/udp", "127.0.0.1:5354 -> 54/udp"]);
    assert_eq!(web.nodes[1].ports[0].to_string(), "127.0.0.1:80 -> 80/tcp");
    let wrong = errors("netloom: 1\nnodes: { a: { ports: [8080:80, x] } }\n");
    assert!(wrong[0].contains("`x` publishes no port"), "{wrong:?}");
    let wrong = errors("netloom: 1\nnodes: { a1..2: { ports: 8080:80 }, c: { ports: 0.0.0.0:8080:1 } }\n");
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert_eq!(
        wrong[1],
        "`c` cannot have 0.0.0.0:8080 -> 1/tcp: the port leads to `a1` already, as 127.0.0.1:8080 -> 80/tcp \
         [choose another port or address of the machine]"
    );
}

#[test]
fn an_edit_of_ports_is_a_change_of_the_node_in_place() {
    let before = lab("netloom: 1\nnodes: { web: { ports: [8080:80, 8081:81] } }\n");
    let after = lab("netloom: 1\nnodes: { web: { ports: [8080:80, 8082:82] } }\n");
    let plan = plan(Some(&before), &after, &Present::default(), Drifted::Keep);
    let text = plan.to_string();
    assert!(
        text.contains("~ node    web  +port 127.0.0.1:8082 -> 82/tcp, -port 127.0.0.1:8081 -> 81/tcp"),
        "{text}"
    );
    assert_eq!(plan.steps.len(), 1, "{text}");
}

const SHOP: &str = "\
netloom: 1
tenants: { red: {}, blue: {} }
networks:
  red/lan: { subnet: 10.0.0.0/24, internet: true }
  blue/lan: { subnet: 10.0.0.0/24, internet: true }
  red/back: {}
nodes:
  red/web: { networks: [lan, back] }
  red/own: { networks: [lan], gateway: none }
  red/db: { networks: [back] }
  blue/h1..2: { networks: [lan] }
";

#[test]
fn a_network_with_internet_has_a_gateway_at_its_last_address() {
    let shop = lab(SHOP);
    assert_eq!(addresses(&shop, "red/lan-gw")[0], "10.0.0.254/24");
    assert_eq!(addresses(&shop, "blue/lan-gw")[0], "10.0.0.254/24", "each tenant's own");
    assert!(addresses(&shop, "red/lan-gw")[1].ends_with("::fe/64"), "{:?}", addresses(&shop, "red/lan-gw"));
    assert_eq!(addresses(&shop, "red/web")[0], "10.0.0.1/24", "nobody's address is another");
    let out = routes(&shop, "red/web");
    assert_eq!((out[0].as_str(), out.len()), ("0.0.0.0/0 via 10.0.0.254", 2), "{out:?}");
    assert_eq!(routes(&shop, "red/own"), Vec::<String>::new());
    assert_eq!(routes(&shop, "red/db"), Vec::<String>::new());
    assert_eq!(shop.node("red/lan-gw").and_then(|node| node.gateway_of.as_deref()), Some("red/lan"));
    assert_eq!(shop.summary(), "5 hosts  3 networks  2 gateways  8 links  2 tenants");
}

#[test]
fn a_gateway_makes_way_for_a_node_and_stays_where_it_is() {
    let source = "netloom: 1\nnetworks: { lan: { subnet: 10.1.0.0/29, internet: true } }\n\
                  nodes: { a: { networks: [lan], ip: 10.1.0.6 }, b: { networks: [lan] } }\n";
    let first = lab(source);
    assert_eq!(addresses(&first, "lan-gw")[0], "10.1.0.5/29");
    let edited = source.replace("ip: 10.1.0.6", "ip: 10.1.0.3");
    let file = load(&edited, Path::new("/lab/out.loom.yml"), &[]).expect("a file");
    let second = resolve_after(&file, Some(&first)).expect("a lab");
    assert_eq!(addresses(&second, "lan-gw")[0], "10.1.0.5/29", "as it runs");
}

#[test]
fn a_router_of_the_lab_comes_first_and_the_gateway_knows_what_is_behind_it() {
    let routed = lab("\
netloom: 1
networks: { lan: { subnet: 10.0.0.0/24, internet: true }, back: { subnet: 10.0.1.0/24 } }
nodes:
  r: { networks: [lan, back], forward: true, gateway: 10.0.0.254 }
  a: { networks: [back] }
  b: { networks: [lan] }
");
    assert_eq!(routes(&routed, "a")[0], "0.0.0.0/0 via 10.0.1.1");
    assert_eq!(routes(&routed, "b")[0], "0.0.0.0/0 via 10.0.0.1", "the rule of forwarding nodes stays");
    assert!(routes(&routed, "lan-gw").contains(&"10.0.1.0/24 via 10.0.0.1".to_owned()));
}

#[test]
fn what_cannot_be_led_out_is_told() {
    let wrong = errors(
        "netloom: 1\nnetworks: { lan: { internet: true } }\nnodes: { a: { networks: [lan], ip: 192.0.2.1/24 } }\n",
    );
    assert!(
        wrong[0].starts_with("`a` cannot reach the gateway `lan-gw`: it has only 192.0.2.1/24"),
        "{wrong:?}"
    );
    let wrong = errors("netloom: 1\nnetworks: { lan: { internet: true } }\nnodes: { lan-gw: {} }\n");
    assert!(wrong[0].contains("the name `lan-gw` is taken"), "{wrong:?}");
    let wrong = errors("netloom: 1\nnetworks: { lan: { internet: maybe } }\n");
    assert!(wrong[0].contains("neither true nor false"), "{wrong:?}");
}

#[test]
fn sentences_about_all_are_not_about_gateways() {
    let source = format!("{SHOP}expect: [blue can reach blue, red cannot reach blue]\n");
    let lab = lab(&source);
    let all = netloom_lab::expect::Subject { text: "blue".into(), part: 0..4 };
    let names: Vec<_> = all.nodes(&lab).expect("nodes").iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["blue/h1", "blue/h2"]);
}
