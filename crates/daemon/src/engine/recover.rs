//! Removing what a dead daemon left, by its journal: only what is proven to be the lab's.
//!
//! Namespaces without a name, devices in them, processes and mounts of nodes went with daemon and spawner. What is
//! here has a name, and is removed if it is the very thing that was noted, or, where the daemon died before it could
//! note what it made, if it has both our name and our mark.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use netloom_api::{ApiError, DownReport, ErrorKind};
use netloom_lab::journal::{Found, Identity, Kind, Leftover, replay};
use netloom_sys::netns_name;

use super::names::mark;
use crate::Home;

/// Removes what the journal of a dead daemon names.
///
/// # Errors
/// When the journal cannot be read.
pub(super) fn recover(home: &Home) -> Result<DownReport, ApiError> {
    let mut report = DownReport { lab: home.lab().to_owned(), ..DownReport::default() };
    let text = match std::fs::read(home.journal()) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        Err(error) => {
            return Err(ApiError::caused(ErrorKind::Failed, "Cannot read the lab's journal.", &error));
        }
    };
    let boot = crate::state::boot_id().map_err(|e| {
        ApiError::caused(ErrorKind::Machine, "Cannot tell this boot of the machine from others.", &e)
    })?;
    let mut leftovers = replay(&text).leftovers;
    // Control groups are not empty before their processes have ended.
    leftovers.sort_by_key(|leftover| leftover.kind != Kind::Process);
    for leftover in leftovers {
        if !leftover.is_ours(&boot, found(home, &leftover).as_ref()) {
            continue;
        }
        match remove(home, &leftover) {
            Ok(()) => report.removed += 1,
            Err(error) => report.left.push(format!("{}: {error}", leftover.name)),
        }
    }
    Ok(report)
}

/// What is there under the name of a leftover.
fn found(home: &Home, leftover: &Leftover) -> Option<Found> {
    let path = Path::new(&leftover.name);
    match leftover.kind {
        Kind::Process => {
            let Some(Identity::Process { pid, .. }) = leftover.identity else { return None };
            let start = crate::state::start_of(pid).ok()?;
            Some(Found { identity: Identity::Process { pid, start }, marked: false })
        }
        Kind::Netns | Kind::File | Kind::Folder => {
            let there = std::fs::symlink_metadata(path).ok()?;
            let fits = there.is_dir() == (leftover.kind == Kind::Folder) && !there.is_symlink();
            // Nobody else writes in the lab's own directory.
            let own = (path.starts_with(home.dir()) && path != home.dir()) || is_of_containers(home, path);
            let marked = fits && (own || netns_name::is_placed(path, &mark(home.lab())));
            let identity = Identity::Inode { dev: there.dev(), inode: there.ino() };
            Some(Found { identity, marked })
        }
        Kind::Cgroup => {
            let there = std::fs::symlink_metadata(path).ok()?;
            // The name is its mark: one that only this lab's daemons make, once.
            let marked = there.is_dir() && is_cgroup(path) && super::limits::is_of(home.lab(), path);
            let identity = Identity::Inode { dev: there.dev(), inode: there.ino() };
            marked.then_some(Found { identity, marked })
        }
        // Whose it is stands in the file. Where there is none, VFs may have been made that nobody came to have.
        Kind::Function => {
            let identity = Identity::Inode { dev: 0, inode: 0 };
            Some(Found { identity, marked: path.parent() == Some(&home.claims()) })
        }
        // This version makes none: whatever has the name is somebody else's.
        Kind::Device | Kind::Mount => None,
    }
}

fn remove(home: &Home, leftover: &Leftover) -> io::Result<()> {
    let path = Path::new(&leftover.name);
    match (leftover.kind, &leftover.identity) {
        (Kind::Process, Some(Identity::Process { pid, start })) => end(*pid, *start),
        (Kind::Netns, _) => netns_name::unmount(path).map_err(io::Error::other),
        (Kind::Folder, _) => remove_folder(path),
        (Kind::Function, _) => {
            super::functions::recover(&home.claims(), path, home.lab()).map_err(io::Error::other)
        }
        (Kind::Cgroup, _) => {
            let removed = super::limits::patiently(|| netloom_sys::cgroup::remove_tree(path));
            removed.map_err(io::Error::other)
        }
        _ => std::fs::remove_file(path),
    }
}

/// Whether a folder is a control group, of either version, and no other directory.
fn is_cgroup(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|found| [CGROUP, CGROUP2].contains(&found.f_type))
}

/// Magic numbers of statfs(2).
const CGROUP: i64 = 0x0027_e0eb;
const CGROUP2: i64 = 0x6367_7270;

/// Whether a folder is one for what containers of the lab wrote: nobody else makes any there.
fn is_of_containers(home: &Home, path: &Path) -> bool {
    let Some(all) = crate::data_dir().map(|data| super::containers::folder(&data)) else { return false };
    let name = path.file_name().and_then(|name| name.to_str());
    let pid = name.and_then(|name| name.strip_prefix(home.lab())?.strip_prefix('.'));
    path.parent() == Some(&all) && pid.is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit()))
}

/// Removes a folder and what is in it, unless something is mounted there: that would be emptied, too.
fn remove_folder(path: &Path) -> io::Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let below = |line: &str| {
        line.split(' ').nth(4).is_some_and(|point| Path::new(&unescaped(point)).starts_with(path))
    };
    if mounts.lines().any(below) {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "something is mounted there"));
    }
    // Closed even to their owner are the working directories of overlays.
    netloom_image::store::remove_tree(path).map(drop).map_err(io::Error::other)
}

/// A path as /proc writes it: blanks, tabs, line ends and backslashes are octal.
fn unescaped(point: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(point.to_owned(), |text, (code, character)| text.replace(code, character))
}

/// Kills a process, unless its number is another's by now, and waits until it is gone.
fn end(pid: u32, start: u64) -> io::Result<()> {
    let Some(number) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else {
        return Ok(());
    };
    let Ok(process) = rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty()) else {
        return Ok(());
    };
    // The descriptor is of the process that has the number now.
    if crate::state::start_of(pid).ok() != Some(start) {
        return Ok(());
    }
    rustix::process::pidfd_send_signal(&process, rustix::process::Signal::KILL)?;
    let limit = rustix::event::Timespec::try_from(Duration::from_secs(2)).ok();
    let fd = rustix::event::PollFd::new(&process, rustix::event::PollFlags::IN);
    match rustix::event::poll(&mut [fd], limit.as_ref())? {
        0 => Err(io::Error::new(io::ErrorKind::TimedOut, "it does not end")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Homes;
    use crate::engine::journal::Ledger;

    fn home(place: &Path) -> Home {
        let home = Homes::at(place.join("base")).home("shop").unwrap();
        home.create().unwrap();
        home
    }

    #[test]
    fn files_and_folders_of_the_lab_go_and_those_of_others_stay() {
        let place = tempfile::tempdir().unwrap();
        let home = home(place.path());
        let ledger = Ledger::begin(&home).unwrap();
        let nodes = home.dir().join("nodes");
        ledger.folder(&nodes).unwrap();
        std::fs::write(nodes.join("log"), "x").unwrap();
        // Killed between intent and done.
        let torn = home.dir().join("hosts.red");
        ledger.intend(Kind::File, &torn).unwrap();
        std::fs::write(&torn, "x").unwrap();
        // Somebody else's, and one that was exchanged behind our back.
        let theirs = place.path().join("theirs");
        ledger.intend(Kind::File, &theirs).unwrap();
        std::fs::write(&theirs, "not ours").unwrap();
        let exchanged = place.path().join("exchanged");
        ledger.write(&exchanged, "ours").unwrap();
        std::fs::write(place.path().join("new"), "theirs").unwrap();
        std::fs::rename(place.path().join("new"), &exchanged).unwrap();
        drop(ledger);
        let report = recover(&home).unwrap();
        assert_eq!((report.removed, report.left), (2, vec![]));
        assert!(!nodes.exists() && !torn.exists());
        assert!(theirs.exists() && exchanged.exists());
        assert!(home.remove().is_empty() && !home.exists());
    }

    #[test]
    fn a_marked_file_outside_is_ours_and_a_process_needs_its_start() {
        let place = tempfile::tempdir().unwrap();
        let home = home(place.path());
        let ledger = Ledger::begin(&home).unwrap();
        let name = place.path().join("name");
        ledger.intend(Kind::File, &name).unwrap();
        netns_name::place(&name, &mark("shop")).unwrap();
        let me = crate::Identity::mine().unwrap();
        let spawner = Path::new("spawner");
        ledger.intend(Kind::Process, spawner).unwrap();
        ledger
            .identify(Kind::Process, spawner, Identity::Process { pid: me.pid, start: me.start + 1 })
            .unwrap();
        let report = recover(&home).unwrap();
        assert_eq!((report.removed, report.left), (1, vec![]));
        assert!(!name.exists());
    }

    #[test]
    fn no_journal_is_nothing_to_do() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(recover(&home(place.path())).unwrap().removed, 0);
    }

    #[test]
    fn mount_points_are_read_as_they_are_written() {
        assert_eq!(unescaped(r"/a\040b\134c"), r"/a b\c");
    }
}
