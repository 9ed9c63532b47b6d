//! Two hosts and a switch, from nothing to nothing.

use crate::place::{for_each, once};

const PAIR: &str = "\
netloom: 1
name: pair
nodes: { h1..2: { env: { COLOUR: red } } }
switches: { s1: {} }
links: [h1..2 -- s1]
";

#[test]
fn two_hosts_talk_and_programs_run_in_them() {
    for_each(|place| {
        place.up(PAIR);
        place.ok("ping h1 h2 -c 2");
        assert_eq!(place.sh_ok("h1", "hostname; echo $COLOUR; cat /sys/class/net/eth0/mtu"), "h1\nred\n1500");
        assert_eq!(place.sh_ok("h2", "getent hosts h1 | grep -c ."), "1");
        let who = if place.ok("ls labs -o json").contains("\"rootless, ") { "rootless" } else { "root" };
        let rootless = place.who == crate::place::Who::User || !rustix::process::geteuid().is_root();
        assert_eq!(who == "rootless", rootless);
        place.ok("down");
        assert!(!place.run_dir().join("pair").exists());
        assert_ne!(place.run("ls nodes").code, 0, "the lab is gone");
    });
}

#[test]
fn exit_codes_are_as_documented() {
    once(|place| {
        place.up(PAIR);
        assert_eq!(place.sh("h1", "exit 7").code, 7);
        assert_eq!(place.sh("h1", "kill -9 $$").code, 137);
        assert_eq!(place.run("exec h1 -- /etc/passwd").code, 126);
        assert_eq!(place.run("exec h1 -- no-such-program").code, 127);
        let none = place.run("exec h9 -- true");
        assert_eq!(none.code, 125, "{none:?}");
        assert!(none.err.contains("no node h9"), "{none:?}");
        assert_eq!(place.run("ls --no-such-flag").code, 2);
        place.ok("link h2 s1 down");
        assert_eq!(place.run("ping h1 h2").code, 1, "the answer is no");
        place.write("bad.loom.yml", "netloom: 1\nname: bad\nnodes: { h1: { colour: red } }\n");
        let bad = place.run("up bad.loom.yml");
        assert_eq!(bad.code, 2, "{bad:?}");
        assert!(!place.run_dir().join("bad").exists(), "nothing was started");
    });
}

#[test]
fn of_two_ups_at_once_one_wins() {
    once(|place| {
        place.write("lab.loom.yml", PAIR);
        let children: Vec<_> = (0..2).map(|_| place.start("up lab.loom.yml")).collect();
        let ends: Vec<_> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        let won = ends.iter().filter(|end| end.status.success()).count();
        assert!(won >= 1, "{ends:?}");
        for lost in ends.iter().filter(|end| !end.status.success()) {
            let text = String::from_utf8_lossy(&lost.stderr);
            assert!(text.contains("being started") || text.contains("busy"), "{text}");
        }
        // Those of root are named to others, too.
        assert_eq!(place.ok("ls labs -q").lines().filter(|lab| *lab == "pair").count(), 1);
        place.ok("ping h1 h2");
    });
}
