//! The state machine of SCTP: a handshake of four packets, tags that name the association, and its end.
//!
//! Source: RFC 9260 sections 4 and 8.5; the states are a part of those of `nf_conntrack_proto_sctp` of Linux.

use super::look::Chunks;
use super::protocol::Verdict;
use super::timeout::Phase;

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// What an association is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Opening,
    Established,
    Closing,
    Closed,
}

/// An association of SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sctp {
    state: State,
    /// What packets in either direction must have as verification tag, once it is known.
    tags: [Option<u32>; 2],
}

impl Sctp {
    /// An association that begins with this packet.
    pub(crate) fn new(chunks: &Chunks) -> Self {
        if chunks.kind == INIT {
            return Self { state: State::Opening, tags: [None, Some(chunks.initiate_tag)] };
        }
        // Taken up in the middle.
        Self { state: State::Established, tags: [Some(chunks.tag), None] }
    }

    /// An association that was kept, with its tags.
    pub(crate) const fn resumed(tags: [Option<u32>; 2]) -> Self {
        Self { state: State::Established, tags }
    }

    /// What packets in either direction must have as verification tag, if it is known.
    pub(crate) const fn tags(&self) -> [Option<u32>; 2] {
        self.tags
    }

    /// Whether an association may begin with a packet.
    pub(crate) const fn may_begin(chunks: &Chunks) -> bool {
        match chunks.kind {
            INIT => chunks.tag == 0 && chunks.initiate_tag != 0,
            INIT_ACK | ABORT | COOKIE_ACK | SHUTDOWN_COMPLETE => false,
            _ => chunks.tag != 0,
        }
    }

    /// A packet of the association.
    pub(crate) fn meet(&mut self, chunks: &Chunks, is_reply: bool) -> Verdict {
        let here = usize::from(is_reply);
        if chunks.kind == INIT {
            return match self.state {
                State::Closed => Verdict::Again,
                _ if chunks.tag != 0 => Verdict::Invalid,
                State::Opening if !is_reply => {
                    self.tags = [None, Some(chunks.initiate_tag)];
                    Verdict::Fits
                }
                // A peer that has restarted; its cookie decides.
                _ => Verdict::Fits,
            };
        }
        // An abort may carry the tag of its receiver instead, if it has none of the sender.
        let is_known = self.tags[here].is_none_or(|tag| tag == chunks.tag);
        let is_reflected = matches!(chunks.kind, ABORT | SHUTDOWN_COMPLETE)
            && self.tags[1 - here].is_some_and(|tag| tag == chunks.tag);
        if !is_known && !is_reflected {
            return Verdict::Invalid;
        }
        match chunks.kind {
            INIT_ACK if is_reply => self.tags[0] = Some(chunks.initiate_tag),
            INIT_ACK => return Verdict::Invalid,
            COOKIE_ECHO | COOKIE_ACK => self.state = State::Established,
            SHUTDOWN => self.state = State::Closing,
            ABORT | SHUTDOWN_COMPLETE => self.state = State::Closed,
            _ => {}
        }
        self.tags[here] = self.tags[here].or(Some(chunks.tag));
        Verdict::Fits
    }

    pub(crate) const fn phase(&self) -> Phase {
        match self.state {
            State::Opening => Phase::OtherFirst,
            State::Established => Phase::SctpEstablished,
            State::Closing | State::Closed => Phase::TcpClosed,
        }
    }

    pub(crate) const fn words(&self) -> &'static str {
        match self.state {
            State::Opening => "COOKIE_WAIT",
            State::Established => "ESTABLISHED",
            State::Closing => "SHUTDOWN_SENT",
            State::Closed => "CLOSED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn chunk(kind: u8, tag: u32, initiate_tag: u32) -> Chunks {
        Chunks { tag, kind, initiate_tag }
    }

    #[test]
    fn an_association_opens_and_closes_and_strangers_do_not_fit() {
        let first = chunk(INIT, 0, 7);
        assert!(Sctp::may_begin(&first) && !Sctp::may_begin(&chunk(INIT, 5, 7)));
        assert!(!Sctp::may_begin(&chunk(INIT_ACK, 7, 9)));
        let mut sctp = Sctp::new(&first);
        assert_eq!(sctp.meet(&chunk(INIT_ACK, 8, 9), true), Verdict::Invalid, "not the tag asked for");
        assert_eq!(sctp.meet(&chunk(INIT_ACK, 7, 9), true), Verdict::Fits);
        assert_eq!(sctp.meet(&chunk(COOKIE_ECHO, 8, 0), false), Verdict::Invalid);
        assert_eq!(sctp.meet(&chunk(COOKIE_ECHO, 9, 0), false), Verdict::Fits);
        assert_eq!(sctp.meet(&chunk(COOKIE_ACK, 7, 0), true), Verdict::Fits);
        assert_eq!(sctp.phase(), Phase::SctpEstablished);
        assert_eq!(sctp.meet(&chunk(0, 9, 0), false), Verdict::Fits);
        assert_eq!(sctp.meet(&chunk(ABORT, 1, 0), true), Verdict::Invalid);
        assert_eq!(sctp.meet(&chunk(ABORT, 9, 0), true), Verdict::Fits, "reflected");
        assert_eq!(sctp.meet(&chunk(INIT, 0, 11), false), Verdict::Again);
    }
}
