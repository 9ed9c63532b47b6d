//! Groups of a bridge.

use netloom_flow::{Action, FieldId, Nanos, OfPort};

/// How a group chooses among its buckets, by the numbers of OpenFlow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum GroupType {
    /// All buckets.
    #[default]
    All = 0,
    /// One, by weight.
    Select = 1,
    /// Its only one.
    Indirect = 2,
    /// The first that is alive.
    FastFailover = 3,
}

/// What [`GroupType::Select`] chooses by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Selection {
    /// The connection: addresses, protocol and ports.
    #[default]
    Default,
    /// A hash of some fields, as far as the packet has them.
    Hash {
        /// Mixed into the hash.
        param: u64,
        /// The fields and their masks; none: the connection.
        fields: Vec<(FieldId, u128)>,
    },
    /// The hash the datapath has of a packet: here that of its connection.
    DpHash {
        /// Which hash: 1 in the high half stands for one that is alike in both directions.
        param: u64,
    },
}

/// One bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Bucket {
    /// Unique within the group. From 1.5 on controllers choose it.
    pub id: u32,
    /// Its share of the packets, for [`GroupType::Select`] only.
    pub weight: u16,
    /// It is alive while this port is up.
    pub watch_port: Option<OfPort>,
    /// It is alive while this group has a bucket that is.
    pub watch_group: Option<u32>,
    /// What is done with a copy of the packet, in the order of an action set.
    pub actions: Vec<Action>,
}

/// Wire packets and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Carried {
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes, as the packets were here.
    pub bytes: u64,
}

impl Carried {
    pub(crate) const fn add(&mut self, packets: u64, bytes: u64) {
        self.packets = self.packets.wrapping_add(packets);
        self.bytes = self.bytes.wrapping_add(bytes);
    }
}

/// A group with its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u32,
    /// How it chooses.
    pub kind: GroupType,
    /// What it chooses by.
    pub selection: Selection,
    /// Its buckets, in order.
    pub buckets: Vec<Bucket>,
    /// When it was added.
    pub created: Nanos,
    /// What it has carried.
    pub carried: Carried,
    /// What each bucket has carried, in the order of the buckets.
    pub bucket_carried: Vec<Carried>,
    /// Changes with everything but the counters.
    pub(crate) version: u64,
}

impl Group {
    /// The highest number of a group (`OFPG_MAX`).
    pub const MAX: u32 = 0xffff_ff00;
    /// All groups, where one is to be named (`OFPG_ALL`).
    pub const ALL: u32 = 0xffff_fffc;
    /// No group, or any (`OFPG_ANY`).
    pub const ANY: u32 = 0xffff_ffff;

    /// Credits a bucket.
    pub(crate) fn credit_bucket(&mut self, bucket: u32, packets: u64, bytes: u64) {
        let at = self.buckets.iter().position(|known| known.id == bucket);
        if let Some(carried) = at.and_then(|at| self.bucket_carried.get_mut(at)) {
            carried.add(packets, bytes);
        }
    }
}
