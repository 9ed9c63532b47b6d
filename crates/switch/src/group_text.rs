//! Groups in the syntax of `ovs-ofctl`.

use netloom_flow::text::{BucketText, GroupKind, GroupText, SelectionMethod, SelectionText};
use netloom_flow::text::{parse_group, parse_group_filter};
use netloom_flow::{BridgeId, Nanos};

use crate::flow_mod::FlowError;
use crate::group_mod::{BucketPlace, GroupCommand, GroupError, GroupMod};
use crate::model::{Bucket, Group, GroupType, Selection};
use crate::switch::Switch;

impl Switch {
    /// Carries out changes of groups, one a line, each in the syntax of `ovs-ofctl`: all of them or none. Returns how
    /// many groups were added, changed or removed.
    ///
    /// A line may begin with a command of its own, as in a file for `ovs-ofctl add-groups`: `add`, `modify`,
    /// `add_or_mod`, `delete`, `insert_bucket`, `remove_bucket`. With `command_bucket_id`, `Modify` inserts buckets and
    /// `Delete` removes them.
    ///
    /// # Errors
    /// Nothing was changed: which line is wrong, from 0, and why.
    pub fn change_groups(
        &mut self,
        bridge: &str,
        command: GroupCommand,
        lines: &[String],
        now: Nanos,
    ) -> Result<usize, (usize, GroupError)> {
        let id = self.bridge_id(bridge).ok_or_else(|| (0, no_bridge(bridge)))?;
        self.all_or_none(now, |model| {
            let mut count = 0;
            for (at, line) in lines.iter().enumerate() {
                let change = model.group_of_text(id, command, line).map_err(|error| (at, error))?;
                count += model.group_mod(id, change, now).map_err(|error| (at, error))?;
            }
            Ok(count)
        })
    }

    fn group_of_text(&self, id: BridgeId, command: GroupCommand, line: &str) -> Result<GroupMod, GroupError> {
        let (command, text) = command_of(line).unwrap_or((command, line));
        let named = |name: &str| self.bridges.get(id).and_then(|bridge| bridge.port_named(name));
        let is_whole =
            matches!(command, GroupCommand::Add | GroupCommand::Modify | GroupCommand::AddOrModify);
        let parsed = if is_whole { parse_group(text, &named) } else { parse_group_filter(text, &named) };
        // What only adds buckets, or takes them away, says no type.
        let parsed = match parsed {
            Err(error) if command == GroupCommand::Modify => {
                parse_group_filter(text, &named).ok().filter(|it| it.command_bucket.is_some()).ok_or(error)
            }
            other => other,
        };
        let parsed =
            parsed.map_err(|error| GroupError::Actions(FlowError::Text(shifted(error, line, text))))?;
        Ok(GroupMod::of_text(command, parsed))
    }
}

/// Errors point into the line as it was written.
fn shifted(mut error: netloom_flow::FlowTextError, line: &str, text: &str) -> netloom_flow::FlowTextError {
    let by = line.len().saturating_sub(text.len());
    error.span = error.span.start + by..error.span.end + by;
    error
}

fn no_bridge(name: &str) -> GroupError {
    GroupError::Actions(FlowError::NoBridge(name.to_owned()))
}

/// The command in front of a line, and the rest.
fn command_of(line: &str) -> Option<(GroupCommand, &str)> {
    let (word, rest) = line.split_once(char::is_whitespace)?;
    let command = match word {
        "add" => GroupCommand::Add,
        "modify" => GroupCommand::Modify,
        "add_or_mod" => GroupCommand::AddOrModify,
        "delete" => GroupCommand::Delete,
        "insert_bucket" => GroupCommand::InsertBuckets(BucketPlace::Last),
        "remove_bucket" => GroupCommand::RemoveBuckets(BucketPlace::All),
        _ => return None,
    };
    Some((command, rest.trim_start()))
}

impl GroupMod {
    /// What a text asks for.
    #[must_use]
    pub fn of_text(command: GroupCommand, text: GroupText) -> Self {
        let place = text.command_bucket.map(|id| match id {
            GroupText::FIRST => BucketPlace::First,
            GroupText::LAST => BucketPlace::Last,
            GroupText::ALL_BUCKETS => BucketPlace::All,
            id => BucketPlace::Id(id),
        });
        let command = match (command, place) {
            (GroupCommand::Modify | GroupCommand::InsertBuckets(_), Some(place)) => {
                GroupCommand::InsertBuckets(place)
            }
            (GroupCommand::Delete | GroupCommand::RemoveBuckets(_), Some(place)) => {
                GroupCommand::RemoveBuckets(place)
            }
            (command, _) => command,
        };
        let kind = match text.kind {
            None | Some(GroupKind::All) => GroupType::All,
            Some(GroupKind::Select) => GroupType::Select,
            Some(GroupKind::Indirect) => GroupType::Indirect,
            Some(GroupKind::FastFailover) => GroupType::FastFailover,
        };
        let is_select = kind == GroupType::Select;
        let edits = matches!(command, GroupCommand::InsertBuckets(_));
        let bucket = |(at, bucket): (u32, BucketText)| Bucket {
            id: bucket.id.unwrap_or(at),
            weight: bucket.weight.unwrap_or(u16::from(is_select || edits)),
            watch_port: bucket.watch_port,
            watch_group: bucket.watch_group,
            actions: bucket.actions,
        };
        let buckets = (0..).zip(text.buckets).map(bucket).collect();
        Self { command, group: text.group, kind, selection: selection(text.selection), buckets }
    }
}

fn selection(text: SelectionText) -> Selection {
    match text.method {
        None => Selection::Default,
        Some(SelectionMethod::DpHash) => Selection::DpHash { param: text.param },
        Some(SelectionMethod::Hash) => Selection::Hash { param: text.param, fields: text.fields },
    }
}

impl From<&Group> for GroupText {
    /// As it is written. Numbers of buckets are told where they are not their places.
    fn from(group: &Group) -> Self {
        let is_select = group.kind == GroupType::Select;
        let in_order = (0..).zip(&group.buckets).all(|(at, bucket): (u32, _)| bucket.id == at);
        let bucket = |bucket: &Bucket| BucketText {
            id: (!in_order).then_some(bucket.id),
            weight: is_select.then_some(bucket.weight),
            watch_port: bucket.watch_port,
            watch_group: bucket.watch_group,
            actions: bucket.actions.clone(),
        };
        let (method, param, fields) = match &group.selection {
            Selection::Default => (None, 0, Vec::new()),
            Selection::DpHash { param } => (Some(SelectionMethod::DpHash), *param, Vec::new()),
            Selection::Hash { param, fields } => (Some(SelectionMethod::Hash), *param, fields.clone()),
        };
        Self {
            group: group.id,
            kind: Some(match group.kind {
                GroupType::All => GroupKind::All,
                GroupType::Select => GroupKind::Select,
                GroupType::Indirect => GroupKind::Indirect,
                GroupType::FastFailover => GroupKind::FastFailover,
            }),
            selection: SelectionText { method, param, fields },
            command_bucket: None,
            buckets: group.buckets.iter().map(bucket).collect(),
        }
    }
}
