//! Many changes as one.

use super::Message;
use crate::Xid;
use crate::bits::bits;
use crate::frame::Head;

/// What to do with a bundle, or that it was done (`OFPBCT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum BundleCommand {
    /// Begin it.
    OpenRequest = 0,
    /// It is begun.
    OpenReply = 1,
    /// Nothing more comes.
    CloseRequest = 2,
    /// It is closed.
    CloseReply = 3,
    /// Do all of it.
    CommitRequest = 4,
    /// All is done.
    CommitReply = 5,
    /// Forget it.
    DiscardRequest = 6,
    /// It is forgotten.
    DiscardReply = 7,
}

bits!(
    /// How a bundle is carried out (`OFPBF_*`).
    BundleFlags(u16) {
        /// All or nothing, and packets see no state between.
        ATOMIC = 1 << 0,
        /// In order.
        ORDERED = 1 << 1,
    }
);

/// Controls a bundle (`OFPT_BUNDLE_CONTROL`; in 1.3 as an extension of the ONF).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleControl {
    /// Its number, one space for each connection.
    pub bundle: u32,
    /// What to do.
    pub command: BundleCommand,
    /// How.
    pub flags: BundleFlags,
}

/// Adds a message to a bundle (`OFPT_BUNDLE_ADD_MESSAGE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleAdd {
    /// Its number.
    pub bundle: u32,
    /// How it is carried out; must agree with what it was opened with.
    pub flags: BundleFlags,
    /// The transaction id of the message, which is that of this message, too; its errors bear it. Not looked at when
    /// sending.
    pub xid: Xid,
    /// The message.
    pub message: Box<Message>,
    /// Its first bytes, for its errors. Not looked at when sending.
    pub head: Head,
}
