//! MPLS headers. A label that comes or goes changes what else can be read of the packet, so it is done at once, and
//! not left to the next output.

use netloom_flow::{CopyTtl, DpAction, DropReason, PACKET_WORDS, word};

use super::flow::PacketType;
use super::{Translator, Visiting};

const TYPES: [u16; 2] = [0x8847, 0x8848];
/// Bottom of stack.
const BOTTOM: u32 = 0x100;
/// Entries a key knows.
const KNOWN: usize = 3;

impl<'a> Translator<'a> {
    fn is_mpls(&mut self, visiting: &Visiting<'a>) -> bool {
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        TYPES.contains(&visiting.flow.eth_type())
    }

    /// The entries a packet has, as far as a key knows them: each depends on those before it.
    pub(super) fn stack_of(&mut self, visiting: &Visiting<'a>) -> Vec<u32> {
        let mut stack = Vec::new();
        if self.is_mpls(visiting) {
            for at in 0..KNOWN {
                let (index, shift) = (word::MPLS + at / 2, 32 * (1 - at % 2));
                self.look(&visiting.flow, index, 0xffff_ffff << shift);
                let entry = (visiting.flow.key.0[index] >> shift & 0xffff_ffff).try_into().unwrap_or(0_u32);
                stack.push(entry);
                if entry & BOTTOM != 0 {
                    break;
                }
            }
        }
        stack
    }

    /// Source: OpenFlow 1.5.1 section 5.7.2: label and class from the entry before, else 0; TTL from there, else from
    /// IP, else 0. (OVS writes 64 where the standard has 0.)
    pub(super) fn push_mpls(&mut self, visiting: &mut Visiting<'a>, ethertype: u16) {
        let mut stack = self.stack_of(visiting);
        if stack.len() >= KNOWN {
            self.drop(visiting, DropReason::FlowAction, visiting.flow.in_port());
            return visiting.stop();
        }
        let lse = match stack.first() {
            Some(outer) => outer & !BOTTOM,
            None if matches!(visiting.flow.eth_type(), 0x0800 | 0x86dd) => {
                self.look(&visiting.flow, word::IP, 0xff << 40);
                u32::try_from(visiting.flow.key.0[word::IP] >> 40 & 0xff).unwrap_or(0) | BOTTOM
            }
            None => BOTTOM,
        };
        stack.insert(0, lse);
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PushMpls { ethertype, lse });
        self.reshape(visiting, ethertype, &stack, 4);
        visiting.is_opaque = false;
    }

    pub(super) fn pop_mpls(&mut self, visiting: &mut Visiting<'a>, ethertype: u16) {
        let mut stack = self.stack_of(visiting);
        if stack.is_empty() {
            return;
        }
        self.commit(&visiting.flow);
        self.actions.push(DpAction::PopMpls { ethertype });
        stack.remove(0);
        self.reshape(visiting, ethertype, &stack, -4);
        // What lies behind, or a fourth entry, is known once the packet was parsed again.
        visiting.is_opaque = true;
    }

    /// The packet begins with other headers now.
    pub(super) fn reshape(
        &mut self,
        visiting: &mut Visiting<'a>,
        ethertype: u16,
        stack: &[u32],
        pushed: i32,
    ) {
        let flow = &mut visiting.flow;
        flow.write(word::ETH_DST, ethertype.into(), 0xffff);
        let at = |n: usize| stack.get(n).map_or(0, |entry| u64::from(*entry));
        flow.write(word::MPLS, at(0) << 32 | at(1), u64::MAX);
        flow.write(word::MPLS + 1, at(2) << 32, u64::MAX);
        for index in word::IPV4..PACKET_WORDS {
            flow.write(index, 0, u64::MAX);
        }
        if flow.is_bare() {
            flow.set_packet_type(PacketType::Bare(ethertype));
        }
        flow.reshaped(pushed);
        self.sent.clone_from(flow);
        self.reshaped = true;
    }

    /// Lowers the TTL of the outermost entry. `false`: it ran out, and the rest of the list is not for this packet.
    pub(super) fn dec_mpls_ttl(&mut self, visiting: &mut Visiting<'a>) -> bool {
        if !self.is_mpls(visiting) {
            return true;
        }
        self.look(&visiting.flow, word::MPLS, 0xff << 32);
        let ttl = visiting.flow.key.0[word::MPLS] >> 32 & 0xff;
        if ttl <= 1 {
            self.drop(visiting, DropReason::TtlExpired, visiting.flow.in_port());
            return false;
        }
        visiting.flow.write(word::MPLS, (ttl - 1) << 32, 0xff << 32);
        true
    }

    /// Copies the TTL between the two outermost entries, or between the only one and IP behind it. That is not in the
    /// key: the datapath does it, and what it did is known once the packet was parsed again.
    pub(super) fn copy_mpls_ttl(&mut self, visiting: &mut Visiting<'a>, direction: CopyTtl) {
        match self.stack_of(visiting).len() {
            0 => {}
            1 => {
                self.commit(&visiting.flow);
                self.actions.push(DpAction::CopyTtl(direction));
                visiting.flow.reshaped(0);
                self.sent.clone_from(&visiting.flow);
                self.reshaped = true;
                visiting.is_opaque = true;
            }
            _ => {
                let entries = visiting.flow.key.0[word::MPLS];
                let (outer, inner) = (entries >> 32 & 0xff, entries & 0xff);
                match direction {
                    CopyTtl::Out => visiting.flow.write(word::MPLS, inner << 32, 0xff << 32),
                    CopyTtl::In => visiting.flow.write(word::MPLS, outer, 0xff),
                }
            }
        }
    }
}
