//! Groups: `group_id=1,type=select,bucket=weight:10,actions=output:1,bucket=weight:20,actions=output:2`
//!
//! Source: ovs-ofctl(8), "Group Syntax"; OpenFlow 1.5.1 §5.10.

use std::fmt;

use super::bucket::{self, BucketText};
use super::error::FlowTextError;
use super::piece::{Item, Items, Piece};
use super::port::PortNames;
use super::selection::{self, SelectionText};
use super::value;

/// What a group does with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum GroupKind {
    /// Every bucket gets a copy.
    All = 0,
    /// One bucket, by hash and weight.
    Select = 1,
    /// The only bucket.
    Indirect = 2,
    /// The first bucket that is alive.
    FastFailover = 3,
}

impl GroupKind {
    /// The names that are read; the first of each kind is printed.
    const NAMES: [(&'static str, Self); 5] = [
        ("all", Self::All),
        ("select", Self::Select),
        ("indirect", Self::Indirect),
        ("ff", Self::FastFailover),
        ("fast_failover", Self::FastFailover),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Select => "select",
            Self::Indirect => "indirect",
            Self::FastFailover => "ff",
        }
    }
}

/// A group as `ovs-ofctl add-group` takes it. `Display` prints what is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupText {
    /// Its number; [`Self::ALL`]: all groups, in a deletion.
    pub group: u32,
    /// What it does; `None`: not said, as in a deletion.
    pub kind: Option<GroupKind>,
    /// How it selects.
    pub selection: SelectionText,
    /// Where buckets are put in or which are taken out; see [`Self::FIRST`] and its like.
    pub command_bucket: Option<u32>,
    /// Its buckets.
    pub buckets: Vec<BucketText>,
}

impl GroupText {
    /// The highest number of a group.
    pub const MAX: u32 = 0xffff_ff00;
    /// All groups (`OFPG_ALL`).
    pub const ALL: u32 = 0xffff_fffc;
    /// Before the first bucket (`OFPG_BUCKET_FIRST`).
    pub const FIRST: u32 = 0xffff_fffd;
    /// Behind the last bucket (`OFPG_BUCKET_LAST`).
    pub const LAST: u32 = 0xffff_fffe;
    /// All buckets (`OFPG_BUCKET_ALL`).
    pub const ALL_BUCKETS: u32 = 0xffff_ffff;
}

/// Numbers of buckets that have names.
const BUCKETS: [(&str, u32); 3] =
    [("first", GroupText::FIRST), ("last", GroupText::LAST), ("all", GroupText::ALL_BUCKETS)];

/// Reads a group that is to be: it has a type, and buckets that suit it.
///
/// # Errors
/// The first thing that is wrong, with its place and, where possible, what would be right.
pub fn parse_group(text: &str, ports: PortNames<'_>) -> Result<GroupText, FlowTextError> {
    let group = parse_group_filter(text, ports)?;
    let whole = Piece::new(text);
    let Some(kind) = group.kind else {
        return Err(
            FlowTextError::new(whole, "The group has no type").hint("add type=all, select, indirect or ff")
        );
    };
    if kind == GroupKind::Indirect && group.buckets.len() != 1 {
        return Err(FlowTextError::new(whole, "An indirect group has one bucket"));
    }
    if kind != GroupKind::Select && group.selection != SelectionText::default() {
        return Err(FlowTextError::new(whole, "Only a select group has a selection_method"));
    }
    for bucket in &group.buckets {
        if kind != GroupKind::Select && bucket.weight.is_some() {
            return Err(FlowTextError::new(whole, "Only buckets of a select group have a weight"));
        }
        if kind == GroupKind::FastFailover && bucket.watch_port.is_none() && bucket.watch_group.is_none() {
            return Err(FlowTextError::new(whole, "Each bucket of this type watches a port or a group")
                .hint("as in bucket=watch_port:1,actions=output:1"));
        }
    }
    Ok(group)
}

/// Reads which group is meant, and which buckets: a type need not be given.
///
/// # Errors
/// As [`parse_group`].
pub fn parse_group_filter(text: &str, ports: PortNames<'_>) -> Result<GroupText, FlowTextError> {
    let whole = Piece::new(text);
    let mut group = GroupText {
        group: 0,
        kind: None,
        selection: SelectionText::default(),
        command_bucket: None,
        buckets: Vec::new(),
    };
    let mut is_named = false;
    let mut begins = None;
    for item in Items::new(whole) {
        if item.key.text == "bucket" && item.value.is_some() {
            begins = Some(item.whole.span().start);
            break;
        }
        if item.key.text == "group_id" {
            group.group = number(item)?;
            is_named = true;
        } else if !option(&mut group, item)? {
            return Err(unknown(item));
        }
    }
    if !is_named {
        return Err(FlowTextError::new(whole, "The group has no number").hint("add group_id=NUMBER"));
    }
    if let Some(from) = begins {
        group.buckets = bucket::parse_all(whole.slice(from, text.len()), ports)?;
    }
    Ok(group)
}

/// Reads what is neither the number nor a bucket.
fn option(group: &mut GroupText, item: Item<'_>) -> Result<bool, FlowTextError> {
    match (item.key.text, item.value) {
        ("type", Some(value)) => {
            let found = GroupKind::NAMES.iter().find(|(name, _)| *name == value.text);
            group.kind = Some(found.map(|(_, kind)| *kind).ok_or_else(|| {
                FlowTextError::new(value, format!("'{}' is not a type of group", value.text))
                    .hint("one of all, select, indirect, ff")
                    .did_you_mean(value.text, GroupKind::NAMES.iter().map(|(name, _)| *name))
            })?);
        }
        ("command_bucket_id", Some(value)) => {
            let named = BUCKETS.iter().find(|(name, _)| *name == value.text).map(|(_, id)| *id);
            group.command_bucket = Some(match named {
                Some(id) => id,
                None => bucket::id(value)?,
            });
        }
        _ => return selection::option(&mut group.selection, item),
    }
    Ok(true)
}

fn number(item: Item<'_>) -> Result<u32, FlowTextError> {
    let value = item.value.ok_or_else(|| {
        FlowTextError::new(item.whole, "'group_id' needs a value").hint("write group_id=NUMBER")
    })?;
    if value.text == "all" {
        return Ok(GroupText::ALL);
    }
    let number = value::number(value, u128::from(GroupText::MAX))?;
    Ok(u32::try_from(number).unwrap_or(GroupText::MAX))
}

fn unknown(item: Item<'_>) -> FlowTextError {
    let known = ["group_id", "type", "bucket", "command_bucket_id"].into_iter().chain(selection::NAMES);
    FlowTextError::new(item.key, format!("Unknown word '{}'", item.key.text))
        .did_you_mean(item.key.text, known)
}

impl fmt::Display for GroupText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            Self::ALL => f.write_str("group_id=all")?,
            group => write!(f, "group_id={group}")?,
        }
        if let Some(kind) = self.kind {
            write!(f, ",type={}", kind.name())?;
        }
        write!(f, "{}", self.selection)?;
        if let Some(bucket) = self.command_bucket {
            match BUCKETS.iter().find(|(_, id)| *id == bucket) {
                Some((name, _)) => write!(f, ",command_bucket_id={name}")?,
                None => write!(f, ",command_bucket_id={bucket}")?,
            }
        }
        self.buckets.iter().try_for_each(|bucket| write!(f, ",{bucket}"))
    }
}
