//! Flow tables.

use netloom_flow::{FieldId, TableId};

use crate::bits::bits;

/// What happens to a packet that no flow of a table matches (`OFPTC_TABLE_MISS_*`, 1.1 and 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableMiss {
    /// What the version says: to the controller up to 1.2, a drop from 1.3 on.
    #[default]
    Default,
    /// To the controller.
    Controller,
    /// To the next table.
    Continue,
    /// Dropped.
    Drop,
}

/// When to warn of a table that fills up (`OFPTMPT_VACANCY`), in per cent of free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacancy {
    /// Tell when there is less.
    pub down: u8,
    /// Tell when there is more again.
    pub up: u8,
    /// How much there is; in descriptions.
    pub now: u8,
}

bits!(
    /// By what the flow to be evicted is chosen (`OFPTMPEF_*`).
    EvictionFlags(u32) {
        /// As the switch likes.
        OTHER = 1 << 0,
        /// By importance.
        IMPORTANCE = 1 << 1,
        /// By the time left.
        LIFETIME = 1 << 2,
    }
);

/// Settings of a table: in a change (`OFPT_TABLE_MOD`), and as they are (`OFPMP_TABLE_DESC`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableConfig {
    /// Which table; `None`: all.
    pub table: Option<TableId>,
    /// What a miss does; 1.1 and 1.2.
    pub miss: TableMiss,
    /// Whether flows are evicted when it is full; `None` where the version cannot say. From 1.4.
    pub eviction: Option<bool>,
    /// By what they are chosen.
    pub eviction_flags: EvictionFlags,
    /// Whether it warns; `None` where the version cannot say. From 1.4.
    pub vacancy_events: Option<bool>,
    /// When.
    pub vacancy: Vacancy,
}

/// What a table counted (`OFPMP_TABLE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStats {
    /// Which table.
    pub table: TableId,
    /// Its name; up to 1.2.
    pub name: String,
    /// How many flows fit; up to 1.2.
    pub max_entries: u32,
    /// What a miss does; 1.1 and 1.2.
    pub miss: TableMiss,
    /// How many flows there are.
    pub active: u32,
    /// How many lookups.
    pub lookups: u64,
    /// How many of them found a flow.
    pub matched: u64,
}

bits!(
    /// Instructions, by their number in OpenFlow.
    Instructions(u32) {
        /// Go on in another table.
        GOTO_TABLE = 1 << 1,
        /// Write metadata.
        WRITE_METADATA = 1 << 2,
        /// Add to the action set.
        WRITE_ACTIONS = 1 << 3,
        /// Act now.
        APPLY_ACTIONS = 1 << 4,
        /// Empty the action set.
        CLEAR_ACTIONS = 1 << 5,
        /// Meter; up to 1.4.
        METER = 1 << 6,
    }
);

/// What actions a table takes, in the action set or at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableActions {
    /// A bit for each number of an action in 1.3.
    pub actions: u32,
    /// The fields they can set.
    pub set_fields: Vec<FieldId>,
}

/// What flows of a table can do: all, or the one for misses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlowAbilities {
    /// Tables they can go to.
    pub next_tables: Vec<TableId>,
    /// Instructions they can have.
    pub instructions: Instructions,
    /// Actions in the action set.
    pub write: TableActions,
    /// Actions at once.
    pub apply: TableActions,
}

/// `OFPTFF_INGRESS_TABLE`: it can be among the tables of packets that come in.
pub const INGRESS_TABLE: u32 = 1 << 0;
/// `OFPTFF_EGRESS_TABLE`: it can be among those of packets that leave.
pub const EGRESS_TABLE: u32 = 1 << 1;
/// `OFPTFF_FIRST_EGRESS`: packets that leave begin here.
pub const FIRST_EGRESS: u32 = 1 << 4;

/// What a table can do (`OFPMP_TABLE_FEATURES`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFeatures {
    /// Which table.
    pub table: TableId,
    /// 1.5: replace all, change, enable or disable (`OFPTFC_*`); 0 in replies.
    pub command: u8,
    /// What it can be used for, and whether it is the first one for egress (`OFPTFF_*`); from 1.5, else 0.
    pub flags: u32,
    /// Its name; at most 31 bytes.
    pub name: String,
    /// The bits of the metadata it can match.
    pub metadata_match: u64,
    /// The bits it can write.
    pub metadata_write: u64,
    /// What a miss does; 1.1 and 1.2.
    pub miss: TableMiss,
    /// Whether it can evict; from 1.4.
    pub eviction: bool,
    /// Whether it can warn; from 1.4.
    pub vacancy_events: bool,
    /// How many flows fit.
    pub max_entries: u32,
    /// What flows can do.
    pub flows: FlowAbilities,
    /// What the flow for misses can do.
    pub miss_flow: FlowAbilities,
    /// Fields it can match, and whether under a mask.
    pub matches: Vec<(FieldId, bool)>,
    /// Fields that may be left out.
    pub wildcards: Vec<FieldId>,
    /// Whether properties were there at all: a request without any deletes the table.
    pub has_properties: bool,
}

/// What happened to a table (`OFPTR_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TableReason {
    /// Free space fell below the limit.
    VacancyDown = 3,
    /// Free space rose above the limit.
    VacancyUp = 4,
}

/// Tells that a table fills up, or has room again (`OFPT_TABLE_STATUS`); from 1.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableStatus {
    /// What happened.
    pub reason: TableReason,
    /// Its settings.
    pub config: TableConfig,
}
