//! What the rows of the database want, as one value: two that are equal need nothing done between them.
//!
//! Reading decides nothing about the machine. What a row asks for that has no effect is noted beside it, to be told in
//! the `status` of the row.
//!
//! Source: ovs-vswitchd.conf.db(5).

mod bridge;
mod difference;
mod interface;
mod known;
mod mirror;
mod qos;
mod rows;
#[cfg(test)]
mod tests;
mod tunnel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netloom_flow::{Nanos, Policing, Qos};
use netloom_netdev::{DummyFiles, TunnelSettings};
use netloom_openflow::Versions;
use netloom_ovsdb::{Replica, Uuid};
use netloom_switch::config::{Mirror, PriorityTags, QinqType, VlanMode};

pub(super) use difference::Exchange;
pub(super) use interface::MAX_OFPORT;
pub(super) use known::Known;
use rows::Rows;

/// Everything that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Desired {
    /// The number of the configuration, which whoever wrote it waits for.
    pub(super) next_cfg: i64,
    /// How often statistics are written.
    pub(super) stats_interval: Duration,
    /// Somebody puts flows back first: until it is done, no controller is called.
    pub(super) flow_restore_wait: bool,
    /// Files of TLS: private key, certificate, certificate of the authority.
    pub(super) ssl: Option<[String; 3]>,
    /// By name.
    pub(super) bridges: Vec<Bridge>,
}

/// A bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bridge {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    /// As it stands in the row; all are served by the same datapath.
    pub(super) datapath_type: String,
    /// `fail_mode` is `secure`.
    pub(super) secure: bool,
    pub(super) versions: Versions,
    pub(super) protocols: Vec<String>,
    pub(super) controllers: Vec<Controller>,
    /// `other_config:hwaddr`.
    pub(super) hwaddr: Option<[u8; 6]>,
    /// `other_config:datapath-id`, of the right form.
    pub(super) datapath_id: Option<u64>,
    pub(super) mac_aging_time: u32,
    pub(super) mac_table_size: u32,
    pub(super) flood_vlans: Vec<u16>,
    /// By their row, with the names of ports.
    pub(super) mirrors: Vec<(Uuid, Mirror)>,
    pub(super) other_config: BTreeMap<String, String>,
    pub(super) external_ids: BTreeMap<String, String>,
    /// In the order of their rows; the local port is always among them.
    pub(super) ports: Vec<Arc<Port>>,
    /// What is asked for and has no effect.
    pub(super) without_effect: Vec<&'static str>,
}

/// A controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) uuid: Uuid,
    pub(super) target: String,
    /// After so long without a byte it is asked whether it is there; `None`: never.
    pub(super) probe: Option<Nanos>,
    pub(super) max_backoff: Nanos,
    /// Its traffic passes whatever the flows say.
    pub(super) in_band: bool,
}

/// A port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Port {
    /// `None`: the local port of a bridge that has no row for it.
    pub(super) uuid: Option<Uuid>,
    pub(super) name: String,
    pub(super) vlan_mode: Option<VlanMode>,
    pub(super) tag: Option<u16>,
    pub(super) trunks: Vec<u16>,
    pub(super) cvlans: Vec<u16>,
    pub(super) qinq_ethtype: QinqType,
    pub(super) priority_tags: PriorityTags,
    pub(super) protected: bool,
    pub(super) qos: Option<Qos>,
    /// By name.
    pub(super) interfaces: Vec<Interface>,
    pub(super) without_effect: Vec<&'static str>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// As of [`Port::uuid`].
    pub(super) uuid: Option<Uuid>,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The number that is asked for.
    pub(super) ofport_request: Option<u16>,
    /// The number it had, perhaps in another process.
    pub(super) ofport: Option<u16>,
    /// The address it is to get.
    pub(super) mac: Option<[u8; 6]>,
    pub(super) mtu_request: Option<u32>,
    pub(super) policing: Option<Policing>,
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A device that is there.
    System,
    /// A device of the bridge's own; `local`: the one that is called as the bridge is.
    Internal {
        /// It is the local port.
        local: bool,
    },
    /// A device without a machine behind it, if those are enabled.
    Dummy(DummyFiles),
    /// A TAP device, which differs in nothing but its name.
    Tap,
    /// One end of a link to another bridge.
    Patch {
        /// The name of the other.
        peer: String,
    },
    /// A tunnel.
    Tunnel(Box<TunnelSettings>),
    /// It cannot be; why.
    Bad(String),
}

impl Desired {
    /// Reads the rows. What is known of ports is not read again.
    pub(super) fn read(replica: &Replica, known: &mut Known) -> Self {
        let rows = Rows::new(replica);
        let Some(root) = rows.root() else { return Self::default() };
        let mut bridges: Vec<Bridge> = root
            .references("bridges")
            .filter_map(|uuid| bridge::read(&rows, rows.bridge(uuid)?, known))
            .collect();
        bridges.sort_by(|a, b| a.name.cmp(&b.name));
        let interval = root.value_of("other_config", "stats-update-interval");
        let interval = interval.and_then(|text| text.parse().ok()).unwrap_or(STATS_MS).max(STATS_MS);
        Self {
            next_cfg: root.integer("next_cfg").unwrap_or(0),
            stats_interval: Duration::from_millis(interval),
            flow_restore_wait: root.value_of("other_config", "flow-restore-wait") == Some("true"),
            ssl: rows.ssl(root),
            bridges,
        }
    }

    /// All interfaces, with their bridge and port.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = (&Bridge, &Port, &Interface)> {
        self.bridges.iter().flat_map(|bridge| {
            bridge
                .ports
                .iter()
                .flat_map(move |port| port.interfaces.iter().map(move |it| (bridge, &**port, it)))
        })
    }
}

/// The default of `other_config:stats-update-interval`, in milliseconds, and its least.
const STATS_MS: u64 = 5_000;
