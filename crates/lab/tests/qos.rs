//! `qos:` of a lab file: what it means, what is wrong with it, and what an edit of it makes to be done.

use std::path::Path;

use netloom_flow::{Policing, PortId, Qos, Queue, QueueLimit};
use netloom_lab::lab::Lab;
use netloom_lab::plan::{Drifted, Present, plan};
use netloom_lab::{config, load, resolve};

const BASE: &str = "
netloom: 1
nodes: { a: {}, b: {}, red/c: {} }
tenants: { red: {} }
qos:
  office:
    max-rate: 100Mbit
    queues:
      0: { priority: 2 }
      1: { min-rate: 20Mbit, max-rate: 40Mbit, burst: 64KiB, limit: 500 }
      7: { priority: 1, dscp: 46, limit: 100KiB }
    police: { rate: 50Mbit, burst: 1MiB, packets: 10000, packet-burst: 2000 }
switches:
  s1:
    qos:
      a: office
      s1-eth2: { police: { packets: 10 } }
      s2: { max-rate: 1Gbit }
  s2: { qos: { red/c: office, s1: { queues: { 1: { min-rate: 1Mbit } } } } }
links:
  - a -- s1
  - b -- s1
  - { link: s1 -- s2, rate: 10Mbit }
  - red/c -- s2
";

fn lab(source: &str) -> Lab {
    let file =
        load(source, Path::new("dir/q.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(source)));
    resolve(&file).unwrap_or_else(|e| panic!("{}", e.render(source)))
}

fn errors(source: &str) -> String {
    let checked = netloom_lab::check(source, Path::new("q.loom.yml"), &[], &|_| true);
    checked.map_or_else(|errors| errors.render(source), |_| "no error".to_owned())
}

#[test]
fn ports_are_given_what_the_file_says_by_their_names_or_those_of_what_they_lead_to() {
    let lab = lab(BASE);
    let office = Qos {
        max_rate: Some(100_000_000),
        queues: [
            (0, Queue { priority: 2, ..Queue::default() }),
            (
                1,
                Queue {
                    min_rate: 20_000_000,
                    max_rate: Some(40_000_000),
                    burst: Some(65_536),
                    limit: Some(QueueLimit::Packets(500)),
                    ..Queue::default()
                },
            ),
            (
                7,
                Queue {
                    priority: 1,
                    dscp: Some(46),
                    limit: Some(QueueLimit::Bytes(102_400)),
                    ..Queue::default()
                },
            ),
        ]
        .into(),
    };
    let policing = Policing {
        rate: Some(50_000_000),
        burst: Some(1 << 20),
        packet_rate: Some(10_000),
        packet_burst: Some(2_000),
    };
    let port = |switch: usize, at: usize| {
        let port = &lab.switches[switch].ports[at];
        (port.qos.clone(), port.policing)
    };
    assert_eq!(port(0, 0), (Some(office.clone()), Some(policing)));
    assert_eq!(port(0, 1), (None, Some(Policing { packet_rate: Some(10), ..Policing::default() })));
    assert_eq!(port(0, 2), (Some(Qos { max_rate: Some(1_000_000_000), ..Qos::default() }), None));
    assert_eq!(port(1, 1), (Some(office.clone()), Some(policing)));
    assert!(port(1, 0).0.is_some(), "the link has a rate to share out");
    // And so the switch is told, and a lab that is written down is read back.
    let config = config::config(&lab, &|_, left| Some(PortId(u32::from(left))));
    assert_eq!(config.bridges[0].ports[0].qos, Some(office));
    let written = serde_json::to_string(&lab).expect("plain data");
    assert_eq!(serde_json::from_str::<Lab>(&written).expect("as written"), lab);
}

#[test]
fn mistakes_are_told_with_their_place_and_what_to_do() {
    insta::assert_snapshot!(errors(
        "\
netloom: 1
nodes: { a: {}, b: {} }
qos:
  office:
    max-rate: 10Mbit
    queues:
      1: { min-rate: 8Mbit, max-rate: 4Mbit }
      2: { min-rate: 8Mbit, dscp: 64 }
      99999: { prio: 1 }
  empty: {}
  open: { police: {} }
  burst: { police: { burst: 1KiB, packets: 3 } }
  slow: { max-rate: 10Mbps }
switches:
  s1: {}
links: [ a -- s1, b -- s1 ]
"
    ));
    insta::assert_snapshot!(errors(
        "\
netloom: 1
nodes: { a: {}, b: {} }
qos: { office: { max-rate: 10Mbit } }
switches:
  s1:
    qos:
      a: offices
      c: office
      b: { queues: { 1: { min-rate: 1Mbit } } }
      s2: { police: { rate: 1Mbit } }
  s2:
    qos: { s1-eth9: office, s2-eth1: office, s1: office, a1..9: office }
links: [ a -- s1, b -- s1, s1 -- s2 ]
"
    ));
}

#[test]
fn an_edit_changes_the_switch_and_says_how() {
    let before = lab(BASE);
    let steps = |edited: &str| -> Vec<String> {
        let after = lab(edited);
        let plan = plan(Some(&before), &after, &Present::default(), Drifted::Keep);
        plan.steps.iter().map(|step| format!("{}: {}", step.label(), step.detail)).collect()
    };
    assert!(steps(&format!("# moved\n{BASE}")).is_empty());
    let slower = BASE.replace("s1-eth2: { police: { packets: 10 } }", "s1-eth2: { police: { packets: 20 } }");
    assert_eq!(steps(&slower), ["change switch s1: qos of s1-eth2 police packets 10 -> police packets 20"]);
    let without = BASE.replace("      s2: { max-rate: 1Gbit }\n", "");
    assert_eq!(steps(&without), ["change switch s1: qos of s1-eth3 max-rate 1Gbit -> none"]);
    let words = "max-rate 100Mbit, queue 0 priority 2, queue 1 min-rate 20Mbit max-rate 40Mbit burst 64KiB limit 500, \
                 queue 7 priority 1 dscp 46 limit 100KiB, \
                 police rate 50Mbit burst 1MiB packets 10000 packet-burst 2000";
    let more = BASE.replace("priority: 1, dscp: 46", "priority: 1, dscp: 8");
    let changed = |switch: &str, port: &str| {
        format!("change switch {switch}: qos of {port} {words} -> {}", words.replace("dscp 46", "dscp 8"))
    };
    assert_eq!(steps(&more), [changed("s1", "s1-eth1"), changed("s2", "s2-eth2")]);
    assert!(plan(None, &before, &Present::default(), Drifted::Keep).to_string().contains("qos of 3 ports"));
}
