//! Switches under controllers: the one that is built in, real ones, and ones that this file plays.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::place::{Place, eventually, for_each, once};

/// Three hosts at two switches.
const PARTS: &str = "\
nodes: { h1..3: {} }
switches: { s1: {}, s2: {} }
links: [ h1..2 -- s1, h3 -- s2, s1 -- s2 ]
";

/// How the first controller of a switch stands.
fn standing(place: &Place, switch: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("ls switches -o json")).unwrap();
    let rows = json["switches"].as_array().unwrap();
    let row = rows.iter().find(|row| row["name"] == switch).unwrap();
    row["controllers"][0].clone()
}

/// Brings a lab up under a controller and has everybody reach everybody.
fn pings(place: &Place, name: &str, controller: &str, more: &str) {
    place.up(&format!(
        "netloom: 1\nname: {name}\ncontrollers: {{ c0: {controller} }}\n\
         defaults: {{ switch: {{ controller: c0, fail_mode: secure }} }}\n{}",
        if more.is_empty() { PARTS } else { more }
    ));
    let row = standing(place, "s1");
    assert_eq!(row["state"], "connected", "up has waited for it: {row}");
    assert!(row["version"].as_str().unwrap().starts_with("OpenFlow1"), "{row}");
    assert_eq!(row["role"], "equal");
    // The first packets of a conversation may come before the flows.
    eventually("everybody reaches everybody", || (place.run("ping").code == 0).then_some(()));
    assert!(place.ok("flow ls s1").contains("controller c0"), "the flows name who added them");
}

#[test]
fn the_controller_that_is_built_in_makes_switches_learn() {
    for_each(|place| {
        pings(place, "learns", "learn", "");
        let plan = place.ok("plan lab.loom.yml");
        assert!(plan.contains("Nothing to do"), "its flows are no drift: {plan}");
        place.ok("down");
    });
}

/// The test controller of Open vSwitch by its path, without its socket; `None`, said aloud, where there is none.
fn testcontroller() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("ovs-testcontroller")).find(|it| it.exists());
    if found.is_none() {
        eprintln!("skipped: there is no ovs-testcontroller (Debian: openvswitch-testcontroller)");
    }
    found.map(|path| format!("{} --unixctl=none", path.display()))
}

#[test]
fn the_test_controller_of_open_vswitch_controls_a_lab() {
    for_each(|place| {
        let Some(program) = testcontroller() else { return };
        // In 1.5 that of OVS 3.1 sends packets with metadata that it has not set (`lib/learning-switch.c`).
        let parts =
            PARTS.replace("s1: {}, s2: {}", "s1: { openflow: OpenFlow13 }, s2: { openflow: OpenFlow10 }");
        let run = format!("{{ run: 'exec {program} ptcp:$NETLOOM_OPENFLOW:127.0.0.1' }}");
        pings(place, "ovs", &run, &parts);
        place.ok("down");
    });
}

/// A folder below target/ with a program of PyPI; `None`, said aloud, where it cannot be had.
fn from_pypi(name: &str, package: &str) -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?.join("pypi").join(name);
    if !["done", "bin/python"].iter().all(|file| target.join(file).exists()) {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&target).output();
        let pip = Command::new(target.join("bin/pip")).args(["--quiet", "install", package]).output();
        match (made, pip) {
            (Ok(made), Ok(pip)) if made.status.success() && pip.status.success() => {
                std::fs::write(target.join("done"), "").unwrap();
            }
            (made, pip) => {
                eprintln!("skipped: {package} cannot be installed: {made:?} {pip:?}");
                return None;
            }
        }
    }
    Some(target)
}

#[test]
fn os_ken_controls_a_lab() {
    once(|place| {
        let Some(home) = from_pypi("os-ken", "os-ken==4.2.2") else { return };
        place.write("learning.py", include_str!("controllers/osken_learning.py"));
        let python = home.join("bin/python");
        pings(
            place,
            "osken",
            &format!("{{ run: 'exec {} learning.py $NETLOOM_OPENFLOW' }}", python.display()),
            "",
        );
        assert_eq!(standing(place, "s1")["version"], "OpenFlow13");
        place.ok("down");
    });
}

#[test]
fn faucet_controls_a_lab() {
    once(|place| {
        let Some(home) = from_pypi("faucet", "faucet==1.10.12") else { return };
        place.write(
            "faucet.yaml",
            "dps:\n  s1:\n    dp_id: 0x1\n    hardware: Open vSwitch\n    interfaces:\n\
             \x20     1: { native_vlan: 100 }\n      2: { native_vlan: 100 }\n      3: { native_vlan: 100 }\n",
        );
        place.write(
            "faucet.sh",
            &format!(
                "export PATH={}/bin:$PATH FAUCET_CONFIG=faucet.yaml FAUCET_LOG=STDOUT\n\
                 export FAUCET_EXCEPTION_LOG=STDERR FAUCET_PROMETHEUS_PORT=0 FAUCET_EVENT_SOCK=\n\
                 exec faucet --ryu-ofp-tcp-listen-port=$NETLOOM_OPENFLOW\n",
                home.display()
            ),
        );
        let parts = "nodes: { h1..3: {} }\nswitches: { s1: { dpid: 1, openflow: OpenFlow13 } }\nlinks: [ h1..3 -- s1 ]\n";
        pings(place, "faucet", "{ run: sh faucet.sh }", parts);
        place.ok("down");
    });
}

/// A controller that this file plays: it says bytes of OpenFlow 1.3, or of another version, and reads the answers.
struct Played<S> {
    stream: S,
    version: u8,
}

impl<S: Read + Write> Played<S> {
    /// Greets with one version, and takes the switch's greeting.
    fn new(stream: S, version: u8) -> Self {
        let mut played = Self { stream, version };
        // With the bitmap of versions.
        played.say(0, 1, &[&[0, 1, 0, 8, 0, 0, 0], &[1 << version][..]].concat());
        played.hear(0);
        played
    }

    fn say(&mut self, kind: u8, xid: u8, body: &[u8]) {
        let length = u16::try_from(8 + body.len()).unwrap().to_be_bytes();
        let head = [self.version, kind, length[0], length[1], 0, 0, 0, xid];
        self.stream.write_all(&[&head[..], body].concat()).unwrap();
    }

    /// The next message, whatever it is: kind, transaction id, body.
    fn next(&mut self) -> (u8, u8, Vec<u8>) {
        let mut head = [0; 8];
        self.stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]])) - 8];
        self.stream.read_exact(&mut body).unwrap();
        (head[1], head[7], body)
    }

    /// The next message of a kind; echoes are answered, all others passed over.
    fn hear(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let (heard, xid, body) = self.next();
            if heard == kind {
                return body;
            }
            if heard == 2 {
                self.say(3, xid, &body);
            }
        }
    }

    /// Whether the switch has ended the connection, as it should.
    fn is_over(&mut self) -> bool {
        let mut bytes = [0; 256];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Waits until all before is done.
    fn barrier(&mut self) {
        self.say(20, 99, &[]);
        self.hear(21);
    }

    /// What comes within a while beside echoes: kinds.
    fn quiet(&mut self) -> Vec<u8> {
        self.say(20, 99, &[]);
        let mut kinds = Vec::new();
        loop {
            match self.next() {
                (21, ..) => return kinds,
                (2, xid, body) => self.say(3, xid, &body),
                (kind, ..) => kinds.push(kind),
            }
        }
    }
}

/// A flow mod of 1.3: match everything, priority, flags, and output to `port` if it is given.
fn flow_mod(command: u8, priority: u16, hard: u16, flags: u16, port: Option<u32>) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend([if command == 3 { 0xff } else { 0 }, command]);
    body.extend([0, 0]);
    body.extend(hard.to_be_bytes());
    body.extend(priority.to_be_bytes());
    body.extend([0xff; 12]);
    body.extend(flags.to_be_bytes());
    body.extend([0, 0]);
    body.extend([0, 1, 0, 4, 0, 0, 0, 0]);
    if let Some(port) = port {
        body.extend([0, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 16]);
        body.extend(port.to_be_bytes());
        body.extend([0xff, 0xff, 0, 0, 0, 0, 0, 0]);
    }
    body
}

const FLOOD: u32 = 0xffff_fffb;
const CONTROLLER: u32 = 0xffff_fffd;

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn role(role: u8, generation: u8) -> Vec<u8> {
    [&[0, 0, 0, role, 0, 0, 0, 0][..], &[0, 0, 0, 0, 0, 0, 0, generation]].concat()
}

fn two_hosts(name: &str, switch: &str) -> String {
    format!(
        "netloom: 1\nname: {name}\nsettle: 3s\nnodes: {{ h1..2: {{}} }}\n\
         switches: {{ s1: {{ {switch} }} }}\nlinks: [ h1..2 -- s1 ]\n"
    )
}

#[test]
fn two_controllers_are_told_what_they_ask_for_and_one_is_the_master() {
    for_each(|place| {
        let [a, b] = [0, 0].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
        let at = |it: &TcpListener| format!("tcp:{}", it.local_addr().unwrap());
        let lab = two_hosts(
            "roles",
            &format!(
                "fail_mode: secure, openflow: [OpenFlow10, OpenFlow13], controller: ['{}', '{}']",
                at(&a),
                at(&b)
            ),
        );
        place.write("lab.loom.yml", &lab);
        let up = place.start("up lab.loom.yml");
        let accept = |it: &TcpListener| Played::new(patient(it.accept().unwrap().0), 4);
        let (mut a, mut b) = (accept(&a), accept(&b));
        assert!(up.wait_with_output().unwrap().status.success());
        // Packet-in: the flow for misses sends up.
        a.say(14, 1, &flow_mod(0, 0, 0, 0, Some(CONTROLLER)));
        a.barrier();
        place.run("ping h1 h2 -4 -c 1");
        assert!(!a.hear(10).is_empty() && !b.hear(10).is_empty(), "both are told of packets");
        // Flow-removed: one that ends by itself.
        a.say(14, 2, &flow_mod(0, 7, 1, 1, Some(FLOOD)));
        a.barrier();
        let gone = a.hear(11);
        assert_eq!((&gone[8..10], gone[10]), (&[0, 7][..], 1), "priority 7, its hard timeout");
        b.hear(11);
        // Port-status: a link goes down.
        place.ok("link h1 s1 down");
        assert_eq!(a.hear(12)[0], 2, "modified");
        b.hear(12);
        place.ok("link h1 s1 up");
        a.hear(12);
        b.hear(12);
        // Roles: one master, and the other may not write any more.
        a.say(24, 2, &role(2, 4));
        assert_eq!(a.hear(25)[3], 2);
        b.say(24, 3, &role(2, 5));
        assert_eq!(b.hear(25)[3], 2);
        a.barrier();
        a.say(24, 4, &role(0, 0));
        assert_eq!(a.hear(25)[3], 3, "the one before is a slave now");
        let row = standing(place, "s1");
        assert_eq!(row["role"], "slave", "{row}");
        a.say(14, 5, &flow_mod(0, 9, 0, 0, Some(FLOOD)));
        let refused = a.hear(1);
        assert_eq!(refused[..4], [0, 1, 0, 10], "OFPBRC_IS_SLAVE");
        a.say(24, 6, &role(2, 4));
        assert_eq!(a.hear(1)[..4], [0, 11, 0, 0], "a generation that is over");
        // A slave is told of ports only; the master of what it asks for.
        b.say(
            28,
            7,
            &[[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7], [0, 0, 0, 0], [0, 0, 0, 0]].concat(),
        );
        b.barrier();
        a.quiet();
        b.quiet();
        place.run("ping h1 h2 -4 -c 1");
        place.ok("link h1 s1 down");
        a.hear(12);
        assert!(!a.quiet().contains(&10) && b.quiet().is_empty(), "nothing that was not asked for");
        drop((a, b));
        eventually("it is called again", || {
            let row = standing(place, "s1");
            (row["state"] != "connected" && row["error"].is_string()).then_some(())
        });
        place.ok("down");
    });
}

#[test]
fn auxiliary_connections_come_after_the_main_one_share_its_role_and_end_with_it() {
    for_each(|place| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let lab = two_hosts("beside", "controller: c0, fail_mode: secure, openflow: OpenFlow13");
        let lab = lab.replacen(
            "nodes:",
            &format!("controllers: {{ c0: {{ target: 'tcp:{at}', auxiliary: 2 }} }}\nnodes:"),
            1,
        );
        place.write("lab.loom.yml", &lab);
        let up = place.start("up lab.loom.yml");
        let accept = || Played::new(patient(listener.accept().unwrap().0), 4);
        let features = |it: &mut Played<TcpStream>| {
            it.say(5, 1, &[]);
            let body = it.hear(6);
            (body[13], body[..8].to_vec())
        };
        let mut main = accept();
        let (number, dpid) = features(&mut main);
        assert_eq!(number, 0);
        let mut beside = [accept(), accept()];
        let mut numbers = beside.each_mut().map(features);
        numbers.sort();
        assert_eq!(numbers, [(1, dpid.clone()), (2, dpid)]);
        assert!(up.wait_with_output().unwrap().status.success());
        let row = standing(place, "s1");
        assert_eq!((&row["state"], &row["peers"]), (&"connected".into(), &1.into()), "{row}");
        // A role that one asks for is the controller's; a secondary one may not write by any.
        beside[0].say(24, 2, &role(3, 4));
        assert_eq!(beside[0].hear(25)[3], 3);
        main.say(14, 3, &flow_mod(0, 5, 0, 0, Some(FLOOD)));
        assert_eq!(main.hear(1)[..4], [0, 1, 0, 10], "it is a slave");
        main.say(24, 4, &role(2, 5));
        assert_eq!(main.hear(25)[3], 2);
        beside[1].say(14, 5, &flow_mod(0, 5, 0, 0, Some(FLOOD)));
        beside[1].barrier();
        assert!(place.ok("flow ls s1").contains("priority=5"));
        // What is told unasked goes by the main one.
        place.ok("link h1 s1 down");
        main.hear(12);
        assert!(beside[1].quiet().is_empty());
        // They end with it.
        drop(main);
        let [mut one, mut other] = beside;
        assert!(one.is_over() && other.is_over());
        place.ok("down");
    });
}

#[test]
fn the_versions_of_a_switch_bind_whoever_comes() {
    for_each(|place| {
        place.up(&two_hosts(
            "limits",
            "openflow: [OpenFlow13, OpenFlow14], controller: [punix:here.sock, 'ptcp:26653:127.0.0.1']",
        ));
        let row = standing(place, "s1");
        assert_eq!((row["state"].as_str(), row["peers"].as_u64()), (Some("listening"), Some(0)), "{row}");
        let mut at = Played::new(UnixStream::connect(place.path("here.sock")).unwrap(), 5);
        at.say(5, 1, &[]);
        assert_eq!(at.hear(6).len(), 24, "features");
        assert_eq!(standing(place, "s1")["version"], "OpenFlow14");
        let mut old = patient(TcpStream::connect("127.0.0.1:26653").unwrap());
        old.write_all(&[1, 0, 0, 8, 0, 0, 0, 1]).unwrap();
        let mut said = Vec::new();
        old.read_to_end(&mut said).unwrap();
        // Its greeting, and then why not.
        let length = usize::from(said[3]);
        assert_eq!((said[length + 1], &said[length + 8..length + 12]), (1, &[0, 0, 0, 0][..]), "{said:?}");
        let mut own = UnixStream::connect(place.run_dir().join("limits/s1.mgmt")).unwrap();
        own.write_all(&[1, 0, 0, 8, 0, 0, 0, 1]).unwrap();
        said.clear();
        own.read_to_end(&mut said).unwrap();
        assert_eq!(said[usize::from(said[3]) + 1], 1, "the switch's own socket, too");
        place.ok("down");
        assert!(!place.path("here.sock").exists(), "nothing is left");
    });
}

#[test]
fn a_switch_on_its_own_learns_or_stands_still_as_it_is_told() {
    once(|place| {
        let [alone, still] = ["standalone", "secure"].map(|mode| {
            let path = place.path(&format!("{mode}.sock"));
            (mode, path.clone(), UnixListener::bind(path).unwrap())
        });
        let lab = |name: &str, mode: &str| {
            let controllers = format!(
                "controllers: {{ c0: {{ target: 'unix:{mode}.sock', probe: 500ms, backoff: 1s }} }}\n"
            );
            let text = two_hosts(name, &format!("fail_mode: {mode}, controller: c0"));
            text.replacen("nodes:", &format!("{controllers}nodes:"), 1)
        };
        for (mode, path, listener) in [alone, still] {
            place.write("lab.loom.yml", &lab(mode, mode));
            let up = place.start("up lab.loom.yml");
            let mut here = Played::new(listener.accept().unwrap().0, 4);
            assert!(up.wait_with_output().unwrap().status.success());
            here.say(14, 1, &flow_mod(0, 5, 0, 0, None));
            here.barrier();
            assert_eq!(place.run("ping h1 h2 -4 -c 1").code, 1, "{mode}: the controller drops everything");
            drop((here, listener));
            std::fs::remove_file(&path).unwrap();
            let flows = || place.ok("flow ls s1 -a");
            if mode == "secure" {
                // Longer than a bridge on its own takes to learn: that nothing changes can only be waited for.
                std::thread::sleep(Duration::from_secs(3));
                assert!(flows().contains("priority=5"), "secure: all stays");
            } else {
                eventually("it learns by itself", || flows().contains("NORMAL").then_some(()));
                assert!(!flows().contains("priority=5"));
                // The host itself gives the address up first that it had asked for in vain.
                eventually("it forwards", || (place.run("ping h1 h2 -4 -c 1").code == 0).then_some(()));
                assert!(place.ok("show s1").contains("on its own"));
            }
            let listener = UnixListener::bind(&path).unwrap();
            let mut again = Played::new(listener.accept().unwrap().0, 4);
            if mode == "standalone" {
                place.ok("ping h1 h2 -4 -c 1");
            }
            again.say(14, 1, &flow_mod(0, 6, 0, 0, None));
            again.barrier();
            assert!(!flows().contains("NORMAL") && flows().contains("priority=6"), "{}", flows());
            assert_eq!(flows().contains("priority=5"), mode == "secure");
            place.ok("down");
        }
    });
}

#[test]
fn up_says_who_is_not_there_and_an_edit_changes_it_in_place() {
    for_each(|place| {
        let begun = Instant::now();
        place.write("lab.loom.yml", &two_hosts("away", "controller: tcp:127.0.0.1:1, fail_mode: secure"));
        let up = place.run("up lab.loom.yml");
        assert_eq!(up.code, 0);
        assert!(up.err.contains("s1 is not connected to tcp:127.0.0.1:1"), "{up:?}");
        assert!(up.err.contains("refused"), "{up:?}");
        assert!(begun.elapsed() >= Duration::from_secs(3), "settle: 3s");
        place.write("lab.loom.yml", &two_hosts("away", "controller: learn, fail_mode: secure"));
        let plan = place.ok("plan lab.loom.yml");
        assert!(plan.contains("controller tcp:127.0.0.1:1 -> learn"), "{plan}");
        place.ok("up lab.loom.yml");
        place.ok("ping h1 h2 -4 -c 3");
        // One that dies is told of, with what it said, and nobody waits for it.
        let text = two_hosts("away", "controller: c0").replacen(
            "nodes:",
            "settle: 60s\ncontrollers: { c0: { run: 'echo cannot, because >&2; exit 7' } }\nnodes:",
            1,
        );
        place.write("lab.loom.yml", &text.replacen("settle: 3s\n", "", 1));
        let up = place.run("up lab.loom.yml");
        assert!(up.err.contains("it has ended with exit code 7"), "{up:?}");
        assert!(place.ok("logs c0").contains("cannot, because"));
        assert!(place.ok("show s1").contains("exit code 7"));
        place.ok("down");
    });
}

#[test]
fn a_controller_in_a_node_is_reached_through_its_network() {
    for_each(|place| {
        let Some(program) = testcontroller() else { return };
        // A node sees of /tmp only the folder of its lab.
        let (path, words) = program.split_once(' ').unwrap();
        std::fs::copy(path, place.path("controller")).unwrap();
        let program = format!("./controller {words}");
        place.up(&format!(
            "netloom: 1\nname: inside\ncontrollers: {{ c0: {{ node: ctl, port: 6653 }} }}\n\
             nodes: {{ h1..2: {{}}, ctl: {{ run: 'exec {program} ptcp:6653' }} }}\n\
             switches: {{ s1: {{ controller: c0, fail_mode: secure, openflow: OpenFlow13 }}, s2: {{}} }}\n\
             links: [ h1..2 -- s1, ctl -- s2 ]\n",
        ));
        assert_eq!(standing(place, "s1")["state"], "connected");
        eventually("they reach each other", || (place.run("ping h1 h2 -4").code == 0).then_some(()));
        place.ok("down");
    });
}

#[test]
fn a_command_that_controls_ends_with_a_daemon_that_is_killed() {
    for_each(|place| {
        let mark = format!("{}", 700_000 + std::process::id());
        place.up(&two_hosts("killed", "controller: c0").replacen(
            "nodes:",
            &format!("controllers: {{ c0: {{ run: 'exec sleep {mark}' }} }}\nnodes:"),
            1,
        ));
        let runs = || {
            let found = Command::new("pgrep").args(["-f", &format!("sleep {mark}")]).output().unwrap();
            found.status.success()
        };
        assert!(runs());
        let labs: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
        let pid = i32::try_from(labs["labs"][0]["pid"].as_i64().unwrap()).unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        eventually("it has ended", || (!runs()).then_some(()));
        place.ok("down");
    });
}

/// A key and a certificate that an authority has signed, by `openssl`.
fn certificates(place: &Place) -> Option<()> {
    let script = "\
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 30 -subj /CN=authority 2>&1
for who in switch controller; do
  openssl req -newkey rsa:2048 -nodes -keyout $who-key.pem -out $who.csr -subj /CN=$who 2>&1
  printf 'basicConstraints=CA:FALSE\\n' > $who.ext
  openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 30 -extfile $who.ext -out $who.pem 2>&1
done
openssl req -x509 -newkey rsa:2048 -nodes -keyout other-key.pem -out other.pem -days 30 -subj /CN=other 2>&1
chmod a+r *.pem
";
    let done = Command::new("sh").args(["-ec", script]).current_dir(place.path("")).output();
    match done {
        Ok(done) if done.status.success() => Some(()),
        other => {
            eprintln!("skipped: no certificates by openssl: {other:?}");
            None
        }
    }
}

#[test]
fn tls_is_spoken_with_whom_the_authority_has_signed_and_nobody_else() {
    for_each(|place| {
        let Some(program) = testcontroller() else { return };
        if certificates(place).is_none() {
            return;
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let lab = |ca: &str| {
            two_hosts("tls", "controller: c0, fail_mode: secure, openflow: OpenFlow13").replacen(
                "nodes:",
                &format!(
                    "controllers:\n  c0: {{ target: 'ssl:127.0.0.1:{port}', key: switch-key.pem, certificate: switch.pem, ca: {ca} }}\n  \
                     run: {{ run: 'exec {program} -p controller-key.pem -c controller.pem -C ca.pem pssl:{port}' }}\nnodes:"
                ),
                1,
            )
        };
        place.up(&lab("ca.pem"));
        assert_eq!(standing(place, "s1")["state"], "connected", "{}", place.ok("logs run"));
        eventually("they reach each other", || (place.run("ping h1 h2 -4").code == 0).then_some(()));
        // Another authority: not trusted, and said so.
        place.write("lab.loom.yml", &lab("other.pem"));
        let up = place.run("up lab.loom.yml");
        assert!(up.err.contains("s1 is not connected") && up.err.contains("UnknownIssuer"), "{up:?}");
        place.ok("down");
    });
}
