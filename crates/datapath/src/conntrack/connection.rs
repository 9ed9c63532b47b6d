//! A connection that was committed.

use std::sync::Arc;

use netloom_flow::action::CtAlg;
use netloom_flow::{ConnectionFilter, ConnectionRow, Nanos, TuplePattern, ct_state};

use super::protocol::Protocol;
use super::sequence::Shift;
use super::timeout::Timeouts;
use super::tracked::Tracked;
use super::tuple::{Scope, Tuple};

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) scope: Scope,
    /// The first packet.
    pub(crate) original: Tuple,
    /// The answer to it, as it comes: not the reverse of the first, if addresses are translated.
    pub(crate) reply: Tuple,
    pub(crate) protocol: Protocol,
    /// Frames seen: in the first direction, and against it.
    pub(crate) seen: [u64; 2],
    pub(crate) mark: u32,
    pub(crate) label: u128,
    /// Who watches its payload.
    pub(crate) helper: Option<CtAlg>,
    /// The first packet of the connection that is the reason for this one.
    pub(crate) parent: Option<Tuple>,
    /// By how much the sequence numbers of either direction were moved.
    pub(crate) shifts: [Shift; 2],
    pub(crate) timeouts: Arc<Timeouts>,
    pub(crate) expires: Nanos,
    /// The second in which its end is looked at next.
    pub(crate) parked: u64,
}

impl Connection {
    /// Whether source and destination of packets of a direction are translated.
    pub(crate) fn translates(&self, is_reply: bool) -> (bool, bool) {
        let plain = self.original.reversed();
        let source = (plain.dst, plain.dst_port) != (self.reply.dst, self.reply.dst_port);
        let destination = (plain.src, plain.src_port) != (self.reply.src, self.reply.src_port);
        // An ICMP id is the source's.
        let destination = destination && !(plain.is_icmp() && plain.src == self.reply.src);
        if is_reply { (destination, source) } else { (source, destination) }
    }

    /// What a packet of a direction is once it is translated.
    pub(crate) const fn translated(&self, is_reply: bool) -> Tuple {
        if is_reply { self.original.reversed() } else { self.reply.reversed() }
    }

    /// A packet of it has passed.
    pub(crate) fn refresh(&mut self, now: Nanos) {
        self.expires = now + self.timeouts.of(self.protocol.phase());
    }

    pub(crate) const fn is_answered(&self) -> bool {
        self.seen[1] > 0
    }

    /// Its stream was changed: numbers of both sides are not the same any more.
    pub(crate) fn is_moved(&self) -> bool {
        self.shifts.iter().any(|shift| !shift.is_none())
    }

    /// Its packets have to be seen one by one.
    pub(crate) fn is_watched(&self) -> bool {
        self.helper.is_some() || self.is_moved()
    }

    /// What is said of a packet in a direction.
    pub(crate) fn tracked(&self, is_reply: bool, is_error: bool) -> Tracked {
        let mut state = ct_state::TRK;
        if is_error {
            state |= ct_state::REL;
        } else {
            state |= if self.is_answered() { ct_state::EST } else { ct_state::NEW };
            state |= if self.parent.is_some() { ct_state::REL } else { 0 };
        }
        state |= if is_reply { ct_state::RPL } else { 0 };
        Tracked {
            scope: self.scope,
            state,
            mark: self.mark,
            label: self.label,
            original: Some(self.parent.unwrap_or(self.original)),
        }
    }

    pub(crate) fn matches(&self, filter: &ConnectionFilter) -> bool {
        filter.bridge.is_none_or(|bridge| bridge == self.scope.bridge)
            && filter.zone.is_none_or(|zone| zone == self.scope.zone)
            && filter.protocol.is_none_or(|protocol| protocol == self.original.proto)
            && filter.mark.is_none_or(|(value, mask)| (self.mark ^ value) & mask == 0)
            && filter.label.is_none_or(|(value, mask)| (self.label ^ value) & mask == 0)
            && fits(&filter.original, &self.original)
            && fits(&filter.reply, &self.reply)
    }

    pub(crate) fn row(&self, now: Nanos) -> ConnectionRow {
        ConnectionRow {
            bridge: self.scope.bridge,
            tenant: self.scope.tenant,
            zone: self.scope.zone,
            protocol: self.original.proto,
            original: self.original.row(),
            reply: self.reply.row(),
            state: self.protocol.words(),
            is_answered: self.is_answered(),
            mark: self.mark,
            label: self.label,
            helper: self.helper,
            timeout: self.expires.since(now).0 / 1_000_000_000,
            packets: self.seen,
        }
    }
}

fn fits(pattern: &TuplePattern, tuple: &Tuple) -> bool {
    pattern.src.is_none_or(|src| src.to_bits() == tuple.src)
        && pattern.dst.is_none_or(|dst| dst.to_bits() == tuple.dst)
        && pattern.src_port.is_none_or(|port| port == tuple.src_port)
        && pattern.dst_port.is_none_or(|port| port == tuple.dst_port)
        && pattern.icmp_type.is_none_or(|kind| kind == tuple.kinds[0])
        && pattern.icmp_code.is_none_or(|code| code == 0)
}
