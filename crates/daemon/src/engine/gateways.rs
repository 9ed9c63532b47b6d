//! The gateways of a lab's networks.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_datapath::Port;
use netloom_netdev::{Doors, GatewayControl, GatewayCounters, GatewayPort, GatewaySettings};
use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

use crate::host::HostNet;
use crate::outside::{GatewayRoom, Outside, Sockets, open_gateway};

/// The gateways of a lab, by the name of their node.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    open: Mutex<BTreeMap<String, Vec<Gateway>>>,
    /// What those of a tenant share.
    rooms: Mutex<BTreeMap<String, GatewayRoom>>,
}

/// A gateway's port. It lives as long as the port does; what is kept here only speaks to it.
#[derive(Debug)]
struct Gateway {
    control: GatewayControl,
    counters: Arc<GatewayCounters>,
    doors: Doors,
}

impl Gateways {
    /// The driver of a gateway's interface, with the gateway in front of it.
    ///
    /// # Errors
    /// What the host refused.
    pub(super) fn open<D: Port + AsFd>(
        &self,
        outside: &Outside,
        (name, netns, net): (&str, &NetNs, &HostNet),
        device: D,
    ) -> Result<GatewayPort<D>, HostError> {
        let sockets = netns.run(Sockets::open)??;
        let doors = sockets.doors;
        let counters = Arc::<GatewayCounters>::default();
        let tenant = name.rsplit_once('/').map_or("", |(tenant, _)| tenant);
        let room = self
            .rooms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(tenant.to_owned())
            .or_default()
            .clone();
        let (port, control) = open_gateway(outside, device, sockets, settings(net, doors), &counters, &room)?;
        self.all().entry(name.to_owned()).or_default().push(Gateway { control, counters, doors });
        Ok(port)
    }

    /// Tells the gateways how the lab's networks are now, and forgets those that are gone.
    pub(super) fn update<'n>(&self, nets: impl Fn(&str) -> Option<&'n HostNet>) {
        self.all().retain(|name, gateways| {
            let net = nets(name).filter(|net| net.outlet.is_some());
            // Of several the last is the one that serves: the others made way for it.
            if let Some(net) = net {
                gateways.drain(..gateways.len().saturating_sub(net.interfaces.len().max(1)));
                gateways.iter().for_each(|it| it.control.set_up(settings(net, it.doors)));
            }
            net.is_some()
        });
    }

    /// What a node's gateway has done, by name: nothing for a node that is none.
    pub(super) fn counters(&self, node: &str) -> Vec<(&'static str, u64)> {
        let all = self.all();
        let mut sums: Vec<(&'static str, u64)> = Vec::new();
        for gateway in all.get(node).into_iter().flatten() {
            for (name, number) in gateway.counters.all() {
                match sums.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, sum)) => *sum += number,
                    None => sums.push((name, number)),
                }
            }
        }
        sums
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Gateway>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settings(net: &HostNet, doors: Doors) -> GatewaySettings {
    let own = net.interfaces.iter().flat_map(|interface| &interface.addresses).map(|(ip, _)| *ip);
    GatewaySettings { own: own.collect(), doors, denied: net.outlet.clone().unwrap_or_default() }
}
