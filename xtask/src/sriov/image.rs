//! What the guest is to do, as a folder that is copied into it: scripts, labs, and for the nested one a kernel and firmware.

use std::path::{Path, PathBuf};

use super::fetch::Ground;
use crate::run::{self, Failed};

/// What a guest of netloom's with a virtual function needs.
const NESTED_MODULES: [&str; 6] =
    ["virtio_pci", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon", "igbvf"];
/// What QEMU loads to start a kernel.
const FIRMWARE: [&str; 4] = ["bios-256k.bin", "linuxboot_dma.bin", "pvh.bin", "kvmvapic.bin"];
/// What the guest is to do.
const MAIN: (&str, &str) = ("lab/main.sh", include_str!("main.sh"));
const TASK: &str = include_str!("task.sh");
const NESTED_TASK: &str = include_str!("nested.sh");
const LABS: [(&str, &str); 8] = [
    ("lab/container.loom.yml", include_str!("labs/container.loom.yml")),
    ("lab/nested.loom.yml", include_str!("labs/nested.loom.yml")),
    ("lab/pair.loom.yml", include_str!("labs/pair.loom.yml")),
    ("lab/more.loom.yml", include_str!("labs/more.loom.yml")),
    ("lab/eight.loom.yml", include_str!("labs/eight.loom.yml")),
    ("lab/rate.loom.yml", include_str!("labs/rate.loom.yml")),
    ("lab/switchdev.loom.yml", include_str!("labs/switchdev.loom.yml")),
    ("lab/fallback.loom.yml", include_str!("labs/fallback.loom.yml")),
];

/// Makes the folder.
///
/// # Errors
/// [`Failed`]: a file cannot be copied, a module is missing.
pub(super) fn folder(place: &Path, ground: &Ground, nested: bool) -> Result<PathBuf, Failed> {
    let root = place.join("root");
    let _ = std::fs::remove_dir_all(&root);
    let task = ("lab/task.sh", if nested { NESTED_TASK } else { TASK });
    for (name, text) in LABS.into_iter().chain([MAIN, task]) {
        write(&root.join(name), text)?;
    }
    if nested {
        machine(&root, ground)?;
    }
    Ok(root)
}

/// QEMU's firmware, and the kernel with what a guest in the guest loads of its modules.
fn machine(root: &Path, ground: &Ground) -> Result<(), Failed> {
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
    if let Some(folder) = path.parent() {
        make(folder)?;
    }
    std::fs::write(path, text).map_err(|source| Failed::File { path: path.display().to_string(), source })
}
