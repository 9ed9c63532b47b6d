//! Virtual functions of network cards as interfaces of nodes.
//!
//! ```text
//! prepare   who gets which; VFs are made, claims written: what fails here has changed nothing
//! give      a VF is set as the file says; its device goes into the node's namespace, or the function to vfio-pci for QEMU
//! change    a VF that a node has is set otherwise
//! take      it comes home, is what it was, and is nobody's; the last one of a card takes the card's VFs along
//! ```
//! Everything runs in the namespace the daemon was started in, where the physical functions are. A claim is journaled
//! before it is written, and says what the VF was: `recover` needs nothing else. Under the lock of a card the number of its
//! VFs is decided and changed.

mod switchdev;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_api::{ApiError, ErrorKind};
use netloom_lab::Lab;
use netloom_lab::journal::Kind;
use netloom_lab::lab::{Node, Vf, VfState as Wanted};
use netloom_sriov::assign::{Assignment, Taken};
use netloom_sriov::{
    Address, Attributes, Claim, Claims, PhysicalFunction, Refusal, Sysfs, Want, assign, give,
};
use netloom_sys::netlink::VfState;
use netloom_sys::netns::NetNs;

pub(super) use switchdev::said_here;

use super::hints::refused;
use super::journal::Ledger;
use crate::host::{self, HostNet};

/// The virtual functions of a lab.
#[derive(Debug)]
pub(super) struct Functions {
    sysfs: Sysfs,
    claims: Claims,
    lab: String,
    ledger: Arc<Ledger>,
    /// By node.
    held: Mutex<BTreeMap<String, Claim>>,
}

/// Who gets a virtual function, decided before the plan is carried out.
#[derive(Debug, Default)]
pub(super) struct Seats {
    /// Nodes that have to do with an ordinary card.
    pub(super) absent: BTreeSet<String>,
    /// Nodes whose claims are new.
    fresh: Vec<String>,
    /// What the user is told.
    pub(super) notes: Vec<String>,
}

/// A function that QEMU is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    /// Where it is on the bus.
    pub(super) address: String,
    /// Its group, by which it is opened: `/dev/vfio/N`.
    pub(super) group: u32,
    /// The driver it had: what the guest needs, too.
    pub(super) driver: String,
}

impl Functions {
    /// None yet. `claims`: where all labs of this user note what they have.
    pub(super) fn new(sysfs: Sysfs, claims: &Path, lab: &str, ledger: Arc<Ledger>) -> Self {
        Self { sysfs, claims: Claims::at(claims), lab: lab.to_owned(), ledger, held: Mutex::default() }
    }

    /// Decides who gets what, makes VFs where there are none, and writes claims.
    ///
    /// # Errors
    /// No card, no SR-IOV, too many, in use, somebody else's; no IOMMU or a group with others for a virtual machine.
    /// Nothing has changed then.
    pub(super) fn prepare(&self, lab: &Lab, before: &Lab, rootless: bool) -> Result<Seats, ApiError> {
        let mut seats = Seats::default();
        let wanting: Vec<(&Node, &Vf)> =
            lab.nodes.iter().filter_map(|n| Some((n, n.vf.as_deref()?))).collect();
        if wanting.is_empty() {
            return Ok(seats);
        }
        if rootless {
            let error = ApiError::new(ErrorKind::Machine, "Virtual functions are root's to give.");
            return Err(error.hint("run netloom as root; or leave out `vf`, and join the node to a switch"));
        }
        let failed = |error: &netloom_sys::HostError| {
            refused(ErrorKind::Machine, "Cannot look for network cards.", error)
        };
        let mut machine = self.sysfs.physical_functions().map_err(|error| failed(&error))?;
        let locks = self.lock(&machine, &wanting).map_err(|error| failed(&error))?;
        if !locks.is_empty() {
            machine = self.sysfs.physical_functions().map_err(|error| failed(&error))?;
        }
        let boot = crate::state::boot_id().map_err(|error| {
            ApiError::caused(ErrorKind::Machine, "Cannot tell this boot from others.", &error)
        })?;
        let assignment = self.assign(&machine, &wanting, before, &boot, &mut seats)?;
        switchdev::check(&machine, &wanting, &seats.absent, &switchdev::mode)?;
        self.check_machines(&wanting, &seats)?;
        let made = self.make(&assignment, &boot, &mut seats).and_then(|()| self.check_groups(&wanting));
        if let Err(error) = made {
            drop(locks);
            self.release(seats);
            return Err(error);
        }
        drop(locks);
        Ok(seats)
    }

    /// The locks of the cards that are meant, in an order that all labs keep.
    fn lock(
        &self,
        machine: &[PhysicalFunction],
        wanting: &[(&Node, &Vf)],
    ) -> Result<Vec<File>, netloom_sys::HostError> {
        let meant = |pf: &&PhysicalFunction| wanting.iter().any(|(_, vf)| pf.is_called(&vf.pf));
        machine.iter().filter(meant).map(|pf| self.sysfs.lock(pf.address)).collect()
    }

    fn assign(
        &self,
        machine: &[PhysicalFunction],
        wanting: &[(&Node, &Vf)],
        before: &Lab,
        boot: &str,
        seats: &mut Seats,
    ) -> Result<Assignment, ApiError> {
        let held = self.held();
        let has = |node: &Node| held.get(&node.name).map(|claim| claim.seat);
        // One that fell back stays so: its interface is a card of the switch by now.
        let sticky = |node: &Node| {
            before.node(&node.name).is_some_and(|old| old.vf.is_some() && old.vf == node.vf)
                && has(node).is_none()
        };
        let (absent, rest): (Vec<_>, Vec<_>) = wanting.iter().partition(|(node, _)| sticky(node));
        seats.absent.extend(absent.iter().map(|(node, _)| node.name.clone()));
        let mut wants: Vec<Want> = rest
            .iter()
            .map(|(node, vf)| Want { holder: node.name.clone(), pf: vf.pf.clone(), has: has(node) })
            .collect();
        let claims = self.claims.list().into_iter().filter(|claim| claim.boot == boot);
        let whose = |claim: Claim| {
            let whose = if claim.lab == self.lab { String::new() } else { format!(" of lab {}", claim.lab) };
            (claim.seat, format!("{}{whose}", claim.holder))
        };
        let taken = Taken { seats: claims.map(whose).collect(), made: self.claims.all_made() };
        drop(held);
        loop {
            let plain = |name: &str| self.sysfs.driver_of_netdev(name);
            let (holder, why) = match assign(machine, &taken, &wants, &plain) {
                Ok(assignment) => return Ok(assignment),
                Err(refusal) => refusal,
            };
            // The last of the same card that can do without has to.
            let card = wants.iter().find(|want| want.holder == holder).map(|want| want.pf.clone());
            let fallback = |want: &Want| {
                let vf = rest.iter().find(|(node, _)| node.name == want.holder).map(|(_, vf)| vf);
                vf.and_then(|vf| vf.fallback.clone())
                    .filter(|_| Some(&want.pf) == card.as_ref() && want.has.is_none())
            };
            let last = wants.iter().rposition(|want| fallback(want).is_some());
            let Some(last) = last else { return Err(no_function(&holder, &why, &rest)) };
            let want = wants.remove(last);
            let switch = fallback(&want).unwrap_or_default();
            seats.notes.push(format!("{} has an ordinary card at {switch}: {why}", want.holder));
            seats.absent.insert(want.holder);
        }
    }

    /// What a machine must have to hand functions to guests.
    fn check_machines(&self, wanting: &[(&Node, &Vf)], seats: &Seats) -> Result<(), ApiError> {
        let first = wanting.iter().find(|(node, _)| node.vm.is_some() && !seats.absent.contains(&node.name));
        let Some((node, _)) = first else { return Ok(()) };
        let line = format!("line {} of the lab file has {}", node.line, node.name);
        if !self.sysfs.has_iommu() {
            let said = format!("{} cannot be given a virtual function: the IOMMU is off.", node.name);
            let hint = "switch it on in the firmware (VT-d, AMD-Vi), and start Linux with intel_iommu=on; then `netloom check`";
            return Err(ApiError::new(ErrorKind::Machine, said).hint(format!("{hint}; {line}")));
        }
        if !self.sysfs.has_driver(give::VFIO) {
            let said = format!(
                "{} cannot be given a virtual function: the driver vfio-pci is not loaded.",
                node.name
            );
            return Err(ApiError::new(ErrorKind::Machine, said).hint(format!("modprobe vfio-pci; {line}")));
        }
        Ok(())
    }

    /// Who is in one group with a virtual machine's function goes to the guest, too.
    fn check_groups(&self, wanting: &[(&Node, &Vf)]) -> Result<(), ApiError> {
        let held = self.held();
        for (node, _) in wanting.iter().filter(|(node, _)| node.vm.is_some()) {
            let Some(seat) = held.get(&node.name).map(|claim| claim.seat) else { continue };
            let Some(vf) = self.sysfs.virtual_function(seat.pf, seat.index) else { continue };
            let others = self.sysfs.companions(vf.address);
            if vf.iommu_group.is_none() {
                let said = format!(
                    "VF {} of {} is in no IOMMU group, so no guest can be given it.",
                    seat.index, seat.pf
                );
                return Err(
                    ApiError::new(ErrorKind::Machine, said).hint("`netloom check` says what the IOMMU lacks")
                );
            }
            if !others.is_empty() {
                let others: Vec<String> = others.iter().map(Address::to_string).collect();
                let said = format!(
                    "{} cannot be given {}: it shares its IOMMU group with {}, and a guest gets all of a group or nothing.",
                    node.name,
                    vf.address,
                    others.join(", ")
                );
                let hint = "a slot behind a switch with access control (ACS) has groups of its own; hosts and containers need none";
                return Err(ApiError::new(ErrorKind::Machine, said).hint(hint));
            }
        }
        Ok(())
    }

    fn make(&self, assignment: &Assignment, boot: &str, seats: &mut Seats) -> Result<(), ApiError> {
        let noted = |error: std::io::Error| {
            ApiError::caused(ErrorKind::Failed, "Cannot note whose virtual functions are.", &error)
        };
        let fresh = assignment.seats.iter().filter(|(node, _)| !self.held().contains_key(*node));
        for (node, seat) in fresh {
            let claim = Claim {
                lab: self.lab.clone(),
                holder: format!("{node}:{}", INTERFACE),
                boot: boot.to_owned(),
                seat: *seat,
                former: None,
            };
            self.ledger.intend(Kind::Function, &self.claims.path(*seat)).map_err(noted)?;
            seats.fresh.push(node.clone());
            self.claims.write(&claim).map_err(noted)?;
            self.held().insert(node.clone(), claim);
        }
        for (pf, number) in &assignment.numbers {
            self.claims.set_made(*pf, *number).map_err(noted)?;
            self.sysfs.set_number_steadily(*pf, *number).map_err(|error| {
                refused(ErrorKind::Machine, format!("Cannot make {number} virtual functions of {pf}."), &error)
                    .hint("`dmesg` says why: often the firmware left no room for their registers (SR-IOV, above 4G decoding)")
            })?;
        }
        Ok(())
    }

    /// What was prepared is not needed: claims that nobody came to have go.
    pub(super) fn release(&self, seats: Seats) {
        for node in seats.fresh {
            self.take(&node, None);
        }
    }

    /// Gives a node its function; `from`: the namespace in which another node of its name has it. Returns its representor, if the
    /// switch inside the card shows one: what the node sends arrives there.
    ///
    /// # Errors
    /// What the driver or the host refused, by the attribute's name. The caller takes it back.
    pub(super) fn give(
        &self,
        node: &Node,
        net: &HostNet,
        netns: &NetNs,
        from: Option<&NetNs>,
    ) -> Result<Option<String>, ApiError> {
        let (Some(vf), Some(mut claim)) = (&node.vf, self.claim(&node.name)) else { return Ok(None) };
        let told = |error: give::GiveError| could_not_give(&node.name, &error);
        if let Some(from) = from {
            self.fetch(&node.name, &claim, from);
        }
        let wanted = attributes(node, vf);
        if give::is_handed_over(&self.sysfs, claim.seat) {
            // The machine before this one has it until everything is done that can fail, and then this one.
            if node.vm.is_some() {
                give::change(&self.sysfs, &claim, &wanted).map_err(told)?;
                return Ok(self.sysfs.representor(claim.seat.pf, claim.seat.index));
            }
            let said = format!(
                "{} cannot have its virtual function while the machine of that name runs.",
                node.name
            );
            return Err(ApiError::new(ErrorKind::Failed, said).hint("netloom down, then netloom up"));
        }
        let device = give::ready(&self.sysfs, &self.claims, &mut claim, &wanted);
        self.held().insert(node.name.clone(), claim.clone());
        let device = device.map_err(told)?;
        let represented = match &vf.fallback {
            Some(_) => give::represent(&self.sysfs, &self.claims, &mut claim),
            None => Ok(None),
        };
        self.held().insert(node.name.clone(), claim.clone());
        let representor = represented.map_err(told)?;
        if node.vm.is_some() {
            give::hand_over(&self.sysfs, claim.seat).map_err(told)?;
            return Ok(representor);
        }
        give::send(device, netns, &vf.interface).map_err(|error| told(error.into()))?;
        let furnished = netns.run(|| host::furnish_function(net)).map_err(|error| told(error.into()))?;
        furnished.map_err(|error| {
            refused(ErrorKind::Failed, format!("Cannot set up {} of {}.", vf.interface, node.name), &error)
        })?;
        Ok(representor)
    }

    /// Sets what a node has as the file says now.
    ///
    /// # Errors
    /// What the driver refuses, by the attribute's name.
    pub(super) fn change(&self, node: &Node) -> Result<(), ApiError> {
        let (Some(vf), Some(claim)) = (&node.vf, self.claim(&node.name)) else { return Ok(()) };
        give::change(&self.sysfs, &claim, &attributes(node, vf))
            .map_err(|error| could_not_give(&node.name, &error))
    }

    /// Takes a node's function back: what could not be put back is in the answer, and is tried again by `down`.
    pub(super) fn take(&self, node: &str, netns: Option<&NetNs>) -> Option<String> {
        let claim = self.held().remove(node)?;
        if let (Some(netns), Some(_)) = (netns, &claim.former) {
            self.fetch(node, &claim, netns);
        }
        let lock = self.sysfs.lock(claim.seat.pf);
        let done = give::restore(&self.sysfs, &self.claims, &claim)
            .and_then(|()| give::finish(&self.sysfs, &self.claims, claim.seat.pf));
        drop(lock);
        match done {
            Ok(_) => {
                self.ledger.gone(Kind::Function, &self.claims.path(claim.seat));
                None
            }
            Err(error) => {
                let source =
                    std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
                tracing::error!(node, %error, source, "a virtual function could not be put back");
                Some(format!("VF {} of {}: {error}{source}", claim.seat.index, claim.seat.pf))
            }
        }
    }

    /// Brings a device home from a node's namespace. One that is not there is at home, or comes by itself.
    fn fetch(&self, node: &str, claim: &Claim, netns: &NetNs) {
        let Some(former) = &claim.former else { return };
        let home = match NetNs::current() {
            Ok(home) => home,
            Err(error) => return tracing::warn!(node, %error, "a virtual function stays away"),
        };
        let name = &former.device.name;
        let sent = netns.run(|| give::send_home(INTERFACE, &home, name));
        if let Err(error) | Ok(Err(error)) = sent {
            tracing::debug!(node, %error, "no device to fetch");
        }
    }

    /// What QEMU is given of a node's function.
    pub(super) fn passed(&self, node: &str) -> Option<Passed> {
        let claim = self.claim(node)?;
        let vf = self.sysfs.virtual_function(claim.seat.pf, claim.seat.index)?;
        Some(Passed {
            address: vf.address.to_string(),
            group: vf.iommu_group?,
            driver: claim.former?.device.driver,
        })
    }

    /// The VF that a node has, in words: `VF 0 of 0000:01:00.0`.
    pub(super) fn words(&self, node: &str) -> Option<String> {
        let claim = self.claim(node)?;
        Some(format!("VF {} of {}", claim.seat.index, claim.seat.pf))
    }

    fn claim(&self, node: &str) -> Option<Claim> {
        self.held().get(node).cloned()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Claim>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts back what the claim in the file at `path` says, if it is one of `lab`'s, and takes VFs away that nobody has.
///
/// # Errors
/// In words: what could not be put back.
pub(super) fn recover(claims: &Path, path: &Path, lab: &str) -> Result<(), String> {
    let (sysfs, claims) = (Sysfs::of_machine(), Claims::at(claims));
    let Some(seat) = claims.seat_of(path) else { return Ok(()) };
    let _lock = sysfs.lock(seat.pf);
    let said = |error: give::GiveError| {
        let source = std::error::Error::source(&error).map(|it| format!(": {it}")).unwrap_or_default();
        format!("{error}{source}")
    };
    match claims.at_path(path) {
        Some(claim) if claim.lab == lab => give::restore(&sysfs, &claims, &claim).map_err(said)?,
        Some(_) => return Ok(()),
        None => {}
    }
    give::finish(&sysfs, &claims, seat.pf).map(drop).map_err(said)
}

/// What a VF is called in its node.
pub(super) const INTERFACE: &str = "eth0";

fn attributes(node: &Node, vf: &Vf) -> Attributes {
    Attributes {
        mac: node.interface(&vf.interface).map(|interface| interface.mac.0),
        vlan: vf.vlan,
        spoof_check: vf.spoof_check,
        trust: vf.trust,
        min_rate: vf.min_rate,
        max_rate: vf.rate,
        state: vf.state.map(|state| match state {
            Wanted::Auto => VfState::Auto,
            Wanted::Enable => VfState::Enable,
            Wanted::Disable => VfState::Disable,
        }),
    }
}

fn no_function(holder: &str, why: &Refusal, wanting: &[(&Node, &Vf)]) -> ApiError {
    let line = wanting.iter().find(|(node, _)| node.name == holder).map(|(node, _)| node.line);
    let place = line.map(|line| format!(" (line {line} of the lab file)")).unwrap_or_default();
    ApiError::new(ErrorKind::Machine, format!("{holder} gets no virtual function{place}: {why}."))
        .hint(why.hint())
}

fn could_not_give(node: &str, error: &give::GiveError) -> ApiError {
    let said = refused(ErrorKind::Failed, format!("Cannot give {node} its virtual function."), error);
    match error.hint() {
        Some(hint) => said.hint(hint),
        None => said,
    }
}
