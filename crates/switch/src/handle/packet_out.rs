//! Packets from controllers.

use std::sync::Arc;

use netloom_flow::check::Scope;
use netloom_flow::{BridgeId, FieldId, OfPort};
use netloom_openflow::OfError;
use netloom_openflow::msg::PacketOut;

use super::bare::{framed, packet_type};
use super::error::of_flow;
use super::flow::check_list;
use super::repeated::Repeated;
use super::{Connection, Injection};
use crate::flow_mod::check_actions;
use crate::switch::Switch;

impl Switch {
    pub(super) fn handle_packet_out(
        &self,
        bridge: BridgeId,
        connection: &mut Connection,
        request: PacketOut,
    ) -> Result<Injection, OfError> {
        if request.buffer.is_some() {
            return Err(OfError::BrcBufferUnknown);
        }
        let in_port = [FieldId::InPortOxm, FieldId::InPort].into_iter().find_map(|field| {
            let port = request.metadata.exact(field)?;
            u32::try_from(port).ok()
        });
        let in_port = in_port.map_or(OfPort::CONTROLLER, OfPort);
        let is_reserved = matches!(in_port, OfPort::CONTROLLER | OfPort::LOCAL | OfPort::NONE);
        if in_port.0 == 0 || in_port >= OfPort::MAX && !is_reserved {
            return Err(OfError::BrcBadPort);
        }
        check_list(&request.actions, &request.metadata, None, Scope::PacketOut, connection.version)?;
        let known = self.bridges.get(bridge).ok_or(OfError::BrcEperm)?;
        check_actions(Some(known), &request.actions).map_err(|error| of_flow(&error, connection.version))?;
        let kind = packet_type(&request.metadata);
        let frame = framed(request.packet, kind).ok_or(OfError::BrcBadPacket)?;
        let key = Self::packet_out_key(known, in_port, &request.actions, &frame, kind);
        let key = key.ok_or(OfError::BrcBadPacket)?;
        let said = (in_port, request.actions);
        let translation =
            match connection.repeated.as_ref().and_then(|last| last.again(self, bridge, &said, &key)) {
                Some(translation) => translation,
                None => {
                    let made = Arc::new(self.send_out(known, in_port, &said.1, &key));
                    connection.repeated = Repeated::of(bridge, said, &key, &made);
                    made
                }
            };
        let in_port = known.port(in_port).map(|port| port.dp_port).unwrap_or_default();
        Ok(Injection { in_port, frame, translation })
    }
}
