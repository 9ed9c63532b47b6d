//! What `ovs-ofctl` sets besides flows: tables, and what tunnel options are called.

use std::process::Command;

use crate::place::{Place, for_each};

const LAB: &str = "\
netloom: 1
name: tables
nodes: { h1..2: {} }
switches: { s1: { flows: [ \"table=1,priority=1,actions=NORMAL\" ] } }
links: [ h1 -- s1, h2 -- s1 ]
";

/// What it prints, or complains of; `None`, said aloud, where there is none.
fn ofctl(place: &Place, version: &str, words: &[&str]) -> Option<Result<String, String>> {
    let (verb, rest) = words.split_first().unwrap();
    let target = format!("unix:{}", place.run_dir().join("tables/s1.mgmt").display());
    let Ok(done) = Command::new("ovs-ofctl").args(["-O", version, verb, &target]).args(rest).output() else {
        eprintln!("skipped: there is no ovs-ofctl");
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(if done.status.success() { Ok(text(&done.stdout)) } else { Err(text(&done.stderr)) })
}

#[test]
fn ovs_ofctl_sets_tables_and_tunnel_options() {
    for_each(|place| {
        place.up(LAB);
        let Some(first) = ofctl(place, "OpenFlow11", &["mod-table", "0", "continue"]) else { return };
        first.unwrap();
        let ask = |version: &str, words: &[&str]| ofctl(place, version, words).unwrap();
        place.ok("ping h1 h2 -4 -c 1");
        ask("OpenFlow11", &["mod-table", "0", "drop"]).unwrap();
        assert_eq!(place.run("ping h1 h2 -4 -c 1").code, 1);
        ask("OpenFlow11", &["mod-table", "0", "continue"]).unwrap();
        ask("OpenFlow14", &["mod-table", "5", "evict"]).unwrap();
        ask("OpenFlow14", &["mod-table", "5", "vacancy:20,80"]).unwrap();
        let desc = ask("OpenFlow14", &["dump-table-desc"]).unwrap();
        let (_, fifth) = desc.split_once("table 5").unwrap_or_else(|| panic!("{desc}"));
        let fifth = fifth.split("table 6").next().unwrap();
        assert!(fifth.contains("eviction=on"), "{fifth}");
        assert!(fifth.contains("vacancy_down=20") && fifth.contains("vacancy_up=80"), "{fifth}");
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow15"] {
            ask(version, &["add-tlv-map", "{class=0xffff,type=0,len=4}->tun_metadata0"]).unwrap();
            let map = ask(version, &["dump-tlv-map"]).unwrap();
            assert!(map.contains("tun_metadata0") && map.contains("0xffff"), "{map}");
            let again = ask(version, &["add-tlv-map", "{class=0xffff,type=1,len=4}->tun_metadata0"]);
            assert!(again.unwrap_err().contains("NXTTMFC_ALREADY_MAPPED"), "{version}");
            ask(version, &["add-flow", "table=7,actions=set_field:5->tun_metadata0"]).unwrap();
            let used = ask(version, &["del-tlv-map"]).unwrap_err();
            assert!(used.contains("NXTTMFC_INVALID_TLV_DEL"), "{version}: {used}");
            ask(version, &["del-flows", "table=7"]).unwrap();
            ask(version, &["del-tlv-map"]).unwrap();
            assert!(!ask(version, &["dump-tlv-map"]).unwrap().contains("tun_metadata0"));
        }
        place.ok("down");
    });
}
