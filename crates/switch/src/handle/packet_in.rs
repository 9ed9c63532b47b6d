//! Packets for controllers, as each connection is to see them.

use std::ops::Range;

use netloom_flow::action::PacketInReason as Why;
use netloom_flow::{FieldId, FlowKey, FlowMask, FlowMatch, PACKET_WORDS, Punt, word};
use netloom_openflow::msg::{PacketIn, PacketInFormat, PacketInReason};
use netloom_openflow::{Message, Version};

use super::Connection;
use super::bare::unframed;
use super::resume::continuation;

impl Connection {
    /// The message for a packet that goes up; `None`: this connection does not want it.
    ///
    /// `bytes` are the first bytes of the packet, of which it has `total_len`.
    #[must_use]
    pub fn packet_in(&self, punt: &Punt, bytes: &[u8], total_len: usize) -> Option<Message> {
        let reason = reason(punt);
        let is_for_us = punt.controller == self.controller_id;
        let is_understood = !punt.is_miss || punt.is_for_all || self.version <= Version::V12;
        if !is_for_us || !is_understood || !self.wants_packet_in(reason) {
            return None;
        }
        // What no flow says is cut where the connection says; `controller` says it itself.
        let wanted =
            if punt.is_miss || punt.reason == Why::InvalidTtl { self.miss_send_len } else { punt.max_len };
        let is_second = self.packet_in_format == PacketInFormat::Nxt2;
        let kind = u32::try_from(FieldId::PacketType.field().read(&punt.key)).unwrap_or(0);
        let hidden = bytes.len() - unframed(bytes, kind).len();
        let (bytes, total_len) = (unframed(bytes, kind), total_len.saturating_sub(hidden));
        let wanted = if wanted == u16::MAX { bytes.len() } else { usize::from(wanted) };
        Some(Message::PacketIn(Box::new(PacketIn {
            packet: bytes.get(..wanted).unwrap_or(bytes).to_vec(),
            total_len: u32::try_from(total_len).unwrap_or(u32::MAX),
            buffer: None,
            reason,
            table: punt.table,
            cookie: punt.cookie,
            metadata: metadata(punt),
            userdata: if is_second { punt.userdata.to_vec() } else { Vec::new() },
            continuation: if is_second { continuation(punt) } else { None },
        })))
    }
}

const fn reason(punt: &Punt) -> PacketInReason {
    match punt.reason {
        Why::NoMatch if punt.is_miss => PacketInReason::ImplicitMiss,
        Why::NoMatch if punt.is_miss_flow => PacketInReason::ExplicitMiss,
        Why::NoMatch => PacketInReason::NoMatch,
        Why::Action => PacketInReason::Action,
        Why::InvalidTtl => PacketInReason::InvalidTtl,
        Why::ActionSet => PacketInReason::ActionSet,
        Why::Group => PacketInReason::Group,
        Why::PacketOut => PacketInReason::PacketOut,
    }
}

/// What the packet itself does not say, as far as it is not 0; and the ingress port in any case.
fn metadata(punt: &Punt) -> FlowMatch {
    /// Words whose two halves are fields of their own.
    const HALVES: Range<usize> = word::REG..word::CONJ;
    let words = [word::METADATA, word::TUN_ID].into_iter().chain(word::TUN_SRC..word::TUN_META);
    let words = words.chain(HALVES);
    let mut said = words.filter(|index| punt.key.0.get(*index).is_some_and(|value| *value != 0)).peekable();
    // Most packets say none of them.
    let mut matches = if said.peek().is_some() { of_words(punt, said, &HALVES) } else { FlowMatch::any() };
    let port = punt.key.0[word::IN_PORT] >> 32;
    matches.set(FieldId::InPortOxm, port.into());
    if let Some(layout) = &punt.layout {
        layout.tell(&punt.key, &mut matches);
    }
    let mark = punt.key.0[word::PKT_MARK] >> 32;
    if mark != 0 {
        matches.set(FieldId::PktMark, mark.into());
    }
    for field in [FieldId::PacketType, FieldId::CtState, FieldId::CtZone, FieldId::CtMark, FieldId::CtLabel] {
        let value = field.field().read(&punt.key);
        if value != 0 {
            matches.set(field, value);
        }
    }
    matches
}

/// Demands what these words of the key hold; of those that are two fields, the halves that are not 0.
fn of_words(punt: &Punt, words: impl Iterator<Item = usize>, halves: &Range<usize>) -> FlowMatch {
    let (mut key, mut mask) = (FlowKey::default(), FlowMask::default());
    for index in words {
        let value = punt.key.0[index];
        let bits = if halves.contains(&index) {
            [!0 << 32, 0xffff_ffff].into_iter().filter(|half| value & half != 0).sum()
        } else {
            u64::MAX
        };
        (key.0[index], mask.0[index]) = (value & bits, bits);
    }
    FlowMatch::new(key, mask)
}

const _: () = assert!(word::METADATA >= PACKET_WORDS);
