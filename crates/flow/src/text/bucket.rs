//! Buckets of groups: `bucket=weight:10,watch_port:1,actions=output:1`

use std::fmt;

use super::action::{self, Shown};
use super::error::FlowTextError;
use super::piece::{Item, Items, Piece};
use super::port::{self, PortNames};
use super::value;
use crate::{Action, OfPort};

/// A bucket of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BucketText {
    /// Its number; `None`: by its place.
    pub id: Option<u32>,
    /// Its share, in a select group; `None`: 1.
    pub weight: Option<u16>,
    /// Alive if this port is.
    pub watch_port: Option<OfPort>,
    /// Alive if this group is.
    pub watch_group: Option<u32>,
    /// What it does; nothing: it drops.
    pub actions: Vec<Action>,
}

/// The highest number of a bucket.
const MAX_ID: u32 = 0xffff_ff00;

/// Reads buckets, each begun by `bucket=`.
pub(super) fn parse_all(text: Piece<'_>, ports: PortNames<'_>) -> Result<Vec<BucketText>, FlowTextError> {
    let begin = text.span().start;
    let starts: Vec<(usize, usize)> = Items::new(text)
        .filter(|item| item.key.text == "bucket")
        .filter_map(|item| Some((item.whole.span().start - begin, item.value?.span().start - begin)))
        .collect();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([text.text.len()]);
    starts.iter().zip(ends).map(|((_, from), to)| parse(text.slice(*from, to), ports)).collect()
}

/// Reads what stands behind `bucket=`, up to the next.
fn parse(text: Piece<'_>, ports: PortNames<'_>) -> Result<BucketText, FlowTextError> {
    let mut bucket = BucketText::default();
    let begin = text.span().start;
    for item in Items::new(text) {
        if option(&mut bucket, item, ports)? {
            continue;
        }
        let list = match item.key.text {
            "actions" | "action" if item.value.is_some() => item.rest,
            _ => text.slice(item.whole.span().start - begin, text.text.len()),
        };
        let end = list.text.trim_end_matches([',', ' ', '\t', '\r', '\n']).len();
        bucket.actions = action::parse_bucket(list.slice(0, end), ports)?;
        return Ok(bucket);
    }
    Err(FlowTextError::new(text, "The bucket has no actions").hint("add actions=drop"))
}

fn option(bucket: &mut BucketText, item: Item<'_>, ports: PortNames<'_>) -> Result<bool, FlowTextError> {
    match (item.key.text, item.value) {
        ("bucket_id", Some(value)) => bucket.id = Some(id(value)?),
        ("weight", Some(value)) => bucket.weight = Some(value::small(value)?),
        ("watch_port", Some(value)) => bucket.watch_port = watched(value, ports)?,
        ("watch_group", Some(value)) => {
            bucket.watch_group =
                if value.text.eq_ignore_ascii_case("any") { None } else { Some(value::small(value)?) };
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The port that must be up; `ANY`: none in particular.
fn watched(text: Piece<'_>, ports: PortNames<'_>) -> Result<Option<OfPort>, FlowTextError> {
    match port::parse(text, ports)? {
        OfPort::NONE => Ok(None),
        port if port < OfPort::MAX || port == OfPort::LOCAL => Ok(Some(port)),
        port => {
            Err(FlowTextError::new(text, format!("{} is not a port that can be watched", port::Shown(port))))
        }
    }
}

/// The number of a bucket.
pub(super) fn id(text: Piece<'_>) -> Result<u32, FlowTextError> {
    let id = value::number(text, u128::from(MAX_ID))?;
    Ok(u32::try_from(id).unwrap_or(MAX_ID))
}

impl fmt::Display for BucketText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bucket=")?;
        let numbers = [("bucket_id", self.id), ("weight", self.weight.map(u32::from))];
        for (name, value) in numbers.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
            write!(f, "{name}:{value},")?;
        }
        if let Some(port) = self.watch_port {
            write!(f, "watch_port:{},", port::Shown(port))?;
        }
        if let Some(group) = self.watch_group {
            write!(f, "watch_group:{group},")?;
        }
        write!(f, "actions={}", Shown(&self.actions))
    }
}
