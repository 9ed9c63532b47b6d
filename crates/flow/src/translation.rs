//! The answer to a miss, as a value handed down.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::{
    BridgeId, DpAction, DropReason, FlowText, Hits, OfPort, PacketMask, RecircId, RuleId, TableId, TenantId,
};

/// What to do with every packet that looks like the one translated.
///
/// Translating changes nothing. The [`effects`](Self::effects) run for the first packet and again whenever hits
/// are pulled: every second, and before any statistics reply, timeout decision, removal or eviction.
#[derive(Debug)]
pub struct Translation {
    /// The bits that were looked at: packets equal in them share this translation.
    pub mask: PacketMask,
    /// What the datapath does.
    pub actions: Box<[DpAction]>,
    /// What must be unchanged for this translation to hold.
    pub dependencies: Box<[Dependency]>,
    /// What to do for the packets that hit, given how many they were.
    pub effects: Box<[Effect]>,
    /// Whether a cache may keep it; `false`: for this packet only.
    pub cacheable: bool,
    /// The switch's own mark of the changes this translation was last checked against; nobody else's business.
    pub stamp: AtomicU64,
    /// What it has carried.
    pub hits: Hits,
}

/// Something a translation looked at. The switch decides whether it still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// A lookup in a flow table.
    Table {
        /// The bridge.
        bridge: BridgeId,
        /// The table.
        table: TableId,
        /// The bridge's ingress port at that moment.
        in_port: OfPort,
        /// Bitmap of the words that no longer held what the packet had brought: unknown to an overlap check.
        rewritten: u64,
    },
    /// A lookup in a MAC table: the hashed (tenant, VLAN, MAC) bucket and its version.
    Mac {
        /// Index into the switch's array of bucket versions.
        bucket: u32,
        /// The version seen.
        version: u64,
    },
    /// A port's configuration or state.
    Port {
        /// The bridge.
        bridge: BridgeId,
        /// The port.
        port: OfPort,
        /// The version seen.
        version: u64,
    },
    /// A group of a bridge.
    Group {
        /// The bridge.
        bridge: BridgeId,
        /// The group.
        group: u32,
        /// The version seen; 0: there was none.
        version: u64,
    },
    /// A meter of a bridge.
    Meter {
        /// The bridge.
        bridge: BridgeId,
        /// The meter.
        meter: u32,
        /// The version seen; 0: there was none.
        version: u64,
    },
    /// State that was frozen for a packet that is looked up again.
    Recirc(RecircId),
    /// The set of ports of a bridge (floods), its configuration and its spanning tree.
    Bridge {
        /// The bridge.
        bridge: BridgeId,
        /// The version seen.
        version: u64,
    },
}

/// What hits mean to the switch, beyond moving packets.
///
/// `extra` is what each wire packet is longer (or shorter) there than it was at ingress, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Learn, or keep fresh, where a MAC address lives.
    Learn {
        /// The bridge.
        bridge: BridgeId,
        /// The tenant.
        tenant: TenantId,
        /// The VLAN, 0 if none.
        vlan: u16,
        /// The address.
        mac: [u8; 6],
        /// Where it lives.
        port: OfPort,
    },
    /// Credit a rule, and the lookup that found it.
    Match {
        /// The bridge.
        bridge: BridgeId,
        /// The table.
        table: TableId,
        /// The rule.
        rule: RuleId,
        /// Bytes more per packet than at ingress.
        extra: i32,
    },
    /// Credit a lookup that found nothing.
    Miss {
        /// The bridge.
        bridge: BridgeId,
        /// The table.
        table: TableId,
    },
    /// Credit a group.
    Group {
        /// The bridge.
        bridge: BridgeId,
        /// The group.
        group: u32,
        /// The version of the group.
        version: u64,
        /// Bytes more per packet than at ingress.
        extra: i32,
    },
    /// Credit a bucket of a group.
    Bucket {
        /// The bridge.
        bridge: BridgeId,
        /// The group.
        group: u32,
        /// The bucket's id.
        bucket: u32,
        /// The version of the group.
        version: u64,
        /// Bytes more per packet than at ingress.
        extra: i32,
    },
    /// Add a flow, or keep it fresh.
    LearnFlow {
        /// The bridge.
        bridge: BridgeId,
        /// The rule that learns.
        by: RuleId,
        /// The flow.
        flow: Arc<FlowText>,
        /// How many flows of its table and cookie there may be then; 0: any number.
        limit: u32,
    },
    /// Lower the timeouts of a rule: a connection ends.
    FinTimeout {
        /// The rule.
        rule: RuleId,
        /// Seconds the idle timeout is lowered to; 0: it is not.
        idle: u16,
        /// Seconds the hard timeout is lowered to; 0: it is not.
        hard: u16,
    },
    /// A copy of the packet ended here.
    Drop {
        /// Why.
        reason: DropReason,
        /// The bridge.
        bridge: BridgeId,
        /// The port it came in by, or was to leave by.
        port: OfPort,
    },
    /// Credit a mirror: a copy of the packet was made for it.
    Mirror {
        /// The bridge.
        bridge: BridgeId,
        /// Its place among the mirrors of the bridge.
        mirror: u32,
        /// The version of the bridge's mirrors.
        version: u64,
    },
    /// Credit the ports at both ends of a link that the packet crossed to another switch without a lookup of its
    /// own (path fusion). No datapath has seen it there.
    Hop {
        /// The bridge it left.
        from: BridgeId,
        /// By this port.
        out_port: OfPort,
        /// The bridge it came to.
        to: BridgeId,
        /// By this port.
        in_port: OfPort,
        /// Bytes more per packet than at ingress.
        extra: i32,
    },
}
