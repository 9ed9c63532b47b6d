//! A lab as rows of an OVSDB database, as the stock `ovs-vsctl` sees them.

use std::process::Command;

use crate::place::{Done, Place, eventually, for_each};

const LAB: &str = "\
netloom: 1
name: rows
nodes: { h1..3: {} }
switches:
  s1: { qos: { h2: { police: { rate: 8Mbit } } } }
  s2: { fail_mode: secure, flows: [ \"actions=normal\" ] }
links:
  - { link: h1 -- s1, vlan: 10 }
  - { link: h2 -- s1, vlan: 10 }
  - h3 -- s2
  - s1 -- s2
";

/// `None`, said aloud, where there is no such program.
fn vsctl(place: &Place, words: &str) -> Option<Done> {
    let database = format!("--db=unix:{}", place.run_dir().join("rows/db.sock").display());
    let mut command = Command::new("ovs-vsctl");
    let Ok(output) = command.args(["-t", "10", &database]).args(words.split(' ')).output() else {
        eprintln!("skipped: there is no ovs-vsctl");
        return None;
    };
    Some(Done::from(output))
}

#[test]
fn ovs_vsctl_shows_a_labs_switches_and_is_refused_what_it_would_change() {
    for_each(|place| {
        place.up(LAB);
        let Some(shown) = vsctl(place, "show") else { return };
        assert_eq!(shown.code, 0, "{shown:?}");
        let out = &shown.out;
        for part in ["Bridge s1", "Bridge s2", "fail_mode: secure", "Port s1-eth1", "tag: 10"] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let get = |words: &str| {
            let done = vsctl(place, words).unwrap();
            assert_eq!(done.code, 0, "{words}: {done:?}");
            done.out.trim_end().to_owned()
        };
        assert_eq!(get("list-br"), "s1\ns2");
        assert_eq!(get("list-ports s2"), "s2-eth1\ns2-eth2");
        assert_eq!(get("get Interface s1-eth2 ofport ingress_policing_rate"), "2\n8000");
        assert_eq!(get("get Interface s1-eth1 external_ids:netloom-node"), "h1");
        assert_eq!(get("get Interface s1-eth3 external_ids:netloom-switch"), "s2");
        let id = get("get Bridge s1 datapath_id");
        assert_eq!(id.len(), 18, "sixteen digits in quotation marks: {id}");

        // What passes is counted, and what the file changes is seen.
        place.ok("ping h1 h2 -4 -c 5");
        eventually("packets are counted", || {
            let count = get("get Interface s1-eth1 statistics:rx_packets");
            (count.parse::<u64>().unwrap() >= 5).then_some(())
        });
        place.up(&LAB.replacen("vlan: 10", "vlan: 11", 1).replace("  - h3 -- s2\n", ""));
        eventually("another VLAN", || (get("get Port s1-eth1 tag") == "11").then_some(()));
        assert_eq!(get("list-ports s2").lines().count(), 1);

        // Whatever would be changed is refused, and nothing is.
        let before = get("list Port");
        for words in [
            "set Port s1-eth1 tag=12",
            "add-br s9",
            "del-port s1 s1-eth1",
            "set-controller s1 tcp:127.0.0.1:6653",
            "set Interface s1-eth1 ingress_policing_rate=1",
        ] {
            let refused = vsctl(place, words).unwrap();
            assert_ne!(refused.code, 0, "{words}: {refused:?}");
            assert!(refused.err.contains("not allowed"), "{words}: {refused:?}");
        }
        assert_eq!(get("list Port"), before);
        place.ok("down");
        assert!(!place.run_dir().join("rows/db.sock").exists());
    });
}
