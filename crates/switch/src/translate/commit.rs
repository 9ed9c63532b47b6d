//! Bringing the datapath's packet to what the pipeline made of it, just before an output.
//!
//! Only the difference is written. The next output compares again, so a copy with other edits gets what it needs,
//! and one without edits gets the original back. Source: `commit_odp_actions` of OVS.

use netloom_flow::{DpAction, PACKET_WORDS, WordSet, word};

use super::Translator;
use super::flow::{Flow, Tag};

/// The bits of each word that stand in a packet and that an action may write, VLAN headers excepted.
const HEADERS: [u64; PACKET_WORDS] = {
    let mut bits = [0; PACKET_WORDS];
    let address = 0xffff_ffff_ffff_0000;
    bits[word::ETH_DST] = address;
    bits[word::ETH_SRC] = address;
    // All but the bottom of stack.
    bits[word::MPLS] = 0xffff_feff_ffff_feff;
    bits[word::MPLS + 1] = 0xffff_feff_0000_0000;
    bits[word::IPV4] = u64::MAX;
    bits[word::IPV6_SRC] = u64::MAX;
    bits[word::IPV6_SRC + 1] = u64::MAX;
    bits[word::IPV6_DST] = u64::MAX;
    bits[word::IPV6_DST + 1] = u64::MAX;
    // All but `nw_frag`; `nw_proto` is the operation of ARP.
    bits[word::IP] = 0xffff_ff00_ffff_ffff;
    bits[word::ND_TARGET] = u64::MAX;
    bits[word::ND_TARGET + 1] = u64::MAX;
    bits[word::ARP_SHA] = address;
    bits[word::ARP_THA] = address;
    // All but the TCP flags.
    bits[word::L4] = 0xffff_ffff_0000_0000;
    bits
};

impl Translator<'_> {
    /// Emits what is different between the packet in the datapath and `flow`.
    pub(super) fn commit(&mut self, flow: &Flow) {
        for (index, bits) in HEADERS.iter().enumerate() {
            let mut mask = (self.sent.key.0[index] ^ flow.key.0[index]) & bits;
            if self.sent.is_translated() {
                mask = widened(index, &self.sent, flow);
                self.look(flow, index, mask);
            }
            if mask != 0 {
                let value = flow.key.0[index] & mask;
                let word = u8::try_from(index).unwrap_or(u8::MAX);
                self.actions.push(DpAction::Set(WordSet { word, value, mask }));
                self.sent.key.0[index] ^= mask & (self.sent.key.0[index] ^ value);
            }
        }
        self.commit_tags(flow);
    }

    fn commit_tags(&mut self, flow: &Flow) {
        let (old, new) = (self.sent.tags(), flow.tags());
        if old == new {
            return;
        }
        let (old_count, new_count) = (count(old), count(new));
        // What both have at the inside stays.
        let same = (0..old_count.min(new_count))
            .take_while(|n| old[old_count - 1 - n] == new[new_count - 1 - n])
            .count();
        self.actions.extend((same..old_count).map(|_| DpAction::PopVlan));
        for tag in new[..new_count - same].iter().rev().flatten() {
            self.actions.push(DpAction::PushVlan { tpid: tag.tpid, tci: tag.tci & !super::flow::PRESENT });
        }
        self.sent.set_tags(new);
    }
}

/// The bits to write of a word that the packet may have otherwise than the key says: whole addresses and ports, if any
/// bit of them is to change.
fn widened(index: usize, old: &Flow, new: &Flow) -> u64 {
    let change = |index: usize| (old.key.0[index] ^ new.key.0[index]) & HEADERS[index];
    let fields: &[u64] = match index {
        word::IPV4 => &[0xffff_ffff << 32, 0xffff_ffff],
        word::L4 => &[0xffff << 48, 0xffff << 32],
        word::IPV6_SRC | word::IPV6_DST if change(index + 1) != 0 => return u64::MAX,
        _ if matches!(index.wrapping_sub(1), word::IPV6_SRC | word::IPV6_DST) && change(index - 1) != 0 => {
            return u64::MAX;
        }
        _ => return change(index),
    };
    fields.iter().filter(|field| change(index) & **field != 0).sum()
}

fn count(tags: [Option<Tag>; 2]) -> usize {
    tags.iter().flatten().count()
}

#[cfg(test)]
mod tests {
    use netloom_flow::{FieldId, FlowMask, Subfield};

    use super::*;

    #[test]
    fn whatever_an_action_may_write_to_a_header_reaches_the_packet() {
        for id in FieldId::ALL.iter().filter(|id| id.field().writable) {
            let first = usize::from(id.field().word);
            let is_header = (word::ETH_DST..PACKET_WORDS).contains(&first);
            let is_refused = crate::flow_mod::unwritable(*id).is_some();
            // Those are brought to the packet when they are written.
            let is_at_once = matches!(id, FieldId::EthType | FieldId::NwProto | FieldId::MplsBos);
            if !is_header
                || is_refused
                || is_at_once
                || id.field().bits <= 16 && id.field().name.contains("vlan")
            {
                continue; // VLAN headers are brought up to date by themselves
            }
            let mut bits = FlowMask::default();
            Subfield::whole(*id).unwildcard(&mut bits);
            for (index, header) in HEADERS.iter().enumerate() {
                assert_eq!(bits.0[index] & !header, 0, "{id:?}");
            }
        }
    }
}
