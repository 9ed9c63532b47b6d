//! A bridge is given what was kept of it.

use std::sync::Arc;

use netloom_flow::{BridgeId, Meter, Nanos};

use super::{Kept, KeptFlow, KeptGroup, KeptMeter, KeptTable, RestoreError};
use crate::events::Removed;
use crate::flow_mod::{FlowQuery, check_flow, check_stage};
use crate::group_mod::{GroupCommand, GroupMod};
use crate::handle::sound_options;
use crate::meter_mod::{ALL as ALL_METERS, MeterCommand, MeterError};
use crate::model::{Group, MeterEntry};
use crate::switch::Switch;

/// The highest number of a table that flows can be in.
const LAST_TABLE: u8 = 253;

impl Switch {
    /// Gives a bridge the flows, groups, meters and settings that were kept, in the place of those it has. Nobody is told.
    ///
    /// Hard timeouts go on; idle ones begin anew, since no packet could come meanwhile.
    ///
    /// # Errors
    /// It cannot be; the bridge is as it was.
    pub fn restore(&mut self, bridge: BridgeId, kept: &Kept, now: Nanos) -> Result<(), RestoreError> {
        self.check_kept(bridge, kept)?;
        let told = std::mem::take(&mut self.outbox);
        let done = self.all_or_none(now, |model| model.restore_all(bridge, kept, now));
        self.outbox = told;
        done?;
        self.restore_settings(bridge, kept, now);
        self.advance();
        Ok(())
    }

    fn check_kept(&self, id: BridgeId, kept: &Kept) -> Result<(), RestoreError> {
        let bridge = self.bridges.get(id).ok_or(RestoreError::NoBridge(id))?;
        if (&bridge.config.name, bridge.config.uuid) != (&kept.name, kept.uuid) {
            return Err(RestoreError::Another(kept.name.clone()));
        }
        if bridge.is_alone() == kept.is_controlled {
            return Err(RestoreError::Hands);
        }
        Ok(())
    }

    /// What flows use comes first, and what was there goes last: so that a new flow is younger than none that it replaces.
    fn restore_all(&mut self, bridge: BridgeId, kept: &Kept, now: Nanos) -> Result<(), RestoreError> {
        let then = |age: Nanos| now.since(age + now.since(kept.clock));
        let present = self.bridges.get(bridge).map(|bridge| FlowQuery::default().rules(bridge));
        self.clear_tables(bridge, now);
        for meter in &kept.meters {
            self.restore_meter(bridge, meter, then(meter.age), now)
                .map_err(|error| RestoreError::Meter(meter.id, error))?;
        }
        for group in &kept.groups {
            self.restore_group(bridge, group, then(group.age), now)?;
        }
        for flow in &kept.flows {
            self.restore_flow(bridge, kept, flow, [then(flow.age), then(flow.changed)], now)?;
        }
        for rule in present.iter().flatten() {
            self.remove_rule(rule.id, Removed::Delete, now);
        }
        Ok(())
    }

    /// No group, no meter.
    fn clear_tables(&mut self, bridge: BridgeId, now: Nanos) {
        let (kind, selection, buckets) = Default::default();
        let all = GroupMod { command: GroupCommand::Delete, group: Group::ALL, kind, selection, buckets };
        // There is such a bridge, and to remove nothing is no mistake.
        let _ = self.group_mod(bridge, all, now);
        let _ = self.meter_mod(bridge, ALL_METERS, MeterCommand::Delete, now);
    }

    fn restore_meter(
        &mut self,
        bridge: BridgeId,
        kept: &KeptMeter,
        created: Nanos,
        now: Nanos,
    ) -> Result<(), MeterError> {
        self.meter_mod(bridge, kept.id, MeterCommand::Add(kept.settings.clone()), now)?;
        let meters = self.bridges.get_mut(bridge).map(|bridge| &mut bridge.meters);
        if let Some(entry) = meters.and_then(|meters| meters.get_mut(&kept.id)) {
            let meter = Arc::new(Meter::resumed(kept.settings.clone(), &kept.read));
            *entry = MeterEntry { meter, created, version: entry.version };
        }
        Ok(())
    }

    fn restore_group(
        &mut self,
        bridge: BridgeId,
        kept: &KeptGroup,
        created: Nanos,
        now: Nanos,
    ) -> Result<(), RestoreError> {
        let id = kept.change.group;
        self.group_mod(bridge, kept.change.clone(), now).map_err(|error| RestoreError::Group(id, error))?;
        let groups = self.bridges.get_mut(bridge).map(|bridge| &mut bridge.groups);
        if let Some(group) = groups.and_then(|groups| groups.get_mut(&id)) {
            (group.created, group.carried) = (created, kept.carried);
            group.bucket_carried.clone_from(&kept.buckets);
        }
        Ok(())
    }

    fn restore_flow(
        &mut self,
        bridge: BridgeId,
        kept: &Kept,
        wanted: &KeptFlow,
        [created, modified]: [Nanos; 2],
        now: Nanos,
    ) -> Result<(), RestoreError> {
        let flow = &wanted.flow;
        let checked = check_flow(self.bridges.get(bridge), flow)
            .and_then(|()| kept.settings.first_egress.map_or(Ok(()), |first| check_stage(first, flow)));
        checked.map_err(|error| RestoreError::Flow(flow.to_string(), error))?;
        self.put_flow(bridge, flow.clone(), Arc::new(wanted.origin.clone()), now);
        let Some(id) = self.rule_of(bridge, flow) else { return Ok(()) };
        if let Some(state) = self.rules.get_mut(id) {
            (state.packets, state.bytes) = (wanted.carried.packets, wanted.carried.bytes);
            (state.created, state.modified) = (created, modified);
        }
        self.note_trigger(id);
        self.schedule(id);
        Ok(())
    }

    /// What controllers have set. Nothing of it can be refused: what makes no sense is left out.
    fn restore_settings(&mut self, id: BridgeId, kept: &Kept, now: Nanos) {
        self.begin_egress(id, kept.settings.first_egress.filter(|first| (1..=LAST_TABLE).contains(&first.0)));
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(id) {
            let (map, layout) = sound_options(kept.settings.options.values());
            bridge.set_options(map, layout);
            (bridge.fragments, bridge.version) = (kept.settings.fragments, version);
        }
        self.tell_known_options();
        for table in kept.tables.iter().filter(|table| table.id.0 <= LAST_TABLE) {
            self.restore_table(id, table);
        }
        for port in &kept.ports {
            self.set_port_config(id, port.number, port.config, now);
        }
    }

    fn restore_table(&mut self, id: BridgeId, kept: &KeptTable) {
        self.set_table_limit(id, kept.id, kept.limit);
        let Some(bridge) = self.bridges.get_mut(id) else { return };
        let table = bridge.table_mut(kept.id);
        (table.miss, table.vacancy) = (kept.miss, kept.vacancy);
        table.name.clone_from(&kept.name);
        (table.lookups, table.matches) = kept.counters;
    }
}
