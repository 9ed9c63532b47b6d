//! What a datapath can do to a packet: few, primitive, and without a choice left.

use crate::{DropReason, PortId, RecircId};

/// New value for some bits of one word of the [`crate::PacketKey`] layout, written into the packet's headers.
///
/// The executor maps the word to header bytes and keeps checksums right incrementally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordSet {
    /// Index into the key's words, see [`crate::word`].
    pub word: u8,
    /// The new bits, 0 outside `mask`.
    pub value: u64,
    /// Which bits to write.
    pub mask: u64,
}

/// A primitive action. A list of them is carried out in order; each output sends the packet as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DpAction {
    /// Send to a datapath port: a device, or the near end of a link that ends at another switch.
    Output(PortId),
    /// Rewrite header fields.
    Set(WordSet),
    /// Push a VLAN header: TPID and TCI (without OVS's "present" bit).
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
        /// Priority, DEI and VLAN id.
        tci: u16,
    },
    /// Pop the outermost VLAN header.
    PopVlan,
    /// Carry out the inner list on a copy; the packet itself goes on unchanged.
    Clone(Box<[Self]>),
    /// Look the packet up again under this id, as it is now.
    Recirculate(RecircId),
    /// Drop here and count it. Only as the last action of a list.
    Drop(DropReason),
}
