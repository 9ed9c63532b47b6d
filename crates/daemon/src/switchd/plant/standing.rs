//! What stands: interfaces that are ports, and bridges.

use netloom_datapath::PortSpec;
use netloom_flow::{OfPort, Policing, Qos};
use netloom_ovsdb::Uuid;

use crate::switchd::desired::{Bridge, Interface, Kind};
use crate::switchd::ofports::Numbers;
use crate::worker::Device;

/// Which interface: by its row, or the local port of a bridge without a row for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::switchd) enum Id {
    /// The row of the interface.
    Row(Uuid),
    /// The row of the bridge.
    Local(Uuid),
}

impl Id {
    pub(in crate::switchd) fn of(bridge: &Bridge, interface: &Interface) -> Self {
        interface.uuid.map_or(Self::Local(bridge.uuid), Self::Row)
    }
}

/// An interface that is a port.
pub(in crate::switchd) struct Standing {
    pub(in crate::switchd) name: String,
    pub(in crate::switchd) bridge: Uuid,
    pub(in crate::switchd) kind: Kind,
    /// The index of the machine's interface, if it is one.
    pub(in crate::switchd) index: Option<u32>,
    pub(in crate::switchd) number: OfPort,
    pub(in crate::switchd) spec: PortSpec,
    pub(in crate::switchd) qos: (Option<Qos>, Option<Policing>),
    /// MTU and address of its device, as controllers are told.
    pub(super) shown: Option<(u32, Option<[u8; 6]>)>,
    /// How often its link went up or down.
    pub(in crate::switchd) resets: u64,
    /// What it is told to workers with, once.
    pub(super) device: Option<Box<dyn Device>>,
    /// Workers know it.
    pub(super) attached: bool,
}

/// A bridge that stands.
#[derive(Debug, Default)]
pub(in crate::switchd) struct Bridged {
    pub(in crate::switchd) mac: [u8; 6],
    pub(in crate::switchd) datapath_id: u64,
    /// The least of the devices that lead elsewhere.
    pub(super) mtu: Option<u32>,
    pub(super) numbers: Numbers,
}
