//! A guest's memory: shared files at guest addresses, and the log of pages written while a machine moves.

use std::sync::atomic::AtomicU8;

use netloom_sys::shared_memory::SharedMemory;
use netloom_vhost::{GuestMemory, Region, Unmapped};

/// What the front end shared.
#[derive(Debug, Default)]
pub(super) struct Guest {
    regions: Vec<(Region, SharedMemory)>,
    log: Option<SharedMemory>,
    /// Whether written pages are logged.
    pub(super) logging: bool,
}

impl Guest {
    pub(super) fn replace(&mut self, regions: Vec<(Region, SharedMemory)>) {
        self.regions = regions;
    }

    pub(super) fn add(&mut self, region: Region, memory: SharedMemory) {
        self.regions.push((region, memory));
    }

    pub(super) fn remove(&mut self, region: &Region) {
        self.regions.retain(|(there, _)| there.guest != region.guest);
    }

    pub(super) fn set_log(&mut self, log: SharedMemory) {
        self.log = Some(log);
    }

    /// As before the first message.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The region that `at` is in, and how far into it.
    fn find(&self, at: u64) -> Result<(&SharedMemory, usize), Unmapped> {
        let found = self.regions.iter().find_map(|(region, memory)| {
            let from = at.checked_sub(region.guest).filter(|from| *from < region.size)?;
            Some((memory, usize::try_from(from).ok()?))
        });
        found.ok_or(Unmapped(at))
    }

    /// Calls `each` for the pieces of a span, which may lie in several regions: where, and which of its bytes.
    fn pieces(
        &self,
        at: u64,
        len: usize,
        mut each: impl FnMut(&SharedMemory, usize, std::ops::Range<usize>) -> bool,
    ) -> Result<(), Unmapped> {
        let mut done = 0;
        while done < len {
            let here = at.checked_add(done as u64).ok_or(Unmapped(at))?;
            let (memory, from) = self.find(here)?;
            let take = (len - done).min(memory.len().saturating_sub(from));
            if take == 0 || !each(memory, from, done..done + take) {
                return Err(Unmapped(here));
            }
            done += take;
        }
        Ok(())
    }

    /// Marks the pages of a span as written: a bit each, the lowest first.
    fn mark(&self, at: u64, len: usize) {
        let Some(log) = self.log.as_ref().filter(|_| self.logging && len > 0) else { return };
        let last = at.saturating_add(len as u64 - 1) / PAGE;
        for page in at / PAGE..=last {
            // Pages behind the end of the log are none of the guest's memory.
            let place = usize::try_from(page / 8).unwrap_or(usize::MAX);
            let _ = log.set_bits(place, 1 << (page % 8));
        }
    }
}

impl GuestMemory for Guest {
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped> {
        let len = to.len();
        self.pieces(at, len, |memory, from, range| memory.read(from, to.get_mut(range).unwrap_or_default()))
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped> {
        self.pieces(at, from.len(), |memory, to, range| {
            memory.write(to, from.get(range).unwrap_or_default())
        })?;
        self.mark(at, from.len());
        Ok(())
    }

    fn piece(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped> {
        let (memory, from) = self.find(at)?;
        let here = len.min(memory.len().saturating_sub(from));
        memory.bytes(from, here).filter(|piece| !piece.is_empty()).ok_or(Unmapped(at))
    }

    fn copy_in(&self, at: u64, from: &[AtomicU8]) -> Result<(), Unmapped> {
        self.pieces(at, from.len(), |memory, to, range| {
            memory.copy_in(to, from.get(range).unwrap_or_default())
        })?;
        self.mark(at, from.len());
        Ok(())
    }

    fn load(&self, at: u64) -> Result<u16, Unmapped> {
        let (memory, from) = self.find(at)?;
        memory.load(from).ok_or(Unmapped(at))
    }

    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped> {
        let (memory, to) = self.find(at)?;
        if !memory.store(to, value) {
            return Err(Unmapped(at));
        }
        self.mark(at, 2);
        Ok(())
    }
}

/// Bytes of a page in the log (`VHOST_LOG_PAGE`).
const PAGE: u64 = 4_096;

#[cfg(test)]
mod tests {
    use netloom_sys::shared_memory::sealed_memory;

    use super::*;

    fn guest() -> Guest {
        let file = sealed_memory("guest", 0x4000).unwrap();
        let region = |guest, offset| Region { guest, size: 0x2000, user: guest, offset };
        let mut all = Guest::default();
        all.replace(vec![(region(0x1_0000, 0), SharedMemory::map(&file, 0, 0x2000).unwrap())]);
        all.add(region(0x1_2000, 0x2000), SharedMemory::map(&file, 0x2000, 0x2000).unwrap());
        all
    }

    #[test]
    fn a_span_may_cross_into_the_region_beside() {
        let guest = guest();
        guest.write(0x1_1ffc, b"12345678").unwrap();
        let mut bytes = [0; 8];
        guest.read(0x1_1ffc, &mut bytes).unwrap();
        assert_eq!(&bytes, b"12345678");
        assert_eq!(guest.write(0x1_3ffc, b"12345678"), Err(Unmapped(0x1_4000)));
        assert_eq!(guest.read(0xffff, &mut bytes), Err(Unmapped(0xffff)));
        assert_eq!(guest.load(0x1_0001), Err(Unmapped(0x1_0001)), "odd");
        assert_eq!(guest.store(u64::MAX, 1), Err(Unmapped(u64::MAX)));
    }

    #[test]
    fn written_pages_are_logged_while_asked_for() {
        let mut guest = guest();
        let file = sealed_memory("log", 4_096).unwrap();
        guest.set_log(SharedMemory::map(&file, 0, 4_096).unwrap());
        let log = SharedMemory::map(&file, 0, 4_096).unwrap();
        let mut bits = [0; 3];
        guest.write(0x1_0000, b"x").unwrap();
        assert!(log.read(2, &mut bits));
        assert_eq!(bits, [0, 0, 0], "nobody asked");
        guest.logging = true;
        guest.write(0x1_0fff, b"xy").unwrap();
        guest.store(0x1_2000, 1).unwrap();
        assert!(log.read(2, &mut bits));
        assert_eq!(bits, [0b111, 0, 0], "pages 16, 17 and 18");
    }
}
