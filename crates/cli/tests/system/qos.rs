//! Queues and policing: rates that hosts reach, what the command line and `ovs-ofctl` tell of them, edits in place.

use std::process::Command;

use crate::place::{Place, for_each, lacks, once};

const LAB: &str = "\
netloom: 1
name: shares
nodes: { h1..3: {} }
qos:
  wan:
    max-rate: 20Mbit
    queues:
      1: { min-rate: 5Mbit, max-rate: 10Mbit, dscp: 46 }
switches:
  s1:
    qos: { h2: wan, h3: { police: { packets: 10, packet-burst: 5 } } }
    flows:
      - priority=10,icmp,in_port=1,actions=enqueue:2:1
      - priority=0,actions=normal
links: [ h1..3 -- s1 ]
";

/// What `ovs-ofctl` prints, or says went wrong; `None`, said aloud, where there is none.
fn ofctl(place: &Place, version: &str, words: &[&str]) -> Option<String> {
    let (verb, rest) = words.split_first().unwrap();
    let target = format!("unix:{}", place.run_dir().join("shares/s1.mgmt").display());
    let mut command = Command::new("ovs-ofctl");
    let Ok(done) = command.args(["-O", version, verb, &target]).args(rest).output() else {
        eprintln!("skipped: there is no ovs-ofctl");
        return None;
    };
    Some([done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

fn rows(place: &Place, kind: &str) -> Vec<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(&place.ok(&format!("ls {kind} -o json"))).unwrap();
    json.get(kind).and_then(serde_json::Value::as_array).unwrap().clone()
}

fn number(row: &serde_json::Value, key: &str) -> u64 {
    row.get(key).and_then(serde_json::Value::as_u64).unwrap()
}

#[test]
fn queues_carry_what_flows_put_into_them_and_are_told_of() {
    for_each(|place| {
        place.up(LAB);
        let before = rows(place, "queues");
        let ids: Vec<_> = before.iter().map(|row| (number(row, "queue"), number(row, "packets"))).collect();
        assert_eq!(ids.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [0, 1]);
        place.ok("ping h1 h2 -4 -c 5");
        let sent = number(&rows(place, "queues")[1], "packets");
        assert_eq!(sent, 5, "the echo requests to h2");
        let shown = place.ok("show s1");
        assert!(shown.contains("s1-eth3 packets 10 packet-burst 5, "), "{shown}");
        assert!(shown.contains("10.0 Mbit/s"), "{shown}");
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow15"] {
            let Some(all) = ofctl(place, version, &["queue-stats"]) else { return };
            assert!(all.contains("2 queues"), "{version}: {all}");
            let one = ofctl(place, version, &["queue-stats", "2", "1"]).unwrap();
            assert!(one.contains("port 2 queue 1: bytes=490, pkts=5, errors=0"), "{version}: {one}");
            let config = ofctl(place, version, &["queue-get-config"]).unwrap();
            assert!(config.contains("queue 1: min_rate:25.0% max_rate:50.0%"), "{version}: {config}");
            let config = ofctl(place, version, &["queue-get-config", "2"]).unwrap();
            assert!(config.contains("port=2") && config.contains("queue 0:"), "{version}: {config}");
            for (words, error) in [
                (&["queue-stats", "2", "9"][..], "OFPQOFC_BAD_QUEUE"),
                (&["queue-stats", "9"], "OFPQOFC_BAD_PORT"),
                (&["queue-get-config", "9"], "OFPQOFC_BAD_PORT"),
            ] {
                let refused = ofctl(place, version, words).unwrap();
                assert!(refused.contains(error), "{version} {words:?}: {refused}");
            }
        }
    });
}

/// What leaves by a queue with a mark is marked, and a flow of the next switch tells it from the rest.
#[test]
fn what_a_queue_marks_is_matched_by_its_mark() {
    for_each(|place| {
        place.up("\
netloom: 1
name: shares
nodes: { h1..2: {} }
switches:
  s1:
    qos: { s2: { max-rate: 20Mbit, queues: { 1: { dscp: 46 } } } }
    flows: ['priority=9,icmp,in_port=1,actions=enqueue:2:1', 'priority=0,actions=normal']
  s2: { flows: ['priority=9,ip,in_port=1,nw_tos=184,actions=normal', 'priority=0,actions=normal'] }
links: [ h1 -- s1, s1 -- s2, h2 -- s2 ]
");
        place.ok("ping h1 h2 -4 -c 3");
        let flows = place.ok("flow ls s2");
        let marked = flows.lines().find(|line| line.contains("nw_tos=184")).unwrap_or_default();
        assert!(marked.contains("n_packets=3,"), "{flows}");
        assert_eq!(number(&rows(place, "queues")[1], "packets"), 3);
    });
}

/// A meter raises the drop precedence of what is above its rate, and a flow marks what comes back: flows of the next switch
/// tell both by their marks.
#[test]
fn what_a_meter_or_a_flow_marks_is_matched_by_its_mark() {
    if lacks(&["ping"]) {
        return;
    }
    for_each(|place| {
        place.up("\
netloom: 1
name: shares
nodes:
  h1: { ip: [10.0.0.1/24, fd00:9::1/64] }
  h2: { ip: [10.0.0.2/24, fd00:9::2/64] }
switches:
  s1:
    meters:
      - meter=1,pktps,burst,bands=type=dscp_remark,rate=1,burst_size=5,prec_level=1
      - meter=2,pktps,burst,bands=type=dscp_remark,rate=1,burst_size=5,prec_level=2
    flows:
      - priority=9,icmp,in_port=1,actions=meter:1,normal
      - priority=9,icmp6,in_port=1,nw_tos=40,actions=meter:2,normal
      - priority=9,icmp,in_port=2,ip_dscp=46,actions=normal
      - priority=0,actions=normal
  s2:
    flows:
      - priority=9,icmp,in_port=1,nw_tos=40,actions=normal
      - priority=9,icmp,in_port=1,nw_tos=48,actions=normal
      - priority=9,icmp6,in_port=1,nw_tos=40,actions=normal
      - priority=9,icmp6,in_port=1,nw_tos=56,actions=normal
      - priority=9,icmp,in_port=2,actions=mod_nw_tos:184,normal
      - priority=0,actions=normal
links: [ h1 -- s1, s1 -- s2, h2 -- s2 ]
");
        // 0x28: AF11, whose drop precedence is the lowest of its class.
        place.sh_ok("h1", "ping -Q 0x28 -c 20 -i 0.01 -W 2 10.0.0.2");
        place.sh_ok("h1", "ping -6 -Q 0x28 -c 20 -i 0.01 -W 2 fd00:9::2");
        let count = |switch: &str, of: &str| {
            let flows = place.ok(&format!("flow ls {switch}"));
            let line =
                flows.lines().find(|line| line.contains(of)).unwrap_or_else(|| panic!("{of}: {flows}"));
            let packets = line.split("n_packets=").nth(1).and_then(|rest| rest.split(',').next());
            packets.and_then(|number| number.parse::<u64>().ok()).unwrap_or_else(|| panic!("{line}"))
        };
        for (kind, marked) in [("icmp,in_port=1,nw_tos=", 48), ("icmp6,in_port=1,nw_tos=", 56)] {
            let [low, high] = [40, marked].map(|tos| count("s2", &format!("{kind}{tos}")));
            // On a busy machine they take their time, and more are within the rate.
            assert!(low + high == 20 && low >= 5 && high >= 5, "{kind} {low} {high}");
        }
        assert_eq!(count("s2", "in_port=2"), 20);
        assert_eq!(count("s1", "icmp,in_port=2"), 20, "each answer has the mark of the flow");
        let meters = place.ok("meter ls s1");
        assert!(meters.contains("dscp_remark"), "{meters}");
    });
}

#[test]
fn rates_are_reached_and_changed_while_packets_travel() {
    once(|place| {
        place.up(LAB);
        // A busy machine may be late, which is no wrong rate.
        let holds = |sentence: &str| {
            let done = place.run_words(&["test", sentence]);
            assert!(matches!(done.code, 0 | 5) && !done.out.contains("FAIL"), "{done:?}");
        };
        holds("throughput h1 -> h2 >= 16Mbit for 2s");
        holds("throughput h1 -> h2 <= 21Mbit for 1s");
        let before = number(&rows(place, "queues")[0], "packets");
        let edited = LAB.replace("max-rate: 20Mbit", "max-rate: 60Mbit");
        let edited = edited.replace("packets: 10, packet-burst: 5", "rate: 10Mbit");
        place.write("lab.loom.yml", &edited);
        let plan = place.ok("plan lab.loom.yml");
        assert!(plan.contains("qos of s1-eth2 max-rate 20Mbit, queue 1"), "{plan}");
        assert!(plan.contains("-> police rate 10Mbit"), "{plan}");
        place.ok("up lab.loom.yml");
        holds("throughput h1 -> h2 >= 25Mbit for 2s");
        let after = number(&rows(place, "queues")[0], "packets");
        assert!(after > before, "the queue and its counters stayed: {before} {after}");
        holds("throughput h3 -> h1 >= 6Mbit for 3s");
        assert!(place.ok("ls drops").contains("rate of the port's policing exceeded"));
        place.write("lab.loom.yml", &edited.replace("qos: { h2: wan, h3", "qos: { h3"));
        place.ok("up lab.loom.yml");
        assert!(rows(place, "queues").is_empty());
    });
}
