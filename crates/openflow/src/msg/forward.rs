//! What other controllers changed.

use super::Message;
use crate::Xid;

/// Which requests are told to others (`OFPRFR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ForwardReason {
    /// A group mod.
    GroupMod = 0,
    /// A meter mod.
    MeterMod = 1,
}

/// Tells a controller what another did (`OFPT_REQUESTFORWARD`; in 1.3 `ONFT_`, before that `NXT_REQUESTFORWARD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestForward {
    /// The transaction id that the other gave it.
    pub xid: Xid,
    /// A [`Message::GroupMod`] or [`Message::MeterMod`].
    pub request: Box<Message>,
}
