//! Kernel settings under /proc/sys/net, which belong to the network namespace of the thread that touches them.
//!
//! Settings of the whole machine are never written: the caller enters a namespace of ours first.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Because, HostError};
use crate::mount_tree::{Limits, Tree};
use crate::netns::NetNs;

/// Writes `settings`, as pairs of a path below /proc/sys ("net/ipv6/conf/all/disable_ipv6") and a value, inside `ns`. Dots serve as slashes,
/// as sysctl(8) has it, in names without a slash.
///
/// # Errors
/// The first that failed: `ENOENT` for a setting this kernel lacks, `EACCES`, `EROFS` where /proc/sys is closed; `EINVAL`
/// for a path that is not below `net/`.
pub fn write_in(ns: &NetNs, settings: &[(&str, &str)]) -> Result<(), HostError> {
    ns.run(|| settings.iter().try_for_each(|(name, value)| write(name, value)))?
}

/// Writes one setting in the namespace of the calling thread, for threads that are inside already.
///
/// # Errors
/// As [`write_in`].
pub fn write(name: &str, value: &str) -> Result<(), HostError> {
    let path = below_root(name).because("set the kernel setting", || name)?;
    VIEW.with_borrow_mut(|view| view.write(&path, value.as_bytes()))
        .because("set the kernel setting", || format!("{name} = {value}"))
}

thread_local! {
    static VIEW: RefCell<View> = const { RefCell::new(View { own: None, written: 0, refused: false }) };
}

/// Through which mount of proc a thread writes.
///
/// The kernel keeps a directory entry for every namespace whose settings were touched, all of the same name, and
/// looks through them one by one: in the machine's /proc, the thousandth namespace costs a thousand comparisons at
/// each step of the path. So a thread that writes a lot has a mount of its own, and a new one now and then.
struct View {
    own: Option<Tree>,
    /// Settings written through it.
    written: u32,
    /// The host does not let us.
    refused: bool,
}

/// Settings written through one mount.
const WRITES: u32 = 128;

impl View {
    fn write(&mut self, path: &str, value: &[u8]) -> Result<(), Errno> {
        if self.written >= WRITES && !self.refused {
            self.own = Tree::new("proc", &[], Limits { read_only: false, ..Limits::ALL }).ok();
            self.refused = self.own.is_none();
            self.written = 0;
        }
        self.written = self.written.saturating_add(1);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = match &self.own {
            Some(tree) => rustix::fs::openat(tree.root(), format!("sys/{path}"), flags, Mode::empty())?,
            None => rustix::fs::openat(CWD, format!("{ROOT}/{path}"), flags, Mode::empty())?,
        };
        rustix::io::write(file, value).map(drop)
    }
}

/// Reads a setting of the machine or of the calling thread's namespace, without the newline.
///
/// # Errors
/// As open(2) and read(2).
pub fn read(name: &str) -> Result<String, HostError> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(slashed(name).as_ref()))
        .because("read the kernel setting", || name)?;
    Ok(text.trim_end().to_owned())
}

/// `net.ipv4.ip_forward` as a path; an interface name with a dot in it needs the form with slashes.
fn slashed(name: &str) -> Cow<'_, str> {
    if name.contains('/') { Cow::Borrowed(name) } else { Cow::Owned(name.replace('.', "/")) }
}

/// The path below [`ROOT`].
fn below_root(name: &str) -> Result<Cow<'_, str>, Errno> {
    let name = slashed(name);
    let sound = name.starts_with("net/") && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
    if sound { Ok(name) } else { Err(Errno::INVAL) }
}

const ROOT: &str = "/proc/sys";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::can_make_namespaces;

    #[test]
    fn only_settings_of_the_namespace_can_be_written() {
        for name in [
            "kernel/hostname",
            "kernel.hostname",
            "net..x",
            "net/ipv4/../../kernel/x",
            "net/../kernel/hostname",
            "/etc/passwd",
            "net//x",
            "",
        ] {
            assert_eq!(below_root(name), Err(Errno::INVAL), "{name:?}");
        }
    }

    #[test]
    fn a_setting_stays_inside() {
        if !can_make_namespaces() {
            return;
        }
        let name = "net/ipv4/ip_forward";
        let outside = read(name).unwrap();
        let ns = NetNs::create().unwrap();
        write_in(&ns, &[(name, "0")]).unwrap();
        assert_eq!(ns.run(|| read(name)).unwrap().unwrap(), "0");
        write_in(&ns, &[("net.ipv4.ip_forward", "1")]).unwrap();
        assert_eq!(ns.run(|| read(name)).unwrap().unwrap(), "1");
        assert_eq!(read(name).unwrap(), outside);
    }

    #[test]
    fn a_thread_that_writes_a_lot_still_writes_to_the_namespace_it_is_in() {
        if !can_make_namespaces() {
            return;
        }
        let name = "net/ipv4/ip_forward";
        let outside = read(name).unwrap();
        let namespaces = [NetNs::create().unwrap(), NetNs::create().unwrap()];
        let all = (0..2 * WRITES + 2).map(|n| (n, &namespaces[n as usize % 2]));
        // Even ones go to the first, odd ones to the second; the last of each stays.
        let write =
            |n: &u32| write(name, if n.is_multiple_of(2) { "1" } else { "0" }).map(|()| read(name).unwrap());
        for (n, seen) in NetNs::run_in_each(all, write).unwrap() {
            assert_eq!(seen.unwrap(), if n.is_multiple_of(2) { "1" } else { "0" }, "{n}");
        }
        assert_eq!(read(name).unwrap(), outside);
    }
}
