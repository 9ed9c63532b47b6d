//! Who gets a virtual function, on a tree of files that looks like the /sys of a machine with an Intel 82576.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::*;
use crate::Homes;

const PF: &str = "0000:01:00.0";
const FIRST: &str = "0000:01:10.0";

struct Machine {
    place: tempfile::TempDir,
    functions: Functions,
}

impl Machine {
    /// With so many VFs.
    fn new(vfs: u16) -> Self {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        home.create().unwrap();
        let sys = place.path().join("sys");
        let device = |address: &str| sys.join("bus/pci/devices").join(address);
        for folder in ["bus/pci/drivers/igb", "bus/pci/drivers/igbvf", "class/net"] {
            fs::create_dir_all(sys.join(folder)).unwrap();
        }
        fs::create_dir_all(device(PF).join("net/eth0")).unwrap();
        symlink(sys.join("bus/pci/drivers/igb"), device(PF).join("driver")).unwrap();
        for (file, text) in [("sriov_totalvfs", "7".to_owned()), ("sriov_numvfs", vfs.to_string())] {
            fs::write(device(PF).join(file), text).unwrap();
        }
        let ledger = Arc::new(Ledger::begin(&home).unwrap());
        let functions = Functions::new(Sysfs::at(&sys), &home.claims(), "shop", ledger);
        let machine = Self { place, functions };
        (0..vfs).for_each(|index| machine.appear(index));
        machine
    }

    /// A VF comes, as the kernel shows it.
    fn appear(&self, index: u16) {
        let address = PF.parse::<Address>().unwrap().of_vf(0x80, 2, index).unwrap().to_string();
        fs::create_dir_all(self.device(&address).join("net").join(format!("eth{}", index + 1))).unwrap();
        symlink(self.sys("bus/pci/drivers/igbvf"), self.device(&address).join("driver")).unwrap();
        symlink(self.device(&address), self.device(PF).join(format!("virtfn{index}"))).unwrap();
    }

    fn sys(&self, path: &str) -> PathBuf {
        self.place.path().join("sys").join(path)
    }

    fn device(&self, address: &str) -> PathBuf {
        self.sys("bus/pci/devices").join(address)
    }

    fn group(&self, members: &[&str]) {
        let group = self.sys("kernel/iommu_groups/4");
        fs::create_dir_all(group.join("devices")).unwrap();
        for member in members {
            fs::create_dir_all(self.device(member)).unwrap();
            symlink(self.device(member), group.join("devices").join(member)).unwrap();
            symlink(&group, self.device(member).join("iommu_group")).unwrap();
        }
    }

    /// What must not change.
    fn state(&self) -> (String, Vec<Claim>) {
        let number = fs::read_to_string(self.device(PF).join("sriov_numvfs")).unwrap();
        (number, self.functions.claims.list())
    }

    /// A lab that is refused, and what is said of it; nothing has changed then.
    fn refused(&self, nodes: &str) -> String {
        let before = self.state();
        let error = self.functions.prepare(&lab(nodes), &Lab::empty("shop"), false).unwrap_err();
        assert_eq!(self.state(), before, "something has changed");
        assert!(self.functions.held().is_empty());
        format!("{} [{}]", error.message, error.hint.unwrap_or_default())
    }
}

fn lab(nodes: &str) -> Lab {
    let text = format!("netloom: 1\nname: shop\nswitches: {{ s1: {{}} }}\nnodes: {{ {nodes} }}\n");
    let file = netloom_lab::load(&text, Path::new("/shop.loom.yml"), &[]).unwrap();
    netloom_lab::resolve(&file).unwrap()
}

fn says(said: &str, words: &str) {
    assert!(said.contains(words), "{said}");
}

#[test]
fn what_cannot_be_had_is_told_apart_and_changes_nothing() {
    let machine = Machine::new(0);
    says(
        &machine.refused("a: { vf: { pf: eth9 } }"),
        "a gets no virtual function (line 4 of the lab file): there is no physical function eth9. [`netloom vf ls` shows them: eth0]",
    );
    let plain = machine.sys("class/net/lan0/device");
    fs::create_dir_all(&plain).unwrap();
    symlink("../virtio_net", plain.join("driver")).unwrap();
    says(
        &machine.refused("a: { vf: { pf: lan0 } }"),
        "lan0, whose driver is virtio_net, has no virtual functions",
    );
    says(
        &machine.refused("a1..8: { vf: { pf: eth0 } }"),
        "eth0 can have 7 virtual functions, and 8 are wanted of it",
    );
    let rootless = machine.functions.prepare(&lab("a: { vf: { pf: eth0 } }"), &Lab::empty("shop"), true);
    says(&rootless.unwrap_err().message, "Virtual functions are root's to give.");
}

#[test]
fn those_of_others_and_those_in_use_are_left_alone() {
    let machine = Machine::new(2);
    says(&machine.refused("a: { vf: { pf: eth0 } }"), "eth0 has 2 virtual functions that somebody else made");
    let pf = PF.parse().unwrap();
    let boot = crate::state::boot_id().unwrap();
    for index in 0..2 {
        let (lab, holder) = ("other".to_owned(), format!("x{index}:eth0"));
        let seat = netloom_sriov::Seat { pf, index };
        machine
            .functions
            .claims
            .write(&Claim { lab, holder, boot: boot.clone(), seat, former: None })
            .unwrap();
    }
    machine.functions.claims.set_made(pf, 2).unwrap();
    let said = machine.refused("a: { vf: { pf: eth0 } }");
    says(&said, "none of them is free (x0:eth0 of lab other, x1:eth0 of lab other)");
    says(&said, "their number is not changed while one is in use");
}

#[test]
fn a_virtual_machine_needs_an_iommu_its_driver_and_a_group_of_its_own() {
    let machine = Machine::new(1);
    machine.functions.claims.set_made(PF.parse().unwrap(), 1).unwrap();
    let guest = "a: { vm: {}, vf: { pf: eth0 } }";
    says(
        &machine.refused(guest),
        "a cannot be given a virtual function: the IOMMU is off. [switch it on in the firmware",
    );
    machine.group(&[FIRST, "0000:02:00.0"]);
    says(&machine.refused(guest), "the driver vfio-pci is not loaded. [modprobe vfio-pci");
    fs::create_dir_all(machine.sys("bus/pci/drivers/vfio-pci")).unwrap();
    machine.functions.claims.set_made(PF.parse().unwrap(), 1).unwrap();
    let error = machine.functions.prepare(&lab(guest), &Lab::empty("shop"), false).unwrap_err();
    says(&error.message, "a cannot be given 0000:01:10.0: it shares its IOMMU group with 0000:02:00.0");
    assert!(machine.functions.claims.list().is_empty() && machine.functions.held().is_empty());
}

#[test]
fn where_there_is_none_the_ordinary_card_does_and_others_are_told_no_more() {
    let machine = Machine::new(0);
    let both = lab("a: { vf: { pf: eth9, fallback: s1 } }, b: { vf: { pf: eth0, fallback: s1 } }");
    let seats = machine.functions.prepare(&both, &Lab::empty("shop"), false).unwrap();
    assert_eq!(seats.absent, ["a".to_owned()].into());
    assert_eq!(seats.notes, ["a has an ordinary card at s1: there is no physical function eth9"]);
    assert_eq!((machine.state().0.as_str(), machine.state().1.len()), ("1", 1));
    let [claim] = &machine.state().1[..] else { panic!("one claim") };
    assert_eq!((claim.lab.as_str(), claim.holder.as_str()), ("shop", "b:eth0"));
    machine.appear(0);
    // The same again: who has one keeps it, who has none stays as it is.
    let again = machine.functions.prepare(&both, &both, false).unwrap();
    assert_eq!((again.absent, again.fresh.len()), (["a".to_owned()].into(), 0));
    machine.functions.release(seats);
    assert!(machine.state().1.is_empty());
}

#[test]
fn claims_are_journaled_before_they_are_written() {
    let machine = Machine::new(0);
    let seats =
        machine.functions.prepare(&lab("a: { vf: { pf: eth0 } }"), &Lab::empty("shop"), false).unwrap();
    let home = Homes::at(machine.place.path().join("base")).home("shop").unwrap();
    let text = fs::read_to_string(home.journal()).unwrap();
    let left = netloom_lab::journal::replay(&text).leftovers;
    let path = home.claims().join(format!("{PF}.vf0")).display().to_string();
    assert!(left.iter().any(|it| it.kind == Kind::Function && it.name == path), "{left:?}");
    machine.functions.release(seats);
    let text = fs::read_to_string(home.journal()).unwrap();
    assert!(netloom_lab::journal::replay(&text).leftovers.iter().all(|it| it.kind != Kind::Function));
}
