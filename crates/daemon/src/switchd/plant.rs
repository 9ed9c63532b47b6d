//! What stands: devices, ports, bridges; brought from one wish to the next at the cost of the difference.
//!
//! ```text
//! Desired ──► who goes ──► who comes: devices ──► numbers, addresses ──► switch::Config ──► ports to workers ──► doors
//! ```
//!
//! An interface that cannot be opened is left out, and its error noted; it is tried again whenever something changes,
//! interfaces of the machine included. So a device that comes later is a port from then on.

mod exchange;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use netloom_datapath::{Attach, PortSpec};
use netloom_flow::{OfPort, Policing, PortId, Qos, TenantId};
use netloom_ovsdb::Uuid;
use netloom_sys::HostError;

use super::config;
use super::controllers;
use super::desired::{Bridge, Desired, Interface, Kind, Port};
use super::devices::{self, Opened};
use super::doors::Doors;
use super::dummy::Dummies;
use super::links::Links;
use super::ofports::{Numbers, Wish};
use crate::core::Core;
use crate::engine::tunnels::Tunnels;
use crate::openflow::Control;
use crate::slowpath;
use crate::worker::Device;

/// Which interface: by its row, or the local port of a bridge without a row for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    /// The row of the interface.
    Row(Uuid),
    /// The row of the bridge.
    Local(Uuid),
}

impl Id {
    pub(super) fn of(bridge: &Bridge, interface: &Interface) -> Self {
        interface.uuid.map_or(Self::Local(bridge.uuid), Self::Row)
    }
}

/// An interface that is a port.
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) bridge: Uuid,
    pub(super) kind: Kind,
    /// The index of the machine's interface, if it is one.
    pub(super) index: Option<u32>,
    pub(super) number: OfPort,
    pub(super) spec: PortSpec,
    pub(super) qos: (Option<Qos>, Option<Policing>),
    /// MTU and address of its device, as controllers are told.
    shown: Option<(u32, Option<[u8; 6]>)>,
    /// How often its link went up or down.
    pub(super) resets: u64,
    /// What it is told to workers with, once.
    device: Option<Box<dyn Device>>,
    /// Workers know it.
    attached: bool,
}

/// A bridge that stands.
#[derive(Debug, Default)]
pub(super) struct Bridged {
    pub(super) mac: [u8; 6],
    pub(super) datapath_id: u64,
    /// The least of the devices that lead elsewhere.
    mtu: Option<u32>,
    numbers: Numbers,
}

/// What stands.
pub(super) struct Plant {
    pub(super) core: Core,
    tunnels: Tunnels,
    pub(super) links: Links,
    /// Devices without a machine behind them.
    pub(super) dummies: Dummies,
    doors: Doors,
    /// Where relative paths of controllers are.
    dir: PathBuf,
    last_port: u32,
    pub(super) standing: BTreeMap<Id, Standing>,
    /// Interfaces that could not be opened.
    pub(super) failed: BTreeMap<Id, String>,
    pub(super) bridges: BTreeMap<Uuid, Bridged>,
    /// What was wanted last.
    pub(super) desired: Desired,
    /// What is otherwise than when it was told last.
    pub(super) news: News,
}

/// Whose status is to be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Everybody's.
    All,
    /// Of these interfaces, and of whatever is no interface.
    Of(BTreeSet<Id>),
}

impl News {
    fn add(&mut self, id: Id) {
        if let Self::Of(ids) = self {
            ids.insert(id);
        }
    }
}

/// Why an interface is no port.
const NO_NUMBER: &str = "no OpenFlow port number is left";
/// The only worker.
const WORKERS: usize = 1;
/// All ports are of one tenant: a database knows none.
const TENANT: TenantId = TenantId(0);

impl Plant {
    /// Nothing yet. `seed` keys hashes; sockets are made in `dir`.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(super) fn start(seed: u64, dir: PathBuf, dummies: Dummies) -> Result<Self, HostError> {
        Ok(Self {
            core: Core::start(seed, WORKERS)?,
            tunnels: Tunnels::default(),
            links: Links::open()?,
            dummies,
            doors: Doors::new(dir.clone()),
            dir,
            last_port: 0,
            standing: BTreeMap::new(),
            failed: BTreeMap::new(),
            bridges: BTreeMap::new(),
            desired: Desired::default(),
            news: News::All,
        })
    }

    /// Makes everything be as it is wanted.
    pub(super) fn apply(&mut self, desired: Desired) {
        let told = std::mem::take(&mut self.failed);
        let exchanges = if told.is_empty() { self.desired.exchanges(&desired) } else { None };
        let is_done = exchanges.is_some_and(|all| all.iter().all(|it| self.exchange(&desired, it)));
        if !is_done {
            self.failed.clear();
            self.news = News::All;
            self.go_on(&desired);
        }
        for (id, why) in self.failed.iter().filter(|(id, why)| told.get(id) != Some(why)) {
            tracing::warn!(target: "bridge", interface = ?id, "{why}");
        }
        self.desired = desired;
    }

    /// Looks at the machine's interfaces again, and does what follows.
    pub(super) fn again(&mut self) {
        self.look();
        if self.failed.is_empty() && !self.is_outdated() {
            return self.look_at_links();
        }
        let desired = std::mem::take(&mut self.desired);
        self.apply(desired);
    }

    /// Whether some device is another one than it was, or gone.
    fn is_outdated(&self) -> bool {
        let is_another = |standing: &Standing| {
            let Some(index) = standing.index else { return false };
            let link = self.links.at(index).filter(|link| link.name == standing.name);
            link.map(|link| (link.mtu, link.mac)) != standing.shown
        };
        self.standing.values().any(is_another)
            || self.desired.bridges.iter().any(|bridge| {
                let (mac, mtu) = self.address_of(bridge);
                let bridged = self.bridges.get(&bridge.uuid);
                bridged.is_none_or(|bridged| (bridged.mac, bridged.mtu) != (mac, mtu))
            })
    }

    fn look(&mut self) {
        if let Err(error) = self.links.look() {
            tracing::error!(target: "bridge", %error, "the machine's interfaces are as they were known");
        }
    }

    fn go_on(&mut self, desired: &Desired) {
        self.look();
        self.bridges.retain(|uuid, _| desired.bridges.iter().any(|bridge| bridge.uuid == *uuid));
        let wanted = self.choose(desired);
        self.remove(&wanted);
        self.open(&wanted);
        self.number(desired, &wanted);
        self.address(desired, &wanted);
        self.join(&wanted);
        if !self.configure(desired, &wanted) {
            return;
        }
        self.attach();
        self.look_at_links();
        self.serve(desired);
    }

    /// The interfaces that are to be ports, the others noted as failed.
    fn choose<'d>(&mut self, desired: &'d Desired) -> BTreeMap<Id, Wanted<'d>> {
        let mut wanted = BTreeMap::new();
        let mut names = BTreeSet::new();
        for (bridge, port, interface) in desired.interfaces() {
            let id = Id::of(bridge, interface);
            let first = port.interfaces.first().is_some_and(|first| first.name == interface.name);
            if !first {
                let text = format!("bonds have no effect: {} uses its first interface only", port.name);
                self.failed.insert(id, text);
            } else if names.insert(interface.name.as_str()) {
                wanted.insert(id, Wanted { bridge, port, interface });
            } else {
                let text = format!("interface {} is in use elsewhere", interface.name);
                self.failed.insert(id, text);
            }
        }
        wanted
    }

    /// Lets go of what is not wanted any more, or is another device now.
    fn remove(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        let (links, core, tunnels) = (&self.links, &self.core, &self.tunnels);
        let mut removed = false;
        self.standing.retain(|id, standing| {
            let is_there = match standing.index {
                Some(index) => links.at(index).is_some_and(|link| link.name == standing.name),
                None => true,
            };
            let stays = is_there
                && wanted.get(id).is_some_and(|wanted| {
                    wanted.interface.kind == standing.kind || is_patch(&wanted.interface.kind, &standing.kind)
                });
            if !stays {
                core.remove_port(standing.spec.id);
                tunnels.close(core, standing.spec.id);
                removed = true;
            }
            stays
        });
        if removed {
            // Their names may be wanted again.
            self.core.settle();
            self.look();
        }
    }

    fn open(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for (id, wanted) in wanted {
            if let Some(standing) = self.standing.get_mut(id) {
                standing.kind = wanted.interface.kind.clone();
                standing.bridge = wanted.bridge.uuid;
                continue;
            }
            self.open_one(*id, wanted);
        }
        if self.standing.values().any(|standing| standing.device.is_some()) {
            self.look();
        }
    }

    fn open_one(&mut self, id: Id, wanted: &Wanted<'_>) {
        let next = &mut self.last_port;
        let mut fresh = || {
            *next += 1;
            PortId(*next)
        };
        let port = fresh();
        let parts = (&self.core, &self.tunnels);
        let dummies = (&mut self.dummies, wanted.bridge.datapath_type.as_str());
        match devices::open(wanted.interface, port, parts, &self.links, dummies, &mut fresh) {
            Ok(Opened { device, index }) => {
                let standing = Standing {
                    name: wanted.interface.name.clone(),
                    bridge: wanted.bridge.uuid,
                    kind: wanted.interface.kind.clone(),
                    index,
                    number: OfPort::NONE,
                    spec: PortSpec::new(port, TENANT, Attach::Switch),
                    qos: (None, None),
                    shown: None,
                    resets: 0,
                    device,
                    attached: false,
                };
                self.standing.insert(id, standing);
            }
            Err(why) => drop(self.failed.insert(id, why)),
        }
    }

    /// Gives each port its OpenFlow number.
    fn number(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for bridge in &desired.bridges {
            let ours = wanted.iter().filter_map(|(id, wanted)| {
                let standing = self.standing.get(id).filter(|_| wanted.bridge.uuid == bridge.uuid)?;
                (!wanted.interface.is_local()).then_some((*id, standing, wanted.interface))
            });
            let mut wishes: Vec<_> = ours.collect();
            wishes.sort_by(|(_, a, _), (_, b, _)| a.name.cmp(&b.name));
            let wish = |(id, standing, interface): &(Id, &Standing, &Interface)| {
                let now = u16::try_from(standing.number.0).ok().filter(|number| *number != 0);
                let before = now.or(interface.ofport);
                (*id, Wish { request: interface.ofport_request, before })
            };
            let wishes: Vec<(Id, Wish)> = wishes.iter().map(wish).collect();
            let numbers = self.bridges.entry(bridge.uuid).or_default().numbers.allot(&wishes);
            for (id, number) in numbers {
                match (number, self.standing.get_mut(&id)) {
                    (Some(number), Some(standing)) => standing.number = OfPort(u32::from(number)),
                    _ => self.abandon(id, NO_NUMBER),
                }
            }
        }
        for (id, wanted) in wanted {
            if let Some(standing) = self.standing.get_mut(id).filter(|_| wanted.interface.is_local()) {
                standing.number = OfPort::LOCAL;
            }
        }
    }

    fn abandon(&mut self, id: Id, why: &str) {
        if let Some(standing) = self.standing.remove(&id) {
            self.core.remove_port(standing.spec.id);
            self.tunnels.close(&self.core, standing.spec.id);
        }
        self.failed.insert(id, why.to_owned());
    }

    /// Gives bridges and their own devices their addresses and MTUs.
    fn address(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for bridge in &desired.bridges {
            let (mac, mtu) = self.address_of(bridge);
            let [a, b, c, d, e, f] = mac;
            let of_mac = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            let bridged = self.bridges.entry(bridge.uuid).or_default();
            (bridged.mac, bridged.mtu) = (mac, mtu);
            bridged.datapath_id = bridge.datapath_id.unwrap_or(of_mac);
            for (id, wanted) in wanted.iter().filter(|(_, wanted)| wanted.bridge.uuid == bridge.uuid) {
                self.dress(*id, wanted);
            }
        }
    }

    /// The address of a bridge, and the MTU of its own devices.
    fn address_of(&self, bridge: &Bridge) -> ([u8; 6], Option<u32>) {
        // What only copies leave by lends the bridge no address.
        let is_output =
            |name: &str| bridge.mirrors.iter().any(|(_, mirror)| mirror.output_port.as_deref() == Some(name));
        let is_outer = |it: &&Standing| it.bridge == bridge.uuid && it.kind == Kind::System;
        let outer = self.standing.values().filter(is_outer).filter(|it| !is_output(&it.name));
        let links: Vec<_> = outer.filter_map(|standing| self.links.at(standing.index?)).collect();
        let macs = links.iter().filter_map(|link| link.mac);
        let lowest = macs.filter(|mac| mac[0] & 1 == 0 && *mac != [0; 6]).min();
        let mac = bridge.hwaddr.or(lowest).unwrap_or_else(|| own_address(bridge.uuid));
        (mac, links.iter().map(|link| link.mtu).min())
    }

    /// Gives a device its address and MTU.
    fn dress(&mut self, id: Id, wanted: &Wanted<'_>) {
        let Some(index) = self.standing.get(&id).and_then(|standing| standing.index) else { return };
        let (interface, bridged) = (wanted.interface, self.bridges.get(&wanted.bridge.uuid));
        let is_own = matches!(interface.kind, Kind::Internal { .. });
        let of_bridge = bridged.map(|bridged| bridged.mac).filter(|_| interface.is_local());
        let address = interface.mac.or(of_bridge).filter(|_| is_own);
        let mtu = interface.mtu_request.or(bridged.and_then(|bridged| bridged.mtu).filter(|_| is_own));
        self.links.change(index, address, mtu);
        let shown = self.links.at(index).map(|link| (link.mtu, link.mac));
        if let Some(standing) = self.standing.get_mut(&id) {
            standing.shown = shown;
        }
    }

    /// Says what lies behind each port: the other end of a link, or a device.
    fn join(&mut self, wanted: &BTreeMap<Id, Wanted<'_>>) {
        let ends: BTreeMap<String, (String, PortId)> = self
            .standing
            .values()
            .filter_map(|standing| match &standing.kind {
                Kind::Patch { peer } => Some((standing.name.clone(), (peer.clone(), standing.spec.id))),
                _ => None,
            })
            .collect();
        for (id, standing) in &mut self.standing {
            if let Kind::Patch { peer } = &standing.kind {
                let other = ends.get(peer).filter(|(back, _)| *back == standing.name);
                let attach = other.map_or(Attach::Switch, |(_, port)| Attach::Peer(*port));
                if standing.spec.attach != attach {
                    (standing.spec.attach, standing.attached) = (attach, false);
                }
            }
            let Some(wanted) = wanted.get(id) else { continue };
            let qos = (wanted.port.qos.clone(), wanted.interface.policing);
            if standing.qos != qos {
                standing.qos = qos;
                if standing.attached {
                    self.core.set_qos(standing.spec.id, &standing.qos);
                }
            }
        }
    }

    /// Has the switch model be as wanted. `false`: it refuses, which would be a mistake of ours.
    fn configure(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) -> bool {
        let config = config::of(desired, wanted, self);
        // What passed under the old configuration is credited to it.
        drop(self.core.fresh());
        let done = slowpath::write_between(self.core.switch()).reconfigure(&config, slowpath::now());
        if let Err(error) = &done {
            tracing::error!(target: "bridge", %error, "the bridges stay as they are");
        }
        done.is_ok()
    }

    /// Tells workers of ports that they do not know, or that are something else now.
    fn attach(&mut self) {
        for standing in self.standing.values_mut().filter(|standing| !standing.attached) {
            if let Some(link) = standing.index.and_then(|index| self.links.at(index)) {
                standing.spec.up = link.up && link.carrier;
            }
            self.core.add_port(&standing.spec, standing.device.take());
            if standing.qos != (None, None) {
                self.core.set_qos(standing.spec.id, &standing.qos);
            }
            standing.attached = true;
        }
        self.core.settle();
    }

    /// Takes ports up and down as their devices are.
    pub(super) fn look_at_links(&mut self) {
        for (id, standing) in &mut self.standing {
            let Some(link) = standing.index.and_then(|index| self.links.at(index)) else { continue };
            let up = link.up && link.carrier;
            if standing.spec.up != up {
                self.news.add(*id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
    }

    /// Takes a dummy device up or down, or all of them. `false`: there is none of this name.
    pub(super) fn set_dummy(&mut self, name: Option<&str>, up: bool) -> bool {
        let mut found = false;
        for (id, standing) in &mut self.standing {
            if !self.dummies.has(&standing.name) || name.is_some_and(|name| name != standing.name) {
                continue;
            }
            found = true;
            if standing.spec.up != up {
                self.news.add(*id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
        found
    }

    /// Sockets and controllers of all bridges.
    fn serve(&mut self, desired: &Desired) {
        let service = self.core.openflow();
        let stays =
            |name: &str, uuid: Uuid| desired.bridges.iter().any(|it| it.name == name && it.uuid == uuid);
        self.doors.close(service, stays);
        for bridge in &desired.bridges {
            service.control(&bridge.name, controllers::control(desired, bridge, &self.dir));
            self.doors.open(service, &bridge.name, bridge.uuid);
        }
        service.barrier();
    }
}

impl Plant {
    /// The port by which packets of such tunnels come in.
    pub(super) fn door_of(&self, settings: &netloom_netdev::TunnelSettings) -> Option<PortId> {
        self.tunnels.door_of(settings)
    }

    /// Hangs up on the controllers of a bridge, or of all, and has them called anew.
    pub(super) fn reconnect(&self, bridge: Option<&str>) {
        let service = self.core.openflow();
        for wanted in self.desired.bridges.iter().filter(|it| bridge.is_none_or(|name| it.name == name)) {
            let control = controllers::control(&self.desired, wanted, &self.dir);
            let none =
                Control { versions: control.versions, standalone: control.standalone, remotes: Vec::new() };
            service.control(&wanted.name, none);
            service.control(&wanted.name, control);
        }
        service.barrier();
    }
}

/// An interface that is to be a port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'d> {
    pub(super) bridge: &'d Bridge,
    pub(super) port: &'d Port,
    pub(super) interface: &'d Interface,
}

impl Interface {
    /// Whether it is the bridge's own device.
    pub(super) const fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Internal { local: true })
    }
}

/// A link to another bridge stays what it is, whatever its other end.
const fn is_patch(a: &Kind, b: &Kind) -> bool {
    matches!((a, b), (Kind::Patch { .. }, Kind::Patch { .. }))
}

/// An address of local administration that is of one station, the same for the same row.
fn own_address(bridge: Uuid) -> [u8; 6] {
    let text = bridge.to_string();
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut mac = [0; 6];
    for (byte, pair) in mac.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).unwrap_or_default();
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    mac[0] = mac[0] & !0x03 | 0x02;
    mac
}
