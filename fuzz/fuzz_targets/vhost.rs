//! Anything at all as a virtual machine: what its front end says, and what is in the memory that its rings are in.
//!
//! Layout of an input: 2 bytes size of the first message's payload and so on, the messages; behind a size of 0xffff, the
//! guest's memory.

#![no_main]

use std::sync::atomic::{AtomicU8, Ordering};

use libfuzzer_sys::fuzz_target;
use netloom_packet::VNET_HDR;
use netloom_vhost::backend::RingStart;
use netloom_vhost::message::{HEADER, Header, LogArea};
use netloom_vhost::net::{Given, Load, Room, Taken, take_front};
use netloom_vhost::ring::Chain;
use netloom_vhost::{Backend, GuestMemory, Host, Queue, Region, Unmapped, feature};

struct Ram(Vec<AtomicU8>);

impl GuestMemory for Ram {
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped> {
        let from = self.piece(at, to.len())?;
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped> {
        let to = self.piece(at, from.len())?;
        from.iter().zip(to).for_each(|(from, to)| to.store(*from, Ordering::Relaxed));
        Ok(())
    }

    fn piece(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped> {
        let from = usize::try_from(at).map_err(|_| Unmapped(at))?;
        let end = from.checked_add(len).ok_or(Unmapped(at))?;
        self.0.get(from..end).ok_or(Unmapped(at))
    }

    fn copy_in(&self, at: u64, from: &[AtomicU8]) -> Result<(), Unmapped> {
        let to = self.piece(at, from.len())?;
        from.iter().zip(to).for_each(|(from, to)| to.store(from.load(Ordering::Relaxed), Ordering::Relaxed));
        Ok(())
    }

    fn load(&self, at: u64) -> Result<u16, Unmapped> {
        let mut bytes = [0; 2];
        self.read(at, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped> {
        self.write(at, &value.to_le_bytes())
    }
}

/// Maps nothing and keeps the rings that were started.
#[derive(Default)]
struct Keeper {
    started: Vec<RingStart>,
}

impl Host for Keeper {
    type Fd = ();
    type Error = Unmapped;

    fn features(&mut self, _: u64) {}
    fn map_all(&mut self, _: Vec<(Region, ())>) -> Result<(), Unmapped> {
        Ok(())
    }
    fn map(&mut self, _: Region, (): ()) -> Result<(), Unmapped> {
        Ok(())
    }
    fn unmap(&mut self, _: &Region) {}
    fn log(&mut self, _: LogArea, (): ()) -> Result<(), Unmapped> {
        Ok(())
    }
    fn kick(&mut self, _: usize, _: Option<()>) {}
    fn call(&mut self, _: usize, _: Option<()>) {}
    fn error(&mut self, _: usize, _: Option<()>) {}
    fn start(&mut self, _: usize, ring: RingStart) -> Result<(), Unmapped> {
        self.started.push(ring);
        Ok(())
    }
    fn stop(&mut self, _: usize) -> Option<u16> {
        None
    }
    fn enable(&mut self, _: usize, _: bool) {}
    fn announce(&mut self, _: [u8; 6]) {}
}

fuzz_target!(|input: &[u8]| {
    let (mut backend, mut host) = (Backend::new(2, feature::OFFERED), Keeper::default());
    let mut rest = input;
    while let Some((size, more)) = rest.split_first_chunk::<2>() {
        rest = more;
        let size = u16::from_le_bytes(*size);
        let Some((header, more)) = more.split_first_chunk::<HEADER>().filter(|_| size != u16::MAX) else { break };
        let (payload, more) = more.split_at(usize::from(size).min(more.len()));
        rest = more;
        // Descriptors as many as an honest front end sends, and one less.
        for fds in [9, 2, 1, 0] {
            let header = Header::parse(header);
            if backend.handle(&header, payload, vec![(); fds], &mut host).is_ok() {
                break;
            }
        }
    }
    let ram = Ram(rest.iter().map(|byte| AtomicU8::new(*byte)).collect());
    for ring in host.started.iter().take(4) {
        serve(&ram, ring);
    }
    backend.end(&mut host);
});

fn serve(ram: &Ram, ring: &RingStart) {
    let Some(queue) = Queue::new(ring.size, ring.layout, ring.base) else { return };
    let mut queue = queue.with_features(ring.base & 1 == 1, true);
    let (mut chain, mut buffer, mut room) = (Chain::default(), vec![0; 4_096], Room::default());
    let merges = ring.base & 2 == 2;
    // What one guest sends goes on to itself: the front from us, the rest from where it is.
    for _ in 0..64 {
        let length = match take_front(&mut queue, ram, &mut chain, &mut buffer[..268], 70_000) {
            Ok(Taken::Nothing) | Err(_) => break,
            Ok(Taken::Malformed) => continue,
            Ok(Taken::Frame(length)) => length,
        };
        let front = &buffer[VNET_HDR..length.min(268)];
        let Ok(Some(pieces)) = chain.pieces(ram, 268) else { continue };
        let load = Load { front, pieces: pieces.all(), length: length.saturating_sub(268) };
        assert_eq!(pieces.all().iter().map(|piece| piece.len()).sum::<usize>(), load.length);
        if room.give(&mut queue, ram, &[0; VNET_HDR], &load, merges).is_err() {
            break;
        }
    }
    for _ in 0..64 {
        match room.give(&mut queue, ram, &[0; VNET_HDR], &Load::whole(&buffer[..1_500]), merges) {
            Ok(Given::Whole) => {}
            Ok(Given::Full | Given::TooLong) | Err(_) => break,
        }
    }
    let _ = (queue.publish(ram), queue.must_notify(ram), queue.wait(ram), queue.resume(ram));
}
