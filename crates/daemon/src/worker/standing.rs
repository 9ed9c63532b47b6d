//! Ahead of others while there is little to do, as the kernel's own handling of packets is: a packet that waits for
//! a compiler to use up its turn is late by milliseconds. One that has been busy for long without a break, or has a
//! storm to deal with, stands in line with everybody else: the machine stays usable, and whoever is to take the packets
//! gets to take them, instead of losing them to a full socket.
//!
//! On the only processor, going ahead of others means to interrupt the one that has just sent a packet, which then has
//! to be gone back to: a switch more for every packet. There it is worth it for links with a schedule only.

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

    /// It rested until `now`. `worth`: whether to go ahead of others would be worth it.
    pub(super) fn rested(&mut self, now: u64, worth: bool) {
        self.rested = now;
        match (self.standing, worth) {
            (Standing::Ordinary, true) if self.allowed => self.set(Standing::Prompt),
            (Standing::Prompt, false) => self.set(Standing::Ordinary),
            _ => {}
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
