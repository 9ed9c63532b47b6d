//! Groups.

use netloom_flow::{Action, FieldId, OfPort};

use super::stats::Counts;
use crate::bits::bits;

/// The highest number of a group (`OFPG_MAX`).
pub const GROUP_MAX: u32 = 0xffff_ff00;
/// All groups (`OFPG_ALL`), in a deletion or a request.
pub const GROUP_ALL: u32 = 0xffff_fffc;
/// Any group (`OFPG_ANY`), in a filter.
pub const GROUP_ANY: u32 = 0xffff_ffff;
/// No bucket in particular: before the first, `OFPG_BUCKET_FIRST`.
pub const BUCKET_FIRST: u32 = 0xffff_fffd;
/// Behind the last bucket (`OFPG_BUCKET_LAST`).
pub const BUCKET_LAST: u32 = 0xffff_fffe;
/// All buckets (`OFPG_BUCKET_ALL`).
pub const BUCKET_ALL: u32 = 0xffff_ffff;
/// The highest number of a bucket (`OFPG_BUCKET_MAX`).
pub const BUCKET_MAX: u32 = 0xffff_ff00;

/// What a group does (`OFPGT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GroupType {
    /// Every bucket gets a copy.
    All = 0,
    /// One bucket, by hash and weight.
    Select = 1,
    /// The only bucket.
    Indirect = 2,
    /// The first bucket that is alive.
    FastFailover = 3,
}

/// What a group mod does (`OFPGC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupCommand {
    /// Add a group.
    Add,
    /// Replace a group.
    Modify,
    /// Replace it, or add it (OVS, 0x8000).
    AddOrModify,
    /// Delete it, or with [`GROUP_ALL`] all, and the flows that use it.
    Delete,
    /// Put buckets in behind `command_bucket`; from 1.5.
    InsertBucket,
    /// Take `command_bucket` out; from 1.5.
    RemoveBucket,
}

/// A part of a group: a list of actions and a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its number; from 1.5, before that the place in the list.
    pub id: u32,
    /// Its share, in a select group.
    pub weight: u16,
    /// Alive if this port is; [`OfPort::NONE`]: does not matter.
    pub watch_port: OfPort,
    /// Alive if this group is; [`GROUP_ANY`]: does not matter.
    pub watch_group: u32,
    /// What it does.
    pub actions: Vec<Action>,
}

/// How a select group chooses (Netronome's property `selection_method`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// `hash` or `dp_hash`; empty: the switch chooses. At most 15 bytes.
    pub method: String,
    /// For the method.
    pub param: u64,
    /// The fields to hash, and which of their bits.
    pub fields: Vec<(FieldId, u128)>,
}

/// Adds, changes or deletes groups (`OFPT_GROUP_MOD`, `NXT_GROUP_MOD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupCommand,
    /// What kind of group.
    pub kind: GroupType,
    /// Its number.
    pub group: u32,
    /// For the commands on buckets, and `BUCKET_ALL` for the others.
    pub command_bucket: u32,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// How it chooses.
    pub selection: Selection,
}

/// A group as it is (`OFPMP_GROUP_DESC`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDesc {
    /// Its number.
    pub group: u32,
    /// What kind.
    pub kind: GroupType,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
    /// How it chooses.
    pub selection: Selection,
}

/// What a group counted (`OFPMP_GROUP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupStats {
    /// Its number.
    pub group: u32,
    /// How many flows and groups use it.
    pub references: u32,
    /// What it counted, and how long it has been; the duration from 1.3.
    pub counts: Counts,
    /// Packets and bytes of each bucket.
    pub buckets: Vec<(u64, u64)>,
}

bits!(
    /// What groups can do (`OFPGFC_*`).
    GroupCapabilities(u32) {
        /// Shares may differ.
        SELECT_WEIGHT = 1 << 0,
        /// The live bucket may be chosen.
        SELECT_LIVENESS = 1 << 1,
        /// Groups may use groups.
        CHAINING = 1 << 2,
        /// Loops are refused.
        CHAINING_CHECKS = 1 << 3,
    }
);

/// What groups can do (`OFPMP_GROUP_FEATURES`); arrays are indexed by [`GroupType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupFeatures {
    /// A bit for each [`GroupType`].
    pub types: u32,
    /// What they can do.
    pub capabilities: GroupCapabilities,
    /// How many of each.
    pub max_groups: [u32; 4],
    /// A bit for each number of an action.
    pub actions: [u32; 4],
}
