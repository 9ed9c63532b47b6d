//! Ports that come and go, and nothing else: they alone are opened, numbered, told of. The others are looked up.

use netloom_flow::OfPort;

use super::number::NO_NUMBER;
use super::{Id, News, Plant, Wanted};
use crate::slowpath;
use crate::switchd::config;
use crate::switchd::desired::{Desired, Exchange};
use crate::switchd::ofports::Wish;

impl Plant {
    /// `false`: it is not so simple, and all has to be gone through.
    pub(super) fn exchange(&mut self, desired: &Desired, exchange: &Exchange) -> bool {
        let Some(bridge) = desired.bridges.get(exchange.bridge) else { return false };
        self.look();
        let gone = self.let_go(exchange);
        let mut come = Vec::new();
        for port in &exchange.come {
            let [interface] = port.interfaces.as_slice() else { return false };
            if self.standing.has_name(&interface.name) {
                return false;
            }
            let wanted = Wanted { bridge, port, interface };
            let id = Id::of(bridge, interface);
            self.open_one(id, &wanted);
            self.news.add(id);
            if !port.without_effect.is_empty() {
                self.news = News::All;
            }
            come.push((id, wanted));
        }
        self.look();
        let is_addressed_alike = self
            .bridges
            .get(&bridge.uuid)
            .is_some_and(|bridged| (bridged.mac, bridged.mtu) == self.address_of(bridge));
        if !is_addressed_alike {
            return false;
        }
        for (id, wanted) in &come {
            self.settle_in(*id, wanted);
        }
        let ports: Vec<_> =
            come.iter().filter_map(|(id, wanted)| config::of_port(*id, wanted, self)).collect();
        // What passed under the old configuration is credited to it.
        drop(self.core.fresh());
        let names: Vec<&str> = gone.iter().map(String::as_str).collect();
        let uuid = config::uuid_of(bridge);
        let now = slowpath::now();
        if !slowpath::write_between(self.core.switch()).exchange_ports(uuid, &names, &ports, now) {
            return false;
        }
        self.attach_these(come.iter().map(|(id, _)| *id));
        // Whether more than links is otherwise is looked at when the kernel's news are.
        let changed = self.links.take_changed();
        self.look_at_some(&changed);
        self.links.put_back(changed);
        true
    }

    /// Lets go of the ports that are not wanted any more; their names.
    fn let_go(&mut self, exchange: &Exchange) -> Vec<String> {
        let mut gone = Vec::new();
        for interface in exchange.gone.iter().flat_map(|port| &port.interfaces) {
            let Some(uuid) = interface.uuid else { continue };
            if let Some(standing) = self.standing.remove(Id::Row(uuid)) {
                self.core.remove_port(standing.spec.id);
                self.free_number(&standing);
                gone.push(standing.name);
            }
        }
        if !gone.is_empty() {
            // Their names may be wanted again.
            self.core.settle();
            self.look();
        }
        gone
    }

    /// Number, address and queues of a port that was opened.
    fn settle_in(&mut self, id: Id, wanted: &Wanted<'_>) {
        if !self.standing.contains_key(&id) {
            return;
        }
        let wish = Wish { request: wanted.interface.ofport_request, before: wanted.interface.ofport };
        let number = self.bridges.entry(wanted.bridge.uuid).or_default().numbers.add(wish);
        let Some(number) = number else { return self.abandon(id, NO_NUMBER) };
        self.dress(id, wanted);
        if let Some(standing) = self.standing.get_mut(id) {
            standing.number = OfPort(u32::from(number));
            standing.qos = (wanted.port.qos.clone(), wanted.interface.policing);
        }
    }
}
