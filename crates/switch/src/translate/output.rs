//! Sending a packet by one port, or by many.

use netloom_flow::{DpAction, DropReason, OfPort};

use super::{Translator, Visiting};
use crate::model::{Port, Role};
use crate::recorder::{Cut, Event};

impl<'a> Translator<'a> {
    /// The action `output`, reserved ports included.
    pub(super) fn output(&mut self, visiting: &mut Visiting<'a>, number: OfPort) {
        let in_port = visiting.flow.in_port();
        match number {
            OfPort::NORMAL => self.normal(visiting),
            OfPort::FLOOD | OfPort::ALL => self.everywhere(visiting),
            OfPort::IN_PORT => self.send_by(visiting, in_port),
            // There is no controller yet; `TABLE` is for packets that one sends.
            OfPort::CONTROLLER | OfPort::TABLE | OfPort::NONE => {}
            number if number == in_port => self.drop(visiting, DropReason::Hairpin, number),
            number => self.send_by(visiting, number),
        }
    }

    fn send_by(&mut self, visiting: &mut Visiting<'a>, number: OfPort) {
        match self.port(visiting.bridge, number) {
            Some(port) => self.send(visiting, port),
            None => self.drop(visiting, DropReason::NoPort, number),
        }
    }

    /// Every port of the tenant but the ingress and those that take no floods.
    fn everywhere(&mut self, visiting: &mut Visiting<'a>) {
        self.depend_on_bridge(visiting.bridge);
        let (in_port, tenant) = (visiting.flow.in_port(), visiting.flow.tenant());
        for port in visiting.bridge.ports.values() {
            if port.number != in_port && port.carries(tenant) && port.role == Role::Forwarding {
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
        visiting.settled = true;
        match self.far_end(visiting, port) {
            Ok(peer) => self.cross(visiting, port, peer),
            Err(cut) => self.emit(visiting, port, cut),
        }
    }

    fn emit(&mut self, visiting: &Visiting<'a>, port: &'a Port, cut: Option<Cut>) {
        let Port { number, dp_port, .. } = *port;
        self.recorder.record(Event::Output { port: &port.name, number, dp_port, cut });
        self.commit(&visiting.flow);
        self.actions.push(DpAction::Output(dp_port));
        self.outputs += 1;
    }
}
