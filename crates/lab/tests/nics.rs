//! Real interfaces in lab files: what is read, what is refused, what an edit does.

use std::path::Path;

use netloom_lab::plan::{Action, Drifted, Present, plan};
use netloom_lab::{Lab, config, load, resolve};

const OFFICE: &str = "\
netloom: 1
tenants: { red: {} }
defaults: { node: { memory: 64MiB, gateway: 10.0.0.254 } }
nodes:
  nic: { interface: enp4s0 }
  red/wire: { interface: eth0.10 }
  h1: {}
  red/h2: {}
switches: { s1: {}, s2: {} }
links:
  - nic -- s1
  - { link: red/wire -- s2, vlan: 20, delay: 5ms }
  - h1 -- s1
  - { link: red/h2 -- s2, vlan: 20 }
";

fn lab(source: &str) -> Lab {
    let file =
        load(source, Path::new("/lab/office.loom.yml"), &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(&file).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(source: &str) -> Vec<String> {
    let found = load(source, Path::new("office.loom.yml"), &[]).and_then(|file| resolve(&file));
    let errors = found.expect_err("it is wrong").errors;
    errors.into_iter().map(|e| format!("{} [{}]", e.message, e.hint.unwrap_or_default())).collect()
}

#[test]
fn a_real_interface_is_a_node_with_one_port_and_no_address() {
    let lab = lab(OFFICE);
    let nic = lab.node("nic").expect("it is there");
    assert_eq!((nic.nic.as_deref(), nic.interfaces.len()), (Some("enp4s0"), 1));
    assert_eq!((nic.interfaces[0].name.as_str(), nic.interfaces[0].link.as_str()), ("enp4s0", "nic--s1"));
    assert_eq!(nic.addresses().count(), 0);
    assert!(nic.routes.is_empty() && nic.limits.is_unlimited(), "defaults are for nodes that are made");
    assert_eq!(lab.node("h1").expect("h1").addresses().count(), 2, "the domain has a subnet all the same");
    let wire = &lab.node("red/wire").expect("it is there").interfaces[0];
    assert_eq!((wire.name.as_str(), wire.tenant.as_str()), ("eth0.10", "red"));
    assert_eq!(wire.domain, lab.node("red/h2").expect("h2").interfaces[0].domain, "one VLAN, one domain");
    assert_eq!(lab.summary(), "2 hosts  2 interfaces  2 switches  4 links  2 tenants");
}

#[test]
fn who_is_behind_it_is_asked_for_by_broadcast() {
    let ids = |_: &str, _: bool| Some(netloom_flow::PortId(7));
    let owners = config::owners(&lab(OFFICE), &ids);
    assert_eq!(owners.owners.len(), 2, "{owners:?}");
    assert!(owners.subnets.is_empty(), "others may have addresses of them: {owners:?}");
    assert_eq!(owners.routed.len(), 2, "others may be routers");
    let without = OFFICE.replace("  - nic -- s1\n", "").replace("  nic: { interface: enp4s0 }\n", "");
    assert_eq!(
        config::owners(&lab(&without), &ids).subnets.len(),
        2,
        "the other tenant knows all of its own"
    );
}

#[test]
fn what_has_no_meaning_for_it_is_refused_with_its_place() {
    for (keys, said) in [
        ("image: alpine", "`image` has no meaning for a real interface [a node is a container, "),
        ("vm: {}", "`vm` has no meaning"),
        ("ip: 10.0.0.1/24", "`ip` has no meaning for a real interface [its addresses and settings stay"),
        ("routes: auto", "`routes` has no meaning"),
        ("mtu: 9000", "`mtu` has no meaning"),
        ("run: x", "`run` has no meaning for a real interface [no program runs in it"),
        ("files: {}", "`files` has no meaning"),
        ("netns: x", "`netns` has no meaning for a real interface [it stays where it is"),
        ("port: tap", "`port` has no meaning"),
        (
            "memory: 64MiB",
            "`memory` has no meaning for a real interface [it uses nothing that could be limited",
        ),
        ("ports: 80", "`ports` has no meaning"),
    ] {
        let source = format!(
            "netloom: 1\nnodes: {{ a: {{ interface: eth9, {keys} }} }}\nswitches: {{ s1: {{}} }}\nlinks: [a -- s1]\n"
        );
        let errors = errors(&source);
        assert!(errors.iter().any(|error| error.starts_with(said)), "{keys}: {errors:?}");
    }
    let source =
        "netloom: 1\nnodes:\n  a: { interface: eth9, run: x }\nswitches: { s1: {} }\nlinks: [a -- s1]\n";
    let failed = load(source, Path::new("x.loom.yml"), &[]).and_then(|file| resolve(&file));
    let span = failed.expect_err("it is wrong").errors[0].span;
    assert_eq!(source.get(span.start..span.start + 3), Some("run"));
}

#[test]
fn an_interface_is_one_node_with_one_link() {
    let file = |nodes: &str, links: &str| {
        format!("netloom: 1\nnodes: {{ {nodes} }}\nswitches: {{ s1: {{}}, s2: {{}} }}\nlinks: [{links}]\n")
    };
    for (nodes, links, said) in [
        (
            "a: { interface: eth9 }",
            "",
            "nothing is linked to `a` [an interface has one link: `links: [a -- s1]`]",
        ),
        ("a: { interface: eth9 }", "a -- s1, a -- s2", "a second link ends at `a`, which is one interface"),
        (
            "n1: { interface: eth9 }, n2: { interface: eth9 }",
            "n1..2 -- s1",
            "`n2` cannot be eth9: that is `n1`",
        ),
        ("n1..2: { interface: eth9 }", "n1..2 -- s1", "`n2` cannot be eth9: that is `n1`"),
        ("a: { interface: eth9 }", "'a:eth0 -- s1'", "`a` has no interface `eth0` [it is eth9]"),
        ("a: { interface: lo }", "a -- s1", "the loopback cannot join a lab"),
        ("a: { interface: 'a/b' }", "a -- s1", "`a/b` is not the name of an interface"),
        ("a: { interface: '' }", "a -- s1", "`` is not the name of an interface"),
    ] {
        let errors = errors(&file(nodes, links));
        assert!(errors.iter().any(|error| error.starts_with(said)), "{nodes} {links}: {errors:?}");
    }
    let defaults = "netloom: 1\ndefaults: { node: { interface: eth9 } }\nnodes: { a: {} }\n";
    let errors = errors(defaults);
    assert!(errors[0].starts_with("`eth9` cannot be every node"), "{errors:?}");
}

#[test]
fn nothing_can_be_asked_for_inside_it() {
    let with = |more: &str| errors(&format!("{OFFICE}{more}\n"));
    for more in [
        "expect: [nic can reach h1]",
        "expect: [h1 can reach nic]",
        "expect: [rtt h1 -> nic < 5ms]",
        "expect: [{ node: nic, run: x }]",
        "events: [{ at: 1s, node: nic, run: x }]",
        "controllers: { c: { node: nic, port: 6653 } }",
    ] {
        let errors = with(more);
        assert!(
            errors[0].starts_with("`nic` is the interface enp4s0 of this machine: nothing runs inside it"),
            "{more}: {errors:?}"
        );
    }
    // Whole tenants are those who can be asked.
    let all = lab(&format!(
        "{OFFICE}expect: [default cannot reach red]\nevents: [{{ at: 1s, node: nic, do: stop }}]\n"
    ));
    assert_eq!((all.expect.len(), all.events.len()), (1, 1));
}

#[test]
fn another_interface_is_another_node_and_nothing_else() {
    let (old, new) = (lab(OFFICE), lab(&OFFICE.replace("enp4s0", "enp5s0")));
    let first = plan(None, &old, &Present::default(), Drifted::Keep).to_string();
    assert!(first.contains("interface enp4s0 of this machine"), "{first}");
    assert!(first.contains("nic:enp4s0 -- s1:1"), "{first}");
    let plan_of = |new: &Lab| plan(Some(&old), new, &Present::default(), Drifted::Keep);
    let names: Vec<String> = plan_of(&new).steps.iter().map(netloom_lab::plan::Step::label).collect();
    assert_eq!(
        names,
        [
            "detach link nic--s1",
            "remove node nic",
            "make node nic",
            "change switch s1",
            "attach link nic--s1",
        ]
    );
    let moved = lab(&OFFICE.replace("- nic -- s1", "- nic -- s2"));
    assert!(plan_of(&moved).steps.iter().all(|step| !matches!(step.action, Action::AddNode(_))), "it stays");
    assert!(
        plan_of(&lab(&format!("{OFFICE}arp: static\n")))
            .steps
            .iter()
            .all(|step| { !matches!(&step.action, Action::ChangeNode { node, .. } if node == "nic") })
    );
    let host = lab(&OFFICE.replace("{ interface: enp4s0 }", "{}"));
    assert!(plan_of(&host).steps.iter().any(|step| step.label() == "remove node nic"));
}
