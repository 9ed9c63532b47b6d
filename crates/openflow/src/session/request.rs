//! What is kept of a message for its answer.

use std::ops::Range;
use std::sync::Arc;

use crate::Xid;
use crate::frame::{Head, Header};

/// `OFPT_BUNDLE_ADD_MESSAGE`, from 1.4.
const BUNDLE_ADD: u8 = 34;
/// Bytes of a request that an error quotes at most. OVS quotes all of it.
const QUOTED: usize = 4_096;

/// Which message an event is of: what a reply or an error refers to.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its transaction id.
    pub xid: Xid,
    /// Its first bytes, for errors; of additions to bundles no more than a [`Head`].
    quote: Quote,
}

#[derive(Debug, Clone)]
enum Quote {
    Own(Box<[u8]>),
    /// A part of a row of messages: most are never refused, and need no copy.
    Within(Arc<Vec<u8>>, Range<usize>),
}

impl Request {
    /// Of a message that comes alone.
    pub(super) fn of(header: Header, frame: &[u8]) -> Self {
        let quote = frame.get(..quoted(header.kind, frame.len())).unwrap_or_default();
        Self { xid: header.xid, quote: Quote::Own(quote.into()) }
    }

    /// Of one among others.
    pub(super) fn within(bytes: &Arc<Vec<u8>>, at: Range<usize>) -> Self {
        let header = bytes.get(at.clone()).and_then(Header::parse);
        let (kind, xid) = header.map_or((0, Xid::NONE), |header| (header.kind, header.xid));
        let end = at.start + quoted(kind, at.len());
        Self { xid, quote: Quote::Within(Arc::clone(bytes), at.start..end) }
    }

    /// What an error quotes of it.
    pub(super) fn quote(&self) -> &[u8] {
        match &self.quote {
            Quote::Own(bytes) => bytes,
            Quote::Within(bytes, at) => bytes.get(at.clone()).unwrap_or_default(),
        }
    }
}

/// How many bytes of a message an error quotes. Of a bundle's messages, their own heads are quoted.
fn quoted(kind: u8, len: usize) -> usize {
    len.min(if kind == BUNDLE_ADD { Head::MAX } else { QUOTED })
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        (self.xid, self.quote()) == (other.xid, other.quote())
    }
}

impl Eq for Request {}
