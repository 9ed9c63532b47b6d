//! A small keyed hash: the same results in every run with the same seed, unknown to whoever picks the addresses.

use std::hash::{BuildHasher, Hasher};

/// Makes [`Mixer`]s from a seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyed(pub(crate) u64);

impl BuildHasher for Keyed {
    type Hasher = Mixer;
    fn build_hasher(&self) -> Mixer {
        Mixer(self.0 ^ 0x243f_6a88_85a3_08d3)
    }
}

/// Multiplies 64 x 64 to 128 bits and folds the halves, word by word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
            self.write_u64(word ^ ((chunk.len() as u64) << 56));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves are folded")]
    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
        self.0 = (wide as u64) ^ ((wide >> 64) as u64).rotate_left(32);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn finish(&self) -> u64 {
        let mut last = *self;
        last.write_u64(0xa409_3822_299f_31d0);
        last.0
    }
}
