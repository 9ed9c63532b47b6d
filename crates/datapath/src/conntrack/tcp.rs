//! The state machine of TCP, with its windows.
//!
//! Each side is followed by itself: what it has sent, and how far the other side lets it. A segment fits if it lies
//! within the window that the other side announced, is no older than one window, and acknowledges what was sent. A
//! connection that was under way before may be taken up in the middle: then its window scales are not known, and the
//! largest are assumed.
//!
//! Source: G. van Rooij, "Real stateful TCP packet filtering in IP Filter" (2001), in the form that OVS has it
//! (`conntrack-tcp.c`), with its states and limits; RFC 9293, RFC 7323.

use netloom_packet::tcp::flag;

use super::look::Segment;
use super::protocol::Verdict;
use super::timeout::Phase;

/// What a side is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum State {
    #[default]
    Closed,
    SynSent,
    Established,
    Closing,
    FinWait2,
    TimeWait,
}

/// The window scale of a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Scale {
    /// It did not offer one, or has not been heard yet.
    #[default]
    None,
    By(u8),
    /// Its SYN was not seen.
    Unknown,
}

/// One side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Side {
    state: State,
    scale: Scale,
    /// What it has sent, up to here.
    sent: u32,
    /// What the other side lets it send, up to here.
    limit: u32,
    /// The largest window it has announced.
    window: u32,
    /// Nothing is known of `limit`.
    is_unlimited: bool,
    /// It was heard before, but nobody knows any more how far it was: its next segment tells.
    is_unheard: bool,
}

/// A connection of TCP: the side that began it, and the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tcp {
    sides: [Side; 2],
}

/// The largest window without scale, and one packet: what is tolerated beyond.
const SLACK: u32 = 0xffff + 1500;
/// Source: RFC 7323 section 2.2.
const MAX_SCALE: u8 = 14;

/// Whether `a` is not before `b` in the circle of sequence numbers.
const fn is_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 31
}

/// How far `a` is ahead of `b`.
const fn ahead(a: u32, b: u32) -> i64 {
    a.wrapping_sub(b).cast_signed() as i64
}

impl Tcp {
    /// A connection that begins with this segment.
    pub(crate) fn new(segment: &Segment) -> Self {
        let is_syn = segment.flags & flag::SYN != 0;
        let scale = match segment.scale {
            _ if !is_syn => Scale::Unknown,
            Some(by) => Scale::By(by),
            None => Scale::None,
        };
        let mut window = u32::from(segment.window).max(1);
        if let Scale::By(by) = scale {
            window = window.div_ceil(1 << by);
        }
        let extra = u32::from(is_syn) + u32::from(segment.flags & flag::FIN != 0) + 1;
        let first = Side {
            state: State::SynSent,
            scale,
            sent: segment.seq,
            limit: segment.seq.wrapping_add(segment.len).wrapping_add(extra),
            window,
            is_unlimited: false,
            is_unheard: false,
        };
        let other_scale = if is_syn { Scale::None } else { Scale::Unknown };
        let other = Side { scale: other_scale, window: 1, is_unlimited: true, ..Side::default() };
        Self { sides: [first, other] }
    }

    /// An established connection of which nothing else is known any more: the first segment of either side is believed, as if
    /// it were taken up in the middle, with the largest windows.
    pub(crate) const fn resumed() -> Self {
        let side = Side {
            state: State::Established,
            scale: Scale::Unknown,
            sent: 0,
            limit: 0,
            window: u16::MAX as u32,
            is_unlimited: true,
            is_unheard: true,
        };
        Self { sides: [side, side] }
    }

    /// Whether a connection may begin with a segment: not with the answer to a SYN, nor with nonsense.
    pub(crate) const fn may_begin(segment: &Segment) -> bool {
        let both = flag::SYN | flag::ACK;
        is_sound(segment.flags) && segment.flags & both != both
    }

    /// A segment of the connection.
    pub(crate) fn meet(&mut self, segment: &Segment, is_reply: bool) -> Verdict {
        let [first, second] = self.sides;
        let (src, dst) = if is_reply { (second, first) } else { (first, second) };
        let mut pair = Pair { src, dst };
        let verdict = pair.meet(segment);
        self.sides = if is_reply { [pair.dst, pair.src] } else { [pair.src, pair.dst] };
        verdict
    }

    /// What its timeout is.
    pub(crate) fn phase(&self) -> Phase {
        let [a, b] = self.sides.map(|side| side.state);
        let (low, high) = (a.min(b), a.max(b));
        if low >= State::FinWait2 {
            Phase::TcpClosed
        } else if low >= State::Closing {
            Phase::TcpFinWait
        } else if b == State::Closed && a <= State::SynSent {
            Phase::TcpFirst
        } else if low < State::Established {
            Phase::TcpOpening
        } else if high >= State::Closing {
            Phase::TcpClosing
        } else {
            Phase::TcpEstablished
        }
    }

    /// Whether data flows, or has flowed.
    pub(crate) fn is_established(&self) -> bool {
        self.sides.iter().all(|side| side.state >= State::Established)
    }

    /// In words, as `ovs-appctl dpctl/dump-conntrack` has it.
    pub(crate) const fn words(&self) -> &'static str {
        match self.sides[0].state {
            State::Closed => "CLOSED",
            State::SynSent => "SYN_SENT",
            State::Established => "ESTABLISHED",
            State::Closing => "CLOSING",
            State::FinWait2 => "FIN_WAIT_2",
            State::TimeWait => "TIME_WAIT",
        }
    }
}

/// Whether flags make sense together. Source: `tcp_invalid_flags` of OVS.
const fn is_sound(flags: u16) -> bool {
    if flags & flag::SYN != 0 && flags & flag::RST != 0 {
        return false;
    }
    let needs_ack =
        if flags & flag::SYN != 0 { flag::PSH | flag::URG } else { flag::FIN | flag::PSH | flag::URG };
    let is_bare = flags & (flag::SYN | flag::ACK | flag::RST) == 0;
    !is_bare && (flags & flag::ACK != 0 || flags & needs_ack == 0)
}

/// The sender and the receiver of a segment.
struct Pair {
    src: Side,
    dst: Side,
}

impl Pair {
    fn meet(&mut self, segment: &Segment) -> Verdict {
        let flags = segment.flags;
        if !is_sound(flags) {
            return Verdict::Invalid;
        }
        if flags & (flag::SYN | flag::ACK) == flag::SYN {
            if self.src.state >= State::FinWait2 && self.dst.state >= State::FinWait2 {
                return Verdict::Again;
            }
            if self.src.state <= State::SynSent && self.dst.state == State::Closed {
                self.src.state = State::SynSent;
                return Verdict::Fits;
            }
        }
        if flags & flag::SYN != 0 && (self.src.is_unheard || self.dst.is_unheard) {
            return Verdict::Invalid;
        }
        let bounds = self.bounds(segment);
        if bounds.fits(self, flags) {
            self.advance(&bounds, flags);
            Verdict::Fits
        } else if self.is_lenient() && bounds.is_near(self) {
            self.note(&bounds, flags);
            Verdict::Fits
        } else {
            Verdict::Invalid
        }
    }

    /// By how much windows of either side are scaled, once both are known.
    fn shifts(&self, is_syn: bool) -> (u8, u8) {
        match (self.src.scale, self.dst.scale) {
            (Scale::By(src), Scale::By(dst)) if !is_syn => (src, dst),
            (Scale::Unknown, Scale::Unknown) if !is_syn => (MAX_SCALE, MAX_SCALE),
            _ => (0, 0),
        }
    }

    /// Where the segment lies, with the end of its sender noted if it is the first from there.
    fn bounds(&mut self, segment: &Segment) -> Bounds {
        let is_syn = segment.flags & flag::SYN != 0;
        let mut shifts = self.shifts(is_syn);
        let mut window = u32::from(segment.window);
        let controls = u32::from(is_syn) + u32::from(segment.flags & flag::FIN != 0);
        let end = segment.seq.wrapping_add(segment.len).wrapping_add(controls);
        let mut checks_ack = true;
        if self.src.state < State::SynSent || self.src.is_unheard {
            if is_syn && let Scale::By(dst) = self.dst.scale {
                match segment.scale {
                    Some(src) => {
                        self.src.scale = Scale::By(src);
                        shifts = (src, dst);
                        window = window.div_ceil(1 << src);
                    }
                    None => {
                        // The other side's first window was no scaled one, then.
                        self.dst.window <<= dst;
                        self.dst.scale = Scale::None;
                    }
                }
            }
            self.src.sent = segment.seq;
            self.src.state = self.src.state.max(State::SynSent);
            self.src.is_unheard = false;
            let limit = end.wrapping_add((self.dst.window << shifts.1).max(1));
            if self.src.is_unlimited || is_at_or_after(limit, self.src.limit) {
                self.src.limit = limit;
                self.src.is_unlimited = false;
                // Taken up in the middle: the other side may acknowledge what was not seen.
                checks_ack = false;
            }
            self.src.window = self.src.window.max(window);
        }
        // A reset in answer to a SYN acknowledges nothing in some systems.
        let has_ack = segment.flags & flag::ACK != 0 && !(segment.ack == 0 && segment.flags & flag::RST != 0);
        let ack = if has_ack { segment.ack } else { self.dst.sent };
        let is_empty = segment.seq == end;
        Bounds {
            first: segment.seq,
            seq: if is_empty { self.src.sent } else { segment.seq },
            end: if is_empty { self.src.sent } else { end },
            ack,
            skew: if checks_ack { ahead(self.dst.sent, ack) } else { 0 },
            window,
            shifts,
        }
    }

    /// Whether a segment outside of the window may pass: where a side was not heard yet, or all is over.
    fn is_lenient(&self) -> bool {
        self.dst.state < State::SynSent
            || self.dst.state >= State::FinWait2
            || self.src.state >= State::FinWait2
    }

    /// Notes how far both sides are.
    fn note(&mut self, bounds: &Bounds, flags: u16) {
        self.src.window = self.src.window.max(bounds.window);
        if is_at_or_after(bounds.end, self.src.sent) {
            self.src.sent = bounds.end;
        }
        let limit = bounds.ack.wrapping_add((bounds.window << bounds.shifts.0).max(1));
        if self.dst.is_unlimited || is_at_or_after(limit, self.dst.limit) {
            self.dst.limit = limit;
            self.dst.is_unlimited = false;
        }
        if flags & flag::FIN != 0 {
            self.src.state = self.src.state.max(State::Closing);
        }
        if flags & flag::RST != 0 {
            (self.src.state, self.dst.state) = (State::TimeWait, State::TimeWait);
        }
    }

    fn advance(&mut self, bounds: &Bounds, flags: u16) {
        if flags & flag::ACK != 0 {
            self.dst.state = match self.dst.state {
                State::SynSent => State::Established,
                State::Closing => State::FinWait2,
                other => other,
            };
        }
        self.note(bounds, flags);
    }
}

/// Where a segment lies.
struct Bounds {
    /// Its own sequence number.
    first: u32,
    /// The same, but of an empty segment where its sender is.
    seq: u32,
    end: u32,
    ack: u32,
    /// How far what it acknowledges lies behind what the other side has sent.
    skew: i64,
    window: u32,
    shifts: (u8, u8),
}

impl Bounds {
    fn fits(&self, pair: &Pair, flags: u16) -> bool {
        let is_within = pair.src.is_unlimited || is_at_or_after(pair.src.limit, self.end);
        let oldest = pair.src.sent.wrapping_sub(pair.dst.window << self.shifts.1);
        let acks = -i64::from(SLACK)..=i64::from(SLACK) << self.shifts.0;
        // A reset is believed if it is where the next byte would be, give or take one.
        let is_exact = ahead(self.first, pair.src.sent).abs() <= 1;
        is_within
            && is_at_or_after(self.seq, oldest)
            && acks.contains(&self.skew)
            && (flags & flag::RST == 0 || is_exact)
    }

    /// Whether it is not far outside of the window.
    fn is_near(&self, pair: &Pair) -> bool {
        let is_below = pair.src.is_unlimited || is_at_or_after(pair.src.limit.wrapping_add(SLACK), self.end);
        is_below && is_at_or_after(self.seq, pair.src.sent.wrapping_sub(SLACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(flags: u16, seq: u32, ack: u32, len: u32) -> Segment {
        Segment { flags, seq, ack, window: 1_000, scale: None, len }
    }

    const SYN: u16 = flag::SYN;
    const ACK: u16 = flag::ACK;
    const FIN: u16 = flag::FIN;
    const RST: u16 = flag::RST;

    fn open() -> Tcp {
        let mut tcp = Tcp::new(&segment(SYN, 99, 0, 0));
        assert_eq!(tcp.phase(), Phase::TcpFirst);
        assert_eq!(tcp.meet(&segment(SYN | ACK, 499, 100, 0), true), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpOpening);
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 0), false), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpEstablished);
        tcp
    }

    #[test]
    fn a_connection_opens_carries_data_and_closes() {
        let mut tcp = open();
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 50), false), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 500, 150, 900), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(FIN | ACK, 150, 1_400, 0), false), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpClosing);
        assert_eq!(tcp.meet(&segment(FIN | ACK, 1_400, 151, 0), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 151, 1_401, 0), false), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpClosed);
        assert_eq!(tcp.meet(&segment(SYN, 9_000, 0, 0), false), Verdict::Again);
    }

    #[test]
    fn what_lies_outside_of_the_window_does_not_fit() {
        let mut tcp = open();
        // The receiver lets 1,000 bytes come.
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 1_001), false), Verdict::Invalid);
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 1_000), false), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 100_000, 500, 10), false), Verdict::Invalid);
        // Older than one window: no retransmission.
        let old = 100_u32.wrapping_sub(2_000);
        assert_eq!(tcp.meet(&segment(ACK, old, 500, 10), false), Verdict::Invalid);
        // Acknowledges what nobody sent.
        assert_eq!(tcp.meet(&segment(ACK, 1_100, 500 + SLACK + 1, 0), false), Verdict::Invalid);
    }

    #[test]
    fn a_reset_must_be_exact() {
        let mut tcp = open();
        assert_eq!(tcp.meet(&segment(RST, 300, 0, 0), false), Verdict::Invalid);
        assert_eq!(tcp.meet(&segment(RST, 100, 0, 0), false), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpClosed);
    }

    #[test]
    fn scaled_windows_count_once_both_sides_agree() {
        let mut tcp = Tcp::new(&Segment { scale: Some(7), ..segment(SYN, 99, 0, 0) });
        let answer = Segment { scale: Some(4), ..segment(SYN | ACK, 499, 100, 0) };
        assert_eq!(tcp.meet(&answer, true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 0), false), Verdict::Fits);
        // 1,000 << 7 from the first side.
        assert_eq!(tcp.meet(&segment(ACK, 500, 100, 128_000), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 128_500, 100, 1), true), Verdict::Invalid);
        assert_eq!(tcp.meet(&segment(ACK, 100, 128_500, 0), false), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 128_500, 100, 1), true), Verdict::Fits);
    }

    #[test]
    fn a_connection_is_taken_up_in_the_middle() {
        assert!(Tcp::may_begin(&segment(ACK, 5_000, 9_000, 100)));
        let mut tcp = Tcp::new(&segment(ACK, 5_000, 9_000, 100));
        assert_eq!(tcp.meet(&segment(ACK, 9_000, 5_100, 40_000), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 5_100, 49_000, 40_000), false), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpEstablished);
    }

    #[test]
    fn a_connection_that_was_kept_goes_on_wherever_its_sides_are() {
        let mut tcp = Tcp::resumed();
        assert_eq!(tcp.phase(), Phase::TcpEstablished);
        assert_eq!(tcp.meet(&segment(SYN, 9, 0, 0), false), Verdict::Invalid, "it is not opened again");
        // A megabyte in flight that nobody has acknowledged yet.
        for at in (0..1_000_000).step_by(1_000) {
            assert_eq!(tcp.meet(&segment(ACK, 5_000 + at, 9_000, 1_000), false), Verdict::Fits, "{at}");
        }
        assert_eq!(tcp.meet(&segment(ACK, 9_000, 1_005_000, 0), true), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpEstablished);
        // From here on it is as strict as with any connection that was taken up in the middle.
        let far = 9_000_u32.wrapping_add(1 << 31);
        assert_eq!(tcp.meet(&segment(ACK, far, 1_005_000, 10), true), Verdict::Invalid);
        assert_eq!(tcp.meet(&segment(RST, 9_100, 0, 0), true), Verdict::Invalid);
        assert_eq!(tcp.meet(&segment(FIN | ACK, 9_000, 1_005_000, 0), true), Verdict::Fits);
        assert_eq!(tcp.phase(), Phase::TcpClosing);
    }

    #[test]
    fn nonsense_begins_nothing() {
        for flags in [0, SYN | RST, FIN, SYN | ACK, flag::PSH, flag::URG, SYN | flag::PSH] {
            assert!(!Tcp::may_begin(&segment(flags, 1, 0, 0)), "{flags:#x}");
        }
        assert!(Tcp::may_begin(&segment(SYN, 1, 0, 0)) && Tcp::may_begin(&segment(RST, 1, 0, 0)));
    }

    #[test]
    fn a_syn_that_was_lost_is_sent_again() {
        let mut tcp = Tcp::new(&segment(SYN, 99, 0, 0));
        assert_eq!(tcp.meet(&segment(SYN, 99, 0, 0), false), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(SYN | ACK, 499, 100, 0), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(SYN | ACK, 499, 100, 0), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 100, 500, 0), false), Verdict::Fits);
        assert!(tcp.is_established());
    }

    #[test]
    fn sequence_numbers_go_round() {
        let mut tcp = Tcp::new(&segment(SYN, u32::MAX - 10, 0, 0));
        assert_eq!(tcp.meet(&segment(SYN | ACK, u32::MAX, u32::MAX - 9, 0), true), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, u32::MAX - 9, 0, 500), false), Verdict::Fits);
        assert_eq!(tcp.meet(&segment(ACK, 0, 490, 500), true), Verdict::Fits);
    }
}
