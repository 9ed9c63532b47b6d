//! Actions that change the packet or the pipeline's own words.
//!
//! Whatever is written was looked at before, so that a packet that shares the translation needs the same edit,
//! and the original value can be put back for copies that go elsewhere.

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{Action, CopyTtl, DropReason, FieldId, FlowMask, Subfield, word};

use super::flow::{Flow, PRESENT, TCI, Tag};
use super::output::set_queue;
use super::{Translator, Visiting};

/// TTL or hop limit in [`word::IP`].
const TTL_SHIFT: u32 = 40;
const ETH_TYPES_IP: [u16; 2] = [0x0800, 0x86dd];

impl<'a> Translator<'a> {
    /// Carries out an action that only edits.
    pub(super) fn edit(&mut self, visiting: &mut Visiting<'a>, action: &Action) {
        match action {
            Action::SetField { field, value, mask, .. } => {
                let old = visiting.value(Subfield::whole(*field));
                self.write(visiting, Subfield::whole(*field), (old & !mask) | (value & mask));
            }
            Action::Load { value, target } => self.write(visiting, *target, *value),
            Action::Move { source, target } if self.has(&visiting.flow, source.field) => {
                let value = self.read(visiting, *source);
                self.write(visiting, *target, value);
            }
            Action::WriteMetadata { value, mask } => visiting.flow.write(word::METADATA, *value, *mask),
            Action::SetVlanVid(vid) => self.set_tci(visiting, *vid, 0x0fff),
            Action::SetVlanPcp(pcp) => self.set_tci(visiting, u16::from(*pcp) << 13, 0xe000),
            Action::PushVlan { tpid } => self.push_vlan(visiting, *tpid),
            Action::PopVlan => self.pop_vlan(&mut visiting.flow),
            Action::PushMpls { ethertype } => self.push_mpls(visiting, *ethertype),
            Action::PopMpls { ethertype } => self.pop_mpls(visiting, *ethertype),
            Action::PushPbb => self.push_pbb(visiting),
            Action::PopPbb => self.pop_pbb(visiting),
            Action::CopyTtlOut => self.copy_mpls_ttl(visiting, CopyTtl::Out),
            Action::CopyTtlIn => self.copy_mpls_ttl(visiting, CopyTtl::In),
            Action::Encap(encap) => self.encap(visiting, encap),
            Action::Decap { packet_type } => self.decap(visiting, *packet_type),
            Action::StackPush(source) => {
                let value = self.read(visiting, *source);
                visiting.stack.push(value);
            }
            Action::StackPop(target) => {
                if let Some(value) = visiting.stack.pop() {
                    self.write(visiting, *target, value);
                }
            }
            Action::SetQueue(queue) => set_queue(&mut visiting.flow, *queue),
            Action::PopQueue => set_queue(&mut visiting.flow, DEFAULT_QUEUE),
            Action::DeleteField(field) => {
                self.write(visiting, Subfield::whole(*field), 0);
                if let Some(index) = field.option() {
                    visiting.flow.mark_option(index, false);
                }
            }
            Action::Multipath(multipath) => self.multipath(visiting, multipath),
            // `sample` has no collectors to send to, `note` is for people, `conjunction` is for the table.
            _ => {}
        }
    }

    /// Reads a field; its bits are looked at.
    pub(super) fn read(&mut self, visiting: &Visiting<'a>, source: Subfield) -> u128 {
        let seen = visiting.bits(source);
        self.look_at(&visiting.flow, &seen);
        visiting.value(source)
    }

    /// Writes a field, if the packet has it.
    pub(super) fn write(&mut self, visiting: &mut Visiting<'a>, target: Subfield, value: u128) {
        if !self.has(&visiting.flow, target.field) {
            return;
        }
        let bits = visiting.bits(target);
        self.look_at(&visiting.flow, &bits);
        if let Some(number) = target.field.option() {
            return visiting.write_option(number, target, value);
        }
        if bits.0[word::ETH_SRC] & TCI != 0 {
            return self.write_tci(visiting, target, value);
        }
        if matches!(target.field, FieldId::EthType | FieldId::NwProto | FieldId::MplsBos) {
            return self.set_next(visiting, target, value);
        }
        target.write(&mut visiting.flow.key, value);
        visiting.flow.mark_written(&bits);
    }

    /// Writes to the outer VLAN header: with the bit that says so set, there is one afterwards, else not.
    fn write_tci(&mut self, visiting: &mut Visiting<'a>, target: Subfield, value: u128) {
        self.look_at_tags(&visiting.flow);
        let [outer, inner] = visiting.flow.tags();
        target.write(&mut visiting.flow.key, value);
        let tci = visiting.flow.tci();
        let tpid = outer.map_or(0x8100, |tag| tag.tpid);
        visiting.flow.set_tags(if tci & PRESENT == 0 {
            [inner, None]
        } else {
            [Some(Tag { tpid, tci }), inner]
        });
    }

    pub(super) fn has(&mut self, flow: &Flow, field: FieldId) -> bool {
        if flow.is_bare() && is_of_ethernet(field) {
            return false;
        }
        let mut seen = FlowMask::default();
        let holds = field.field().prerequisite.holds(&flow.key, Some(&mut seen));
        self.look_at(flow, &seen);
        holds
    }

    /// Lowers TTL or hop limit. `false`: it ran out, and the rest of the list is not for this packet.
    pub(super) fn dec_ttl(&mut self, visiting: &mut Visiting<'a>) -> bool {
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        if !ETH_TYPES_IP.contains(&visiting.flow.eth_type()) {
            return true;
        }
        let bits = 0xff << TTL_SHIFT;
        self.look(&visiting.flow, word::IP, bits);
        let ttl = (visiting.flow.key.0[word::IP] & bits) >> TTL_SHIFT;
        if ttl <= 1 {
            let port = visiting.flow.in_port();
            self.drop(visiting, DropReason::TtlExpired, port);
            return false;
        }
        visiting.flow.write(word::IP, (ttl - 1) << TTL_SHIFT, bits);
        true
    }

    /// Both VLAN headers count, as far as the packet has them.
    pub(super) fn look_at_tags(&mut self, flow: &Flow) {
        self.look(flow, word::ETH_SRC, TCI);
        self.look(flow, word::VLAN, u64::MAX);
    }

    fn set_tci(&mut self, visiting: &mut Visiting<'a>, value: u16, bits: u16) {
        if visiting.flow.is_bare() {
            return;
        }
        self.look_at_tags(&visiting.flow);
        let [outer, inner] = visiting.flow.tags();
        let outer = outer.unwrap_or(Tag { tpid: 0x8100, tci: PRESENT });
        let tci = (outer.tci & !bits) | (value & bits);
        visiting.flow.set_tags([Some(Tag { tci, ..outer }), inner]);
    }

    fn push_vlan(&mut self, visiting: &mut Visiting<'a>, tpid: u16) {
        if visiting.flow.is_bare() {
            return;
        }
        self.look_at_tags(&visiting.flow);
        let [outer, inner] = visiting.flow.tags();
        if inner.is_some() {
            // A key has no room for a third header.
            visiting.stop();
            let port = visiting.flow.in_port();
            return self.drop(visiting, DropReason::FlowAction, port);
        }
        let tci = outer.map_or(PRESENT, |tag| tag.tci);
        visiting.flow.set_tags([Some(Tag { tpid, tci }), outer]);
    }

    pub(super) fn pop_vlan(&mut self, flow: &mut Flow) {
        self.look_at_tags(flow);
        let [_, inner] = flow.tags();
        flow.set_tags([inner, None]);
    }
}

/// Whether it is a part of the Ethernet header, VLAN headers included, but for the type.
fn is_of_ethernet(field: FieldId) -> bool {
    let at = usize::from(field.field().word);
    (word::ETH_DST..=word::VLAN).contains(&at) && field != FieldId::EthType
}
