//! Columns of the table Open_vSwitch.

use netloom_ovsdb::Replica;
use serde_json::json;

use super::{Cells, optional};
use crate::switchd::desired::Desired;

const TABLE: &str = "Open_vSwitch";

/// The types of interfaces that can be made.
const TYPES: [&str; 9] = ["erspan", "geneve", "gre", "internal", "patch", "stt", "system", "tap", "vxlan"];

pub(super) fn put(cells: &mut Cells, replica: &Replica, desired: &Desired) {
    let Some(row) = replica.rows_of(TABLE).and_then(|rows| rows.rows().next()) else { return };
    let uuid = row.uuid();
    cells.put(TABLE, uuid, "datapath_types", json!(["set", ["netdev", "system"]]));
    cells.put(TABLE, uuid, "iface_types", json!(["set", TYPES]));
    cells.put(TABLE, uuid, "dpdk_initialized", false);
    cells.put(TABLE, uuid, "dpdk_version", "none");
    // Scripts that start Open vSwitch's daemons write these themselves; where nobody did, somebody may ask.
    let absent = |column: &str| row.get(column).is_empty();
    if absent("ovs_version") {
        cells.put(TABLE, uuid, "ovs_version", env!("CARGO_PKG_VERSION"));
    }
    if absent("db_version") {
        cells.put(
            TABLE,
            uuid,
            "db_version",
            optional(replica.schema().map(|schema| schema.version.to_string())),
        );
    }
    if absent("system_type") {
        cells.put(TABLE, uuid, "system_type", "netloom");
    }
    cells.put(TABLE, uuid, "cur_cfg", desired.next_cfg);
}
