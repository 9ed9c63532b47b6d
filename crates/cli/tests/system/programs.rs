//! `run:` programs, their ends and their logs.

use std::io::{BufRead, BufReader};

use crate::place::{Place, eventually, for_each, once};

const RUNS: &str = "\
netloom: 1
name: runs
nodes:
  steady: { run: \"echo hello from $HOSTNAME; exec sleep 1000\" }
  flaky: { run: \"echo once more; exit 3\", restart: on-failure }
  done: { run: \"echo all done\" }
  idle: {}
switches: { s1: {} }
links: [steady -- s1, flaky -- s1, done -- s1, idle -- s1]
";

/// A field of a node's row.
fn field(place: &Place, node: &str, name: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("ls nodes -o json")).unwrap();
    let rows = json["nodes"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == node).unwrap()[name].clone()
}

#[test]
fn programs_run_with_their_node_and_their_output_is_kept() {
    for_each(|place| {
        place.up(RUNS);
        eventually("the first line", || (place.ok("logs steady") == "hello from steady\n").then_some(()));
        eventually("the last line", || (place.ok("logs done") == "all done\n").then_some(()));
        assert_eq!(field(place, "done", "state"), "up", "to end well is no failure");
        let pid = field(place, "steady", "pid").as_u64().unwrap();
        assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
        assert_eq!(field(place, "idle", "pid"), serde_json::Value::Null);
        eventually("two more starts", || (field(place, "flaky", "restarts").as_u64()? >= 2).then_some(()));
        assert!(place.ok("logs flaky").contains("netloom: ended with exit code 3, again in "));
        assert_ne!(place.run("logs idle").code, 0, "it runs nothing");
        assert!(place.ok("logs").contains("ready"), "the daemon's own log");
        place.ok("down");
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it ends with the lab");
    });
}

#[test]
fn a_log_can_be_followed() {
    once(|place| {
        place.up(&RUNS.replace("exec sleep 1000", "while sleep 0.1; do echo tick; done"));
        let mut child = place.start("logs -f steady");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen: Vec<String> = lines.map(Result::unwrap).take(4).collect();
        assert_eq!(seen, ["hello from steady", "tick", "tick", "tick"]);
        child.kill().unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn an_edited_program_is_exchanged_and_the_others_go_on() {
    once(|place| {
        place.up(&RUNS
            .replace("done: {", "other: { run: \"exec sleep 1000\" }\n  done: {")
            .replace("[steady", "[other -- s1, steady"));
        let (steady, other) = (field(place, "steady", "pid"), field(place, "other", "pid"));
        place.up(&RUNS
            .replace("hello from", "now from")
            .replace("done: {", "other: { run: \"exec sleep 1000\" }\n  done: {")
            .replace("[steady", "[other -- s1, steady"));
        eventually("the new program", || {
            place.ok("logs steady").ends_with("now from steady\n").then_some(())
        });
        assert_ne!(field(place, "steady", "pid"), steady);
        assert_eq!(field(place, "other", "pid"), other, "it was not touched");
        assert!(!std::path::Path::new(&format!("/proc/{steady}")).exists(), "the old one has ended");
    });
}
