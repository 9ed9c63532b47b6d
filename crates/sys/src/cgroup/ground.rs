//! Where groups of ours can be made, for each controller, or why they cannot.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::hierarchy::{Controller, Hierarchies, Tree};

/// Below which group ours are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Whether the tree is one of version 2.
    pub unified: bool,
    /// The folder of that group.
    pub folder: PathBuf,
}

/// For each controller, where groups can be made, or in a sentence why they cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds(BTreeMap<Controller, Result<Ground, String>>);

impl Grounds {
    /// Looks at the machine; nothing is changed.
    #[must_use]
    pub fn find(machine: &Hierarchies) -> Self {
        let find = |controller: Controller| (controller, ground(machine, controller));
        Self(Controller::ALL.into_iter().map(find).collect())
    }

    /// None at all, and why.
    #[must_use]
    pub fn none(why: &str) -> Self {
        Self(Controller::ALL.into_iter().map(|controller| (controller, Err(why.to_owned()))).collect())
    }

    /// Where groups of a controller can be made.
    ///
    /// # Errors
    /// Why they cannot, as a sentence without its full stop.
    pub fn of(&self, controller: Controller) -> Result<&Ground, &str> {
        match self.0.get(&controller) {
            Some(Ok(ground)) => Ok(ground),
            Some(Err(why)) => Err(why),
            None => Err("nobody has looked for it"),
        }
    }

    /// The controllers that can be used, with their grounds.
    pub fn usable(&self) -> impl Iterator<Item = (Controller, &Ground)> {
        self.0.iter().filter_map(|(controller, ground)| Some((*controller, ground.as_ref().ok()?)))
    }

    /// Takes a controller out, and says why.
    pub fn forbid(&mut self, controller: Controller, why: String) {
        self.0.insert(controller, Err(why));
    }
}

/// Version 1 has the controller, or version 2 does, never both.
fn ground(machine: &Hierarchies, controller: Controller) -> Result<Ground, String> {
    if let Some(tree) = machine.legacy.get(controller.legacy()) {
        let own = tree.own.as_ref().ok_or_else(|| out_of_sight(tree))?;
        return match is_writable(own) {
            true => Ok(Ground { unified: false, folder: own.clone() }),
            false => Err(format!(
                "this user may make no control groups in {}: version 1 of the {} controller belongs to root",
                own.display(),
                controller.legacy()
            )),
        };
    }
    match &machine.unified {
        None => Err(format!("the machine has no {} controller mounted", controller.legacy())),
        Some(tree) => Ok(Ground { unified: true, folder: unified(tree, controller)? }),
    }
}

/// The group that this process is in, or the nearest above it, that has no processes (but for the root, which may), that
/// this user may write in, and that has the controller.
fn unified(tree: &Tree, controller: Controller) -> Result<PathBuf, String> {
    let own = tree.own.as_ref().ok_or_else(|| out_of_sight(tree))?;
    let (mut busy, mut closed) = (None, None);
    for folder in own.ancestors().take_while(|folder| folder.starts_with(&tree.mount)) {
        // A process moves between groups only with the right to write in what is above both: so higher up is no better.
        if !is_writable(folder) {
            closed = Some(folder);
            break;
        }
        if !is_root(folder) && has_processes(folder) {
            busy = Some(folder);
            continue;
        }
        let name = controller.unified();
        // What is counted there without a controller is enough for the accounts.
        if controller == Controller::Accounting || lists(folder, "cgroup.controllers", name) {
            return Ok(folder.to_owned());
        }
        return Err(format!("the control group {} has no {name} controller", folder.display()));
    }
    Err(match (closed, busy) {
        (Some(closed), _) => format!("this user may make no control groups in {}", closed.display()),
        (None, Some(busy)) => {
            format!("there are processes in the control group {}, and none above it is free", busy.display())
        }
        (None, None) => out_of_sight(tree),
    })
}

fn out_of_sight(tree: &Tree) -> String {
    format!("the control group of this process is not in sight below {}", tree.mount.display())
}

/// Only the root of the whole tree has no type (since Linux 4.14); that of a namespace has one.
fn is_root(folder: &Path) -> bool {
    !folder.join("cgroup.type").exists()
}

fn has_processes(folder: &Path) -> bool {
    fs::read_to_string(folder.join("cgroup.procs")).map_or(true, |text| !text.trim().is_empty())
}

fn lists(folder: &Path, file: &str, name: &str) -> bool {
    let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.split_whitespace().any(|known| known == name)
}

/// Whether groups can be made in `folder`, and processes moved through it.
fn is_writable(folder: &Path) -> bool {
    let may = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    may(folder) && may(&folder.join("cgroup.procs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a group of version 2.
    fn group(folder: &Path, root: bool, processes: &str, controllers: &str) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("cgroup.procs"), processes).unwrap();
        fs::write(folder.join("cgroup.controllers"), controllers).unwrap();
        if !root {
            fs::write(folder.join("cgroup.type"), "domain\n").unwrap();
        }
    }

    fn of(mount: &Path, own: &Path, controller: Controller) -> Result<PathBuf, String> {
        unified(&Tree { mount: mount.to_owned(), own: Some(own.to_owned()) }, controller)
    }

    #[test]
    fn the_nearest_group_without_processes_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let mount = place.path();
        let (slice, scope) = (mount.join("user.slice"), mount.join("user.slice/a.scope"));
        group(mount, true, "1\n2\n", "cpu memory pids io cpuset");
        group(&slice, false, "", "cpu memory");
        group(&scope, false, "77\n", "memory");
        assert_eq!(of(mount, &scope, Controller::Memory), Ok(slice.clone()));
        assert_eq!(of(mount, &scope, Controller::Accounting), Ok(slice.clone()));
        let why = of(mount, &scope, Controller::Pids).unwrap_err();
        assert!(why.contains("user.slice has no pids controller"), "{why}");
        // Whoever is at the top stays there: the root may have processes.
        assert_eq!(of(mount, mount, Controller::Io), Ok(mount.to_owned()));
    }

    #[test]
    fn a_container_full_of_processes_has_no_room() {
        let place = tempfile::tempdir().unwrap();
        group(place.path(), false, "1\n", "cpu memory pids");
        let why = of(place.path(), place.path(), Controller::Cpu).unwrap_err();
        assert!(why.contains("there are processes in the control group"), "{why}");
    }

    #[test]
    fn without_a_tree_the_controller_is_missing() {
        let grounds = Grounds::find(&Hierarchies::default());
        assert!(grounds.of(Controller::Memory).unwrap_err().contains("no memory controller"));
        assert_eq!(grounds.usable().count(), 0);
        let hidden = Tree { mount: "/x".into(), own: None };
        let machine = Hierarchies { unified: Some(hidden), ..Hierarchies::default() };
        assert!(Grounds::find(&machine).of(Controller::Cpu).unwrap_err().contains("not in sight"));
    }
}
