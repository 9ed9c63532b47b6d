//! A fixed, fast hash of words: one widening multiplication each.
//!
//! Not keyed: what is stored under it comes from flows, not from packets, so a packet can choose which entry it
//! meets but not make entries collide.

use std::hash::{BuildHasherDefault, Hasher};

/// State of the hash before the first word.
pub(super) const START: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one more word in.
#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
pub(super) const fn mix(state: u64, word: u64) -> u64 {
    let product = ((state ^ word) as u128).wrapping_mul(0xa076_1d64_78bd_642f_e703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Passes a 64-bit hash through, for maps whose keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = mix(self.0, u64::from(*byte));
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A map from hashes.
pub(super) type HashedMap<V> = std::collections::HashMap<u64, V, BuildHasherDefault<Identity>>;
