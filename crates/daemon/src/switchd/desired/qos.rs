//! Rows of the tables QoS and Queue.

use netloom_flow::qos::MAX_QUEUE;
use netloom_flow::{Qos, Queue};
use netloom_ovsdb::Uuid;
use netloom_ovsdb::replica::RowView;

use super::rows::Rows;

/// The queues of a port; `None`: of a type that has no effect.
pub(super) fn read(rows: &Rows<'_>, row: RowView<'_>) -> Option<Qos> {
    match row.text("type") {
        Some("linux-htb" | "linux-hfsc") => {}
        _ => return None,
    }
    let queues = row.get("queues").pairs().iter().filter_map(|(number, queue)| {
        let number = number.as_integer().and_then(|number| u32::try_from(number).ok());
        Some((number.filter(|number| *number <= MAX_QUEUE)?, rows.queue(queue.as_uuid()?)?))
    });
    Some(Qos {
        max_rate: number(row, "max-rate"),
        queues: queues.map(|(number, row)| (number, queue(row))).collect(),
    })
}

/// The rows of its queues.
pub(super) fn queues<'a>(row: RowView<'a>) -> impl Iterator<Item = Uuid> + 'a {
    row.get("queues").pairs().iter().filter_map(|(_, queue)| queue.as_uuid())
}

fn queue(row: RowView<'_>) -> Queue {
    Queue {
        min_rate: number(row, "min-rate").unwrap_or(0),
        max_rate: number(row, "max-rate"),
        // The column is in bits.
        burst: number(row, "burst").map(|bits| bits / 8),
        priority: number(row, "priority").and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
        dscp: row.integer("dscp").and_then(|dscp| u8::try_from(dscp).ok()),
        limit: None,
    }
}

/// A number of `other_config`; 0 is none.
fn number(row: RowView<'_>, key: &str) -> Option<u64> {
    row.value_of("other_config", key)?.parse().ok().filter(|number| *number != 0)
}
