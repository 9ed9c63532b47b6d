//! What is left on the machine when a lab is over: nothing.

use std::collections::BTreeSet;
use std::path::Path;

use crate::place::{Place, eventually, for_each};

const LAB: &str = "\
netloom: 1
name: left
networks: { lan: {} }
nodes:
  h1: { run: \"sleep 98765 & sleep 98764\" }
  h2: { files: { /etc/motd: motd } }
  h3: { port: packet }
  h4: { networks: [lan] }
switches: { s1: {} }
links: [h1..3 -- s1]
";

/// Everything a lab could leave behind, as far as it is this lab's: other labs may come and go meanwhile.
fn traces(place: &Place) -> BTreeSet<String> {
    let mine = place.run_dir().parent().unwrap().to_string_lossy().into_owned();
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(command) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        // Their environment names the place, and what they show as their command is known.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&mine) || command.contains("9876") {
            all.insert(format!("process {command}"));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.extend(mounts.lines().filter(|line| line.contains(&mine)).map(|line| format!("mount {line}")));
    for dir in [place.run_dir(), Path::new("/sys/class/net").to_owned()] {
        let names = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let alias = |entry: &std::fs::DirEntry| {
            std::fs::read_to_string(entry.path().join("ifalias")).unwrap_or_default()
        };
        let names =
            names.filter(|entry| dir != Path::new("/sys/class/net") || alias(entry).contains("netloom:left"));
        all.extend(names.map(|entry| format!("file {}", entry.path().display())));
    }
    let named = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    all.extend(
        named
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("nl-left")),
    );
    all
}

#[test]
fn down_leaves_nothing() {
    for_each(|place| {
        place.write("motd", "hello\n");
        let before = traces(place);
        let root = place.is_root();
        let lab =
            if root { LAB.replace("port: packet", "port: packet, netns: nl-left") } else { LAB.to_owned() };
        place.up(&lab);
        assert_eq!(place.sh_ok("h2", "cat /etc/motd"), "hello");
        assert!(place.sh_ok("h4", "cat /etc/resolv.conf").contains("search default.left"));
        place.ok("ping h1 h3");
        let during = traces(place);
        assert!(during.len() >= before.len() + 3, "it looks for what is there: {during:?}");
        if root {
            assert!(Path::new("/run/netns/nl-left").exists());
        }
        let mut child = place.start("exec -T h2 -- sleep 98763");
        eventually("a program", || traces(place).iter().any(|trace| trace.contains("98763")).then_some(()));
        place.ok("down");
        child.wait().unwrap();
        eventually("nothing is left", || (traces(place) == before).then_some(()));
    });
}

#[test]
fn a_killed_daemon_takes_its_programs_along_and_down_removes_the_rest() {
    for_each(|place| {
        place.write("motd", "hello\n");
        let before = traces(place);
        place.up(LAB);
        let json: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
        let pid = i32::try_from(json["labs"][0]["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        place.ok("down left");
        eventually("nothing is left", || (traces(place) == before).then_some(()));
    });
}
