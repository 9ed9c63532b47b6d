//! Sequence numbers after a text of another length was put into a stream.
//!
//! Source: `nf_conntrack_seqadj.c` of Linux: what lies behind the last change is moved by the new difference, what
//! lies before it by the old one.

/// By how much the numbers of one direction are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift {
    /// The segment, by its sender's number, that was changed last.
    at: u32,
    before: i32,
    after: i32,
}

/// Whether `a` is behind `b` in the circle of sequence numbers.
const fn is_behind(a: u32, b: u32) -> bool {
    b.wrapping_sub(a) >= 1 << 31
}

impl Shift {
    pub(crate) const fn is_none(self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The segment at `seq` was made longer by so many bytes. One that is sent again counts once.
    pub(crate) const fn grow(&mut self, seq: u32, by: i32) {
        if self.before == self.after || is_behind(seq, self.at) {
            *self = Self { at: seq, before: self.after, after: self.after.wrapping_add(by) };
        }
    }

    /// A number as its sender counts, as the receiver is to see it.
    pub(crate) const fn sent(self, seq: u32) -> u32 {
        seq.wrapping_add_signed(if is_behind(seq, self.at) { self.after } else { self.before })
    }

    /// A number that the receiver acknowledges, as the sender is to see it.
    pub(crate) const fn acked(self, ack: u32) -> u32 {
        let old = ack.wrapping_sub(self.before.cast_unsigned());
        let new = ack.wrapping_sub(self.after.cast_unsigned());
        if is_behind(old, self.at) { new } else { old }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_change_is_moved_and_acknowledgements_move_back() {
        let mut shift = Shift::default();
        assert!(shift.is_none());
        shift.grow(100, 5);
        shift.grow(100, 5); // the same segment again
        assert_eq!((shift.sent(90), shift.sent(100), shift.sent(130)), (90, 100, 135));
        assert_eq!((shift.acked(100), shift.acked(135)), (100, 130));
        shift.grow(130, -2);
        assert_eq!((shift.sent(130), shift.sent(150)), (135, 153));
        assert_eq!((shift.acked(135), shift.acked(153)), (130, 150));
        let mut round = Shift::default();
        round.grow(u32::MAX - 3, 4);
        assert_eq!((round.sent(5), round.acked(9)), (9, 5));
    }
}
