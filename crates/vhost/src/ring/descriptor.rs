//! One descriptor: a buffer, and whether another follows.

/// Bytes of one.
pub(super) const DESCRIPTOR: u16 = 16;

/// As it was when it was read; the guest may change its own copy at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) address: u64,
    pub(super) length: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    pub(super) fn parse(bytes: &[u8; 16]) -> Self {
        let [a0, a1, a2, a3, a4, a5, a6, a7, l0, l1, l2, l3, f0, f1, n0, n1] = *bytes;
        Self {
            address: u64::from_le_bytes([a0, a1, a2, a3, a4, a5, a6, a7]),
            length: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
            next: u16::from_le_bytes([n0, n1]),
        }
    }

    pub(super) fn next(&self) -> Option<u16> {
        (self.flags & NEXT != 0).then_some(self.next)
    }

    pub(super) fn is_for_writing(&self) -> bool {
        self.flags & WRITE != 0
    }

    pub(super) fn is_table(&self) -> bool {
        self.flags & INDIRECT != 0
    }
}

const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;
