//! Sending a packet by one port, or by many.

use netloom_flow::qos::{DEFAULT_QUEUE, MAX_QUEUE};
use netloom_flow::{DpAction, DropReason, OfPort, OptionSet, TableId, TenantId, TunnelKey, word};

use super::egress::Stage;
use super::flow::Flow;
use super::frame::Place;
use super::{Translator, Visiting};
use crate::config::Inner;
use crate::model::{Port, Role};
use crate::recorder::{Cut, Event};

impl<'a> Translator<'a> {
    /// The action `output`, reserved ports included.
    pub(super) fn output(&mut self, visiting: &mut Visiting<'a>, number: OfPort, place: Place) {
        let in_port = visiting.flow.in_port();
        match number {
            OfPort::NORMAL if visiting.flow.is_bare() => self.drop(visiting, DropReason::PacketType, number),
            OfPort::NORMAL => self.normal(visiting),
            OfPort::FLOOD | OfPort::ALL => self.everywhere(visiting, number == OfPort::FLOOD),
            OfPort::IN_PORT => self.send_by(visiting, in_port),
            OfPort::CONTROLLER => self.tell_controllers(visiting, u16::MAX, place),
            // For packets that a controller sends only.
            OfPort::TABLE if place.rule.is_none() => self.start_again(visiting, place),
            OfPort::TABLE | OfPort::NONE => {}
            number if matches!(visiting.stage, Stage::Egress { port, .. } if port == number) => {
                self.leave_egress(visiting, number);
            }
            number if number == in_port => self.drop(visiting, DropReason::Hairpin, number),
            number => self.send_by(visiting, number),
        }
    }

    /// The action `enqueue`: output by a queue, which later outputs do not use. Source: `xlate_enqueue_action` of OVS.
    pub(super) fn enqueue(&mut self, visiting: &mut Visiting<'a>, number: OfPort, queue: u32, place: Place) {
        let before = queue_of(&visiting.flow);
        set_queue(&mut visiting.flow, queue);
        self.output(visiting, number, place);
        set_queue(&mut visiting.flow, before);
    }

    /// The first bytes of the packet leave by a port, or by all that a reserved one stands for.
    pub(super) fn output_first(
        &mut self,
        visiting: &mut Visiting<'a>,
        number: OfPort,
        max_len: u32,
        place: Place,
    ) {
        if number == OfPort::CONTROLLER {
            let max_len = u16::try_from(max_len).unwrap_or(u16::MAX);
            return self.tell_controllers(visiting, max_len, place);
        }
        self.max_len = Some(max_len);
        self.output(visiting, number, place);
        self.max_len = None;
    }

    /// A controller sends the packet through the tables.
    fn start_again(&mut self, visiting: &mut Visiting<'a>, place: Place) {
        let in_port = visiting.flow.in_port();
        self.resubmit(visiting, in_port, TableId(0), place.depth);
        if visiting.missed {
            self.miss(visiting, TableId(0));
        }
    }

    /// The end of the egress tables: by the port that the packet is for, even if it came in by it.
    fn leave_egress(&mut self, visiting: &mut Visiting<'a>, number: OfPort) {
        if let Stage::Egress { max_len, .. } = visiting.stage {
            self.max_len = max_len;
        }
        self.send_by(visiting, number);
        self.max_len = None;
    }

    fn send_by(&mut self, visiting: &mut Visiting<'a>, number: OfPort) {
        match self.port(visiting.bridge, number) {
            Some(port) => self.send(visiting, port),
            None => self.drop(visiting, DropReason::NoPort, number),
        }
    }

    /// Every port of the tenant but the ingress and those that take no floods.
    fn everywhere(&mut self, visiting: &mut Visiting<'a>, is_flood: bool) {
        self.depend_on_bridge(visiting.bridge);
        let (in_port, tenant) = (visiting.flow.in_port(), visiting.flow.tenant());
        for port in visiting.bridge.ports.values() {
            let is_open = port.carries(tenant) && port.role == Role::Forwarding && port.config.sends();
            if port.number != in_port && is_open && !(is_flood && port.config.no_flood) {
                self.send(visiting, port);
            }
        }
        if !visiting.settled {
            self.drop(visiting, DropReason::NoDestination, in_port);
        }
    }

    /// Sends the packet as it is by a port the answer already depends on.
    pub(super) fn send(&mut self, visiting: &mut Visiting<'a>, port: &'a Port) {
        if !port.carries(visiting.flow.tenant()) {
            return self.drop(visiting, DropReason::Tenant, port.number);
        }
        if port.role == Role::Blocked {
            return self.drop(visiting, DropReason::Blocked, port.number);
        }
        if !port.config.sends() {
            return self.drop(visiting, DropReason::PortConfig, port.number);
        }
        if visiting.flow.is_bare() {
            return self.drop(visiting, DropReason::PacketType, port.number);
        }
        if self.depart(visiting, port) {
            return;
        }
        visiting.settled = true;
        match self.far_end(visiting, port) {
            Ok(peer) => self.cross(visiting, port, peer),
            Err(cut) => self.emit(visiting, port, cut),
        }
        self.mirror(visiting, port, port.mirrored.dst);
    }

    fn emit(&mut self, visiting: &mut Visiting<'a>, port: &'a Port, cut: Option<Cut>) {
        let Port { number, dp_port, .. } = *port;
        let options = match self.options_to_send(visiting, port) {
            Ok(options) => options,
            Err(reason) => return self.drop(visiting, reason, number),
        };
        self.recorder.record(Event::Output { port: &port.name, number, dp_port, cut });
        let queue = queue_of(&visiting.flow);
        match port.qos.as_ref().and_then(|qos| qos.dscp_of(queue)) {
            Some(dscp) => self.commit_marked(&visiting.flow, dscp),
            None => self.commit(&visiting.flow),
        }
        // No port has a queue of such a number.
        let queue = if queue > MAX_QUEUE { DEFAULT_QUEUE } else { queue };
        let max_len = self.max_len;
        let said = self.said(visiting, port, options.as_deref());
        self.actions.push(match (said, max_len) {
            (Some(key), _) => DpAction::Tunnel { port: dp_port, queue, key: Box::new(key), max_len, options },
            (None, Some(max_len)) => DpAction::OutputTrunc { port: dp_port, queue, max_len },
            (None, None) if queue != DEFAULT_QUEUE => DpAction::Enqueue { port: dp_port, queue },
            (None, None) => DpAction::Output(dp_port),
        });
        self.outputs += 1;
    }

    /// What travels beside a packet that leaves by a tunnel: what flows want of it; or, if its other end is in the lab,
    /// what that will be told.
    pub(super) fn said(
        &mut self,
        visiting: &Visiting<'a>,
        port: &Port,
        options: Option<&OptionSet>,
    ) -> Option<TunnelKey> {
        let (flow, number) = (&visiting.flow, options.map_or(0, OptionSet::number));
        if port.is_flow_tunnel || port.is_tunnel && !visiting.bridge.tlv_map.is_empty() {
            (word::TUN_ID..word::PKT_MARK).for_each(|index| self.look(flow, index, !0));
            return Some(TunnelKey::of(&flow.key).with_options(number));
        }
        let Inner { key, keys, src, dst, tos, ttl, gbp, .. } = port.inner.as_ref()?;
        let tenant = flow.tenant();
        let of_tenant = keys.iter().find(|(owner, _)| TenantId(*owner) == tenant).map(|(_, key)| *key);
        let wanted = TunnelKey::of(&flow.key);
        let id = of_tenant.or(*key).unwrap_or_else(|| {
            self.look(flow, word::TUN_ID, !0);
            wanted.id()
        });
        let (policy, flags) = if *gbp {
            self.look(flow, word::TUN_META, !0);
            wanted.gbp()
        } else {
            (0, 0)
        };
        let said = TunnelKey::new(id, *src, *dst).with_ip(*tos, *ttl).with_gbp(policy, flags);
        Some(said.with_options(number))
    }

    /// The packet leaves with the DSCP of its queue, if it is one of IP; what goes on keeps its own.
    fn commit_marked(&mut self, flow: &Flow, dscp: u8) {
        self.look(flow, word::ETH_DST, 0xffff);
        let mut marked = flow.clone();
        if matches!(flow.eth_type(), 0x0800 | 0x86dd) {
            self.look(flow, word::IP, DSCP);
            marked.write(word::IP, u64::from(dscp) << DSCP_SHIFT & DSCP, DSCP);
        }
        self.commit(&marked);
    }
}

/// DSCP in [`word::IP`].
const DSCP: u64 = 0x00fc_0000_0000_0000;
const DSCP_SHIFT: u32 = 50;
/// The queue in [`word::PKT_MARK`], where OVS has `skb_priority`.
const QUEUE: u64 = 0xffff_ffff;

/// The queue that outputs use.
#[expect(clippy::cast_possible_truncation, reason = "32 of 64 bits")]
const fn queue_of(flow: &Flow) -> u32 {
    flow.key.0[word::PKT_MARK] as u32
}

/// Outputs use this queue from here on.
pub(super) fn set_queue(flow: &mut Flow, queue: u32) {
    flow.write(word::PKT_MARK, queue.into(), QUEUE);
}
