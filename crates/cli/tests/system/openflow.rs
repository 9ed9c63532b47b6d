//! OpenFlow to the outside, by the real `ovs-ofctl`.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::place::{Place, eventually, for_each};

const LAB: &str = "\
netloom: 1
name: control
nodes: { h1..2: {} }
switches: { s1: {} }
links: [ h1 -- s1, h2 -- s1 ]
";

/// `ovs-ofctl` at the switch s1; `None`, said aloud, where there is none.
fn ofctl(place: &Place, version: &str, words: &[&str]) -> Option<String> {
    let (verb, rest) = words.split_first().unwrap();
    let target = format!("unix:{}", place.run_dir().join("control/s1.mgmt").display());
    let mut command = Command::new("ovs-ofctl");
    let Ok(done) = command.args(["-O", version, verb, &target]).args(rest).output() else {
        eprintln!("skipped: there is no ovs-ofctl");
        return None;
    };
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{:?} {version} {words:?}: {done:?}", place.who);
    Some(text)
}

/// A garbage peer: what it says is no OpenFlow.
fn garbage(place: &Place) {
    let socket = place.run_dir().join("control/s1.mgmt");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[4, 14, 0, 8, 0, 0, 0, 1], &[0; 64], &[4, 0, 0, 3]] {
        let mut peer = UnixStream::connect(&socket).unwrap();
        peer.write_all(bytes).unwrap();
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        // Ended by the switch, whatever it said before.
        let mut said = Vec::new();
        let _ = peer.read_to_end(&mut said);
    }
}

#[test]
fn ovs_ofctl_sees_and_changes_a_switch() {
    for_each(|place| {
        place.up(LAB);
        let dir = place.run_dir().join("control");
        assert_eq!(place.ok("env").trim_end(), format!("export OVS_RUNDIR={}", dir.display()));
        let json: serde_json::Value = serde_json::from_str(&place.ok("env -o json")).unwrap();
        assert_eq!(json.pointer("/env/OVS_RUNDIR").and_then(|dir| dir.as_str()), dir.to_str());
        let mode = std::fs::metadata(dir.join("s1.mgmt")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // Connected, and silent, all the time.
        let _silent = UnixStream::connect(dir.join("s1.mgmt")).unwrap();
        place.ok("ping h1 h2 -4");
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow15"] {
            let ask = |words: &[&str]| ofctl(place, version, words);
            let Some(shown) = ask(&["show"]) else { return };
            assert!(shown.contains("n_tables:254"), "{shown}");
            let ports = if version == "OpenFlow15" { ask(&["dump-ports-desc"]) } else { Some(shown) };
            assert!(ports.unwrap().contains("(s1-eth1)"), "{version}");
            garbage(place);
            place.ok("ping h1 h2 -4 -c 1");
            ask(&["add-flow", "priority=99,icmp,actions=drop"]);
            let lost = place.run("ping h1 h2 -4 -c 3");
            assert_eq!(lost.code, 1, "{lost:?}");
            let flows = ask(&["dump-flows", "icmp"]).unwrap();
            assert!(flows.contains("n_packets=3, n_bytes=294,"), "{version}: {flows}");
            assert!(place.ok("flow ls s1").contains("priority=99"), "seen by everybody");
            ask(&["del-flows", "icmp"]);
            assert!(!ask(&["dump-flows"]).unwrap().contains("icmp"));
            place.ok("ping h1 h2 -4 -c 1");
            assert!(ask(&["dump-ports"]).unwrap().contains("rx pkts="), "{version}");
            if version != "OpenFlow10" {
                ask(&["add-group", "group_id=7,type=all,bucket=output:2"]);
                assert!(ask(&["dump-groups"]).unwrap().contains("group_id=7,type=all"), "{version}");
                ask(&["del-groups"]);
            }
            sends_a_packet(place, version);
        }
        place.ok("down");
        assert!(!dir.exists(), "nothing is left");
    });
}

/// A packet-out leaves by the port it names, once.
fn sends_a_packet(place: &Place, version: &str) {
    let sent = || {
        let ports = ofctl(place, version, &["dump-ports", "2"]).unwrap();
        let (_, tx) = ports.split_once("tx pkts=").unwrap_or_else(|| panic!("{ports}"));
        tx.split(',').next().unwrap().parse::<u64>().unwrap()
    };
    let before = sent();
    let frame = format!("{}{}88b5{}", "ff".repeat(6), "020000000001", "00".repeat(46));
    ofctl(place, version, &["packet-out", &format!("in_port=controller packet={frame} actions=output:2")]);
    eventually("a packet more", || (sent() > before).then_some(()));
}
