//! Two at once, nothing left to have, and a daemon that is killed: a clear error, and everything undone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::place::{Done, for_each, lacks, once};

const LAB: &str = "\
netloom: 1
name: bad
nodes: { h1..40: {} }
switches: { s1: {} }
links: [h1..40 -- s1]
";

#[test]
fn of_two_ups_at_once_one_wins_and_the_other_says_so() {
    for_each(|place| {
        place.write("lab.loom.yml", LAB);
        for _ in 0..4 {
            let both = [place.start("up lab.loom.yml"), place.start("up lab.loom.yml")];
            let done = both.map(|child| Done::from(child.wait_with_output().unwrap()));
            // Where the second came when the first was done already, there was nothing left to do.
            let won = done.iter().filter(|done| done.code == 0).count();
            assert!(won >= 1, "{done:?}");
            for lost in done.iter().filter(|done| done.code != 0) {
                assert_eq!(lost.code, 3, "{lost:?}");
                assert!(lost.err.contains("busy") || lost.err.contains("another netloom"), "{lost:?}");
            }
            assert_eq!(place.ok("ls nodes -q").split_whitespace().count(), 40, "the winner's lab is up");
            place.ok("down");
        }
    });
}

#[test]
fn without_descriptors_nothing_is_left_but_the_reason() {
    for_each(|place| {
        place.write("lab.loom.yml", LAB);
        // Too few for the daemon, for its threads, for its nodes.
        for most in [8, 20, 60] {
            let mut command = Command::new("prlimit");
            let up = place.command(&["up", "lab.loom.yml"]);
            command.arg(format!("--nofile={most}:{most}")).arg(up.get_program()).args(up.get_args());
            command.current_dir(place.run_dir().parent().unwrap());
            command.env("NETLOOM_RUN_DIR", place.run_dir()).stdin(std::process::Stdio::null());
            let done = Done::from(command.output().unwrap());
            assert_eq!(done.code, 4, "{most}: {done:?}");
            assert!(done.err.contains("ulimit -n"), "{most}: {done:?}");
            assert!(!place.run_dir().join("bad").exists(), "{most}: {done:?}");
        }
    });
}

#[test]
fn on_a_full_disk_nothing_is_left_but_the_reason() {
    once(|place| {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can have a small disk");
            return;
        }
        place.write("lab.loom.yml", LAB);
        for size in ["size=4k", "size=8k", "size=12k", "nr_inodes=6", "nr_inodes=9"] {
            let up = place.command(&["up", "lab.loom.yml"]);
            let script = "mkdir -p full && mount -t tmpfs -o $1 tmpfs full && shift && NETLOOM_RUN_DIR=$PWD/full/run \"$@\"; code=$?; find full -mindepth 1; exit $code";
            let mut command = Command::new("unshare");
            command
                .args(["--mount", "sh", "-c", script, "sh", size])
                .arg(up.get_program())
                .args(up.get_args());
            command.current_dir(place.run_dir().parent().unwrap()).stdin(std::process::Stdio::null());
            let done = Done::from(command.output().unwrap());
            assert_eq!(done.code, 3, "{size}: {done:?}");
            assert!(done.err.contains("No space left"), "{size}: {done:?}");
            assert_eq!(done.out, "", "{size}: nothing is left");
        }
    });
}

#[test]
fn a_plan_is_what_up_does_and_nothing_remains_to_be_done() {
    for_each(|place| {
        place.up(&LAB.replace("h1..40", "h1..4"));
        place.run_words(&["flow", "add", "s1", "priority=7,tcp,actions=drop"]);
        place.ok("link h1 s1 --delay 5ms");
        let edited = LAB.replace("h1..40", "h2..6").replace("s1: {}", "s1: {}, s2: {}")
            + "  - s1 -- s2\nsubnet: 10.9.0.0/16\n";
        let edited = edited.replace("links: [h2..6 -- s1]", "links:\n  - h2..3 -- s1\n  - h4..6 -- s2");
        place.write("lab.loom.yml", &edited);
        let plan: serde_json::Value = serde_json::from_str(&place.ok("plan lab.loom.yml -o json")).unwrap();
        let steps = plan["plan"]["steps"].as_array().unwrap();
        let count = |sign: &str, kinds: &[&str]| {
            let is = |step: &&serde_json::Value| {
                step["sign"] == sign && kinds.iter().any(|kind| step["kind"] == *kind)
            };
            steps.iter().filter(is).count() as u64
        };
        let things = ["node", "switch", "link", "run", "flows"];
        let up: serde_json::Value = serde_json::from_str(&place.ok("up lab.loom.yml -o json")).unwrap();
        for (sign, key) in [("+", "created"), ("~", "changed"), ("-", "removed")] {
            assert_eq!(up["applied"][key], count(sign, &things), "{key}: {plan}");
        }
        let again: serde_json::Value = serde_json::from_str(&place.ok("plan lab.loom.yml -o json")).unwrap();
        assert_eq!(again["plan"]["steps"], serde_json::json!([]), "nothing remains");
        assert!(again["plan"]["drift"].to_string().contains("priority=7"), "kept: {again}");
        place.ok("ping all all");
        place.ok("up --reset lab.loom.yml");
        let reset: serde_json::Value = serde_json::from_str(&place.ok("plan lab.loom.yml -o json")).unwrap();
        assert_eq!(reset["plan"]["drift"], serde_json::json!([]));
    });
}

#[test]
fn an_up_that_fails_leaves_the_running_lab_as_it_was() {
    once(|place| {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: names of namespaces need root");
            return;
        }
        place.up(&LAB.replace("h1..40", "h1..3"));
        let marks = |node: &str| place.sh_ok(node, "readlink /proc/self/ns/net");
        let before = [marks("h1"), marks("h3")];
        // Somebody has a namespace of that name.
        let name = format!("nl-taken-{}", std::process::id());
        let ip =
            |word: &str| assert!(Command::new("ip").args(["netns", word, &name]).status().unwrap().success());
        ip("add");
        let edited = LAB.replace("h1..40 --", "h1..2 -- s1, h4 --");
        let edited = edited.replace("h1..40: {}", &format!("h1..2: {{}}, h4: {{ netns: {name} }}"));
        place.write("edit.loom.yml", &edited);
        let done = place.run("up edit.loom.yml");
        let theirs = Path::new("/run/netns").join(&name).exists();
        ip("del");
        assert!(theirs, "the name of others stays");
        assert_eq!(done.code, 3, "{done:?}");
        assert!(done.err.contains("ip netns list"), "{done:?}");
        assert_eq!(place.ok("ls nodes -q").split_whitespace().collect::<Vec<_>>(), ["h1", "h2", "h3"]);
        assert_eq!([marks("h1"), marks("h3")], before);
        place.ok("ping all all");
    });
}

#[test]
fn one_copy_goes_down_and_the_others_do_not_notice() {
    if lacks(&["ip", "ping"]) {
        return;
    }
    for_each(|place| {
        place.write("lab.loom.yml", &LAB.replace("h1..40", "h1..2"));
        for name in ["c1", "c2", "c3"] {
            place.ok(&format!("up lab.loom.yml --name {name}"));
        }
        let look = |name: &str| {
            let done = place.run(&format!("-l {name} exec -T h1 -- readlink /proc/self/ns/net"));
            assert!(done.out.starts_with("net:["), "{done:?}");
            done.out
        };
        let before = [look("c1"), look("c3")];
        let ping = place.start("-l c1 exec -T h1 -- ping -q -i 0.001 -c 600 10.0.0.2");
        // In the middle of the pings, which take 600 ms, not before them.
        std::thread::sleep(Duration::from_millis(200));
        place.ok("down c2");
        let ping = ping.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&ping.stdout);
        assert!(text.contains("600 packets transmitted, 600 received"), "{text}");
        assert_eq!([look("c1"), look("c3")], before);
    });
}

#[test]
fn a_daemon_that_stood_still_says_that_links_were_not_faithful() {
    once(|place| {
        place.up("netloom: 1\nname: still\nnodes: { h1..2: {} }\nswitches: { s1: {} }\n\
             links:\n  - { link: h1 -- s1, rate: 20Mbit, delay: 2ms }\n  - h2 -- s1\n\
             expect: [throughput h1 -> h2 >= 1Mbit]\n");
        let text = std::fs::read_to_string(place.run_dir().join("still/daemon.pid")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pid = i32::try_from(json["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let signal = |signal| rustix::process::kill_process(pid, signal).unwrap();
        let test = place.start("test -o json");
        // In the middle of the 2 s of load, which nothing outside shows.
        std::thread::sleep(Duration::from_millis(800));
        signal(rustix::process::Signal::STOP);
        // How long it stands still is what is tested.
        std::thread::sleep(Duration::from_millis(50));
        signal(rustix::process::Signal::CONT);
        let done = Done::from(test.wait_with_output().unwrap());
        assert_eq!(done.code, 5, "{done:?}");
        let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let fidelity = &json["tested"]["fidelity"];
        assert_eq!(fidelity["faithful"], false, "{done:?}");
        // Of a second with 50 ms of standing still, more than a hundredth is late by almost as much.
        assert!(fidelity["p99_ms"].as_f64().unwrap() >= 30.0, "{done:?}");
    });
}
