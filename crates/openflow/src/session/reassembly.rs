//! Multipart messages put together from their frames.
//!
//! A frame that is the whole message passes; the frames of others are kept by their transaction id, within a limit of
//! bytes and of messages. A request that is not complete within a second is given up (OpenFlow 1.4 §7.3.5 asks for at
//! least 100 ms).

use netloom_flow::Nanos;

use super::Request;
use crate::frame::HEADER_LEN;
use crate::wire::{Shape, prefix_len};
use crate::{OfError, Version};

/// How long a request may take.
const REQUEST_TIMEOUT: Nanos = Nanos::from_secs(1);
/// How many messages may be incomplete at once.
const MAX_PENDING: usize = 16;

#[derive(Debug)]
struct Pending {
    request: Request,
    shape: Kind,
    bytes: Vec<u8>,
    since: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Request,
    Reply,
}

/// What became of a frame.
pub(super) enum Assembled {
    /// It is a message of its own.
    Whole,
    /// It completed a message, which began with this frame.
    Joined(Vec<u8>, Request),
    /// More is to come.
    Waiting,
    /// It cannot be.
    Refused(OfError),
}

#[derive(Debug)]
pub(super) struct Reassembly {
    pending: Vec<Pending>,
    limit: usize,
}

impl Reassembly {
    pub(super) const fn new(limit: usize) -> Self {
        Self { pending: Vec::new(), limit }
    }

    /// Takes a part of a multipart message.
    pub(super) fn add(
        &mut self,
        now: Nanos,
        version: Version,
        shape: Shape,
        request: Request,
        frame: &[u8],
    ) -> Assembled {
        let (kind, more) = match shape {
            Shape::Single => return Assembled::Whole,
            Shape::Request(more) => (Kind::Request, more),
            Shape::Reply(more) => (Kind::Reply, more),
        };
        let is_it = |p: &Pending| (p.request.xid, p.shape) == (request.xid, kind);
        let Some(index) = self.pending.iter().position(is_it) else {
            return if more { self.begin(now, kind, request, frame) } else { Assembled::Whole };
        };
        let mut pending = self.pending.swap_remove(index);
        let body = frame.get(HEADER_LEN..).unwrap_or(&[]);
        let first = pending.bytes.get(HEADER_LEN..).unwrap_or(&[]);
        if first.get(..2) != body.get(..2) {
            return Assembled::Refused(OfError::BrcBadStat);
        }
        let Some(content) = body.get(prefix_len(version, body)..) else {
            return Assembled::Refused(OfError::BrcBadLen);
        };
        if self.bytes() + pending.bytes.len() + content.len() > self.limit {
            return Assembled::Refused(OfError::BrcMultipartBufferOverflow);
        }
        pending.bytes.extend_from_slice(content);
        if more {
            self.pending.push(pending);
            return Assembled::Waiting;
        }
        Assembled::Joined(pending.bytes, pending.request)
    }

    fn begin(&mut self, now: Nanos, shape: Kind, request: Request, frame: &[u8]) -> Assembled {
        if self.pending.len() >= MAX_PENDING || self.bytes() + frame.len() > self.limit {
            return Assembled::Refused(OfError::BrcMultipartBufferOverflow);
        }
        self.pending.push(Pending { request, shape, bytes: frame.to_vec(), since: now });
        Assembled::Waiting
    }

    fn bytes(&self) -> usize {
        self.pending.iter().map(|pending| pending.bytes.len()).sum()
    }

    /// When the oldest request is to be given up.
    pub(super) fn deadline(&self) -> Nanos {
        let requests = self.pending.iter().filter(|pending| pending.shape == Kind::Request);
        requests.map(|pending| pending.since + REQUEST_TIMEOUT).min().unwrap_or(Nanos::MAX)
    }

    /// Gives up the requests that took too long.
    pub(super) fn expire(&mut self, now: Nanos) -> Vec<Request> {
        let late = |p: &Pending| p.shape == Kind::Request && now >= p.since + REQUEST_TIMEOUT;
        let expired = self.pending.iter().filter(|p| late(p)).map(|p| p.request.clone()).collect();
        self.pending.retain(|p| !late(p));
        expired
    }
}
