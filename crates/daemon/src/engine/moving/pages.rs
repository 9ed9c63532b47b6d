//! The memory of an emulated machine that has moved, held against what it was, page by page, while the guest stands still.
//!
//! QEMU's emulator tells which pages a guest has written by a flag that it takes off a page's entry in the guest's TLB after the page
//! was marked. If the marks are gathered in between, what the guest writes there from then on is noted nowhere, and the other QEMU
//! does not get it: guests were seen to panic after one of some eight moves on a busy machine (QEMU 7.2, `notdirty_write`). With KVM
//! the processor does the marking, and nothing has to be looked at.
//!
//! Both labs' daemons made their guest's memory themselves, so they can look: the one there sums up each page, the one here sends
//! those that are otherwise.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Bytes of a page.
pub(super) const PAGE: usize = 4_096;
/// Bytes of the sum of one.
pub(super) const SUM: usize = 8;
/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
const ZERO: [u8; PAGE] = [0; PAGE];
/// Odd, with about as many ones as zeros. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
const MULTIPLIER: u64 = 0xbf58_476d_1ce4_e5b9;

/// The sum of each page of a file, 8 bytes each, little-endian; 0 for what is zero, and for what is not there.
///
/// # Errors
/// As pread(2) and lseek(2).
pub(super) fn sums(ram: impl AsFd) -> io::Result<Vec<u8>> {
    let ram = ram.as_fd();
    let length = usize::try_from(rustix::fs::fstat(ram)?.st_size).unwrap_or(0);
    let mut sums = vec![0; length.div_ceil(PAGE) * SUM];
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let data = match rustix::fs::seek(ram, SeekFrom::Data(at as u64)) {
            Ok(data) => usize::try_from(data).unwrap_or(length),
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = usize::try_from(rustix::fs::seek(ram, SeekFrom::Hole(data as u64))?).unwrap_or(length);
        at = data / PAGE * PAGE;
        while at < end {
            let part = buffer.get_mut(..CHUNK.min(end - at)).unwrap_or_default();
            let read = rustix::io::pread(ram, &mut *part, at as u64)?;
            let whole = part.get(..read.next_multiple_of(PAGE).min(part.len())).unwrap_or_default();
            let places = sums.get_mut(at / PAGE * SUM..).unwrap_or_default();
            for (page, place) in whole.chunks(PAGE).zip(places.chunks_mut(SUM)) {
                place.copy_from_slice(&sum(page).to_le_bytes());
            }
            if read < PAGE {
                break;
            }
            at += read / PAGE * PAGE;
        }
        at = at.max(end);
    }
    Ok(sums)
}

/// The pages that are otherwise there, by number.
pub(super) fn differing<'a>(here: &'a [u8], there: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let pairs = here.chunks(SUM).zip(there.chunks(SUM).chain(std::iter::repeat(&[][..])));
    pairs.enumerate().filter(|(_, (here, there))| here != there).map(|(number, _)| number)
}

/// Reads a page.
///
/// # Errors
/// As pread(2).
pub(super) fn read(ram: impl AsFd, number: usize) -> io::Result<Vec<u8>> {
    let mut page = vec![0; PAGE];
    let read = rustix::io::pread(ram, &mut *page, (number * PAGE) as u64)?;
    page.truncate(read);
    Ok(page)
}

/// Writes a page that came from the other lab: its number, and its bytes.
///
/// # Errors
/// It is none of this memory; as pwrite(2).
pub(super) fn write(ram: impl AsFd, packet: &[u8]) -> io::Result<()> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let (number, page) = packet.split_first_chunk::<8>().ok_or_else(wrong)?;
    let size = u64::try_from(rustix::fs::fstat(&ram)?.st_size).unwrap_or(0);
    let at = u64::from_be_bytes(*number).checked_mul(PAGE as u64).ok_or_else(wrong)?;
    let end = at.checked_add(page.len() as u64).filter(|end| *end <= size && page.len() <= PAGE);
    end.ok_or_else(wrong)?;
    if rustix::io::pwrite(&ram, page, at)? == page.len() { Ok(()) } else { Err(wrong()) }
}

fn sum(page: &[u8]) -> u64 {
    if ZERO.get(..page.len()) == Some(page) {
        return 0;
    }
    // Four words at a time, each step a bijection of what it adds to: one word that differs always shows.
    let mut lanes = [1_u64, 2, 3, 4];
    for words in page.chunks_exact(4 * SUM) {
        for (lane, word) in lanes.iter_mut().zip(words.chunks_exact(SUM)) {
            let word = word.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            *lane = (*lane ^ word).wrapping_mul(MULTIPLIER).rotate_left(29);
        }
    }
    lanes.iter().fold(0_u64, |sum, lane| (sum ^ lane).wrapping_mul(MULTIPLIER).rotate_left(29)).max(1)
}

#[cfg(test)]
mod tests {
    use netloom_sys::shared_memory::sealed_memory;

    use super::*;

    #[test]
    fn a_page_that_is_otherwise_is_found_and_put_right() {
        let [here, there] = [0; 2].map(|_| sealed_memory("t", 8 << 20).unwrap());
        for (at, byte) in [(0_u64, 1_u8), (4_095, 2), (5 << 20, 3), ((8 << 20) - 1, 4)] {
            rustix::io::pwrite(&here, &[byte], at).unwrap();
            rustix::io::pwrite(&there, &[byte], at).unwrap();
        }
        // Zero and not there are one.
        rustix::io::pwrite(&here, &[0; PAGE], 1 << 20).unwrap();
        assert_eq!(differing(&sums(&here).unwrap(), &sums(&there).unwrap()).count(), 0);
        rustix::io::pwrite(&here, &[9], (5 << 20) + 7).unwrap();
        rustix::io::pwrite(&there, &[9], 3 << 20).unwrap();
        let differ: Vec<usize> = differing(&sums(&here).unwrap(), &sums(&there).unwrap()).collect();
        assert_eq!(differ, [768, 1_280]);
        for number in differ {
            let page = read(&here, number).unwrap();
            write(&there, &[&(number as u64).to_be_bytes()[..], &page].concat()).unwrap();
        }
        assert_eq!(sums(&here).unwrap(), sums(&there).unwrap());
        assert_eq!(differing(&[1; 16], &[1; 8]).collect::<Vec<_>>(), [1], "what is not told is otherwise");
    }

    #[test]
    fn only_pages_of_this_memory_are_written() {
        let ram = sealed_memory("t", 1 << 20).unwrap();
        let packet = |number: u64, length: usize| [&number.to_be_bytes()[..], &vec![1; length]].concat();
        assert!(write(&ram, &packet(255, PAGE)).is_ok());
        for (number, length) in [(256, 1), (255, PAGE + 1), (u64::MAX, 1), (u64::MAX / 4_096, PAGE)] {
            assert!(write(&ram, &packet(number, length)).is_err(), "{number} {length}");
        }
        assert!(write(&ram, &[0; 7]).is_err());
    }
}
