//! The rings of one machine, and what the session asks for them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::ForeignEvent;
use netloom_sys::shared_memory::SharedMemory;
use netloom_sys::{Errno, HostError};
use netloom_vhost::backend::RingStart;
use netloom_vhost::message::LogArea;
use netloom_vhost::{Broken, Host, Queue, Region, feature};

use super::guest::Guest;

/// One ring and its wake-up calls.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pub(super) queue: Option<Queue>,
    pub(super) enabled: bool,
    /// Used entries were written that the guest does not know of.
    pub(super) pending: bool,
    kick: Option<ForeignEvent>,
    call: Option<ForeignEvent>,
    error: Option<ForeignEvent>,
}

/// All rings: even ones carry frames to the guest, odd ones from it.
#[derive(Debug)]
pub(super) struct Rings {
    pub(super) guest: Guest,
    pub(super) rings: Vec<Ring>,
    pub(super) features: u64,
    /// An address that has to be announced.
    pub(super) announce: Option<[u8; 6]>,
    /// Pairs of rings, from the first on, whose guest takes frames.
    pub(super) serving: usize,
    /// Something of what [`GuestStatus`](super::GuestStatus) tells may be different now.
    pub(super) changed: bool,
    epoll: Epoll,
}

impl Rings {
    pub(super) fn new(pairs: u8, epoll: Epoll) -> Self {
        let rings = std::iter::repeat_with(Ring::default).take(2 * usize::from(pairs)).collect();
        let guest = Guest::default();
        Self { guest, rings, features: 0, announce: None, serving: 0, changed: false, epoll }
    }

    pub(super) fn epoll(&mut self) -> &mut Epoll {
        &mut self.epoll
    }

    /// Publishes what was used, and tells the guest if it wants to be told.
    pub(super) fn publish(&mut self, index: usize) -> Result<(), Broken> {
        let Some(ring) = self.rings.get_mut(index) else { return Ok(()) };
        if !std::mem::take(&mut ring.pending) {
            return Ok(());
        }
        let Some(queue) = &mut ring.queue else { return Ok(()) };
        queue.publish(&self.guest)?;
        if queue.must_notify(&self.guest)? {
            signal(ring.call.as_ref());
        }
        Ok(())
    }

    /// Counts the pairs that are served.
    fn recount(&mut self) {
        let serves = |ring: &&Ring| ring.enabled && ring.queue.is_some();
        self.serving = self.rings.iter().step_by(2).take_while(serves).count();
        self.changed = true;
    }

    /// Asks the guest to call when it sends again; whether it has sent something meanwhile.
    pub(super) fn arm(&mut self) -> bool {
        let mut more = false;
        for index in (1..self.rings.len()).step_by(2) {
            let Some(queue) = self.rings.get_mut(index).and_then(|ring| ring.queue.as_mut()) else {
                continue;
            };
            match queue.wait(&self.guest) {
                Ok(some) => more |= some,
                Err(why) => self.give_up(index, why),
            }
        }
        more
    }

    /// Takes the guest's wake-up calls of a ring.
    pub(super) fn clear_kick(&self, index: usize) {
        if let Some(kick) = self.rings.get(index).and_then(|ring| ring.kick.as_ref()) {
            kick.clear();
        }
    }

    /// Serves a ring no more: it makes no sense. The front end is told.
    pub(super) fn give_up(&mut self, index: usize, why: Broken) {
        let Some(ring) = self.rings.get_mut(index) else { return };
        ring.queue = None;
        ring.pending = false;
        signal(ring.error.as_ref());
        self.recount();
        tracing::warn!(ring = index, %why, "a guest's ring makes no sense and is not served any more");
    }
}

impl Host for Rings {
    type Fd = OwnedFd;
    type Error = HostError;

    fn features(&mut self, features: u64) {
        self.features = features;
        self.guest.logging = features & feature::LOG_ALL != 0;
        let (event_idx, indirect) = agreed(features);
        for queue in self.rings.iter_mut().filter_map(|ring| ring.queue.as_mut()) {
            *queue = queue.clone().with_features(event_idx, indirect);
        }
    }

    fn map_all(&mut self, regions: Vec<(Region, OwnedFd)>) -> Result<(), HostError> {
        let mapped = regions.into_iter().map(|(region, fd)| Ok((region, map(&region, &fd)?)));
        self.guest.replace(mapped.collect::<Result<_, HostError>>()?);
        Ok(())
    }

    fn map(&mut self, region: Region, fd: OwnedFd) -> Result<(), HostError> {
        self.guest.add(region, map(&region, &fd)?);
        Ok(())
    }

    fn unmap(&mut self, region: &Region) {
        self.guest.remove(region);
    }

    fn log(&mut self, area: LogArea, fd: OwnedFd) -> Result<(), HostError> {
        self.guest.set_log(SharedMemory::map(fd, area.offset, area.size)?);
        Ok(())
    }

    fn kick(&mut self, queue: usize, fd: Option<OwnedFd>) {
        let Some(ring) = self.rings.get_mut(queue) else { return };
        let fd = foreign(fd);
        // New buffers for frames to the guest are found when there is a frame; only its own frames are waited for.
        if queue % 2 == 1 {
            if let Some(old) = &ring.kick {
                let _ = self.epoll.remove(old);
            }
            if let Some(fd) = &fd
                && let Err(error) = self.epoll.add(fd, queue as u64, Interest::Read)
            {
                tracing::warn!(%error, "a guest's wake-up calls are not heard");
            }
        }
        ring.kick = fd;
    }

    fn call(&mut self, queue: usize, fd: Option<OwnedFd>) {
        if let Some(ring) = self.rings.get_mut(queue) {
            ring.call = foreign(fd);
        }
    }

    fn error(&mut self, queue: usize, fd: Option<OwnedFd>) {
        if let Some(ring) = self.rings.get_mut(queue) {
            ring.error = foreign(fd);
        }
    }

    fn start(&mut self, queue: usize, start: RingStart) -> Result<(), HostError> {
        let refused = |errno| HostError::new("serve", format!("ring {queue}"), errno);
        let (event_idx, indirect) = agreed(self.features);
        let ring = Queue::new(start.size, start.layout, start.base).ok_or_else(|| refused(Errno::INVAL))?;
        let mut ring = ring.with_features(event_idx, indirect);
        ring.resume(&self.guest).map_err(|_| refused(Errno::FAULT))?;
        // A guest that sleeps must be told to call; errors show when the ring is served.
        let _ = ring.wait(&self.guest);
        if let Some(place) = self.rings.get_mut(queue) {
            place.queue = Some(ring);
            place.pending = false;
            // What was offered before we came has no wake-up call any more.
            if let Some(kick) = place.kick.as_ref().filter(|_| queue % 2 == 1) {
                signal(Some(kick));
            }
        }
        self.recount();
        Ok(())
    }

    fn stop(&mut self, queue: usize) -> Option<u16> {
        // A ring that is broken is stopped all the same.
        let _ = self.publish(queue);
        let stopped = self.rings.get_mut(queue)?.queue.take();
        self.recount();
        stopped.map(|queue| queue.base())
    }

    fn enable(&mut self, queue: usize, on: bool) {
        if let Some(ring) = self.rings.get_mut(queue) {
            ring.enabled = on;
        }
        self.recount();
    }

    fn announce(&mut self, address: [u8; 6]) {
        self.announce = Some(address);
    }
}

impl AsFd for Rings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

fn map(region: &Region, fd: &OwnedFd) -> Result<SharedMemory, HostError> {
    SharedMemory::map(fd, region.offset, region.size)
}

/// Notifications by index, descriptors in tables.
fn agreed(features: u64) -> (bool, bool) {
    (features & feature::EVENT_IDX != 0, features & feature::INDIRECT_DESC != 0)
}

fn foreign(fd: Option<OwnedFd>) -> Option<ForeignEvent> {
    let event = ForeignEvent::new(fd?);
    event.inspect_err(|error| tracing::warn!(%error, "a guest's wake-up call is not used")).ok()
}

fn signal(event: Option<&ForeignEvent>) {
    if let Some(event) = event {
        event.signal();
    }
}
