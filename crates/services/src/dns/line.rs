//! One TCP connection to the name server, as the side that was called: in order or not at all, in and out.
//!
//! ```text
//!        SYN, SYN ACK                  ACK                    FIN came, all is answered        ACK
//! (none) ────────────► opening ────────────────► open ─────────────────────────────────► ended ───► (none)
//! ```
//!
//! Segments out of order are not kept: whoever sent them sends them again. What is not acknowledged is sent again as a
//! whole, later each time. The other side ends first, or is silent for too long.
//!
//! Source: RFC 9293; RFC 5961 sections 3 and 4 (a reset or SYN that somebody guessed); RFC 7766 (DNS over TCP).

use netloom_flow::Nanos;
use netloom_packet::tcp::flag;

/// Longest question: the most that anybody needs.
const LONGEST: usize = 4_096;
/// Bytes that come in and are not yet a question.
const ROOM: usize = LONGEST + 2;
/// Bytes of answers that may wait: then nothing more is read.
const ENOUGH: usize = 64 << 10;
/// Segments that leave at once.
const BURST: usize = 8;
/// How long the other side may be silent.
const IDLE: Nanos = Nanos::from_secs(10);
/// The same before it is open.
const OPENING: Nanos = Nanos::from_secs(5);
/// After this something is sent again, twice as late each time.
const RESEND: Nanos = Nanos::from_secs(1);
/// How often something is sent again.
const TRIES: u32 = 3;

/// A segment that came in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u16,
    pub(super) window: u16,
    pub(super) data: &'a [u8],
}

/// A segment that goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u16,
    pub(super) window: u16,
    pub(super) data: Vec<u8>,
}

/// The connection.
#[derive(Debug, Clone)]
pub(super) struct Line {
    is_open: bool,
    /// The next byte that is expected.
    expected: u32,
    input: Vec<u8>,
    /// The first byte that is not acknowledged; before it is open, our SYN.
    first: u32,
    /// From there on.
    output: Vec<u8>,
    /// So many bytes of it were sent.
    sent: usize,
    /// Most bytes of a segment.
    most: usize,
    window: usize,
    /// The other side has said its last.
    heard_end: bool,
    /// So have we.
    said_end: bool,
    /// Our last was heard.
    is_over: bool,
    owes_ack: bool,
    /// Questions whose answers are on their way.
    pub(super) asked: usize,
    resend: Option<Nanos>,
    tries: u32,
    until: Nanos,
}

impl Line {
    /// Somebody calls. `first` is where we begin to count, `most` what fits into a segment.
    pub(super) fn new(syn: &Arrived<'_>, first: u32, most: usize, now: Nanos) -> Self {
        Self {
            is_open: false,
            expected: syn.seq.wrapping_add(1),
            input: Vec::new(),
            first,
            output: Vec::new(),
            sent: 0,
            most: most.max(1),
            window: usize::from(syn.window),
            heard_end: false,
            said_end: false,
            is_over: false,
            owes_ack: true,
            asked: 0,
            resend: None,
            tries: 0,
            until: now + OPENING,
        }
    }

    /// Takes a segment; `false`: the connection is over.
    pub(super) fn handle(&mut self, it: &Arrived<'_>, now: Nanos) -> bool {
        if it.flags & flag::RST != 0 {
            return it.seq != self.expected;
        }
        if it.flags & (flag::SYN | flag::ACK) != flag::ACK {
            // A SYN again, because ours was lost; or one that is made up, whose owner will know what to do.
            self.owes_ack = true;
            return true;
        }
        if self.acknowledge(it.ack, now) {
            self.window = usize::from(it.window);
            self.take(it);
        }
        !self.is_over
    }

    /// Whether the acknowledgment is of something that was said.
    fn acknowledge(&mut self, ack: u32, now: Nanos) -> bool {
        let heard = usize::try_from(ack.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        if !self.is_open {
            self.is_open = heard == 1;
            if !self.is_open {
                self.owes_ack = true;
                return false;
            }
            self.first = ack;
        } else if heard > self.sent + usize::from(self.said_end) {
            self.owes_ack = true;
            return false;
        } else if heard > 0 {
            self.is_over = heard > self.sent;
            self.output.drain(..heard.min(self.sent));
            self.sent -= heard.min(self.sent);
            self.first = ack;
        } else {
            return true;
        }
        (self.tries, self.resend, self.until) = (0, None, now + IDLE);
        true
    }

    fn take(&mut self, it: &Arrived<'_>) {
        let has_end = it.flags & flag::FIN != 0;
        if it.data.is_empty() && !has_end {
            return;
        }
        self.owes_ack = true;
        let before = usize::try_from(self.expected.wrapping_sub(it.seq)).unwrap_or(usize::MAX);
        let Some(new) = it.data.get(before..).filter(|_| !self.heard_end) else { return };
        let room = if self.output.len() < ENOUGH { ROOM - self.input.len() } else { 0 };
        let taken = new.get(..room).unwrap_or(new);
        self.input.extend(taken);
        self.expected = self.expected.wrapping_add(u32::try_from(taken.len()).unwrap_or(0));
        if has_end && taken.len() == new.len() {
            self.expected = self.expected.wrapping_add(1);
            self.heard_end = true;
        }
    }

    /// The next question that came in as a whole.
    ///
    /// # Errors
    /// It will never be one: it is too long.
    pub(super) fn question(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let Some(&[high, low]) = self.input.first_chunk() else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len > LONGEST {
            return Err(TooLong);
        }
        let Some(question) = self.input.get(2..2 + len).map(<[u8]>::to_vec) else { return Ok(None) };
        self.input.drain(..2 + len);
        Ok(Some(question))
    }

    /// Says an answer.
    pub(super) fn say(&mut self, answer: &[u8]) {
        let Ok(len) = u16::try_from(answer.len()) else { return };
        self.output.extend(len.to_be_bytes());
        self.output.extend(answer);
    }

    /// What is to be sent now.
    pub(super) fn flush(&mut self, now: Nanos) -> Vec<Segment> {
        let mut out = Vec::new();
        if self.is_open {
            self.send(&mut out);
        } else if self.owes_ack {
            out.push(self.segment(self.first, flag::SYN | flag::ACK, Vec::new()));
        }
        if out.is_empty() && self.owes_ack {
            out.push(self.segment(self.seq(self.sent), flag::ACK, Vec::new()));
        }
        self.owes_ack = false;
        let waits = !self.is_open || !self.output.is_empty() || self.said_end;
        if waits && self.resend.is_none() {
            self.resend = Some(now + Nanos(RESEND.0 << self.tries));
        }
        out
    }

    fn send(&mut self, out: &mut Vec<Segment>) {
        let until = self.output.len().min(self.window);
        while self.sent < until && out.len() < BURST {
            let end = until.min(self.sent + self.most);
            let data = self.output.get(self.sent..end).unwrap_or_default().to_vec();
            out.push(self.segment(self.seq(self.sent), flag::ACK | flag::PSH, data));
            self.sent = end;
        }
        let is_done = self.heard_end && self.asked == 0 && self.sent == self.output.len();
        if is_done && !self.said_end {
            self.said_end = true;
            out.push(self.segment(self.seq(self.sent), flag::ACK | flag::FIN, Vec::new()));
        }
    }

    /// Has sent again what was not acknowledged in time; `false`: nobody is there any more.
    pub(super) fn poll(&mut self, now: Nanos) -> bool {
        if self.until <= now {
            return false;
        }
        if self.resend.is_some_and(|due| due <= now) {
            (self.resend, self.sent, self.said_end) = (None, 0, false);
            self.tries += 1;
            self.owes_ack = true;
            // Whoever had no room may have some by now.
            self.window = self.window.max(1);
        }
        self.tries <= TRIES
    }

    /// When [`Self::poll`] has something to do.
    pub(super) fn deadline(&self) -> Nanos {
        self.resend.map_or(self.until, |resend| resend.min(self.until))
    }

    /// That it is over, whatever the other side thinks.
    pub(super) fn reset(&self) -> Segment {
        self.segment(self.seq(self.sent), flag::RST | flag::ACK, Vec::new())
    }

    fn seq(&self, at: usize) -> u32 {
        self.first.wrapping_add(u32::try_from(at).unwrap_or(0))
    }

    fn segment(&self, seq: u32, flags: u16, data: Vec<u8>) -> Segment {
        let window = u16::try_from(ROOM - self.input.len()).unwrap_or(u16::MAX);
        Segment { seq, ack: self.expected, flags, window, data }
    }
}

/// A question is longer than any may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(1);

    fn arrived(seq: u32, ack: u32, flags: u16, data: &[u8]) -> Arrived<'_> {
        Arrived { seq, ack, flags, window: 1_000, data }
    }

    /// Both begin shortly before their numbers begin anew.
    fn open() -> Line {
        let mut line = Line::new(&arrived(u32::MAX - 1, 0, flag::SYN, &[]), u32::MAX, 100, NOW);
        let hello = line.flush(NOW);
        assert_eq!((hello[0].seq, hello[0].ack, hello[0].flags), (u32::MAX, u32::MAX, flag::SYN | flag::ACK));
        assert!(line.handle(&arrived(u32::MAX, 0, flag::ACK, &[]), NOW));
        assert!(line.flush(NOW).is_empty());
        line
    }

    #[test]
    fn a_question_in_pieces_is_one_question() {
        let mut line = open();
        assert!(line.handle(&arrived(1, 0, flag::ACK, b"later"), NOW));
        assert_eq!(line.flush(NOW)[0].ack, u32::MAX, "what is missing is asked for");
        for (seq, data) in [(u32::MAX, &b"\0"[..]), (u32::MAX, b"\0\x03a"), (1, b"abc\0"), (2, b"bc\0\x01")] {
            assert!(line.handle(&arrived(seq, 0, flag::ACK, data), NOW));
        }
        assert_eq!(line.question(), Ok(Some(b"abc".to_vec())));
        assert_eq!(line.question(), Ok(None));
        assert_eq!(line.flush(NOW)[0].ack, 6);
        assert!(line.handle(&arrived(6, 0, flag::ACK, b"x\xff\xff"), NOW));
        assert_eq!(line.question(), Ok(Some(b"x".to_vec())));
        assert_eq!(line.question(), Err(TooLong));
    }

    #[test]
    fn an_answer_goes_out_in_segments_and_again_until_it_is_heard() {
        let mut line = open();
        line.say(&[7; 248]);
        let sent = line.flush(NOW);
        assert_eq!(
            sent.iter().map(|it| (it.seq, it.data.len())).collect::<Vec<_>>(),
            [(0, 100), (100, 100), (200, 50)]
        );
        assert!(line.handle(&arrived(u32::MAX, 100, flag::ACK, &[]), NOW));
        assert!(line.flush(NOW).is_empty(), "the rest is on its way");
        let due = line.deadline();
        assert_eq!(due, NOW + RESEND);
        assert!(line.poll(due));
        assert_eq!(line.flush(due).iter().map(|it| it.seq).collect::<Vec<_>>(), [100, 200]);
        assert_eq!(line.deadline(), due + Nanos(RESEND.0 * 2));
        assert!(line.handle(&arrived(u32::MAX, 250, flag::ACK, &[]), due));
        assert_eq!(line.deadline(), due + IDLE);
        assert!(!line.poll(due + IDLE), "silent for too long");
    }

    #[test]
    fn it_ends_when_the_other_side_has_ended_and_all_is_said() {
        let mut line = open();
        line.asked = 1;
        assert!(line.handle(&arrived(u32::MAX, 0, flag::ACK | flag::FIN, b"\0"), NOW));
        assert_eq!(line.flush(NOW)[0].flags, flag::ACK, "an answer is on its way");
        (line.asked, line.window) = (0, 3);
        line.say(b"ab");
        let last = line.flush(NOW);
        assert_eq!(
            last.iter().map(|it| it.flags).collect::<Vec<_>>(),
            [flag::ACK | flag::PSH],
            "there is no more room"
        );
        assert!(line.handle(&arrived(1, 3, flag::ACK, &[]), NOW));
        let rest: Vec<_> = line.flush(NOW).iter().map(|it| (it.seq, it.flags)).collect();
        assert_eq!(rest, [(3, flag::ACK | flag::PSH), (4, flag::ACK | flag::FIN)]);
        assert!(line.handle(&arrived(1, 9, flag::ACK, &[]), NOW), "nobody has said so much");
        assert!(!line.handle(&arrived(1, 5, flag::ACK, &[]), NOW));
    }

    #[test]
    fn a_guess_ends_nothing() {
        let mut line = open();
        assert!(line.handle(&arrived(5, 0, flag::RST, &[]), NOW));
        assert!(line.handle(&arrived(5, 0, flag::SYN, &[]), NOW));
        assert_eq!(line.flush(NOW)[0].flags, flag::ACK);
        assert!(!line.handle(&arrived(u32::MAX, 0, flag::RST, &[]), NOW));
    }

    #[test]
    fn who_never_answers_is_given_up() {
        let mut line = Line::new(&arrived(0, 0, flag::SYN, &[]), 0, 100, NOW);
        let mut hellos = line.flush(NOW).len();
        let mut now = line.deadline();
        while line.poll(now) {
            hellos += line.flush(now).len();
            now = line.deadline();
        }
        assert_eq!((hellos, now), (3, NOW + OPENING));
    }
}
