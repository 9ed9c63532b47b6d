//! Control groups: what a node may use of the machine, and who all belongs to it.
//!
//! ```text
//! version 2   one tree, all controllers             /sys/fs/cgroup/<path>
//! version 1   a tree per controller                 /sys/fs/cgroup/<controller>/<path>
//! hybrid      version 1, and an (almost) empty 2    /sys/fs/cgroup/unified/<path> beside them
//! ```
//! Which of them a machine has is read from its mounts, never guessed. A [`Cgroup`] hides the difference: made, joined and
//! removed in every tree it needs.
//!
//! Source: cgroups(7); Linux `Documentation/admin-guide/cgroup-v1`, `cgroup-v2.rst`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::error::{Because, HostError};

/// Where this machine has its control groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hierarchies {
    /// The tree of version 2.
    pub unified: Option<PathBuf>,
    /// The trees of version 1, by controller: "memory", "cpu", "pids" ..
    pub legacy: BTreeMap<String, PathBuf>,
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
    /// Reads the machine's mounts.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn detect() -> Result<Self, HostError> {
        let text = fs::read_to_string(MOUNTS).because("read", || MOUNTS)?;
        Ok(Self::from_mounts(&text))
    }

    /// What these lines of /proc/self/mountinfo say.
    ///
    /// A line: number, parent, device, root, mount point, options, tags .., `-`, type, source, superblock options.
    fn from_mounts(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
            let Some(point) = mount.split(' ').nth(4).map(unescape) else { continue };
            let mut filesystem = filesystem.split(' ');
            match filesystem.next() {
                Some("cgroup2") => {
                    found.unified.get_or_insert(point);
                }
                Some("cgroup") => {
                    for option in filesystem.nth(1).unwrap_or_default().split(',') {
                        if CONTROLLERS.contains(&option) {
                            found.legacy.entry(option.to_owned()).or_insert_with(|| point.clone());
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

    /// The folders of the group `path` in the trees that have `controllers`: none twice, those of version 1 first.
    fn folders(&self, path: &str, controllers: &[&str]) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for controller in controllers {
            let tree = self.legacy.get(*controller).or(self.unified.as_ref());
            let folder = tree.map(|tree| tree.join(path));
            folders.extend(folder.filter(|folder| !folders.contains(folder)));
        }
        folders
    }
}

/// A control group of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes the group `path` (`netloom/<lab>/<node>`) in every tree needed for `controllers`, its parents too, and hands the
    /// controllers down to it. One that is there already is taken over.
    ///
    /// # Errors
    /// `EINVAL` for a path with `..`; `ENOENT` when the machine has no such tree; `EACCES`, `EROFS`.
    pub fn create(machine: &Hierarchies, path: &str, controllers: &[&str]) -> Result<Self, HostError> {
        let object = || format!("the control group {path}");
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(HostError::new("create", object(), Errno::INVAL));
        }
        let folders = machine.folders(path, controllers);
        if folders.is_empty() {
            return Err(HostError::new("create", object(), Errno::NOENT));
        }
        for folder in &folders {
            fs::create_dir_all(folder).because("create", || folder.display().to_string())?;
        }
        if let Some(root) = &machine.unified {
            hand_down(root, path, controllers);
        }
        Ok(Self { folders })
    }

    /// The group `path` as it was made before, if it is there; for those who clean up.
    #[must_use]
    pub fn existing(machine: &Hierarchies, path: &str) -> Option<Self> {
        let trees = machine.legacy.values().chain(&machine.unified);
        let mut folders: Vec<PathBuf> =
            trees.map(|tree| tree.join(path)).filter(|folder| folder.is_dir()).collect();
        folders.sort();
        folders.dedup();
        (!folders.is_empty()).then_some(Self { folders })
    }

    /// Moves process `pid` in; 0 is the caller. Its children to come are born there.
    ///
    /// # Errors
    /// `ESRCH`, `EACCES`; `EBUSY` on version 2 when the group hands controllers down.
    pub fn attach(&self, pid: i32) -> Result<(), HostError> {
        self.write_all("cgroup.procs", &pid.to_string())
    }

    /// Sets `file` ("memory.max", "pids.max" ..) where the group has it; `Ok(false)` when no tree has.
    ///
    /// # Errors
    /// `EINVAL` for a value the controller does not take, `EACCES`.
    pub fn set(&self, file: &str, value: &str) -> Result<bool, HostError> {
        let Some(path) = self.folders.iter().map(|folder| folder.join(file)).find(|path| path.exists())
        else {
            return Ok(false);
        };
        fs::write(&path, value).because("set the limit", || format!("{} = {value}", path.display()))?;
        Ok(true)
    }

    /// The processes in the group, each once.
    ///
    /// # Errors
    /// When the group is gone.
    pub fn processes(&self) -> Result<Vec<i32>, HostError> {
        let mut all = Vec::new();
        for folder in &self.folders {
            let path = folder.join("cgroup.procs");
            let text = fs::read_to_string(&path).because("read", || path.display().to_string())?;
            all.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Removes the group, which must have no process and no group below it. One that is gone already is fine.
    ///
    /// # Errors
    /// `EBUSY` while somebody is in it. All trees are tried; the first failure is told.
    pub fn remove(&self) -> Result<(), HostError> {
        let mut outcome = Ok(());
        for folder in &self.folders {
            let removed = match fs::remove_dir(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                result => result.because("remove the control group", || folder.display().to_string()),
            };
            outcome = outcome.and(removed);
        }
        outcome
    }

    fn write_all(&self, file: &str, value: &str) -> Result<(), HostError> {
        self.folders.iter().try_for_each(|folder| {
            let path = folder.join(file);
            fs::write(&path, value).because("write", || format!("{value} to {}", path.display()))
        })
    }
}

/// Version 2 gives a group only the controllers all its parents enable for their children. Failing is no error here: a limit
/// that is wanted and missing shows when it is set.
fn hand_down(root: &Path, path: &str, controllers: &[&str]) {
    let mut folder = root.to_owned();
    for part in path.split('/') {
        for controller in controllers {
            let _ = fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        folder.push(part);
    }
}

/// Mount points have blanks and backslashes as octal escapes.
fn unescape(text: &str) -> PathBuf {
    PathBuf::from(text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
}

const MOUNTS: &str = "/proc/self/mountinfo";
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

    #[test]
    fn a_hybrid_machine_is_seen_as_one() {
        let machine = Hierarchies::from_mounts(HYBRID);
        assert_eq!(machine.version(), Version::Hybrid);
        assert_eq!(machine.legacy.keys().collect::<Vec<_>>(), ["cpu", "cpuacct", "memory"]);
        assert_eq!(
            machine.folders("netloom/a", &["cpu", "cpuacct", "memory", "pids"]),
            [
                Path::new("/sys/fs/cgroup/cpu,cpuacct/netloom/a"),
                Path::new("/sys/fs/cgroup/memory/netloom/a"),
                Path::new("/sys/fs/cgroup/unified/netloom/a"),
            ]
        );
    }

    #[test]
    fn a_modern_machine_and_one_without() {
        let two = Hierarchies::from_mounts("30 24 0:26 / /sys/fs/cg\\040roup rw - cgroup2 cgroup2 rw\n");
        assert_eq!(two.version(), Version::Two);
        assert_eq!(two.folders("x", &["memory", "pids"]), [Path::new("/sys/fs/cg roup/x")]);
        assert_eq!(Hierarchies::from_mounts("nonsense\n1 2 3 - cgroup2\n").version(), Version::None);
    }

    #[test]
    fn paths_that_climb_are_refused() {
        let machine = Hierarchies::from_mounts(HYBRID);
        for path in ["", "a/../b", "/a", "a/", "."] {
            let refused = Cgroup::create(&machine, path, &["memory"]).unwrap_err();
            assert_eq!(refused.errno, Errno::INVAL, "{path:?}");
        }
    }

    #[test]
    fn a_group_of_this_machine() {
        let machine = Hierarchies::detect().unwrap();
        let path = format!("netloom-test-{}", std::process::id());
        let group = match Cgroup::create(&machine, &path, &["pids"]) {
            Ok(group) => group,
            Err(error) => {
                eprintln!("skipped: {error}");
                return;
            }
        };
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let attached = group.attach(pid);
        let inside = group.processes();
        let limited = group.set("pids.max", "7");
        let busy = group.remove();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Cgroup::existing(&machine, &path), Some(group.clone()));
        group.remove().unwrap();
        attached.unwrap();
        assert_eq!(inside.unwrap(), [pid]);
        assert!(limited.is_ok());
        assert_eq!(busy.unwrap_err().errno, Errno::BUSY);
        assert_eq!(Cgroup::existing(&machine, &path), None);
        assert_eq!(group.set("pids.max", "7"), Ok(false));
    }
}
