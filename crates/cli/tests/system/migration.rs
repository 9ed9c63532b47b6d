//! Two machines, each with a lab, joined by a tunnel: a guest goes from one to the other and back while it runs. One guest for all of
//! it, since booting is what takes the time.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::guest::kernel;
use crate::place::{Done, Place, interrupt, lacks, once_as_root};
use crate::tunnels::{Machines, ip, sh, sh_ok};

const DRIVERS: [&str; 4] = ["virtio_net", "virtio_console", "virtio_pci", "virtio_balloon"];

/// A lab with a host 10.0.0.`n` and a place for vm1.
fn lab(name: &str, n: u8, peer: u8, standby: bool) -> String {
    format!(
        "netloom: 1
name: {name}
nodes:
  h{n}: {{ ip: [10.0.0.{n}/24, fd00:9::{n}/64] }}
  vm1: {{ vm: {{ standby: {standby} }}, ip: [10.0.0.11/24, fd00:9::11/64], memory: 256MiB..384MiB, cpu: 1..2 }}
  old: {{ vm: {{ virt: full, disk: d.img, standby: true }}, ip: 10.0.0.{o}/24 }}
switches: {{ s1: {{}} }}
links: [h{n} -- s1, vm1 -- s1, old -- s1]
tunnels: [{{ link: s1 -- 192.0.2.{peer}, type: vxlan, key: 77 }}]
",
        o = 20 + n
    )
}

/// Echoes what it is sent, in the guest.
const ECHO: &str = "busybox nc -ll -p 5001 -e /bin/cat > /dev/null 2>&1 &";

/// Sends a number every 5 ms and reads it back until its input ends: one connection, and nothing is lost or comes twice.
const STREAM: &str = "\
import select, socket, sys, time
peer = socket.create_connection(('10.0.0.11', 5001), 10)
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print('ready', flush=True)
sent, got = 0, b''
while not select.select([sys.stdin], [], [], 0.005)[0]:
    peer.sendall(b'%08d' % sent)
    sent += 1
    while select.select([peer], [], [], 0)[0]:
        got += peer.recv(65536)
peer.settimeout(20)
while len(got) < 8 * sent:
    got += peer.recv(65536)
assert got == b''.join(b'%08d' % n for n in range(sent)), 'not what was sent'
print(sent, flush=True)
";

#[test]
#[ignore = "an emulated guest beside other tests may take longer to boot than is waited for: it runs alone"]
fn a_guest_goes_and_comes_back() {
    once_as_root(|place| {
        if lacks(&["ip", "ping", "python3", "busybox"]) || kernel(&DRIVERS).is_none() {
            return;
        }
        let machines = Machines::new();
        place.write("d.img", &"\0".repeat(1 << 20));
        machines.up(place, [&lab("west", 1, 2, false), &lab("east", 2, 1, true)]);
        assert_eq!((state(place, "west"), state(place, "east")), ("up".to_owned(), "away".to_owned()));
        sh_ok(
            place,
            "west",
            "vm1",
            &format!(
                "{ECHO}\nhostname > /tmp/word; (while true; do date +%s > /tmp/beat; sleep 1; done) > /dev/null 2>&1 &"
            ),
        );
        refusals(&machines, place);
        goes(&machines, place);
        comes_back_encrypted(&machines, place);
        is_called_off(&machines, place);
        the_cable_is_cut(&machines, place);
        the_other_daemon_is_killed(&machines, place);
        goes_again_and_is_gone(&machines, place);
    });
}

fn state(place: &Place, lab: &str) -> String {
    // One that has just come up says so when its agent has.
    if lab == "west" {
        let _ = sh(place, lab, "vm1", "true");
    }
    row(place, lab)["state"].as_str().unwrap().to_owned()
}

fn row(place: &Place, lab: &str) -> serde_json::Value {
    let json: serde_json::Value =
        serde_json::from_str(&place.ok(&format!("-l {lab} ls nodes -o json"))).unwrap();
    json["nodes"].as_array().unwrap().iter().find(|row| row["name"] == "vm1").unwrap().clone()
}

fn migrate(machines: &Machines, place: &Place, [from, to]: [&str; 2], more: &str) -> Done {
    let machine = usize::from(from == "east");
    machines.netloom(place, &machines.names()[machine], &format!("-l {from} migrate vm1 {to} -o json{more}"))
}

/// A stream to the guest and a flood of pings, from the host of a lab.
struct Traffic {
    stream: Child,
    ping: Child,
}

impl Traffic {
    fn begin(place: &Place, lab: &str, host: &str) -> Self {
        let words = ["exec", "-T", "-l", lab, host, "--"];
        let mut stream = place.command(&[&words[..], &["python3", "-c", STREAM]].concat());
        let mut stream = stream.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::with_capacity(1, stream.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        stream.stdout = Some(out.into_inner());
        let ping = place.command(&[&words[..], &["ping", "-i", "0.01", "-q", "10.0.0.11"]].concat());
        let ping = { ping }.spawn().unwrap();
        Self { stream, ping }
    }

    /// Not a byte of the stream and no ping was lost.
    fn end(mut self, what: &str) {
        drop(self.stream.stdin.take());
        let stream = Done::from(self.stream.wait_with_output().unwrap());
        assert_eq!(stream.code, 0, "{what}: {stream:?}");
        assert!(stream.out.trim().parse::<u32>().unwrap() > 5, "{what}: {stream:?}");
        // The last answer may be under way.
        std::thread::sleep(Duration::from_millis(300));
        let ping = interrupt(self.ping);
        let words: Vec<&str> =
            ping.out.lines().find(|line| line.contains("transmitted")).unwrap().split(' ').collect();
        let lost = words[0].parse::<i64>().unwrap() - words[3].parse::<i64>().unwrap();
        assert!(lost <= 1 && words[0].parse::<u32>().unwrap() > 5, "{what}: {}", ping.out);
    }
}

fn refusals(machines: &Machines, place: &Place) {
    let far = sh(place, "east", "vm1", "true");
    assert!(far.code != 0 && far.err.contains("Node vm1 is elsewhere."), "{far:?}");
    let said = |from: &str, words: &str| {
        let machine = usize::from(from == "east");
        let done = machines.netloom(place, &machines.names()[machine], &format!("-l {from} migrate {words}"));
        assert_ne!(done.code, 0, "{words}: {done:?}");
        done.err
    };
    assert!(said("west", "vm1 nowhere").contains("There is no lab nowhere to go to."));
    assert!(said("west", "vm1 west").contains("vm1 is in that lab already."));
    assert!(said("west", "h1 east").contains("h1 is no virtual machine"));
    assert!(said("west", "old east").contains("not yet supported: moving a machine with a disk"));
    assert!(said("east", "vm1 west").contains("vm1 cannot move: it is stopped"));
    assert!(
        said("west", "vm1 east --via 192.0.2.77")
            .contains("vm1 goes on here: nobody takes its memory at 192.0.2.77")
    );
    // What is not the same there is no place for it.
    let other = lab("east", 2, 1, true).replace("fd00:9::11", "fd00:9::12");
    machines.up(place, [&lab("west", 1, 2, false), &other]);
    let err = said("west", "vm1 east");
    assert!(err.contains("east does not take vm1: It is made of something else here"), "{err}");
    machines.up(place, [&lab("west", 1, 2, false), &lab("east", 2, 1, true)]);
    assert_eq!((state(place, "west"), state(place, "east")), ("up".to_owned(), "away".to_owned()));
    let streaming = place.start("exec -T -l west vm1 -- sleep 1000");
    patiently("it sleeps", || sh(place, "west", "vm1", "ps").out.contains("sleep 1000"));
    assert!(said("west", "vm1 east").contains("programs are run in it from outside"));
    interrupt(streaming);
    patiently("it has ended", || !sh(place, "west", "vm1", "ps").out.contains("sleep 1000"));
}

/// From west to east, with traffic from either side; everything in it goes on.
fn goes(machines: &Machines, place: &Place) {
    place.ok("-l west resize vm1 --cpu 2 --memory 300MiB");
    let traffic = [Traffic::begin(place, "west", "h1"), Traffic::begin(place, "east", "h2")];
    let done = migrate(machines, place, ["west", "east"], "");
    assert_eq!(done.code, 0, "{done:?}");
    let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    let row_of = |key: &str| json["migrated"][key].as_f64().unwrap();
    assert!(row_of("pause_ms") >= 1.0 && row_of("downtime_ms") >= 1.0 && row_of("rounds") >= 2.0, "{json:#}");
    assert!(row_of("transferred") > 1e6 && json["migrated"]["lost"] == 0, "{json:#}");
    // The announcements are on their way to both switches: what is asked now is to be led by what they have learned. It answers
    // at its new place also those who ask anew.
    std::thread::sleep(Duration::from_millis(500));
    for host in [("west", "h1"), ("east", "h2")] {
        sh_ok(
            place,
            host.0,
            host.1,
            "ip neigh flush all; ping -c 1 -W 5 10.0.0.11; ping -c 1 -W 5 fd00:9::11",
        );
    }
    traffic.into_iter().zip(["west", "east"]).for_each(|(traffic, side)| traffic.end(side));
    assert_eq!(
        (row(place, "west")["state"].as_str(), row(place, "east")["state"].as_str()),
        (Some("away"), Some("up"))
    );
    assert_eq!(sh_ok(place, "east", "vm1", "cat /tmp/word; busybox nproc").trim(), "vm1\n2");
    assert!(row(place, "east")["limits"].as_str().unwrap().contains("300MiB"), "{:#}", row(place, "east"));
    let beat = sh_ok(place, "east", "vm1", "cat /tmp/beat");
    patiently("its programs go on", || sh_ok(place, "east", "vm1", "cat /tmp/beat") != beat);
    assert!(sh(place, "west", "vm1", "true").err.contains("Node vm1 is elsewhere."));
    // Either file may be applied again: it stays where it is, also with `standby` said otherwise.
    machines.up(place, [&lab("west", 1, 2, true), &lab("east", 2, 1, false)]);
    assert_eq!(
        (row(place, "west")["state"].as_str(), row(place, "east")["state"].as_str()),
        (Some("away"), Some("up"))
    );
    assert_eq!(qemus(), 1);
}

fn comes_back_encrypted(machines: &Machines, place: &Place) {
    let traffic = Traffic::begin(place, "east", "h2");
    let done = migrate(machines, place, ["east", "west"], " --tls --via 192.0.2.1");
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("\"encrypted\": true"), "{done:?}");
    traffic.end("encrypted");
    assert_eq!(sh_ok(place, "west", "vm1", "cat /tmp/word").trim(), "vm1");
    let left: Vec<_> = ["west", "east"]
        .iter()
        .flat_map(|lab| std::fs::read_dir(place.run_dir().join(lab)).unwrap().flatten())
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("key-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Starts a move of west's guest, which has something to carry, and waits until its memory is under way.
fn under_way(machines: &Machines, place: &Place) -> Child {
    let child = machines.command(place, &machines.names()[0], "-l west migrate vm1 east").spawn().unwrap();
    patiently("it is under way", || row(place, "east")["state"] == "arriving");
    child
}

/// It is where it was, with its connections, and nothing is left elsewhere.
fn is_still_here(place: &Place, traffic: Traffic, what: &str) {
    patiently(what, || row(place, "east")["state"] == "away");
    patiently("one QEMU is left", || qemus() == 1);
    traffic.end(what);
    assert_eq!(sh_ok(place, "west", "vm1", "cat /tmp/word").trim(), "vm1", "{what}");
    sh_ok(place, "east", "h2", "ip neigh flush all; ping -c 1 -W 5 10.0.0.11");
}

fn is_called_off(machines: &Machines, place: &Place) {
    // So that there is something to carry.
    sh_ok(place, "west", "vm1", "yes | head -c 80000000 > /tmp/fill");
    let traffic = Traffic::begin(place, "west", "h1");
    let done = interrupt(under_way(machines, place));
    assert_eq!(done.code, 130, "{done:?}");
    is_still_here(place, traffic, "called off");
}

fn the_cable_is_cut(machines: &Machines, place: &Place) {
    let traffic = Traffic::begin(place, "west", "h1");
    let child = under_way(machines, place);
    let [west, _] = machines.names();
    ip(&format!("-n {west} link set under down"));
    let done = Done::from(child.wait_with_output().unwrap());
    ip(&format!("-n {west} link set under up"));
    assert_ne!(done.code, 0, "{done:?}");
    assert!(done.err.contains("vm1 goes on here: nothing of it gets there any more"), "{done:?}");
    is_still_here(place, traffic, "the cable is cut");
}

fn the_other_daemon_is_killed(machines: &Machines, place: &Place) {
    let traffic = Traffic::begin(place, "west", "h1");
    let child = under_way(machines, place);
    kill_daemon(place, "east");
    let done = Done::from(child.wait_with_output().unwrap());
    assert!(done.code != 0 && done.err.contains("vm1 goes on here"), "{done:?}");
    patiently("one QEMU is left", || qemus() == 1);
    traffic.end("the other daemon is killed");
    machines.up(place, [&lab("west", 1, 2, false), &lab("east", 2, 1, true)]);
    assert_eq!(row(place, "east")["state"], "away");
}

/// What has come is the other lab's: the end of the one it was in before does nothing to it, its own end ends it.
fn goes_again_and_is_gone(machines: &Machines, place: &Place) {
    let done = migrate(machines, place, ["west", "east"], "");
    assert_eq!(done.code, 0, "{done:?}");
    kill_daemon(place, "west");
    place.ok("down west");
    assert_eq!(sh_ok(place, "east", "vm1", "cat /tmp/word").trim(), "vm1");
    assert_eq!(qemus(), 1);
    place.ok("down east");
    patiently("none is left", || qemus() == 0);
}

fn kill_daemon(place: &Place, lab: &str) {
    let text = std::fs::read(place.run_dir().join(lab).join("daemon.pid")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let pid = json["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Machines that run: there is no other test beside this one.
fn qemus() -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let is_ours = |entry: &std::fs::DirEntry| {
        let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        words.contains("qemu-system") && words.contains("-name\0vm1\0")
    };
    processes.filter(is_ours).count()
}

/// Looks again and again until something is so.
fn patiently(what: &str, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !look() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
