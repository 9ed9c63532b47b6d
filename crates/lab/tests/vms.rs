//! Virtual machines in lab files: what is read, what is refused, what an edit does.

use std::path::Path;

use netloom_lab::lab::Virt;
use netloom_lab::plan::{Action, Drifted, Present, plan};
use netloom_lab::{Lab, load, resolve};

const SHOP: &str = "\
netloom: 1
tenants: { red: { quota: { memory: 1GiB, cpu: 4 } } }
nodes:
  red/web: { vm: { image: nginx:alpine }, cpu: 2, memory: 512MiB, env: { A: b } }
  red/old: { vm: { disk: legacy.qcow2, virt: full } }
  plain: { vm: }
  h1: {}
switches: { s1: {} }
links: [plain -- s1, h1 -- s1]
";

fn lab(source: &str) -> Lab {
    let file =
        load(source, Path::new("/lab/shop.loom.yml"), &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(&file).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(source: &str) -> Vec<String> {
    let found = load(source, Path::new("shop.loom.yml"), &[]).and_then(|file| resolve(&file));
    let errors = found.expect_err("it is wrong").errors;
    errors.into_iter().map(|e| format!("{} [{}]", e.message, e.hint.unwrap_or_default())).collect()
}

fn wrong(node: &str) -> Vec<String> {
    errors(&format!("netloom: 1\nnodes: {{ a: {{ {node} }} }}\n"))
}

#[test]
fn the_keys_of_a_virtual_machine_are_read() {
    let lab = lab(SHOP);
    let vm = |name: &str| lab.node(name).and_then(|node| node.vm.as_deref()).expect("it is one");
    let web = vm("red/web");
    assert_eq!((web.image.as_deref(), web.virt), (Some("nginx:alpine"), Virt::Para));
    assert_eq!((web.memory, web.cpus), (512 << 20, 2));
    assert!(lab.node("red/web").is_some_and(|node| node.limits.is_unlimited() && node.container.is_none()));
    let old = vm("red/old");
    assert!(old.boots_disk() && old.virt == Virt::Full);
    assert_eq!((vm("plain").memory, vm("plain").cpus), (256 << 20, 1));
    assert_eq!(lab.summary(), "1 host  3 virtual machines  1 switch  2 links  2 tenants");
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    for (node, said) in [
        ("vm: {}, run: x", "not yet supported: `run` of a virtual machine"),
        ("vm: {}, ports: 80", "not yet supported: `ports` of a virtual machine"),
        ("vm: {}, health: x", "not yet supported: `health` of a virtual machine"),
        ("vm: { virt: full }, memory: 1GiB..2GiB", "memory cannot be taken from a fully virtualized machine"),
        ("vm: { cloud-init: x }", "`cloud-init` is for a guest of your own"),
        ("vm: {}, cpu: 1..2.5", "a virtual machine has 1 to 255 whole processors"),
        ("vm: {}, pids: 10", "not yet supported: `pids` of a virtual machine"),
    ] {
        let found = wrong(node);
        assert!(found.iter().any(|error| error.starts_with(said)), "{node}: {found:?}");
    }
}

#[test]
fn contradictions_are_told() {
    for (node, said) in [
        ("vm: {}, image: x", "a node is a container or a virtual machine, not both"),
        ("vm: { image: x, initrd: y }", "`initrd` and `image` are two initial file systems"),
        ("vm: { machine: microvm, virt: full }", "a microvm has no hardware that every guest knows"),
        (
            "vm: { machine: microvm, disk: x }",
            "a microvm starts a kernel: it has no firmware that boots a disk",
        ),
        ("vm: { machine: microvm, disk: x, firmware: uefi }", "a microvm starts a kernel"),
        ("vm: { machine: microvm }, cpu: 1..2", "processors of a microvm are there for good"),
        ("vm: { machine: microvm }, vf: { pf: x }", "not yet supported: `vf` of a microvm"),
        ("vm: { machine: pc }", "`pc` is not possible here"),
        ("vm: { url: x }", "`x` is no address of a file"),
        ("vm: { url: 'http:///x' }", "`http:///x` is no address of a file"),
        ("vm: { url: 'https://x/y.qcow2' }", "`url` needs a `sha256`"),
        ("vm: { url: 'https://x/y', sha256: 12 }", "`12` is no SHA-256"),
        ("vm: { disk: 'https://x/y.qcow2' }", "`https://x/y.qcow2` is no file of this machine"),
        ("vm: { firmware: uefi }", "`firmware` is for a disk that boots by itself"),
        ("vm: { disk: x, firmware: efi }", "`efi` is not possible here"),
        ("vm: { disk: x, append: y }", "`append` is for a kernel"),
        ("vm: {}, cpu: 0.5", "a virtual machine has 1 to 255 whole processors"),
        ("vm: {}, memory: 1MiB", "no kernel starts with less than 64MiB"),
        ("vm: { virt: fulll }", "`fulll` is not possible here [did you mean `full`?]"),
        ("vm: { kernal: x }", "`kernal` is not a key of a virtual machine [did you mean `kernel`?]"),
        ("vm: {}, cmd: x", "`cmd` is for containers"),
    ] {
        let found = wrong(node);
        assert!(found.iter().any(|error| error.starts_with(said)), "{node}: {found:?}");
    }
}

#[test]
fn a_quota_counts_what_machines_have() {
    let found = errors(&SHOP.replace("memory: 512MiB", "memory: 896MiB"));
    assert!(found.iter().any(|error| error.contains("memory")), "{found:?}");
}

#[test]
fn one_that_differs_in_anything_is_made_anew_and_others_stay() {
    let before = lab(SHOP);
    let names = |plan: netloom_lab::plan::Plan| -> Vec<String> {
        let name = |action: Action| match action {
            Action::RemoveNode(name) => Some(format!("-{name}")),
            Action::AddNode(name) => Some(format!("+{name}")),
            _ => None,
        };
        plan.steps.into_iter().filter_map(|step| name(step.action)).collect()
    };
    let edit = |from: &str, to: &str| {
        let after = lab(&SHOP.replace(from, to));
        names(plan(Some(&before), &after, &Present::default(), Drifted::Keep))
    };
    assert_eq!(edit("A: b", "A: c"), ["-red/web", "+red/web"]);
    assert_eq!(edit("cpu: 2, ", "cpu: 1, "), ["-red/web", "+red/web"]);
    assert_eq!(edit("links: [plain -- s1,", "links: [plain -- h1,"), ["-plain", "+plain"]);
    assert_eq!(edit("  plain: { vm: }", "  plain: {}"), ["-plain", "+plain"]);
    assert!(edit("  h1: {}", "  h1: { env: { A: b } }").is_empty());
    assert!(edit("links:", "\nlinks:").is_empty(), "another line is no other machine");
    let standby = "  plain: { vm: { standby: true } }";
    assert!(edit("  plain: { vm: }", standby).is_empty(), "where it is at first is over");
}

#[test]
fn cards_and_addresses_change_while_it_runs() {
    let text = |old: &str, plain: &str| {
        format!(
            "netloom: 1\nnodes:\n  old: {{ vm: {{ disk: d }}{old} }}\n  plain: {{ vm: {{}}{plain} }}\n  h1: {{}}\n\
             switches: {{ s1: {{}} }}\nlinks: [h1 -- s1"
        )
    };
    let with = |links: usize, old: &str, plain: &str| {
        let many = |node: &str, count: usize| format!(", {node} -- s1").repeat(count);
        lab(&format!("{}{}{}]\n", text(old, plain), many("old", links), many("plain", links)))
    };
    let steps = |before: &Lab, after: &Lab| -> Vec<String> {
        let all = plan(Some(before), after, &Present::default(), Drifted::Keep).steps.into_iter();
        let word = |step: netloom_lab::plan::Step| match step.action {
            Action::RemoveNode(name) => Some(format!("-{name}")),
            Action::AddNode(name) => Some(format!("+{name}")),
            Action::Plug { node, .. } => Some(format!("~{node} {}", step.detail)),
            Action::ChangeNode { node, .. } => Some(format!("changes {node}")),
            _ => None,
        };
        all.filter_map(word).collect()
    };
    let (old, plain) = (", ip: 10.0.0.51/24", ", ip: 10.0.0.52/24");
    let cards = |count: usize| with(count, old, plain);
    let all_begin = |steps: &[String], words: [&str; 2]| {
        let machines: Vec<&String> = steps.iter().filter(|step| !step.starts_with("changes")).collect();
        machines.len() == 2 && machines.iter().zip(words).all(|(step, word)| step.starts_with(word))
    };
    let said = steps(&cards(1), &cards(2));
    assert!(all_begin(&said, ["~old +eth1", "~plain +eth1"]), "{said:?}");
    let said = steps(&cards(2), &cards(1));
    assert!(all_begin(&said, ["~old -eth1", "~plain -eth1"]), "{said:?}");
    // What netloom in the guest can change it changes; another has to ask again.
    let said = steps(&cards(1), &with(1, old, ", ip: 10.0.0.53/24"));
    assert_eq!(said, ["~plain eth0 10.0.0.52/24 -> 10.0.0.53/24"]);
    assert_eq!(steps(&cards(1), &with(1, ", ip: 10.0.0.53/24", plain)), ["-old", "+old"]);
    // More than it has slots for takes another board.
    let said = steps(&cards(8), &cards(9));
    assert!(said.contains(&"-old".to_owned()) && said.contains(&"+plain".to_owned()), "{said:?}");
    let said = steps(&cards(7), &cards(8));
    assert!(all_begin(&said, ["~old +eth7", "~plain +eth7"]), "{said:?}");
}
