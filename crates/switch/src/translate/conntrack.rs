//! Connection tracking: the datapath knows connections, the pipeline only what it said of a packet.
//!
//! `ct(table=N)` forks: one packet is tracked and looked up again, with its `ct_*` fields filled in, from table N on;
//! the other goes on with the rest of the list, untracked. What tracking does to addresses is done to both, as in OVS,
//! and is not seen by the rest of the list.

use netloom_flow::action::Ct;
use netloom_flow::{
    Action, DpAction, FieldId, FlowKey, FlowMask, OfPort, Operand, TableId, Track, ct_state, word,
};

use super::frame::Place;
use super::pipeline::Lookup;
use super::{Translator, Visiting};
use crate::model::FrozenFrame;
use crate::recorder::Event;

/// A field in the making: its value, and which bits were written.
type Written = (u128, u128);

impl<'a> Translator<'a> {
    pub(super) fn ct(&mut self, visiting: &mut Visiting<'a>, ct: &Ct) {
        let zone = match ct.zone {
            Operand::Value(zone) => zone,
            Operand::Field(source) => u16::try_from(self.read(visiting, source)).unwrap_or(u16::MAX),
        };
        let (mark, label) = self.exec(visiting, &ct.exec);
        self.commit(&visiting.flow);
        let track = Track {
            bridge: visiting.bridge.id,
            zone,
            commit: ct.commit,
            force: ct.commit && ct.force,
            mark: narrow(mark),
            label,
            alg: ct.alg.filter(|_| ct.commit),
            nat: ct.nat,
        };
        self.actions.push(DpAction::Ct(Box::new(track)));
        if let Some(table) = ct.table {
            visiting.settled = true;
            let frames = vec![FrozenFrame::Set(Place::packet_out()), FrozenFrame::Enter(table)];
            let id = self.freeze(visiting, frames, true);
            self.recorder.record(Event::Recirculate(id));
        }
        visiting.flow.untrack();
        visiting.is_tracked = false;
        if ct.nat.is_some() {
            // What lies behind in the packet is not in the key any more.
            self.sent.translated();
            visiting.flow.translated();
            self.reshaped = true;
        }
    }

    pub(super) fn ct_clear(&mut self, visiting: &mut Visiting<'a>) {
        if visiting.is_tracked {
            self.actions.push(DpAction::CtClear);
        }
        visiting.flow.untrack();
        visiting.is_tracked = false;
    }

    /// What is written to mark and label of the connection.
    fn exec(&mut self, visiting: &Visiting<'a>, actions: &[Action]) -> (Written, Written) {
        let (mut mark, mut label) = ((0, 0), (0, 0));
        for action in actions {
            let (target, value) = match action {
                Action::SetField { field, value, mask, .. } => {
                    put(field, &mut mark, &mut label, *value, *mask);
                    continue;
                }
                Action::Load { value, target } => (target, *value),
                Action::Move { source, target } => (target, self.read(visiting, *source)),
                _ => continue,
            };
            let shift = target.offset.min(127);
            put(&target.field, &mut mark, &mut label, value << shift, target.mask());
        }
        (mark, label)
    }

    /// Looks up with addresses and ports of the connection's first packet. A packet without such does nothing.
    pub(super) fn resubmit_original(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
        depth: u32,
    ) {
        self.look(&visiting.flow, word::CT, u64::from(ct_state::TRK | ct_state::INV) << 32);
        let state = visiting.flow.key.0[word::CT] >> 32;
        if state & u64::from(ct_state::TRK | ct_state::INV) == u64::from(ct_state::TRK) {
            self.look(&visiting.flow, word::ETH_DST, 0xffff);
            self.resubmit_as(visiting, in_port, table, depth, Lookup::Original);
        }
    }
}

fn put(field: &FieldId, mark: &mut Written, label: &mut Written, value: u128, mask: u128) {
    let written = match field {
        FieldId::CtMark => mark,
        FieldId::CtLabel => label,
        _ => return,
    };
    *written = (written.0 & !mask | value & mask, written.1 | mask);
}

#[expect(clippy::cast_possible_truncation, reason = "a mark has 32 bits")]
const fn narrow((value, mask): Written) -> (u32, u32) {
    (value as u32, mask as u32)
}

/// The protocol of [`word::IP`], and how far it is from there in [`word::CT_L4`].
const PROTO: u64 = 0xff << 56;
const PROTO_SHIFT: u32 = 32;
/// Both ports, which lie alike in [`word::L4`] and [`word::CT_L4`].
const PORTS: u64 = 0xffff_ffff << 32;

/// Puts the first packet's addresses, protocol and ports in the place of the packet's own.
pub(super) fn original(key: &mut FlowKey) {
    let words = &mut key.0;
    let proto = words[word::CT_L4] << PROTO_SHIFT & PROTO;
    words[word::IP] = words[word::IP] & !PROTO | proto;
    words[word::L4] = words[word::L4] & !PORTS | words[word::CT_L4] & PORTS;
    if words[word::ETH_DST] & 0xffff == 0x0800 {
        words[word::IPV4] = words[word::CT_SRC + 1] << 32 | words[word::CT_DST + 1] & 0xffff_ffff;
    } else {
        for at in 0..2 {
            words[word::IPV6_SRC + at] = words[word::CT_SRC + at];
            words[word::IPV6_DST + at] = words[word::CT_DST + at];
        }
    }
}

/// What was looked at then, as bits of the packet's key; and the words that no longer held the packet's own.
pub(super) fn seen_of_original(seen: &mut FlowMask) -> u64 {
    let words = &mut seen.0;
    words[word::CT_L4] |= (words[word::IP] & PROTO) >> PROTO_SHIFT | words[word::L4] & PORTS;
    words[word::IP] &= !PROTO;
    words[word::L4] &= !PORTS;
    words[word::CT_SRC + 1] |= words[word::IPV4] >> 32;
    words[word::CT_DST + 1] |= words[word::IPV4] & 0xffff_ffff;
    words[word::IPV4] = 0;
    for at in 0..2 {
        words[word::CT_SRC + at] |= std::mem::take(&mut words[word::IPV6_SRC + at]);
        words[word::CT_DST + at] |= std::mem::take(&mut words[word::IPV6_DST + at]);
    }
    let taken = [
        word::IP,
        word::L4,
        word::IPV4,
        word::IPV6_SRC,
        word::IPV6_SRC + 1,
        word::IPV6_DST,
        word::IPV6_DST + 1,
    ];
    taken.iter().fold(0, |map, index| map | 1 << index)
}
