//! The state machines of all protocols.

use super::look::{Look, Transport, is_query};
use super::sctp::Sctp;
use super::tcp::Tcp;
use super::timeout::Phase;

/// What a packet is to its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A part of it.
    Fits,
    /// Nothing that can be.
    Invalid,
    /// The first packet of another one with the same name: this one is over.
    Again,
}

/// What is known of a connection by its protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp(Tcp),
    Sctp(Sctp),
    /// A query of ICMP; whether it was answered.
    Icmp(bool),
    /// Anything else.
    Other(Seen),
}

/// What was seen of a connection without a state of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    First,
    Multiple,
    Both,
}

impl Protocol {
    /// A connection that begins with this packet.
    pub(crate) fn new(look: &Look) -> Self {
        match look.transport {
            Transport::Tcp(segment) => Self::Tcp(Tcp::new(&segment)),
            Transport::Sctp(chunks) => Self::Sctp(Sctp::new(&chunks)),
            Transport::Other if look.tuple.is_icmp() => Self::Icmp(false),
            Transport::Other => Self::Other(Seen::First),
        }
    }

    /// Whether a connection may begin with a packet.
    pub(crate) const fn may_begin(look: &Look) -> bool {
        match &look.transport {
            Transport::Tcp(segment) => Tcp::may_begin(segment),
            Transport::Sctp(chunks) => Sctp::may_begin(chunks),
            Transport::Other if look.tuple.is_icmp() => is_query(look.tuple.proto, look.tuple.kinds[0]),
            Transport::Other => true,
        }
    }

    /// A packet of the connection.
    pub(crate) fn meet(&mut self, transport: &Transport, is_reply: bool) -> Verdict {
        match (self, transport) {
            (Self::Tcp(tcp), Transport::Tcp(segment)) => return tcp.meet(segment, is_reply),
            (Self::Sctp(sctp), Transport::Sctp(chunks)) => return sctp.meet(chunks, is_reply),
            (Self::Icmp(answered), _) => *answered |= is_reply,
            (Self::Other(seen), _) if is_reply => *seen = Seen::Both,
            (Self::Other(seen @ Seen::First), _) => *seen = Seen::Multiple,
            _ => {}
        }
        Verdict::Fits
    }

    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self::Tcp(tcp) => tcp.phase(),
            Self::Sctp(sctp) => sctp.phase(),
            Self::Icmp(false) => Phase::IcmpFirst,
            Self::Icmp(true) => Phase::IcmpReply,
            Self::Other(Seen::First) => Phase::OtherFirst,
            Self::Other(Seen::Multiple) => Phase::OtherMultiple,
            Self::Other(Seen::Both) => Phase::OtherBoth,
        }
    }

    /// In words, empty where a protocol has no states.
    pub(crate) const fn words(&self) -> &'static str {
        match self {
            Self::Tcp(tcp) => tcp.words(),
            Self::Sctp(sctp) => sctp.words(),
            Self::Icmp(_) | Self::Other(_) => "",
        }
    }

    /// Whether the connection may make room for another one: nothing flows yet, or no more.
    pub(crate) fn is_expendable(&self) -> bool {
        match self {
            Self::Tcp(tcp) => !tcp.is_established() || tcp.phase() == Phase::TcpClosed,
            Self::Sctp(sctp) => sctp.phase() != Phase::SctpEstablished,
            Self::Icmp(_) => true,
            Self::Other(seen) => *seen != Seen::Both,
        }
    }
}
