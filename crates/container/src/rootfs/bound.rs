//! Files of the lab at places of the host's choice: /etc/hosts, /etc/hostname, /etc/resolv.conf and `files:`.
//!
//! A bind mount needs something to be mounted on, and the machine's directories cannot and must not be written. Where the
//! target does not exist, its nearest existing directory is covered by a read-only overlay that adds it:
//!
//! ```text
//! files: { /etc/fw.nft: .. }      /etc = overlay(lower: private_dir/added/0 {fw.nft}, the machine's /etc), then bind fw.nft
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use netloom_sys::mount_tree::{Limits, Tree};
use netloom_sys::{Errno, HostError};

use super::{OWN, private};
use crate::spec::{Filesystem, HostSpec};

/// What is to be shown, taken from the machine.
pub(super) struct Files {
    files: Vec<(PathBuf, bool, Tree)>,
}

impl Files {
    pub(super) fn take(host: &HostSpec) -> Result<Self, HostError> {
        let mut files = Vec::new();
        let hostname = Path::new("/etc/hostname");
        if host.image.is_some() || hostname.exists() {
            files.push(take_one(hostname, &private::hostname_file(host))?);
        }
        if let Some(hosts) = &host.hosts_file {
            files.push(take_one(Path::new("/etc/hosts"), hosts)?);
        }
        if let Some(resolver) = &host.resolver_file {
            files.push(take_one(Path::new("/etc/resolv.conf"), resolver)?);
        }
        for file in &host.files {
            files.push(take_one(&file.target, &file.source)?);
        }
        Ok(Self { files })
    }

    pub(super) fn attach(self, host: &HostSpec) -> Result<(), HostError> {
        if host.image.is_some() {
            // A root of its own is there to be added to.
            return self
                .files
                .into_iter()
                .try_for_each(|(target, is_dir, tree)| tree.attach(&place(&target, is_dir)?));
        }
        let mut missing: BTreeMap<PathBuf, Vec<(PathBuf, bool)>> = BTreeMap::new();
        for (target, is_dir, _) in &self.files {
            if target.exists() {
                continue;
            }
            if is_private(host, target) {
                place_holder(target, *is_dir)?;
            } else {
                missing.entry(existing_dir(target)).or_default().push((target.clone(), *is_dir));
            }
        }
        for (number, (dir, targets)) in missing.into_iter().enumerate() {
            let added = host.private_dir.join("added").join(number.to_string());
            cover(&dir, &added, &targets)?;
        }
        for (target, _, tree) in self.files {
            tree.attach(&target)?;
        }
        Ok(())
    }
}

/// Always read-only: hosts write the lab file's directory, so what its names lead to (a symbolic link to /etc/passwd) can be
/// any file of the machine by the time a host is built. Files of the lab can be written at their own path.
fn take_one(target: &Path, source: &Path) -> Result<(PathBuf, bool, Tree), HostError> {
    let tree = Tree::of(source)?;
    tree.limit(Limits { read_only: true, ..OWN })?;
    Ok((target.to_owned(), source.is_dir(), tree))
}

/// Makes sure that there is something at `target` to mount on; returns its place. For a container, from inside its root.
///
/// A link that leads to nothing is taken away: what is to be seen under the name is seen under it.
pub(super) fn place(target: &Path, is_dir: bool) -> Result<PathBuf, HostError> {
    if !target.exists() {
        if target.is_symlink() {
            std::fs::remove_file(target).map_err(|error| {
                HostError::from_io("remove the link", target.display().to_string(), &error)
            })?;
        }
        place_holder(target, is_dir)?;
    }
    Ok(target.to_owned())
}

fn is_private(host: &HostSpec, target: &Path) -> bool {
    let private = ["/tmp", "/run", "/var/log", "/dev/shm"].iter().any(|dir| target.starts_with(dir));
    let lab = host.lab_dir.as_ref().is_some_and(|dir| target.starts_with(dir));
    host.filesystem == Filesystem::Machine && private && !lab
}

fn existing_dir(target: &Path) -> PathBuf {
    let dirs = target.ancestors().skip(1);
    dirs.into_iter().find(|dir| dir.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Covers `dir` with an overlay that adds `targets` to it.
fn cover(dir: &Path, added: &Path, targets: &[(PathBuf, bool)]) -> Result<(), HostError> {
    if dir.parent().is_none() {
        let target = targets.first().map(|(target, _)| target.display().to_string()).unwrap_or_default();
        return Err(HostError::new("add a directory to the machine's root for", target, Errno::ROFS));
    }
    for (target, is_dir) in targets {
        let inside = target.strip_prefix(dir).unwrap_or(target);
        place_holder(&added.join(inside), *is_dir)?;
    }
    // What is mounted below the directory would disappear under the overlay: it is put back on top.
    let below = mounted_below(dir)?;
    let lower = format!("{}:{}", escape(added), escape(dir));
    let limits = Limits { read_only: true, no_devices: true, ..Limits::default() };
    Tree::new("overlay", &[("lowerdir", &lower)], limits)?.attach(dir)?;
    for (target, tree) in below {
        tree.attach(&target)?;
    }
    Ok(())
}

fn place_holder(path: &Path, is_dir: bool) -> Result<(), HostError> {
    if path.exists() {
        return Ok(());
    }
    if is_dir {
        return super::make_dirs(path);
    }
    if let Some(parent) = path.parent() {
        super::make_dirs(parent)?;
    }
    File::create(path)
        .map_err(|error| HostError::from_io("make the file", path.display().to_string(), &error))?;
    Ok(())
}

/// Takes every mount below `dir` that is not below another one of them.
fn mounted_below(dir: &Path) -> Result<Vec<(PathBuf, Tree)>, HostError> {
    let table = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| HostError::from_io("read", "/proc/self/mountinfo", &error))?;
    let mut taken: Vec<(PathBuf, Tree)> = Vec::new();
    for target in mount_points(&table, dir) {
        if !taken.iter().any(|(outer, _)| target.starts_with(outer)) {
            let tree = Tree::of(&target)?;
            taken.push((target, tree));
        }
    }
    Ok(taken)
}

/// The mount points below `dir` in the text of mountinfo, outer ones first.
fn mount_points(table: &str, dir: &Path) -> Vec<PathBuf> {
    let mut points: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|field| PathBuf::from(unescape(field)))
        .filter(|point| point.starts_with(dir) && point != dir)
        .collect();
    points.sort();
    points.dedup();
    points
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The overlay separates its layers by colons.
fn escape(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\").replace(':', "\\:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:25 / /etc/resolv.conf rw - tmpfs tmpfs rw
31 22 0:26 / /etc/my\\040dir rw - tmpfs tmpfs rw
32 31 0:27 / /etc/my\\040dir/inner rw - tmpfs tmpfs rw
33 22 0:28 / /etcetera rw - tmpfs tmpfs rw
";

    #[test]
    fn mounts_below_a_directory_are_found_with_blanks_and_without_namesakes() {
        let found = mount_points(TABLE, Path::new("/etc"));
        assert_eq!(found, ["/etc/my dir", "/etc/my dir/inner", "/etc/resolv.conf"].map(PathBuf::from));
    }

    #[test]
    fn colons_in_layers_are_escaped() {
        assert_eq!(escape(Path::new("/a:b\\c")), "/a\\:b\\\\c");
    }

    #[test]
    fn private_places_may_be_written_but_not_the_lab_directory() {
        let mut host = HostSpec::new("h1", "/x");
        host.lab_dir = Some(PathBuf::from("/tmp/lab"));
        assert!(is_private(&host, Path::new("/run/a/b")));
        assert!(!is_private(&host, Path::new("/tmp/lab/a")));
        assert!(!is_private(&host, Path::new("/etc/a")));
        assert!(!is_private(&host.shared(), Path::new("/run/a")));
    }
}
