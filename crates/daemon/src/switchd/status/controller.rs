//! Columns of the table Controller.

use super::{Cells, Part, map, none, role};
use crate::openflow::{Standing, State};
use crate::slowpath;
use crate::switchd::desired::Bridge;
use crate::switchd::plant::Plant;

const TABLE: &str = "Controller";

pub(super) fn put(cells: &mut Cells, bridge: &Bridge, plant: &Plant, part: Part) {
    if bridge.controllers.is_empty() {
        return;
    }
    let standings = plant.core.openflow().hub().standings(&bridge.name);
    for controller in &bridge.controllers {
        let name = controller.uuid.to_string();
        let standing = standings.iter().find(|standing| standing.key.name == name);
        let is_connected = standing.is_some_and(|standing| standing.version.is_some());
        cells.put(TABLE, controller.uuid, "is_connected", is_connected);
        let known = standing.and_then(|standing| standing.role).map(role);
        cells.put(TABLE, controller.uuid, "role", known.map_or_else(none, Into::into));
        if let Some(standing) = standing.filter(|_| part == Part::Everything) {
            cells.put(TABLE, controller.uuid, "status", map(status(standing, is_connected).into_iter()));
        }
    }
}

fn status(standing: &Standing, is_connected: bool) -> Vec<(String, String)> {
    let state = match standing.state {
        _ if is_connected => "ACTIVE",
        State::Calling | State::Connected => "CONNECTING",
        State::Waiting => "BACKOFF",
        State::Listening => "VOID",
    };
    let seconds = slowpath::now().since(standing.since).0 / 1_000_000_000;
    let since = if is_connected { "sec_since_connect" } else { "sec_since_disconnect" };
    let mut status = vec![("state".to_owned(), state.to_owned()), (since.to_owned(), seconds.to_string())];
    if let Some(error) = standing.error.clone().filter(|_| !is_connected) {
        status.push(("last_error".to_owned(), error));
    }
    status
}
