//! The guest's initial file system: netloom, a busybox, `ip`, the card's drivers, and what the guest is to do.

use std::path::{Path, PathBuf};

use super::fetch::Ground;
use crate::run::{self, Failed};

/// Modules for the card, for handing its functions over, for hosts.
const MODULES: [&str; 7] = ["igb", "igbvf", "vfio_iommu_type1", "vfio-pci", "tun", "veth", "overlay"];
/// What the guest is to do.
const SCRIPTS: [(&str, &str); 4] = [
    ("init", include_str!("init.sh")),
    ("lab/main.sh", include_str!("main.sh")),
    ("lab/task.sh", include_str!("task.sh")),
    ("lab/sriov.loom.yml", include_str!("../../../examples/sriov.loom.yml")),
];
const LABS: [(&str, &str); 5] = [
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
pub(super) fn pack(place: &Path, ground: &Ground) -> Result<PathBuf, Failed> {
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
    let scripts = SCRIPTS.into_iter().chain(LABS);
    let users = [("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")];
    for (name, text) in scripts.chain(users) {
        write(&root.join(name), text)?;
    }
    let list: String = modules(ground)?
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

/// Modules in the order in which they can be loaded.
fn modules(ground: &Ground) -> Result<Vec<PathBuf>, Failed> {
    let folder = ground.modules.display().to_string();
    let mut all: Vec<PathBuf> = Vec::new();
    for module in MODULES {
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
