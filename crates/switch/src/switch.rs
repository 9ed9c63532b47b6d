//! The facade: all bridges of a lab and everything that can be asked of them.

use std::net::IpAddr;

use netloom_flow::{
    DpAction, DropReason, Epoch, HitsRead, Nanos, PacketKey, PacketMask, PortId, TenantId, Translation,
    Upcall,
};

use crate::config::Config;
use crate::reconfigure::{Changes, ConfigError, Status};

/// What does not change while a switch lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Keys every hash, so that results are reproducible and no peer can aim for collisions.
    pub seed: u64,
    /// Whether translation goes on across plain links between switches. Only tests and `trace` turn it off.
    pub fusion: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, fusion: true }
    }
}

/// What translation must know of the link behind a port, in the direction away from the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkState {
    /// Whether packets pass at all.
    pub up: bool,
    /// Whether they pass untouched and at once ([`netloom_flow::LinkSettings::is_plain`]).
    pub plain: bool,
    /// Whether someone looks at what passes, so that each packet has to be there.
    pub captured: bool,
}

impl Default for LinkState {
    fn default() -> Self {
        Self { up: true, plain: true, captured: false }
    }
}

/// The addresses the lab assigned. Used by `arp: local`, and to forward to a known address that was not learned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owners {
    /// One for each interface that is attached to a switch port.
    pub owners: Vec<Owner>,
    /// The lab's subnets: a request for an unassigned address in one of them has no answer.
    pub subnets: Vec<Subnet>,
}

/// An interface with addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its tenant.
    pub tenant: TenantId,
    /// The datapath port of the switch it is attached to.
    pub port: PortId,
    /// Its link-layer address.
    pub mac: [u8; 6],
    /// Its IPv4 and IPv6 addresses.
    pub addresses: Vec<IpAddr>,
}

/// A subnet of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    /// The tenant.
    pub tenant: TenantId,
    /// Any address of it.
    pub address: IpAddr,
    /// Its prefix length in bits.
    pub prefix: u8,
}

/// What a cached flow has carried since it was last credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HitsDelta {
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes (L2, without FCS), as received.
    pub bytes: u64,
    /// When the last one passed.
    pub used: Nanos,
    /// OR of the TCP flags seen.
    pub tcp_flags: u16,
}

impl HitsDelta {
    /// What came between two readings of the same counters.
    #[must_use]
    pub const fn between(earlier: &HitsRead, later: &HitsRead) -> Self {
        Self {
            packets: later.packets.wrapping_sub(earlier.packets),
            bytes: later.bytes.wrapping_sub(earlier.bytes),
            used: later.used,
            tcp_flags: later.tcp_flags,
        }
    }
}

/// All bridges of a lab.
///
/// Reading (`translate`, `still_valid`, dumps) takes `&self`, so any number of workers may read at once; every
/// change takes `&mut self` and advances the [`Epoch`] if a cached flow could depend on it.
#[derive(Debug)]
pub struct Switch {
    settings: Settings,
    epoch: Epoch,
    config: Config,
}

impl Switch {
    /// A switch without bridges. `epoch` is shared with the caches.
    #[must_use]
    pub fn new(settings: Settings, epoch: Epoch) -> Self {
        Self { settings, epoch, config: Config::default() }
    }

    /// Makes `new` the present configuration. Bridges equal to what they were are not touched.
    ///
    /// # Errors
    /// The configuration contradicts itself; then nothing was changed.
    pub fn reconfigure(&mut self, new: &Config, now: Nanos) -> Result<(Changes, Status), ConfigError> {
        let _ = (now, self.settings);
        self.config.clone_from(new);
        self.epoch.advance();
        Ok((Changes::default(), Status::default()))
    }

    /// What to do with a packet. Changes nothing: [`Self::credit`] does, for this packet and those like it.
    #[must_use]
    pub fn translate(&self, upcall: &Upcall<'_>) -> Translation {
        let _ = upcall;
        Translation {
            mask: PacketMask::default(),
            actions: Box::new([DpAction::Drop(DropReason::NoPort)]),
            dependencies: Box::default(),
            effects: Box::default(),
            cacheable: false,
            stamp: 0.into(),
            hits: netloom_flow::Hits::default(),
        }
    }

    /// Whether a translation, made for `key` or for a packet equal to it under the mask, would be the same now.
    ///
    /// It may say no where a translation would have been the same; never yes where it would not.
    #[must_use]
    pub fn still_valid(&self, key: &PacketKey, translation: &Translation) -> bool {
        let _ = (key, translation);
        false
    }

    /// Runs the effects of a translation for the packets it has carried.
    pub fn credit(&mut self, translation: &Translation, delta: HitsDelta) {
        let _ = (translation, delta);
    }

    /// Says how the link behind a datapath port is in the direction away from the switch.
    pub fn set_link(&mut self, port: PortId, state: LinkState, now: Nanos) {
        let _ = (port, state, now);
    }

    /// Replaces the addresses the lab assigned, at the cost of the difference.
    pub fn set_owners(&mut self, owners: &Owners) {
        let _ = owners;
    }

    /// Forgets MAC entries and flows whose time has come.
    pub fn tick(&mut self, now: Nanos) {
        let _ = now;
    }

    /// When [`Self::tick`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        None
    }
}
