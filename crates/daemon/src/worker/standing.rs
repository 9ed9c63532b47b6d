//! Ahead of others while there is little to do, as the kernel's own handling of packets is: a packet that waits for
//! a compiler to use up its turn is late by milliseconds. One that has been busy for long without a break stands in
//! line with everybody else, so that a storm of packets leaves the machine usable.

use netloom_sys::sched::{self, Standing};

/// Busy for this long without a break is a storm.
const PATIENCE_NS: u64 = 10_000_000;

/// The standing of the calling thread.
#[derive(Debug)]
pub(super) struct Promptness {
    standing: Standing,
    /// Whether the host lets us.
    allowed: bool,
    /// When it last rested.
    rested: u64,
}

impl Promptness {
    /// Of a thread that stands in line as yet.
    pub(super) fn new() -> Self {
        Self { standing: Standing::Ordinary, allowed: true, rested: 0 }
    }

    /// It rested until `now`.
    pub(super) fn rested(&mut self, now: u64) {
        self.rested = now;
        if self.standing == Standing::Ordinary && self.allowed {
            self.set(Standing::Prompt);
        }
    }

    /// It works, at `now`.
    #[inline]
    pub(super) fn busy(&mut self, now: u64) {
        if self.standing == Standing::Prompt && now.saturating_sub(self.rested) > PATIENCE_NS {
            self.set(Standing::Ordinary);
        }
    }

    fn set(&mut self, standing: Standing) {
        match sched::set_standing(standing) {
            Ok(()) => self.standing = standing,
            Err(error) => {
                tracing::debug!(%error, "packets wait in line with everybody else");
                self.allowed = false;
            }
        }
    }
}
