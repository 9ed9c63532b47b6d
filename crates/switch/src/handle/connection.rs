//! What is known of one connection to a controller.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_openflow::msg::{AsyncConfig, ControllerReason, ControllerStatus, PacketInFormat, Role};
use netloom_openflow::{Message, Version, Xid};

use super::asynchronous;
use super::bundle::Bundle;
use super::monitor::Monitors;
use super::repeated::Repeated;
use crate::config::Origin;
use crate::events::Author;
use crate::model::Control;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To a controller the bridge was given: it is told what happens.
    Primary,
    /// From somebody who came by himself, such as `ovs-ofctl`: he is told nothing before he sets how much of a packet
    /// he wants.
    Service,
}

/// What a switch keeps for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Messages of bundles that were not committed yet.
    pub bundled: usize,
    /// The bytes these had on the wire.
    pub bundled_bytes: usize,
    /// Flow monitors.
    pub monitors: usize,
    /// Changes of flows that it has not been told of yet.
    pub updates: usize,
}

/// The state of one connection, from the moment a version is agreed.
#[derive(Debug)]
pub struct Connection {
    pub(super) version: Version,
    /// Tells it from others.
    number: u64,
    /// The transaction id of the request that is being handled.
    xid: Xid,
    pub(super) kind: Kind,
    pub(super) origin: Arc<Origin>,
    pub(super) role: Role,
    pub(super) miss_send_len: u16,
    pub(super) invalid_ttl: bool,
    pub(super) controller_id: u16,
    pub(super) packet_in_format: PacketInFormat,
    pub(super) asks: AsyncConfig,
    pub(super) bundles: BTreeMap<u32, Bundle>,
    pub(super) monitors: Monitors,
    /// What became of the last packet it sent.
    pub(super) repeated: Option<Repeated>,
    /// 0: it is the main one to its controller.
    pub(super) auxiliary: u8,
}

impl Connection {
    /// A connection that has just agreed on a version. `target` names the controller in what it adds.
    #[must_use]
    pub fn new(version: Version, kind: Kind, target: &str) -> Self {
        Self {
            version,
            number: 0,
            xid: Xid::NONE,
            kind,
            origin: Arc::new(Origin::Controller { target: target.to_owned() }),
            role: Role::Equal,
            miss_send_len: if kind == Kind::Primary { 128 } else { 0 },
            invalid_ttl: false,
            controller_id: 0,
            packet_in_format: PacketInFormat::Standard,
            asks: asynchronous::defaults(),
            bundles: BTreeMap::new(),
            monitors: Monitors::default(),
            repeated: None,
            auxiliary: 0,
        }
    }

    /// Gives it a number, which tells it from all others of its bridge.
    #[must_use]
    pub fn numbered(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// Says the transaction id of the request that is handled next: who watches flows is told whose doing it was.
    pub const fn begin(&mut self, xid: Xid) {
        self.xid = xid;
    }

    pub(super) const fn author(&self) -> Author {
        Author { connection: self.number, xid: self.xid }
    }

    /// The same as one of those beside the main connection to a controller: it says its number in its features, is
    /// asked and answers as any other, and is told nothing unasked.
    ///
    /// Source: OpenFlow 1.3.5 section 6.3.6.
    #[must_use]
    pub const fn as_auxiliary(mut self, number: u8) -> Self {
        self.auxiliary = number;
        self
    }

    /// Its number among the connections to its controller; 0: it is the main one.
    #[must_use]
    pub const fn auxiliary(&self) -> u8 {
        self.auxiliary
    }

    /// Takes over a role that the controller was given by another of its connections: it has one for all of them.
    pub const fn share_role(&mut self, role: Role) {
        self.role = role;
    }

    /// The version it speaks.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Its role.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// How it wants packets to be sent to it.
    #[must_use]
    pub const fn packet_in_format(&self) -> PacketInFormat {
        self.packet_in_format
    }

    /// How it stands, as OpenFlow 1.5 tells it.
    #[must_use]
    pub fn status(&self, reason: ControllerReason) -> ControllerStatus {
        let uri = match &*self.origin {
            Origin::Controller { target } => target.clone(),
            _ => String::new(),
        };
        ControllerStatus { short_id: self.controller_id, role: self.role, reason, is_up: true, uri }
    }

    /// What is kept for it.
    #[must_use]
    pub fn held(&self) -> Held {
        let messages = self.bundles.values().map(Bundle::len).sum();
        Held {
            bundled: messages,
            bundled_bytes: self.bundles.values().map(Bundle::bytes).sum(),
            monitors: self.monitors.len(),
            updates: self.monitors.waiting(),
        }
    }

    /// Which packets it wants without a flow that says so. All connections of a bridge together decide what
    /// [`Switch::set_control`](crate::Switch::set_control) is told.
    #[must_use]
    pub fn control(&self) -> Control {
        let is_old = self.version <= Version::V12;
        let is_told = self.is_told();
        Control { miss: is_old && is_told, any: is_told, invalid_ttl: is_told && self.wants_invalid_ttl() }
    }

    /// Another connection became the primary one. What this one is to be told of it, if it wants to know.
    pub fn demote(&mut self, generation: Option<u64>) -> Option<Message> {
        if self.role != Role::Primary {
            return None;
        }
        self.role = Role::Secondary;
        self.role_status(generation)
    }
}
