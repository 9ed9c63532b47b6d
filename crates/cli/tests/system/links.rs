//! Links, changed while packets travel; load and drawing.

use crate::place::{for_each, lacks, once};

const LAB: &str = "\
netloom: 1
name: links
nodes: { h1..2: {} }
switches: { s1: {}, s2: {} }
links:
  - h1 -- s1
  - h2 -- s2
  - { link: s1 -- s2, name: core }
";

#[test]
fn a_changed_delay_is_felt_at_once() {
    for_each(|place| {
        place.up(LAB);
        let plain = place.rtt("h1", "h2");
        place.ok("link core --delay 30ms");
        let slow = place.rtt("h1", "h2");
        assert!(slow >= 60.0, "{slow} ms with, {plain} ms without");
        place.ok("link core --back --delay 0ms");
        let half = place.rtt("h1", "h2");
        assert!(half >= 30.0, "{half} ms");
        // A busy machine adds to a round trip now and then, but not to every one.
        assert!((0..9).any(|_| place.rtt("h1", "h2") < 60.0), "still {half} ms");
        // Drift stays until it is taken back.
        place.ok("up lab.loom.yml");
        assert!(place.rtt("h1", "h2") >= 30.0);
        place.ok("up lab.loom.yml --reset");
        assert!((0..9).any(|_| place.rtt("h1", "h2") < 30.0), "the delay is still there");
        place.ok("link core down");
        assert_eq!(place.run("ping h1 h2").code, 1);
        place.ok("link core up");
        // A packet that waits for an address resolution begun while the link was down is lost with it.
        assert!((0..5).any(|_| place.run("ping h1 h2").code == 0), "the link is up again");
    });
}

#[test]
fn a_link_between_switches_counts_what_crosses_it() {
    once(|place| {
        place.up(LAB);
        place.ok("ping h1 h2 -4 -c 20");
        let json: serde_json::Value = serde_json::from_str(&place.ok("ls links -o json")).unwrap();
        let core =
            json["links"].as_array().unwrap().iter().find(|row| row["name"] == "core").unwrap().clone();
        for way in ["forth", "back"] {
            assert!(core[way]["packets"].as_u64().unwrap() >= 20, "{core}");
        }
    });
}

#[test]
fn load_is_shown_while_it_lasts() {
    if lacks(&["ping"]) {
        return;
    }
    once(|place| {
        place.up(&LAB.replace("name: core", "name: core, rate: 10Mbit"));
        let mut flood = place.start("exec -T h1 -- ping -q -f -s 1000 -w 3 10.0.0.2");
        // The load is to be there before it is looked at: `top` sees only what passes while it looks.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let text = place.ok("top -n 1 -i 500ms -o json");
        flood.kill().unwrap();
        flood.wait().unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let rows = json["top"].as_array().unwrap();
        let core =
            rows.iter().find(|row| row["name"].as_str().unwrap().starts_with("s1:s1-eth2 ->")).unwrap();
        assert!(core["pps"].as_f64().unwrap() > 50.0, "{core}");
        let load = core["load"].as_f64().unwrap();
        assert!(load > 0.01 && load < 1.2, "{core}");
        assert!(rows.iter().any(|row| row["kind"] == "daemon" && row["load"].as_f64().unwrap() > 0.0));
    });
}
