//! The guest's initial file system: netloom, a busybox, `ip`, the card's drivers, and what the guest is to do.

use std::path::{Path, PathBuf};

use super::fetch::Ground;
use crate::run::{self, Failed};

/// Modules for the card, for handing its functions over, for hosts.
const MODULES: [&str; 7] = ["igb", "igbvf", "vfio_iommu_type1", "vfio-pci", "tun", "veth", "overlay"];
/// What a guest of netloom's with a virtual function needs.
const NESTED_MODULES: [&str; 6] =
    ["virtio_pci", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "igbvf"];
/// What QEMU loads to start a kernel.
const FIRMWARE: [&str; 4] = ["bios-256k.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin"];
/// What the guest is to do.
const SCRIPTS: [(&str, &str); 3] = [
    ("init", include_str!("init.sh")),
    ("lab/main.sh", include_str!("main.sh")),
    ("lab/sriov.loom.yml", include_str!("../../../examples/sriov.loom.yml")),
];
const TASK: &str = include_str!("task.sh");
const NESTED_TASK: &str = include_str!("nested.sh");
const LABS: [(&str, &str); 7] = [
    ("lab/container.loom.yml", include_str!("labs/container.loom.yml")),
    ("lab/nested.loom.yml", include_str!("labs/nested.loom.yml")),
    ("lab/pair.loom.yml", include_str!("labs/pair.loom.yml")),
    ("lab/more.loom.yml", include_str!("labs/more.loom.yml")),
    ("lab/eight.loom.yml", include_str!("labs/eight.loom.yml")),
    ("lab/rate.loom.yml", include_str!("labs/rate.loom.yml")),
    ("lab/fallback.loom.yml", include_str!("labs/fallback.loom.yml")),
];

/// Packs it; returns the file.
///
/// # Errors
/// [`Failed`]: a file cannot be copied, a module is missing.
pub(super) fn pack(place: &Path, ground: &Ground, nested: bool) -> Result<PathBuf, Failed> {
    let root = place.join("root");
    let _ = std::fs::remove_dir_all(&root);
    for folder in ["bin", "etc", "lab", "lib", "lib64", "root", "usr/bin"] {
        make(&root.join(folder))?;
    }
    copy(&which("busybox")?, &root.join("bin/busybox"))?;
    let netloom = run::target().join("debug/netloom");
    program(&root, &netloom, &root.join("usr/bin/netloom"))?;
    let [from, to] =
        [&root.join("usr/bin/netloom"), &root.join("usr/bin/netloom")].map(|p| p.display().to_string());
    // What a debugger needs is most of it, and would be unpacked into the guest's memory.
    let _ = run::command("strip", &["-o", &to, &from]).status();
    program(&root, &which("ip")?, &root.join("usr/bin/ip"))?;
    let task = ("lab/task.sh", if nested { NESTED_TASK } else { TASK });
    let scripts = SCRIPTS.into_iter().chain(LABS).chain([task]);
    let users = [("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")];
    for (name, text) in scripts.chain(users) {
        write(&root.join(name), text)?;
    }
    if nested {
        machine(&root, ground)?;
    }
    let list: String = modules(ground, &MODULES)?
        .into_iter()
        .map(|module| {
            let inside = module.strip_prefix(&ground.modules).unwrap_or(&module);
            copy(&module, &root.join(inside)).map(|()| format!("/{}\n", inside.display()))
        })
        .collect::<Result<_, _>>()?;
    write(&root.join("modules.list"), &list)?;
    let initrd = place.join("initrd");
    let script =
        format!("chmod 755 init && find . | cpio --create --format newc --quiet > {}", initrd.display());
    run::step("pack", run::command("sh", &["-c", &script]).current_dir(&root))?;
    Ok(initrd)
}

/// QEMU with its firmware, and the kernel with what a guest in the guest loads of its modules.
fn machine(root: &Path, ground: &Ground) -> Result<(), Failed> {
    program(root, &which_qemu(ground)?, &root.join("usr/bin/qemu-system-x86_64"))?;
    let installed = ["/usr/share/qemu", "/usr/share/seabios"].map(PathBuf::from);
    for file in FIRMWARE {
        let mut folders = ground.firmware.iter().chain(&installed);
        let found = folders.find(|folder| folder.join(file).is_file());
        let folder = found.ok_or_else(|| Failed::Check(format!("QEMU's {file} is missing")))?;
        copy(&folder.join(file), &root.join("usr/share/qemu").join(file))?;
    }
    copy(&ground.kernel, &root.join("boot/vmlinux"))?;
    let folder = PathBuf::from("lib/modules").join(&ground.version);
    let lists = ["modules.dep", "modules.builtin"].map(|list| ground.modules.join(&folder).join(list));
    for file in modules(ground, &NESTED_MODULES)?.into_iter().chain(lists) {
        copy(&file, &root.join(file.strip_prefix(&ground.modules).unwrap_or(&file)))?;
    }
    Ok(())
}

fn which_qemu(ground: &Ground) -> Result<PathBuf, Failed> {
    if ground.qemu.is_absolute() { Ok(ground.qemu.clone()) } else { which("qemu-system-x86_64") }
}

/// Modules in the order in which they can be loaded.
fn modules(ground: &Ground, wanted: &[&str]) -> Result<Vec<PathBuf>, Failed> {
    let folder = ground.modules.display().to_string();
    let mut all: Vec<PathBuf> = Vec::new();
    for module in wanted {
        let words = ["--dirname", &folder, "--set-version", &ground.version, "--show-depends", module];
        let said = run::output("modprobe", &mut run::command("/sbin/modprobe", &words))?;
        for line in String::from_utf8_lossy(&said).lines() {
            let Some(path) = line.strip_prefix("insmod ").and_then(|rest| rest.split(' ').next()) else {
                continue;
            };
            if !all.iter().any(|known| known == Path::new(path)) {
                all.push(path.into());
            }
        }
    }
    Ok(all)
}

/// Copies a program and the libraries it is linked with.
fn program(root: &Path, from: &Path, to: &Path) -> Result<(), Failed> {
    copy(from, to)?;
    let said = run::told("ldd", &[&from.display().to_string()]);
    for library in said.split_whitespace().filter(|word| word.starts_with('/')) {
        let inside = root.join(library.trim_start_matches('/'));
        if !inside.exists() {
            copy(Path::new(library), &inside)?;
        }
    }
    Ok(())
}

fn which(program: &str) -> Result<PathBuf, Failed> {
    let folders = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
    found.ok_or_else(|| Failed::Check(format!("{program} is missing")))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    if let Some(folder) = to.parent() {
        make(folder)?;
    }
    std::fs::copy(from, to)
        .map(drop)
        .map_err(|source| Failed::File { path: from.display().to_string(), source })
}

fn make(folder: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(folder)
        .map_err(|source| Failed::File { path: folder.display().to_string(), source })
}

fn write(path: &Path, text: &str) -> Result<(), Failed> {
    std::fs::write(path, text).map_err(|source| Failed::File { path: path.display().to_string(), source })
}
