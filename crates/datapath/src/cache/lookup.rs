//! The way of a lookup through both caches.

use std::sync::Arc;

use netloom_flow::{Nanos, PacketKey, Translation};

use crate::Slowpath;
use crate::cache::exact::{Exact, Signature};
use crate::cache::megaflow::{CachedFlow, Megaflows};

/// Both caches of one worker.
#[derive(Debug)]
pub(crate) struct Cache {
    exact: Exact,
    mega: Megaflows,
}

/// A packet's place in the cache, found or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Miss(Signature);

impl Cache {
    /// Caches of about `limit` bytes, keyed by `seed`.
    pub(crate) fn new(seed: u64, limit: usize) -> Self {
        Self { exact: Exact::new(seed), mega: Megaflows::new(seed, limit) }
    }

    /// How many flows are cached.
    pub(crate) const fn len(&self) -> usize {
        self.mega.len()
    }

    /// The translation cached for packets like this, if it holds at `epoch`.
    ///
    /// # Errors
    /// [`Miss`] if there is none; give it to [`Self::install`] with the slow path's answer.
    #[inline]
    pub(crate) fn find(
        &mut self,
        key: &PacketKey,
        epoch: u64,
        slow: &mut dyn Slowpath,
    ) -> Result<&Arc<Translation>, Miss> {
        let signature = self.exact.signature(key);
        let number = match self.exact.find(signature, |flow| self.mega.fits(flow, key)) {
            Some(number) => number,
            None => {
                let number = self.mega.find(key).ok_or(Miss(signature))?;
                self.exact.insert(signature, number);
                number
            }
        };
        let flow = self.mega.touch(number).ok_or(Miss(signature))?;
        let holds = flow.epoch == epoch || slow.still_valid(key, &flow.translation);
        flow.epoch = epoch;
        if !holds {
            self.mega.remove(number);
        }
        self.mega.translation(number).ok_or(Miss(signature))
    }

    /// Caches the slow path's answer to a miss. `epoch` was read before the question was asked.
    pub(crate) fn install(&mut self, miss: Miss, key: &PacketKey, translation: Arc<Translation>, epoch: u64) {
        let number = self.mega.insert(key, translation, epoch);
        self.exact.insert(miss.0, number);
    }

    /// All flows.
    pub(crate) fn all(&self) -> impl Iterator<Item = CachedFlow> + '_ {
        self.mega.all()
    }

    /// Forgets flows that carried nothing since `before`, looking at no more than `steps`.
    pub(crate) fn expire(&mut self, before: Nanos, steps: usize) {
        self.mega.expire(before, steps);
    }

    /// Forgets all flows.
    pub(crate) fn clear(&mut self) {
        self.exact.clear();
        self.mega.clear();
    }
}
