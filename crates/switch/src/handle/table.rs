//! Tables on the wire.

use netloom_flow::{BridgeId, FieldId, FlowMatch, TableId};
use netloom_openflow::msg::table::{
    EGRESS_TABLE, EvictionFlags, FIRST_EGRESS, FlowAbilities, INGRESS_TABLE, Instructions, TableActions,
    Vacancy,
};
use netloom_openflow::msg::{TableConfig, TableFeatures, TableMiss, TableReason, TableStats, TableStatus};
use netloom_openflow::{Message, OfError, Version};

use super::Connection;
use crate::flow_mod::check_stage;
use crate::model::{Bridge, TableLimit};
use crate::switch::Switch;

/// Tables 0 to 253.
const TABLES: u8 = 254;
/// The actions of 1.3 that flows can have, by number: output, copy TTL, MPLS TTL, push and pop, queue, group, IP TTL,
/// `set_field`.
pub(super) const ACTIONS: u32 = 1 << 0
    | 1 << 11
    | 1 << 12
    | 1 << 15
    | 1 << 16
    | 1 << 17
    | 1 << 18
    | 1 << 19
    | 1 << 20
    | 1 << 21
    | 1 << 22
    | 1 << 23
    | 1 << 24
    | 1 << 25;

impl Switch {
    pub(super) fn table_stats(bridge: &Bridge) -> Vec<TableStats> {
        let stats = |table: TableId| {
            let known = bridge.tables.get(&table);
            TableStats {
                table,
                name: name_of(bridge, table),
                max_entries: known.map(|table| table.limit).unwrap_or_default().max_flows,
                miss: known.map(|table| table.miss).unwrap_or_default(),
                active: known.map_or(0, |table| u32::try_from(table.rules.len()).unwrap_or(u32::MAX)),
                lookups: known.map_or(0, |table| table.lookups),
                matched: known.map_or(0, |table| table.matches),
            }
        };
        (0..TABLES).map(TableId).map(stats).collect()
    }

    pub(super) fn table_descs(bridge: &Bridge) -> Vec<TableConfig> {
        (0..TABLES).map(|table| table_config(bridge, TableId(table))).collect()
    }

    /// A table fills up, or has room again: the message for a connection, if it wants one.
    pub(super) fn table_status(
        &self,
        bridge: BridgeId,
        connection: &Connection,
        table: TableId,
        reason: TableReason,
    ) -> Option<Message> {
        let bridge = self.bridges.get(bridge)?;
        let status = || TableStatus { reason, config: table_config(bridge, table) };
        connection.wants_table_status(reason as u8).then(|| Message::TableStatus(status()))
    }

    pub(super) fn handle_table_mod(
        &mut self,
        bridge: BridgeId,
        request: &TableConfig,
    ) -> Result<(), OfError> {
        if request.table.is_some_and(|table| table.0 >= TABLES) {
            // 254 is there, but not for controllers; 255 stands for all.
            return Err(OfError::TmfcEperm);
        }
        let tables = request.table.map_or(0..TABLES, |table| table.0..table.0 + 1);
        tables.map(TableId).for_each(|table| self.set_table(bridge, table, request));
        self.advance();
        Ok(())
    }

    fn set_table(&mut self, id: BridgeId, number: TableId, request: &TableConfig) {
        if let Some(evicts) = request.eviction {
            let limit = self.table_limit(id, number);
            self.set_table_limit(id, number, TableLimit { evicts, ..limit });
        }
        self.next_version();
        let Some(bridge) = self.bridges.get_mut(id) else { return };
        let table = bridge.table_mut(number);
        if let Some(is_on) = request.vacancy_events {
            table.watch_vacancy(is_on.then_some(request.vacancy));
        }
        // Versions that cannot say it leave it as it is.
        if request.miss != TableMiss::Default && table.miss != request.miss {
            table.miss = request.miss;
            // Whatever was looked up here is looked up again.
            self.log.push(id, number, &FlowMatch::any());
        }
    }

    /// Changes what tables are called and how many flows they may have: all that is asked for, or nothing. What they
    /// can do is what the switch can do, and stays.
    pub(super) fn change_table_features(
        &mut self,
        id: BridgeId,
        version: Version,
        changes: &[TableFeatures],
    ) -> Result<(), OfError> {
        let present = self.table_features(id, version);
        for change in changes {
            let known = present.get(usize::from(change.table.0)).ok_or(OfError::TffcBadTable)?;
            check_features(version, known, change)?;
        }
        if version >= Version::V15 {
            self.set_first_egress(id, changes)?;
        }
        for change in changes {
            let limit = TableLimit { max_flows: change.max_entries, ..self.table_limit(id, change.table) };
            self.set_table_limit(id, change.table, limit);
            let bridge = self.bridges.get_mut(id);
            if let Some(table) = bridge.and_then(|bridge| bridge.tables.get_mut(&change.table)) {
                table.name = (!change.name.is_empty()).then(|| change.name.clone());
            }
        }
        Ok(())
    }

    /// Which table is the first for egress, if the changes say so: the last word counts.
    fn set_first_egress(&mut self, id: BridgeId, changes: &[TableFeatures]) -> Result<(), OfError> {
        let Some(bridge) = self.bridges.get(id) else { return Ok(()) };
        let mut first = bridge.first_egress;
        for change in changes {
            if change.flags & FIRST_EGRESS != 0 {
                first = Some(change.table);
            } else if first == Some(change.table) {
                first = None;
            }
        }
        if first == bridge.first_egress {
            return Ok(());
        }
        if let Some(first) = first {
            let mut rules = bridge.tables.values().flat_map(|table| table.rules.rules());
            if rules.any(|rule| check_stage(first, &rule.flow).is_err()) {
                return Err(OfError::TffcEperm);
            }
        }
        self.begin_egress(id, first);
        self.advance();
        Ok(())
    }

    /// Egress begins at another table from now on, or nowhere.
    pub(crate) fn begin_egress(&mut self, id: BridgeId, first: Option<TableId>) {
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(id).filter(|bridge| bridge.first_egress != first) {
            (bridge.first_egress, bridge.version) = (first, version);
            bridge.ports.values_mut().for_each(|port| port.version = version);
        }
    }

    pub(super) fn table_features(&self, id: BridgeId, version: Version) -> Vec<TableFeatures> {
        let Some(bridge) = self.bridges.get(id) else { return Vec::new() };
        let fields = || FieldId::ALL.iter().copied().filter(|field| is_shown(*field));
        let matches: Vec<_> = fields().map(|field| (field, true)).collect();
        let wildcards: Vec<_> = fields().collect();
        let set_fields: Vec<_> = fields().filter(|field| field.field().writable).collect();
        // Statistics triggers are of 1.5.
        let instructions = Instructions(if version >= Version::V15 { 0xfe } else { 0x7e });
        let of = |table: TableId| {
            let actions = TableActions { actions: ACTIONS, set_fields: set_fields.clone() };
            let is_egress = bridge.first_egress.is_some_and(|first| table >= first);
            // What leaves goes where it was sent: by an output, or by a group.
            let in_set = if is_egress { ACTIONS & !(1 << 0 | 1 << 22) } else { ACTIONS };
            let end = bridge.first_egress.filter(|_| !is_egress).map_or(TABLES, |first| first.0);
            let flows = FlowAbilities {
                next_tables: (table.0 + 1..end).map(TableId).collect(),
                instructions,
                write: TableActions { actions: in_set, ..actions.clone() },
                apply: actions,
            };
            TableFeatures {
                table,
                command: 0,
                flags: stages(bridge.first_egress, table),
                name: name_of(bridge, table),
                metadata_match: u64::MAX,
                metadata_write: u64::MAX,
                miss: TableMiss::Default,
                eviction: true,
                vacancy_events: true,
                max_entries: self.table_limit(id, table).max_flows,
                miss_flow: flows.clone(),
                flows,
                matches: matches.clone(),
                wildcards: wildcards.clone(),
                has_properties: true,
            }
        };
        (0..TABLES).map(TableId).map(of).collect()
    }
}

/// What a table can be used for, and whether it is the first for egress. The first of all is for what comes in.
fn stages(first: Option<TableId>, table: TableId) -> u32 {
    let egress = if table.0 == 0 { 0 } else { EGRESS_TABLE };
    INGRESS_TABLE | egress | if first == Some(table) { FIRST_EGRESS } else { 0 }
}

/// Settings of a table as they are.
fn table_config(bridge: &Bridge, number: TableId) -> TableConfig {
    let table = bridge.tables.get(&number);
    let vacancy = table.and_then(|table| {
        let vacancy = table.vacancy?;
        Some(Vacancy { down: vacancy.down, up: vacancy.up, now: table.free() })
    });
    TableConfig {
        table: Some(number),
        miss: table.map(|table| table.miss).unwrap_or_default(),
        eviction: Some(table.is_some_and(|table| table.limit.evicts)),
        eviction_flags: EvictionFlags::OTHER | EvictionFlags::IMPORTANCE | EvictionFlags::LIFETIME,
        vacancy_events: Some(vacancy.is_some()),
        vacancy: vacancy.unwrap_or_default(),
    }
}

/// Refuses what a table cannot be: abilities are asked for as they are, or not at all.
fn check_features(version: Version, known: &TableFeatures, change: &TableFeatures) -> Result<(), OfError> {
    /// `OFPTFC_REPLACE`, `_MODIFY`, `_ENABLE`; nobody disables a table.
    const COMMANDS: std::ops::RangeInclusive<u8> = 0..=2;
    let later = |then: OfError| if version >= Version::V15 { then } else { OfError::TffcEperm };
    if version >= Version::V15 && !COMMANDS.contains(&change.command) {
        return Err(OfError::TffcBadCommand);
    }
    // Those who say nothing of what it can be used for mean no change of that.
    let uses = change.flags & !FIRST_EGRESS;
    let is_first = change.flags & FIRST_EGRESS != 0;
    if uses != 0 && uses != known.flags & !FIRST_EGRESS || is_first && known.flags & EGRESS_TABLE == 0 {
        return Err(OfError::TffcBadFeatures);
    }
    if (change.metadata_match, change.metadata_write) != (known.metadata_match, known.metadata_write) {
        return Err(OfError::TffcBadMetadata);
    }
    if change.max_entries == 0 || change.max_entries > TableLimit::default().max_flows {
        return Err(later(OfError::TffcBadMaxEnt));
    }
    // Before 1.4 nobody can say either.
    let has_said = version >= Version::V14;
    if has_said && (change.eviction, change.vacancy_events) != (known.eviction, known.vacancy_events) {
        return Err(later(OfError::TffcBadCapa));
    }
    // Without properties, the table would have to go.
    let all = |it: &TableFeatures| {
        let mut fields = (it.matches.clone(), it.wildcards.clone());
        fields.0.sort_unstable();
        fields.1.sort_unstable();
        (fields, it.flows.clone(), it.miss_flow.clone(), it.has_properties)
    };
    if all(change) == all(known) { Ok(()) } else { Err(later(OfError::TffcBadFeatures)) }
}

/// The name that a table was given; without one, `ovs-ofctl` shows its number.
fn name_of(bridge: &Bridge, table: TableId) -> String {
    bridge.tables.get(&table).and_then(|table| table.name.clone()).unwrap_or_default()
}

/// Fields that flows can match, a datapath can see, and a message can name.
fn is_shown(field: FieldId) -> bool {
    let known = field.field();
    known.nxm.or(known.oxm).or(known.experimenter).is_some()
        && !matches!(field, FieldId::RecircId | FieldId::DpHash)
}
