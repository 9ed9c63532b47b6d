//! What comes of a message.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::{ConnectionFilter, Nanos, PortId, Translation};
use netloom_openflow::frame::Head;
use netloom_openflow::{Message, OfError};

use super::Commit;

/// One answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This, with the request's transaction id.
    Reply(Message),
    /// The request was refused.
    Refuse(OfError),
    /// A message within the bundle that the request commits, or adds to, was refused.
    RefusePart(Head, OfError),
}

/// A packet to be carried out by a worker, as the translation says.
#[derive(Debug)]
pub struct Injection {
    /// The datapath port it counts as received by; 0 if there is none.
    pub in_port: PortId,
    /// The frame.
    pub frame: Vec<u8>,
    /// What is done with it. Credit it like any other.
    pub translation: Arc<Translation>,
}

/// What came of a message.
#[derive(Debug, Default)]
pub struct Handled {
    /// Answers, in order.
    pub answers: Vec<Answer>,
    /// Packets, in order.
    pub injections: Vec<Injection>,
    /// A bundle that is not done yet: [`crate::Switch::go_on`].
    pub commit: Option<Box<Commit>>,
    /// Connections to be forgotten by the datapath.
    pub flushes: Vec<ConnectionFilter>,
    /// A bundle that is done: drop it when the model is not held any more.
    pub spent: Option<Box<Commit>>,
    /// This connection is the primary one now: every other primary connection of the bridge is to be demoted
    /// ([`super::Connection::demote`]).
    pub demotes_others: bool,
}

impl Handled {
    /// Whether nothing came of it that anybody must do something about.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.answers.is_empty()
            && self.injections.is_empty()
            && self.commit.is_none()
            && self.flushes.is_empty()
            && self.spent.is_none()
            && !self.demotes_others
    }

    pub(super) fn reply(&mut self, message: Message) {
        self.answers.push(Answer::Reply(message));
    }

    pub(super) fn refuse(&mut self, error: OfError) {
        self.answers.push(Answer::Refuse(error));
    }

    /// Notes the error of a result.
    pub(super) fn check<E: Into<OfError>, T>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.refuse(error.into());
                None
            }
        }
    }
}

/// What a datapath port has counted. The model adds what it knows of packets that no datapath has seen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortTraffic {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets dropped.
    pub dropped: u64,
}

/// What a queue of a datapath port has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueTraffic {
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets dropped because it was full.
    pub dropped: u64,
    /// When it was made.
    pub since: Nanos,
}

/// Who knows what datapath ports have counted.
pub trait PortCounts {
    /// The counters of a port; zeros if nobody knows it.
    fn traffic(&self, port: PortId) -> PortTraffic;

    /// The counters of a port's queues, by number; a queue that nobody knows yet is not there.
    fn queues(&self, port: PortId) -> BTreeMap<u32, QueueTraffic> {
        let _ = port;
        BTreeMap::new()
    }
}

impl<F: Fn(PortId) -> PortTraffic> PortCounts for F {
    fn traffic(&self, port: PortId) -> PortTraffic {
        self(port)
    }
}
