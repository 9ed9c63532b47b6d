//! An edited file changes what it changed and nothing else.

use crate::place::{for_each, lacks};

const LAB: &str = "\
netloom: 1
name: edit
nodes: { h1..3: {} }
switches: { s1: {} }
links: [h1..3 -- s1]
";

#[test]
fn untouched_nodes_stay_the_same_and_lose_nothing() {
    if lacks(&["ip"]) {
        return;
    }
    for_each(|place| {
        place.up(LAB);
        let netns = |node: &str| place.sh_ok(node, "readlink /proc/self/ns/net");
        let before = [netns("h1"), netns("h2")];
        place.sh_ok("h1", "ip link add keep type bridge");
        let ping = place.start("exec -T h1 -- ping -q -i 0.001 -c 1000 10.0.0.2");
        // In the middle of it, not before it.
        std::thread::sleep(std::time::Duration::from_millis(300));
        place.up(&LAB
            .replace("h1..3: {}", "h1..2: {}, h4..6: {}")
            .replace("h1..3 --", "h1..2 -- s1, h4..6 --"));
        let ping = ping.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&ping.stdout);
        assert!(text.contains("1000 packets transmitted, 1000 received"), "{text}");
        assert!(text.contains(" 0% packet loss"), "{text}");
        assert_eq!([netns("h1"), netns("h2")], before);
        place.sh_ok("h1", "ip link show keep");
        let nodes = place.ok("ls nodes -q");
        assert_eq!(nodes.split_whitespace().collect::<Vec<_>>(), ["h1", "h2", "h4", "h5", "h6"]);
        place.ok("ping all all");
    });
}

#[test]
fn a_network_that_is_gone_leaves_nothing_behind() {
    for_each(|place| {
        let lab = |networks: &str, of: &str| {
            format!(
                "netloom: 1\nname: less\nnetworks: {{ {networks} }}\nnodes: {{ h1: {{ networks: [{of}] }} }}\n"
            )
        };
        place.up(&lab("lan: { subnet: 10.9.0.0/24 }, more: { subnet: 10.9.1.0/24 }", "lan, more"));
        place.up(&lab("lan: { subnet: 10.9.0.0/24 }", "lan"));
        assert!(place.ok("down").contains("nothing left"));
    });
}
