//! Packets that only a controller is asked about, as the first of each flow of a switch that is told what to do packet by
//! packet.
//!
//! Most of them come once: the controller answers with a flow. To keep what was decided about each would cost more than
//! to decide, in the cache, in the list of what is to be credited, and when it is thrown away. So the first packet of a
//! flow is decided for itself, and counts on an answer that all such packets share; only that of the second is kept, and
//! whoever sends many of them is answered by the cache.

use std::sync::Arc;

use netloom_flow::{DpAction, Effect, PACKET_WORDS, PacketKey, PacketMask, Translation};

/// Answers that are shared: one for each port, with few ports.
const SHARED: usize = 16;
/// Flows whose first packet is remembered. Each has one place, where the next with the same takes over.
const REMEMBERED: usize = 4_096;
/// No structure: the first digits of the square root of 2.
const MIX: u64 = 0x6a09_e667_f3bc_c909;

/// See the module.
#[derive(Debug)]
pub(crate) struct Asked {
    seed: u64,
    shared: Vec<Arc<Translation>>,
    /// Which of them goes next.
    turn: usize,
    /// What stands for the flows whose first packet came.
    met: Box<[u64]>,
}

impl Asked {
    /// None yet. Whoever knows the seed can only have answers kept or not.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, shared: Vec::new(), turn: 0, met: vec![0; REMEMBERED].into() }
    }

    /// Whether this is an answer that need not be kept: controllers are asked, no more, and this packet is the first such.
    pub(crate) fn is_first(&mut self, key: &PacketKey, made: &Translation) -> bool {
        let is_count = |effect: &Effect| matches!(effect, Effect::Match { .. } | Effect::Miss { .. });
        if !made.cacheable
            || !matches!(*made.actions, [DpAction::Userspace(_)])
            || !made.effects.iter().all(is_count)
        {
            return false;
        }
        let mark = mark(self.seed, key, &made.mask);
        #[expect(clippy::cast_possible_truncation, reason = "some bits choose a place")]
        let place = (mark >> 32) as usize % REMEMBERED;
        self.met.get_mut(place).is_some_and(|met| std::mem::replace(met, mark) != mark)
    }

    /// The answer that is shared with all that say the same, and whether nobody had it before.
    pub(crate) fn share(&mut self, made: Translation) -> (Arc<Translation>, bool) {
        let says_same = |it: &&Arc<Translation>| it.effects == made.effects && it.actions == made.actions;
        if let Some(known) = self.shared.iter().find(says_same) {
            return (Arc::clone(known), false);
        }
        let new = Arc::new(Translation { cacheable: false, ..made });
        if let Some(old) = self.shared.get_mut(self.turn).filter(|_| self.turn < SHARED) {
            std::mem::replace(old, Arc::clone(&new)).hits.retire();
        } else {
            self.shared.push(Arc::clone(&new));
        }
        self.turn = if self.shared.len() < SHARED { self.shared.len() } else { (self.turn + 1) % SHARED };
        (new, true)
    }

    /// Whether an answer is one of those that are shared.
    pub(crate) fn shares(&self, answer: &Translation) -> bool {
        self.shared.iter().any(|shared| std::ptr::eq(&raw const **shared, answer))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.shared.iter().for_each(|answer| answer.hits.retire());
    }
}

/// What stands for all packets that look like this one where it was looked at.
fn mark(seed: u64, key: &PacketKey, mask: &PacketMask) -> u64 {
    let mut words = mask.present();
    let mut sum = seed;
    while words != 0 {
        let at = words.trailing_zeros() as usize;
        words &= words - 1;
        if at < PACKET_WORDS {
            let mixed = u128::from(sum ^ key.0[at] & mask.0[at]) * u128::from(MIX);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
            let (low, high) = (mixed as u64, (mixed >> 64) as u64);
            sum = (low ^ high).wrapping_add(MIX ^ at as u64);
        }
    }
    sum
}
