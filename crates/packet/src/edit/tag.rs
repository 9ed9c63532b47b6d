//! Tags come and go: 12 bytes of addresses move, nothing else.

use crate::bytes::put16;
use crate::ethernet::{HEADER, eth_type};
use crate::vlan::TAG;
use crate::{Headers, parse};

/// Puts a tag in front of all others. `frame` begins with 4 free bytes and is the whole frame afterwards.
///
/// The caller moves along: [`Headers::vlan_pushed`], [`crate::Offload::shifted`] by 4. `false`, and nothing
/// written, if there is no Ethernet header.
pub fn push_vlan(frame: &mut [u8], tpid: u16, tci: u16) -> bool {
    if frame.len() < TAG + HEADER {
        return false;
    }
    frame.copy_within(TAG..TAG + 12, 0);
    put16(frame, 12, tpid) && put16(frame, 14, tci)
}

/// Takes the outermost tag away. The frame begins 4 bytes further in afterwards.
///
/// The caller moves along: [`Headers::vlan_popped`], [`crate::Offload::shifted`] by -4. `false`, and nothing
/// written, without a tag.
pub fn pop_vlan(frame: &mut [u8], headers: &Headers) -> bool {
    if headers.vlans == 0 || frame.len() < TAG + HEADER {
        return false;
    }
    frame.copy_within(0..12, TAG);
    true
}

impl Headers {
    /// The headers of `frame`, to which [`push_vlan`] added a tag since these were found.
    #[must_use]
    pub fn vlan_pushed(&self, frame: &[u8]) -> Self {
        if self.vlans < parse::MAX_VLANS { self.shifted(4, 1) } else { parse(frame).unwrap_or_default() }
    }

    /// The headers of `frame`, from which [`pop_vlan`] took a tag since these were found.
    #[must_use]
    pub fn vlan_popped(&self, frame: &[u8]) -> Self {
        if matches!(self.eth_type, eth_type::VLAN | eth_type::QINQ) {
            return parse(frame).unwrap_or_default(); // a third tag becomes visible
        }
        self.shifted(-4, -1)
    }

    fn shifted(&self, by: i16, vlans: i8) -> Self {
        let shift = |at: u16| if at == 0 { 0 } else { at.saturating_add_signed(by) };
        Self {
            l2_len: shift(self.l2_len),
            l3: shift(self.l3),
            l4: shift(self.l4),
            payload: shift(self.payload),
            end: self.end.saturating_add_signed(by.into()),
            vlans: self.vlans.saturating_add_signed(vlans),
            ..*self
        }
    }
}
