//! Columns of the table Mirror.

use serde_json::json;

use super::Cells;
use crate::switchd::desired::Bridge;
use crate::switchd::plant::Plant;

/// What the mirrors of a bridge have carried. One without a place to send to has no statistics.
pub(super) fn put(cells: &mut Cells, bridge: &Bridge, plant: &Plant) {
    if bridge.mirrors.is_empty() {
        return;
    }
    let rows = plant.core.fresh().mirrors(&bridge.name);
    let largest = i64::MAX.unsigned_abs();
    for (uuid, mirror) in &bridge.mirrors {
        let carried = rows.iter().find(|row| row.uuid == mirror.uuid);
        let pairs = carried.map(|row| [("tx_bytes", row.bytes), ("tx_packets", row.packets)]);
        let pairs = pairs.into_iter().flatten().map(|(name, count)| json!([name, count.min(largest)]));
        cells.put("Mirror", *uuid, "statistics", json!(["map", pairs.collect::<Vec<_>>()]));
    }
}
