//! Packets followed: made-up ones, real ones, and those that an expectation lost.

use std::time::Duration;

use crate::place::{Place, for_each, lacks, once};

const LAB: &str = "\
netloom: 1
name: traced
settle: 1s
nodes:
  h1: { ip: 10.0.0.1/24, gateway: 10.0.0.254 }
  h2: { ip: 10.0.0.2/24, gateway: 10.0.0.254 }
  gw: { forward: true, ip: { eth0: 10.0.0.254/24, eth1: 10.0.9.254/24 } }
  far: { ip: 10.0.9.1/24, gateway: 10.0.9.254 }
switches:
  s1: {}
  s2:
    meters:
      - meter=1,kbps,bands=type=drop,rate=100000
    groups:
      - group_id=1,type=indirect,bucket=output:2
    flows:
      - priority=200,tcp,tp_dst=23,actions=drop
      - priority=100,udp,tp_dst=7,in_port=1,actions=meter:1,mod_tp_dst:9,group:1
      - priority=0,actions=normal
links:
  - h1 -- s1
  - { link: s1 -- s2, name: core, delay: 1ms }
  - s2 -- h2
  - s2 -- gw:eth0
  - gw:eth1 -- far
expect:
  - h1 can reach h2 tcp/23
";

/// Exit code and output of a trace. It counts nothing, neither at the flows that no packet of the hosts' own is for, nor
/// at their group and meter.
fn traced(place: &Place, words: &[&str]) -> (i32, String) {
    let count = || {
        let flows = place.ok("flow ls s2 tcp -o json") + &place.ok("flow ls s2 udp,tp_dst=7 -o json");
        let packets = flows.matches("\"packets\": 0,").count();
        (packets, place.ok("group ls s2"), place.ok("meter ls s2"))
    };
    let before = count();
    let done = place.run_words(&[&["trace"], words].concat());
    assert_eq!((count(), before.0), (before.clone(), 2), "a trace counts nothing");
    assert!(done.err.is_empty() || done.code > 1, "{done:?}");
    (done.code, done.out)
}

#[test]
fn a_packet_is_explained_from_node_to_node() {
    for_each(|place| {
        place.up(LAB);
        let (code, told) = traced(place, &["h1", "h2", "tcp/23"]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains("lost     at s2:s2-eth1: dropped by a flow, lab.loom.yml:17"), "{told}");
        assert!(told.contains("priority=200,tcp,tp_dst=23"), "{told}");
        assert!(told.contains("s1:core") || told.contains("delay 1ms"), "the link is told: {told}");

        let (code, told) = traced(place, &["h1", "h2", "udp/7"]);
        assert_eq!(code, 0, "{told}");
        for part in [
            "tp_dst 7 -> 9",
            "meter:1",
            "group:1",
            "indirect: its bucket",
            "h2:eth0 gets it",
            "lab.loom.yml:18",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }

        let (code, told) = traced(place, &["h1", "far", "tcp/80"]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("gw  forwards to 10.0.9.1 directly by eth1"), "{told}");
        assert!(told.contains("reached  far:eth0"), "{told}");

        let (code, told) =
            traced(place, &["--at", "s2", "in_port=h2,tcp,nw_dst=10.0.0.1,tp_dst=23", "-o", "json"]);
        assert_eq!(code, 1, "{told}");
        let json: serde_json::Value = serde_json::from_str(&told).unwrap();
        let at = |path: &str| json.pointer(path).cloned().unwrap_or_default();
        assert_eq!(at("/trace/drops/0/rule/origin"), "lab.loom.yml:17", "{told}");
        assert_eq!(at("/trace/drops/0/reason"), "dropped by a flow");
        assert_eq!(at("/trace/reached"), false);
        assert!(at("/trace/lookups/0/megaflow").to_string().contains("tp_dst=23"), "{told}");

        place.ok("link core down");
        let (code, told) = traced(place, &["h1", "h2"]);
        assert!(code == 1 && told.contains("lost     at s1:s1-eth1: no other port"), "{told}");
        place.ok("link core up");
        place.ok("link s2 h2 down");
        let (code, told) = traced(place, &["h1", "h2"]);
        assert!(code == 1 && told.contains("link down"), "{told}");
        place.ok("link s2 h2 up");
        place.ok("stop h2");
        let (code, told) = traced(place, &["h1", "h2"]);
        assert!(code == 1 && told.contains("port down"), "{told}");
        assert_eq!(place.run("trace h1 nobody").code, 2);
        assert_eq!(place.run("trace h1 h2 sctp/9").code, 2);
        assert_eq!(place.run("trace --at s2 in_port=h2,nonsense").code, 2);
        assert_eq!(place.run("trace --at s2 tcp").code, 2, "where it comes in");
    });
}

#[test]
fn a_failed_expectation_shows_the_way_of_its_packet() {
    if lacks(&["ip"]) {
        return;
    }
    once(|place| {
        place.up(LAB);
        let done = place.run("test");
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.out.contains("table 0  priority=200,tcp,tp_dst=23"), "{}", done.out);
        assert!(
            done.out.contains("lost     at s2:s2-eth1: dropped by a flow, lab.loom.yml:17"),
            "{}",
            done.out
        );
        // The request for the address is lost, not the packet itself: that is what is told.
        place.ok("flow add s1 priority=9,arp,actions=drop");
        place.sh_ok("h1", "ip neigh flush all");
        let done = place.run_words(&["test", "h1 can reach h2 icmp over ipv4"]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.out.contains("asks who has 10.0.0.2"), "{}", done.out);
        assert!(done.out.contains("lost     at s1:s1-eth1: dropped by a flow, command"), "{}", done.out);
    });
}

#[test]
fn a_real_packet_is_caught_and_goes_its_way() {
    if lacks(&["ping"]) {
        return;
    }
    once(|place| {
        place.up(LAB);
        place.ok("ping h1 h2 -4");
        let ping = place.start("exec -T h1 -- ping -i 0.02 -c 150 10.0.0.2");
        // In the middle of the pings, when their flows are cached, not before them.
        std::thread::sleep(Duration::from_millis(200));
        for words in [
            &["trace", "--live", "h1", "h2", "--timeout", "2s"][..],
            // At the second switch, although both are one lookup as long as the link is plain.
            &["trace", "--live", "--at", "s2", "icmp,icmp_type=0,nw_src=10.0.0.2", "--timeout", "2s"],
        ] {
            let done = place.run_words(words);
            assert_eq!(done.code, 0, "{done:?}");
            assert!(done.out.contains("a real packet"), "{}", done.out);
            assert!(done.out.contains("gets it"), "{}", done.out);
        }
        let none = place.run("trace --live h1 h2 tcp/99 --timeout 300ms");
        assert_eq!(none.code, 124, "{none:?}");
        let output = ping.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(" 0% packet loss"), "{said}");
        let numbers: Vec<u32> = said
            .lines()
            .filter_map(|line| line.split_once("icmp_seq=")?.1.split(' ').next()?.parse().ok())
            .collect();
        assert!(numbers.is_sorted() && numbers.len() == 150, "in order, none twice: {numbers:?}");
    });
}

#[test]
fn tables_are_changed_as_text_and_all_or_nothing() {
    once(|place| {
        place.up(LAB);
        assert!(place.ok("group ls s2").contains("group_id=1,type=indirect,bucket=actions=output:2"));
        assert!(place.ok("meter ls s2").contains("meter=1,kbps,bands=type=drop,rate=100000"));
        place.write("flows.txt", "# two lines\nadd priority=7,udp,actions=drop\ndelete tcp\n");
        place.ok("flow add s2 -f flows.txt");
        let flows = place.ok("flow ls s2");
        assert!(flows.contains("priority=7,udp") && !flows.contains("tcp"), "{flows}");
        let refused = place.run("flow add s2 priority=8,sctp,actions=drop priority=9,nonsense,actions=drop");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("flow:2:"), "{refused:?}");
        assert!(!place.ok("flow ls s2").contains("sctp"));
        place.ok("flow mod s2 --strict priority=7,udp,actions=normal");
        assert!(place.ok("flow ls s2 udp").contains("NORMAL"));
        place.ok("flow rm s2 --strict priority=7,udp");
        place.ok("group add s2 group_id=5,type=all,bucket=output:1 group_id=6,type=all,bucket=group:5");
        place.ok("group rm s2 group_id=6");
        place.ok("meter mod s2 meter=1,pktps,bands=type=drop,rate=9");
        assert!(place.ok("meter ls s2").contains("pktps"));
        assert_eq!(place.run("meter add s2 meter=1,pktps,bands=type=drop,rate=9").code, 3);
        assert_eq!(place.run("group ls nowhere").code, 2);
    });
}

#[test]
fn a_stateful_firewall_knows_the_answer_of_a_packet_that_is_only_followed() {
    once(|place| {
        place.up("\
netloom: 1
name: stateful
nodes: { h1: {}, h2: {} }
switches:
  s1:
    flows:
      - priority=10,ip,ct_state=-trk,actions=ct(table=1)
      - priority=0,actions=normal
      - table=1,ip,ct_state=+trk+new,in_port=1,actions=ct(commit),normal
      - table=1,ip,ct_state=+trk+est,actions=normal
links: [h1 -- s1, h2 -- s1]
");
        let there = place.run("trace h1 h2 tcp/80");
        assert_eq!(there.code, 0, "{there:?}");
        assert!(!there.out.contains("note"), "the answer belongs to it: {}", there.out);
        // Followed packets are known to themselves alone.
        let back = place.run("trace h2 h1 tcp/80");
        assert_eq!(back.code, 1, "{back:?}");
        assert!(back.out.contains("table 1  no flow matches"), "{}", back.out);
    });
}
