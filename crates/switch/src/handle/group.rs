//! Groups on the wire.

use netloom_flow::{BridgeId, Nanos, OfPort};
use netloom_openflow::OfError;
use netloom_openflow::msg::group::{
    BUCKET_ALL, BUCKET_FIRST, BUCKET_LAST, GROUP_ANY, GroupCapabilities, GroupFeatures,
};
use netloom_openflow::msg::stats::Counts;
use netloom_openflow::msg::{self, GroupDesc, GroupStats};

use super::Connection;
use super::error::of_group;
use crate::group_mod::{BucketPlace, GroupCommand, GroupMod};
use crate::model::{Bucket, Group, GroupType, Selection};
use crate::switch::Switch;

impl Switch {
    pub(super) fn handle_group_mod(
        &mut self,
        bridge: BridgeId,
        connection: &Connection,
        request: msg::GroupMod,
        now: Nanos,
    ) -> Result<(), OfError> {
        let place = match request.command_bucket {
            BUCKET_FIRST => BucketPlace::First,
            BUCKET_LAST => BucketPlace::Last,
            BUCKET_ALL => BucketPlace::All,
            id => BucketPlace::Id(id),
        };
        let command = match request.command {
            msg::GroupCommand::Add => GroupCommand::Add,
            msg::GroupCommand::Modify => GroupCommand::Modify,
            msg::GroupCommand::AddOrModify => GroupCommand::AddOrModify,
            msg::GroupCommand::Delete => GroupCommand::Delete,
            msg::GroupCommand::InsertBucket => GroupCommand::InsertBuckets(place),
            msg::GroupCommand::RemoveBucket => GroupCommand::RemoveBuckets(place),
        };
        let kind = match request.kind {
            msg::GroupType::All => GroupType::All,
            msg::GroupType::Select => GroupType::Select,
            msg::GroupType::Indirect => GroupType::Indirect,
            msg::GroupType::FastFailover => GroupType::FastFailover,
        };
        let selection = selection(request.selection)?;
        let buckets = request.buckets.into_iter().map(bucket).collect();
        let change = GroupMod { command, group: request.group, kind, selection, buckets };
        self.group_mod(bridge, change, now).map(drop).map_err(|error| of_group(&error, connection.version))
    }

    pub(super) fn group_descs(&self, bridge: BridgeId, id: u32) -> Vec<GroupDesc> {
        let desc = |group: &&Group| GroupDesc {
            group: group.id,
            kind: match group.kind {
                GroupType::All => msg::GroupType::All,
                GroupType::Select => msg::GroupType::Select,
                GroupType::Indirect => msg::GroupType::Indirect,
                GroupType::FastFailover => msg::GroupType::FastFailover,
            },
            buckets: group.buckets.iter().map(told).collect(),
            selection: told_selection(&group.selection),
        };
        self.groups(bridge, id).iter().map(desc).collect()
    }

    pub(super) fn group_stats(&self, bridge: BridgeId, id: u32, now: Nanos) -> Vec<GroupStats> {
        let stats = |group: &&Group| GroupStats {
            group: group.id,
            references: u32::try_from(self.group_references(bridge, group.id)).unwrap_or(u32::MAX),
            counts: Counts {
                packets: group.carried.packets,
                bytes: group.carried.bytes,
                duration: now.since(group.created),
            },
            buckets: group.bucket_carried.iter().map(|bucket| (bucket.packets, bucket.bytes)).collect(),
        };
        self.groups(bridge, id).iter().map(stats).collect()
    }
}

/// What groups can do: all types, weights, liveness and chains.
pub(super) const fn features(actions: u32) -> GroupFeatures {
    let (weight, live, chains) =
        (GroupCapabilities::SELECT_WEIGHT, GroupCapabilities::SELECT_LIVENESS, GroupCapabilities::CHAINING);
    GroupFeatures {
        types: 0xf,
        capabilities: weight.with(live).with(chains),
        max_groups: [Group::MAX; 4],
        actions: [actions; 4],
    }
}

fn bucket(bucket: msg::Bucket) -> Bucket {
    Bucket {
        id: bucket.id,
        weight: bucket.weight,
        watch_port: (bucket.watch_port != OfPort::NONE).then_some(bucket.watch_port),
        watch_group: (bucket.watch_group != GROUP_ANY).then_some(bucket.watch_group),
        actions: bucket.actions,
    }
}

fn told(bucket: &Bucket) -> msg::Bucket {
    msg::Bucket {
        id: bucket.id,
        weight: bucket.weight,
        watch_port: bucket.watch_port.unwrap_or(OfPort::NONE),
        watch_group: bucket.watch_group.unwrap_or(GROUP_ANY),
        actions: bucket.actions.clone(),
    }
}

fn selection(selection: msg::Selection) -> Result<Selection, OfError> {
    match selection.method.as_str() {
        "" => Ok(Selection::Default),
        "hash" => Ok(Selection::Hash { param: selection.param, fields: selection.fields }),
        "dp_hash" if selection.fields.is_empty() => Ok(Selection::DpHash { param: selection.param }),
        _ => Err(OfError::BpcBadValue),
    }
}

fn told_selection(selection: &Selection) -> msg::Selection {
    let (method, param, fields) = match selection {
        Selection::Default => return msg::Selection::default(),
        Selection::Hash { param, fields } => ("hash", *param, fields.clone()),
        Selection::DpHash { param } => ("dp_hash", *param, Vec::new()),
    };
    msg::Selection { method: method.to_owned(), param, fields }
}
