//! Frames between two guests' rings, byte by byte.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use netloom_packet::VNET_HDR;
use netloom_testkit::guest::{Buffer, DriverRing, GuestRam};
use netloom_vhost::GuestMemory;
use netloom_vhost::net::{Given, Load, Room, Taken, take, take_front};
use netloom_vhost::ring::{Chain, Layout, Queue};
use proptest::prelude::*;

const SIZE: u16 = 64;
const WRITE: u16 = 2;
/// Where the buffers begin; the ring is in front of them.
const BUFFERS: u64 = 0x4000;
const STRIDE: u64 = 0x800;

struct Ring {
    memory: GuestRam,
    driver: DriverRing,
    queue: Queue,
}

impl Ring {
    fn new() -> Self {
        let memory = GuestRam::new(0x2_4000);
        let driver = DriverRing::new(&memory, SIZE, 0x100, 0);
        let layout =
            Layout { descriptors: driver.descriptors, available: driver.available, used: driver.used };
        Self { queue: Queue::new(SIZE, layout, 0).unwrap(), memory, driver }
    }

    /// Sends a header and a frame, as a guest does that has them in one buffer.
    fn send(&mut self, slot: u16, frame: &[u8]) {
        let address = BUFFERS + u64::from(slot) * STRIDE;
        self.memory.write(address, &[[7; VNET_HDR].as_slice(), frame].concat()).unwrap();
        let length = u32::try_from(VNET_HDR + frame.len()).unwrap();
        self.driver.describe(&self.memory, slot, Buffer { address, length, flags: 0, next: 0 });
        self.driver.offer(&self.memory, slot);
    }

    /// Offers room of `length` bytes.
    fn offer(&mut self, slot: u16, length: u32) {
        let address = BUFFERS + u64::from(slot) * STRIDE;
        self.driver.describe(&self.memory, slot, Buffer { address, length, flags: WRITE, next: 0 });
        self.driver.offer(&self.memory, slot);
    }

    /// The next frame that came, header first, and how many buffers it took.
    fn received(&mut self) -> Option<(Vec<u8>, u16)> {
        let mut bytes = Vec::new();
        let mut buffers = 0;
        loop {
            let (head, length) = self.driver.take_used(&self.memory)?;
            let mut piece = vec![0; usize::try_from(length).unwrap()];
            self.memory.read(BUFFERS + u64::from(head) * STRIDE, &mut piece).unwrap();
            bytes.extend(piece);
            buffers += 1;
            let number = u16::from_le_bytes([bytes[10], bytes[11]]);
            if buffers == number {
                return Some((bytes, buffers));
            }
        }
    }
}

#[test]
fn a_frame_is_taken_once_and_its_buffer_goes_back() {
    let mut ring = Ring::new();
    let (mut chain, mut buffer) = (Chain::default(), [0; 256]);
    ring.send(3, b"frame");
    let taken = take(&mut ring.queue, &ring.memory, &mut chain, &mut buffer).unwrap();
    assert_eq!(taken, Taken::Frame(VNET_HDR + 5));
    assert_eq!(&buffer[VNET_HDR..VNET_HDR + 5], b"frame");
    assert_eq!(take(&mut ring.queue, &ring.memory, &mut chain, &mut buffer), Ok(Taken::Nothing));
    ring.queue.publish(&ring.memory).unwrap();
    assert_eq!(ring.driver.take_used(&ring.memory), Some((3, 0)));
}

#[test]
fn frames_too_short_or_too_long_are_thrown_away() {
    let mut ring = Ring::new();
    let (mut chain, mut buffer) = (Chain::default(), [0; 64]);
    let address = BUFFERS;
    ring.driver.describe(&ring.memory, 0, Buffer { address, length: 11, flags: 0, next: 0 });
    ring.driver.offer(&ring.memory, 0);
    ring.send(1, &[1; 53]);
    ring.send(2, &[2; 52]);
    let mut take = || take(&mut ring.queue, &ring.memory, &mut chain, &mut buffer).unwrap();
    assert_eq!([take(), take(), take()], [Taken::Malformed, Taken::Malformed, Taken::Frame(64)]);
}

#[test]
fn a_long_frame_takes_as_many_buffers_as_it_needs() {
    let mut ring = Ring::new();
    let mut room = Room::default();
    let frame: Vec<u8> = (0..250).collect();
    let header = [9; VNET_HDR];
    ring.offer(0, 100);
    ring.offer(1, 100);
    let full = room.give(&mut ring.queue, &ring.memory, &header, &Load::whole(&frame), true).unwrap();
    assert_eq!(full, Given::Full);
    ring.offer(2, 100);
    let whole = room.give(&mut ring.queue, &ring.memory, &header, &Load::whole(&frame), true).unwrap();
    assert_eq!(whole, Given::Whole);
    ring.queue.publish(&ring.memory).unwrap();
    let (bytes, buffers) = ring.received().unwrap();
    assert_eq!((buffers, &bytes[..10], &bytes[VNET_HDR..]), (3, &header[..10], &frame[..]));
}

#[test]
fn a_frame_goes_into_the_pieces_of_a_buffer() {
    let mut ring = Ring::new();
    let chain = [(0x9000, 5, 1), (0x9100, 0, 2), (0x9200, 17, 3), (0x9300, 40, 0)];
    for (index, (address, length, next)) in (0..).zip(chain) {
        let flags = if next > 0 { WRITE | 1 } else { WRITE };
        ring.driver.describe(&ring.memory, index, Buffer { address, length, flags, next });
    }
    ring.driver.offer(&ring.memory, 0);
    let from = GuestRam::new(64);
    from.write(0, b"from somewhere else").unwrap();
    let pieces = [from.piece(0, 5).unwrap(), from.piece(5, 14).unwrap()];
    let load = Load { front: b"front ", pieces: &pieces, length: 14 };
    let mut room = Room::default();
    assert_eq!(room.give(&mut ring.queue, &ring.memory, &[7; VNET_HDR], &load, true), Ok(Given::Whole));
    ring.queue.publish(&ring.memory).unwrap();
    assert_eq!(ring.driver.take_used(&ring.memory), Some((0, 32)));
    let mut got = Vec::new();
    for (address, length) in [(0x9000, 5), (0x9200, 17), (0x9300, 10)] {
        let mut piece = vec![0; length];
        ring.memory.read(address, &mut piece).unwrap();
        got.extend(piece);
    }
    assert_eq!(&got[VNET_HDR..], b"front from somewhere");
}

#[test]
fn buffers_that_do_not_merge_take_what_fits_one() {
    let mut ring = Ring::new();
    let mut room = Room::default();
    ring.offer(0, 20);
    ring.offer(1, 200);
    let mut give = |frame: &[u8]| {
        room.give(&mut ring.queue, &ring.memory, &[0; VNET_HDR], &Load::whole(frame), false).unwrap()
    };
    assert_eq!(give(&[1; 9]), Given::TooLong);
    assert_eq!(give(&[2; 188]), Given::Whole);
    assert_eq!(give(&[3; 1]), Given::Full);
    ring.queue.publish(&ring.memory).unwrap();
    assert_eq!(ring.driver.take_used(&ring.memory), Some((0, 0)));
    assert_eq!(ring.driver.take_used(&ring.memory), Some((1, 200)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What one guest sends, the other gets: whole, unchanged, in order, whatever the sizes of its buffers, and however
    /// much of it is copied by way of our own memory.
    #[test]
    fn from_ring_to_ring(
        front in VNET_HDR..1_600,
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 14..1_500), 1..40),
        sizes in prop::collection::vec(13_u32..2_000, 1..SIZE as usize),
    ) {
        let (mut from, mut to) = (Ring::new(), Ring::new());
        let (mut chain, mut buffer, mut room) = (Chain::default(), [0; 2_048], Room::default());
        let slots = u16::try_from(sizes.len()).unwrap();
        sizes.iter().zip(0..).for_each(|(size, slot)| to.offer(slot, *size));
        let mut offered = slots;
        for frame in &frames {
            from.send(0, frame);
            let Taken::Frame(length) = take_front(&mut from.queue, &from.memory, &mut chain, &mut buffer[..front], 2_048).unwrap() else {
                panic!("no frame");
            };
            let header = buffer.first_chunk().unwrap();
            let pieces = chain.pieces(&from.memory, front).unwrap().unwrap();
            let front = &buffer[VNET_HDR..length.min(front)];
            let load = Load { front, pieces: pieces.all(), length: frame.len() - front.len() };
            let given = room.give(&mut to.queue, &to.memory, header, &load, true).unwrap();
            to.queue.publish(&to.memory).unwrap();
            match given {
                Given::Whole => {
                    let (bytes, buffers) = to.received().unwrap();
                    prop_assert_eq!(&bytes[VNET_HDR..], &frame[..]);
                    // The guest puts the same buffers up again.
                    for _ in 0..buffers {
                        let slot = offered % slots;
                        to.offer(slot, sizes[usize::from(slot)]);
                        offered = offered.wrapping_add(1);
                    }
                }
                Given::Full => {
                    let all: u32 = sizes.iter().sum();
                    prop_assert!(usize::try_from(all).unwrap() < VNET_HDR + frame.len());
                }
                Given::TooLong => prop_assert!(false, "buffers merge"),
            }
        }
    }

    /// Whatever is in the guest's memory, a ring ends in an error or goes on: no panic, no endless loop.
    #[test]
    fn memory_full_of_anything(
        noise in prop::collection::vec(any::<u8>(), 0x600),
        index in any::<u16>(),
        event_idx in any::<bool>(),
    ) {
        let ring = Ring::new();
        ring.memory.write(0x100, &noise).unwrap();
        let at = ring.driver.available + 2;
        ring.memory.store(at, index).unwrap();
        let mut queue = ring.queue.clone().with_features(event_idx, true);
        let (mut chain, mut buffer, mut room) = (Chain::default(), [0; 2_048], Room::default());
        for _ in 0..200 {
            let Ok(taken) = take(&mut queue, &ring.memory, &mut chain, &mut buffer) else { break };
            if taken == Taken::Nothing {
                break;
            }
        }
        let mut queue = ring.queue.clone().with_features(event_idx, true);
        for _ in 0..200 {
            match room.give(&mut queue, &ring.memory, &[0; VNET_HDR], &Load::whole(&[0; 1_000]), true) {
                Ok(Given::Whole) => {}
                Ok(_) | Err(_) => break,
            }
        }
        let _ = (queue.must_notify(&ring.memory), queue.wait(&ring.memory), queue.publish(&ring.memory));
    }
}
