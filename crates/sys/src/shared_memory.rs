//! Memory of another process, mapped: bytes that change under one's hands.
//!
//! Nobody gets a reference into it but as bytes that are atomic, only copies out and in, and 16-bit indices with an order.
//! The file must be sealed against getting shorter: a page that is gone would end this process with `SIGBUS`.
//!
//! Source: mmap(2), memfd_create(2), fcntl(2) on file sealing.

#![expect(unsafe_code, reason = "a mapping is raw memory")]

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Because, HostError};

/// A piece of a file in memory, shared with whoever has the file.
#[derive(Debug)]
pub struct SharedMemory {
    /// Where the piece begins, which need not be the beginning of a page.
    start: NonNull<u8>,
    len: usize,
    /// Of the whole mapping.
    base: NonNull<u8>,
    mapped: usize,
}

// SAFETY: the mapping belongs to this value alone, and is only reached through copies and atomics.
unsafe impl Send for SharedMemory {}
// SAFETY: as above; every access may meet others at any time, of this process or of another one.
unsafe impl Sync for SharedMemory {}

impl SharedMemory {
    /// Maps `len` bytes of the file from `offset` on.
    ///
    /// # Errors
    /// `EPERM` for a file that could get shorter, `ENXIO` for one that is too short now, and as mmap(2).
    pub fn map(file: impl AsFd, offset: u64, len: u64) -> Result<Self, HostError> {
        const WHAT: &str = "shared memory";
        let sealed = rustix::fs::fcntl_get_seals(&file).unwrap_or(SealFlags::empty());
        if !sealed.contains(SealFlags::SHRINK) {
            return Err(HostError::new("trust the size of", WHAT, Errno::PERM));
        }
        let size = rustix::fs::fstat(&file).because("ask for the size of", || WHAT)?.st_size;
        let end = offset.checked_add(len).filter(|_| len > 0);
        if end.is_none_or(|end| u64::try_from(size).is_ok_and(|size| end > size)) {
            return Err(HostError::new("map", WHAT, Errno::NXIO));
        }
        let page = rustix::param::page_size();
        let in_page = usize::try_from(offset % page as u64).unwrap_or(0);
        let too_long = |_| HostError::new("map", WHAT, Errno::NOMEM);
        let len = usize::try_from(len).map_err(too_long)?;
        let mapped = len.checked_add(in_page).ok_or_else(|| HostError::new("map", WHAT, Errno::NOMEM))?;
        // SAFETY: the kernel chooses the place, so nothing that exists is replaced.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                offset - in_page as u64,
            )
        }
        .because("map", || WHAT)?;
        let base =
            NonNull::new(base.cast::<u8>()).ok_or_else(|| HostError::new("map", WHAT, Errno::FAULT))?;
        // SAFETY: `in_page` is less than what was mapped.
        let start = unsafe { base.add(in_page) };
        Ok(Self { start, len, base, mapped })
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none; never.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies out from `at`; false, and nothing done, if not all of it is there.
    #[must_use]
    #[inline]
    pub fn read(&self, at: usize, to: &mut [u8]) -> bool {
        let Some(from) = self.at(at, to.len()) else { return false };
        // SAFETY: `at` holds `from` to the mapping, `to` is ours and cannot lie in it. What another process writes at
        // the same time makes the bytes unknown, and any bytes are as good as others: they are checked after the copy.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_mut_ptr(), to.len()) };
        true
    }

    /// Copies in to `at`; false, and nothing done, if there is no room for all of it.
    #[must_use]
    #[inline]
    pub fn write(&self, at: usize, from: &[u8]) -> bool {
        let Some(to) = self.at(at, from.len()) else { return false };
        // SAFETY: `at` holds `to` to the mapping, `from` is ours and cannot lie in it.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.as_ptr(), from.len()) };
        true
    }

    /// `len` bytes from `at` on, where they are; `None` if not all of them are there. They are copied with
    /// [`copy_out`] or [`Self::copy_in`], much faster than one by one.
    #[must_use]
    #[inline]
    pub fn bytes(&self, at: usize, len: usize) -> Option<&[AtomicU8]> {
        let from = self.at(at, len)?.cast::<AtomicU8>();
        // SAFETY: `at` holds them to the mapping, which outlives the slice; an atomic byte is a byte that may change.
        Some(unsafe { std::slice::from_raw_parts(from.as_ptr(), len) })
    }

    /// Copies in to `at` what is in somebody's shared memory, this one's included; false, and nothing done, if there is
    /// no room for all of it.
    #[must_use]
    #[inline]
    pub fn copy_in(&self, at: usize, from: &[AtomicU8]) -> bool {
        let Some(to) = self.at(at, from.len()) else { return false };
        // SAFETY: `at` holds `to` to the mapping, `from` is a slice; they may overlap. What others write at the same
        // time makes the bytes unknown, and any bytes are as good as others: nobody here looks at them.
        unsafe { std::ptr::copy(from.as_ptr().cast::<u8>(), to.as_ptr(), from.len()) };
        true
    }

    /// Reads 16 bits, little-endian, so that what was written before them is seen (acquire). `None` for an odd place or
    /// one that is not there.
    #[must_use]
    #[inline]
    pub fn load(&self, at: usize) -> Option<u16> {
        Some(u16::from_le(self.atomic(at)?.load(Ordering::Acquire)))
    }

    /// Writes 16 bits, little-endian, behind all that was written before (release). False for an odd place or one that is
    /// not there.
    #[must_use]
    #[inline]
    pub fn store(&self, at: usize, value: u16) -> bool {
        let Some(place) = self.atomic(at) else { return false };
        place.store(value.to_le(), Ordering::Release);
        true
    }

    /// Sets bits of a byte that others set bits of too. False if it is not there.
    #[must_use]
    pub fn set_bits(&self, at: usize, bits: u8) -> bool {
        let Some(place) = self.at(at, 1) else { return false };
        // SAFETY: a byte of the mapping, which outlives the reference; of others only atomic access or none is expected.
        let byte = unsafe { AtomicU8::from_ptr(place.as_ptr()) };
        byte.fetch_or(bits, Ordering::Relaxed);
        true
    }

    #[inline]
    fn atomic(&self, at: usize) -> Option<&AtomicU16> {
        let place = self.at(at, 2)?.cast::<u16>();
        if !place.is_aligned() {
            return None;
        }
        // SAFETY: two bytes of the mapping, aligned, which live as long as `self`; the other side writes them as one.
        Some(unsafe { AtomicU16::from_ptr(place.as_ptr()) })
    }

    /// The place `at`, if `len` bytes are there.
    #[inline]
    fn at(&self, at: usize, len: usize) -> Option<NonNull<u8>> {
        let end = at.checked_add(len)?;
        // SAFETY: within the mapping, or just behind its end for no bytes.
        (end <= self.len).then(|| unsafe { self.start.add(at) })
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        // SAFETY: exactly what was mapped, and nobody holds a reference into it: none outlives `self`.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.mapped) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own");
    }
}

/// Copies bytes of shared memory to the front of `to`, as many as fit; how many that was.
#[inline]
pub fn copy_out(from: &[AtomicU8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    // SAFETY: both are slices of at least `len` bytes, and `to` is nobody else's. What others write at the same time
    // makes the bytes unknown, and any bytes are as good as others: they are checked after the copy.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr().cast::<u8>(), to.as_mut_ptr(), len) };
    len
}

/// Makes a file in memory of `len` bytes, sealed against changes of its length: what a guest's memory is made of.
///
/// # Errors
/// As memfd_create(2) and ftruncate(2).
pub fn sealed_memory(name: &str, len: u64) -> Result<OwnedFd, HostError> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(name, flags).because("make shared memory", || name)?;
    rustix::fs::ftruncate(&fd, len).because("size shared memory", || name)?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)
        .because("seal shared memory", || name)?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mappings_of_a_file_see_each_other() {
        let file = sealed_memory("test", 3 * 4_096).unwrap();
        let whole = SharedMemory::map(&file, 0, 3 * 4_096).unwrap();
        let piece = SharedMemory::map(&file, 4_100, 100).unwrap();
        assert!(whole.write(4_100, b"hello"));
        let mut bytes = [0; 5];
        assert!(piece.read(0, &mut bytes));
        assert_eq!(&bytes, b"hello");
        assert!(piece.store(96, 0x1234));
        assert_eq!(whole.load(4_196), Some(0x1234));
        assert!(piece.set_bits(99, 0x80) && piece.set_bits(99, 1));
        assert!(whole.read(4_199, &mut bytes));
        assert_eq!(bytes[0], 0x81);
    }

    #[test]
    fn bytes_go_from_one_memory_to_another_and_within_one() {
        let files = [0; 2].map(|_| sealed_memory("test", 4_096).unwrap());
        let [one, other] = files.each_ref().map(|file| SharedMemory::map(file, 0, 4_096).unwrap());
        assert!(one.write(10, b"hello"));
        assert!(other.copy_in(4_091, one.bytes(10, 5).unwrap()));
        assert!(one.copy_in(12, one.bytes(10, 5).unwrap()), "over itself");
        let mut bytes = [0; 7];
        assert_eq!(copy_out(other.bytes(4_091, 5).unwrap(), &mut bytes), 5);
        assert_eq!(&bytes, b"hello\0\0");
        assert_eq!(copy_out(one.bytes(10, 100).unwrap(), &mut bytes), 7);
        assert_eq!(&bytes, b"hehello");
        assert!(!other.copy_in(4_092, one.bytes(10, 5).unwrap()) && one.bytes(4_092, 5).is_none());
    }

    #[test]
    fn nothing_is_reached_beyond_the_end() {
        let file = sealed_memory("test", 4_096).unwrap();
        let memory = SharedMemory::map(&file, 0, 100).unwrap();
        assert!(!memory.read(97, &mut [0; 4]) && memory.read(96, &mut [0; 4]));
        assert!(!memory.write(usize::MAX, &[0; 4]) && memory.write(100, &[]));
        assert_eq!((memory.load(99), memory.load(97), memory.load(98)), (None, None, Some(0)));
        assert!(!memory.store(100, 1) && !memory.set_bits(100, 1));
    }

    #[test]
    fn a_file_that_may_shrink_or_is_too_short_is_refused() {
        let open = rustix::fs::memfd_create("open", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&open, 4_096).unwrap();
        assert_eq!(SharedMemory::map(&open, 0, 4_096).unwrap_err().errno, Errno::PERM);
        let file = sealed_memory("test", 4_096).unwrap();
        assert_eq!(SharedMemory::map(&file, 1, 4_096).unwrap_err().errno, Errno::NXIO);
        assert_eq!(SharedMemory::map(&file, u64::MAX, 2).unwrap_err().errno, Errno::NXIO);
        assert_eq!(SharedMemory::map(&file, 0, 0).unwrap_err().errno, Errno::NXIO);
        let (not_a_file, _end) = crate::seqpacket::SeqPacket::pair().unwrap();
        assert_eq!(SharedMemory::map(&not_a_file, 0, 1).unwrap_err().errno, Errno::PERM);
    }
}
