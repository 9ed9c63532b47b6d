//! Who gets which VF: wishes against what is there, and against what others have.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Address, PhysicalFunction};

/// A VF by its PF and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seat {
    /// The PF.
    pub pf: Address,
    /// The number.
    pub index: u16,
}

/// A wish for a VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Who wishes: `node:eth0`.
    pub holder: String,
    /// The PF, by network device or address.
    pub pf: String,
    /// The VF it has already, which it keeps.
    pub has: Option<Seat>,
}

/// What is taken already.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// By whom, in words: `a of lab shop`. Those that become free by the same change are not in it.
    pub seats: BTreeMap<Seat, String>,
    /// PFs that netloom made VFs of, and how many.
    pub made: BTreeMap<Address, u16>,
}

/// Who gets what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment {
    /// By holder.
    pub seats: BTreeMap<String, Seat>,
    /// PFs that are to have another number of VFs.
    pub numbers: BTreeMap<Address, u16>,
}

/// Why there is no VF to be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such device, or it is no PF.
    #[error("there is no physical function {pf}")]
    NoSuchPf {
        /// As it was wished.
        pf: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The device has no SR-IOV, or its driver has not.
    #[error("{pf}, whose driver is {driver}, has no virtual functions")]
    NotCapable {
        /// The device.
        pf: String,
        /// Its driver.
        driver: String,
    },
    /// Nobody drives it.
    #[error("{pf} has no driver, and so no virtual functions")]
    NoDriver {
        /// The PF.
        pf: String,
    },
    /// It is down, and so is the cable of its VFs.
    #[error("{pf} is down, and so is the cable of its virtual functions")]
    Down {
        /// The PF.
        pf: String,
    },
    /// More than there can be.
    #[error("{pf} can have {total} virtual functions, and {wanted} are wanted of it")]
    TooMany {
        /// The PF.
        pf: String,
        /// By this lab and by others.
        wanted: usize,
        /// The most.
        total: u16,
    },
    /// VFs that are not netloom's.
    #[error("{pf} has {enabled} virtual functions that somebody else made")]
    Foreign {
        /// The PF.
        pf: String,
        /// VFs there are.
        enabled: u16,
    },
    /// None is free, and more cannot be made.
    #[error(
        "{pf} has {enabled} virtual functions, none of them is free ({}), and their number is not changed while one is in use",
        users.join(", ")
    )]
    InUse {
        /// The PF.
        pf: String,
        /// VFs there are.
        enabled: u16,
        /// Who has them.
        users: Vec<String>,
    },
}

impl Refusal {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NoSuchPf { known, .. } if known.is_empty() => {
                "this machine shows no card with SR-IOV: `netloom check` says what is missing; `netloom vf run FILE` \
                 boots a guest with one"
                    .to_owned()
            }
            Self::NoSuchPf { known, .. } => format!("`netloom vf ls` shows them: {}", known.join(", ")),
            Self::NotCapable { .. } => {
                "`netloom vf ls` shows the devices that have them; firmware may have SR-IOV switched off".to_owned()
            }
            Self::NoDriver { pf } => format!("load the driver of {pf}: `lspci -k -s {pf}` names it"),
            Self::Down { pf } => format!("`ip link set {pf} up`: netloom leaves devices of the machine as they are"),
            Self::TooMany { .. } => {
                "give some nodes another `pf:`, or join them to a switch instead; `fallback: SWITCH` does so where \
                 none is left"
                    .to_owned()
            }
            Self::Foreign { pf, .. } => format!(
                "netloom leaves them alone; whoever made them takes them away: `echo 0 > /sys/class/net/{pf}/device/\
                 sriov_numvfs`"
            ),
            Self::InUse { .. } => {
                "end the labs that have them, or this one, so that it can ask for all it needs at once".to_owned()
            }
        }
    }
}

/// Gives each wish a VF: the one it has, else the first that is free, else a new one if all of the PF can be made anew.
///
/// `plain` tells of a device that is no PF: its driver.
///
/// # Errors
/// Which wish cannot be had, and why.
pub fn assign(
    machine: &[PhysicalFunction],
    taken: &Taken,
    wants: &[Want],
    plain: &dyn Fn(&str) -> Option<String>,
) -> Result<Assignment, (String, Refusal)> {
    let mut out = Assignment::default();
    let mut by_pf: BTreeMap<Address, Vec<&Want>> = BTreeMap::new();
    for want in wants {
        let pf = find(machine, &want.pf, plain).map_err(|why| (want.holder.clone(), why))?;
        by_pf.entry(pf.address).or_default().push(want);
    }
    for pf in machine {
        if let Some(wants) = by_pf.get(&pf.address) {
            of_one(pf, taken, wants, &mut out)?;
        }
    }
    Ok(out)
}

fn find<'m>(
    machine: &'m [PhysicalFunction],
    name: &str,
    plain: &dyn Fn(&str) -> Option<String>,
) -> Result<&'m PhysicalFunction, Refusal> {
    let pf = || name.to_owned();
    let Some(found) = machine.iter().find(|pf| pf.is_called(name)) else {
        return Err(match plain(name) {
            Some(driver) if driver.is_empty() => Refusal::NotCapable { pf: pf(), driver: "none".to_owned() },
            Some(driver) => Refusal::NotCapable { pf: pf(), driver },
            None => {
                let known = machine.iter().map(PhysicalFunction::name).collect();
                Refusal::NoSuchPf { pf: pf(), known }
            }
        });
    };
    match &found.driver {
        None => Err(Refusal::NoDriver { pf: pf() }),
        Some(driver) if found.total == 0 => Err(Refusal::NotCapable { pf: pf(), driver: driver.clone() }),
        Some(_) if !found.up => Err(Refusal::Down { pf: pf() }),
        Some(_) => Ok(found),
    }
}

/// The wishes for the VFs of one PF.
fn of_one(
    pf: &PhysicalFunction,
    taken: &Taken,
    wants: &[&Want],
    out: &mut Assignment,
) -> Result<(), (String, Refusal)> {
    let here = |seat: &Seat| seat.pf == pf.address;
    let keeps = |want: &Want| want.has.filter(|seat| here(seat) && seat.index < pf.enabled());
    let kept: BTreeSet<Seat> = wants.iter().filter_map(|want| keeps(want)).collect();
    let others: Vec<&String> = taken
        .seats
        .iter()
        .filter(|(seat, _)| here(seat) && !kept.contains(seat))
        .map(|(_, who)| who)
        .collect();
    let Some(last) = wants.last() else { return Ok(()) };
    let refuse = |why: Refusal| Err((last.holder.clone(), why));
    let name = pf.name();
    let wanted = wants.len() + others.len();
    if wanted > usize::from(pf.total) {
        return refuse(Refusal::TooMany { pf: name, wanted, total: pf.total });
    }
    let enabled = pf.enabled();
    if enabled > 0 && taken.made.get(&pf.address) != Some(&enabled) {
        return refuse(Refusal::Foreign { pf: name, enabled });
    }
    let is_free = |seat: &Seat| !taken.seats.contains_key(seat) && !kept.contains(seat);
    // One without a network device here is with somebody who did not ask us.
    let there = pf.vfs.iter().filter(|vf| !vf.netdevs.is_empty());
    let mut free: Vec<Seat> =
        there.map(|vf| Seat { pf: pf.address, index: vf.index }).filter(is_free).collect();
    let fresh = wants.iter().filter(|want| keeps(want).is_none()).count();
    if fresh > free.len() {
        if !kept.is_empty() || !others.is_empty() || free.len() < usize::from(enabled) {
            let own = wants.iter().filter(|want| keeps(want).is_some()).map(|want| &want.holder);
            let users = own.chain(others).cloned().collect();
            return refuse(Refusal::InUse { pf: name, enabled, users });
        }
        let number = u16::try_from(fresh).unwrap_or(u16::MAX);
        out.numbers.insert(pf.address, number);
        free = (0..number).map(|index| Seat { pf: pf.address, index }).collect();
    }
    let mut free = free.into_iter();
    for want in wants {
        if let Some(seat) = keeps(want).or_else(|| free.next()) {
            out.seats.insert(want.holder.clone(), seat);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::VirtualFunction;

    fn pf(enabled: u16) -> PhysicalFunction {
        let address: Address = "0000:01:00.0".parse().unwrap();
        let vf = |index| VirtualFunction {
            index,
            address: address.of_vf(0x80, 2, index).unwrap(),
            netdevs: vec![format!("eth{}", index + 1)],
            driver: Some("igbvf".into()),
            iommu_group: None,
            numa_node: None,
        };
        PhysicalFunction {
            address,
            netdevs: vec!["eth0".into()],
            ids: (0x8086, 0x10c9),
            driver: Some("igb".into()),
            iommu_group: None,
            numa_node: None,
            up: true,
            total: 7,
            vfs: (0..enabled).map(vf).collect(),
        }
    }

    fn want(holder: &str, has: Option<u16>) -> Want {
        let has = has.map(|index| Seat { pf: pf(0).address, index });
        Want { holder: holder.into(), pf: "eth0".into(), has }
    }

    fn taken(made: u16, seats: &[(u16, &str)]) -> Taken {
        let seat =
            |(index, who): &(u16, &str)| (Seat { pf: pf(0).address, index: *index }, (*who).to_owned());
        Taken { seats: seats.iter().map(seat).collect(), made: [(pf(0).address, made)].into() }
    }

    fn run(machine: &PhysicalFunction, taken: &Taken, wants: &[Want]) -> Result<Assignment, Refusal> {
        let plain = |name: &str| (name == "lan0").then(|| "virtio_net".to_owned());
        assign(std::slice::from_ref(machine), taken, wants, &plain).map_err(|(_, why)| why)
    }

    fn indexes(assignment: &Assignment) -> Vec<(&str, u16)> {
        assignment.seats.iter().map(|(who, seat)| (who.as_str(), seat.index)).collect()
    }

    #[test]
    fn the_first_lab_has_as_many_made_as_it_needs() {
        let got = run(&pf(0), &Taken::default(), &[want("a:eth0", None), want("b:eth0", None)]).unwrap();
        assert_eq!(indexes(&got), [("a:eth0", 0), ("b:eth0", 1)]);
        assert_eq!(got.numbers, [(pf(0).address, 2)].into());
    }

    #[test]
    fn what_is_free_is_taken_and_what_is_had_is_kept() {
        let wants = [want("a:eth0", Some(2)), want("b:eth0", None)];
        let got = run(&pf(3), &taken(3, &[(0, "x of lab other"), (2, "a")]), &wants).unwrap();
        assert_eq!(indexes(&got), [("a:eth0", 2), ("b:eth0", 1)]);
        assert!(got.numbers.is_empty());
    }

    #[test]
    fn the_number_is_changed_only_while_nobody_has_one() {
        let wants = [want("a:eth0", None), want("b:eth0", None)];
        let why = run(&pf(2), &taken(2, &[(0, "x of lab other")]), &wants).unwrap_err();
        assert!(
            matches!(&why, Refusal::InUse { enabled: 2, users, .. } if users == &["x of lab other"]),
            "{why}"
        );
        let mut away = pf(2);
        away.vfs[1].netdevs.clear();
        let three = [want("a:eth0", None), want("b:eth0", None), want("c:eth0", None)];
        assert!(matches!(run(&away, &taken(2, &[]), &three), Err(Refusal::InUse { .. })));
        assert_eq!(run(&pf(2), &taken(2, &[]), &three).unwrap().numbers, [(pf(0).address, 3)].into());
        let more = [want("a:eth0", Some(0)), want("b:eth0", None)];
        assert!(matches!(run(&pf(1), &taken(1, &[(0, "a")]), &more), Err(Refusal::InUse { .. })));
    }

    #[test]
    fn what_others_made_is_left_alone() {
        for made in [Taken::default(), taken(2, &[])] {
            let why = run(&pf(3), &made, &[want("a:eth0", None)]).unwrap_err();
            assert_eq!(why, Refusal::Foreign { pf: "eth0".into(), enabled: 3 });
        }
    }

    #[test]
    fn too_many_no_pf_and_no_sriov_are_told_apart() {
        let eight: Vec<_> = (0..8).map(|n| want(&format!("h{n}:eth0"), None)).collect();
        let why = run(&pf(0), &Taken::default(), &eight).unwrap_err();
        assert_eq!(why.to_string(), "eth0 can have 7 virtual functions, and 8 are wanted of it");
        let of = |pf: &str| Want { pf: pf.into(), ..want("a:eth0", None) };
        let why = run(&pf(0), &Taken::default(), &[of("eth9")]).unwrap_err();
        assert_eq!(why, Refusal::NoSuchPf { pf: "eth9".into(), known: vec!["eth0".into()] });
        let why = run(&pf(0), &Taken::default(), &[of("lan0")]).unwrap_err();
        assert_eq!(why.to_string(), "lan0, whose driver is virtio_net, has no virtual functions");
        let unbound = PhysicalFunction { driver: None, ..pf(0) };
        assert!(matches!(run(&unbound, &Taken::default(), &[of("eth0")]), Err(Refusal::NoDriver { .. })));
        let down = PhysicalFunction { up: false, ..pf(0) };
        assert!(matches!(run(&down, &Taken::default(), &[of("eth0")]), Err(Refusal::Down { .. })));
        let none = PhysicalFunction { total: 0, ..pf(0) };
        assert!(matches!(run(&none, &Taken::default(), &[of("eth0")]), Err(Refusal::NotCapable { .. })));
    }
}
