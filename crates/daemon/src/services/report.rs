//! What the services of networks have done, for people.

use netloom_api::{DropRow, LeaseRow, ServiceRow};

use super::Services;
use crate::slowpath;

impl Services {
    /// The service of a network, and what it handed out.
    pub(crate) fn row(&self, network: &str) -> Option<ServiceRow> {
        let table = self.shared.table();
        let (_, network) = table.networks.values().find(|(name, _)| name == network)?;
        let spec = network.spec();
        let addresses = spec.v4.map(|(ip, _)| ip.to_string()).into_iter();
        let leases = network.leases(slowpath::now()).map(|lease| LeaseRow {
            node: lease.node,
            mac: lease.mac.to_string(),
            address: lease.address.to_string(),
            state: lease.standing.as_str().to_owned(),
            left_s: lease.left_seconds,
            grants: lease.grants,
        });
        let counts = |words: &'static str, count| (words.to_owned(), count);
        Some(ServiceRow {
            addresses: addresses.chain(spec.v6.map(|(ip, _)| ip.to_string())).collect(),
            mac: spec.mac.to_string(),
            dhcp: spec.dhcp,
            forwards: spec.forwards,
            leases: leases.collect(),
            answered: network.tally().served().map(|(what, n)| counts(what.as_str(), n)).collect(),
            refused: network.tally().refused().map(|(why, n)| counts(why.as_str(), n)).collect(),
        })
    }

    /// What was not answered, and why.
    pub(crate) fn drops(&self) -> Vec<DropRow> {
        let table = self.shared.table();
        let rows = table.networks.values().flat_map(|(name, network)| {
            network.tally().refused().map(move |(why, packets)| DropRow {
                place: format!("{name}:service"),
                reason: why.as_str().to_owned(),
                packets,
                intended: false,
            })
        });
        rows.collect()
    }
}
