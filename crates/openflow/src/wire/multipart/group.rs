//! `OFPMP_GROUP` and `OFPMP_GROUP_FEATURES`.
//!
//! ```text
//! 1.1  length:16 zero:16 group:32 references:32 zero:32 packets:64 bytes:64, for each bucket packets:64 bytes:64
//! 1.3  the same, with duration:64 before the buckets (Nicira's in 1.0, too)
//! ```

use super::super::counts::{put_duration, read_duration};
use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::msg::group::GroupCapabilities;
use crate::msg::{Counts, GroupFeatures, GroupStats};
use crate::{OfError, Version};

/// Whether the counters of a version have an age.
const fn has_duration(version: Version) -> bool {
    !matches!(version, Version::V11 | Version::V12)
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<GroupStats> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    body.skip(2)?;
    let (group, references) = (body.u32()?, body.u32()?);
    body.skip(4)?;
    let mut counts = Counts { packets: body.u64()?, bytes: body.u64()?, ..Counts::default() };
    if has_duration(version) {
        counts.duration = read_duration(&mut body)?;
    }
    let buckets = super::read_all(&mut body, |r| Ok((r.u64()?, r.u64()?)))?;
    Ok(GroupStats { group, references, counts, buckets })
}

pub(super) fn put(version: Version, out: &mut Out, stats: &GroupStats) {
    with_len(out, 0, |out| {
        out.u32(0);
        out.u32(stats.group);
        out.u32(stats.references);
        out.zeros(4);
        out.u64(stats.counts.packets);
        out.u64(stats.counts.bytes);
        if has_duration(version) {
            put_duration(out, stats.counts.duration);
        }
        for (packets, bytes) in &stats.buckets {
            out.u64(*packets);
            out.u64(*bytes);
        }
    });
}

pub(super) fn read_features(r: &mut Reader<'_>) -> Result<GroupFeatures> {
    let (types, capabilities) = (r.u32()?, GroupCapabilities(r.u32()?));
    let mut four = || -> Result<[u32; 4]> { Ok([r.u32()?, r.u32()?, r.u32()?, r.u32()?]) };
    Ok(GroupFeatures { types, capabilities, max_groups: four()?, actions: four()? })
}

pub(super) fn put_features(out: &mut Out, features: &GroupFeatures) {
    out.u32(features.types);
    out.u32(features.capabilities.0);
    features.max_groups.iter().chain(&features.actions).for_each(|number| out.u32(*number));
}
