//! Virtual machines' cards without machines: a front end that says what QEMU says, rings in memory that is truly shared.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use netloom_datapath::{Budget, Frame, Port, Refused};
use netloom_netdev::VhostPort;
use netloom_packet::{Gso, Offload};
use netloom_sys::fd_stream::FdStream;
use netloom_sys::shared_memory::{SharedMemory, sealed_memory};
use netloom_testkit::machine::{Machine, Shape, USER, pair, words};
use netloom_vhost::message::Request;
use netloom_vhost::{GuestMemory, feature};

/// Calls, and says what QEMU says at the start.
fn plug(machine: &mut Machine, path: &Path, port: &mut VhostPort, features: u64, bases: [u16; 2]) {
    let offered = machine.plug(path, features, bases, &mut || drop(look(port)));
    assert_eq!(offered, feature::OFFERED.to_ne_bytes());
}

/// Lets the port do what there is to do; the frames it brought.
fn look(port: &mut VhostPort) -> Vec<(Offload, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        let received = port.receive(Budget::default(), &mut |frame: &mut Frame<'_>| {
            frame.fill();
            frames.push((frame.offload, frame.data().to_vec()));
        });
        if !received.more {
            return frames;
        }
    }
}

fn give(port: &mut VhostPort, offload: Offload, bytes: &[u8]) -> Result<(), Refused> {
    let mut buffer = [vec![0; 64], bytes.to_vec()].concat();
    let end = buffer.len();
    let result = port.transmit(&mut Frame::new(&mut buffer, 64..end, offload).unwrap());
    port.flush();
    result
}

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netloom-vhost-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn port(&self, name: &str) -> (PathBuf, VhostPort) {
        let path = self.0.join(name);
        let port = VhostPort::listen(&path, 1, None).unwrap();
        (path, port)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_super_packet_goes_from_machine_to_machine_as_it_is() {
    let folder = Folder::new("pair");
    let ((path, mut port), (other_path, mut other_port)) = (folder.port("a"), folder.port("b"));
    let (mut machine, mut other) = (Machine::new(Shape::SMALL), Machine::new(Shape::SMALL));
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    plug(&mut other, &other_path, &mut other_port, feature::OFFERED, [0; 2]);
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1_448, ..Offload::PLAIN };
    let offload = Offload { csum: netloom_packet::Csum::Partial { start: 34, offset: 16 }, ..offload };
    let frame: Vec<u8> = (0..3_900_u16).map(|n| n.to_le_bytes()[0]).collect();
    for round in 0..40 {
        machine.send(&offload, &frame);
        let frames = look(&mut port);
        assert_eq!(frames, [(offload, frame.clone())], "round {round}");
        assert!(machine.rings[1].take_used(&machine.ram).is_some(), "its buffer is free again");
        give(&mut other_port, offload, &frame).unwrap();
        assert_eq!(other.received(), Some((offload, frame.clone())), "round {round}");
        assert!(other.calls[0].clear(), "it was told");
        other.rings[0].set_used_event(&other.ram, round + 1);
    }
}

#[test]
fn of_a_long_frame_only_the_front_is_copied_twice() {
    let folder = Folder::new("once");
    let ((path, mut port), (other_path, mut other_port)) = (folder.port("a"), folder.port("b"));
    let (mut machine, mut other) = (Machine::new(Shape::SMALL), Machine::new(Shape::SMALL));
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    plug(&mut other, &other_path, &mut other_port, feature::OFFERED, [0; 2]);
    let copied = |port: &VhostPort| {
        let status = port.status();
        [status.copied.out(), status.copied.across(), status.copied.inward()]
    };
    let mut all = 0;
    for length in [60_u16, 256, 257, 1_514, 4_084] {
        let frame: Vec<u8> = (0..length).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        machine.send(&Offload::PLAIN, &frame);
        let mut longest = 0;
        port.receive(Budget::default(), &mut |frame| {
            longest = frame.front().len();
            other_port.transmit(frame).unwrap();
        });
        other_port.flush();
        assert_eq!(longest, usize::from(length).min(256));
        assert_eq!(other.received(), Some((Offload::PLAIN, frame)), "{length}");
        all += u64::from(length);
    }
    let fronts = 60 + 4 * 256;
    assert_eq!(copied(&port), [fronts, 0, 0]);
    assert_eq!(copied(&other_port), [0, all - fronts, fronts]);
}

#[test]
fn a_guest_that_moved_here_is_announced_to_the_switch() {
    let folder = Folder::new("moved");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    assert!(port.status().is_ready());
    machine.say(Request::SendRarp, &[2, 0, 0, 0, 0, 7, 0, 0], &[]);
    let frames = look(&mut port);
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].1[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 7, 0x80, 0x35]);
    machine.socket = None;
    look(&mut port);
    assert!(!port.status().is_ready() && !port.status().is_connected());
}

#[test]
fn a_frame_longer_than_a_page_takes_several() {
    let folder = Folder::new("merge");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    let frame = vec![7; 12_000];
    give(&mut port, Offload::PLAIN, &frame).unwrap();
    assert_eq!(machine.received().unwrap().1, frame);
    assert_eq!(give(&mut port, Offload::PLAIN, &vec![7; 65_540]), Err(Refused::Full), "more than all pages");
}

#[test]
fn a_machine_calls_again_after_the_switch_was_away() {
    let folder = Folder::new("again");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    assert_eq!(give(&mut port, Offload::PLAIN, &[0; 60]), Err(Refused::Error(107)), "nobody is there");
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    machine.send(&Offload::PLAIN, &[1; 60]);
    assert_eq!(look(&mut port).len(), 1);
    drop(port);
    std::fs::remove_file(&path).unwrap();
    machine.send(&Offload::PLAIN, &[2; 60]);
    let mut port = VhostPort::listen(&path, 1, None).unwrap();
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0, 1]);
    assert!(port.is_connected());
    let frames = look(&mut port);
    assert_eq!(frames.len(), 0, "the look inside `plug` took it: {frames:?}");
    assert_eq!(machine.rings[1].take_used(&machine.ram), Some((0, 0)));
    assert_eq!(machine.rings[1].take_used(&machine.ram), Some((1, 0)), "sent while nobody was there");
    machine.socket = None;
    look(&mut port);
    assert!(!port.is_connected());
}

#[test]
fn a_ring_that_makes_no_sense_is_left_alone_and_the_rest_goes_on() {
    let folder = Folder::new("hostile");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    machine.ram.store(machine.rings[1].available + 2, 1_000).unwrap();
    machine.kicks[1].signal();
    assert_eq!(look(&mut port), []);
    machine.send(&Offload::PLAIN, &[1; 60]);
    assert_eq!(look(&mut port), [], "not served any more");
    give(&mut port, Offload::PLAIN, &[3; 60]).unwrap();
    assert_eq!(machine.received().unwrap().1, [3; 60]);
}

#[test]
fn memory_that_could_shrink_ends_the_session() {
    let folder = Folder::new("shrink");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    machine.socket = Some(FdStream::new(UnixStream::connect(&path).unwrap().into()).unwrap());
    look(&mut port);
    let file = std::fs::File::create(folder.0.join("memory")).unwrap();
    file.set_len(0x10_0000).unwrap();
    let table = [pair(1, 0), words(&[0, 0x10_0000, USER, 0])].concat();
    machine.say(Request::SetMemTable, &table, &[file.as_fd()]);
    look(&mut port);
    assert!(!port.is_connected());
}

#[test]
fn a_second_caller_is_hung_up_on() {
    let folder = Folder::new("second");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    let second = FdStream::new(UnixStream::connect(&path).unwrap().into()).unwrap();
    look(&mut port);
    assert_eq!(second.receive(&mut [0; 8], &mut Vec::new()), Ok(0));
    machine.send(&Offload::PLAIN, &[1; 60]);
    assert_eq!(look(&mut port).len(), 1);
}

#[test]
fn pages_written_while_a_machine_moves_are_logged() {
    let folder = Folder::new("log");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED & !feature::LOG_ALL, [0; 2]);
    let file = sealed_memory("log", 4_096).unwrap();
    let log = SharedMemory::map(&file, 0, 4_096).unwrap();
    machine.say(Request::SetLogBase, &words(&[4_096, 0]), &[file.as_fd()]);
    machine.say(Request::SetFeatures, &feature::OFFERED.to_ne_bytes(), &[]);
    look(&mut port);
    give(&mut port, Offload::PLAIN, &[3; 60]).unwrap();
    let page = usize::try_from(machine.buffer(0) / 4_096).unwrap();
    let mut bits = [0];
    assert!(log.read(page / 8, &mut bits));
    assert_eq!(bits[0] & 1 << (page % 8), 1 << (page % 8), "the buffer");
    let page = usize::try_from(machine.rings[0].used / 4_096).unwrap();
    assert!(log.read(page / 8, &mut bits));
    assert_eq!(bits[0] & 1 << (page % 8), 1 << (page % 8), "the used ring");
}

/// Stops a ring as QEMU does when the guest stands still; the entry to go on with.
fn stop(machine: &mut Machine, port: &mut VhostPort, ring: u32) -> u32 {
    machine.say(Request::GetVringBase, &pair(ring, 0), &[]);
    let answer = machine.answer(&mut || drop(look(port)));
    assert_eq!(answer[..4], ring.to_ne_bytes());
    u32::from_ne_bytes(answer[4..].try_into().unwrap())
}

/// Starts it again.
fn start(machine: &mut Machine, port: &mut VhostPort, ring: u32, base: u32) {
    machine.say(Request::SetVringBase, &pair(ring, base), &[]);
    let index = usize::try_from(ring).unwrap();
    machine.say(Request::SetVringKick, &u64::from(ring).to_ne_bytes(), &[machine.kicks[index].as_fd()]);
    look(port);
}

#[test]
fn what_comes_while_a_guest_stands_still_it_gets_afterwards_in_order() {
    let folder = Folder::new("still");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    let status = port.status();
    let hold = status.hold();
    give(&mut port, Offload::PLAIN, &[1; 60]).unwrap();
    let base = stop(&mut machine, &mut port, 0);
    assert_eq!(base, 1, "one was used");
    assert_eq!(give(&mut port, Offload::PLAIN, &[2; 60]), Err(Refused::Error(107)), "it does not move");
    hold.keep([9; 6]);
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1_448, ..Offload::PLAIN };
    let offload = Offload { csum: netloom_packet::Csum::Partial { start: 34, offset: 16 }, ..offload };
    give(&mut port, Offload::PLAIN, &[3; 60]).unwrap();
    give(&mut port, offload, &[4; 3_000]).unwrap();
    give(&mut port, Offload::PLAIN, &[9; 60]).unwrap();
    assert!(hold.still_since().is_some() && !hold.is_empty());
    assert_eq!(machine.received().unwrap().1, [1; 60]);
    assert_eq!(machine.received(), None, "it stands still");
    start(&mut machine, &mut port, 0, base);
    give(&mut port, Offload::PLAIN, &[5; 60]).unwrap();
    assert_eq!(machine.received().unwrap(), (Offload::PLAIN, vec![3; 60]));
    assert_eq!(machine.received().unwrap(), (offload, vec![4; 3_000]), "whole, as it came");
    assert_eq!(machine.received().unwrap().1, [5; 60], "what the guest sent itself is not for it");
    assert_eq!((hold.still_since(), hold.is_empty()), (None, true));
    assert_eq!((hold.end().kept, hold.is_on()), (2, false));
}

#[test]
fn what_was_kept_here_is_given_where_the_guest_is_now() {
    let folder = Folder::new("there");
    let ((path, mut port), (other_path, mut other_port)) = (folder.port("a"), folder.port("b"));
    let (mut machine, mut other) = (Machine::new(Shape::SMALL), Machine::new(Shape::SMALL));
    plug(&mut machine, &path, &mut port, feature::OFFERED, [0; 2]);
    let (status, there) = (port.status(), other_port.status());
    status.hold().keep([8; 6]);
    machine.socket = None;
    look(&mut port);
    for n in 1..=3 {
        give(&mut port, Offload::PLAIN, &[n; 60]).unwrap();
    }
    there.hold().expect([8; 6]);
    assert!(there.hold().is_on());
    assert!(give(&mut other_port, Offload::PLAIN, &[7; 60]).is_err(), "not before it is there");
    there.hold().keep([8; 6]);
    there.hold().announce(vec![vec![0xff; 60]]);
    status.hold().take().into_iter().for_each(|frame| there.hold().add(frame));
    assert_eq!(look(&mut other_port), [], "it is not served yet");
    other.socket = None;
    // The look inside takes the announcement: it is there as soon as it is served.
    let mut seen = Vec::new();
    let offered =
        other.plug(&other_path, feature::OFFERED, [0; 2], &mut || seen.append(&mut look(&mut other_port)));
    assert_eq!(offered, feature::OFFERED.to_ne_bytes());
    seen.append(&mut look(&mut other_port));
    assert_eq!(seen, [(Offload::PLAIN, vec![0xff; 60])], "it says where it is, once");
    for n in 1..=3 {
        assert_eq!(other.received().unwrap().1, [n; 60]);
    }
    // Nonsense from another lab is no frame, and is counted.
    there.hold().add(vec![0xff; 40]);
    let mut malformed = 0;
    malformed += other_port.receive(Budget::default(), &mut |_| ()).malformed;
    assert_eq!((malformed, other.received()), (1, None));
}

#[test]
fn a_log_that_is_too_small_is_not_written_beyond_and_costs_no_frame() {
    let folder = Folder::new("short");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new(Shape::SMALL);
    plug(&mut machine, &path, &mut port, feature::OFFERED & !feature::LOG_ALL, [0; 2]);
    let file = sealed_memory("log", 4_096).unwrap();
    let whole = SharedMemory::map(&file, 0, 4_096).unwrap();
    machine.say(Request::SetLogBase, &words(&[1, 8]), &[file.as_fd()]);
    machine.say(Request::SetFeatures, &feature::OFFERED.to_ne_bytes(), &[]);
    look(&mut port);
    for _ in 0..16 {
        give(&mut port, Offload::PLAIN, &[3; 3_000]).unwrap();
    }
    assert_eq!(machine.received().unwrap().1, [3; 3_000]);
    let mut bytes = vec![0; 4_096];
    assert!(whole.read(0, &mut bytes));
    let written: Vec<usize> = (0..4_096).filter(|at| bytes[*at] != 0).collect();
    assert_eq!(written, [8], "the byte that is the log");
}

#[test]
fn a_log_that_cannot_be_trusted_ends_the_session() {
    let folder = Folder::new("logs");
    let open = std::fs::File::create(folder.0.join("log")).unwrap();
    open.set_len(4_096).unwrap();
    let sealed = sealed_memory("log", 4_096).unwrap();
    let areas = [(open.as_fd(), [4_096, 0]), (sealed.as_fd(), [4_097, 0]), (sealed.as_fd(), [1, u64::MAX])];
    for (number, (fd, area)) in areas.into_iter().enumerate() {
        let (path, mut port) = folder.port(&number.to_string());
        let mut machine = Machine::new(Shape::SMALL);
        plug(&mut machine, &path, &mut port, feature::OFFERED & !feature::LOG_ALL, [0; 2]);
        machine.say(Request::SetLogBase, &words(&area), &[fd]);
        look(&mut port);
        assert!(!port.is_connected(), "{area:?}");
    }
}
