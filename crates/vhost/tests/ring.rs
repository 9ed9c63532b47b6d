//! Rings between a driver and a device: what an honest guest gets, and what a hostile one does not.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

use netloom_testkit::guest::{Buffer, DriverRing, GuestRam, write_descriptor};
use netloom_vhost::ring::{Broken, Chain, Layout, Queue, Span};
use netloom_vhost::{GuestMemory, Unmapped};

const SIZE: u16 = 8;
const RING: u64 = 0x1000;

fn pair() -> (GuestRam, DriverRing, Queue) {
    let memory = GuestRam::new(0x1_0000);
    let driver = DriverRing::new(&memory, SIZE, RING, 0);
    let queue = Queue::new(SIZE, layout(&driver), 0).unwrap();
    (memory, driver, queue)
}

fn layout(driver: &DriverRing) -> Layout {
    Layout { descriptors: driver.descriptors, available: driver.available, used: driver.used }
}

fn buffer(address: u64, length: u32, flags: u16, next: u16) -> Buffer {
    Buffer { address, length, flags, next }
}

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

#[test]
fn a_chain_is_taken_and_given_back() {
    let (memory, mut driver, mut queue) = pair();
    let mut chain = Chain::default();
    assert!(!queue.pop(&memory, &mut chain).unwrap());
    driver.describe(&memory, 5, buffer(0x4000, 3, NEXT, 2));
    driver.describe(&memory, 2, buffer(0x5000, 4, NEXT | WRITE, 0));
    driver.describe(&memory, 0, buffer(0x6000, 8, WRITE, 0));
    memory.write(0x4000, b"abc").unwrap();
    driver.offer(&memory, 5);
    assert!(queue.pop(&memory, &mut chain).unwrap());
    assert_eq!(chain.readable(), [Span { address: 0x4000, length: 3 }]);
    assert_eq!((chain.readable_bytes(), chain.writable_bytes()), (3, 12));
    let mut read = [0xa5; 8];
    assert_eq!(chain.read(&memory, &mut read), Ok(3));
    assert_eq!(&read, b"abc\xa5\xa5\xa5\xa5\xa5");
    assert_eq!(chain.writable(), [Span { address: 0x5000, length: 4 }, Span { address: 0x6000, length: 8 }]);
    queue.push(&memory, &chain, 8).unwrap();
    assert_eq!(driver.take_used(&memory), None, "not published");
    queue.publish(&memory).unwrap();
    assert_eq!(driver.take_used(&memory), Some((5, 8)));
}

#[test]
fn a_chain_longer_than_any_driver_makes_is_broken() {
    const MANY: u16 = 0x1000;
    let memory = GuestRam::new(0x4_0000);
    let mut driver = DriverRing::new(&memory, MANY, RING, 0);
    let mut queue = Queue::new(MANY, layout(&driver), 0).unwrap();
    for index in 0..2_000 {
        let flags = if index < 1_999 { NEXT } else { 0 };
        driver.describe(&memory, index, buffer(0x100, 1, flags, index + 1));
    }
    assert_eq!(broken(&memory, &mut driver, &mut queue, 0), Broken::Endless(1_024));
}

#[test]
fn what_is_to_be_read_is_found_where_it_is() {
    let (memory, mut driver, mut queue) = pair();
    let mut chain = Chain::default();
    driver.describe(&memory, 0, buffer(0x4000, 3, NEXT, 1));
    driver.describe(&memory, 1, buffer(0x5000, 0, NEXT, 2));
    driver.describe(&memory, 2, buffer(0x6000, 4, 0, 0));
    driver.offer(&memory, 0);
    assert!(queue.pop(&memory, &mut chain).unwrap());
    let lengths = |skip| {
        let pieces = chain.pieces(&memory, skip).unwrap().unwrap();
        pieces.all().iter().map(|piece| piece.len()).collect::<Vec<_>>()
    };
    assert_eq!(lengths(0), [3, 4]);
    assert_eq!(lengths(2), [1, 4]);
    assert_eq!(lengths(3), [4]);
    assert_eq!((lengths(7), lengths(100)), (vec![], vec![]));
}

#[test]
fn indices_wrap_and_a_ring_goes_on_where_another_device_left_it() {
    let memory = GuestRam::new(0x1_0000);
    let mut driver = DriverRing::new(&memory, SIZE, RING, 0xfffe);
    let mut queue = Queue::new(SIZE, layout(&driver), 0xfffe).unwrap();
    queue.resume(&memory).unwrap();
    let mut chain = Chain::default();
    driver.describe(&memory, 1, buffer(0x4000, 1, 0, 0));
    for round in 0..5 {
        driver.offer(&memory, 1);
        assert!(queue.pop(&memory, &mut chain).unwrap(), "round {round}");
        queue.push(&memory, &chain, round).unwrap();
        queue.publish(&memory).unwrap();
        assert_eq!(driver.take_used(&memory), Some((1, round)));
    }
    assert_eq!(queue.base(), 3);
    driver.offer(&memory, 1);
    assert!(queue.pop(&memory, &mut chain).unwrap());
    let mut heir = Queue::new(SIZE, layout(&driver), 3).unwrap();
    heir.resume(&memory).unwrap();
    assert_eq!(heir.available(&memory), Ok(1), "taken and not used: taken again");
}

#[test]
fn descriptors_in_a_table_of_their_own() {
    let (memory, mut driver, queue) = pair();
    let mut queue = queue.with_features(false, true);
    let mut chain = Chain::default();
    driver.describe(&memory, 0, buffer(0x3000, 32, INDIRECT, 0));
    write_descriptor(&memory, 0x3000, 0, buffer(0x4000, 7, NEXT, 1));
    write_descriptor(&memory, 0x3000, 1, buffer(0x5000, 9, WRITE, 0));
    driver.offer(&memory, 0);
    assert!(queue.pop(&memory, &mut chain).unwrap());
    assert_eq!((chain.readable_bytes(), chain.writable_bytes()), (7, 9));
}

/// The first chain that a guest with these descriptors offers.
fn broken(memory: &GuestRam, driver: &mut DriverRing, queue: &mut Queue, head: u16) -> Broken {
    driver.offer(memory, head);
    queue.pop(memory, &mut Chain::default()).unwrap_err()
}

#[test]
fn what_a_hostile_guest_says_breaks_its_ring_and_nothing_else() {
    let (memory, mut driver, mut queue) = pair();
    assert_eq!(broken(&memory, &mut driver, &mut queue, 8), Broken::Descriptor(8, 8));

    let (memory, mut driver, mut queue) = pair();
    driver.describe(&memory, 0, buffer(0x4000, 1, NEXT, 0));
    assert_eq!(
        broken(&memory, &mut driver, &mut queue, 0),
        Broken::Endless(8),
        "a chain that bites its tail"
    );

    let (memory, mut driver, mut queue) = pair();
    driver.describe(&memory, 0, buffer(0x4000, 1, NEXT | WRITE, 1));
    driver.describe(&memory, 1, buffer(0x4000, 1, 0, 0));
    assert_eq!(broken(&memory, &mut driver, &mut queue, 0), Broken::Order);

    let (memory, _, queue) = pair();
    memory.store(queue_available_index(), 9).unwrap();
    assert_eq!(queue.available(&memory), Err(Broken::Available(9, 8)));
}

/// Where the index of the available ring is in [`pair`]'s.
fn queue_available_index() -> u64 {
    RING + 16 * u64::from(SIZE) + 2
}

#[test]
fn tables_inside_tables_and_tables_that_were_not_agreed_upon() {
    let (memory, mut driver, mut queue) = pair();
    driver.describe(&memory, 0, buffer(0x3000, 16, INDIRECT, 0));
    assert_eq!(broken(&memory, &mut driver, &mut queue, 0), Broken::Indirect(16), "not agreed upon");

    for (length, flags) in [(0, INDIRECT), (20, INDIRECT), (16, INDIRECT | NEXT), (16 * 65_536, INDIRECT)] {
        let (memory, mut driver, queue) = pair();
        let mut queue = queue.with_features(false, true);
        driver.describe(&memory, 0, buffer(0x3000, length, flags, 0));
        assert_eq!(broken(&memory, &mut driver, &mut queue, 0), Broken::Indirect(length));
    }

    let (memory, mut driver, queue) = pair();
    let mut queue = queue.with_features(false, true);
    driver.describe(&memory, 0, buffer(0x3000, 16, INDIRECT, 0));
    write_descriptor(&memory, 0x3000, 0, buffer(0x3000, 16, INDIRECT, 0));
    assert_eq!(broken(&memory, &mut driver, &mut queue, 0), Broken::Indirect(16), "inside another");
}

#[test]
fn addresses_without_memory() {
    let (memory, mut driver, mut queue) = pair();
    driver.describe(&memory, 0, buffer(u64::MAX - 3, 100, 0, 0));
    driver.offer(&memory, 0);
    let mut chain = Chain::default();
    assert!(queue.pop(&memory, &mut chain).unwrap());
    assert_eq!(chain.read(&memory, &mut [0; 128]), Err(Unmapped(u64::MAX - 3)));

    let nowhere = Layout { descriptors: u64::MAX - 8, available: u64::MAX - 1, used: u64::MAX };
    let mut queue = Queue::new(SIZE, nowhere, 0).unwrap();
    assert!(matches!(queue.pop(&memory, &mut chain), Err(Broken::Unmapped(_))));
    assert!(queue.publish(&memory).is_err() && queue.wait(&memory).is_err());
    assert!(Queue::new(0, nowhere, 0).is_none() && Queue::new(12, nowhere, 0).is_none());
}

#[test]
fn the_guest_is_told_as_often_as_it_asks() {
    let (memory, mut driver, mut queue) = pair();
    let mut chain = Chain::default();
    driver.describe(&memory, 0, buffer(0x4000, 1, 0, 0));
    let mut serve = |queue: &mut Queue| {
        driver.offer(&memory, 0);
        assert!(queue.pop(&memory, &mut chain).unwrap());
        queue.push(&memory, &chain, 0).unwrap();
        queue.publish(&memory).unwrap();
    };
    assert_eq!(queue.must_notify(&memory), Ok(false), "nothing was used");
    serve(&mut queue);
    assert_eq!(queue.must_notify(&memory), Ok(true));
    assert_eq!(queue.must_notify(&memory), Ok(false), "once is enough");
    // VRING_AVAIL_F_NO_INTERRUPT
    memory.store(RING + 16 * u64::from(SIZE), 1).unwrap();
    serve(&mut queue);
    assert_eq!(queue.must_notify(&memory), Ok(false), "it looks by itself");
}

#[test]
fn notifications_by_index() {
    let (memory, mut driver, queue) = pair();
    let mut queue = queue.with_features(true, false);
    let mut chain = Chain::default();
    driver.describe(&memory, 0, buffer(0x4000, 1, 0, 0));
    driver.set_used_event(&memory, 1);
    let mut told = Vec::new();
    for _ in 0..3 {
        driver.offer(&memory, 0);
        assert!(queue.pop(&memory, &mut chain).unwrap());
        queue.push(&memory, &chain, 0).unwrap();
        queue.publish(&memory).unwrap();
        told.push(queue.must_notify(&memory).unwrap());
    }
    assert_eq!(told, [false, true, false], "when entry 1 was passed");
    assert_eq!(queue.wait(&memory), Ok(false));
    assert_eq!(driver.avail_event(&memory), 3, "the next one, please");
    driver.offer(&memory, 0);
    assert_eq!(queue.wait(&memory), Ok(true), "one came while we fell asleep");
}
