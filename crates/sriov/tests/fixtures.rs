//! Functions in a tree of files that looks like /sys: what is read of them, and what is written and refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netloom_sriov::assign::Taken;
use netloom_sriov::claims::Claims;
use netloom_sriov::{Address, Claim, Refusal, Seat, Sysfs, Want, assign, give};

const PF: &str = "0000:01:00.0";

/// A machine with an 82576 and so many VFs.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(vfs: u16) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for folder in ["bus/pci/devices", "bus/pci/drivers/igb", "bus/pci/drivers/igbvf", "class/net"] {
            fs::create_dir_all(tree.at(folder)).unwrap();
        }
        for file in ["bind", "unbind"] {
            fs::write(tree.at("bus/pci/drivers/igbvf").join(file), "").unwrap();
        }
        fs::write(tree.at("bus/pci/drivers_probe"), "").unwrap();
        tree.function(PF, "0x10c9", Some("igb"), "eth0");
        for (file, text) in [("sriov_totalvfs", "7"), ("sriov_numvfs", &vfs.to_string()), ("numa_node", "-1")]
        {
            fs::write(tree.device(PF).join(file), format!("{text}\n")).unwrap();
        }
        for index in 0..vfs {
            let address = PF.parse::<Address>().unwrap().of_vf(0x80, 2, index).unwrap().to_string();
            tree.function(&address, "0x10ca", Some("igbvf"), &format!("eth{}", index + 1));
            symlink(format!("../{address}"), tree.device(PF).join(format!("virtfn{index}"))).unwrap();
        }
        tree
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn device(&self, address: &str) -> PathBuf {
        self.at("bus/pci/devices").join(address)
    }

    fn function(&self, address: &str, device: &str, driver: Option<&str>, netdev: &str) {
        let folder = self.device(address);
        fs::create_dir_all(folder.join("net").join(netdev)).unwrap();
        let resource = "0x00000000fe000000 0x00000000fe003fff 0x0000000000140204\n0x0 0x0 0x0\n";
        let files =
            [("vendor", "0x8086\n"), ("device", device), ("resource", resource), ("driver_override", "")];
        files.iter().for_each(|(file, text)| fs::write(folder.join(file), text).unwrap());
        if let Some(driver) = driver {
            symlink(format!("../../drivers/{driver}"), folder.join("driver")).unwrap();
        }
        symlink(&folder, self.at("class/net").join(netdev)).unwrap();
    }

    fn group(&self, number: u32, members: &[&str]) {
        let group = self.at(&format!("kernel/iommu_groups/{number}"));
        fs::create_dir_all(group.join("devices")).unwrap();
        for member in members {
            symlink(self.device(member), group.join("devices").join(member)).unwrap();
            symlink(&group, self.device(member).join("iommu_group")).unwrap();
        }
    }

    fn sysfs(&self) -> Sysfs {
        Sysfs::at(self.0.path())
    }

    fn wish(&self, pf: &str) -> Refusal {
        let sysfs = self.sysfs();
        let want = Want { holder: "a:eth0".into(), pf: pf.into(), has: None };
        let machine = sysfs.physical_functions().unwrap();
        assign(&machine, &Taken::default(), &[want], &|name| sysfs.driver_of_netdev(name)).unwrap_err().1
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn functions_are_found_with_all_that_is_known_of_them() {
    let tree = Tree::new(2);
    tree.group(12, &["0000:01:10.0"]);
    let [pf] = &tree.sysfs().physical_functions().unwrap()[..] else { panic!("one PF") };
    assert_eq!((pf.ids, pf.total, pf.enabled(), pf.numa_node), ((0x8086, 0x10c9), 7, 2, None));
    assert_eq!((pf.name(), pf.driver.as_deref()), ("eth0".to_owned(), Some("igb")));
    assert!(pf.is_called("eth0") && pf.is_called(PF) && !pf.is_called("eth1"));
    let vf = &pf.vfs[0];
    assert_eq!((vf.address.to_string().as_str(), vf.netdevs[0].as_str()), ("0000:01:10.0", "eth1"));
    assert_eq!(
        (vf.driver.as_deref(), vf.iommu_group, pf.vfs[1].iommu_group),
        (Some("igbvf"), Some(12), None)
    );
    assert_eq!(tree.sysfs().sizes(vf.address), [0x4000, 0]);
}

#[test]
fn a_machine_without_pci_has_no_functions() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(Sysfs::at(place.path()).physical_functions().unwrap(), []);
}

#[test]
fn what_cannot_be_had_is_told_apart_and_changes_nothing() {
    let tree = Tree::new(2);
    fs::create_dir_all(tree.at("class/net/lan0/device")).unwrap();
    symlink("../../../bus/virtio/drivers/virtio_net", tree.at("class/net/lan0/device/driver")).unwrap();
    assert!(matches!(tree.wish("eth9"), Refusal::NoSuchPf { .. }));
    assert!(matches!(tree.wish("../../etc"), Refusal::NoSuchPf { .. }));
    assert!(matches!(tree.wish("lan0"), Refusal::NotCapable { driver, .. } if driver == "virtio_net"));
    assert!(matches!(tree.wish("eth0"), Refusal::Foreign { enabled: 2, .. }));
    assert_eq!(read(tree.device(PF).join("sriov_numvfs")), "2\n");
}

#[test]
fn a_group_with_others_in_it_names_them() {
    let tree = Tree::new(2);
    assert!(!tree.sysfs().has_iommu());
    tree.group(3, &["0000:01:10.0", "0000:01:10.2"]);
    assert!(tree.sysfs().has_iommu());
    let others = tree.sysfs().companions("0000:01:10.0".parse().unwrap());
    assert_eq!(others, ["0000:01:10.2".parse().unwrap()]);
}

#[test]
fn a_number_goes_through_none_and_one_that_is_so_is_not_written() {
    let tree = Tree::new(2);
    let pf = PF.parse().unwrap();
    tree.sysfs().set_number(pf, 2).unwrap();
    assert_eq!(read(tree.device(PF).join("sriov_numvfs")), "2\n");
    tree.sysfs().set_number(pf, 0).unwrap();
    // A file keeps what was behind what is written; the kernel's has no such end.
    assert_eq!(read(tree.device(PF).join("sriov_numvfs")), "0\n");
}

#[test]
fn drivers_are_exchanged_by_name() {
    let tree = Tree::new(1);
    let vf = "0000:01:10.0".parse().unwrap();
    assert!(tree.sysfs().give_to_driver(vf, "vfio-pci").unwrap_err().to_string().contains("vfio-pci"));
    assert_eq!(read(tree.device("0000:01:10.0").join("driver_override")), "");
    fs::create_dir_all(tree.at("bus/pci/drivers/vfio-pci")).unwrap();
    tree.sysfs().give_to_driver(vf, "vfio-pci").unwrap();
    assert_eq!(read(tree.device("0000:01:10.0").join("driver_override")), "vfio-pci\n");
    assert_eq!(read(tree.at("bus/pci/drivers/igbvf/unbind")), "0000:01:10.0");
    assert_eq!(read(tree.at("bus/pci/drivers_probe")), "0000:01:10.0");
}

#[test]
fn vfs_go_when_nobody_has_one_and_only_those_that_were_made() {
    let tree = Tree::new(2);
    let (sysfs, pf) = (tree.sysfs(), PF.parse().unwrap());
    let claims = Claims::at(tree.at("claims"));
    let number = || read(tree.device(PF).join("sriov_numvfs"));
    assert!(!give::finish(&sysfs, &claims, pf).unwrap());
    claims.set_made(pf, 2).unwrap();
    let seat = Seat { pf, index: 1 };
    let claim = Claim { lab: "shop".into(), holder: "a:eth0".into(), boot: "b".into(), seat, former: None };
    claims.write(&claim).unwrap();
    assert!(!give::finish(&sysfs, &claims, pf).unwrap(), "somebody has one");
    give::restore(&sysfs, &claims, &claim).unwrap();
    fs::remove_dir(tree.device("0000:01:10.2").join("net/eth2")).unwrap();
    assert!(!give::finish(&sysfs, &claims, pf).unwrap(), "its device is elsewhere");
    assert_eq!(number(), "2\n");
    fs::create_dir(tree.device("0000:01:10.2").join("net/eth2")).unwrap();
    assert!(give::finish(&sysfs, &claims, pf).unwrap());
    assert_eq!((number().as_str(), claims.made(pf)), ("0\n", None));
    assert!(!tree.at("claims").exists());
    // Meanwhile somebody made another number of them.
    claims.set_made(pf, 5).unwrap();
    fs::write(tree.device(PF).join("sriov_numvfs"), "2\n").unwrap();
    assert!(give::finish(&sysfs, &claims, pf).unwrap());
    assert_eq!(number(), "2\n");
}

#[test]
fn a_lock_keeps_others_out_until_it_is_dropped() {
    let tree = Tree::new(0);
    let pf = PF.parse().unwrap();
    let lock = tree.sysfs().lock(pf).unwrap();
    let file = fs::File::open(tree.device(PF).join("sriov_numvfs")).unwrap();
    let try_lock = || rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    assert!(try_lock().is_err());
    drop(lock);
    assert!(try_lock().is_ok());
}

/// A network device that is a port of the switch inside a card.
fn port(tree: &Tree, netdev: &str, name: &str, switch: &str) {
    let folder = tree.at("class/net").join(netdev);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("phys_port_name"), format!("{name}\n")).unwrap();
    fs::write(folder.join("phys_switch_id"), format!("{switch}\n")).unwrap();
}

#[test]
fn the_representor_of_a_vf_is_the_port_of_its_card_that_is_called_so() {
    let tree = Tree::new(2);
    let pf: Address = PF.parse().unwrap();
    let of = |index| tree.sysfs().representor(pf, index);
    assert_eq!(of(0), None, "a card that switches by itself");
    port(&tree, "eth0", "p0", "aa");
    // As some drivers have them: devices of the PF's own, before it in the alphabet.
    port(&tree, "aaa0", "pf0vf0", "aa");
    fs::create_dir_all(tree.device(PF).join("net/aaa0")).unwrap();
    port(&tree, "eth7", "c0pf0vf1", "aa");
    for (netdev, name, switch) in [
        ("x0", "pf0vf1", "bb"),
        ("x1", "pf1vf1", "aa"),
        ("x2", "pf0sf1", "aa"),
        ("x3", "xpf0vf1", "aa"),
        ("x4", "", ""),
    ] {
        port(&tree, netdev, name, switch);
    }
    assert_eq!((of(0).as_deref(), of(1).as_deref(), of(2)), (Some("aaa0"), Some("eth7"), None));
    let found = tree.sysfs().physical_function(pf).unwrap();
    assert_eq!((found.netdevs.as_slice(), found.name().as_str()), (&["eth0".to_owned()][..], "eth0"));
}

#[test]
fn what_a_representor_was_is_in_the_claim_and_older_claims_are_read() {
    let text = r#"{"mac":[0,0,0,0,0,0],"vlan":[0,0],"spoof_check":true,"trust":false,"rate":[0,0],"state":0,
        "device":{"name":"eth1","mac":null,"mtu":1500,"up":false,"driver":"igbvf"}}"#;
    let mut former: netloom_sriov::claims::Former = serde_json::from_str(text).unwrap();
    assert_eq!(former.representor, None);
    former.representor = Some(netloom_sriov::claims::Representor { name: "aaa0".to_owned(), up: false });
    let written = serde_json::to_string(&former).unwrap();
    assert_eq!(serde_json::from_str::<netloom_sriov::claims::Former>(&written).unwrap(), former);
}
