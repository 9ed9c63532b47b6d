//! `OFPT_GROUP_MOD`, `NXT_GROUP_MOD`, and groups in answers.
//!
//! ```text
//! 1.1  command:16 type:8 zero:8 group:32 buckets
//! 1.5  command:16 type:8 zero:8 group:32 buckets_len:16 zero:16 command_bucket:32 buckets properties
//! ```
//!
//! A bucket:
//!
//! ```text
//! 1.1  length:16 weight:16 watch_port:32 watch_group:32 zero:32 actions
//! 1.5  length:16 actions_len:16 id:32 actions, properties (0 weight:16, 1 watch_port:32, 2 watch_group:32)
//! ```
//!
//! The property by which a select group chooses is Netronome's (`netronome-ext.h`); with 1.0, the message of Nicira
//! has the layout of 1.5.

use netloom_flow::{FieldId, OfPort};

use super::action::{self, Context, property, read_property};
use super::oxm;
use super::port;
use super::reader::Reader;
use super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::msg::group::{BUCKET_ALL, BUCKET_MAX, GROUP_ANY};
use crate::msg::{Bucket, GroupCommand, GroupDesc, GroupMod, GroupType, Selection};
use crate::{OfError, Version};

/// The experimenter number of Netronome.
const NETRONOME: u32 = 0x0000_154d;
/// The property of experimenters.
const EXPERIMENTER: u16 = 0xffff;
/// Bytes of a method's name.
const METHOD_LEN: usize = 16;

/// Whether the layout is that of 1.5, which Nicira's messages in 1.0 have, too.
pub(super) const fn is_15(version: Version) -> bool {
    matches!(version, Version::V10 | Version::V15)
}

fn kind(number: u8, error: OfError) -> Result<GroupType> {
    Ok(match number {
        0 => GroupType::All,
        1 => GroupType::Select,
        2 => GroupType::Indirect,
        3 => GroupType::FastFailover,
        _ => return Err(error),
    })
}

fn command(version: Version, number: u16) -> Result<GroupCommand> {
    Ok(match number {
        0 => GroupCommand::Add,
        1 => GroupCommand::Modify,
        2 => GroupCommand::Delete,
        3 if is_15(version) => GroupCommand::InsertBucket,
        5 if is_15(version) => GroupCommand::RemoveBucket,
        0x8000 => GroupCommand::AddOrModify,
        _ => return Err(OfError::GmfcBadCommand),
    })
}

const fn command_number(command: GroupCommand) -> u16 {
    match command {
        GroupCommand::Add => 0,
        GroupCommand::Modify => 1,
        GroupCommand::Delete => 2,
        GroupCommand::InsertBucket => 3,
        GroupCommand::RemoveBucket => 5,
        GroupCommand::AddOrModify => 0x8000,
    }
}

pub(super) fn read_mod(version: Version, r: &mut Reader<'_>) -> Result<GroupMod> {
    let command = command(version, r.u16()?)?;
    let kind_number = r.u8()?;
    r.skip(1)?;
    let group = r.u32()?;
    let (command_bucket, buckets, selection);
    // Deletions need not say of what type the group is.
    let bad_type = if version == Version::V10 { OfError::GmfcInvalidGroup } else { OfError::GmfcBadType };
    let kind = match command {
        GroupCommand::Delete => kind(kind_number, bad_type).unwrap_or(GroupType::All),
        _ => kind(kind_number, bad_type)?,
    };
    if is_15(version) {
        let len = r.u16()?;
        r.skip(2)?;
        command_bucket = r.u32()?;
        buckets = read_buckets(version, kind, &mut r.part(len.into())?)?;
        selection = read_properties(r)?;
        check_ids(command, command_bucket, &buckets)?;
    } else {
        command_bucket = BUCKET_ALL;
        buckets = read_buckets(version, kind, r)?;
        selection = Selection::default();
    }
    if !selection.method.is_empty() && kind != GroupType::Select {
        return Err(OfError::BpcBadValue);
    }
    if kind == GroupType::Indirect && buckets.len() != 1 && command != GroupCommand::Delete {
        return Err(OfError::GmfcInvalidGroup);
    }
    buckets.iter().try_for_each(|bucket| check(command, kind, bucket))?;
    Ok(GroupMod { command, kind, group, command_bucket, buckets, selection })
}

/// What a bucket may have depends on the type of its group.
fn check(command: GroupCommand, kind: GroupType, bucket: &Bucket) -> Result<()> {
    let watches = bucket.watch_port != OfPort::NONE || bucket.watch_group != GROUP_ANY;
    let weighed = bucket.weight != 0 && kind != GroupType::Select;
    match kind {
        _ if weighed && command != GroupCommand::InsertBucket => Err(OfError::GmfcInvalidGroup),
        GroupType::All | GroupType::Indirect if watches => Err(OfError::GmfcWatchUnsupported),
        GroupType::FastFailover if !watches => Err(OfError::GmfcInvalidGroup),
        _ => Ok(()),
    }
}

/// Numbers of buckets in a message of 1.5: which there must be, and none twice.
fn check_ids(command: GroupCommand, command_bucket: u32, buckets: &[Bucket]) -> Result<()> {
    let right = match command {
        GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify | GroupCommand::Delete => {
            command_bucket == BUCKET_ALL
        }
        GroupCommand::InsertBucket => command_bucket <= BUCKET_MAX || command_bucket != BUCKET_ALL,
        GroupCommand::RemoveBucket => buckets.is_empty(),
    };
    if !right {
        return Err(OfError::GmfcBadBucket);
    }
    let mut ids: Vec<u32> = buckets.iter().map(|bucket| bucket.id).collect();
    ids.sort_unstable();
    if ids.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(OfError::GmfcBucketExists);
    }
    Ok(())
}

fn read_buckets(version: Version, kind: GroupType, r: &mut Reader<'_>) -> Result<Vec<Bucket>> {
    let mut buckets = Vec::new();
    let mut r = r.part(r.len())?.or(OfError::GmfcBadBucket);
    while !r.is_empty() {
        let len = usize::from(r.u16()?);
        if len % 8 != 0 {
            return Err(OfError::GmfcBadBucket);
        }
        let mut body = r.part(len.checked_sub(2).ok_or(OfError::GmfcBadBucket)?)?;
        let bucket = if is_15(version) {
            read_bucket_15(version, kind, &mut body)?
        } else {
            let number = u32::try_from(buckets.len()).unwrap_or(u32::MAX);
            read_bucket_11(version, &mut body, number)?
        };
        buckets.push(bucket);
    }
    Ok(buckets)
}

fn read_bucket_11(version: Version, r: &mut Reader<'_>, id: u32) -> Result<Bucket> {
    let (weight, watch_port, watch_group) = (r.u16()?, r.u32()?, r.u32()?);
    r.skip(4)?;
    Ok(Bucket {
        id,
        weight,
        watch_port: port::from_32(watch_port, OfError::GmfcBadWatch)?,
        watch_group,
        actions: action::read_list(version, r)?,
    })
}

/// The weight of a bucket of 1.5 that does not say it.
const fn default_weight(kind: GroupType) -> u16 {
    if matches!(kind, GroupType::Select) { 1 } else { 0 }
}

fn read_bucket_15(version: Version, of: GroupType, r: &mut Reader<'_>) -> Result<Bucket> {
    let (actions_len, id) = (r.u16()?, r.u32()?);
    if id > BUCKET_MAX {
        return Err(OfError::GmfcBadBucket);
    }
    let mut bucket = Bucket {
        id,
        weight: default_weight(of),
        watch_port: OfPort::NONE,
        watch_group: GROUP_ANY,
        actions: action::read_list(version, &mut r.part(actions_len.into())?)?,
    };
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            0 => bucket.weight = p.u16()?,
            1 => bucket.watch_port = port::from_32(p.u32()?, OfError::GmfcBadWatch)?,
            2 => bucket.watch_group = p.u32()?,
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(bucket)
}

/// `0xffff:16 length:16 0x154d:32 1:32 zero:32 method:16 bytes param:64 fields`
fn read_properties(r: &mut Reader<'_>) -> Result<Selection> {
    let mut selection = Selection::default();
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        if kind != EXPERIMENTER {
            return Err(OfError::BpcBadType);
        }
        if p.u32()? != NETRONOME {
            return Err(OfError::BpcBadExperimenter);
        }
        if p.u32()? != 1 {
            return Err(OfError::BpcBadExpType);
        }
        p.skip(4)?;
        selection = read_selection(&mut p)?;
    }
    Ok(selection)
}

fn read_selection(p: &mut Reader<'_>) -> Result<Selection> {
    let method = p.text(METHOD_LEN)?;
    let param = p.u64()?;
    if !matches!(method.as_str(), "hash" | "dp_hash" | "") {
        return Err(OfError::BpcBadValue);
    }
    let mut fields: Vec<(FieldId, u128)> = Vec::new();
    while !p.is_empty() {
        let set = oxm::read_selected(p)?;
        if fields.iter().any(|(field, _)| *field == set.0) {
            return Err(OfError::BmcDupField);
        }
        fields.push(set);
    }
    if method == "dp_hash" && !fields.is_empty() {
        return Err(OfError::BpcBadValue);
    }
    Ok(Selection { method, param, fields })
}

pub(super) fn put_mod(version: Version, out: &mut Out, change: &GroupMod) {
    out.u16(command_number(change.command));
    out.u8(change.kind as u8);
    out.u8(0);
    out.u32(change.group);
    if !is_15(version) {
        put_buckets(version, change.kind, out, &change.buckets);
        return;
    }
    let len_at = out.len();
    out.zeros(4);
    out.u32(change.command_bucket);
    let start = out.len();
    put_buckets(version, change.kind, out, &change.buckets);
    let len = out.len() - start;
    out.patch16(len_at, len);
    put_properties(out, &change.selection);
}

fn put_properties(out: &mut Out, selection: &Selection) {
    if selection.method.is_empty() {
        return;
    }
    property(out, EXPERIMENTER, |out| {
        out.u32(NETRONOME);
        out.u32(1);
        out.zeros(4);
        out.text(&selection.method, METHOD_LEN);
        out.u64(selection.param);
        selection.fields.iter().for_each(|(field, mask)| oxm::put_selected(out, *field, *mask));
    });
}

fn put_buckets(version: Version, kind: GroupType, out: &mut Out, buckets: &[Bucket]) {
    for bucket in buckets {
        with_len(out, 0, |out| {
            if is_15(version) {
                put_bucket_15(version, kind, out, bucket);
            } else {
                put_bucket_11(version, out, bucket);
            }
        });
    }
}

fn put_bucket_11(version: Version, out: &mut Out, bucket: &Bucket) {
    out.u16(0);
    out.u16(bucket.weight);
    out.u32(bucket.watch_port.0);
    out.u32(bucket.watch_group);
    out.zeros(4);
    action::put_list(out, Context::any(version), &bucket.actions);
}

fn put_bucket_15(version: Version, of: GroupType, out: &mut Out, bucket: &Bucket) {
    let start = out.len();
    out.u32(0);
    out.u32(bucket.id);
    let actions = out.len();
    action::put_list(out, Context::any(version), &bucket.actions);
    let len = out.len() - actions;
    out.patch16(start + 2, len);
    if bucket.weight != default_weight(of) {
        property(out, 0, |out| {
            out.u16(bucket.weight);
            out.zeros(2);
        });
    }
    if bucket.watch_port != OfPort::NONE {
        property(out, 1, |out| out.u32(bucket.watch_port.0));
    }
    if bucket.watch_group != GROUP_ANY {
        property(out, 2, |out| out.u32(bucket.watch_group));
    }
}

/// A group in an answer.
///
/// ```text
/// 1.1  length:16 type:8 zero:8 group:32 buckets
/// 1.5  length:16 type:8 zero:8 group:32 buckets_len:16 zero:48 buckets properties
/// ```
pub(super) fn read_desc(version: Version, r: &mut Reader<'_>) -> Result<GroupDesc> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    let kind = kind(body.u8()?, OfError::BrcBadLen)?;
    body.skip(1)?;
    let group = body.u32()?;
    if !is_15(version) {
        let buckets = read_buckets(version, kind, &mut body)?;
        return Ok(GroupDesc { group, kind, buckets, selection: Selection::default() });
    }
    let len = body.u16()?;
    body.skip(6)?;
    let buckets = read_buckets(version, kind, &mut body.part(len.into())?)?;
    Ok(GroupDesc { group, kind, buckets, selection: read_properties(&mut body)? })
}

pub(super) fn put_desc(version: Version, out: &mut Out, desc: &GroupDesc) {
    with_len(out, 0, |out| {
        out.u16(0);
        out.u8(desc.kind as u8);
        out.u8(0);
        out.u32(desc.group);
        if !is_15(version) {
            put_buckets(version, desc.kind, out, &desc.buckets);
            return;
        }
        let len_at = out.len();
        out.zeros(8);
        let start = out.len();
        put_buckets(version, desc.kind, out, &desc.buckets);
        let len = out.len() - start;
        out.patch16(len_at, len);
        put_properties(out, &desc.selection);
    });
}
