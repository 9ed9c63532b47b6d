//! Tables on the wire.

use netloom_flow::{BridgeId, FieldId, TableId};
use netloom_openflow::OfError;
use netloom_openflow::msg::table::{EvictionFlags, FlowAbilities, Instructions, TableActions, Vacancy};
use netloom_openflow::msg::{TableConfig, TableFeatures, TableMiss, TableStats};

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
                // It was given none, so `ovs-ofctl` shows its number.
                name: String::new(),
                max_entries: known.map(|table| table.limit).unwrap_or_default().max_flows,
                active: known.map_or(0, |table| u32::try_from(table.rules.len()).unwrap_or(u32::MAX)),
                lookups: known.map_or(0, |table| table.lookups),
                matched: known.map_or(0, |table| table.matches),
            }
        };
        (0..TABLES).map(TableId).map(stats).collect()
    }

    pub(super) fn table_descs(&self, bridge: BridgeId) -> Vec<TableConfig> {
        let desc = |table: TableId| TableConfig {
            table: Some(table),
            miss: TableMiss::Default,
            eviction: Some(self.table_limit(bridge, table).evicts),
            eviction_flags: EvictionFlags::OTHER | EvictionFlags::IMPORTANCE | EvictionFlags::LIFETIME,
            vacancy_events: Some(false),
            vacancy: Vacancy::default(),
        };
        (0..TABLES).map(TableId).map(desc).collect()
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
        // What a miss does is decided for the bridge as a whole, and nobody is warned of a full table.
        if request.miss != TableMiss::Default || request.vacancy_events == Some(true) {
            return Err(OfError::TmfcBadConfig);
        }
        let Some(evicts) = request.eviction else { return Ok(()) };
        let tables = request.table.map_or(0..TABLES, |table| table.0..table.0 + 1);
        for table in tables.map(TableId) {
            let limit = self.table_limit(bridge, table);
            self.set_table_limit(bridge, table, TableLimit { evicts, ..limit });
        }
        Ok(())
    }

    pub(super) fn table_features(&self, bridge: BridgeId) -> Vec<TableFeatures> {
        let fields = || FieldId::ALL.iter().copied().filter(|field| is_shown(*field));
        let matches: Vec<_> = fields().map(|field| (field, true)).collect();
        let wildcards: Vec<_> = fields().collect();
        let set_fields: Vec<_> = fields().filter(|field| field.field().writable).collect();
        let of = |table: TableId| {
            let actions = TableActions { actions: ACTIONS, set_fields: set_fields.clone() };
            let flows = FlowAbilities {
                next_tables: (table.0 + 1..TABLES).map(TableId).collect(),
                instructions: Instructions(0x7e),
                write: actions.clone(),
                apply: actions,
            };
            TableFeatures {
                table,
                command: 0,
                // It was given none, so `ovs-ofctl` shows its number.
                name: String::new(),
                metadata_match: u64::MAX,
                metadata_write: u64::MAX,
                miss: TableMiss::Default,
                eviction: self.table_limit(bridge, table).evicts,
                vacancy_events: false,
                max_entries: self.table_limit(bridge, table).max_flows,
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

/// Fields that flows can match and a datapath can see.
fn is_shown(field: FieldId) -> bool {
    !matches!(field, FieldId::RecircId | FieldId::DpHash)
}
