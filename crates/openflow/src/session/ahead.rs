//! Flow mods that are read in another thread, ahead of whoever carries them out.
//!
//! ```text
//!  frames ──lend──▶ Unread ──read, anywhere──▶ Ahead ──take_back──▶ events
//! ```
//!
//! A controller that fills a table sends thousands of flow mods in a row, and to read one takes a third as long as to
//! carry it out. So a row of them is lent as bytes, read by somebody else, and taken back. Nothing that comes behind is
//! read before that, so that the order is the one of the stream; and no row holds a message that changes how the next is
//! read.
//!
//! What is given back soon, above all lists of actions that are alike, lies in one block, whatever the number of messages:
//! memory that one thread takes and another gives back, message by message, would cost both of them more than reading does.
//! The messages themselves are made by whoever polls events. Matches are [shared](netloom_flow::FlowMatch::share) already:
//! they stay with their flows.

use std::ops::Range;
use std::sync::Arc;

use netloom_flow::Action;

use super::Request;
use crate::error::Result;
use crate::frame::{Head, Header};
use crate::msg::{BundleAdd, BundleFlags, FlowMod, Message};
use crate::wire::{self, Protocol};
use crate::{OfError, Xid};

/// `OFPT_FLOW_MOD`, in every version.
const FLOW_MOD: u8 = 14;
/// `OFPT_BUNDLE_ADD_MESSAGE`, from 1.4.
const BUNDLE_ADD: u8 = 34;

/// Fewer bytes are read faster than lent.
const LEAST: usize = 8 << 10;
/// So many are lent at once: what is carried out meanwhile takes longer than to read them and to wake who does.
const MOST: usize = 32 << 10;
/// Rows that were read and wait to be polled. With one that is lent, this is all that is kept ahead.
const ROWS: usize = 2;

/// A row of flow mods, or of additions to bundles, as it came.
#[derive(Debug)]
pub struct Unread {
    protocol: Protocol,
    bytes: Vec<u8>,
}

/// The same, read.
#[derive(Debug)]
pub struct Ahead {
    bytes: Arc<Vec<u8>>,
    entries: std::vec::IntoIter<Entry>,
    /// Lists of actions; neighbours that do the same share one.
    lists: Vec<Vec<Action>>,
}

/// Where a message lies in the bytes, and what it says.
#[derive(Debug)]
struct Entry {
    frame: Range<usize>,
    said: Said,
}

#[derive(Debug)]
enum Said {
    FlowMod(Flat),
    Bundled {
        bundle: u32,
        flags: BundleFlags,
        xid: Xid,
        /// Where the message in it begins.
        inner: usize,
        flow: Flat,
    },
    /// Something else in a bundle.
    Other(Message),
    Refused(OfError),
}

/// A flow mod whose actions lie elsewhere.
#[derive(Debug)]
struct Flat {
    flow: FlowMod,
    /// Which list they are.
    list: usize,
}

impl Unread {
    /// Reads it.
    #[must_use]
    pub fn read(self) -> Ahead {
        let Self { protocol, bytes } = self;
        let mut row = Row(Vec::new());
        let mut entries = Vec::with_capacity(bytes.len() / 64);
        let mut start = 0;
        while let Some(header) = bytes.get(start..).and_then(Header::parse) {
            let frame = start..start + usize::from(header.len);
            let Some(message) = bytes.get(frame.clone()) else { break };
            let said = row.put(wire::decode(&protocol, message), start);
            start = frame.end;
            entries.push(Entry { frame, said });
        }
        Ahead { bytes: Arc::new(bytes), entries: entries.into_iter(), lists: row.0 }
    }
}

/// The lists of actions of a row.
#[derive(Debug)]
struct Row(Vec<Vec<Action>>);

impl Row {
    /// What a message says that begins at `start`.
    fn put(&mut self, read: Result<Message>, start: usize) -> Said {
        match read {
            Err(error) => Said::Refused(error),
            Ok(Message::FlowMod(flow)) => Said::FlowMod(self.flatten(*flow)),
            Ok(Message::BundleAdd(add)) => {
                let BundleAdd { bundle, flags, xid, message, head } = add;
                match *message {
                    Message::FlowMod(flow) => {
                        let inner = start + BUNDLE_FRONT;
                        Said::Bundled { bundle, flags, xid, inner, flow: self.flatten(*flow) }
                    }
                    other => {
                        let message = Box::new(other);
                        Said::Other(Message::BundleAdd(BundleAdd { bundle, flags, xid, message, head }))
                    }
                }
            }
            Ok(other) => Said::Other(other),
        }
    }

    fn flatten(&mut self, mut flow: FlowMod) -> Flat {
        let actions = std::mem::take(&mut flow.actions);
        if self.0.last() != Some(&actions) {
            self.0.push(actions);
        }
        flow.matches.share();
        Flat { flow, list: self.0.len() - 1 }
    }
}

/// Bytes of an addition to a bundle before the message in it: header, bundle, zeros, flags.
const BUNDLE_FRONT: usize = 16;

impl Ahead {
    /// The next message, and which it is.
    pub(super) fn next(&mut self) -> Option<(Request, Result<Message>)> {
        let Entry { frame, said } = self.entries.next()?;
        let message = match said {
            Said::FlowMod(flow) => Ok(Message::FlowMod(Box::new(self.whole(flow)))),
            Said::Bundled { bundle, flags, xid, inner, flow } => {
                let rest = self.bytes.get(inner..).unwrap_or_default();
                let len = Header::parse(rest).map_or(0, |header| usize::from(header.len));
                let head = Head::of(rest.get(..len).unwrap_or_default());
                let message = Box::new(Message::FlowMod(Box::new(self.whole(flow))));
                Ok(Message::BundleAdd(BundleAdd { bundle, flags, xid, message, head }))
            }
            Said::Other(message) => Ok(message),
            Said::Refused(error) => Err(error),
        };
        Some((Request::within(&self.bytes, frame), message))
    }

    fn whole(&self, flat: Flat) -> FlowMod {
        FlowMod { actions: self.lists.get(flat.list).cloned().unwrap_or_default(), ..flat.flow }
    }
}

/// What is lent, and what was taken back.
#[derive(Debug, Default)]
pub(super) struct Loan {
    is_out: bool,
    rows: std::collections::VecDeque<Ahead>,
}

impl Loan {
    /// Whether what came later has to wait.
    pub(super) fn blocks(&self) -> bool {
        self.is_out || !self.rows.is_empty()
    }

    /// The next message of those that were taken back.
    pub(super) fn next(&mut self) -> Option<(Request, Result<Message>)> {
        while let Some(row) = self.rows.front_mut() {
            match row.next() {
                Some(next) => return Some(next),
                None => drop(self.rows.pop_front()),
            }
        }
        None
    }
}

impl super::Session {
    /// Lends the flow mods that come next, if there are many: read them, in another thread, and give them
    /// [back](Self::take_back). One row is lent at a time.
    pub fn lend(&mut self) -> Option<Unread> {
        let is_up = self.state == super::State::Up;
        if !is_up || self.loan.is_out || self.loan.rows.len() >= ROWS || self.frames.pending() < LEAST {
            return None;
        }
        let version = self.protocol.version;
        let has_bundles = version >= crate::Version::V14;
        let bytes = self.frames.cut(LEAST, MOST, |header| {
            let is_one = header.kind == FLOW_MOD || header.kind == BUNDLE_ADD && has_bundles;
            is_one && header.version == version.wire()
        })?;
        self.loan.is_out = true;
        Some(Unread { protocol: self.protocol, bytes })
    }

    /// Takes back what was lent.
    pub fn take_back(&mut self, row: Ahead) {
        self.loan.is_out = false;
        self.loan.rows.push_back(row);
        self.read_ahead();
    }

    /// Whether nothing can be polled before what is lent is back.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.events.is_empty() && self.loan.is_out && self.loan.rows.is_empty()
    }

    /// How many bytes wait to be read, but for what is lent.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.frames.pending()
    }
}
