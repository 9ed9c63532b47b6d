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
fn ovs_vsctl_shows_a_labs_switches() {
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

        place.ok("down");
        assert!(!place.run_dir().join("rows/db.sock").exists());
    });
}

#[test]
fn a_vlan_set_by_ovs_vsctl_takes_effect_and_is_drift() {
    for_each(|place| {
        place.up(LAB);
        let set = |words: &str| {
            let done = vsctl(place, words)?;
            assert_eq!(done.code, 0, "{words}: {done:?}");
            Some(done.out.trim_end().to_owned())
        };
        let get = |words: &str| set(words).unwrap();
        if set("show").is_none() {
            return;
        }
        let reaches = || place.run("ping h1 h2 -4 -c 1").code == 0;
        assert!(reaches());
        // Once it returns, it is so: nobody waits here.
        get("set port s1-eth1 tag=12");
        assert!(!reaches());
        assert_eq!(get("get port s1-eth1 tag"), "12");
        get("set port s1-eth2 vlan_mode=native-untagged tag=12 trunks=3,4");
        assert!(reaches());

        let name = "lab.loom.yml";
        place.write(name, LAB);
        let planned = || place.ok(&format!("plan {name}"));
        let plan = planned();
        assert!(plan.contains("vlan 12") && plan.contains("trunk 3,4 native 12"), "{plan}");
        assert!(place.ok("show s1").contains("access 12"), "{}", place.ok("show s1"));
        assert!(place.ok("show h1--s1").contains("changed by hand"), "{}", place.ok("show h1--s1"));

        // The file is asked again: what it does not change itself stays.
        place.up(&LAB.replace("h1..3", "h1..4"));
        assert!(reaches());
        place.up(LAB);
        assert_eq!(get("get port s1-eth2 trunks"), "[3, 4]");
        // Without a tag it carries every VLAN, and then as the file has it is no drift.
        get("-- clear port s1-eth1 tag -- set port s1-eth2 vlan_mode=[] trunks=[] tag=10");
        let plan = planned();
        assert!(plan.contains("every vlan") && !plan.contains("s1-eth2"), "{plan}");
        get("set port s1-eth1 tag=13");
        // The file has the last word on what it changes itself.
        place.up(&LAB.replacen("vlan: 10", "vlan: 11", 1));
        eventually("the VLAN of the file", || (get("get port s1-eth1 tag") == "11").then_some(()));
        get("set port s1-eth1 tag=14");
        let plan = planned();
        assert!(plan.contains("vlan 14"), "{plan}");
        place.write(name, LAB);
        let done = place.ok(&format!("up {name} --reset"));
        assert!(reaches(), "{done}");
        eventually("the row follows", || (get("get port s1-eth1 tag") == "10").then_some(()));
        let plan = planned();
        assert_eq!(plan.trim(), "Nothing to do.");
        place.ok("down");
    });
}

#[test]
fn controllers_and_fail_mode_set_by_ovs_vsctl_take_effect_and_are_drift() {
    for_each(|place| {
        place.up(LAB);
        if vsctl(place, "show").is_none() {
            return;
        }
        let get = |words: &str| {
            let done = vsctl(place, words).unwrap();
            assert_eq!(done.code, 0, "{words}: {done:?}");
            done.out.trim_end().to_owned()
        };
        let reaches = || place.run("ping h1 h2 -4 -c 1").code == 0;
        assert!(reaches());
        // Somebody who takes the call and says nothing more: to a switch that fails secure, nobody says what to do.
        let socket = place.path("c.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let target = format!("unix:{}", socket.display());
        get(&format!("set-controller s1 {target} -- set-fail-mode s1 secure"));
        drop(listener.accept().unwrap());
        eventually("its own flow is gone", || (!reaches()).then_some(()));
        assert_eq!(
            (get("get-controller s1"), get("get-fail-mode s1")),
            (target.clone(), "secure".to_owned())
        );
        let shown = place.ok("show s1");
        assert!(shown.contains("changed by hand") && shown.contains("secure"), "{shown}");
        let name = "lab.loom.yml";
        place.write(name, LAB);
        let plan = place.ok(&format!("plan {name}"));
        assert!(plan.contains("s1") && plan.contains(&target) && plan.contains("fail_mode secure"), "{plan}");

        // What the file does not change itself stays, and `--reset` has it as the file does.
        place.up(&LAB.replace("h1..3", "h1..4"));
        assert!(!reaches());
        place.write(name, LAB);
        place.ok(&format!("up {name} --reset"));
        assert!(reaches());
        eventually("the rows follow", || {
            ((get("get-controller s1"), get("get-fail-mode s1")) == (String::new(), "standalone".to_owned()))
                .then_some(())
        });
        assert_eq!(place.ok(&format!("plan {name}")).trim(), "Nothing to do.");

        // A switch that has neither is as a file has it that says nothing.
        get(&format!("set-controller s1 {target}"));
        get("del-controller s1");
        get("set-fail-mode s1 secure");
        get("del-fail-mode s1");
        assert_eq!(place.ok(&format!("plan {name}")).trim(), "Nothing to do.");
        assert!(reaches());
        get("set-fail-mode s2 standalone");
        assert!(place.ok(&format!("plan {name}")).contains("fail_mode standalone"));
        place.ok("down");
    });
}

#[test]
fn whatever_else_ovs_vsctl_would_change_is_refused_as_a_whole() {
    for_each(|place| {
        place.up(LAB);
        let Some(before) = vsctl(place, "list Port") else { return };
        for (words, what) in [
            ("add-br s9", "a new row of Bridge"),
            ("del-port s1 s1-eth1", "Bridge.ports"),
            ("set-controller s1 ssl:127.0.0.1:6653", "certificates"),
            ("set bridge s1 protocols=OpenFlow13", "Bridge.protocols"),
            ("set Interface s1-eth1 ingress_policing_rate=1", "Interface.ingress_policing_rate"),
            ("set port s1-eth1 tag=12 -- set bridge s1 datapath_type=system", "Bridge.datapath_type"),
            ("set port s1-eth1 tag=12 -- set port s1-eth2 vlan_mode=native-tagged", "native-tagged"),
            ("set port s1-eth1 vlan_mode=access -- clear port s1-eth1 tag", "needs a tag"),
        ] {
            let refused = vsctl(place, words).unwrap();
            assert_ne!(refused.code, 0, "{words}: {refused:?}");
            let said = &refused.err;
            assert!(said.contains("not allowed") && said.contains(what), "{words}: {refused:?}");
        }
        assert_eq!(vsctl(place, "list Port").unwrap().out, before.out);
        assert_eq!(place.run("ping h1 h2 -4 -c 1").code, 0);
        place.ok("down");
        assert!(!place.run_dir().join("rows/db.sock").exists());
    });
}
