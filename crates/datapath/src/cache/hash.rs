//! Keyed hashing of words. Fast, good enough for tables; not a defence against a peer that knows the seed.

/// Two odd constants with no structure (the first digits of e and of the golden ratio).
const MIX: u64 = 0xadf8_5458_a2bb_4a9b;
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds the 128-bit product of its arguments: every bit of both reaches every bit of the result.
#[inline]
pub(crate) const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    // Both halves, whole: no bit is lost but by the exclusive or.
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// Adds a word to a hash.
#[inline]
pub(crate) const fn add(hash: u64, word: u64) -> u64 {
    fold(hash ^ word, MIX)
}

/// Hashes pairs of words. The products do not wait for each other.
#[inline]
pub(crate) fn pairs<const N: usize>(seed: u64, pairs: [[u64; 2]; N]) -> u64 {
    let mut secret = seed;
    let mut sum = seed;
    for [a, b] in pairs {
        secret = secret.wrapping_add(STEP);
        sum = sum.rotate_left(5) ^ fold(a ^ secret, b ^ secret ^ MIX);
    }
    fold(sum, MIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_bit_of_every_word_matters() {
        let mut seen = BTreeSet::from([pairs(7, [[0, 0]; 6])]);
        for bit in 0..12 * 64 {
            let mut words = [[0u64; 2]; 6];
            words[bit / 128][bit / 64 % 2] = 1 << (bit % 64);
            assert!(seen.insert(pairs(7, words)), "bit {bit} collides");
        }
    }

    #[test]
    fn neighbours_spread_evenly_over_small_tables() {
        let mut buckets = [0u32; 256];
        for n in 0..65_536u64 {
            buckets[(add(add(1, 5), n << 16) & 255) as usize] += 1;
        }
        assert!(buckets.iter().all(|n| (150..=370).contains(n)), "{buckets:?}");
    }
}
