//! Which messages a connection is sent unasked.

use netloom_openflow::msg::{AsyncConfig, AsyncMasks, ForwardReason, PacketInReason, RequestForward, Role};
use netloom_openflow::{Message, Version};

use super::{Connection, Kind};
use crate::events::Author;

/// `OFPFSR_STAT_TRIGGER`
const TRIGGERED: u32 = 1;

const INVALID_TTL: u32 = 1 << PacketInReason::InvalidTtl as u32;

/// What connections want that have not said otherwise. Source: `ofputil_async_cfg_default` of OVS.
pub(super) const fn defaults() -> AsyncConfig {
    let all = AsyncMasks {
        packet_in: Some(0x3f & !INVALID_TTL),
        port_status: Some(0x7),
        flow_removed: Some(0x3f),
        role_status: Some(0),
        table_status: Some(0),
        requestforward: Some(0),
        // Whoever has no use for it sets no trigger.
        flow_stats: Some(1 << TRIGGERED),
    };
    AsyncConfig {
        primary: all,
        secondary: AsyncMasks { packet_in: Some(0), flow_removed: Some(0), flow_stats: Some(0), ..all },
    }
}

/// Takes over what is said.
pub(super) fn merge(into: &mut AsyncConfig, new: &AsyncConfig) {
    for (old, new) in [(&mut into.primary, &new.primary), (&mut into.secondary, &new.secondary)] {
        old.packet_in = new.packet_in.or(old.packet_in);
        old.port_status = new.port_status.or(old.port_status);
        old.flow_removed = new.flow_removed.or(old.flow_removed);
        old.role_status = new.role_status.or(old.role_status);
        old.table_status = new.table_status.or(old.table_status);
        old.requestforward = new.requestforward.or(old.requestforward);
        old.flow_stats = new.flow_stats.or(old.flow_stats);
    }
}

impl Connection {
    /// Whether it is told anything at all.
    pub(super) fn is_told(&self) -> bool {
        self.auxiliary == 0 && (self.kind == Kind::Primary || self.miss_send_len != 0)
    }

    fn masks(&self) -> &AsyncMasks {
        if self.role == Role::Secondary { &self.asks.secondary } else { &self.asks.primary }
    }

    fn has(mask: Option<u32>, bit: u32) -> bool {
        mask.unwrap_or(0).checked_shr(bit).unwrap_or(0) & 1 == 1
    }

    pub(super) fn wants_packet_in(&self, reason: PacketInReason) -> bool {
        let bit = match reason {
            PacketInReason::ExplicitMiss | PacketInReason::ImplicitMiss => PacketInReason::NoMatch as u32,
            PacketInReason::ActionSet | PacketInReason::Group | PacketInReason::PacketOut
                if self.version < Version::V14 =>
            {
                PacketInReason::Action as u32
            }
            other => other as u32,
        };
        match reason {
            PacketInReason::InvalidTtl => self.is_told() && self.wants_invalid_ttl(),
            _ => self.is_told() && Self::has(self.masks().packet_in, bit),
        }
    }

    /// Asked for by the configuration up to 1.2, by a mask from 1.3 on.
    pub(super) fn wants_invalid_ttl(&self) -> bool {
        self.invalid_ttl || self.masks().packet_in.unwrap_or(0) & INVALID_TTL != 0
    }

    pub(super) fn wants_port_status(&self, reason: u8) -> bool {
        self.is_told() && Self::has(self.masks().port_status, reason.into())
    }

    pub(super) fn wants_flow_removed(&self, reason: u8) -> bool {
        self.is_told() && Self::has(self.masks().flow_removed, reason.into())
    }

    pub(super) fn wants_table_status(&self, reason: u8) -> bool {
        self.is_told() && Self::has(self.masks().table_status, reason.into())
    }

    pub(super) fn wants_triggered(&self) -> bool {
        self.version >= Version::V15 && self.is_told() && Self::has(self.masks().flow_stats, TRIGGERED)
    }

    /// The message for what another connection asked for, if this one wants to see it.
    pub(super) fn forwarded(&self, author: Author, request: &Message) -> Option<Message> {
        let reason = match request {
            Message::MeterMod(_) => ForwardReason::MeterMod,
            _ => ForwardReason::GroupMod,
        };
        let is_wanted = self.is_told() && Self::has(self.masks().requestforward, reason as u32);
        let is_mine = author.connection == self.author().connection;
        let forward = || RequestForward { xid: author.xid, request: Box::new(request.clone()) };
        (is_wanted && !is_mine).then(|| Message::RequestForward(forward()))
    }

    pub(super) fn wants_role_status(&self, reason: u8) -> bool {
        self.is_told() && Self::has(self.masks().role_status, reason.into())
    }
}
