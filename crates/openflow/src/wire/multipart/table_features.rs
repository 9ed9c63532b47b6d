//! `OFPMP_TABLE_FEATURES`.
//!
//! ```text
//! length:16 table:8 command:8 flags:32 name:32 bytes metadata_match:64 metadata_write:64 capabilities:32
//! max_entries:32, properties
//! ```
//! Flags are of 1.5; before, there are zeros.
//!
//! Properties: 0 instructions, 2 next tables, 4 write-actions, 6 apply-actions, 8 match, 10 wildcards, 12 fields that
//! write-actions set, 14 those that apply-actions set; odd ones for the flow of misses where it can do other things.
//!
//! Source: OpenFlow 1.3.5 §7.3.5.5.

use netloom_flow::{FieldId, TableId};

use super::super::action::{property, read_property};
use super::super::table::{miss_bits, read_miss};
use super::super::writer::with_len;
use super::{Out, Put, Reader, oxm};
use crate::error::Result;
use crate::msg::TableFeatures;
use crate::msg::table::{FlowAbilities, Instructions};
use crate::{OfError, Version};

const NAME_LEN: usize = 32;
/// The types of properties are below this, but for those of experimenters.
const TYPES: u16 = 16;

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<TableFeatures> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BpcBadLen)?;
    let mut body = r.part(len)?.or(OfError::BpcBadLen);
    let [table, command] = body.array()?;
    let flags = body.u32()?;
    let (name, metadata_match, metadata_write) = (body.text(NAME_LEN)?, body.u64()?, body.u64()?);
    let (capabilities, max_entries) = (body.u32()?, body.u32()?);
    let has = |bit: u32| version >= Version::V14 && capabilities & bit != 0;
    let mut features = TableFeatures {
        table: TableId(table),
        command,
        flags: if version >= Version::V15 { flags } else { 0 },
        name,
        metadata_match,
        metadata_write,
        miss: read_miss(version, capabilities)?,
        eviction: has(1 << 2),
        vacancy_events: has(1 << 3),
        max_entries,
        flows: FlowAbilities::default(),
        miss_flow: FlowAbilities::default(),
        matches: Vec::new(),
        wildcards: Vec::new(),
        has_properties: false,
    };
    if table == 0xff {
        return Err(OfError::TffcBadTable);
    }
    if !body.is_empty() {
        read_properties(version, &mut features, &mut body)?;
    }
    Ok(features)
}

/// Which properties there are, as bits.
fn read_properties(version: Version, features: &mut TableFeatures, r: &mut Reader<'_>) -> Result<()> {
    let mut seen = 0u32;
    features.has_properties = true;
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        if kind >= 0xfffe {
            return Err(OfError::BpcBadExperimenter);
        }
        if kind >= TYPES {
            return Err(OfError::BpcBadType);
        }
        if seen & 1 << kind != 0 {
            return Err(OfError::BpcDupType);
        }
        seen |= 1 << kind;
        read_one(version, features, kind, &mut p)?;
    }
    // Each kind must be there once; those of the flow for misses only where they differ.
    if seen & 0x5555 != 0x5555 {
        return Err(OfError::BpcBadType);
    }
    let (flows, miss) = (&features.flows, &mut features.miss_flow);
    let lacks = |kind: u32| seen & 1 << kind == 0;
    if lacks(1) {
        miss.instructions = flows.instructions;
    }
    if lacks(3) {
        miss.next_tables.clone_from(&flows.next_tables);
    }
    if lacks(5) {
        miss.write.actions = flows.write.actions;
    }
    if lacks(7) {
        miss.apply.actions = flows.apply.actions;
    }
    if lacks(13) {
        miss.write.set_fields.clone_from(&flows.write.set_fields);
    }
    if lacks(15) {
        miss.apply.set_fields.clone_from(&flows.apply.set_fields);
    }
    Ok(())
}

fn read_one(version: Version, features: &mut TableFeatures, kind: u16, p: &mut Reader<'_>) -> Result<()> {
    let flow = if kind.is_multiple_of(2) { &mut features.flows } else { &mut features.miss_flow };
    match kind {
        0 | 1 => flow.instructions = Instructions(read_numbers(p, 0)?),
        2 | 3 => flow.next_tables = p.take_rest().iter().map(|number| TableId(*number)).collect(),
        4 | 5 => flow.write.actions = read_numbers(p, 0)?,
        6 | 7 => flow.apply.actions = read_numbers(p, 0)?,
        8 => features.matches = read_fields(p)?,
        10 => features.wildcards = only_fields(p)?,
        12 | 13 => flow.write.set_fields = only_fields(p)?,
        14 | 15 => flow.apply.set_fields = only_fields(p)?,
        _ => return Err(OfError::BpcBadType),
    }
    debug_assert!(version >= Version::V13, "earlier versions have no such message");
    Ok(())
}

/// A list of actions or instructions without content, as bits; experimenters' are left out.
fn read_numbers(p: &mut Reader<'_>, mut bits: u32) -> Result<u32> {
    while !p.is_empty() {
        let (number, len) = (p.u16()?, usize::from(p.u16()?));
        p.skip(len.checked_sub(4).ok_or(OfError::BpcBadLen)?)?;
        if number < 32 {
            bits |= 1 << number;
        }
    }
    Ok(bits)
}

fn read_fields(p: &mut Reader<'_>) -> Result<Vec<(FieldId, bool)>> {
    let mut fields = Vec::new();
    while !p.is_empty() {
        fields.extend(oxm::read_listed(p)?);
    }
    Ok(fields)
}

fn only_fields(p: &mut Reader<'_>) -> Result<Vec<FieldId>> {
    Ok(read_fields(p)?.into_iter().map(|(field, _)| field).collect())
}

pub(super) fn put(version: Version, out: &mut Out, features: &TableFeatures) {
    let new = |set: bool, bit: u32| if set && version >= Version::V14 { bit } else { 0 };
    with_len(out, 0, |out| {
        out.u16(0);
        out.u8(features.table.0);
        out.u8(features.command);
        out.u32(if version >= Version::V15 { features.flags } else { 0 });
        out.text(&features.name, NAME_LEN);
        out.u64(features.metadata_match);
        out.u64(features.metadata_write);
        let miss = miss_bits(version, features.miss);
        out.u32(miss | new(features.eviction, 1 << 2) | new(features.vacancy_events, 1 << 3));
        out.u32(features.max_entries);
        if features.has_properties {
            put_abilities(out, 0, &features.flows);
            put_fields(out, 8, features.matches.iter().copied());
            put_fields(out, 10, features.wildcards.iter().map(|field| (*field, false)));
            put_settable(out, 0, &features.flows);
            if features.miss_flow != features.flows {
                put_abilities(out, 1, &features.miss_flow);
                put_settable(out, 1, &features.miss_flow);
            }
        }
    });
}

/// Instructions, next tables and actions; `miss` is 1 for the flow of misses.
fn put_abilities(out: &mut Out, miss: u16, flow: &FlowAbilities) {
    put_numbers(out, miss, flow.instructions.0);
    property(out, 2 + miss, |out| flow.next_tables.iter().for_each(|table| out.u8(table.0)));
    put_numbers(out, 4 + miss, flow.write.actions);
    put_numbers(out, 6 + miss, flow.apply.actions);
}

fn put_settable(out: &mut Out, miss: u16, flow: &FlowAbilities) {
    put_fields(out, 12 + miss, flow.write.set_fields.iter().map(|field| (*field, false)));
    put_fields(out, 14 + miss, flow.apply.set_fields.iter().map(|field| (*field, false)));
}

fn put_numbers(out: &mut Out, kind: u16, bits: u32) {
    property(out, kind, |out| {
        for number in (0..32u16).filter(|number| bits >> number & 1 == 1) {
            out.u16(number);
            out.u16(4);
        }
    });
}

fn put_fields(out: &mut Out, kind: u16, fields: impl Iterator<Item = (FieldId, bool)>) {
    property(out, kind, |out| fields.for_each(|(field, mask)| oxm::put_listed(out, field, mask)));
}
