//! Packets that wait for a controller, and go on as it says.

use netloom_flow::{BridgeId, FieldId, FlowKey, OfPort, PacketMeta, Paused, Punt, extract, word};
use netloom_openflow::OfError;
use netloom_openflow::msg::{Continuation, Resume};

use super::bare::{framed, packet_type};
use super::error::of_flow;
use super::{Connection, Injection};
use crate::flow_mod::check_actions;
use crate::recorder::Silent;
use crate::switch::Switch;
use crate::translate::Translator;

/// What a controller keeps of a packet that waits.
pub(super) fn continuation(punt: &Punt) -> Option<Continuation> {
    let Paused { bridge, stack, set, actions, is_tracked } = punt.paused.as_deref()?;
    let bytes = |value: &u128| {
        let bytes = value.to_be_bytes();
        let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(15);
        bytes.get(first..).unwrap_or_default().to_vec()
    };
    Some(Continuation {
        bridge: bridge.to_be_bytes(),
        stack: stack.iter().map(bytes).collect(),
        conntracked: *is_tracked,
        table: Some(punt.table),
        cookie: punt.cookie.unwrap_or(0),
        actions: actions.clone(),
        action_set: set.clone(),
        ..Continuation::default()
    })
}

impl Switch {
    pub(super) fn handle_resume(
        &self,
        id: BridgeId,
        connection: &Connection,
        request: Resume,
    ) -> Result<Injection, OfError> {
        let bridge = self.bridges.get(id).ok_or(OfError::BrcEperm)?;
        let message = *request.packet_in;
        let waiting = message.continuation.ok_or(OfError::NxrNotSupported)?;
        if waiting.bridge != bridge.config.uuid.0.to_be_bytes() {
            return Err(OfError::NxrStale);
        }
        let refused = |error| of_flow(&error, connection.version);
        check_actions(Some(bridge), &waiting.actions).map_err(refused)?;
        check_actions(Some(bridge), &waiting.action_set).map_err(refused)?;
        let value = |bytes: &Vec<u8>| bytes.iter().fold(0, |value, byte| value << 8 | u128::from(*byte));
        let paused = Paused {
            bridge: bridge.config.uuid.0,
            stack: waiting.stack.iter().map(value).collect(),
            set: waiting.action_set,
            actions: waiting.actions,
            is_tracked: waiting.conntracked,
        };
        let number = message.metadata.exact(FieldId::InPortOxm).and_then(|port| u32::try_from(port).ok());
        let number = number.map_or(OfPort::NONE, OfPort);
        let port = bridge.port(number);
        let kind = packet_type(&message.metadata);
        let frame = framed(message.packet, kind).ok_or(OfError::BrcBadPacket)?;
        let headers = netloom_packet::parse(&frame).map_err(|_| OfError::BrcBadPacket)?;
        let meta = PacketMeta {
            in_port: port.map(|port| port.dp_port).unwrap_or_default(),
            tenant: port.and_then(|port| port.tenant).unwrap_or_default(),
            ..PacketMeta::default()
        };
        let key = extract(&frame, &headers, &meta);
        let mut own: FlowKey = bridge.options().place(&message.metadata).key();
        own.0[word::TUN_PRESENT] =
            message.metadata.options().fold(0, |present, (number, ..)| present | 1 << (number % 64));
        let translation =
            Translator::translate_paused(self, bridge, number, &paused, (&key, &own), &mut Silent);
        Ok(Injection { in_port: meta.in_port, frame, translation: translation.into() })
    }
}
