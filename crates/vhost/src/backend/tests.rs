//! A front end's script, and what the host is asked to do.

use super::*;
use crate::feature::{self, protocol};
use crate::message::{HEADER, Header, Request};

#[derive(Debug, thiserror::Error)]
#[error("No memory left")]
struct NoMemory;

/// Writes down what it is asked; a descriptor is a number.
#[derive(Default)]
struct Script {
    calls: Vec<String>,
    refuse: bool,
}

impl Script {
    fn note(&mut self, call: String) {
        self.calls.push(call);
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.calls)
    }
}

impl Host for Script {
    type Fd = u32;
    type Error = NoMemory;

    fn features(&mut self, features: u64) {
        self.note(format!("features {features:#x}"));
    }

    fn map_all(&mut self, regions: Vec<(Region, u32)>) -> Result<(), NoMemory> {
        self.note(format!("map all {}", regions.len()));
        if self.refuse { Err(NoMemory) } else { Ok(()) }
    }

    fn map(&mut self, region: Region, fd: u32) -> Result<(), NoMemory> {
        self.note(format!("map {:#x} fd {fd}", region.guest));
        if self.refuse { Err(NoMemory) } else { Ok(()) }
    }

    fn unmap(&mut self, region: &Region) {
        self.note(format!("unmap {:#x}", region.guest));
    }

    fn log(&mut self, area: LogArea, fd: u32) -> Result<(), NoMemory> {
        self.note(format!("log {} fd {fd}", area.size));
        Ok(())
    }

    fn kick(&mut self, queue: usize, fd: Option<u32>) {
        self.note(format!("kick {queue} {fd:?}"));
    }

    fn call(&mut self, queue: usize, fd: Option<u32>) {
        self.note(format!("call {queue} {fd:?}"));
    }

    fn error(&mut self, queue: usize, fd: Option<u32>) {
        self.note(format!("error {queue} {fd:?}"));
    }

    fn start(&mut self, queue: usize, ring: RingStart) -> Result<(), NoMemory> {
        self.note(format!(
            "start {queue} size {} at {:#x} base {}",
            ring.size, ring.layout.descriptors, ring.base
        ));
        Ok(())
    }

    fn stop(&mut self, queue: usize) -> Option<u16> {
        self.note(format!("stop {queue}"));
        Some(77)
    }

    fn enable(&mut self, queue: usize, on: bool) {
        self.note(format!("enable {queue} {on}"));
    }

    fn announce(&mut self, address: [u8; 6]) {
        self.note(format!("announce {address:02x?}"));
    }
}

struct Session {
    backend: Backend,
    host: Script,
}

impl Session {
    fn new() -> Self {
        Self { backend: Backend::new(1, feature::OFFERED), host: Script::default() }
    }

    fn send(&mut self, request: Request, payload: &[u8], fds: &[u32]) -> Result<Option<Vec<u8>>, Violation> {
        self.send_with(request.number(), 1, payload, fds)
    }

    fn send_with(
        &mut self,
        request: u32,
        flags: u32,
        payload: &[u8],
        fds: &[u32],
    ) -> Result<Option<Vec<u8>>, Violation> {
        let header = Header { request, flags, size: u32::try_from(payload.len()).unwrap() };
        self.backend.handle(&header, payload, fds.to_vec(), &mut self.host)
    }

    fn ask(&mut self, request: Request) -> u64 {
        let reply = self.send(request, &[], &[]).unwrap().unwrap();
        u64::from_ne_bytes(reply[HEADER..].try_into().unwrap())
    }

    fn tell(&mut self, request: Request, payload: &[u8], fds: &[u32]) {
        assert_eq!(self.send(request, payload, fds), Ok(None), "{request:?}");
    }

    /// One region of 1 MiB, and queue 0 in it.
    fn with_ring() -> Self {
        let mut session = Self::new();
        session.tell(Request::SetMemTable, &table(&[region(0)]), &[10]);
        session.tell(Request::SetVringNum, &pair(0, 256), &[]);
        session.tell(Request::SetVringBase, &pair(0, 5), &[]);
        session.tell(Request::SetVringAddr, &address(0, USER), &[]);
        session
    }
}

const USER: u64 = 0x7f00_0000_0000;

fn region(guest: u64) -> Region {
    Region { guest, size: 0x10_0000, user: USER + guest, offset: 0 }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn pair(first: u32, second: u32) -> Vec<u8> {
    [first.to_ne_bytes(), second.to_ne_bytes()].concat()
}

fn table(regions: &[Region]) -> Vec<u8> {
    let mut bytes = pair(u32::try_from(regions.len()).unwrap(), 0);
    for region in regions {
        bytes.extend(words(&[region.guest, region.size, region.user, region.offset]));
    }
    bytes
}

fn address(queue: u32, at: u64) -> Vec<u8> {
    [pair(queue, 0), words(&[at, at + 0x2000, at + 0x1000, 0])].concat()
}

#[test]
fn what_is_offered_is_told() {
    let mut session = Session::new();
    assert_eq!(session.ask(Request::GetFeatures), feature::OFFERED);
    assert_eq!(session.ask(Request::GetProtocolFeatures), protocol::OFFERED);
    assert_eq!(session.ask(Request::GetQueueNum), 1);
    assert_eq!(session.ask(Request::GetMaxMemSlots), 64);
}

#[test]
fn a_ring_starts_with_its_kick_and_stops_when_it_is_asked_for() {
    let mut session = Session::with_ring();
    // As QEMU does it: enabled before the features are set.
    session.tell(Request::SetVringEnable, &pair(0, 1), &[]);
    session.tell(Request::SetProtocolFeatures, &words(&[protocol::OFFERED]), &[]);
    session.tell(Request::SetFeatures, &words(&[feature::OFFERED]), &[]);
    session.host.take();
    session.tell(Request::SetVringKick, &words(&[0]), &[21]);
    session.tell(Request::SetVringCall, &words(&[0]), &[22]);
    assert_eq!(
        session.host.take(),
        ["kick 0 Some(21)", "start 0 size 256 at 0x0 base 5", "enable 0 true", "call 0 Some(22)"]
    );
    let reply = session.send(Request::GetVringBase, &pair(0, 0), &[]).unwrap().unwrap();
    assert_eq!(reply[HEADER..], pair(0, 77));
    assert_eq!(session.host.take(), ["stop 0", "kick 0 None"]);
}

#[test]
fn a_ring_without_features_of_the_protocol_is_enabled_from_birth() {
    let mut session = Session::with_ring();
    session.host.take();
    session.tell(Request::SetVringKick, &words(&[0]), &[21]);
    assert_eq!(session.host.take().last().unwrap(), "enable 0 true");
}

#[test]
fn a_ring_outside_memory_is_not_started() {
    for at in [USER - 1, USER + 0x10_0000 - 0x2000, u64::MAX - 0x3000] {
        let mut session = Session::with_ring();
        session.tell(Request::SetVringAddr, &address(0, at), &[]);
        let outcome = session.send(Request::SetVringKick, &words(&[0]), &[21]);
        assert_eq!(outcome, Err(Violation::RingAddress(0)), "{at:#x}");
    }
}

#[test]
fn the_log_is_set_on_a_running_ring_without_a_stop() {
    let mut session = Session::with_ring();
    session.tell(Request::SetVringKick, &words(&[0]), &[21]);
    session.host.take();
    let mut logged = address(0, USER);
    logged[4] = 1;
    session.tell(Request::SetVringAddr, &logged, &[]);
    assert!(session.send(Request::SetLogBase, &words(&[4_096, 0]), &[30]).unwrap().is_some());
    assert_eq!(session.host.take(), ["log 4096 fd 30"]);
    session.tell(Request::SetVringAddr, &address(0, USER + 0x4000), &[]);
    assert_eq!(session.host.take(), ["stop 0", "start 0 size 256 at 0x4000 base 77", "enable 0 true"]);
}

#[test]
fn memory_comes_and_goes_and_takes_its_rings_along() {
    let mut session = Session::with_ring();
    session.tell(Request::SetVringKick, &words(&[0]), &[21]);
    let more = Region { user: 0x1000, ..region(0x20_0000) };
    let payload = [vec![0; 8], words(&[more.guest, more.size, more.user, 0])].concat();
    session.tell(Request::AddMemReg, &payload, &[11]);
    assert_eq!(session.send(Request::AddMemReg, &payload, &[11]), Err(Violation::Region(0x20_0000)), "twice");
    session.host.take();
    session.tell(Request::RemMemReg, &payload, &[]);
    assert_eq!(session.host.take(), ["unmap 0x200000"]);
    let first = region(0);
    let payload = [vec![0; 8], words(&[first.guest, first.size, first.user, 0])].concat();
    session.tell(Request::RemMemReg, &payload, &[12]);
    assert_eq!(session.host.take(), ["stop 0", "unmap 0x0"]);
    assert_eq!(session.send(Request::RemMemReg, &payload, &[]), Err(Violation::Region(0)));
}

#[test]
fn who_asks_for_an_acknowledgement_gets_one() {
    let mut session = Session::new();
    session.tell(Request::SetProtocolFeatures, &words(&[protocol::REPLY_ACK]), &[]);
    let done = session.send_with(Request::SetOwner.number(), 9, &[], &[]).unwrap().unwrap();
    assert_eq!(done[HEADER..], words(&[0]));
    session.host.refuse = true;
    let refused = session.send_with(Request::SetMemTable.number(), 9, &table(&[region(0)]), &[10]);
    assert_eq!(refused.unwrap().unwrap()[HEADER..], words(&[1]));
    let unknown = session.send_with(200, 9, &[], &[]).unwrap().unwrap();
    assert_eq!(unknown[HEADER..], words(&[1]));
    let outcome = session.send(Request::SetMemTable, &table(&[region(0)]), &[10]);
    assert_eq!(outcome, Err(Violation::Host("No memory left".to_owned())));
}

#[test]
fn nonsense_ends_the_session() {
    let mut session = Session::new();
    let descriptors = |wanted, got| Err(Violation::Descriptors { wanted, got });
    assert_eq!(session.send(Request::SetMemTable, &table(&[region(0)]), &[]), descriptors(1, 0));
    assert_eq!(session.send(Request::GetFeatures, &[], &[1]), descriptors(0, 1));
    assert_eq!(
        session.send(Request::SetFeatures, &words(&[1 << 60]), &[]),
        Err(Violation::Features(1 << 60))
    );
    assert_eq!(session.send(Request::SetVringNum, &pair(2, 256), &[]), Err(Violation::Ring(2)));
    assert_eq!(session.send(Request::SetVringNum, &pair(0, 100), &[]), Err(Violation::RingSize(100)));
    assert_eq!(session.send(Request::SetVringBase, &pair(0, 70_000), &[]), Err(Violation::RingBase(70_000)));
    let twice = table(&[region(0), region(0x1000)]);
    assert_eq!(session.send(Request::SetMemTable, &twice, &[1, 2]), Err(Violation::Region(0x1000)));
    assert_eq!(session.host.take(), Vec::<String>::new(), "nobody was asked anything");
}

#[test]
fn an_end_leaves_nothing() {
    let mut session = Session::with_ring();
    session.tell(Request::SetVringKick, &words(&[0]), &[21]);
    session.host.take();
    session.backend.end(&mut session.host);
    let calls = session.host.take();
    assert_eq!(calls[..4], ["stop 0", "kick 0 None", "call 0 None", "error 0 None"]);
    assert_eq!(calls.last().unwrap(), "unmap 0x0");
}
