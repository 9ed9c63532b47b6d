//! How long connections are remembered without a packet.

use netloom_flow::Nanos;

/// What a connection is in, as far as its timeout goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first packet of TCP.
    TcpFirst,
    /// A handshake.
    TcpOpening,
    /// Both sides have agreed.
    TcpEstablished,
    /// One side has nothing more to say.
    TcpClosing,
    /// Neither has.
    TcpFinWait,
    /// It is over.
    TcpClosed,
    /// The first packet of UDP, SCTP's handshake or anything else.
    OtherFirst,
    /// More packets, in one direction.
    OtherMultiple,
    /// Packets in both directions.
    OtherBoth,
    /// A query.
    IcmpFirst,
    /// It was answered.
    IcmpReply,
    /// An association of SCTP.
    SctpEstablished,
}

/// Timeouts for each phase.
///
/// The defaults are those of OVS (`CT_TIMEOUTS`); of an association of SCTP that of Linux (210 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts([Nanos; 12]);

impl Default for Timeouts {
    fn default() -> Self {
        Self([30, 30, 86_400, 900, 45, 30, 60, 60, 30, 60, 30, 210].map(Nanos::from_secs))
    }
}

impl Timeouts {
    /// The timeout of a phase.
    #[must_use]
    pub const fn of(&self, phase: Phase) -> Nanos {
        self.0[phase as usize]
    }

    /// Another timeout for a phase.
    pub const fn set(&mut self, phase: Phase, timeout: Nanos) {
        self.0[phase as usize] = timeout;
    }
}
