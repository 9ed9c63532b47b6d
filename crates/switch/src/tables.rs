//! The groups and meters a configuration asks for.

use std::collections::{BTreeMap, BTreeSet};

use netloom_flow::text::{parse_group, parse_meter};
use netloom_flow::{Action, BridgeId, MeterSettings, Nanos};

use crate::config::{self, BadFlow, ConfigError};
use crate::flow_mod::check_listed;
use crate::group_mod::{GroupCommand, GroupMod};
use crate::meter_mod::{MeterCommand, check_meter};
use crate::meter_text::settings;
use crate::model::{Bridge, each_action};
use crate::switch::Switch;

/// Which groups and meters there are for flows to use.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) groups: BTreeSet<u32>,
    pub(crate) meters: BTreeSet<u32>,
}

/// Groups and meters as a configuration has them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    groups: BTreeMap<u32, GroupMod>,
    /// The numbers, in the order in which they are written: a group may use those before it.
    order: Vec<u32>,
    meters: BTreeMap<u32, MeterSettings>,
}

/// What to do about them.
#[derive(Debug, Default)]
pub(crate) struct TableChanges {
    groups: Vec<GroupMod>,
    meters: Vec<(u32, MeterSettings)>,
    gone_groups: Vec<u32>,
    gone_meters: Vec<u32>,
}

impl Tables {
    /// Reads them.
    pub(crate) fn of(
        bridge: &config::Bridge,
        names: netloom_flow::text::PortNames<'_>,
    ) -> Result<Self, ConfigError> {
        let mut tables = Self::default();
        for meter in &bridge.meters {
            let text = parse_meter(&meter.text)
                .map_err(|error| bad(bridge, meter, error.span, error.message, error.hint))?;
            let wanted = settings(&text);
            let whole = 0..meter.text.len();
            check_meter(text.meter, &wanted)
                .map_err(|error| bad(bridge, meter, whole.clone(), error.to_string(), None))?;
            if tables.meters.insert(text.meter, wanted).is_some() {
                let message = format!("There are two meters {}", text.meter);
                return Err(bad(bridge, meter, whole, message, None));
            }
        }
        for group in &bridge.groups {
            tables.add_group(bridge, group, names)?;
        }
        Ok(tables)
    }

    fn add_group(
        &mut self,
        bridge: &config::Bridge,
        group: &config::Flow,
        names: netloom_flow::text::PortNames<'_>,
    ) -> Result<(), ConfigError> {
        let text = parse_group(&group.text, names)
            .map_err(|error| bad(bridge, group, error.span, error.message, error.hint))?;
        let whole = 0..group.text.len();
        let change = GroupMod::of_text(GroupCommand::AddOrModify, text);
        let known = self.known();
        for bucket in &change.buckets {
            check_listed(&known, &bucket.actions).map_err(|error| {
                let uses_group = uses_group(&bucket.actions);
                let hint = uses_group.then(|| "a group may use those that are written before it".to_owned());
                bad(bridge, group, whole.clone(), error.to_string(), hint)
            })?;
        }
        let id = change.group;
        if self.groups.insert(id, change).is_some() {
            return Err(bad(bridge, group, whole, format!("There are two groups {id}"), None));
        }
        self.order.push(id);
        Ok(())
    }

    /// What flows may use.
    pub(crate) fn known(&self) -> Known {
        Known { groups: self.groups.keys().copied().collect(), meters: self.meters.keys().copied().collect() }
    }
}

fn uses_group(actions: &[Action]) -> bool {
    let mut uses = false;
    each_action(actions, &mut |action| uses |= matches!(action, Action::Group(_)));
    uses
}

fn bad(
    bridge: &config::Bridge,
    text: &config::Flow,
    span: std::ops::Range<usize>,
    message: String,
    hint: Option<String>,
) -> ConfigError {
    ConfigError::Flow(Box::new(BadFlow {
        bridge: bridge.name.clone(),
        origin: text.origin.clone(),
        text: text.text.clone(),
        span,
        message,
        hint,
    }))
}

impl TableChanges {
    /// From what a bridge was configured with to what is wanted.
    pub(crate) fn new(present: Option<&Bridge>, wanted: &Tables) -> Result<Self, ConfigError> {
        let old = match present {
            Some(bridge) => Tables::of(&bridge.config, &|name| bridge.port_named(name))?,
            None => Tables::default(),
        };
        let differs = |id: &&u32| old.groups.get(*id) != wanted.groups.get(*id);
        let groups = wanted.order.iter().filter(differs).filter_map(|id| wanted.groups.get(id)).cloned();
        let meters = wanted.meters.iter().filter(|(id, it)| old.meters.get(*id) != Some(*it));
        Ok(Self {
            groups: groups.collect(),
            meters: meters.map(|(id, it)| (*id, it.clone())).collect(),
            gone_groups: old
                .order
                .iter()
                .rev()
                .filter(|id| !wanted.groups.contains_key(id))
                .copied()
                .collect(),
            gone_meters: old.meters.keys().filter(|id| !wanted.meters.contains_key(id)).copied().collect(),
        })
    }
}

impl Switch {
    /// Makes what flows are going to use.
    pub(crate) fn put_tables(&mut self, bridge: BridgeId, changes: &TableChanges, now: Nanos) {
        for (meter, wanted) in &changes.meters {
            let is_there = self.bridges.get(bridge).is_some_and(|it| it.meters.contains_key(meter));
            let command = if is_there { MeterCommand::Modify } else { MeterCommand::Add };
            let done = self.meter_mod(bridge, *meter, command(wanted.clone()), now);
            debug_assert!(done.is_ok(), "{done:?}");
        }
        for group in &changes.groups {
            let done = self.group_mod(bridge, group.clone(), now);
            debug_assert!(done.is_ok(), "{done:?}");
        }
    }

    /// Removes what no flow of the configuration uses any more, and flows of others that do.
    pub(crate) fn remove_tables(&mut self, bridge: BridgeId, changes: &TableChanges, now: Nanos) {
        for group in &changes.gone_groups {
            let (kind, selection, buckets) = Default::default();
            let change = GroupMod { command: GroupCommand::Delete, group: *group, kind, selection, buckets };
            let done = self.group_mod(bridge, change, now);
            debug_assert!(done.is_ok(), "{done:?}");
        }
        for meter in &changes.gone_meters {
            let done = self.meter_mod(bridge, *meter, MeterCommand::Delete, now);
            debug_assert!(done.is_ok(), "{done:?}");
        }
    }
}
