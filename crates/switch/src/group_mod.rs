//! Adding, changing and removing groups.

use netloom_flow::{Action, BridgeId, Nanos, OfPort};

use crate::events::Removed;
use crate::flow_mod::{FlowError, FlowQuery, check_bucket};
use crate::model::{Bucket, Carried, Group, GroupType, Selection, each_action};
use crate::switch::Switch;
use crate::undo::Undo;

/// Most buckets of a group.
const MAX_BUCKETS: usize = 4_096;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupCommand {
    /// Add a group.
    Add,
    /// Replace one.
    Modify,
    /// Replace one, or add it (0x8000).
    AddOrModify,
    /// Remove one, or all.
    Delete,
    /// Insert buckets.
    InsertBuckets(BucketPlace),
    /// Remove buckets.
    RemoveBuckets(BucketPlace),
}

/// Which bucket, or where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketPlace {
    /// The first; in front of all.
    First,
    /// The last; behind all.
    Last,
    /// All of them. Only for removing.
    All,
    /// The bucket of this id; behind it.
    Id(u32),
}

/// A change of groups, free of any version of the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMod {
    /// What is to be done.
    pub command: GroupCommand,
    /// The group; [`Group::ALL`] for `Delete`.
    pub group: u32,
    /// How it chooses.
    pub kind: GroupType,
    /// What it chooses by.
    pub selection: Selection,
    /// Its buckets. With [`BucketPlace::Id`] they have ids; where all are 0, they are numbered.
    pub buckets: Vec<Bucket>,
}

/// Why groups were not changed. Nothing was, then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// There is no such bridge.
    #[error("There is no bridge {0}")]
    NoBridge(BridgeId),
    /// The group is there already.
    #[error("Group {0} exists already")]
    Exists(u32),
    /// The group is not there.
    #[error("There is no group {0}")]
    Unknown(u32),
    /// No group can have this number.
    #[error("{0} is not the number of a group")]
    Invalid(u32),
    /// Groups would refer to each other in a circle.
    #[error("Group {0} would lead back to itself")]
    Loop(u32),
    /// The kind does not go with the buckets.
    #[error("A group of this type cannot have such buckets")]
    BadBuckets,
    /// Two buckets have one id.
    #[error("There are two buckets {0}")]
    BucketExists(u32),
    /// The bucket is not there.
    #[error("There is no bucket {0}")]
    UnknownBucket(u32),
    /// Too many buckets.
    #[error("A group has at most 4096 buckets")]
    TooManyBuckets,
    /// A bucket of a fast-failover group watches nothing, or what is not there.
    #[error("A bucket watches port or group {0}, which is not there")]
    BadWatch(u32),
    /// What buckets do cannot be carried out.
    #[error("{0}")]
    Actions(#[from] FlowError),
}

impl Switch {
    /// Carries out a change of groups. Pull all hits first. Returns how many groups were changed or removed.
    ///
    /// Removing a group removes the flows that use it.
    ///
    /// # Errors
    /// Nothing was changed, see [`GroupError`].
    pub fn group_mod(&mut self, bridge: BridgeId, change: GroupMod, now: Nanos) -> Result<usize, GroupError> {
        let present = self.bridges.get(bridge).ok_or(GroupError::NoBridge(bridge))?.groups.get(&change.group);
        let id = change.group;
        if let GroupCommand::Delete = change.command {
            return Ok(self.delete_groups(bridge, id, now));
        }
        if id > Group::MAX {
            return Err(GroupError::Invalid(id));
        }
        let buckets = match (change.command, present) {
            (GroupCommand::Add, Some(_)) => return Err(GroupError::Exists(id)),
            (GroupCommand::Add | GroupCommand::AddOrModify, _) | (GroupCommand::Modify, Some(_)) => {
                numbered(change.buckets)
            }
            (GroupCommand::InsertBuckets(place), Some(group)) => inserted(group, change.buckets, place)?,
            (GroupCommand::RemoveBuckets(place), Some(group)) => removed(group, place)?,
            _ => return Err(GroupError::Unknown(id)),
        };
        let edits = matches!(change.command, GroupCommand::InsertBuckets(_) | GroupCommand::RemoveBuckets(_));
        let (kind, selection) = match present {
            Some(group) if edits => (group.kind, group.selection.clone()),
            _ => (change.kind, change.selection),
        };
        self.check_buckets(bridge, id, kind, &buckets)?;
        self.put_group(bridge, (id, kind, selection, buckets), now);
        Ok(1)
    }

    /// The groups of a bridge with their counters, by number; one, or with [`Group::ALL`] all of them.
    #[must_use]
    pub fn groups(&self, bridge: BridgeId, id: u32) -> Vec<&Group> {
        let groups = self.bridges.get(bridge).into_iter().flat_map(|bridge| bridge.groups.values());
        groups.filter(|group| matches!(id, Group::ALL | Group::ANY) || group.id == id).collect()
    }

    /// How many flows of a bridge use a group.
    #[must_use]
    pub fn group_references(&self, bridge: BridgeId, id: u32) -> usize {
        let query = FlowQuery { out_group: Some(id), ..FlowQuery::default() };
        self.bridges.get(bridge).map_or(0, |bridge| query.rules(bridge).len())
    }

    fn put_group(
        &mut self,
        bridge: BridgeId,
        (id, kind, selection, buckets): (u32, GroupType, Selection, Vec<Bucket>),
        now: Nanos,
    ) {
        let version = self.next_version();
        let Some(groups) = self.bridges.get_mut(bridge).map(|bridge| &mut bridge.groups) else { return };
        let old = groups.remove(&id);
        self.journal.note(|| Undo::Group(bridge, id, old.clone().map(Box::new)));
        let carried_by = |bucket: &Bucket| {
            let old = old.as_ref()?;
            let at = old.buckets.iter().position(|known| known.id == bucket.id)?;
            old.bucket_carried.get(at).copied()
        };
        let bucket_carried = buckets.iter().map(|bucket| carried_by(bucket).unwrap_or_default()).collect();
        let (created, carried) =
            old.as_ref().map_or((now, Carried::default()), |old| (old.created, old.carried));
        let group = Group { id, kind, selection, buckets, created, carried, bucket_carried, version };
        groups.insert(id, group);
        self.advance();
    }

    fn delete_groups(&mut self, bridge: BridgeId, id: u32, now: Nanos) -> usize {
        let gone: Vec<u32> = self.groups(bridge, id).iter().map(|group| group.id).collect();
        for id in &gone {
            let query = FlowQuery { out_group: Some(*id), ..FlowQuery::default() };
            let rules = self.bridges.get(bridge).map(|bridge| query.rules(bridge)).unwrap_or_default();
            rules.iter().for_each(|rule| self.remove_rule(rule.id, Removed::GroupDelete, now));
            let group = self.bridges.get_mut(bridge).and_then(|bridge| bridge.groups.remove(id));
            self.journal.note(|| Undo::Group(bridge, *id, group.map(Box::new)));
        }
        if !gone.is_empty() {
            self.advance();
        }
        gone.len()
    }

    fn check_buckets(
        &self,
        bridge: BridgeId,
        id: u32,
        kind: GroupType,
        buckets: &[Bucket],
    ) -> Result<(), GroupError> {
        let bridge = self.bridges.get(bridge).ok_or(GroupError::NoBridge(bridge))?;
        if buckets.len() > MAX_BUCKETS {
            return Err(GroupError::TooManyBuckets);
        }
        if kind == GroupType::Indirect && buckets.len() != 1 {
            return Err(GroupError::BadBuckets);
        }
        let mut ids: Vec<u32> = buckets.iter().map(|bucket| bucket.id).collect();
        ids.sort_unstable();
        if let Some([twice, _]) = ids.array_windows().find(|[a, b]| a == b) {
            return Err(GroupError::BucketExists(*twice));
        }
        for bucket in buckets {
            if kind != GroupType::Select && bucket.weight > 1 {
                return Err(GroupError::BadBuckets);
            }
            if kind == GroupType::FastFailover {
                check_watch(bucket)?;
            }
            if bucket.actions.iter().any(|action| action.uses_group(id)) {
                return Err(GroupError::Loop(id));
            }
            check_bucket(bridge, &bucket.actions)?;
            let mut next = groups_in(&bucket.actions);
            let mut seen = Vec::new();
            while let Some(at) = next.pop() {
                if at == id {
                    return Err(GroupError::Loop(id));
                }
                if !seen.contains(&at) {
                    seen.push(at);
                    let buckets = bridge.groups.get(&at).into_iter().flat_map(|group| &group.buckets);
                    next.extend(buckets.flat_map(|bucket| groups_in(&bucket.actions)));
                }
            }
        }
        Ok(())
    }
}

fn check_watch(bucket: &Bucket) -> Result<(), GroupError> {
    let port = bucket.watch_port.filter(|port| *port != OfPort::NONE);
    let group = bucket.watch_group.filter(|group| *group != Group::ANY);
    if port.is_none() && group.is_none() { Err(GroupError::BadWatch(Group::ANY)) } else { Ok(()) }
}

fn groups_in(actions: &[Action]) -> Vec<u32> {
    let mut groups = Vec::new();
    each_action(actions, &mut |action| {
        if let Action::Group(id) = action {
            groups.push(*id);
        }
    });
    groups
}

/// Gives buckets ids in order, if they have none.
fn numbered(mut buckets: Vec<Bucket>) -> Vec<Bucket> {
    if buckets.iter().all(|bucket| bucket.id == 0) {
        (0..).zip(&mut buckets).for_each(|(id, bucket)| bucket.id = id);
    }
    buckets
}

fn inserted(group: &Group, new: Vec<Bucket>, place: BucketPlace) -> Result<Vec<Bucket>, GroupError> {
    let at = match place {
        BucketPlace::First => 0,
        BucketPlace::Last => group.buckets.len(),
        BucketPlace::All => return Err(GroupError::BadBuckets),
        BucketPlace::Id(id) => position(group, id)? + 1,
    };
    let mut buckets = group.buckets.clone();
    buckets.splice(at..at, new);
    Ok(buckets)
}

fn removed(group: &Group, place: BucketPlace) -> Result<Vec<Bucket>, GroupError> {
    let mut buckets = group.buckets.clone();
    match place {
        BucketPlace::All => buckets.clear(),
        BucketPlace::First => _ = buckets.drain(..buckets.len().min(1)),
        BucketPlace::Last => _ = buckets.pop(),
        BucketPlace::Id(id) => _ = buckets.remove(position(group, id)?),
    }
    Ok(buckets)
}

fn position(group: &Group, id: u32) -> Result<usize, GroupError> {
    let at = group.buckets.iter().position(|bucket| bucket.id == id);
    at.ok_or(GroupError::UnknownBucket(id))
}
