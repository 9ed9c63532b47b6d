//! Versions of things that are too many to have one each.
//!
//! What a translation looked up by address (MAC entries, owners) depends on a *bucket* of addresses. A change of
//! one address costs at most the translations whose addresses share its bucket.

use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use netloom_flow::BridgeId;

use super::hash::Keyed;
use super::mac::MacKey;

/// How many buckets: 256 KB, so that a lab of 100,000 MAC entries has few neighbours in each.
const BUCKETS: u32 = 1 << 15;

/// The bucket versions.
#[derive(Debug)]
pub(crate) struct Versions {
    hash: Keyed,
    buckets: Box<[u64]>,
}

impl Versions {
    pub(crate) fn new(seed: u64) -> Self {
        Self { hash: Keyed(seed), buckets: vec![0; BUCKETS as usize].into() }
    }

    /// The bucket of a MAC entry.
    pub(crate) fn of_mac(&self, bridge: BridgeId, key: &MacKey) -> u32 {
        self.of(&(bridge.0, key))
    }

    /// The bucket of an address whose owner is looked up by MAC, whatever its tenant.
    pub(crate) fn of_owner(&self, mac: [u8; 6]) -> u32 {
        self.of(&mac)
    }

    /// The bucket of an address whose owner is looked up by IP, whatever its tenant.
    pub(crate) fn of_address(&self, address: IpAddr) -> u32 {
        self.of(&address)
    }

    #[expect(clippy::cast_possible_truncation, reason = "reduced to the number of buckets")]
    fn of(&self, thing: &impl Hash) -> u32 {
        self.hash.hash_one(thing) as u32 % BUCKETS
    }

    /// The present version of a bucket.
    pub(crate) fn version(&self, bucket: u32) -> u64 {
        self.buckets.get(bucket as usize).copied().unwrap_or(0)
    }

    /// Something in the bucket changed.
    pub(crate) fn bump(&mut self, bucket: u32) {
        if let Some(version) = self.buckets.get_mut(bucket as usize) {
            *version += 1;
        }
    }
}
