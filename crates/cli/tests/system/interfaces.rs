//! Interfaces of the machine that are nodes: their wire is at a port of the lab, and they stay the machine's.

use crate::machine::Machine;
use crate::place::{Place, eventually, for_each, for_user, once};

const LAB: &str = "\
netloom: 1
name: wire
nodes:
  nic: { interface: up0 }
  h1: { ip: 10.9.0.1/24 }
  h2: { ip: 10.9.0.2/24 }
switches: { s1: {} }
links:
  - nic -- s1
  - h1 -- s1
  - h2 -- s1
";

/// The machine that labs are brought up on, and another one at the other end of its interface `up0`: it is `far0`, with the
/// address 10.9.0.9.
struct Stage {
    machine: Machine,
    far: Machine,
}

impl Stage {
    /// `None`, said aloud, where it cannot be had.
    fn new() -> Option<Self> {
        let stage = Self { machine: Machine::new()?, far: Machine::new()? };
        stage.cable();
        Some(stage)
    }

    fn cable(&self) {
        self.machine.ip(&format!("link add up0 type veth peer name far0 netns {}", self.far.name()));
        self.machine.ip("link set up0 up");
        self.far.ip("addr add 10.9.0.9/24 dev far0");
        self.far.ip("link set far0 up");
    }

    /// Whether the far machine gets an answer from an address.
    fn far_pings(&self, address: &str) -> bool {
        let done = self.far.program("ping").args(["-c", "1", "-W", "1", address]).output().unwrap();
        done.status.success()
    }

    fn far_reaches(&self, address: &str) {
        eventually(&format!("an answer of {address}"), || self.far_pings(address).then_some(()));
    }

    /// All that the machine says of its interface, but for counters.
    fn about(&self) -> serde_json::Value {
        let done = self.machine.program("ip").args(["-d", "-j", "addr", "show", "up0"]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// How many ask the interface to receive what is for others.
    fn promiscuity(&self) -> u64 {
        self.about()[0]["promiscuity"].as_u64().unwrap()
    }

    /// The node as `show` tells of it.
    fn node(&self, place: &Place) -> serde_json::Value {
        let rows: serde_json::Value =
            serde_json::from_str(&self.machine.ok(place, "ls nodes -o json")).unwrap();
        rows["nodes"].as_array().unwrap().iter().find(|row| row["name"] == "nic").unwrap().clone()
    }
}

#[test]
fn whoever_is_on_the_wire_is_in_the_lab_and_the_interface_stays_the_machines() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        let before = stage.about();
        stage.machine.up(place, LAB);
        stage.far_reaches("10.9.0.1");
        stage.far_reaches("10.9.0.2");
        // The lab asks for who is behind the wire, too.
        stage.machine.ok(place, "exec -T h1 -- ping -c 1 -W 2 10.9.0.9");
        assert_eq!(stage.promiscuity(), 1);
        let node = stage.node(place);
        assert_eq!((node["kind"].as_str(), node["state"].as_str()), (Some("interface"), Some("up")));
        assert_eq!(node["interfaces"][0]["name"], "up0");
        assert_eq!(node["interfaces"][0]["mac"], before[0]["address"], "its own address");
        let links = stage.machine.ok(place, "ls links");
        assert!(links.contains("nic:up0"), "{links}");
        assert!(stage.machine.ok(place, "graph").contains("nic"));
        let trace = stage
            .machine
            .ok(place, "trace --at s1 in_port=h1,arp,dl_dst=ff:ff:ff:ff:ff:ff,arp_tpa=10.9.0.9,arp_op=1");
        assert!(trace.contains("nic:up0"), "{trace}");
        let down = stage.machine.ok(place, "down");
        assert!(down.contains("nothing left"), "{down}");
        assert_eq!(stage.about(), before, "nothing of it has changed");
    });
}

#[test]
fn super_packets_and_their_checksums_cross_the_wire() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        stage.machine.up(place, LAB);
        let _served = stage.far.serve(
            "import socket, hashlib\n\
             s = socket.create_server(('10.9.0.9', 5000)); print('ready', flush=True)\n\
             c, _ = s.accept(); d = b''\n\
             while len(d) < 3000000: d += c.recv(1 << 20)\n\
             c.sendall(hashlib.sha256(d).hexdigest().encode() + d[:1000000]); c.close()",
        );
        let script = "import socket, hashlib\n\
             d = bytes(range(250)) * 12000; c = socket.create_connection(('10.9.0.9', 5000), 5); c.sendall(d); a = b''\n\
             while len(a) < 1000064: a += c.recv(1 << 20)\n\
             print(a[:64].decode() == hashlib.sha256(d).hexdigest() and a[64:] == d[:1000000])";
        let done = stage.machine.netloom(place, &["exec", "-T", "h1", "--", "python3", "-c", script]);
        assert_eq!(done.out.trim(), "True", "{done:?}");
    });
}

/// Asks by ARP, from the far machine and in VLAN 20, who has 10.20.0.1; prints the tag of the answer.
const ASK_TAGGED: &str = "import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind(('far0', 0)); s.settimeout(2)
s.setsockopt(263, 8, 1)
mac = s.getsockname()[4]; ip = socket.inet_aton
ask = b'\\xff' * 6 + mac + struct.pack('!HHH', 0x8100, 20, 0x806) + struct.pack('!HHBBH', 1, 0x800, 6, 4, 1)
s.send(ask + mac + ip('10.20.0.9') + bytes(6) + ip('10.20.0.1') + bytes(18))
while True:
    data, aux, _, _ = s.recvmsg(2000, 200)
    tags = [struct.unpack('IIIHHHH', d[:20])[5] & 0xfff for level, kind, d in aux if (level, kind) == (263, 8)]
    if data[:6] == mac and data[12:14] == b'\\x08\\x06' and data[28:32] == ip('10.20.0.1'):
        print(tags[0]); break
";

#[test]
fn tags_are_on_the_wire_and_links_are_emulated() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        let lab = "\
netloom: 1
name: tagged
nodes:
  nic: { interface: up0 }
  h1: { ip: 10.9.0.1/24 }
  h20: { ip: 10.20.0.1/24 }
switches: { s1: {} }
links:
  - { link: nic -- s1, name: wire, trunk: [20], native: 10, delay: 40ms }
  - { link: h1 -- s1, vlan: 10 }
  - { link: h20 -- s1, vlan: 20 }
";
        stage.machine.up(place, lab);
        assert_eq!(stage.far.python_ok(ASK_TAGGED), "20");
        stage.far_reaches("10.9.0.1");
        let least = || {
            let done = stage.far.program("ping").args(["-c", "3", "-i", "0.2", "10.9.0.1"]).output().unwrap();
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            let numbers = text.rsplit_once(" = ").unwrap_or_else(|| panic!("{text}")).1;
            numbers.split('/').next().unwrap().parse::<f64>().unwrap()
        };
        assert!(least() >= 80.0, "40 ms each way");
        stage.machine.ok(place, "link wire --delay 0ms");
        assert!(least() < 40.0);
        // The VLAN of the other one is no way to it.
        let there = ASK_TAGGED.replace("0x8100, 20", "0x8100, 21");
        assert_ne!(stage.far.python(&there).code, 0);
        let mut capture = stage.machine.start(place, &["capture", "wire", "-w", "wire.pcapng"]);
        let size = || std::fs::metadata(place.path("wire.pcapng")).map_or(0, |meta| meta.len());
        eventually("the capture", || (size() > 0).then_some(()));
        let small = size();
        assert!(stage.far_pings("10.9.0.1"));
        eventually("both packets", || (size() >= small + 2 * 98).then_some(()));
        // `ip netns exec` executes the program in its own place: the number is the program's.
        let pid = rustix::process::Pid::from_child(&capture);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        capture.wait().unwrap();
        stage.machine.ok(place, "link wire down");
        assert!(!stage.far_pings("10.9.0.1"));
        stage.machine.ok(place, "link wire up");
        stage.far_reaches("10.9.0.1");
    });
}

#[test]
fn an_interface_that_goes_away_is_a_port_that_is_down_until_it_is_back() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        stage.machine.up(place, LAB);
        stage.far_reaches("10.9.0.1");
        let becomes = |state: &str, why: &str| {
            eventually(state, || {
                let node = stage.node(place);
                let told = node["reason"].as_str().unwrap_or_default().contains(why);
                (node["state"] == state && told).then_some(())
            });
            let ports = stage.machine.ok(place, "show s1");
            assert_eq!(ports.contains("down"), state == "down", "{ports}");
        };
        becomes("up", "");
        stage.machine.ip("link set up0 down");
        becomes("down", "up0 is down on this machine");
        stage.machine.ip("link set up0 up");
        becomes("up", "");
        stage.far_reaches("10.9.0.1");
        stage.far.ip("link set far0 down");
        becomes("down", "no carrier");
        stage.far.ip("link set far0 up");
        becomes("up", "");
        // Another name is another interface.
        stage.machine.ip("link set up0 down");
        stage.machine.ip("link set up0 name other0");
        stage.machine.ip("link set other0 up");
        becomes("down", "there is no interface up0");
        assert!(!stage.far_pings("10.9.0.1"));
        stage.machine.ip("link set other0 down");
        stage.machine.ip("link set other0 name up0");
        stage.machine.ip("link set up0 up");
        becomes("up", "");
        stage.far_reaches("10.9.0.1");
        stage.machine.ip("link del up0");
        becomes("down", "there is no interface up0");
        // The rest of the lab goes on.
        stage.machine.ok(place, "ping h1 h2 -4");
        stage.cable();
        becomes("up", "");
        stage.far_reaches("10.9.0.2");
        assert_eq!(stage.promiscuity(), 1);
        stage.machine.ok(place, "stop nic");
        assert!(!stage.far_pings("10.9.0.1"));
        stage.machine.ok(place, "start nic");
        stage.far_reaches("10.9.0.1");
    });
}

#[test]
fn kill_and_edits_leave_the_interface_as_it_was() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        stage.machine.ip(&format!("link add up1 type veth peer name far1 netns {}", stage.far.name()));
        stage.machine.ip("link set up1 up");
        stage.far.ip("link set far1 up");
        let before = stage.about();
        stage.machine.up(place, LAB);
        // Another interface: the node is made anew, others stay.
        place.write("lab.loom.yml", &LAB.replace("up0", "up1"));
        let plan = stage.machine.ok(place, "plan lab.loom.yml");
        assert!(plan.contains("+ node") && plan.contains("interface up1 of this machine"), "{plan}");
        assert!(!plan.contains("h1--s1"), "{plan}");
        stage.machine.ok(place, "up lab.loom.yml");
        assert_eq!(stage.about(), before, "the first one is let go");
        stage.far.ip("addr del 10.9.0.9/24 dev far0");
        stage.far.ip("addr add 10.9.0.9/24 dev far1");
        stage.far_reaches("10.9.0.1");
        // One that cannot be had changes nothing.
        place.write("lab.loom.yml", &LAB.replace("up0", "none0"));
        assert_ne!(stage.machine.netloom(place, &["up", "lab.loom.yml"]).code, 0);
        stage.far_reaches("10.9.0.1");
        place.write("lab.loom.yml", LAB);
        stage.machine.ok(place, "up lab.loom.yml");
        assert_eq!(stage.promiscuity(), 1);
        stage.machine.kill_daemon(place);
        eventually("the socket is gone", || (stage.promiscuity() == 0).then_some(()));
        let down = stage.machine.netloom(place, &["down"]);
        assert_eq!(down.code, 0, "{down:?}");
        assert_eq!(stage.about(), before, "nothing of it has changed");
    });
}

#[test]
fn what_cannot_be_is_said_before_anything_is_started() {
    once(|place| {
        let Some(stage) = Stage::new() else { return };
        let refused = |name: &str, said: &str, hint: &str| {
            place.write("lab.loom.yml", &LAB.replace("up0", name));
            let done = stage.machine.netloom(place, &["up", "lab.loom.yml"]);
            assert_ne!(done.code, 0, "{done:?}");
            assert!(done.err.contains(said) && done.err.contains(hint), "{done:?}");
            assert!(stage.machine.ok(place, "ls labs -o json").contains("\"labs\": []"), "no lab is left");
            stage.machine.netloom(place, &["plan", "lab.loom.yml"])
        };
        let plan = refused("none0", "There is no interface none0 here", "`ip link` shows");
        assert!(format!("{plan:?}").contains("`up` refuses nic: There is no interface none0"), "{plan:?}");
        stage.machine.ip("link set up0 down");
        refused("up0", "The interface up0 is down", "`ip link set up0 up`");
        stage.machine.ip("link set up0 up");
        stage.machine.ip("tuntap add tun0 mode tun");
        stage.machine.ip("link set tun0 up");
        refused("tun0", "tun0 is no Ethernet interface", "line 4");
        stage.machine.ip("link set lo name lo0");
        refused("lo0", "lo0 is no Ethernet interface", "line 4");
        stage.machine.up(place, LAB);
        for words in [
            &["exec", "-T", "nic", "--", "true"][..],
            &["ping", "nic", "h1"],
            &["ping", "h1", "nic"],
            &["test", "nic can reach h1"],
            &["trace", "nic", "h1"],
            &["cp", "lab.loom.yml", "nic:/tmp/x"],
            &["resize", "nic", "--memory", "64MiB"],
        ] {
            let done = stage.machine.netloom(place, words);
            assert_ne!(done.code, 0, "{words:?}: {done:?}");
            assert!(done.err.contains("is the interface up0 of this machine"), "{words:?}: {done:?}");
        }
    });
}

#[test]
fn an_ordinary_user_is_told_what_is_lacking() {
    for_user(|place| {
        // The machine's own loopback is refused by name, and its others by right: some interface is always there.
        let Some(stage) = Stage::new() else { return };
        place.write("lab.loom.yml", LAB);
        let done = stage.machine.netloom(place, &["up", "lab.loom.yml"]);
        assert_ne!(done.code, 0, "{done:?}");
        assert!(done.err.contains("The interface up0 cannot be opened"), "{done:?}");
        assert!(done.err.contains("CAP_NET_RAW") && done.err.contains("root"), "{done:?}");
        assert_eq!(stage.promiscuity(), 0);
        let plan = stage.machine.netloom(place, &["plan", "lab.loom.yml"]);
        assert!(format!("{plan:?}").contains("`up` refuses nic"), "{plan:?}");
    });
    for_each(|place| {
        place.write("lab.loom.yml", &LAB.replace("up0", "lo"));
        let done = place.run("lint lab.loom.yml");
        assert!(done.err.contains("the loopback cannot join a lab"), "{done:?}");
    });
}
