//! `OFPT_TABLE_MOD`, `OFPT_TABLE_STATUS`, and settings of tables in answers.
//!
//! ```text
//! 1.1     table:8 zero:24 config:32
//! 1.4     table:8 zero:24 config:32 properties (2 eviction: flags:32; 3 vacancy: down:8 up:8 now:8 zero:8)
//! answer  length:16 table:8 zero:8 config:32 properties
//! status  reason:8 zero:56 answer
//! ```
//!
//! Source: OpenFlow 1.4.0 §7.3.4.3, §7.4.5.

use super::action::{property, read_property};
use super::flow_mod::{table, table_number};
use super::reader::Reader;
use super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::msg::table::{EvictionFlags, Vacancy};
use crate::msg::{TableConfig, TableMiss, TableReason, TableStatus};
use crate::{OfError, Version};

const EVICTION: u32 = 1 << 2;
const VACANCY_EVENTS: u32 = 1 << 3;

/// What a miss does, of the bits of 1.1 and 1.2; later versions have none.
pub(super) fn read_miss(version: Version, bits: u32) -> Result<TableMiss> {
    if version > Version::V12 {
        return Ok(TableMiss::Default);
    }
    Ok(match bits & 3 {
        0 => TableMiss::Controller,
        1 => TableMiss::Continue,
        2 => TableMiss::Drop,
        _ => return Err(OfError::TmfcBadConfig),
    })
}

pub(super) fn miss_bits(version: Version, miss: TableMiss) -> u32 {
    match miss {
        _ if version > Version::V12 => 0,
        TableMiss::Default | TableMiss::Controller => 0,
        TableMiss::Continue => 1,
        TableMiss::Drop => 2,
    }
}

pub(super) fn read_mod(version: Version, r: &mut Reader<'_>) -> Result<TableConfig> {
    let number = r.u8()?;
    r.skip(3)?;
    let config = read_config(version, number, r)?;
    // How much space there is, only the switch can tell.
    if config.vacancy.now == 0 { Ok(config) } else { Err(OfError::BpcBadValue) }
}

/// From the settings on.
fn read_config(version: Version, number: u8, r: &mut Reader<'_>) -> Result<TableConfig> {
    let bits = r.u32()?;
    let known = match version {
        Version::V10 | Version::V11 | Version::V12 | Version::V13 => 3,
        Version::V14 | Version::V15 => EVICTION | VACANCY_EVENTS | 3,
    };
    if bits & !known != 0 {
        return Err(OfError::TmfcBadConfig);
    }
    let has = |bit: u32| (version >= Version::V14).then_some(bits & bit != 0);
    let mut config = TableConfig {
        table: table(number),
        miss: read_miss(version, bits)?,
        eviction: has(EVICTION),
        eviction_flags: EvictionFlags::default(),
        vacancy_events: has(VACANCY_EVENTS),
        vacancy: Vacancy::default(),
    };
    while version >= Version::V14 && !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            2 => config.eviction_flags = EvictionFlags(p.u32()?),
            3 => {
                let [down, up, now, _] = p.array()?;
                if down > up || up > 100 {
                    return Err(OfError::BpcBadValue);
                }
                config.vacancy = Vacancy { down, up, now };
            }
            0xffff => return Err(OfError::BpcBadExperimenter),
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(config)
}

pub(super) fn put_mod(version: Version, out: &mut Out, config: &TableConfig) {
    out.u8(table_number(config.table));
    out.zeros(3);
    let vacancy = Vacancy { now: 0, ..config.vacancy };
    put_config(version, out, &TableConfig { vacancy, ..*config });
}

fn put_config(version: Version, out: &mut Out, config: &TableConfig) {
    let bit = |set: Option<bool>, bit: u32| if set == Some(true) { bit } else { 0 };
    let new = bit(config.eviction, EVICTION) | bit(config.vacancy_events, VACANCY_EVENTS);
    out.u32(miss_bits(version, config.miss) | if version >= Version::V14 { new } else { 0 });
    if version < Version::V14 {
        return;
    }
    if !config.eviction_flags.is_empty() {
        property(out, 2, |out| out.u32(config.eviction_flags.0));
    }
    if config.vacancy_events == Some(true) || config.vacancy != Vacancy::default() {
        let Vacancy { down, up, now } = config.vacancy;
        property(out, 3, |out| out.extend_from_slice(&[down, up, now, 0]));
    }
}

pub(super) fn read_desc(version: Version, r: &mut Reader<'_>) -> Result<TableConfig> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    let number = body.u8()?;
    body.skip(1)?;
    read_config(version, number, &mut body)
}

pub(super) fn put_desc(version: Version, out: &mut Out, config: &TableConfig) {
    with_len(out, 0, |out| {
        out.u16(0);
        out.u8(table_number(config.table));
        out.u8(0);
        put_config(version, out, config);
    });
}

pub(super) fn read_status(version: Version, r: &mut Reader<'_>) -> Result<TableStatus> {
    let reason = match r.u8()? {
        3 => TableReason::VacancyDown,
        4 => TableReason::VacancyUp,
        _ => return Err(OfError::NxbrcBadReason),
    };
    r.skip(7)?;
    Ok(TableStatus { reason, config: read_desc(version, r)? })
}

pub(super) fn put_status(version: Version, out: &mut Out, status: &TableStatus) {
    out.u8(status.reason as u8);
    out.zeros(7);
    put_desc(version, out, &status.config);
}
