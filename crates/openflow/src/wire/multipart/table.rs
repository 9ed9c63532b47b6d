//! `OFPMP_TABLE`.
//!
//! ```text
//! 1.0  table:8 zero:24 name:32 bytes wildcards:32 max_entries:32 active:32 lookups:64 matched:64
//! 1.1  table:8 zero:56 name, wildcards match instructions write apply config max_entries active:32, lookups, matched
//! 1.2  table:8 zero:56 name, match wildcards:64 write apply:32 write_set apply_set:64 metadata match write:64
//!      instructions config max_entries active:32, lookups, matched
//! 1.3  table:8 zero:24 active:32 lookups:64 matched:64
//! ```
//!
//! What the old versions say besides is what every table can do; `OFPMP_TABLE_FEATURES` says more.

use netloom_flow::{FieldId, TableId};

use super::super::reader::Reader;
use super::super::table::{miss_bits, read_miss};
use super::super::writer::{Out, Put};
use crate::Version;
use crate::error::Result;
use crate::msg::{TableMiss, TableStats};

/// Bytes of a name.
const NAME_LEN: usize = 32;
/// Every wildcard of 1.0.
const WILDCARDS_10: u32 = 0x3f_ffff;
/// Every field of the match of 1.1.
const FIELDS_11: u32 = 0x3ff;
/// Go to table, write metadata, write, apply and clear actions.
const INSTRUCTIONS: u32 = 0x1f << 1;
/// Every action of 1.1: output to set-queue, group, both TTLs; without those that copy TTLs.
const ACTIONS_11: u32 = 0x01ff_e7ff;
/// Every action of 1.2, in which one sets fields.
const ACTIONS_12: u32 = 0x03ff_0001;

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<TableStats> {
    let table = TableId(r.u8()?);
    let mut stats = TableStats {
        table,
        name: String::new(),
        max_entries: 0,
        miss: TableMiss::Default,
        active: 0,
        lookups: 0,
        matched: 0,
    };
    r.skip(if matches!(version, Version::V11 | Version::V12) { 7 } else { 3 })?;
    if version <= Version::V12 {
        stats.name = r.text(NAME_LEN)?;
        r.skip(match version {
            Version::V10 => 4,
            Version::V11 => 20,
            _ => 60,
        })?;
        if version != Version::V10 {
            stats.miss = match read_miss(version, r.u32()?)? {
                // What these versions do unless they are told.
                TableMiss::Controller => TableMiss::Default,
                other => other,
            };
        }
        stats.max_entries = r.u32()?;
    }
    (stats.active, stats.lookups, stats.matched) = (r.u32()?, r.u64()?, r.u64()?);
    Ok(stats)
}

/// A bit for each basic field of OXM that a table of 1.2 has.
fn fields(wanted: impl Fn(FieldId) -> bool) -> u64 {
    FieldId::ALL
        .iter()
        .filter(|id| wanted(**id))
        .filter_map(|id| id.field().oxm)
        .filter(|header| header.class == 0x8000 && header.number < 40)
        .fold(0, |bits, header| bits | 1 << header.number)
}

pub(super) fn put(version: Version, out: &mut Out, stats: &TableStats) {
    out.u8(stats.table.0);
    out.zeros(if matches!(version, Version::V11 | Version::V12) { 7 } else { 3 });
    if version <= Version::V12 {
        out.text(&stats.name, NAME_LEN);
        match version {
            Version::V10 => out.u32(WILDCARDS_10),
            Version::V11 => {
                for bits in [FIELDS_11, FIELDS_11, INSTRUCTIONS, ACTIONS_11, ACTIONS_11] {
                    out.u32(bits);
                }
                out.u32(miss_bits(version, stats.miss));
            }
            _ => {
                put_12(out);
                out.u32(miss_bits(version, stats.miss));
            }
        }
        out.u32(stats.max_entries);
    }
    out.u32(stats.active);
    out.u64(stats.lookups);
    out.u64(stats.matched);
}

fn put_12(out: &mut Out) {
    let (all, settable) = (fields(|_| true), fields(|id| id.field().writable));
    out.u64(all);
    out.u64(all);
    out.u32(ACTIONS_12);
    out.u32(ACTIONS_12);
    out.u64(settable);
    out.u64(settable);
    out.u64(u64::MAX);
    out.u64(u64::MAX);
    out.u32(INSTRUCTIONS);
}
