//! Each message to who knows what to do.

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::msg::Role;
use netloom_openflow::{Message, OfError};

use super::{Connection, Handled, PortCounts, asynchronous, conntrack, queue};
use crate::events::Notice;
use crate::switch::Switch;

impl Switch {
    /// Carries out a message of a controller of a bridge. Pull all hits first: most answers have counters in them.
    ///
    /// Whatever a controller sends, every request has its answer or its error, and nothing else changes.
    pub fn handle(
        &mut self,
        bridge: BridgeId,
        connection: &mut Connection,
        message: Message,
        counts: &dyn PortCounts,
        now: Nanos,
    ) -> Handled {
        let mut handled = Handled::default();
        self.author = Some(connection.author());
        if self.bridges.get(bridge).is_none() {
            handled.refuse(OfError::BrcEperm);
        } else if connection.role == Role::Secondary && writes(&message) {
            handled.refuse(OfError::BrcIsSecondary);
        } else {
            self.dispatch(bridge, connection, message, counts, now, &mut handled);
        }
        self.author = None;
        handled
    }

    fn dispatch(
        &mut self,
        id: BridgeId,
        connection: &mut Connection,
        message: Message,
        counts: &dyn PortCounts,
        now: Nanos,
        handled: &mut Handled,
    ) {
        match message {
            Message::FlowMod(request) => {
                handled.check(self.handle_flow_mod(id, connection, *request, now));
            }
            Message::GroupMod(request) => {
                let done = self.handle_group_mod(id, connection, (*request).clone(), now);
                if handled.check(done).is_some() {
                    self.note_request(id, Message::GroupMod(request));
                }
            }
            Message::MeterMod(request) => {
                let done = self.handle_meter_mod(id, &request, now);
                if handled.check(done).is_some() {
                    self.note_request(id, Message::MeterMod(request));
                }
            }
            Message::PortMod(request) => _ = handled.check(self.handle_port_mod(id, &request, now)),
            Message::TableMod(request) => _ = handled.check(self.handle_table_mod(id, &request)),
            Message::PacketOut(request) => {
                let injection = handled.check(self.handle_packet_out(id, connection, *request));
                handled.injections.extend(injection);
            }
            Message::MultipartRequest(request) => {
                self.handle_multipart(id, connection, request, counts, now, handled);
            }
            Message::BundleControl(control) => self.handle_bundle(id, connection, &control, now, handled),
            Message::BundleAdd(add) => connection.add_to_bundle(add, now, handled),
            Message::RoleRequest(request) => self.handle_role(id, connection, &request, handled),
            Message::FeaturesRequest => {
                let reply = self.bridges.get(id).map(|bridge| self.features(bridge, connection));
                reply.into_iter().for_each(|reply| handled.reply(reply));
            }
            Message::QueueGetConfigRequest(port) => {
                let Some(bridge) = self.bridges.get(id) else { return handled.refuse(OfError::BrcEperm) };
                let reply = queue::config(bridge, connection.version, port);
                if let Some(queues) = handled.check(reply) {
                    handled.reply(Message::QueueGetConfigReply(port, queues));
                }
            }
            Message::GetConfigRequest => {
                let reply = self.bridges.get(id).map(|bridge| connection.config(bridge));
                reply.into_iter().for_each(|reply| handled.reply(reply));
            }
            Message::SetConfig(config) => self.handle_set_config(id, connection, &config),
            Message::Resume(request) => {
                let injection = handled.check(self.handle_resume(id, connection, request));
                handled.injections.extend(injection);
            }
            Message::CtFlushZone(zone) => handled.flushes.push(conntrack::zone(id, zone)),
            Message::CtFlush(flush) => handled.flushes.push(conntrack::filter(id, &flush)),
            Message::TlvTableRequest => {
                let reply = self.bridges.get(id).map(Self::tlv_table);
                reply.into_iter().for_each(|table| handled.reply(Message::TlvTableReply(table)));
            }
            Message::TlvTableMod(request) => _ = handled.check(self.handle_tlv_mod(id, &request)),
            other => connection.dispatch(other, handled),
        }
    }

    /// What [`Self::take_events`] gave, as messages for the connections of a bridge: each with its connection's place.
    #[must_use]
    pub fn notices(
        &self,
        events: &[(BridgeId, Notice)],
        bridge: BridgeId,
        connections: &[&Connection],
    ) -> Vec<(usize, Message)> {
        let mut messages = Vec::new();
        for (_, notice) in events.iter().filter(|(id, _)| *id == bridge) {
            for (at, connection) in connections.iter().enumerate() {
                let message = match notice {
                    Notice::FlowRemoved(gone) => connection.flow_removed(gone),
                    Notice::Port { port, reason } => self.port_status(bridge, connection, *port, *reason),
                    Notice::Table { table, reason } => self.table_status(bridge, connection, *table, *reason),
                    Notice::Stats { entry, duration } => connection.triggered(entry, *duration),
                    Notice::Request { author, request } => connection.forwarded(*author, request),
                    // Told by Connection::watch.
                    Notice::Flow(_) => None,
                };
                messages.extend(message.map(|message| (at, message)));
            }
        }
        messages
    }
}

impl Connection {
    /// Messages that are about the connection only.
    fn dispatch(&mut self, message: Message, handled: &mut Handled) {
        match message {
            Message::BarrierRequest => handled.reply(Message::BarrierReply),
            Message::EchoRequest(bytes) => handled.reply(Message::EchoReply(bytes)),
            Message::GetAsyncRequest => handled.reply(Message::GetAsyncReply(self.asks)),
            Message::SetAsync(config) => {
                asynchronous::merge(&mut self.asks, &config);
                // Who says what he wants, wants to be told.
                if self.miss_send_len == 0 {
                    self.miss_send_len = 128;
                }
            }
            Message::SetPacketInFormat(format) => self.packet_in_format = format,
            Message::SetControllerId(id) => self.controller_id = id,
            // Ages are told in any case.
            Message::FlowAge => {}
            Message::FlowMonitorCancel(monitor) => _ = handled.check(self.monitors.remove(monitor)),
            Message::Experimenter(_) => handled.refuse(OfError::BrcBadVendor),
            // The session sees to formats; and who sends a hello late, or an error, gets no answer.
            Message::SetFlowFormat(_)
            | Message::FlowModTableId(_)
            | Message::Hello(_)
            | Message::Error(_)
            | Message::EchoReply(_) => {}
            _ => handled.refuse(OfError::BrcBadType),
        }
    }
}

/// Whether a message may not come from a secondary controller.
const fn writes(message: &Message) -> bool {
    matches!(
        message,
        Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::PacketOut(_)
            | Message::BundleControl(_)
            | Message::BundleAdd(_)
            | Message::TlvTableMod(_)
            | Message::Resume(_)
    )
}
