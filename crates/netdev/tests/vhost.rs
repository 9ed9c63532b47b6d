//! Virtual machines' cards without machines: a front end that says what QEMU says, rings in memory that is truly shared.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use netloom_datapath::{Budget, Frame, Port, Refused};
use netloom_netdev::VhostPort;
use netloom_packet::{Gso, Offload, VNET_HDR};
use netloom_sys::eventfd::EventFd;
use netloom_sys::fd_stream::FdStream;
use netloom_sys::shared_memory::{SharedMemory, sealed_memory};
use netloom_testkit::guest::{Buffer, DriverRing};
use netloom_vhost::message::{HEADER, Request};
use netloom_vhost::{GuestMemory, Unmapped, feature};

const RAM: u64 = 1 << 20;
/// Where QEMU has the guest's memory: anywhere.
const USER: u64 = 0x7f12_3456_0000;
const SIZE: u16 = 16;
/// Each ring has 16 pages of its own for its buffers.
const BUFFERS: [u64; 2] = [0x1_0000, 0x2_0000];
const BUFFER: u32 = 0x1000;
const WRITE: u16 = 2;

/// The guest's memory as the guest sees it.
struct Ram(SharedMemory);

impl GuestMemory for Ram {
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped> {
        self.0.read(usize::try_from(at).unwrap(), to).then_some(()).ok_or(Unmapped(at))
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped> {
        self.0.write(usize::try_from(at).unwrap(), from).then_some(()).ok_or(Unmapped(at))
    }

    fn load(&self, at: u64) -> Result<u16, Unmapped> {
        self.0.load(usize::try_from(at).unwrap()).ok_or(Unmapped(at))
    }

    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped> {
        self.0.store(usize::try_from(at).unwrap(), value).then_some(()).ok_or(Unmapped(at))
    }
}

/// A machine: its memory, its rings (0 receives, 1 sends), and the front end's socket.
struct Machine {
    file: OwnedFd,
    ram: Ram,
    rings: [DriverRing; 2],
    kicks: [EventFd; 2],
    calls: [EventFd; 2],
    socket: Option<FdStream>,
    sent: u16,
}

impl Machine {
    fn new() -> Self {
        let file = sealed_memory("guest", RAM).unwrap();
        let ram = Ram(SharedMemory::map(&file, 0, RAM).unwrap());
        let rings = [0x1000, 0x2000].map(|at| DriverRing::new(&ram, SIZE, at, 0));
        let events = || [EventFd::new().unwrap(), EventFd::new().unwrap()];
        let mut machine = Self { file, ram, rings, kicks: events(), calls: events(), socket: None, sent: 0 };
        for slot in 0..SIZE {
            machine.put_up(slot);
        }
        machine
    }

    /// Offers a page for what comes.
    fn put_up(&mut self, slot: u16) {
        let address = BUFFERS[0] + u64::from(slot) * u64::from(BUFFER);
        self.rings[0].describe(&self.ram, slot, Buffer { address, length: BUFFER, flags: WRITE, next: 0 });
        self.rings[0].offer(&self.ram, slot);
    }

    fn say(&self, request: Request, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        let size = u32::try_from(payload.len()).unwrap();
        let mut bytes: Vec<u8> =
            [request.number(), 1, size].iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(payload);
        self.socket.as_ref().unwrap().send(&bytes, fds).unwrap();
    }

    fn answer(&self) -> Vec<u8> {
        let mut bytes = [0; 64];
        let count = self.socket.as_ref().unwrap().receive(&mut bytes, &mut Vec::new()).unwrap();
        bytes[HEADER..count].to_vec()
    }

    /// Calls, and says what QEMU says at the start, in its order.
    fn plug(&mut self, path: &Path, port: &mut VhostPort, features: u64, bases: [u16; 2]) {
        self.socket = Some(FdStream::new(UnixStream::connect(path).unwrap().into()).unwrap());
        self.say(Request::GetFeatures, &[], &[]);
        look(port);
        assert_eq!(self.answer(), feature::OFFERED.to_ne_bytes());
        self.say(Request::SetProtocolFeatures, &0_u64.to_ne_bytes(), &[]);
        for ring in 0..2 {
            self.say(Request::SetVringEnable, &pair(ring, 1), &[]);
        }
        self.say(Request::SetFeatures, &features.to_ne_bytes(), &[]);
        let table = [pair(1, 0), words(&[0, RAM, USER, 0])].concat();
        self.say(Request::SetMemTable, &table, &[self.file.as_fd()]);
        for (index, base) in (0..).zip(bases) {
            let ring = &self.rings[usize::try_from(index).unwrap()];
            self.say(Request::SetVringNum, &pair(index, u32::from(SIZE)), &[]);
            self.say(Request::SetVringBase, &pair(index, u32::from(base)), &[]);
            let parts = words(&[ring.descriptors, ring.used, ring.available].map(|at| USER + at));
            self.say(Request::SetVringAddr, &[pair(index, 0), parts, words(&[0])].concat(), &[]);
            let word = u64::from(index).to_ne_bytes();
            self.say(Request::SetVringKick, &word, &[self.kicks[usize::try_from(index).unwrap()].as_fd()]);
            self.say(Request::SetVringCall, &word, &[self.calls[usize::try_from(index).unwrap()].as_fd()]);
        }
        look(port);
    }

    fn send(&mut self, offload: &Offload, frame: &[u8]) {
        let slot = self.sent % SIZE;
        self.sent = self.sent.wrapping_add(1);
        let address = BUFFERS[1] + u64::from(slot) * u64::from(BUFFER);
        let mut header = [0; VNET_HDR];
        offload.emit(&mut header);
        self.ram.write(address, &[&header, frame].concat()).unwrap();
        let length = u32::try_from(VNET_HDR + frame.len()).unwrap();
        self.rings[1].describe(&self.ram, slot, Buffer { address, length, flags: 0, next: 0 });
        self.rings[1].offer(&self.ram, slot);
        self.kicks[1].signal();
    }

    /// The next frame that came, of however many pieces.
    fn received(&mut self) -> Option<(Offload, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut pieces = 0;
        loop {
            let (head, length) = self.rings[0].take_used(&self.ram)?;
            let mut piece = vec![0; usize::try_from(length).unwrap()];
            self.ram.read(BUFFERS[0] + u64::from(head) * u64::from(BUFFER), &mut piece).unwrap();
            bytes.extend(piece);
            pieces += 1;
            self.put_up(u16::try_from(head).unwrap());
            if pieces == u16::from_le_bytes([bytes[10], bytes[11]]) {
                let offload = Offload::parse(bytes.first_chunk().unwrap()).unwrap();
                return Some((offload, bytes.split_off(VNET_HDR)));
            }
        }
    }
}

fn pair(first: u32, second: u32) -> Vec<u8> {
    [first.to_ne_bytes(), second.to_ne_bytes()].concat()
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Lets the port do what there is to do; the frames it brought.
fn look(port: &mut VhostPort) -> Vec<(Offload, Vec<u8>)> {
    let mut frames = Vec::new();
    loop {
        let received = port.receive(Budget::default(), &mut |frame: &mut Frame<'_>| {
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
        let port = VhostPort::listen(&path, 1).unwrap();
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
    let (mut machine, mut other) = (Machine::new(), Machine::new());
    machine.plug(&path, &mut port, feature::OFFERED, [0; 2]);
    other.plug(&other_path, &mut other_port, feature::OFFERED, [0; 2]);
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
fn a_frame_longer_than_a_page_takes_several() {
    let folder = Folder::new("merge");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new();
    machine.plug(&path, &mut port, feature::OFFERED, [0; 2]);
    let frame = vec![7; 12_000];
    give(&mut port, Offload::PLAIN, &frame).unwrap();
    assert_eq!(machine.received().unwrap().1, frame);
    assert_eq!(give(&mut port, Offload::PLAIN, &vec![7; 65_540]), Err(Refused::Full), "more than all pages");
}

#[test]
fn a_machine_calls_again_after_the_switch_was_away() {
    let folder = Folder::new("again");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new();
    assert_eq!(give(&mut port, Offload::PLAIN, &[0; 60]), Err(Refused::Error(107)), "nobody is there");
    machine.plug(&path, &mut port, feature::OFFERED, [0; 2]);
    machine.send(&Offload::PLAIN, &[1; 60]);
    assert_eq!(look(&mut port).len(), 1);
    drop(port);
    std::fs::remove_file(&path).unwrap();
    machine.send(&Offload::PLAIN, &[2; 60]);
    let mut port = VhostPort::listen(&path, 1).unwrap();
    machine.plug(&path, &mut port, feature::OFFERED, [0, 1]);
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
    let mut machine = Machine::new();
    machine.plug(&path, &mut port, feature::OFFERED, [0; 2]);
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
    let mut machine = Machine::new();
    machine.socket = Some(FdStream::new(UnixStream::connect(&path).unwrap().into()).unwrap());
    look(&mut port);
    let file = std::fs::File::create(folder.0.join("memory")).unwrap();
    file.set_len(RAM).unwrap();
    let table = [pair(1, 0), words(&[0, RAM, USER, 0])].concat();
    machine.say(Request::SetMemTable, &table, &[file.as_fd()]);
    look(&mut port);
    assert!(!port.is_connected());
}

#[test]
fn a_second_caller_is_hung_up_on() {
    let folder = Folder::new("second");
    let (path, mut port) = folder.port("a");
    let mut machine = Machine::new();
    machine.plug(&path, &mut port, feature::OFFERED, [0; 2]);
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
    let mut machine = Machine::new();
    machine.plug(&path, &mut port, feature::OFFERED & !feature::LOG_ALL, [0; 2]);
    let file = sealed_memory("log", 4_096).unwrap();
    let log = SharedMemory::map(&file, 0, 4_096).unwrap();
    machine.say(Request::SetLogBase, &words(&[4_096, 0]), &[file.as_fd()]);
    machine.say(Request::SetFeatures, &feature::OFFERED.to_ne_bytes(), &[]);
    look(&mut port);
    give(&mut port, Offload::PLAIN, &[3; 60]).unwrap();
    let page = usize::try_from(BUFFERS[0] / 4_096).unwrap();
    let mut bits = [0];
    assert!(log.read(page / 8, &mut bits));
    assert_eq!(bits[0] & 1 << (page % 8), 1 << (page % 8), "the buffer");
    let page = usize::try_from(machine.rings[0].used / 4_096).unwrap();
    assert!(log.read(page / 8, &mut bits));
    assert_eq!(bits[0] & 1 << (page % 8), 1 << (page % 8), "the used ring");
}
