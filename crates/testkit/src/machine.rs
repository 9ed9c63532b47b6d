//! A virtual machine's card without a machine: a guest's memory that is truly shared, the driver's side of a pair of rings
//! in it, and a front end that says what QEMU says.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::AtomicU8;

use netloom_packet::{Offload, VNET_HDR};
use netloom_sys::Errno;
use netloom_sys::eventfd::EventFd;
use netloom_sys::fd_stream::FdStream;
use netloom_sys::shared_memory::{SharedMemory, sealed_memory};
use netloom_vhost::message::{HEADER, Request};
use netloom_vhost::{GuestMemory, Unmapped};

use crate::guest::{Buffer, DriverRing};

/// How large everything is.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Entries of each ring, a power of two.
    pub entries: u16,
    /// Bytes of a buffer that a frame is received in.
    pub room: u32,
    /// Bytes of a buffer that a frame is sent from.
    pub longest: u32,
}

impl Shape {
    /// Sixteen pages for each ring.
    pub const SMALL: Self = Self { entries: 16, room: 0x1000, longest: 0x1000 };
}

/// The guest's memory as the guest sees it, from address 0 on.
#[derive(Debug)]
pub struct Ram(pub SharedMemory);

impl Ram {
    fn place(at: u64) -> Result<usize, Unmapped> {
        usize::try_from(at).map_err(|_| Unmapped(at))
    }
}

impl GuestMemory for Ram {
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped> {
        self.0.read(Self::place(at)?, to).then_some(()).ok_or(Unmapped(at))
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped> {
        self.0.write(Self::place(at)?, from).then_some(()).ok_or(Unmapped(at))
    }

    fn piece(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped> {
        self.0.bytes(Self::place(at)?, len).ok_or(Unmapped(at))
    }

    fn copy_in(&self, at: u64, from: &[AtomicU8]) -> Result<(), Unmapped> {
        self.0.copy_in(Self::place(at)?, from).then_some(()).ok_or(Unmapped(at))
    }

    fn load(&self, at: u64) -> Result<u16, Unmapped> {
        self.0.load(Self::place(at)?).ok_or(Unmapped(at))
    }

    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped> {
        self.0.store(Self::place(at)?, value).then_some(()).ok_or(Unmapped(at))
    }
}

/// A machine: its memory, its rings (0 receives, 1 sends), and the front end's socket.
#[derive(Debug)]
pub struct Machine {
    /// What the memory is made of.
    pub file: OwnedFd,
    /// Its memory.
    pub ram: Ram,
    /// 0 receives, 1 sends.
    pub rings: [DriverRing; 2],
    /// By which it tells of what it offers.
    pub kicks: [EventFd; 2],
    /// By which it is told of what was used.
    pub calls: [EventFd; 2],
    /// The connection, once there is one.
    pub socket: Option<FdStream>,
    shape: Shape,
    sent: u16,
}

impl Machine {
    /// One whose buffers for what comes are all offered.
    ///
    /// # Panics
    /// If there is no memory.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let file = sealed_memory("guest", shape.bytes()).expect("there is memory");
        let ram = Ram(SharedMemory::map(&file, 0, shape.bytes()).expect("it is made for it"));
        let rings = [0, 1].map(|ring| DriverRing::new(&ram, shape.entries, shape.ring(ring), 0));
        let events = || [(); 2].map(|()| EventFd::new().expect("there is a descriptor left"));
        let mut machine =
            Self { file, ram, rings, kicks: events(), calls: events(), socket: None, shape, sent: 0 };
        for slot in 0..shape.entries {
            let buffer = Buffer { address: shape.receive(slot), length: shape.room, flags: WRITE, next: 0 };
            machine.rings[0].describe(&machine.ram, slot, buffer);
            machine.rings[0].offer(&machine.ram, slot);
        }
        machine
    }

    /// Says something with file descriptors beside it.
    ///
    /// # Panics
    /// If nobody is there.
    pub fn say(&self, request: Request, payload: &[u8], fds: &[BorrowedFd<'_>]) {
        let size = u32::try_from(payload.len()).expect("messages are short");
        let mut bytes: Vec<u8> =
            [request.number(), 1, size].iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend_from_slice(payload);
        self.socket.as_ref().expect("it has called").send(&bytes, fds).expect("somebody listens");
    }

    /// What was answered, without its header; `meanwhile` is called until it is there.
    ///
    /// # Panics
    /// If the connection has ended.
    pub fn answer(&self, meanwhile: &mut dyn FnMut()) -> Vec<u8> {
        let mut bytes = [0; 64];
        loop {
            let socket = self.socket.as_ref().expect("it has called");
            match socket.receive(&mut bytes, &mut Vec::new()) {
                Err(Errno::AGAIN) => meanwhile(),
                count => return bytes[HEADER..count.expect("it is answered")].to_vec(),
            }
        }
    }

    /// Calls, and says what QEMU says at the start, in its order; the features that were offered. The rings begin at the
    /// entries `bases`.
    ///
    /// # Panics
    /// If nobody listens.
    pub fn plug(
        &mut self,
        path: &Path,
        features: u64,
        bases: [u16; 2],
        meanwhile: &mut dyn FnMut(),
    ) -> Vec<u8> {
        let stream = UnixStream::connect(path).expect("somebody listens");
        self.socket = Some(FdStream::new(stream.into()).expect("it is a socket"));
        self.say(Request::GetFeatures, &[], &[]);
        let offered = self.answer(meanwhile);
        self.say(Request::SetProtocolFeatures, &0_u64.to_ne_bytes(), &[]);
        for ring in 0..2 {
            self.say(Request::SetVringEnable, &pair(ring, 1), &[]);
        }
        self.say(Request::SetFeatures, &features.to_ne_bytes(), &[]);
        let table = [pair(1, 0), words(&[0, self.shape.bytes(), USER, 0])].concat();
        self.say(Request::SetMemTable, &table, &[self.file.as_fd()]);
        for ((number, base), (index, ring)) in (0..).zip(bases).zip(self.rings.iter().enumerate()) {
            self.say(Request::SetVringNum, &pair(number, u32::from(ring.size)), &[]);
            self.say(Request::SetVringBase, &pair(number, u32::from(base)), &[]);
            let parts = words(&[ring.descriptors, ring.used, ring.available].map(|at| USER + at));
            self.say(Request::SetVringAddr, &[pair(number, 0), parts, words(&[0])].concat(), &[]);
            let word = u64::from(number).to_ne_bytes();
            self.say(Request::SetVringKick, &word, &[self.kicks[index].as_fd()]);
            self.say(Request::SetVringCall, &word, &[self.calls[index].as_fd()]);
        }
        // It is answered when all before it has been heard.
        self.say(Request::GetQueueNum, &[], &[]);
        self.answer(meanwhile);
        offered
    }

    /// Sends a frame, and calls.
    ///
    /// # Panics
    /// If it is longer than a buffer.
    pub fn send(&mut self, offload: &Offload, frame: &[u8]) {
        let slot = self.sent % self.shape.entries;
        self.sent = self.sent.wrapping_add(1);
        self.write(slot, offload, frame);
        self.rings[1].offer(&self.ram, slot);
        self.kicks[1].signal();
    }

    /// Writes a frame into the buffer to be sent from number `slot`, and describes it.
    ///
    /// # Panics
    /// If it is longer than a buffer.
    pub fn write(&self, slot: u16, offload: &Offload, frame: &[u8]) {
        let address = self.shape.send(slot);
        let mut header = [0; VNET_HDR];
        offload.emit(&mut header);
        let length = u32::try_from(VNET_HDR + frame.len()).expect("frames are short");
        assert!(length <= self.shape.longest, "a frame longer than a buffer");
        self.ram.write(address, &[&header, frame].concat()).expect("buffers are in memory");
        self.rings[1].describe(&self.ram, slot, Buffer { address, length, flags: 0, next: 0 });
    }

    /// The next frame that came, of however many pieces.
    ///
    /// # Panics
    /// If what came is no frame.
    pub fn received(&mut self) -> Option<(Offload, Vec<u8>)> {
        let mut bytes = Vec::new();
        let mut pieces = 0;
        loop {
            let (head, length) = self.rings[0].take_used(&self.ram)?;
            let head = u16::try_from(head).expect("it was offered");
            let mut piece = vec![0; usize::try_from(length).expect("a length")];
            self.ram.read(self.shape.receive(head), &mut piece).expect("buffers are in memory");
            bytes.extend(piece);
            pieces += 1;
            self.rings[0].offer(&self.ram, head);
            if pieces == u16::from_le_bytes([bytes[10], bytes[11]]) {
                let header = bytes.first_chunk().expect("a header is there");
                let offload = Offload::parse(header).expect("it makes sense");
                return Some((offload, bytes.split_off(VNET_HDR)));
            }
        }
    }

    /// Where a buffer of the receiving ring is.
    #[must_use]
    pub fn buffer(&self, slot: u16) -> u64 {
        self.shape.receive(slot)
    }
}

impl Shape {
    fn ring(&self, ring: u16) -> u64 {
        PAGE + u64::from(ring) * self.ring_bytes()
    }

    fn ring_bytes(&self) -> u64 {
        DriverRing::bytes(self.entries).next_multiple_of(PAGE)
    }

    fn receive(&self, slot: u16) -> u64 {
        self.ring(2) + u64::from(slot) * u64::from(self.room)
    }

    fn send(&self, slot: u16) -> u64 {
        self.receive(self.entries) + u64::from(slot) * u64::from(self.longest)
    }

    /// Bytes of memory that hold it all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.send(self.entries).next_multiple_of(PAGE)
    }
}

/// Two numbers of 32 bits, as messages have them.
#[must_use]
pub fn pair(first: u32, second: u32) -> Vec<u8> {
    [first.to_ne_bytes(), second.to_ne_bytes()].concat()
}

/// Numbers of 64 bits, as messages have them.
#[must_use]
pub fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Where QEMU has the guest's memory: anywhere.
pub const USER: u64 = 0x7f12_3456_0000;
const PAGE: u64 = 4_096;
const WRITE: u16 = 2;
