//! Virtual functions in lab files: what is read, what is refused and why, what an edit does.

use std::path::Path;

use netloom_lab::lab::VfState;
use netloom_lab::plan::{Action, Drifted, Present, plan};
use netloom_lab::{Lab, load, resolve};

const SHOP: &str = "\
netloom: 1
nodes:
  fast:
    vf: { pf: enp3s0f0, vlan: 20, mac: '02:00:00:00:00:0a', spoofchk: true, trust: false, rate: 5Gbit, min-rate: 100Mbit, state: enable, fallback: s1 }
  a1..2: { vf: { pf: '0000:03:00.1' } }
  h1: {}
switches: { s1: {} }
links: [h1 -- s1, a1 -- s1]
";

fn lab(source: &str) -> Lab {
    let file =
        load(source, Path::new("/lab/shop.loom.yml"), &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(&file).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(source: &str) -> Vec<String> {
    let found = load(source, Path::new("shop.loom.yml"), &[]).and_then(|file| resolve(&file));
    let errors = found.expect_err("it is wrong").errors;
    errors.into_iter().map(|e| format!("{} [{}]", e.message, e.hint.unwrap_or_default())).collect()
}

fn steps(from: &str, to: &str) -> Vec<String> {
    let (before, after) = (lab(SHOP), lab(&SHOP.replace(from, to)));
    assert_ne!(before, after, "nothing was edited");
    let word = |step: netloom_lab::plan::Step| match step.action {
        Action::RemoveNode(name) => format!("-{name}"),
        Action::AddNode(name) => format!("+{name}"),
        Action::ChangeNode { node, .. } => format!("~{node} {}", step.detail),
        other => format!("{other:?}"),
    };
    plan(Some(&before), &after, &Present::default(), Drifted::Keep).steps.into_iter().map(word).collect()
}

#[test]
fn the_keys_of_a_virtual_function_are_read() {
    let lab = lab(SHOP);
    let fast = lab.node("fast").expect("it is there");
    let vf = fast.vf.as_deref().expect("it has one");
    assert_eq!(
        (vf.pf.as_str(), vf.vlan, vf.rate, vf.min_rate),
        ("enp3s0f0", Some(20), Some(5_000), Some(100))
    );
    assert_eq!((vf.spoof_check, vf.trust, vf.state), (Some(true), Some(false), Some(VfState::Enable)));
    assert_eq!(
        vf.words(),
        "eth0 of enp3s0f0, vlan 20, spoofchk on, trust off, rate 5Gbit, min-rate 100Mbit, state enable, else s1"
    );
    let [own] = &fast.interfaces[..] else { panic!("one interface: {:?}", fast.interfaces) };
    assert_eq!((own.name.as_str(), own.mac.to_string().as_str()), ("eth0", "02:00:00:00:00:0a"));
    assert_eq!(own.link, "fast--s1", "where there is no virtual function it is joined so");
    assert!(fast.is_function("eth0") && !fast.is_function("eth1"));
}

#[test]
fn those_of_one_card_are_one_network_and_other_links_come_after() {
    let lab = lab(SHOP);
    let [a, b] = ["a1", "a2"].map(|name| lab.node(name).expect("it is there"));
    let names: Vec<_> = a.interfaces.iter().map(|it| (it.name.as_str(), it.link.as_str())).collect();
    assert_eq!(names, [("eth0", ""), ("eth1", "a1--s1")]);
    assert_eq!(a.interfaces[0].domain, b.interfaces[0].domain);
    assert_ne!(a.interfaces[0].domain, a.interfaces[1].domain);
    assert_ne!(a.interfaces[0].addresses, b.interfaces[0].addresses);
    assert!(!a.interfaces[0].addresses.is_empty());
}

#[test]
fn what_does_not_pass_the_switch_is_refused_with_the_reason() {
    let past = "the card's own switch carries its frames, past the lab's";
    let with = |links: &str| errors(&SHOP.replace("links: [", &format!("links: [{links}, ")));
    let shaped = with("{ link: a1:eth0 -- s1, delay: 10ms }");
    assert!(
        shaped
            .iter()
            .any(|it| it.starts_with("`a1:eth0` is a virtual function, whose traffic cannot be shaped here")
                && it.contains(past)
                && it.contains("vf: { rate: }")),
        "{shaped:?}"
    );
    let linked = with("a1:eth0 -- h1");
    assert!(
        linked.iter().any(|it| it.starts_with("`a1:eth0` is a virtual function, and has no link of the lab")),
        "{linked:?}"
    );
    let quota = errors(
        "netloom: 1\ntenants: { red: { quota: { bandwidth: 1Gbit } } }\nnodes: { red/a: { vf: { pf: e0 } } }\n",
    );
    assert!(
        quota
            .iter()
            .any(|it| it.starts_with("the `bandwidth` of tenant `red` cannot hold") && it.contains(past)),
        "{quota:?}"
    );
    let both = "netloom: 1\ntenants: { red: {}, blue: {} }\nnodes: { red/a: { vf: { pf: e0 } }, blue/a: { vf: { pf: e0 } } }\n";
    let heard = errors(both);
    assert!(
        heard.iter().any(|it| it.contains("would hear each other on e0") && it.contains("`vlan`")),
        "{heard:?}"
    );
    lab(&both.replace("blue/a: { vf: { pf: e0 }", "blue/a: { vf: { pf: e0, vlan: 7 }"));
}

#[test]
fn what_is_wrong_with_the_keys_is_told() {
    for (keys, said) in [
        ("vlan: 7", "a virtual function needs its `pf` [such as `vf: { pf: enp3s0f0 }`"),
        ("pf: ../x", "`../x` names no physical function"),
        ("pf: e0, vlan: 4095", "4095 is too"),
        ("pf: e0, rate: 1500kbit", "`1500kbit` is not a whole number of Mbit"),
        ("pf: e0, rate: 10Mbit, min-rate: 20Mbit", "more is guaranteed by `min-rate`"),
        ("pf: e0, mac: 'ff:ff:ff:ff:ff:ff'", "`ff:ff:ff:ff:ff:ff` cannot be the address of an interface"),
        ("pf: e0, state: on", "`on` is not possible here"),
        (
            "pf: e0, spoofcheck: true",
            "`spoofcheck` is not a key of a virtual function [did you mean `spoofchk`?]",
        ),
        ("pf: e0, fallback: s2", "there is no switch or network `s2` to fall back to"),
    ] {
        let found = errors(&format!(
            "netloom: 1\nswitches: {{ s1: {{}} }}\nnodes: {{ a: {{ vf: {{ {keys} }} }} }}\n"
        ));
        let word = said.split(" is too").next().unwrap_or(said);
        assert!(found.iter().any(|error| error.contains(word)), "{keys}: {found:?}");
    }
}

#[test]
fn an_ordinary_card_is_in_the_vlan_of_the_function_it_stands_for() {
    let lab = lab(SHOP);
    let port = lab
        .switch("s1")
        .and_then(|it| it.ports.iter().find(|port| port.link == "fast--s1"))
        .expect("it is there");
    assert_eq!(port.vlan, netloom_lab::lab::Vlan::Access(20));
}

#[test]
fn attributes_change_in_place_and_another_card_is_another_node() {
    assert_eq!(
        steps("{ vf: { pf: '0000:03:00.1' } }", "{ vf: { pf: '0000:03:00.1', trust: true } }"),
        [
            "~a1 vf eth0 of 0000:03:00.1 -> eth0 of 0000:03:00.1, trust on",
            "~a2 vf eth0 of 0000:03:00.1 -> eth0 of 0000:03:00.1, trust on"
        ]
    );
    let other = steps("02:00:00:00:00:0a", "02:00:00:00:00:0b");
    assert!(other.contains(&"-fast".to_owned()) && other.contains(&"+fast".to_owned()), "{other:?}");
}
