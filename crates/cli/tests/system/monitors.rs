//! `ovs-ofctl monitor BRIDGE watch:...`: who watches flows is told what others do.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::place::{Place, for_each};

const LAB: &str = "\
netloom: 1
name: watched
nodes: { h1..2: {} }
switches: { s1: {} }
links: [ h1 -- s1, h2 -- s1 ]
";

/// A program that watches, and its lines. It ends with this.
struct Watcher {
    child: Child,
    control: PathBuf,
    lines: Receiver<String>,
}

impl Watcher {
    fn start(place: &Place, version: &str, watch: &str) -> Option<Self> {
        let target = format!("unix:{}", place.run_dir().join("watched/s1.mgmt").display());
        let mut command = Command::new("ovs-ofctl");
        // It can be told what to do while it runs; nobody does.
        let control = std::env::temp_dir().join(format!("netloom-watch-{}.ctl", std::process::id()));
        command.arg(format!("--unixctl={}", control.display()));
        command.args(["-O", version, "monitor", &target, watch]);
        let Ok(mut child) = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() else {
            eprintln!("skipped: there is no ovs-ofctl");
            return None;
        };
        let (send, lines) = channel();
        // It writes what it is told to its standard error, and what it finds at first to its output.
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for stream in streams {
            let send = send.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = send.send(line);
                }
            });
        }
        Some(Self { child, control, lines })
    }

    /// The next line that has all of these words.
    fn line(&self, words: &[&str]) -> String {
        let mut others = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(10)) {
                Ok(line) if words.iter().all(|word| line.contains(word)) => return line,
                Ok(line) => others.push(line),
                Err(error) => panic!("{error}: no {words:?} among {others:#?}"),
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.control);
    }
}

fn change(place: &Place, words: &[&str]) {
    let (verb, rest) = words.split_first().unwrap();
    let target = format!("unix:{}", place.run_dir().join("watched/s1.mgmt").display());
    let done =
        Command::new("ovs-ofctl").args(["-O", "OpenFlow13", verb, &target]).args(rest).output().unwrap();
    assert!(done.status.success(), "{:?} {words:?}: {done:?}", place.who);
}

#[test]
fn ovs_ofctl_watches_flows() {
    for_each(|place| {
        place.up(LAB);
        place.ok("flow add s1 table=5,priority=3,tcp,actions=output:2");
        for version in ["OpenFlow10", "OpenFlow13", "OpenFlow14"] {
            let Some(watcher) = Watcher::start(place, version, "watch:table=5") else { return };
            watcher.line(&["table=5", "tcp", "actions=output:2"]);
            change(place, &["add-flow", "table=6,udp,actions=drop"]);
            change(place, &["add-flow", "table=5,udp,actions=output:1"]);
            watcher.line(&["event=ADDED", "table=5", "udp", "actions=output:1"]);
            change(place, &["mod-flows", "table=5,udp,actions=output:2"]);
            watcher.line(&["event=MODIFIED", "udp", "actions=output:2"]);
            change(place, &["del-flows", "table=5,udp"]);
            watcher.line(&["event=DELETED reason=delete", "udp"]);
            change(place, &["add-flow", "table=5,arp,actions=drop", "--bundle"]);
            watcher.line(&["event=ADDED", "arp"]);
            // What no controller did is told, too.
            place.ok("flow rm s1 table=5,arp");
            watcher.line(&["event=DELETED reason=delete", "arp"]);
        }
        place.ok("down");
    });
}
