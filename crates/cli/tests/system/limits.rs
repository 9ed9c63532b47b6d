//! What nodes and tenants may use of the machine: kept, changed while programs run, counted, and gone with the lab.

mod guest;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use netloom_sys::cgroup::{Controller, Grounds, Hierarchies};

use crate::place::{Place, for_each, for_user, once};

/// Whether this machine lets whoever runs the tests limit all of these; else it is said aloud.
fn can(controllers: &[Controller]) -> bool {
    let grounds = Hierarchies::detect().map(|machine| Grounds::find(&machine)).unwrap();
    let why = controllers.iter().find_map(|controller| grounds.of(*controller).err());
    if let Some(why) = why {
        eprintln!("skipped: {why}");
    }
    why.is_none()
}

/// The folders of all groups that labs of this name have.
fn groups(lab: &str) -> Vec<PathBuf> {
    let Ok(machine) = Hierarchies::detect() else { return Vec::new() };
    let trees = machine.legacy.into_values().chain(machine.unified);
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = trees.map(|tree| tree.mount).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("netloom.{lab}.")) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}

fn node(place: &Place, name: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("ls nodes -o json")).unwrap();
    json["nodes"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone()
}

/// A row of `netloom top`, over half a second.
fn top(place: &Place, kind: &str, name: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("top -n 1 -i 500ms -o json")).unwrap();
    let rows = json["top"].as_array().unwrap();
    rows.iter().find(|row| row["kind"] == kind && row["name"] == name).unwrap().clone()
}

/// Looks again and again for as long as a slow machine may need.
fn within<T>(seconds: u64, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        // Between two looks, so that looking does not take the processor from what is looked for.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Takes more memory than it may: `tail` keeps a line without an end.
const GREEDY: &str = "head -c 300m /dev/zero | tail > /dev/null";

#[test]
fn a_program_beyond_its_memory_is_ended_and_the_reason_is_told() {
    once(|place| {
        if !can(&[Controller::Memory]) {
            return;
        }
        place.up(&format!(
            "netloom: 1\nname: greedy\nnodes:\n  small: {{ memory: 32MiB, run: \"{GREEDY}\" }}\n  large: {{ memory: 2GiB, run: \"{GREEDY}; echo fine; sleep 99\" }}\n"
        ));
        let row =
            within(30, "it is ended", || Some(node(place, "small")).filter(|row| row["state"] == "failed"));
        assert_eq!(row["reason"], "out of memory: its limit is 32MiB");
        assert!(place.ok("show small").contains("its limit is 32MiB"));
        let log = place.ok("logs small");
        assert!(log.contains("exit code 137, out of memory: its limit is 32MiB"), "{log}");
        within(30, "the other one has room", || place.ok("logs large").contains("fine").then_some(()));
        assert_eq!(node(place, "large")["state"], "up");
        let small = top(place, "node", "small");
        assert!(small["oom_kills"].as_u64().is_some_and(|kills| kills > 0), "{small}");
        // `exec` is in the group, too.
        assert_eq!(place.sh("small", GREEDY).code, 137);
        assert_eq!(place.sh("large", GREEDY).code, 0);
    });
}

#[test]
fn processors_and_processes_are_limited_and_a_resize_changes_it_while_programs_run() {
    once(|place| {
        if !can(&[Controller::Cpu, Controller::Accounting, Controller::Pids]) {
            return;
        }
        place.up(
            "netloom: 1\nname: busy\nnodes:\n  h1: { cpu: 0.2..1, pids: 24, run: \"while :; do :; done\" }\n  h2: {}\n",
        );
        let pid = node(place, "h1")["pid"].clone();
        // Twice as much as it may have is more than measuring can be wrong by.
        let cpu = || top(place, "node", "h1")["cpu"].as_f64().unwrap();
        within(20, "it works", || (cpu() > 0.02).then_some(()));
        let slow = cpu().min(cpu());
        assert!(slow < 0.4, "{slow}");
        let row = top(place, "node", "h1");
        assert_eq!((row["cpu_limit"].as_f64(), row["pids_limit"].as_u64()), (Some(0.2), Some(24)));
        assert_eq!(
            place.ok("resize h1 --cpu 0.9").trim(),
            "h1  cpu 0.9..1, pids 24  (file: cpu 0.2..1, pids 24)"
        );
        within(30, "it has more than before", || (cpu() > 0.45).then_some(()));
        let refused = place.run("resize h1 --cpu 1.5");
        assert!(
            refused.code == 3 && refused.err.contains("more than the 1 that the lab file allows"),
            "{refused:?}"
        );
        assert_eq!(node(place, "h1")["pid"], pid, "nothing was started again");
        // It is drift, like a link that was changed.
        assert!(place.ok("show h1").contains("the file has cpu 0.2..1"));
        let plan = place.ok("plan lab.loom.yml");
        assert!(plan.contains("changed by hand") && plan.contains("cpu 0.9..1"), "{plan}");
        place.ok("up lab.loom.yml");
        assert_eq!(node(place, "h1")["limits"], "cpu 0.9..1, pids 24", "what the file did not change stays");
        place.ok("up --reset lab.loom.yml");
        assert_eq!(node(place, "h1")["limits"], "cpu 0.2..1, pids 24");
        within(20, "it is slow again", || (cpu() < 0.4).then_some(()));
        assert_eq!(node(place, "h1")["pid"], pid);
        let many = place.sh("h1", "for i in $(seq 60); do sleep 20 & done; wait");
        assert!(many.err.to_lowercase().contains("fork"), "{many:?}");
        assert_eq!(place.sh("h2", "for i in $(seq 60); do sleep 0 & done; wait").code, 0);
        // An edit of the file is one of limits and no more.
        place.up(
            "netloom: 1\nname: busy\nnodes:\n  h1: { cpu: 0.2..1, run: \"while :; do :; done\" }\n  h2: {}\n",
        );
        assert_eq!((&node(place, "h1")["pid"], &node(place, "h1")["limits"]), (&pid, &"cpu 0.2..1".into()));
        assert_eq!(place.sh("h1", "for i in $(seq 60); do sleep 0 & done; wait").code, 0);
        // A node that is made anew is still the one that was limited.
        place.ok("resize h1 --cpu 0.3");
        place.up(
            "netloom: 1\nname: busy\nnodes:\n  h1: { port: packet, cpu: 0.2..1, run: \"while :; do :; done\" }\n  h2: {}\n",
        );
        assert_eq!(node(place, "h1")["limits"], "cpu 0.3..1");
        assert_ne!(node(place, "h1")["pid"], pid);
        within(20, "it is slow, too", || (cpu() < 0.5).then_some(()));
        assert!(place.sh_ok("h1", "cat /proc/self/cgroup").contains("node-h1"));
    });
}

#[test]
fn memory_in_use_is_not_taken_away() {
    once(|place| {
        if !can(&[Controller::Memory]) {
            return;
        }
        place.up("netloom: 1\nname: held\nnodes: { h1: { memory: 128MiB..256MiB, run: sleep 99 } }\n");
        // What a node writes into memory is its own.
        place.sh_ok("h1", "head -c 60m /dev/zero > /tmp/held");
        let refused = place.run("resize h1 --memory 16MiB");
        assert_eq!(refused.code, 3, "{refused:?}");
        assert!(refused.err.contains("cannot be 16MiB") && refused.err.contains("are in use"), "{refused:?}");
        assert_eq!(node(place, "h1")["limits"], "memory 128MiB..256MiB");
        place.sh_ok("h1", "test -s /tmp/held");
        place.ok("resize h1 --memory 200MiB");
        place.sh_ok("h1", "head -c 150m /dev/zero > /tmp/held; rm /tmp/held");
        place.ok("resize h1 --memory 16MiB");
        assert_eq!(place.sh("h1", GREEDY).code, 137);
        assert!(place.run("resize h1 --memory 300MiB").err.contains("256MiB"));
        // Back to the file, which has more than is now, and then the file has less than is in use.
        place.ok("up --reset lab.loom.yml");
        place.sh_ok("h1", "head -c 60m /dev/zero > /tmp/held");
        place.write(
            "lab.loom.yml",
            "netloom: 1\nname: held\nnodes: { h1: { memory: 32MiB, run: sleep 99 } }\n",
        );
        let refused = place.run("up lab.loom.yml");
        assert!(refused.code == 3 && refused.err.contains("are in use"), "{refused:?}");
        assert_eq!(node(place, "h1")["limits"], "memory 128MiB..256MiB");
        let row = top(place, "node", "h1");
        assert!(row["memory"].as_u64().is_some_and(|bytes| bytes > 50 << 20), "{row}");
        assert_eq!(row["memory_limit"].as_u64(), Some(128 << 20));
    });
}

#[test]
fn a_node_runs_on_its_processors_and_disks_are_read_at_its_rate() {
    once(|place| {
        if !can(&[Controller::Cpuset, Controller::Io]) {
            return;
        }
        place.write(
            "lab.loom.yml",
            "netloom: 1\nname: seat\nnodes: { h1: { cpuset: 0, run: sleep 99 }, h2: { io: { write: 2MiB } } }\n",
        );
        let up = place.run("up lab.loom.yml");
        if up.err.contains("on no disk of its own") {
            eprintln!("skipped: {}", up.err);
            return;
        }
        assert_eq!(up.code, 0, "{up:?}");
        let allowed = "grep Cpus_allowed_list /proc/self/status | cut -f 2";
        assert_eq!(place.sh_ok("h1", allowed), "0");
        let all = place.sh_ok("h2", allowed);
        // Programs that run move along.
        place.up("netloom: 1\nname: seat\nnodes: { h1: { run: sleep 99 }, h2: { io: { write: 2MiB } } }\n");
        assert_eq!(place.sh_ok("h1", allowed), all);
        let begin = Instant::now();
        let direct = place.sh("h2", "dd if=/dev/zero of=written bs=1M count=6 oflag=direct 2>&1");
        if direct.code != 0 {
            eprintln!("skipped: no direct writes here: {direct:?}");
            return;
        }
        assert!(begin.elapsed() > Duration::from_millis(1_500), "{:?} {direct:?}", begin.elapsed());
    });
}

#[test]
fn a_node_without_limits_has_no_group_and_gets_one_with_its_programs() {
    once(|place| {
        if !can(&[Controller::Cpu, Controller::Accounting, Controller::Pids]) {
            return;
        }
        let lab = "netloom: 1\nname: late\ntenants: { red: {} }\nnodes: { red/h1: { run: \"while :; do :; done\" } }\n";
        place.up(lab);
        assert_eq!(groups("late"), Vec::<PathBuf>::new());
        assert!(top(place, "node", "red/h1")["cpu"].is_null());
        let mut shell = place.start("exec -T red/h1 -- sleep 77.25");
        let pid = node(place, "red/h1")["pid"].clone();
        let inside = || {
            let groups = groups("late").into_iter().map(|it| it.join("tenant-red/node-h1/cgroup.procs"));
            let procs =
                groups.map(|procs| std::fs::read_to_string(procs).unwrap_or_default().lines().count());
            procs.min().unwrap_or(0)
        };
        within(5, "the shell's program", || {
            (place.sh_ok("red/h1", "pgrep -c -f '^sleep 77.25' || true") != "0").then_some(())
        });
        place.ok("resize red/h1 --cpu 0.2");
        assert_eq!(inside(), 2, "the program of the file, and the shell's");
        within(20, "it is slow", || (top(place, "node", "red/h1")["cpu"].as_f64()? < 0.4).then_some(()));
        assert!(place.sh_ok("red/h1", "cat /proc/self/cgroup").contains("node-h1"));
        assert_eq!(node(place, "red/h1")["pid"], pid);
        // An edit gives one, too, and that of a tenant its nodes.
        place.ok("down");
        let _ = shell.wait();
        place.up(lab);
        let pid = node(place, "red/h1")["pid"].clone();
        place.up(&lab.replace("red: {}", "red: { quota: { cpu: 0.2 } }"));
        assert_eq!(inside(), 1);
        within(20, "it is slow", || (top(place, "tenant", "red")["cpu"].as_f64()? < 0.4).then_some(()));
        place.up(&lab.replace("{ run:", "{ pids: 30, run:"));
        assert_eq!((&node(place, "red/h1")["pid"], inside()), (&pid, 1));
    });
}

const TENANTS: &str = "\
netloom: 1
name: shares
tenants:
  red:
    quota: { cpu: 1, memory: 48MiB, nodes: 2 }
  blue: {}
nodes:
  red/a: { cpu: 0.5 }
  red/b: { memory: 32MiB, run: sleep 99 }
  blue/c: { run: sleep 99 }
";

#[test]
fn a_tenant_keeps_to_its_quota() {
    once(|place| {
        if !can(&[Controller::Memory, Controller::Cpu, Controller::Accounting]) {
            return;
        }
        place.up(TENANTS);
        assert!(place.ok("ls tenants").contains("cpu 1, memory 48MiB, nodes 2"));
        // A node without a limit of its own has what the tenant has.
        let over = place.sh("red/a", GREEDY);
        assert_eq!(over.code, 137, "{over:?}");
        assert_eq!(place.sh("blue/c", GREEDY).code, 0);
        let row = top(place, "tenant", "red");
        assert_eq!((row["cpu_limit"].as_f64(), row["memory_limit"].as_u64()), (Some(1.0), Some(48 << 20)));
        // By hand no more than in the file.
        let refused = place.run("resize red/b --memory 64MiB");
        assert!(refused.code == 3 && refused.err.contains("its quota is 48MiB"), "{refused:?}");
        place.ok("resize red/b --memory 40MiB");
        // More for the tenant and its node in one edit, and less again.
        let more = TENANTS.replace("48MiB", "512MiB").replace("memory: 32MiB", "memory: 400MiB");
        place.up(&more);
        assert_eq!(place.sh("red/a", GREEDY).code, 0);
        assert_eq!(node(place, "red/b")["limits"], "memory 400MiB");
        place.up(TENANTS);
        assert_eq!(place.sh("red/a", GREEDY).code, 137);
    });
}

const BANDWIDTH: &str = "\
netloom: 1
name: wide
workers: 2
tenants:
  red: { quota: { bandwidth: 20Mbit } }
  blue: {}
nodes: { red/a: {}, red/b: {}, red/c: {}, blue/x: {}, blue/y: {} }
switches: { s1: {} }
links:
  - red/a -- s1
  - red/b -- s1
  - red/c -- s1
  - red/a -- red/b
  - blue/x -- s1
  - blue/y -- s1
";

/// Sends more than anybody may, to nobody in particular, until it is ended.
const FLOOD: &str = "import socket, sys, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); end = time.time() + 40\nwhile time.time() < end:\n  [s.sendto(bytes(1458), (sys.argv[1], 9)) for _ in range(10)]; time.sleep(0.001)";

/// Bits a second that come to the interfaces of nodes, by their own clocks, over two seconds and all at once.
fn arriving(place: &Place, nodes: &[&str]) -> f64 {
    let look =
        "date +%s%N; cat /sys/class/net/eth*/statistics/rx_bytes | paste -sd+ | sed 's/.*/echo $((&))/' | sh";
    let rate = |node: &&str| {
        let text = place.sh_ok(node, &format!("{look}; sleep 2; {look}"));
        let all: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
        let [begin, before, end, now] = all[..] else { panic!("{text}") };
        (now - before) * 8.0 / (end - begin) * 1e9
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = nodes.iter().map(|node| scope.spawn(move || rate(node))).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

/// Ends a program in a node: whoever asked for it leaves.
fn end(mut program: std::process::Child) {
    program.kill().unwrap();
    program.wait().unwrap();
}

#[test]
fn nodes_of_a_tenant_send_no_more_together_than_its_bandwidth() {
    for_each(|place| {
        place.up(BANDWIDTH);
        if place.sh("red/a", "python3 -V").code != 0 {
            eprintln!("skipped: python3 is missing");
            return;
        }
        let address = |(node, interface): (&str, usize)| -> String {
            let row = self::node(place, node);
            let all = row["interfaces"][interface]["addresses"].as_array().unwrap().clone();
            let four = all.iter().filter_map(|it| it.as_str()).find(|it| it.contains('.')).unwrap();
            four.split('/').next().unwrap().to_owned()
        };
        let flood = |from: &str, to: (&str, usize)| {
            let script = place.path("flood.py");
            std::fs::write(&script, FLOOD).unwrap();
            place.start(&format!("exec -T {from} -- python3 {} {}", script.display(), address(to)))
        };
        // By a switch, and by a link that leads to none.
        let ways = [("red/a", ("red/c", 0)), ("red/b", ("red/a", 1)), ("blue/x", ("blue/y", 0))];
        let senders = ways.map(|(from, to)| flood(from, to));
        let red = || arriving(place, &["red/c", "red/a"]);
        within(10, "they send", || (red() > 1e6).then_some(()));
        let (sent, free) = std::thread::scope(|scope| {
            let free = scope.spawn(|| arriving(place, &["blue/y"]));
            (red(), free.join().unwrap())
        });
        // A machine with much to do serves a sender late, or several looks in a row.
        assert!((0.95..1.05).contains(&(sent / 20e6)), "{sent}");
        assert!(free > 25e6, "another tenant's are not held back: {free}");
        let row = top(place, "tenant", "red");
        assert_eq!(row["bps_limit"].as_f64(), Some(20e6));
        assert!(row["load"].as_f64().is_some_and(|load| load > 0.8 && load < 1.3), "{row}");
        assert!(row["drops"].as_f64().is_some_and(|drops| drops > 100.0), "{row}");
        // An edit counts at once.
        place.up(&BANDWIDTH.replace("20Mbit", "10Mbit"));
        let less = red();
        assert!((0.95..1.05).contains(&(less / 10e6)), "{less}");
        senders.into_iter().for_each(end);
        assert!(place.ok("ls drops").contains("bandwidth of the tenant's quota exceeded"));
        place.up(&BANDWIDTH.replace("{ quota: { bandwidth: 20Mbit } }", "{}"));
        let sender = flood("red/a", ("red/c", 0));
        within(10, "nobody holds it back", || (arriving(place, &["red/c"]) > 25e6).then_some(()));
        end(sender);
    });
}

#[test]
fn what_a_tenant_may_not_have_is_an_error_of_the_file() {
    once(|place| {
        let wrong =
            TENANTS.replace("cpu: 0.5", "cpu: 0.5..1.5").replace("nodes: 2", "nodes: 1, bandwidth: 1Mbit");
        place.write("lab.loom.yml", &wrong);
        let done = place.run("lint lab.loom.yml");
        assert_eq!(done.code, 2, "{done:?}");
        for said in [
            "the nodes of `red` may take 1.5 processors, its quota is 1",
            "`red` has 2 nodes, its quota is 1",
        ] {
            assert!(done.err.contains(said), "{said}: {}", done.err);
        }
        assert!(done.err.contains("lab.loom.yml:5"), "{}", done.err);
    });
}

#[test]
fn no_group_is_left_by_down_nor_after_a_daemon_was_killed() {
    once(|place| {
        if !can(&[Controller::Memory, Controller::Pids]) {
            return;
        }
        let lab = "netloom: 1\nname: leavings\nnodes: { h1: { memory: 64MiB, run: sleep 99 }, h2: { pids: 50, run: sleep 99 } }\n";
        place.up(lab);
        let made = groups("leavings");
        assert!(!made.is_empty());
        // A node that goes takes its group along.
        let nodes =
            || groups("leavings").iter().filter(|it| it.join("tenant-default/node-h2").exists()).count();
        assert!(nodes() > 0);
        place.up("netloom: 1\nname: leavings\nnodes: { h1: { memory: 64MiB, run: sleep 99 } }\n");
        assert_eq!(nodes(), 0);
        place.ok("down");
        assert_eq!(groups("leavings"), Vec::<PathBuf>::new());
        place.up(lab);
        let labs: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
        let daemon = labs["labs"][0]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
        let daemon = rustix::process::Pid::from_raw(daemon).unwrap();
        rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
        assert!(!groups("leavings").is_empty());
        place.ok("down leavings");
        assert_eq!(groups("leavings"), Vec::<PathBuf>::new());
    });
}

#[test]
fn what_cannot_be_kept_is_refused_or_told() {
    for_user(|place| {
        let lab = "netloom: 1\nname: poor\nnodes: { h1: { memory: 64MiB, run: sleep 99 } }\n";
        place.write("lab.loom.yml", lab);
        let refused = place.run("up lab.loom.yml");
        if refused.code == 0 {
            eprintln!("skipped: this user has a part of the control groups");
            return;
        }
        assert_eq!(refused.code, 4, "{refused:?}");
        assert!(
            refused.err.contains("This machine cannot keep the limits of h1: memory 64MiB: "),
            "{refused:?}"
        );
        assert!(refused.err.contains("limits: best-effort"), "{refused:?}");
        let easy = lab.replace("64MiB", "64MiB, limits: best-effort");
        place.write("lab.loom.yml", &easy);
        let plan = place.run("plan lab.loom.yml");
        assert!(format!("{}{}", plan.out, plan.err).contains("h1 is not kept to memory 64MiB"), "{plan:?}");
        let up = place.run("up lab.loom.yml");
        assert_eq!(up.code, 0, "{up:?}");
        assert!(format!("{}{}", up.out, up.err).contains("h1 is not kept to memory 64MiB"), "{up:?}");
        assert!(place.ok("show h1").contains("not kept"));
        assert_eq!(place.sh("h1", GREEDY).code, 0);
        let resized = place.run("resize h1 --memory 32MiB");
        assert_eq!(resized.code, 0, "{resized:?}");
    });
}
