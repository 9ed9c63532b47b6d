//! A controller that makes a switch learn, as the first exercise of every course does: one value per connection.
//!
//! What no flow matches comes up; where the source lives is noted, and once both ends of a conversation are known, a
//! flow carries it. Flows end 60 s after their last packet, so that a station may move.
//!
//! It decides; whoever owns the connection sends what it says.

use std::collections::BTreeMap;

use netloom_flow::{Action, Controller, FieldId, FlowMatch, OfPort};
use netloom_packet::Mac;

use crate::Message;
use crate::msg::{FlowCommand, FlowMod, PacketIn, PacketOut};

/// Most stations that are kept; then it begins anew.
const MOST: usize = 8_192;
/// Seconds without a packet after which a flow goes.
const IDLE: u16 = 60;

/// What it knows of one switch.
#[derive(Debug, Default)]
pub struct LearningSwitch {
    stations: BTreeMap<Mac, OfPort>,
}

impl LearningSwitch {
    /// What a switch is told first: forget all flows, and send up what none matches.
    #[must_use]
    pub fn begin() -> [Message; 2] {
        let forget = FlowMod { command: FlowCommand::Delete, table: None, ..FlowMod::default() };
        let controller = Controller { max_len: u16::MAX, ..Controller::default() };
        let miss = FlowMod {
            priority: 0,
            new_cookie: Some(0),
            actions: vec![Action::Controller(controller)],
            ..FlowMod::default()
        };
        [Message::FlowMod(Box::new(forget)), Message::FlowMod(Box::new(miss))]
    }

    /// What becomes of a packet that came up.
    pub fn handle(&mut self, packet: &PacketIn) -> Vec<Message> {
        let (Some(port), Some((to, from))) = (packet.in_port(), ends(&packet.packet)) else {
            return Vec::new();
        };
        if from.0[0] & 1 == 0 {
            if self.stations.len() >= MOST && !self.stations.contains_key(&from) {
                self.stations.clear();
            }
            self.stations.insert(from, port);
        }
        let known = self.stations.get(&to).copied();
        let out = match known {
            Some(there) if there == port => return Vec::new(),
            Some(there) => there,
            None => OfPort::FLOOD,
        };
        let mut said = Vec::new();
        if known.is_some() {
            said.push(Message::FlowMod(Box::new(carry(port, from, to, out))));
        }
        let mut metadata = FlowMatch::any();
        metadata.set(FieldId::InPortOxm, port.0.into());
        said.push(Message::PacketOut(Box::new(PacketOut {
            buffer: packet.buffer,
            packet: packet.packet.clone(),
            metadata,
            actions: vec![Action::Output(out)],
        })));
        said
    }
}

fn carry(port: OfPort, from: Mac, to: Mac, out: OfPort) -> FlowMod {
    let number = |mac: Mac| mac.0.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let mut matches = FlowMatch::any();
    matches.set(FieldId::InPortOxm, port.0.into());
    matches.set(FieldId::EthSrc, number(from));
    matches.set(FieldId::EthDst, number(to));
    FlowMod {
        priority: 1,
        matches,
        new_cookie: Some(0),
        idle_timeout: IDLE,
        actions: vec![Action::Output(out)],
        ..FlowMod::default()
    }
}

/// Destination and source of a frame.
fn ends(frame: &[u8]) -> Option<(Mac, Mac)> {
    let (to, rest) = frame.split_first_chunk()?;
    Some((Mac(*to), Mac(*rest.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use netloom_flow::TableId;

    use super::*;
    use crate::msg::PacketInReason;

    fn packet(port: u32, to: u8, from: u8) -> PacketIn {
        let mut metadata = FlowMatch::any();
        metadata.set(FieldId::InPortOxm, port.into());
        let mut frame = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from];
        frame.resize(60, 0);
        PacketIn {
            packet: frame,
            total_len: 60,
            buffer: None,
            reason: PacketInReason::NoMatch,
            table: TableId(0),
            cookie: None,
            metadata,
            userdata: Vec::new(),
            continuation: None,
        }
    }

    fn outputs(said: &[Message]) -> Vec<Vec<Action>> {
        let actions = |message: &Message| match message {
            Message::FlowMod(flow) => flow.actions.clone(),
            Message::PacketOut(packet) => packet.actions.clone(),
            other => panic!("{other:?}"),
        };
        said.iter().map(actions).collect()
    }

    #[test]
    fn strangers_are_flooded_and_those_who_are_known_get_a_flow() {
        let mut switch = LearningSwitch::default();
        assert_eq!(outputs(&switch.handle(&packet(1, 2, 1))), [[Action::Output(OfPort::FLOOD)]]);
        let said = switch.handle(&packet(2, 1, 2));
        assert_eq!(outputs(&said), [[Action::Output(OfPort(1))], [Action::Output(OfPort(1))]]);
        let Message::FlowMod(flow) = &said[0] else { panic!("a flow first") };
        assert_eq!((flow.idle_timeout, flow.matches.exact(FieldId::EthDst)), (60, Some(0x0200_0000_0001)));
        assert!(switch.handle(&packet(1, 1, 3)).is_empty(), "it is there already");
    }

    #[test]
    fn what_is_no_frame_or_from_everybody_teaches_nothing() {
        let mut switch = LearningSwitch::default();
        for length in 0..12 {
            let cut = PacketIn { packet: vec![0; length], ..packet(1, 2, 1) };
            assert!(switch.handle(&cut).is_empty());
        }
        let mut frame = packet(1, 2, 1);
        frame.packet[6] |= 1;
        assert_eq!(switch.handle(&frame).len(), 1);
        assert!(switch.stations.is_empty());
    }
}
