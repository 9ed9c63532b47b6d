//! The guest's memory: as regions in messages, and as bytes at addresses.

use std::sync::atomic::AtomicU8;

/// A piece of the guest's memory, shared as part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Where the guest sees it.
    pub guest: u64,
    /// Bytes.
    pub size: u64,
    /// Where the front end sees it.
    pub user: u64,
    /// Where it begins in the file.
    pub offset: u64,
}

impl Region {
    /// Where the guest sees what the front end sees at `user`, if all of `len` bytes are in this region.
    #[must_use]
    pub fn guest_address(&self, user: u64, len: u64) -> Option<u64> {
        let from = user.checked_sub(self.user)?;
        let end = from.checked_add(len)?;
        if end <= self.size { self.guest.checked_add(from) } else { None }
    }

    /// Whether it has bytes, and neither end of it wraps around.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.size > 0
            && [self.guest, self.user, self.offset].iter().all(|start| start.checked_add(self.size).is_some())
    }

    /// Whether the guest would see two things at one address.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.guest < other.guest.saturating_add(other.size)
            && other.guest < self.guest.saturating_add(self.size)
    }
}

/// An address of the guest behind which there is no memory (or no more of it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("No memory at guest address {0:#x}")]
pub struct Unmapped(pub u64);

/// The guest's memory, which the guest writes to at the same time.
///
/// Addresses are the guest's. A span may cross from one region into the next if they touch.
pub trait GuestMemory {
    /// Copies out.
    ///
    /// # Errors
    /// [`Unmapped`]; what `to` holds then is not told.
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped>;

    /// Copies in.
    ///
    /// # Errors
    /// [`Unmapped`]; what was written then is not told.
    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped>;

    /// `len` bytes from `at` on where they are, or as many as are there in one piece: at least one.
    ///
    /// # Errors
    /// [`Unmapped`]
    fn piece(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped>;

    /// Copies in what is in a guest's memory, this one's or another's.
    ///
    /// # Errors
    /// [`Unmapped`]; what was written then is not told.
    fn copy_in(&self, at: u64, from: &[AtomicU8]) -> Result<(), Unmapped>;

    /// Reads a number of an index that the guest publishes by (acquire).
    ///
    /// # Errors
    /// [`Unmapped`], also for an odd address.
    fn load(&self, at: u64) -> Result<u16, Unmapped>;

    /// Publishes an index (release).
    ///
    /// # Errors
    /// [`Unmapped`], also for an odd address.
    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_front_end_is_found_only_with_all_its_bytes() {
        let region = Region { guest: 0x1000, size: 0x100, user: 0x7000, offset: 0 };
        assert_eq!(region.guest_address(0x7010, 0xf0), Some(0x1010));
        assert_eq!(region.guest_address(0x7010, 0xf1), None);
        assert_eq!(region.guest_address(0x6fff, 1), None);
        assert_eq!(region.guest_address(0x7001, u64::MAX), None);
    }

    #[test]
    fn regions_that_wrap_or_overlap() {
        let region = Region { guest: 0x1000, size: 0x100, user: 0, offset: 0 };
        assert!(region.is_sound());
        assert!(!Region { size: 0, ..region }.is_sound());
        assert!(!Region { offset: u64::MAX, ..region }.is_sound());
        assert!(region.overlaps(&Region { guest: 0x10ff, ..region }));
        assert!(!region.overlaps(&Region { guest: 0x1100, ..region }));
    }
}
