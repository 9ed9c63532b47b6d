//! A fixed, fast hash of words: one widening multiplication each.
//!
//! Not keyed: what is stored under it comes from flows, not from packets, so a packet can choose which entry it
//! meets but not make entries collide.

/// State of the hash before the first word.
pub(super) const START: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes one more word in.
#[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
pub(super) const fn mix(state: u64, word: u64) -> u64 {
    let product = ((state ^ word) as u128).wrapping_mul(0xa076_1d64_78bd_642f_e703_7ed1_a0b4_28db);
    (product as u64) ^ ((product >> 64) as u64)
}
