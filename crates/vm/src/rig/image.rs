//! The initial file system of a rig: this binary where programs are, the machine's busybox, and what else is wanted.

use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};

use super::{Rig, RigError, mac};
use crate::command::AGENT_PORT;
use crate::guest::{Console, GuestConfig, GuestInterface, Port};
use crate::initramfs::Tree;
use crate::kernel::Kernel;
use crate::payload::{self, Payload};

/// Where this binary is in the guest: a place like any other, so that it can start itself anew.
pub(super) const NETLOOM: &str = "/usr/bin/netloom";
/// Drivers without which it is no rig: of the card and its functions, and of the port to the agent.
pub(super) const NEEDED: [&str; 4] = ["igb", "igbvf", "virtio_pci", "virtio_console"];
/// Drivers that labs ask for; a kernel may lack one.
const WISHED: [&str; 5] = ["vfio_iommu_type1", "vfio-pci", "tun", "veth", "overlay"];
/// Mebibytes of memory beside what is unpacked, which is there twice for a moment, and may take half of all.
const ROOM: u64 = 128;

/// Packs it, into a file in memory.
///
/// # Errors
/// [`RigError`].
pub fn image(rig: &Rig) -> Result<OwnedFd, RigError> {
    let mut tree = Tree::new();
    busybox(&mut tree)?;
    install(&mut tree, Path::new("/proc/self/exe"), NETLOOM)?;
    for program in &rig.programs {
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        install(&mut tree, program, &format!("/usr/bin/{name}"))?;
    }
    for (to, from) in &rig.copies {
        copy(&mut tree, to.trim_matches('/'), from).map_err(RigError::Files)?;
    }
    for (to, text) in &rig.texts {
        tree.bytes(to.trim_start_matches('/'), 0o644, text.as_bytes());
    }
    // Its own part: nothing of a program, as that is in its place, but what the guest is told, and the drivers.
    let payload = Payload { parts: Vec::new(), argv: vec![NETLOOM.to_owned()] };
    tree.own(&payload, &rig.kernel, &drivers(&rig.kernel), config(rig))?;
    let files = tree.size().div_ceil(1 << 20);
    let wanted = (2 * files + ROOM).next_multiple_of(64);
    if wanted > rig.memory >> 20 {
        return Err(RigError::Memory { files, wanted });
    }
    write(&tree).map_err(RigError::Files)
}

fn write(tree: &Tree) -> io::Result<OwnedFd> {
    let file = File::from(memfd_create("initrd", MemfdFlags::CLOEXEC)?);
    let mut file = BufWriter::with_capacity(1 << 20, file);
    tree.write(&mut file)?;
    Ok(file.into_inner().map_err(io::IntoInnerError::into_error)?.into())
}

/// Those without which it does not go, and of the others those that the kernel has.
fn drivers(kernel: &Kernel) -> Vec<&'static str> {
    let wished = WISHED.into_iter().filter(|driver| kernel.files(&[driver]).is_ok());
    NEEDED.into_iter().chain(wished).collect()
}

/// Each card is found by its address, gets its name and is up.
fn config(rig: &Rig) -> GuestConfig {
    let interface = |(number, name): (usize, &String)| GuestInterface {
        mac: mac(number),
        driver: None,
        name: name.clone(),
        mtu: 1_500,
        addresses: Vec::new(),
        neighbours: Vec::new(),
    };
    GuestConfig {
        netloom: vec![NETLOOM.to_owned()],
        hostname: "rig".to_owned(),
        interfaces: rig.cards.iter().enumerate().map(interface).collect(),
        hosts: "127.0.0.1 localhost rig\n::1 localhost\n".to_owned(),
        console: Console::Program(Vec::new()),
        port: Port::Virtio(AGENT_PORT.to_owned()),
        ..GuestConfig::default()
    }
}

fn install(tree: &mut Tree, program: &Path, to: &str) -> Result<(), RigError> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", program.display()));
    for part in payload::installed(program, to).map_err(named).map_err(RigError::Files)? {
        let path = tree.resolve(&part.name);
        tree.file(&path, 0o755, &part.source, part.length);
    }
    Ok(())
}

/// A file, or all that is in a folder.
fn copy(tree: &mut Tree, to: &str, from: &Path) -> io::Result<()> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    if !std::fs::metadata(from).map_err(named)?.is_dir() {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(from)?.permissions());
        return tree.whole_file(to, mode & 0o777, from);
    }
    let mut names: Vec<_> = std::fs::read_dir(from).map_err(named)?.collect::<io::Result<_>>()?;
    names.sort_by_key(std::fs::DirEntry::file_name);
    for entry in names {
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let inside = format!("{to}/{}", name.to_string_lossy());
        let inside = inside.trim_start_matches('/');
        if kind.is_symlink() {
            tree.link(inside, &std::fs::read_link(entry.path())?.to_string_lossy());
        } else if kind.is_dir() || kind.is_file() {
            copy(tree, inside, &entry.path())?;
        }
    }
    Ok(())
}

/// The machine's busybox, under all its names.
fn busybox(tree: &mut Tree) -> Result<(), RigError> {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = folders.iter().map(|folder| folder.join("busybox")).find(|path| path.is_file());
    let busybox = found.ok_or(RigError::NoBusybox)?;
    install(tree, &busybox, "/bin/busybox")?;
    let said = std::process::Command::new(&busybox).arg("--list").output().map_err(RigError::Files)?;
    let list = String::from_utf8_lossy(&said.stdout).into_owned();
    for name in list.lines().filter(|name| !name.is_empty() && !name.contains('/') && *name != "busybox") {
        tree.link(&format!("bin/{name}"), "busybox");
    }
    tree.bytes("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
    tree.bytes("etc/group", 0o644, "root:x:0:\n");
    tree.link("sbin", "bin");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rig(kernel: Kernel, memory: u64) -> Rig {
        let cards = vec!["enp1s0".to_owned()];
        Rig { kernel, memory, cards, programs: Vec::new(), copies: Vec::new(), texts: Vec::new() }
    }

    #[test]
    fn folders_are_taken_whole_and_links_as_links() {
        let from = tempfile::tempdir().unwrap();
        std::fs::create_dir(from.path().join("sub")).unwrap();
        std::fs::write(from.path().join("sub/a"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", from.path().join("l")).unwrap();
        let mut tree = Tree::default();
        copy(&mut tree, "lab", from.path()).unwrap();
        copy(&mut tree, "", from.path()).unwrap();
        for path in ["lab/sub/a", "lab/l", "sub/a"] {
            assert!(tree.has(path), "{path}");
        }
        assert_eq!(tree.size(), 2 * (1 + "/etc/passwd".len() as u64));
        let error = copy(&mut tree, "x", &from.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }

    #[test]
    fn what_does_not_fit_is_said_before_anything_boots() {
        // Of a kernel whose modules are not here nothing is known.
        let kernel = Kernel { image: "/boot/vmlinuz".into(), version: "6.1.0".to_owned(), modules: None };
        match image(&rig(kernel.clone(), 1 << 20)) {
            Err(RigError::NoBusybox) => return eprintln!("skipped: no busybox on this machine"),
            said => assert!(matches!(said, Err(RigError::Memory { .. })), "{said:?}"),
        }
        let made = File::from(image(&rig(kernel, 4 << 30)).unwrap());
        assert!(made.metadata().unwrap().len() > 1 << 20);
    }

    #[test]
    fn a_card_is_told_its_name() {
        let kernel = Kernel { image: "/k".into(), version: "6.1.0".to_owned(), modules: None };
        let config = config(&rig(kernel, 0));
        let card = &config.interfaces[0];
        assert_eq!((card.name.as_str(), card.mac), ("enp1s0", [0x52, 0x54, 0, 0, 8, 1]));
    }
}
