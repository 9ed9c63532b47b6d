//! Tables that fill up, and have room again: vacancy events of OpenFlow 1.4.
//!
//! The two limits are apart, so that a flow that comes and goes is not told each time.
//!
//! Source: OpenFlow 1.4.0 §6.10; `send_table_status` of OVS.

use netloom_flow::{BridgeId, TableId};
use netloom_openflow::msg::{TableReason, table};

use crate::events::Notice;
use crate::model::{Table, Vacancy};
use crate::switch::Switch;

impl Table {
    /// Says when somebody is to be told; `None`: never.
    pub(crate) fn watch_vacancy(&mut self, wanted: Option<table::Vacancy>) {
        let free = self.free();
        self.vacancy = wanted.map(|wanted| Vacancy {
            down: wanted.down,
            up: wanted.up,
            next: if free < wanted.up { TableReason::VacancyUp } else { TableReason::VacancyDown },
        });
    }

    /// What is to be told now.
    fn turn(&mut self) -> Option<TableReason> {
        let free = self.free();
        let vacancy = self.vacancy.as_mut()?;
        let reason = vacancy.next;
        let (is_due, next) = match reason {
            TableReason::VacancyDown => (free < vacancy.down, TableReason::VacancyUp),
            TableReason::VacancyUp => (free > vacancy.up, TableReason::VacancyDown),
        };
        vacancy.next = if is_due { next } else { reason };
        is_due.then_some(reason)
    }
}

impl Switch {
    /// Notes that a table has more flows, or fewer.
    pub(crate) fn note_vacancy(&mut self, id: BridgeId, table: TableId) {
        let found = self.bridges.get_mut(id).and_then(|bridge| bridge.tables.get_mut(&table));
        if let Some(reason) = found.and_then(Table::turn) {
            self.outbox.push(id, Notice::Table { table, reason });
        }
    }
}
