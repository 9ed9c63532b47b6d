//! Kernels for guests: a file that is given, or the newest of the machine's own, with the modules that go with it.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::elf;

/// A kernel and where its modules are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The image, packed (bzImage) or not (vmlinux).
    pub image: PathBuf,
    /// `6.1.0-56-cloud-amd64`, as the image says.
    pub version: String,
    /// `lib/modules/VERSION`, if it is there: beside the folder of the image, as a package has them, or this machine's.
    pub modules: Option<PathBuf>,
}

/// There is no kernel to be had.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The machine has none.
    #[error("This machine has no kernel in /boot that could be read")]
    None,
    /// The file cannot be read.
    #[error("Cannot read the kernel {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{0} is not a Linux kernel for x86")]
    NotOne(PathBuf),
    /// The kernel can neither load nor does it have a driver.
    #[error("The kernel {version} has no driver {module}")]
    Lacks {
        /// The kernel.
        version: String,
        /// The module.
        module: String,
    },
}

impl Kernel {
    /// The kernel in a file.
    ///
    /// # Errors
    /// [`KernelError::Read`], [`KernelError::NotOne`].
    pub fn of(path: &Path) -> Result<Self, KernelError> {
        let read = |source| KernelError::Read { path: path.to_owned(), source };
        let mut head = Vec::new();
        let mut file = std::fs::File::open(path).map_err(read)?;
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(read)?;
        let version = version(&head).or_else(|| unpacked(&head, &mut file));
        let version = version.ok_or_else(|| KernelError::NotOne(path.to_owned()))?;
        let modules = homes(path).into_iter().map(|home| home.join(&version));
        let modules = modules.into_iter().find(|folder| folder.join("modules.dep").is_file());
        Ok(Self { image: path.to_owned(), version, modules })
    }

    /// The newest of the machine's own kernels that has all of `drivers`.
    ///
    /// # Errors
    /// [`KernelError::None`], or what the newest lacks.
    pub fn newest(drivers: &[&str]) -> Result<Self, KernelError> {
        let files = std::fs::read_dir("/boot").into_iter().flatten().flatten().map(|file| file.path());
        let named = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("vmlinuz-"))
        };
        let mut found: Vec<PathBuf> = files.filter(named).collect();
        found.sort_by_key(|path| std::cmp::Reverse(natural(&path.to_string_lossy())));
        let mut first = None;
        for kernel in found.iter().filter_map(|path| Self::of(path).ok()) {
            match kernel.files(drivers) {
                Ok(_) => return Ok(kernel),
                Err(error) => {
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or(KernelError::None))
    }

    /// The files of drivers and of what they need, in the order in which they can be loaded.
    ///
    /// Of a kernel whose modules are not on this machine nothing is known: it is taken to have all of them built in.
    ///
    /// # Errors
    /// [`KernelError::Lacks`].
    pub fn files(&self, drivers: &[&str]) -> Result<Vec<PathBuf>, KernelError> {
        let Some(folder) = &self.modules else { return Ok(Vec::new()) };
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let order = in_order(&text("modules.dep"), &text("modules.builtin"), drivers);
        let order = order.map_err(|module| KernelError::Lacks { version: self.version.clone(), module })?;
        Ok(order.into_iter().map(|path| folder.join(path)).collect())
    }
}

/// Where the modules of a kernel may be.
fn homes(image: &Path) -> [PathBuf; 2] {
    let beside = image.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
    [beside.join("lib/modules"), PathBuf::from("/lib/modules")]
}

/// The version in the head of a kernel's image.
///
/// Source: Linux, `Documentation/arch/x86/boot.rst`: `HdrS` at 0x202, and at 0x20e where the version stands, from 0x200.
fn version(head: &[u8]) -> Option<String> {
    if head.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = usize::from(u16::from_le_bytes(*head.get(0x20e..)?.first_chunk()?)) + 0x200;
    named(head.get(at..)?)
}

/// The version of a kernel that is not packed (vmlinux), as distributions note it there; only one that can be started as a
/// guest at once.
///
/// Sources: Linux, `include/linux/build-salt.h`; Xen, `public/elfnote.h`, `XEN_ELFNOTE_PHYS32_ENTRY`.
fn unpacked(head: &[u8], file: &mut (impl Read + Seek)) -> Option<String> {
    let (offset, size) = *elf::notes(head).ok()?.first()?;
    let mut notes = Vec::new();
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.take(size.min(MOST_NOTES)).read_to_end(&mut notes).ok()?;
    elf::note(&notes, b"Xen", PVH_ENTRY)?;
    named(elf::note(&notes, b"Linux", BUILD_SALT)?)
}

/// A version, up to a blank or a zero byte.
fn named(text: &[u8]) -> Option<String> {
    let text = text.split(|byte| *byte == 0 || *byte == b' ').next()?;
    let text = std::str::from_utf8(text).ok()?;
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '~');
    (!text.is_empty() && text.chars().all(fine)).then(|| text.to_owned())
}

/// Lines of `modules.dep` are a file, a colon, and what it needs, the first needed last. What is built in needs no file.
fn in_order(dep: &str, builtin: &str, drivers: &[&str]) -> Result<Vec<PathBuf>, String> {
    let mut order: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for driver in drivers {
        if builtin.lines().any(|line| is(line, driver)) {
            continue;
        }
        let line = dep.lines().find(|line| line.split(':').next().is_some_and(|path| is(path, driver)));
        let line = line.ok_or_else(|| (*driver).to_owned())?;
        for path in line.split([':', ' ']).filter(|path| !path.is_empty()).rev() {
            if seen.insert(path) {
                order.push(path);
            }
        }
    }
    Ok(order.into_iter().map(PathBuf::from).collect())
}

/// Whether a file is the module of this name: `-` and `_` are one, and it may be packed.
fn is(path: &str, module: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = name.split(".ko").next().unwrap_or_default();
    name.len() == module.len() && name.replace('-', "_") == module.replace('-', "_")
}

/// A name as people sort it: numbers by their value.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut out = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (words, tail) = rest.split_at(text);
        let number = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (digits, tail) = tail.split_at(number);
        out.push((0, words.to_owned()));
        out.push((digits.parse().unwrap_or(0), String::new()));
        rest = tail;
    }
    out
}

/// How much of an image is read: the version's place is a number of 16 bits.
const HEAD: u64 = 0x1_0400;
/// Bytes of notes that are read.
const MOST_NOTES: u64 = 0x1_0000;
const PVH_ENTRY: u32 = 18;
const BUILD_SALT: u32 = 0x100;

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/failover.ko kernel/virtio.ko\n\
        kernel/virtio.ko:\n\
        kernel/drivers/char/hw_random/virtio-rng.ko.xz: kernel/virtio.ko\n";

    #[test]
    fn what_a_driver_needs_comes_before_it_and_once() {
        let order =
            in_order(DEP, "kernel/drivers/tty/serial/8250/8250.ko\n", &["virtio_net", "8250", "virtio_rng"]);
        let expected = [
            "kernel/virtio.ko",
            "kernel/net/failover.ko",
            "kernel/drivers/net/net_failover.ko",
            "kernel/drivers/net/virtio_net.ko",
            "kernel/drivers/char/hw_random/virtio-rng.ko.xz",
        ];
        assert_eq!(order.unwrap(), expected.map(PathBuf::from));
        assert_eq!(in_order(DEP, "", &["e1000e"]), Err("e1000e".to_owned()));
    }

    #[test]
    fn the_image_says_its_version() {
        let mut head = vec![0; 0x400];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
        head[0x300..0x30f].copy_from_slice(b"6.1.0-56 (x@y)\0");
        assert_eq!(version(&head).as_deref(), Some("6.1.0-56"));
        head[0x20e..0x210].copy_from_slice(&0xffff_u16.to_le_bytes());
        assert_eq!(version(&head), None);
        assert_eq!(version(b"#!/bin/sh"), None);
    }

    #[test]
    fn one_that_is_not_packed_says_its_version_in_a_note() {
        let mut file = vec![0_u8; 256];
        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        // One program header at 64, of 56 bytes: notes, 128 bytes in, 44 bytes.
        (file[32], file[54], file[56], file[64], file[72], file[96]) = (64, 56, 1, 4, 128, 44);
        let notes = b"\x04\0\0\0\0\0\0\0\x12\0\0\0Xen\0\x06\0\0\0\x06\0\0\0\0\x01\0\0Linux\0\0\x006.1.0\0";
        file[128..128 + notes.len()].copy_from_slice(notes);
        let said = |file: &[u8]| unpacked(file, &mut std::io::Cursor::new(file));
        assert_eq!(said(&file).as_deref(), Some("6.1.0"));
        // QEMU starts only those that have an entry for it.
        file[136] = 0x13;
        assert_eq!(said(&file), None);
        assert_eq!(said(b"\x7fELF"), None);
    }

    #[test]
    fn nothing_on_disk_makes_a_path_of_a_version() {
        let mut head = vec![0; 0x400];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
        head[0x300..0x30b].copy_from_slice(b"../../etc\0\0");
        assert_eq!(version(&head), None);
    }

    #[test]
    fn modules_are_those_beside_the_kernel_first() {
        let root = tempfile::tempdir().unwrap();
        let mut head = vec![0; 0x400];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
        head[0x300..0x306].copy_from_slice(b"0.0.1\0");
        let (boot, modules) = (root.path().join("boot"), root.path().join("lib/modules/0.0.1"));
        std::fs::create_dir_all(&boot).unwrap();
        std::fs::create_dir_all(&modules).unwrap();
        std::fs::write(boot.join("vmlinuz"), &head).unwrap();
        assert_eq!(Kernel::of(&boot.join("vmlinuz")).unwrap().modules, None);
        std::fs::write(modules.join("modules.dep"), DEP).unwrap();
        assert_eq!(Kernel::of(&boot.join("vmlinuz")).unwrap().modules, Some(modules));
    }

    #[test]
    fn the_newest_is_the_newest() {
        let mut names = vec!["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-6.12.1-amd64"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-6.12.1-amd64"]);
    }
}
