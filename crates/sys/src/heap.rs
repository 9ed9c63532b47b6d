//! Room in the heap of the calling thread.
//!
//! glibc lets the heap of every thread but the first grow by what is asked for: a page at a time, where small pieces are
//! asked for, with a system call for each. Who is about to ask for thousands of pieces asks for room first.

/// Less than what glibc gives a mapping of its own (`M_MMAP_THRESHOLD`), and than what it gives back to the kernel at once
/// when it is free at the end of a heap (`M_TRIM_THRESHOLD`): 128 KB both.
const ROOM: usize = 96 << 10;

/// Sees to it that the next pieces, of 96 KB together, take no system call.
pub fn make_room() {
    // Taken and given back, it is free at the end of the heap.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(ROOM)));
}
