//! A group of ours.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::ground::Grounds;
use super::hierarchy::Controller;
use crate::error::{Because, HostError};

/// A control group: a folder in each tree that has a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    seats: BTreeMap<Controller, Seat>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seat {
    unified: bool,
    folder: PathBuf,
}

impl Cgroup {
    /// The group `name` on the given grounds; it is not made yet.
    #[must_use]
    pub fn on(grounds: &Grounds, name: &str) -> Self {
        let seat = |(controller, ground): (Controller, &super::Ground)| {
            (controller, Seat { unified: ground.unified, folder: ground.folder.join(name) })
        };
        Self { seats: grounds.usable().map(seat).collect() }
    }

    /// The group `name` below this one; it is not made yet.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let seat = |seat: &Seat| Seat { unified: seat.unified, folder: seat.folder.join(name) };
        Self { seats: self.seats.iter().map(|(controller, it)| (*controller, seat(it))).collect() }
    }

    /// Its folders, each once.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = self.seats.values().map(|seat| seat.folder.clone()).collect();
        folders.sort();
        folders.dedup();
        folders
    }

    /// Whether a controller is of version 2; `None`: the group has none of it.
    #[must_use]
    pub fn is_unified(&self, controller: Controller) -> Option<bool> {
        self.seats.get(&controller).map(|seat| seat.unified)
    }

    /// Makes it; what is above it must be there. A group that is there is taken over.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`, `ENOSPC`, `ENOENT`. What was made of it by then is there.
    pub fn make(&self) -> Result<(), HostError> {
        for folder in self.folders() {
            if let Some(above) = folder.parent().filter(|_| self.has_unified(&folder)) {
                self.hand_down(above);
            }
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => {
                    result.because("make the control group", || folder.display().to_string())?;
                    settle(&folder)?;
                }
            }
        }
        Ok(())
    }

    /// Sets a file of a controller ("memory.max", "pids.max" ..); `Ok(false)` when the group has no such file.
    ///
    /// # Errors
    /// `EINVAL` for a value the controller does not take, `EBUSY` when what is in use does not fit in, `EACCES`.
    pub fn set(&self, controller: Controller, file: &str, value: &str) -> Result<bool, HostError> {
        let Some(path) = self.file(controller, file).filter(|path| path.exists()) else { return Ok(false) };
        fs::write(&path, value).because("set the limit", || format!("{} = {value}", path.display()))?;
        Ok(true)
    }

    /// What a file of a controller says; `None`: there is none, or the group is gone.
    #[must_use]
    pub fn get(&self, controller: Controller, file: &str) -> Option<String> {
        fs::read_to_string(self.file(controller, file)?).ok()
    }

    /// The same of the group above.
    #[must_use]
    pub fn get_above(&self, controller: Controller, file: &str) -> Option<String> {
        fs::read_to_string(self.seats.get(&controller)?.folder.parent()?.join(file)).ok()
    }

    /// Whether the group has a file of a controller.
    #[must_use]
    pub fn has(&self, controller: Controller, file: &str) -> bool {
        self.file(controller, file).is_some_and(|path| path.exists())
    }

    /// The processes in it, each once, in order.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let Some(folder) = self.folders().into_iter().next() else { return Vec::new() };
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let mut all: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
        all.sort_unstable();
        all
    }

    /// Moves a process in, which must be one of ours; its children to come are born there. One that has ended is none.
    ///
    /// # Errors
    /// `EACCES`; `ENOSPC` for a group without processors.
    pub fn take_in(&self, pid: i32) -> Result<(), HostError> {
        self.folders().iter().try_for_each(|folder| {
            match fs::write(folder.join("cgroup.procs"), pid.to_string()) {
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
                result => result.because("move a process into", || folder.display().to_string()),
            }
        })
    }

    /// Removes it and all below it.
    ///
    /// # Errors
    /// `EBUSY` while somebody is in it. All trees are tried; the first failure is told.
    pub fn remove(&self) -> Result<(), HostError> {
        self.folders().iter().map(|folder| remove_tree(folder)).fold(Ok(()), Result::and)
    }

    fn file(&self, controller: Controller, file: &str) -> Option<PathBuf> {
        self.seats.get(&controller).map(|seat| seat.folder.join(file))
    }

    fn has_unified(&self, folder: &Path) -> bool {
        self.seats.values().any(|seat| seat.unified && seat.folder == folder)
    }

    /// Version 2 gives a group only the controllers that the one above hands down. Failing is no error here: a limit that is
    /// wanted and missing shows when it is set.
    fn hand_down(&self, above: &Path) {
        let file = above.join("cgroup.subtree_control");
        let known = fs::read_to_string(&file).unwrap_or_default();
        for (controller, _) in self.seats.iter().filter(|(_, seat)| seat.unified) {
            let name = controller.unified();
            if !known.split_whitespace().any(|known| known == name) {
                let _ = fs::write(&file, format!("+{name}"));
            }
        }
    }
}

/// What a new group of version 1 needs to be of use: processors and memory banks (it begins with none), and limits that hold
/// for what is below it too (which later kernels do anyway).
fn settle(folder: &Path) -> Result<(), HostError> {
    let Some(above) = folder.parent() else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = fs::read_to_string(folder.join(file)).unwrap_or_default();
        let Ok(inherited) = fs::read_to_string(above.join(file)) else { continue };
        if own.trim().is_empty() && !inherited.trim().is_empty() {
            fs::write(folder.join(file), inherited.trim())
                .because("set", || folder.join(file).display().to_string())?;
        }
    }
    let hierarchy = folder.join("memory.use_hierarchy");
    if fs::read_to_string(&hierarchy).is_ok_and(|text| text.trim() == "0") {
        // Refused where the root decided otherwise; then only each group's own limit counts.
        let _ = fs::write(&hierarchy, "1");
    }
    Ok(())
}

/// Moves this process into the group with these folders. Its children to come are born there.
///
/// # Errors
/// `ENOENT` when the group is gone, `EACCES`; `ENOSPC` for a group without processors.
pub fn join(folders: &[PathBuf]) -> Result<(), HostError> {
    folders.iter().try_for_each(|folder| {
        let path = folder.join("cgroup.procs");
        fs::write(&path, "0").because("join the control group", || folder.display().to_string())
    })
}

/// Removes the group in `folder`, and before it those below it. One that is gone already is fine.
///
/// # Errors
/// `EBUSY` while somebody is in one of them: the others are gone then.
pub fn remove_tree(folder: &Path) -> Result<(), HostError> {
    let mut outcome = Ok(());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Files of a group belong to it and go with it.
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            outcome = outcome.and(remove_tree(&entry.path()));
        }
    }
    outcome?;
    match fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.because("remove the control group", || folder.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::cgroup::{Hierarchies, Tree};

    /// A machine of version 2 whose groups are plain folders.
    fn pretend(mount: &Path) -> Grounds {
        fs::write(mount.join("cgroup.procs"), "").unwrap();
        fs::write(mount.join("cgroup.controllers"), "cpu memory pids").unwrap();
        fs::write(mount.join("cgroup.subtree_control"), "cpu").unwrap();
        let tree = Tree { mount: mount.to_owned(), own: Some(mount.to_owned()) };
        Grounds::find(&Hierarchies { unified: Some(tree), ..Hierarchies::default() })
    }

    #[test]
    fn a_group_of_version_2_has_one_folder_and_asks_for_what_is_not_handed_down() {
        let place = tempfile::tempdir().unwrap();
        let grounds = pretend(place.path());
        assert!(grounds.of(Controller::Io).unwrap_err().contains("no io controller"));
        let lab = Cgroup::on(&grounds, "netloom.shop");
        lab.make().unwrap();
        let folder = place.path().join("netloom.shop");
        assert_eq!(lab.folders(), std::slice::from_ref(&folder));
        // A file keeps only what was written last; the kernel adds.
        assert_eq!(fs::read_to_string(place.path().join("cgroup.subtree_control")).unwrap(), "+pids");
        let node = lab.below("node");
        node.make().unwrap();
        assert_eq!(node.set(Controller::Memory, "memory.max", "1"), Ok(false), "there is no such file");
        fs::write(folder.join("node/memory.max"), "max").unwrap();
        assert_eq!(node.set(Controller::Memory, "memory.max", "65536"), Ok(true));
        assert_eq!(node.get(Controller::Memory, "memory.max").as_deref(), Some("65536"));
        assert_eq!(
            (node.is_unified(Controller::Memory), node.is_unified(Controller::Io)),
            (Some(true), None)
        );
        join(&node.folders()).unwrap();
        assert_eq!(fs::read_to_string(folder.join("node/cgroup.procs")).unwrap(), "0");
    }

    #[test]
    fn a_new_group_of_version_1_gets_the_processors_of_the_one_above() {
        let place = tempfile::tempdir().unwrap();
        let group = place.path().join("a");
        fs::create_dir(&group).unwrap();
        for (folder, cpus, mems) in [(place.path(), "0-3\n", "0\n"), (group.as_path(), "\n", "\n")] {
            fs::write(folder.join("cpuset.cpus"), cpus).unwrap();
            fs::write(folder.join("cpuset.mems"), mems).unwrap();
        }
        fs::write(group.join("memory.use_hierarchy"), "0\n").unwrap();
        settle(&group).unwrap();
        let read = |file: &str| fs::read_to_string(group.join(file)).unwrap();
        assert_eq!((read("cpuset.cpus"), read("cpuset.mems")), ("0-3".into(), "0".into()));
        assert_eq!(read("memory.use_hierarchy"), "1");
    }

    #[test]
    fn a_group_of_this_machine_is_made_limited_and_removed_with_what_is_below() {
        let grounds = Grounds::find(&Hierarchies::detect().unwrap());
        if let Err(why) = grounds.of(Controller::Pids) {
            eprintln!("skipped: {why}");
            return;
        }
        let lab = Cgroup::on(&grounds, &format!("netloom-test-{}", std::process::id()));
        let node = lab.below("node");
        lab.make().unwrap();
        node.make().unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let joined = node.take_in(pid);
        let inside = node.processes();
        let limited = node.set(Controller::Pids, "pids.max", "7");
        let said = node.get(Controller::Pids, "pids.max");
        let busy = lab.remove();
        child.kill().unwrap();
        child.wait().unwrap();
        let removed = lab.remove();
        joined.unwrap();
        assert_eq!(inside, [pid]);
        assert_eq!(node.processes(), [], "it is gone");
        assert_eq!((limited, said.as_deref().map(str::trim)), (Ok(true), Some("7")));
        assert_eq!(busy.unwrap_err().errno, Errno::BUSY);
        removed.unwrap();
        assert!(lab.folders().iter().all(|folder| !folder.exists()));
        lab.remove().unwrap();
        assert_eq!(node.set(Controller::Pids, "pids.max", "7"), Ok(false));
    }
}
