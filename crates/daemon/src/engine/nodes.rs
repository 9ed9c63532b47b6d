//! Making, changing and removing nodes.

use std::sync::Arc;

use netloom_api::Progress;
use netloom_flow::PortId;
use netloom_lab::plan::Phase;
use netloom_netdev::{DatagramPort, PacketPort, TapPort};
use netloom_sys::HostError;
use netloom_sys::datagram::Datagrams;
use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};
use netloom_sys::netns::{NetNs, NetNsMaker};
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::tap::Tap;

use super::Running;
use super::guests::GuestPort;
use super::running::Nic;
use crate::Sink;
use crate::host::{self, Cards, Fabric, FurnishError, Furnished, HostInterface, HostNet, PortKind};
use crate::worker::Device;

/// Threads that make namespaces. The kernel makes most of one under a single lock, so more than two do not pay.
const MAKERS: usize = 2;
/// Bytes of frames that may wait for a virtual machine, and for the switch.
const SOCKET_BYTES: usize = 2 << 20;
/// Pairs of queues of a card. More take interrupts of their own, which QEMU 7.2 does not survive under emulation.
const PAIRS: u8 = 1;

/// A node could not be made or changed.
#[derive(Debug, thiserror::Error)]
#[error("Cannot set up node {node}")]
pub(super) struct NodeError {
    /// Its name.
    pub(super) node: String,
    /// What the host refused.
    pub(super) source: FurnishError,
}

/// Devices that were made, each with the number of its port.
pub(super) type Devices = Vec<(u32, Box<dyn Device>)>;

/// A node fresh from the makers.
pub(super) struct Made {
    /// Its namespace.
    pub(super) netns: Arc<NetNs>,
    /// Its devices, in the order of its interfaces.
    pub(super) devices: Devices,
    /// A virtual machine's interfaces.
    pub(super) nics: Vec<Nic>,
}

impl Running {
    /// Makes many nodes at once. On failure all of them are gone again.
    ///
    /// # Errors
    /// The first that failed.
    pub(super) fn make_nodes(&self, nets: &[(String, HostNet)], sink: &Sink) -> Result<Vec<Made>, NodeError> {
        let failed = |node: &str| {
            let node = node.to_owned();
            move |source: FurnishError| NodeError { node, source }
        };
        let first = nets.first().map_or("", |(name, _)| name.as_str());
        let fabric = self.fabric_for(nets.iter().map(|(_, net)| net)).map_err(|e| failed(first)(e.into()))?;
        let makers = (0..MAKERS)
            .map(|_| NetNsMaker::start())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| failed(first)(e.into()))?;
        let pending: Vec<_> = nets
            .iter()
            .zip(makers.iter().cycle())
            .map(|((_, net), maker)| {
                let (net, fabric) = (net.of_namespace(), fabric.clone());
                maker.make(move |_| host::furnish(&net, fabric.as_ref().map(|f| f.netns().raw())))
            })
            .collect();
        let mut made = Vec::with_capacity(nets.len());
        for ((name, net), pending) in nets.iter().zip(pending) {
            let (netns, furnished) = pending.wait().map_err(|e| failed(name)(e.into()))?;
            let mut nics = Vec::new();
            let devices = furnished
                .and_then(|f| match (net.guest, &net.real) {
                    (Some(cards), _) => self.cards(cards, &net.interfaces, &mut nics),
                    (None, Some(real)) => self.real(real, &net.interfaces),
                    (None, None) => self.devices((name, &netns, net), &net.interfaces, f, fabric.as_deref()),
                })
                .map_err(failed(name))?;
            made.push(Made { netns: Arc::new(netns), devices, nics });
            sink.send(Progress::Item {
                phase: Phase::AddNodes.label().to_owned(),
                done: made.len() as u64,
                item: name.clone(),
            });
        }
        Ok(made)
    }

    /// Makes a living node be as `new`; returns the devices that are new.
    ///
    /// # Errors
    /// What the host refused; the caller puts the node back.
    pub(super) fn change_node(
        &self,
        name: &str,
        netns: &NetNs,
        old: &HostNet,
        new: &HostNet,
    ) -> Result<Devices, NodeError> {
        if new.real.is_some() {
            // Its namespace has nothing of it.
            return Ok(Devices::new());
        }
        let failed = |source: FurnishError| NodeError { node: name.to_owned(), source };
        let fabric = self.fabric_for([new]).map_err(|e| failed(e.into()))?;
        let raw = fabric.as_ref().map(|f| f.netns().raw());
        let furnished =
            netns.run(|| host::change(old, new, raw)).map_err(|e| failed(e.into()))?.map_err(failed)?;
        let fresh = |i: &&HostInterface| !old.interfaces.iter().any(|o| host::same_device(o, i));
        let interfaces: Vec<HostInterface> = new.interfaces.iter().filter(fresh).cloned().collect();
        // `change` has a place for every interface; only the fresh ones have devices to be opened.
        let taps = new.interfaces.iter().zip(furnished.taps).filter(|(i, _)| fresh(i)).map(|(_, tap)| tap);
        let furnished = Furnished { taps: taps.collect() };
        self.devices((name, netns, new), &interfaces, furnished, fabric.as_deref()).map_err(failed)
    }

    /// The drivers of interfaces that were just made.
    fn devices(
        &self,
        node: (&str, &NetNs, &HostNet),
        interfaces: &[HostInterface],
        furnished: Furnished,
        fabric: Option<&Fabric>,
    ) -> Result<Devices, FurnishError> {
        let device = |(interface, tap): (&HostInterface, Option<Tap>)| -> Result<_, FurnishError> {
            let device: Box<dyn Device> = match (tap, fabric) {
                (Some(tap), _) => self.driver(node, TapPort::new(tap))?,
                (None, Some(fabric)) => {
                    self.driver(node, PacketPort::new(fabric.netns().run(|| open_packet(interface))??))?
                }
                (None, None) => return Err(no_fabric(interface).into()),
            };
            Ok((interface.port, device))
        };
        interfaces.iter().zip(furnished.taps).map(device).collect()
    }

    /// A gateway's driver has the gateway in front of it.
    fn driver<D: Device + 'static>(
        &self,
        (name, netns, net): (&str, &NetNs, &HostNet),
        device: D,
    ) -> Result<Box<dyn Device>, HostError> {
        match &net.outlet {
            None => Ok(Box::new(device)),
            Some(_) => Ok(Box::new(self.gateways.open(&self.outside, (name, netns, net), device)?)),
        }
    }

    fn fabric_for<'a>(
        &self,
        nets: impl IntoIterator<Item = &'a HostNet>,
    ) -> Result<Option<Arc<Fabric>>, HostError> {
        let is_here = |net: &HostNet| net.guest.is_none() && net.real.is_none();
        let packet =
            |net: &HostNet| is_here(net) && net.interfaces.iter().any(|i| i.kind == PortKind::Packet);
        if nets.into_iter().any(packet) { self.fabric().map(Some) } else { Ok(None) }
    }

    /// The ports of a virtual machine's interfaces; what the machine has of them is kept in `nics`.
    fn cards(
        &self,
        cards: Cards,
        interfaces: &[HostInterface],
        nics: &mut Vec<Nic>,
    ) -> Result<Devices, FurnishError> {
        let device = |interface: &HostInterface| -> Result<_, FurnishError> {
            let (nic, device) = self.card(Some(cards), interface)?;
            nics.push(nic);
            Ok((interface.port, device))
        };
        interfaces.iter().map(device).collect()
    }

    /// A new card of a virtual machine: what the machine has of it, and the driver of its port.
    ///
    /// # Errors
    /// What the host refused: no descriptor left, a place that is taken.
    pub(super) fn card(
        &self,
        cards: Option<Cards>,
        interface: &HostInterface,
    ) -> Result<(Nic, Box<dyn Device>), HostError> {
        match cards {
            Some(Cards::Rings) => self.rings(PortId(interface.port)),
            Some(Cards::Datagrams) => {
                let (ours, theirs) = Datagrams::pair(SOCKET_BYTES)?;
                let nic = Nic::Datagrams { guest: Arc::new(theirs), port: Arc::new(ours) };
                let device = self.device(&nic)?;
                Ok((nic, device))
            }
            None => Err(HostError::new("make a card", interface.name.clone(), netloom_sys::Errno::NODEV)),
        }
    }

    /// The port of an interface of the machine.
    fn real(&self, name: &str, interfaces: &[HostInterface]) -> Result<Devices, FurnishError> {
        let core = self.core().ok_or_else(|| HostError::new("open", name, netloom_sys::Errno::NODEV))?;
        let open = |interface: &HostInterface| {
            Ok((interface.port, self.interfaces.open(core, PortId(interface.port), name)?))
        };
        interfaces.iter().map(open).collect()
    }

    /// A driver of a virtual machine's port, in place of one that was there.
    ///
    /// # Errors
    /// What the host refused: no descriptor left.
    pub(super) fn device(&self, nic: &Nic) -> Result<Box<dyn Device>, HostError> {
        match nic {
            Nic::Datagrams { port, .. } => Ok(Box::new(DatagramPort::new(port.try_clone()?))),
            Nic::Rings { port, .. } => Ok(self.rings(*port)?.1),
        }
    }

    fn rings(&self, port: PortId) -> Result<(Nic, Box<dyn Device>), HostError> {
        let core = self.core().ok_or_else(|| {
            HostError::new("serve the card of", port.0.to_string(), netloom_sys::Errno::NODEV)
        })?;
        let GuestPort { device, folder, .. } =
            self.guests.open(core, &self.home, &self.ledger, port, PAIRS)?;
        Ok((Nic::Rings { port, folder }, device))
    }
}

/// Raises our end of a veth pair and opens a packet socket on it. Runs inside the fabric.
fn open_packet(interface: &HostInterface) -> Result<PacketSocket, FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    let index = netlink.index_of(&Fabric::name(interface.port))?;
    let change = LinkChange { up: Some(true), no_ipv6_autoconf: true, ..LinkChange::default() };
    netlink.batch(&[Request::SetLink { index, change }, Request::DropIngress { index }])?;
    Ok(PacketSocket::open(index, PacketOptions::default())?)
}

fn no_fabric(interface: &HostInterface) -> HostError {
    HostError::new("find the other end of", interface.name.clone(), netloom_sys::Errno::NODEV)
}
