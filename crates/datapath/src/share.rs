//! What of a round a port may have.
//!
//! A packet whose flow is not cached takes three to four times as long as another. A port that brings many of them
//! would take the others' time with its share of packets, so it gets fewer while others want some, too: a sender that
//! never sends the same twice costs the others less than half of what they had.

use crate::port::Budget;

/// A packet that is not cached counts as so many more.
const COST: u32 = 3;
/// Always so many.
const LEAST: u32 = 4;

/// What a port's last reading brought.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    pub(crate) packets: u32,
    /// Lookups that found nothing in the cache.
    pub(crate) missed: u32,
}

impl Share {
    /// What the next reading may bring. `contended`: others are read, too.
    pub(crate) fn budget(self, contended: bool) -> Budget {
        let whole = Budget::default();
        if !contended || self.packets == 0 {
            return whole;
        }
        let cost = self.packets.saturating_add(self.missed.saturating_mul(COST));
        let packets = whole.packets.saturating_mul(self.packets) / cost.max(1);
        Budget { packets: packets.max(LEAST), ..whole }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_new_flows_only_gets_a_quarter_while_others_are_there() {
        let of = |packets, missed, contended| Share { packets, missed }.budget(contended).packets;
        assert_eq!(of(0, 0, true), 32, "never read");
        assert_eq!(of(32, 0, true), 32);
        assert_eq!(of(32, 32, true), 8);
        assert_eq!(of(32, 32, false), 32, "alone");
        assert_eq!(of(8, 8, true), 8, "and stays there");
        assert_eq!(of(8, 0, true), 32, "until its flows are known");
        assert_eq!(of(1, u32::MAX, true), LEAST, "copies are looked up, too");
    }
}
