//! Flows, groups, meters and connections outlive `kill -9` of the switch, for who asks for it.

use std::path::PathBuf;
use std::process::Stdio;

use crate::place::{BINARY, Done, eventually, once};
use crate::switchd::{Stage, pings};

/// What the tools show, without what time alone changes.
fn shown(stage: &Stage) -> Vec<String> {
    let asked = [
        "dump-flows br0",
        "-OOpenFlow15 dump-groups br0",
        "-OOpenFlow15 dump-group-stats br0",
        "-OOpenFlow15 dump-meters br0",
        "-OOpenFlow15 meter-stats br0",
        "-OOpenFlow15 dump-tlv-map br0",
        "dump-ports-desc br0",
    ];
    let mut lines = Vec::new();
    for words in asked {
        let done = stage.run("ovs-ofctl", words);
        assert_eq!(done.code, 0, "{words}: {done:?}");
        lines.extend(done.out.lines().map(timeless));
    }
    lines
}

fn timeless(line: &str) -> String {
    let kept = |word: &&str| {
        let word = word.trim();
        !word.is_empty()
            && !["duration", "idle_age", "hard_age", "(xid"].iter().any(|it| word.starts_with(it))
            && !word.contains("_REPLY")
    };
    let words: Vec<&str> =
        line.split([',', ' ']).filter(kept).filter(|word| !word.starts_with("duration:")).collect();
    words.join(" ")
}

/// Seconds since the oldest flow was added.
fn age(stage: &Stage) -> f64 {
    let flows = stage.ofctl("dump-flows br0");
    let ages = flows.split("duration=").skip(1).filter_map(|it| it.split('s').next()?.parse::<f64>().ok());
    ages.fold(0.0, f64::max)
}

/// Waits until what is there now has been written.
fn written(stage: &Stage, marks: &[&str]) -> String {
    eventually("it is written", || {
        let text = std::fs::read_to_string(file(stage)).unwrap_or_default();
        marks.iter().all(|mark| text.contains(mark)).then_some(text)
    })
}

fn file(stage: &Stage) -> PathBuf {
    stage.dir.join("br0.kept")
}

/// The flows, once the bridge is asked at all.
fn flows(stage: &Stage) -> String {
    eventually("the bridge takes questions", || {
        let dumped = stage.run("ovs-ofctl", "dump-flows br0");
        (dumped.code == 0).then_some(dumped.out)
    })
}

fn log(stage: &Stage) -> String {
    std::fs::read_to_string(stage.dir.join("ovs-vswitchd.log")).unwrap_or_default()
}

const FLOWS: [&str; 8] = [
    "table=0,priority=10,arp,actions=NORMAL",
    "table=0,priority=20,cookie=0xab,icmp,actions=meter:1,ct(table=1,zone=9)",
    "table=1,priority=10,icmp,ct_state=+trk+new,in_port=1,actions=ct(commit,zone=9,exec(load:7->NXM_NX_CT_MARK[])),group:1",
    "table=1,priority=10,icmp,ct_state=+trk+est,in_port=1,actions=group:1",
    "table=1,priority=10,icmp,ct_state=+trk+est+rpl,in_port=2,actions=output:1",
    "table=5,importance=3,idle_timeout=600,send_flow_rem,tcp,tp_dst=80,actions=drop",
    "table=6,hard_timeout=900,ipv6,actions=learn(table=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
    "table=8,tun_metadata0=0x11223344,actions=output:2",
];

fn set_up(stage: &Stage) {
    stage.vsctl("add-br br0 -- set Bridge br0 fail_mode=secure -- add-port br0 va -- add-port br0 vb");
    stage.ofctl("add-tlv-map br0 {class=0x102,type=0x80,len=4}->tun_metadata0");
    stage.ofctl("-OOpenFlow15 add-group br0 group_id=1,type=select,bucket=weight:3,actions=output:2");
    stage.ofctl(
        "-OOpenFlow15 add-group br0 group_id=2,type=ff,bucket=bucket_id:5,watch_port:1,actions=output:1",
    );
    stage
        .ofctl("-OOpenFlow15 add-meter br0 meter=1,pktps,burst,stats,bands=type=drop,rate=900,burst_size=90");
    stage.ofctl("mod-port br0 vb no-packet-in");
    for flow in FLOWS {
        stage.ofctl(&format!("-OOpenFlow15 add-flow br0 {flow}"));
    }
}

#[test]
fn flows_groups_meters_and_connections_outlive_kill_9() {
    once(|place| {
        let flags = ["--keep-flows"];
        let Some(mut stage) = Stage::of(place, "ovs", [BINARY, "ovsdb-server"], &flags) else { return };
        let (a, _b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        set_up(&stage);
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));

        // A conversation, after which none may begin.
        let mut ping = a.program("ping");
        ping.args(["-i", "0.2", "-c", "40", "-W", "1", "10.0.0.2"]);
        let ping = ping.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let connections = || stage.appctl("dpctl/dump-conntrack zone=9");
        eventually("the conversation is known", || (connections().lines().count() >= 2).then_some(()));
        stage.ofctl("mod-flows br0 table=1,icmp,ct_state=+trk+new,in_port=1,actions=drop");
        written(&stage, &["in_port=1 actions=drop", "answered"]);
        let (before, old) = (age(&stage), stage.ofctl("--no-stats dump-flows br0"));
        stage.kill();
        stage.start();
        eventually("the flows are there", || {
            let dumped = stage.run("ovs-ofctl", "--no-stats dump-flows br0");
            (dumped.code == 0 && dumped.out.trim_end() == old).then_some(())
        });
        assert!(age(&stage) > before, "they are as old as they are");
        let told = Done::from(ping.wait_with_output().unwrap()).out;
        let lost: f64 =
            told.split(" received, ").nth(1).and_then(|it| it.split('%').next()?.parse().ok()).unwrap();
        assert!(lost <= 25.0, "the conversation went on: {told}\n{}", log(&stage));
        assert!(!pings(&a, "10.0.0.2"), "and no other one began");

        // Now that nothing passes, everything is as it was, counters included.
        let settled = |stage: &Stage| {
            let shown = shown(stage);
            let mark = stage.ofctl("dump-flows br0 cookie=0xab/-1");
            let packets =
                mark.split("n_packets=").nth(1).and_then(|it| it.split(',').next()).unwrap().to_owned();
            (shown, packets)
        };
        let (all, packets) = settled(&stage);
        assert!(packets.parse::<u32>().unwrap() > 40, "{packets}");
        written(&stage, &[&format!(" {packets} ")]);
        stage.kill();
        stage.start();
        flows(&stage);
        assert_eq!(settled(&stage).0, all);

        // Told to end, the switch writes what it has at once; a bridge that goes takes its file along.
        stage.ofctl("add-flow br0 table=9,actions=drop");
        stage.end();
        stage.start();
        eventually("the last flow is there", || {
            let dumped = stage.run("ovs-ofctl", "dump-flows br0 table=9");
            dumped.out.contains("actions=drop").then_some(())
        });
        stage.vsctl("del-br br0");
        eventually("its file is gone", || (!file(&stage).exists()).then_some(()));
        stage.vsctl("add-br br0");
        assert!(!flows(&stage).contains("table=9"), "another bridge of its name");
    });
}

#[test]
fn a_file_that_is_torn_newer_or_of_another_bridge_is_told_and_left_alone() {
    once(|place| {
        let flags = ["--keep-flows=kept"];
        let Some(mut stage) = Stage::of(place, "ovs", [BINARY, "ovsdb-server"], &flags) else { return };
        let (a, _b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb");
        let path = stage.dir.join("kept/br0.kept");
        let mark = "add-flow br0 table=9,actions=drop";
        let write = |stage: &Stage| {
            stage.ofctl(mark);
            eventually("it is written", || {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                text.contains("table=9").then_some(text)
            })
        };
        let good = write(&stage);
        let torn = good[..good.len() - 20].to_owned();
        let newer = good.replacen("netloom-kept 1 ", "netloom-kept 7 ", 1);
        let changed = good.replacen("table=9", "table=8", 1);
        for (text, why) in [
            (torn.as_str(), "bytes and not"),
            (&newer, "only version 1 is known"),
            (&changed, "its sum is another one"),
            ("OVSDB JSON 2 00\n{}\n", "of another kind"),
        ] {
            stage.kill();
            std::fs::write(&path, text).unwrap();
            let seen = log(&stage).len();
            stage.start();
            eventually("a reaches b by the usual flow", || pings(&a, "10.0.0.2").then_some(()));
            assert!(!flows(&stage).contains("table=9"), "{why}");
            let told = log(&stage)[seen..].to_owned();
            assert!(told.contains("nothing is restored") && told.contains(why), "{why}: {told}");
            write(&stage);
        }
        // A bridge that has controllers now had other flows with them.
        stage.kill();
        stage.vsctl("--no-wait set-controller br0 tcp:127.0.0.1:9");
        let seen = log(&stage).len();
        stage.start();
        eventually("it is told", || log(&stage)[seen..].contains("has controllers now").then_some(()));
        assert!(!flows(&stage).contains("table=9"));
    });
}
