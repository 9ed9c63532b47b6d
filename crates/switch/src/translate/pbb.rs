//! Provider backbone bridging (802.1ah): a customer's whole frame behind a backbone header and a service tag.
//!
//! As with MPLS, what comes or goes changes what else can be read of the packet, so it is done at once. What lies
//! behind the header that goes is all unknown, the addresses too: the packet is parsed again before anything else.

use netloom_flow::{DpAction, PACKET_WORDS, word};

use super::flow::tag_bytes;
use super::{Translator, Visiting};

const PBB: u16 = 0x88e7;
/// Ethernet header and service tag.
const HEADER: i32 = 18;
/// I-SID and "use customer addresses" in [`word::PBB`].
const TAG: u64 = 0x01ff_ffff;

impl<'a> Translator<'a> {
    /// Addresses from the Ethernet header before, priority from its VLAN header, I-SID from the service tag before;
    /// 0 where there is none. Source: OpenFlow 1.5.1 section 7.2.6.5 and the table of section 7.2.6.6.
    pub(super) fn push_pbb(&mut self, visiting: &mut Visiting<'a>) {
        if visiting.flow.is_bare() {
            return self.refuse_type(visiting);
        }
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        self.look_at_tags(&visiting.flow);
        let flow = &visiting.flow;
        let isid = if flow.eth_type() == PBB {
            self.look(flow, word::PBB, TAG);
            flow.key.0[word::PBB] & 0x00ff_ffff
        } else {
            0
        };
        let [outer, _] = flow.tags();
        let priority = outer.map_or(0, |tag| u32::from(tag.tci >> 13));
        let itag = priority << 29 | u32::try_from(isid).unwrap_or(0);
        let hidden = tag_bytes(&flow.key.0);
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PushPbb { itag });
        let flow = &mut visiting.flow;
        flow.set_tags([None, None]);
        flow.write(word::ETH_DST, PBB.into(), 0xffff);
        for index in word::MPLS..PACKET_WORDS {
            flow.write(index, if index == word::PBB { isid } else { 0 }, u64::MAX);
        }
        flow.reshaped(HEADER + hidden);
        self.sent.clone_from(flow);
        self.reshaped = true;
        visiting.is_opaque = false;
    }

    pub(super) fn pop_pbb(&mut self, visiting: &mut Visiting<'a>) {
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        if visiting.flow.eth_type() != PBB || visiting.flow.is_bare() {
            return;
        }
        self.look_at_tags(&visiting.flow);
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PopPbb);
        self.reshaped = true;
        self.recirculate(visiting);
    }
}
