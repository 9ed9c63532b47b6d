//! The OpenFlow numbers of ports.

use std::collections::BTreeMap;

use netloom_flow::OfPort;

use super::{Id, Plant, Standing, Wanted};
use crate::switchd::desired::{Desired, Interface};
use crate::switchd::ofports::Wish;

/// Why an interface is no port.
pub(super) const NO_NUMBER: &str = "no OpenFlow port number is left";

impl Plant {
    /// A port that is gone has its number no more.
    pub(super) fn free_number(&mut self, gone: &Standing) {
        if let (Some(bridged), Ok(number)) =
            (self.bridges.get_mut(&gone.bridge), u16::try_from(gone.number.0))
        {
            bridged.numbers.free(number);
        }
    }

    /// Gives each port its OpenFlow number.
    pub(super) fn number(&mut self, desired: &Desired, wanted: &BTreeMap<Id, Wanted<'_>>) {
        for bridge in &desired.bridges {
            let ours = wanted.iter().filter_map(|(id, wanted)| {
                let standing = self.standing.get(id).filter(|_| wanted.bridge.uuid == bridge.uuid)?;
                (!wanted.interface.is_local()).then_some((*id, standing, wanted.interface))
            });
            let mut wishes: Vec<_> = ours.collect();
            wishes.sort_by(|(_, a, _), (_, b, _)| a.name.cmp(&b.name));
            let wish = |(id, standing, interface): &(Id, &Standing, &Interface)| {
                let now = u16::try_from(standing.number.0).ok().filter(|number| *number != 0);
                let before = now.or(interface.ofport);
                (*id, Wish { request: interface.ofport_request, before })
            };
            let wishes: Vec<(Id, Wish)> = wishes.iter().map(wish).collect();
            let numbers = self.bridges.entry(bridge.uuid).or_default().numbers.allot(&wishes);
            for (id, number) in numbers {
                match (number, self.standing.get_mut(id)) {
                    (Some(number), Some(standing)) => standing.number = OfPort(u32::from(number)),
                    (None, Some(standing)) => {
                        // Somebody else may have the one it had.
                        standing.number = OfPort::NONE;
                        self.abandon(id, NO_NUMBER);
                    }
                    (_, None) => {}
                }
            }
        }
        for (id, wanted) in wanted {
            if let Some(standing) = self.standing.get_mut(*id).filter(|_| wanted.interface.is_local()) {
                standing.number = OfPort::LOCAL;
            }
        }
    }
}
