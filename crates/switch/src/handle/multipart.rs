//! Questions with long answers.

use netloom_flow::{BridgeId, Nanos, OfPort};
use netloom_openflow::msg::{BundleFlags, ControllerReason, MultipartReply, MultipartRequest, Role};
use netloom_openflow::{Message, OfError, Version};

use super::config::ACTIONS_10;
use super::table::ACTIONS;
use super::{Connection, Handled, PortCounts, group, meter, queue};
use crate::model::Bridge;
use crate::switch::Switch;

impl Switch {
    pub(super) fn handle_multipart(
        &mut self,
        id: BridgeId,
        connection: &mut Connection,
        request: MultipartRequest,
        counts: &dyn PortCounts,
        now: Nanos,
        handled: &mut Handled,
    ) {
        if let MultipartRequest::TableFeatures(changes) = &request
            && !changes.is_empty()
        {
            let is_secondary = connection.role == Role::Secondary;
            let done = match is_secondary {
                true => Err(OfError::BrcIsSecondary),
                false => self.change_table_features(id, connection.version, changes),
            };
            if handled.check(done).is_none() {
                return;
            }
        }
        let Some(bridge) = self.bridges.get(id) else { return handled.refuse(OfError::BrcEperm) };
        let reply = self.multipart(bridge, connection, request, counts, now);
        if let Some(reply) = handled.check(reply) {
            handled.reply(Message::MultipartReply(reply));
        }
    }

    fn multipart(
        &self,
        bridge: &Bridge,
        connection: &mut Connection,
        request: MultipartRequest,
        counts: &dyn PortCounts,
        now: Nanos,
    ) -> Result<MultipartReply, OfError> {
        use {MultipartReply as Reply, MultipartRequest as Request};
        let id = bridge.id;
        Ok(match request {
            Request::Desc => Reply::Desc(Box::new(Self::desc(bridge))),
            Request::Flow(flows) => Reply::Flow(self.flow_stats(id, &flows, now)),
            Request::Aggregate(flows) => Reply::Aggregate(self.aggregate(id, &flows)),
            Request::Table => Reply::Table(Self::table_stats(bridge)),
            Request::PortStats(port) => Reply::PortStats(self.port_stats(bridge, port, counts, now)),
            Request::Queue(asked) => Reply::Queue(queue::stats(bridge, asked, counts, now)?),
            Request::QueueDesc(asked) => Reply::QueueDesc(queue::descs(bridge, asked)?),
            Request::Group(group) => Reply::Group(self.group_stats(id, group, now)),
            Request::GroupDesc(group) => Reply::GroupDesc(self.group_descs(id, group)),
            Request::GroupFeatures => {
                // In 1.0, Nicira's, whose bits are those of 1.0's actions.
                let is_10 = connection.version == Version::V10;
                Reply::GroupFeatures(group::features(if is_10 { ACTIONS_10 } else { ACTIONS }))
            }
            Request::Meter(meter) => Reply::Meter(self.meter_stats(id, meter, now)?),
            Request::MeterConfig(meter) => Reply::MeterConfig(self.meter_configs(id, meter)?),
            Request::MeterFeatures => Reply::MeterFeatures(meter::features()),
            // A change of tables: done before.
            Request::TableFeatures(_) => Reply::TableFeatures(self.table_features(id, connection.version)),
            Request::PortDesc(port) => {
                let mut ports = self.port_descs(bridge);
                ports.retain(|desc| port == OfPort::NONE || desc.port == port);
                Reply::PortDesc(ports)
            }
            Request::TableDesc => Reply::TableDesc(Self::table_descs(bridge)),
            Request::FlowCounts(flows) => Reply::FlowCounts(self.flow_stats(id, &flows, now)),
            // The others are added by who knows them.
            Request::ControllerStatus => {
                Reply::ControllerStatus(vec![connection.status(ControllerReason::Request)])
            }
            Request::BundleFeatures(_) => Reply::BundleFeatures(BundleFlags::ATOMIC | BundleFlags::ORDERED),
            Request::IpfixBridge | Request::IpfixFlow => return Err(OfError::NxstNotConfigured),
            Request::FlowMonitor(requests) => Reply::FlowMonitor(self.monitor(bridge, connection, requests)?),
            Request::Experimenter(..) => return Err(OfError::BrcBadVendor),
        })
    }
}
