//! `netloom vf` on a tree of files that looks like the /sys of a machine with an Intel 82576 and two virtual functions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PF: &str = "0000:01:00.0";
const VFS: [&str; 2] = ["0000:01:10.0", "0000:01:10.2"];

/// Bytes of a configuration space by their place.
type Bytes<'b> = &'b [(usize, &'b [u8])];

const OF_PF: Bytes = &[
    (0x00, &[0x86, 0x80, 0xc9, 0x10, 0x06, 0x04, 0x10, 0x00, 0x01, 0x00, 0x00, 0x02]),
    (0x10, &[0x00, 0x00, 0x80, 0xfe]),
    (0x18, &[0x41, 0xc0]),
    (0x1c, &[0x0c, 0x00, 0x00, 0xe0, 0x03]),
    (0x2c, &[0x86, 0x80, 0x2b, 0xa0]),
    (0x34, &[0x70]),
    (0x70, &[0x11, 0xa0, 0x09, 0x80, 0x03, 0, 0, 0, 0x03, 0x20]),
    (0xa0, &[0x10]),
    (0x100, &[0x01, 0x00, 0x02, 0x16]),
    (0x160, &[0x10, 0x00, 0x01, 0x00, 0, 0, 0, 0, 0x09, 0x00, 0, 0, 8, 0, 7, 0, 2, 0, 0, 0]),
    (0x174, &[0x80, 0x00, 0x02, 0x00, 0, 0, 0xca, 0x10, 0x53, 0x05, 0, 0, 0x01, 0, 0, 0]),
    (0x184, &[0x04, 0x00, 0x00, 0xfe, 0x01]),
];
const OF_VF: Bytes = &[
    (0x00, &[0xff, 0xff, 0xff, 0xff, 0x04, 0x00, 0x10, 0x00, 0x01, 0x00, 0x00, 0x02]),
    (0x2c, &[0x86, 0x80, 0x2b, 0xa0]),
    (0x34, &[0x70]),
    (0x70, &[0x11, 0xa0, 0x02, 0x00, 0x03, 0, 0, 0, 0x03, 0x20]),
    (0xa0, &[0x10]),
    (0x100, &[0x0e, 0x00, 0x01, 0x00]),
];

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.function(PF, ("0x10c9", "igb", "enp1s0"), OF_PF);
        let files = [("sriov_totalvfs", "7"), ("sriov_numvfs", "2"), ("numa_node", "1")];
        files.iter().for_each(|(file, text)| fs::write(machine.device(PF).join(file), text).unwrap());
        for (index, address) in VFS.into_iter().enumerate() {
            machine.function(address, ("0x10ca", "igbvf", &format!("enp1s0v{index}")), OF_VF);
            symlink(format!("../{address}"), machine.device(PF).join(format!("virtfn{index}"))).unwrap();
        }
        machine
    }

    fn device(&self, address: &str) -> PathBuf {
        self.0.path().join("bus/pci/devices").join(address)
    }

    fn function(&self, address: &str, (device, driver, netdev): (&str, &str, &str), bytes: Bytes) {
        let folder = self.device(address);
        fs::create_dir_all(folder.join("net").join(netdev)).unwrap();
        let mut space = vec![0; 4096];
        bytes.iter().for_each(|(at, bytes)| space[*at..at + bytes.len()].copy_from_slice(bytes));
        fs::write(folder.join("config"), space).unwrap();
        fs::write(folder.join("vendor"), "0x8086\n").unwrap();
        fs::write(folder.join("device"), device).unwrap();
        fs::write(folder.join("resource"), "0x00000000fe800000 0x00000000fe81ffff 0x0000000000040200\n")
            .unwrap();
        symlink(format!("../../drivers/{driver}"), folder.join("driver")).unwrap();
        symlink("../../../kernel/iommu_groups/4", folder.join("iommu_group")).unwrap();
    }
}

fn vf(tree: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netloom"))
        .arg("vf")
        .args(words)
        .arg("--sysfs")
        .arg(tree)
        .output()
        .unwrap()
}

fn ok(tree: &Path, words: &[&str]) -> String {
    let output = vf(tree, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn functions_are_listed_and_decoded_side_by_side() {
    let machine = Machine::new();
    let tree = machine.0.path();
    insta::assert_snapshot!(ok(tree, &["ls"]));
    insta::assert_snapshot!(ok(tree, &["show", "enp1s0"]));
    let second = ok(tree, &["show", "enp1s0:1"]);
    assert!(second.contains("0000:01:10.2"), "{second}");
    assert_eq!(ok(tree, &["show", VFS[1]]), second);
    assert_eq!(ok(tree, &["show", "enp1s0v1"]), second);
}

#[test]
fn programs_read_it_as_json() {
    let machine = Machine::new();
    let tree = machine.0.path();
    let read = |words: &[&str]| serde_json::from_str::<serde_json::Value>(&ok(tree, words)).unwrap();
    let list = read(&["ls", "-o", "json"]);
    assert_eq!(list["functions"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["functions"][0]["vfs"], serde_json::json!([2, 7]));
    let shown = read(&["show", "enp1s0:0", "-o", "json"]);
    let (pf, vf) = (&shown["function"]["pf_space"], &shown["function"]["vf_space"]);
    assert_eq!(pf["sriov"]["vf_ids"], "8086:10ca");
    assert_eq!((&vf["ids"], &vf["means"]), (&"ffff:ffff".into(), &"8086:10ca".into()));
    assert_eq!((&pf["msix"]["vectors"], &vf["msix"]["vectors"]), (&10.into(), &3.into()));
}

#[test]
fn what_is_not_there_is_said() {
    let empty = tempfile::tempdir().unwrap();
    let none = ok(empty.path(), &["ls"]);
    assert!(none.starts_with("No physical function here: "), "{none}");
    let machine = Machine::new();
    let output = vf(machine.0.path(), &["show", "enp9s0"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("is called enp9s0"), "{error}");
    // An ordinary user reads the first 64 bytes.
    let config = machine.device(PF).join("config");
    let bytes = fs::read(&config).unwrap();
    fs::write(&config, &bytes[..64]).unwrap();
    let shown = ok(machine.0.path(), &["show", "enp1s0"]);
    assert!(shown.contains("Only 64 bytes of a space could be read"), "{shown}");
}

/// `netloom vf run` of a lab whose node has a VF, with a kernel and a QEMU that are none: refused before either is started.
fn boot(folder: &Path, qemu_says: &str, more: &[&str]) -> (Option<i32>, String) {
    let lab = folder.join("a.loom.yml");
    fs::write(&lab, "netloom: 1\nnodes:\n  a: { vf: { pf: enp1s0 } }\n").unwrap();
    let (kernel, qemu) = (folder.join("vmlinuz"), folder.join("qemu"));
    let mut head = vec![0; 0x400];
    head[0x202..0x206].copy_from_slice(b"HdrS");
    head[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
    head[0x300..0x306].copy_from_slice(b"0.0.1\0");
    fs::write(&kernel, head).unwrap();
    fs::write(&qemu, format!("#!/bin/sh\n{qemu_says}\n")).unwrap();
    fs::set_permissions(&qemu, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_netloom"));
    command.args(["vf", "run"]).arg(&lab).arg("--qemu").arg(&qemu);
    if !more.contains(&"--kernel") {
        command.arg("--kernel").arg(&kernel);
    }
    let output = command.args(more).env("NO_COLOR", "1").output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const NEW: &str =
    "[ \"$1\" = --version ] && echo 'QEMU emulator version 10.0.2' && exit\necho no such machine >&2; exit 3";

#[test]
fn a_guest_that_cannot_be_booted_is_refused_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |says: &str, more: &[&str], code: i32, words: [&str; 2]| {
        let (status, said) = boot(folder.path(), says, more);
        assert_eq!(status, Some(code), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
    };
    let old = "echo 'QEMU emulator version 7.2.22'";
    refused(old, &[], 4, ["QEMU 7.2.22 has no network card with SR-IOV", "--qemu FILE"]);
    refused("echo hello", &[], 4, ["does not say its version", "netloom check"]);
    refused(NEW, &["--kernel", "/etc/hosts"], 2, ["is not a Linux kernel", "vmlinuz"]);
    refused(NEW, &["--kernel", "/nowhere/x"], 2, ["/nowhere/x", "only root"]);
    refused(NEW, &["--memory", "much"], 2, ["--memory much", "much"]);
    refused(NEW, &["--copy", "/nowhere"], 2, ["/nowhere", "guest"]);
}

#[test]
fn a_card_of_the_guest_has_a_name_and_no_address() {
    let folder = tempfile::tempdir().unwrap();
    let lab = folder.path().join("b.loom.yml");
    fs::write(&lab, "netloom: 1\nnodes:\n  a: { vf: { pf: \"0000:01:00.0\" } }\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_netloom")).args(["vf", "run"]).arg(&lab).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot be called 0000:01:00.0") && said.contains("enp1s0"), "{said}");
}

#[test]
fn what_qemu_says_when_it_ends_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (status, said) = boot(folder.path(), NEW, &[]);
    if said.contains("busybox") {
        return eprintln!("skipped: no busybox on this machine");
    }
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("The guest has ended.") && said.contains("no such machine"), "{said}");
}
