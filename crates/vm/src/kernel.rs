//! Kernels for guests: a file that is given, or the newest of the machine's own, with the modules that go with it.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A kernel and where its modules are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The image.
    pub image: PathBuf,
    /// `6.1.0-56-cloud-amd64`, as the image says.
    pub version: String,
    /// `/lib/modules/VERSION`, if it is there.
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
        std::fs::File::open(path).map_err(read)?.take(HEAD).read_to_end(&mut head).map_err(read)?;
        let version = version(&head).ok_or_else(|| KernelError::NotOne(path.to_owned()))?;
        let modules = Path::new("/lib/modules").join(&version);
        let modules = modules.join("modules.dep").is_file().then_some(modules);
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

/// The version in the head of a kernel's image.
///
/// Source: Linux, `Documentation/arch/x86/boot.rst`: `HdrS` at 0x202, and at 0x20e where the version stands, from 0x200.
fn version(head: &[u8]) -> Option<String> {
    if head.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let at = usize::from(u16::from_le_bytes(*head.get(0x20e..)?.first_chunk()?)) + 0x200;
    let text = head.get(at..)?.split(|byte| *byte == 0 || *byte == b' ').next()?;
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
    fn nothing_on_disk_makes_a_path_of_a_version() {
        let mut head = vec![0; 0x400];
        head[0x202..0x206].copy_from_slice(b"HdrS");
        head[0x20e..0x210].copy_from_slice(&0x0100_u16.to_le_bytes());
        head[0x300..0x30b].copy_from_slice(b"../../etc\0\0");
        assert_eq!(version(&head), None);
    }

    #[test]
    fn the_newest_is_the_newest() {
        let mut names = vec!["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-6.12.1-amd64"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-6.12.1-amd64"]);
    }
}
