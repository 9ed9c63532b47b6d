//! Fields that say what follows them: Ethernet type, IP protocol, bottom of the MPLS stack.
//!
//! OpenFlow lets actions write them, OVS does not. The bytes behind stay; what they are now is known once the packet was
//! parsed again. So what was written before is brought to the packet, then the field, at once.

use netloom_flow::{DpAction, FieldId, NextHeader, Subfield};

use super::{Translator, Visiting};

impl<'a> Translator<'a> {
    /// Writes to such a field, of which the packet is known to have one. What it says already changes nothing.
    pub(super) fn set_next(&mut self, visiting: &mut Visiting<'a>, target: Subfield, value: u128) {
        let mut key = visiting.flow.key;
        target.write(&mut key, value);
        let whole = Subfield::whole(target.field);
        let new = whole.read(&key);
        if new == whole.read(&visiting.flow.key) {
            return;
        }
        let next = match target.field {
            FieldId::EthType => u16::try_from(new).map(NextHeader::EthType),
            FieldId::NwProto => u8::try_from(new).map(NextHeader::IpProto),
            _ => Ok(NextHeader::BottomOfStack(new != 0)),
        };
        let Ok(next) = next else { return };
        self.commit(&visiting.flow);
        self.actions.push(DpAction::SetNext(next));
        visiting.flow.key = key;
        visiting.flow.reshaped(0);
        self.sent.clone_from(&visiting.flow);
        self.reshaped = true;
        visiting.is_opaque = true;
    }
}
