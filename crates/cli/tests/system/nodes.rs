//! Nodes stopped and started, paused and resumed.

use crate::place::{eventually, for_each, lacks};

const LAB: &str = "\
netloom: 1
name: nodes
nodes:
  h1: { run: \"read id < /proc/sys/kernel/random/uuid; while :; do echo $id; sleep 0.05; done\" }
  h2: {}
  h3: {}
switches: { s1: {} }
links: [h1..3 -- s1]
";

#[test]
fn a_stopped_node_is_off_the_network_and_comes_back_whole() {
    if lacks(&["ip"]) {
        return;
    }
    for_each(|place| {
        place.up(LAB);
        let netns = place.sh_ok("h1", "readlink /proc/self/ns/net; ip route");
        place.ok("stop h1");
        assert!(place.ok("ls nodes").contains("stopped"));
        assert_ne!(place.sh("h1", "true").code, 0, "no program starts in it");
        let address = "10.0.0.1";
        assert_ne!(place.sh("h2", &format!("ping -c 1 -W 1 {address}")).code, 0);
        assert_ne!(place.run("ping h2 h1").code, 0);
        place.ok("ping h2 h3");
        // The file has changed elsewhere: what is stopped stays so.
        place.up(&LAB.replace("h3: {}", "h3: { env: { A: b } }"));
        assert_ne!(place.run("ping h2 h1").code, 0);
        place.ok("start h1");
        // The kernel asks for an address that did not answer only once a second.
        let answers = || (place.run("ping h2 h1").code == 0).then_some(());
        eventually("it answers again", answers);
        assert_eq!(place.sh_ok("h1", "readlink /proc/self/ns/net; ip route"), netns);
        let lives = || {
            place.ok("logs h1").lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>().len()
        };
        eventually("its program runs again", || (lives() == 2).then_some(()));
        place.ok("restart h1..2");
        eventually("both answer again", answers);
    });
}

#[test]
fn a_paused_node_stands_still() {
    for_each(|place| {
        place.up(LAB);
        eventually("a first line", || (!place.ok("logs h1").is_empty()).then_some(()));
        place.ok("pause h1");
        let before = place.ok("logs h1");
        // Long enough for lines that would come if it went on: that nothing comes can only be waited for.
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(place.ok("logs h1"), before);
        let refused = place.sh("h1", "true");
        assert!(refused.err.contains("paused"), "{refused:?}");
        place.ok("resume h1");
        eventually("it goes on", || (place.ok("logs h1").len() > before.len()).then_some(()));
    });
}
