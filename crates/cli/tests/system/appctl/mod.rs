//! `ovs-appctl` at Open vSwitch's switch and at ours: both with dummy devices and a clock that stands, and whether they
//! are told the same.

use std::path::Path;

use crate::place::{BINARY, once};
use crate::switchd::Stage;

const COMMANDS: &str = include_str!("commands.txt");
const THEIRS: &str = "/usr/sbin/ovs-vswitchd";
const DUMMIES: [&str; 1] = ["--enable-dummy=override"];

#[test]
fn commands_are_answered_as_by_open_vswitch() {
    once(|place| {
        if !Path::new(THEIRS).exists() {
            return eprintln!("skipped: there is no ovs-vswitchd (Debian: openvswitch-switch)");
        }
        let Some(theirs) = Stage::of(place, "theirs", [THEIRS, "ovsdb-server"], &DUMMIES) else { return };
        let Some(ours) = Stage::of(place, "ours", [BINARY, "ovsdb-server"], &DUMMIES) else { return };
        let (mut asked, mut wrong) = (0, Vec::new());
        for line in COMMANDS.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (may_differ, line) =
                match line.strip_prefix("differs ").and_then(|rest| rest.split_once(": ")) {
                    Some((_, command)) => (true, command),
                    None => (false, line),
                };
            let [theirs, ours] = [&theirs, &ours].map(|stage| told(stage, line));
            asked += 1;
            if may_differ {
                assert_ne!(ours.0, 127, "{line}: {ours:?}");
            } else if theirs != ours {
                wrong.push(format!("{line}\n  theirs {theirs:?}\n  ours   {ours:?}"));
            }
        }
        assert!(asked > 100, "{asked}");
        assert!(wrong.is_empty(), "{} of {asked} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// What was printed, in order, without what is random.
fn told(stage: &Stage, line: &str) -> (i32, Vec<String>) {
    let words = line.replace("appctl ", "ovs-appctl -t ovs-vswitchd ");
    let (code, text) = stage.shell(&words);
    let folder = stage.dir.display().to_string();
    let mut lines: Vec<String> = text.replace(&folder, "<folder>").lines().map(plain).collect();
    // Hash tables have no order that anybody could rely on.
    lines.sort();
    (code, lines)
}

/// A line without the hash of a flow's ports and the name of the thread.
fn plain(line: &str) -> String {
    if line.starts_with("flow-dump from") { "flow-dump".to_owned() } else { line.trim_end().to_owned() }
}

#[test]
fn time_passes_when_it_is_told_to() {
    once(|place| {
        let Some(stage) = Stage::of(place, "ovs", [BINARY, "ovsdb-server"], &["--enable-dummy"]) else {
            return;
        };
        stage.vsctl(
            "add-br br0 -- set Bridge br0 datapath_type=dummy fail_mode=secure \
             -- add-port br0 p1 -- set Interface p1 type=dummy ofport_request=1 options:tx_pcap=p1.pcap \
             -- add-port br0 p2 -- set Interface p2 type=dummy ofport_request=2 options:tx_pcap=p2.pcap",
        );
        stage.appctl("time/stop");
        stage.ofctl("add-flow br0 hard_timeout=10,priority=7,actions=drop");
        stage.ofctl("add-flow br0 priority=5,actions=normal");
        let flow = "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),\
                    ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)";
        let sent = |file: &str| std::fs::metadata(stage.dir.join(file)).unwrap().len();
        const EMPTY: u64 = 24;
        stage.appctl(&format!("netdev-dummy/receive p1 {flow}"));
        assert_eq!(sent("p2.pcap"), EMPTY, "a flow drops it");
        // The machine's own time is none of the switch's.
        assert!(stage.ofctl("dump-flows br0").contains("hard_timeout=10"));
        stage.appctl("time/warp 9000 1000");
        assert!(
            stage.ofctl("dump-flows br0").contains("duration=9s")
                || stage.ofctl("dump-flows br0").contains("duration=9.0")
        );
        stage.appctl("time/warp 1000");
        let flows = stage.ofctl("dump-flows br0");
        assert!(!flows.contains("hard_timeout"), "ten seconds are over: {flows}");
        stage.appctl(&format!("netdev-dummy/receive p1 {flow}"));
        assert!(sent("p2.pcap") > EMPTY, "flooded");
        assert!(stage.appctl("fdb/show br0").contains("    1     0  02:00:00:00:00:01    0"));
        stage.appctl("time/warp 5000");
        assert!(stage.appctl("fdb/show br0").contains("    1     0  02:00:00:00:00:01    5"));
        stage.appctl("time/warp 300000 1000");
        assert!(!stage.appctl("fdb/show br0").contains("02:00:00:00:00:01"), "aged");
        // A device that is down takes nothing.
        let before = sent("p2.pcap");
        stage.appctl("netdev-dummy/set-admin-state p2 down");
        stage.appctl(&format!("netdev-dummy/receive p1 {flow}"));
        assert_eq!(sent("p2.pcap"), before);
        let done = stage.run("ovs-appctl", "-t ovs-vswitchd netdev-dummy/receive p9 00");
        assert!(done.code != 0 && done.err.contains("no such dummy netdev"), "{done:?}");
    });
}
