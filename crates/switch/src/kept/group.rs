//! A group that is kept.

use netloom_flow::Nanos;
use netloom_flow::text::{GroupText, no_names, parse_group};

use super::Unwritable;
use super::word::{List, Words};
use crate::group_mod::{GroupCommand, GroupMod};
use crate::model::{Bucket, Carried, Group, GroupType};

/// A group with its counters and its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGroup {
    /// How it is made again.
    pub change: GroupMod,
    /// How long ago it was added.
    pub age: Nanos,
    /// What it has carried.
    pub carried: Carried,
    /// What each bucket has carried, in their order.
    pub buckets: Vec<Carried>,
    text: GroupText,
}

impl KeptGroup {
    pub(super) fn of(group: &Group, now: Nanos) -> Self {
        // Only where one bucket is chosen by weight, weights mean something.
        let weighs = group.kind == GroupType::Select;
        let bucket =
            |bucket: &Bucket| Bucket { weight: if weighs { bucket.weight } else { 0 }, ..bucket.clone() };
        Self {
            change: GroupMod {
                command: GroupCommand::Add,
                group: group.id,
                kind: group.kind,
                selection: group.selection.clone(),
                buckets: group.buckets.iter().map(bucket).collect(),
            },
            age: now.since(group.created),
            carried: group.carried,
            buckets: group.bucket_carried.clone(),
            text: GroupText::from(group),
        }
    }

    /// Its line.
    ///
    /// # Errors
    /// It would be read as another group.
    pub(super) fn line(&self) -> Result<String, Unwritable> {
        let text = self.text.to_string();
        let read = parse_group(&text, &no_names).map(|text| GroupMod::of_text(GroupCommand::Add, text));
        if read.as_ref() != Ok(&self.change) {
            return Err(Unwritable(format!("the group {text}")));
        }
        let Carried { packets, bytes } = self.carried;
        Ok(format!("group {} {packets} {bytes} {} {text}", self.age.0, List(&self.buckets)))
    }

    /// Reads what stands behind the first word of its line.
    pub(super) fn read(mut words: Words<'_>) -> Result<Self, String> {
        let (age, carried, buckets) = (words.span("the age")?, words.carried()?, words.all_carried()?);
        let text = parse_group(words.rest(), &no_names).map_err(|error| error.message)?;
        if buckets.len() != text.buckets.len() {
            return Err("there are not as many counters as buckets".to_owned());
        }
        let change = GroupMod::of_text(GroupCommand::Add, text.clone());
        Ok(Self { change, age, carried, buckets, text })
    }
}
