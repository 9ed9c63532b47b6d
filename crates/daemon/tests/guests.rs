//! Cards of virtual machines at the daemon's switch, the machines being rings in shared memory.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]
#![expect(clippy::disallowed_methods, reason = "it waits for a worker of the daemon's")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use netloom_daemon::engine::Patchbay;
use netloom_packet::{Csum, Gso, Offload};
use netloom_testkit::machine::{Machine, Shape};
use netloom_vhost::feature;

const LAB: &str = "netloom: 1
arp: flood
nodes: { g1..3: {} }
switches: { s1: {} }
links: [g1..3 -- s1]
";
const LONG: Shape = Shape { entries: 64, room: 0x1000, longest: 0x1_1000 };

/// Calls as a front end that serves all rings by itself.
fn plug(socket: &Path, shape: Shape) -> Machine {
    let mut machine = Machine::new(shape);
    call(&mut machine, socket, [0; 2]);
    machine
}

fn call(machine: &mut Machine, socket: &Path, bases: [u16; 2]) {
    let features = feature::OFFERED & !feature::LOG_ALL;
    let offered = machine.plug(socket, features, bases, &mut || std::thread::sleep(Duration::from_millis(1)));
    assert_eq!(offered, feature::OFFERED.to_ne_bytes());
}

/// Looks until something is there; a worker is another thread, so it takes a moment.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "not within 5 s: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A frame from guest `from` to guest `to`, 0 being everybody, as long as `len` says.
fn frame(from: u8, to: u8, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..=250).cycle().take(len).collect();
    let to = if to == 0 { [0xff; 6] } else { [2, 0, 0, 0, 0, to] };
    frame[..6].copy_from_slice(&to);
    frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, from, 0x08, 0]);
    let [high, low] = u16::try_from(len - 14).unwrap().to_be_bytes();
    let ip = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, from, 10, 0, 0, 2];
    frame[14..34].copy_from_slice(&ip);
    frame[34..54].copy_from_slice(&[4, 0, 4, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 255, 255, 0, 0, 0, 0]);
    frame
}

#[test]
fn a_port_is_up_while_its_guest_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let bay = Patchbay::start(&folder.path().join("run"), LAB).unwrap();
    let (socket, status) = bay.plug_guest("g1", 1).unwrap();
    assert!(!bay.is_up("g1") && !status.is_connected());
    let mut machine = plug(&socket, Shape::SMALL);
    eventually("up", || bay.is_up("g1").then_some(()));
    machine.socket = None;
    eventually("down", || (!bay.is_up("g1")).then_some(()));
    call(&mut machine, &socket, [0; 2]);
    eventually("up again", || bay.is_up("g1").then_some(()));
    assert_eq!(status.calls(), 2);
}

#[test]
fn sockets_go_with_their_ports() {
    let folder = tempfile::tempdir().unwrap();
    let bay = Patchbay::start(&folder.path().join("run"), LAB).unwrap();
    let (socket, _) = bay.plug_guest("g1", 1).unwrap();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let folder_of_card = socket.parent().unwrap();
    assert_eq!(std::fs::metadata(folder_of_card).unwrap().permissions().mode() & 0o777, 0o700);
    let journal = std::fs::read_to_string(folder_of_card.with_file_name("journal.ndjson")).unwrap();
    assert!(journal.contains(folder_of_card.to_str().unwrap()), "{journal}");
    let (again, _) = bay.plug_guest("g1", 1).unwrap();
    assert_eq!(again, socket, "a port has one");
    bay.unplug("g1").unwrap();
    assert!(!socket.exists() && !folder_of_card.exists());
    bay.plug_guest("g2", 1).unwrap();
    drop(bay);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn super_packets_go_from_guest_to_guest_through_the_workers() {
    for workers in [1, 2] {
        let folder = tempfile::tempdir().unwrap();
        let bay = Patchbay::start(
            &folder.path().join("run"),
            &LAB.replace("arp", &format!("workers: {workers}\narp")),
        )
        .unwrap();
        let cards = ["g1", "g2", "g3"].map(|node| bay.plug_guest(node, 1).unwrap());
        let [mut one, mut two, mut three] = cards.each_ref().map(|(socket, _)| plug(socket, LONG));
        for node in ["g1", "g2", "g3"] {
            eventually("up", || bay.is_up(node).then_some(()));
        }
        let small = frame(2, 0, 60);
        two.send(&Offload::PLAIN, &small);
        for other in [&mut one, &mut three] {
            assert_eq!(eventually("everybody", || other.received()).1, small);
        }
        let offload = Offload { gso: Gso::Tcp4, gso_size: 1_448, hdr_len: 54, ..Offload::PLAIN };
        let offload = Offload { csum: Csum::Partial { start: 34, offset: 16 }, ..offload };
        for round in 0..100 {
            let large = frame(1, 2, 60_054);
            one.send(&offload, &large);
            let (as_it_came, bytes) = eventually("the one who is meant", || two.received());
            assert!(bytes == large && as_it_came == offload, "{workers} workers, round {round}");
        }
        assert_eq!(three.received(), None, "nobody else");
        // The front by way of the switch, the rest straight, if one worker has both ports; but the first is looked at.
        let copied = &cards[1].1.copied;
        let straight = if workers == 1 { 99 * (60_054 - 256) } else { 0 };
        assert_eq!(copied.across(), straight);
        assert_eq!(copied.inward() + copied.across(), 100 * 60_054);
        assert_eq!(bay.drops(), []);
    }
}

#[test]
fn what_a_guest_sends_while_its_back_end_is_away_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let bay = Patchbay::start(&folder.path().join("run"), LAB).unwrap();
    let cards = ["g1", "g2"].map(|node| bay.plug_guest(node, 1).unwrap());
    let [mut one, mut two] = cards.each_ref().map(|(socket, _)| plug(socket, Shape::SMALL));
    eventually("up", || (bay.is_up("g1") && bay.is_up("g2")).then_some(()));
    two.send(&Offload::PLAIN, &frame(2, 0, 60));
    eventually("learned", || one.received());
    one.send(&Offload::PLAIN, &frame(1, 2, 100));
    eventually("before", || two.received());
    bay.unplug("g1").unwrap();
    for len in 101..111 {
        one.send(&Offload::PLAIN, &frame(1, 2, len));
    }
    assert_eq!(two.received(), None);
    let (socket, _) = bay.plug_guest("g1", 1).unwrap();
    call(&mut one, &socket, [2, 1]);
    for len in 101..111 {
        assert_eq!(eventually("after", || two.received()).1.len(), len, "in order");
    }
    // The switch still knows where everybody is, and the port takes frames again.
    eventually("up again", || bay.is_up("g1").then_some(()));
    two.send(&Offload::PLAIN, &frame(2, 1, 90));
    assert_eq!(eventually("the other way", || one.received()).1.len(), 90);
}
