//! Functions as rows.

use std::collections::BTreeMap;

use netloom_api::{AttributesRow, FunctionRow};
use netloom_sriov::{Address, Claims, PhysicalFunction, Seat, Sysfs, VirtualFunction};
use netloom_sys::netlink::{self, NetlinkSocket, VfState};

/// Said where there is nothing to list.
pub(crate) const NONE: &str = "a network card with SR-IOV is needed, its driver loaded, and SR-IOV and the IOMMU switched on in the firmware";

/// Who has what on this machine.
#[derive(Debug, Default)]
pub(super) struct Owners {
    holders: BTreeMap<Seat, String>,
    /// PFs whose VFs netloom made.
    made: BTreeMap<Address, u16>,
    is_known: bool,
}

impl Owners {
    /// As labs have noted it.
    pub(super) fn of_machine(claims: &Claims) -> Self {
        let holder = |claim: netloom_sriov::Claim| (claim.seat, format!("{} {}", claim.lab, claim.holder));
        Self {
            holders: claims.list().into_iter().map(holder).collect(),
            made: claims.all_made(),
            is_known: true,
        }
    }

    fn of(&self, seat: Seat) -> String {
        match self.holders.get(&seat) {
            Some(holder) => holder.clone(),
            None if !self.is_known => String::new(),
            None if self.made.contains_key(&seat.pf) => "free".to_owned(),
            None => "foreign".to_owned(),
        }
    }
}

/// What a VF is called: by its PF, as it has no device here while a node has it.
pub(super) fn vf_name(pf: &PhysicalFunction, vf: &VirtualFunction) -> String {
    format!("{}:{}", pf.name(), vf.index)
}

/// A PF, and its VFs.
pub(super) fn of(pf: &PhysicalFunction, sysfs: &Sysfs, owners: &Owners) -> Vec<FunctionRow> {
    let attributes = if owners.is_known { attributes(pf) } else { BTreeMap::new() };
    let companions = |address| sysfs.companions(address).iter().map(Address::to_string).collect();
    let mut rows = vec![FunctionRow {
        name: pf.name(),
        address: pf.address.to_string(),
        kind: "pf".to_owned(),
        devices: pf.netdevs.clone(),
        ids: format!("{:04x}:{:04x}", pf.ids.0, pf.ids.1),
        driver: pf.driver.clone(),
        iommu_group: pf.iommu_group,
        companions: companions(pf.address),
        numa_node: pf.numa_node,
        vfs: Some((pf.enabled(), pf.total)),
        eswitch: if owners.is_known { eswitch(pf) } else { None },
        ..FunctionRow::default()
    }];
    rows.extend(pf.vfs.iter().map(|vf| FunctionRow {
        name: vf_name(pf, vf),
        address: vf.address.to_string(),
        kind: "vf".to_owned(),
        pf: Some(pf.address.to_string()),
        index: Some(vf.index),
        devices: vf.netdevs.clone(),
        driver: vf.driver.clone(),
        iommu_group: vf.iommu_group,
        companions: companions(vf.address),
        numa_node: vf.numa_node,
        owner: owners.of(Seat { pf: pf.address, index: vf.index }),
        representor: sysfs.representor(pf.address, vf.index),
        attributes: attributes.get(&u32::from(vf.index)).cloned(),
        ..FunctionRow::default()
    }));
    rows
}

/// The mode of the switch inside the card; nothing where its driver does not say, or not to this user.
pub(crate) fn eswitch(pf: &PhysicalFunction) -> Option<String> {
    let mode = netlink::eswitch_mode("pci", &pf.address.to_string()).ok()??;
    Some(mode.word().to_owned())
}

/// What the driver says of each VF; nothing where it does not.
fn attributes(pf: &PhysicalFunction) -> BTreeMap<u32, AttributesRow> {
    let ask = || {
        let mut socket = NetlinkSocket::open().ok()?;
        let device = socket.index_of(pf.netdevs.first()?).ok()?;
        socket.virtual_functions(device).ok()
    };
    ask().unwrap_or_default().into_iter().map(|vf| (vf.index, attributes_of(&vf))).collect()
}

fn attributes_of(vf: &netlink::Vf) -> AttributesRow {
    let mac = vf.mac.map(|byte| format!("{byte:02x}")).join(":");
    AttributesRow {
        mac: if vf.mac == [0; 6] { String::new() } else { mac },
        vlan: vf.vlan,
        spoof_check: vf.spoof_check,
        trust: vf.trust,
        min_rate: vf.min_rate,
        max_rate: vf.max_rate,
        state: match vf.state {
            VfState::Auto => "auto",
            VfState::Enable => "enable",
            VfState::Disable => "disable",
        }
        .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vf_is_a_labs_or_free_or_somebody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::at(folder.path().join(".vf"));
        let pf: Address = "0000:01:00.0".parse().unwrap();
        let (first, second) = (Seat { pf, index: 0 }, Seat { pf, index: 1 });
        let (lab, holder, boot) = ("shop".to_owned(), "red/web:eth0".to_owned(), "now".to_owned());
        claims.write(&netloom_sriov::Claim { lab, holder, boot, seat: first, former: None }).unwrap();
        let of = |seat| Owners::of_machine(&claims).of(seat);
        assert_eq!((of(first), of(second)), ("shop red/web:eth0".to_owned(), "foreign".to_owned()));
        claims.set_made(pf, 2).unwrap();
        assert_eq!(of(second), "free");
        assert_eq!(Owners::default().of(first), "", "nothing is known of a copy");
    }
}
