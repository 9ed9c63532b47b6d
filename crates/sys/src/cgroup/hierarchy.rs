//! Which trees of control groups a machine has, and where in them this process is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Because, HostError};

/// What controls or counts one kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Processor time, dealt out.
    Cpu,
    /// Processor time, counted: a controller of its own only in version 1.
    Accounting,
    /// Memory.
    Memory,
    /// Processes.
    Pids,
    /// Disks: "blkio" in version 1.
    Io,
    /// Which processors.
    Cpuset,
}

impl Controller {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cpu, Self::Accounting, Self::Memory, Self::Pids, Self::Io, Self::Cpuset];

    /// What version 1 calls it.
    #[must_use]
    pub const fn legacy(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Accounting => "cpuacct",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Io => "blkio",
            Self::Cpuset => "cpuset",
        }
    }

    /// What version 2 calls it.
    #[must_use]
    pub const fn unified(self) -> &'static str {
        match self {
            Self::Cpu | Self::Accounting => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Io => "io",
            Self::Cpuset => "cpuset",
        }
    }
}

/// A tree of groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The folder of the group that this process is in; `None`: what is mounted does not show it.
    pub own: Option<PathBuf>,
}

/// Where this machine has its control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// The tree of version 2.
    pub unified: Option<Tree>,
    /// The trees of version 1, by controller: "memory", "cpu", "pids" ..
    pub legacy: BTreeMap<String, Tree>,
}

/// What a machine has, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// No control groups are mounted.
    None,
    /// Version 1 only.
    One,
    /// Version 2 only.
    Two,
    /// Version 1, with version 2 beside it.
    Hybrid,
}

impl Hierarchies {
    /// Reads the machine's mounts, and where this process is.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn detect() -> Result<Self, HostError> {
        let mounts = fs::read_to_string(MOUNTS).because("read", || MOUNTS)?;
        let own = fs::read_to_string(OWN).because("read", || OWN)?;
        Ok(Self::parse(&mounts, &own))
    }

    /// What these lines of /proc/self/mountinfo and /proc/self/cgroup say.
    ///
    /// A mount: number, parent, device, root, mount point, options, tags .., `-`, type, source, superblock options.
    /// A group: number of the hierarchy, `:`, its controllers (none: version 2), `:`, the path from the root in sight.
    #[must_use]
    pub fn parse(mounts: &str, own: &str) -> Self {
        let mut found = Self::default();
        for line in mounts.lines() {
            let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
            let mut mount = mount.split(' ').skip(3).map(unescape);
            let (Some(root), Some(point)) = (mount.next(), mount.next()) else { continue };
            let mut filesystem = filesystem.split(' ');
            match filesystem.next() {
                Some("cgroup2") => {
                    let own = group(own, "").and_then(|path| below(&point, &root, path));
                    found.unified.get_or_insert(Tree { mount: point, own });
                }
                Some("cgroup") => {
                    for option in filesystem.nth(1).unwrap_or_default().split(',') {
                        if CONTROLLERS.contains(&option) {
                            let own = group(own, option).and_then(|path| below(&point, &root, path));
                            let tree = Tree { mount: point.clone(), own };
                            found.legacy.entry(option.to_owned()).or_insert(tree);
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }

    /// In one word.
    #[must_use]
    pub fn version(&self) -> Version {
        match (&self.unified, self.legacy.is_empty()) {
            (None, true) => Version::None,
            (None, false) => Version::One,
            (Some(_), true) => Version::Two,
            (Some(_), false) => Version::Hybrid,
        }
    }
}

/// The path of this process's group in the hierarchy of a controller, or in version 2's.
fn group<'t>(own: &'t str, controller: &str) -> Option<&'t Path> {
    own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|known| known == controller).then(|| Path::new(path))
    })
}

/// Where a group lies, if the mount shows it: a namespace or a container may have mounted only a part of the tree.
fn below(point: &Path, root: &Path, path: &Path) -> Option<PathBuf> {
    let inside = path.strip_prefix(root).ok()?;
    let plain = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    plain.then(|| point.join(inside))
}

/// Mount points have blanks and backslashes as octal escapes.
fn unescape(text: &str) -> PathBuf {
    PathBuf::from(text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
}

const MOUNTS: &str = "/proc/self/mountinfo";
const OWN: &str = "/proc/self/cgroup";
/// The controllers of version 1; other superblock options are none.
const CONTROLLERS: [&str; 13] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
];

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 24 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:5 - cgroup2 cgroup2 rw
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:6 - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
";

    fn tree(mount: &str, own: &str) -> Tree {
        Tree { mount: mount.into(), own: Some(own.into()) }
    }

    #[test]
    fn a_hybrid_machine_is_seen_as_one() {
        let own = "3:name=systemd:/\n2:cpu,cpuacct:/\n1:memory:/users/7\n0::/\n";
        let machine = Hierarchies::parse(HYBRID, own);
        assert_eq!(machine.version(), Version::Hybrid);
        assert_eq!(machine.legacy.keys().collect::<Vec<_>>(), ["cpu", "cpuacct", "memory"]);
        assert_eq!(
            machine.legacy["cpuacct"],
            tree("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct")
        );
        assert_eq!(machine.legacy["memory"], tree("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/users/7"));
        assert_eq!(machine.unified, Some(tree("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified")));
    }

    #[test]
    fn a_modern_machine_and_one_without() {
        let mounts = "30 24 0:26 / /sys/fs/cg\\040roup rw - cgroup2 cgroup2 rw\n";
        let two = Hierarchies::parse(mounts, "0::/user.slice/a\n");
        assert_eq!(two.version(), Version::Two);
        assert_eq!(two.unified, Some(tree("/sys/fs/cg roup", "/sys/fs/cg roup/user.slice/a")));
        assert_eq!(Hierarchies::parse("nonsense\n1 2 3 - cgroup2\n", "x\n:").version(), Version::None);
    }

    #[test]
    fn a_container_sees_a_part_of_the_tree() {
        let mounts = "9 8 0:29 /docker/7 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let own = |line: &str| Hierarchies::parse(mounts, line).legacy["memory"].own.clone();
        assert_eq!(own("4:memory:/docker/7/a\n"), Some("/sys/fs/cgroup/memory/a".into()));
        assert_eq!(own("4:memory:/docker/8\n"), None);
        assert_eq!(own("4:memory:/../../x\n"), None, "above the root of its namespace");
        assert_eq!(own(""), None);
    }
}
